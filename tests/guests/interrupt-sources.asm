; Where interrupts come from: the 8259s with PIT, RTC and serial port behind them, the IOAPIC (82093AA), the local
; APIC's timer (SDM Vol. 3A §11.5.4 "APIC Timer"), and HLT.

%define GUEST "interrupt-sources"
%include "guest.inc"
%include "interrupts.inc"

; The serial port raises its interrupt when the transmitter is empty and that is asked for; reading its
; identification register takes it back.
%macro raise_serial 0
  mov dx, 0x3f9
  mov al, 2
  out dx, al
%endmacro
%macro lower_serial 0
  mov dx, 0x3f9
  mov al, 0
  out dx, al
  mov dx, 0x3fa
  in al, dx
%endmacro
; PIT channel 0, mode 0: one edge after that many ticks.
%macro shoot_pit 1
  mov al, 0x30
  out 0x43, al
  mov al, (%1) & 0xff
  out 0x40, al
  mov al, (%1) >> 8
  out 0x40, al
%endmacro

section .text
code32
main:
  call enter_long
code64
  call init_interrupts
  mov dx, 0x3fc                         ; OUT2 lets the serial interrupt out
  mov al, 0xb
  out dx, al
  lower_serial

  ; ---- The 8259s ----
  mov apic(APIC_LINT0), 0x700           ; ExtINT
  mov al, 0xfe
  out 0x21, al
  clear_interrupts
  shoot_pit 1000
  wait_for 0x20, 1
  check_order "PIT through the 8259", 0x20, 0xa0
  mov al, 0xff
  out 0x21, al
  shoot_pit 100
.poll_irr:
  mov al, 0x0a
  out 0x20, al
  in al, 0x20
  test al, 1
  jz .poll_irr
  sti
  settle
  cli
  check_count "masked: not taken, but in IRR", 0x20, 1
  mov al, 0xfe
  out 0x21, al
  sti
  settle
  cli
  check_count "unmasked: taken", 0x20, 2
  ; Square wave: one interrupt a period.
  clear_interrupts
  mov al, 0x34
  out 0x43, al
  mov al, 0xa9                          ; 1193: a millisecond
  out 0x40, al
  mov al, 0x04
  out 0x40, al
  wait_for 0x20, 3
  check_count "PIT, periodic", 0x20, 3
  mov al, 0xff
  out 0x21, al
  shoot_pit 0xffff
  ; The serial port, and priorities.
  mov al, 0xef
  out 0x21, al
  clear_interrupts
  mov qword [hook], .lower_serial
  raise_serial
  sti
  settle
  cli
  check_order "serial port", 0x24, 0xa4
  mov al, 0xee
  out 0x21, al
  clear_interrupts
  mov qword [hook], .pit_in_serial
  raise_serial
  sti
  settle
  cli
  check_order "8259: IRQ 0 interrupts the handler of IRQ 4", 0x24, 0x20, 0xa0, 0xa4
  clear_interrupts
  mov qword [hook], .serial_in_pit
  shoot_pit 100
  wait_for 0x24, 1
  check_order "8259: IRQ 4 waits for the EOI of IRQ 0", 0x20, 0xa0, 0x24, 0xa4
  check_eq "8259: ISR in the handler", [noted], 1
  ; The second one.
  mov al, 0xfb
  out 0x21, al
  mov al, 0xfe
  out 0xa1, al
  clear_interrupts
  mov qword [hook], .rtc
  mov al, 0x8a
  out 0x70, al
  in al, 0x71
  and al, 0xf0
  or al, 6                              ; 1024 Hz
  mov ah, al
  mov al, 0x8a
  out 0x70, al
  mov al, ah
  out 0x71, al
  mov al, 0x8c
  out 0x70, al
  in al, 0x71
  mov al, 0x8b
  out 0x70, al
  in al, 0x71
  or al, 0x40
  mov ah, al
  mov al, 0x8b
  out 0x70, al
  mov al, ah
  out 0x71, al
  wait_for 0x28, 3
  mov al, 0x8b
  out 0x70, al
  in al, 0x71
  and al, ~0x40
  mov ah, al
  mov al, 0x8b
  out 0x70, al
  mov al, ah
  out 0x71, al
  check_count "RTC, periodic, through the second 8259", 0x28, 3
  check_eq "its flags say so", [noted], 0xc0
  mov al, 0xff
  out 0x21, al
  out 0xa1, al
  mov apic(APIC_LINT0), MASKED

  ; ---- The IOAPIC ----
  mov dword [r14], 1
  mov eax, [r14 + 0x10]
  shr eax, 16
  movzx eax, al
  check_eq "IOAPIC: 24 inputs", rax, 23
  redirect 4, MASKED | 0x48, 0
  read_redirection 4
  check_eq "IOAPIC: an entry reads as written", rax, MASKED | 0x48
  clear_interrupts
  mov qword [hook], .lower_serial
  raise_serial
  sti
  settle
  check_count "IOAPIC: masked", 0x48, 0
  cli
  lower_serial
  redirect 4, 0x48
  sti
  raise_serial
  settle
  cli
  check_count "IOAPIC: edge", 0x48, 1
  ; The line stays high: no second edge.
  clear_interrupts
  raise_serial
  sti
  settle
  settle
  cli
  check_count "IOAPIC: an edge comes once", 0x48, 1
  lower_serial
  ; Level.
  clear_interrupts
  redirect 4, LEVEL_TRIGGERED | 0x48
  mov qword [hook], .twice
  raise_serial
  sti
  settle
  settle
  cli
  check_count "IOAPIC: a level comes again until it is gone", 0x48, 2
  check_eq "IOAPIC: remote IRR in the handler", [noted], REMOTE_IRR
  check_eq "TMR in the handler", [noted + 8], 1 << 8
  read_redirection 4
  and eax, REMOTE_IRR
  check_eq "IOAPIC: remote IRR after EOI", rax, 0
  ; Masked while high, then unmasked.
  clear_interrupts
  redirect 4, LEVEL_TRIGGERED | MASKED | 0x48
  raise_serial
  sti
  settle
  check_count "IOAPIC: a masked level", 0x48, 0
  mov qword [hook], .lower_serial
  redirect 4, LEVEL_TRIGGERED | 0x48
  settle
  cli
  check_count "IOAPIC: unmasked while high", 0x48, 1
  redirect 4, MASKED
  ; Destinations.
  clear_interrupts
  mov qword [hook], .lower_serial
  redirect 4, 0x48, 7 << 24
  raise_serial
  sti
  settle
  cli
  check_count "IOAPIC: to another processor", 0x48, 0
  lower_serial
  mov apic(APIC_DFR), -1
  mov apic(APIC_LDR), 2 << 24
  redirect 4, (1 << 11) | 0x48, 2 << 24
  raise_serial
  sti
  settle
  cli
  check_count "IOAPIC: logical destination", 0x48, 1
  redirect 4, (1 << 11) | (1 << 8) | 0x48, 0xff << 24
  raise_serial
  sti
  settle
  cli
  check_count "IOAPIC: lowest priority", 0x48, 2
  redirect 4, MASKED
  ; The PIT is on input 2.
  clear_interrupts
  redirect 2, 0x49
  shoot_pit 100
  wait_for 0x49, 1
  check_count "IOAPIC: PIT", 0x49, 1
  ; NMI: wakes up from HLT whatever IF is.
  set_gate X_NMI, .nmi
  clear_interrupts
  redirect 2, 4 << 8
  shoot_pit 1000
.nmi_hlt:
  hlt
  check_count "NMI from the IOAPIC ends HLT", X_NMI, 1
  redirect 2, MASKED
  default_gate X_NMI

  ; ---- The local APIC's timer ----
  clear_interrupts
  mov apic(APIC_DIVIDE), 0xb            ; by 1
  mov apic(APIC_TIMER), 0x60
  mov apic(APIC_INITIAL), 100000
  mov eax, apic(APIC_CURRENT)
  cmp eax, 100000
  check_if "timer: counts down", be
  wait_for 0x60, 1
  check_count "timer: one-shot", 0x60, 1
  mov eax, apic(APIC_CURRENT)
  check_eq "timer: at 0 then", rax, 0
  mov apic(APIC_TIMER), MASKED | 0x60
  mov apic(APIC_INITIAL), 10000
.timer_runs:
  mov eax, apic(APIC_CURRENT)
  test eax, eax
  jnz .timer_runs
  sti
  settle
  cli
  check_count "timer: masked", 0x60, 1
  clear_interrupts
  mov apic(APIC_TIMER), (1 << 17) | 0x61
  mov apic(APIC_INITIAL), 100000
  wait_for 0x61, 3
  check_count "timer: periodic", 0x61, 3
  mov apic(APIC_INITIAL), 0
  mov eax, apic(APIC_CURRENT)
  check_eq "timer: stopped by 0", rax, 0
  ; Divided by 16, it counts slower than the time-stamp counter... by whatever ratio: compare it with itself.
  mov apic(APIC_TIMER), MASKED
  mov apic(APIC_DIVIDE), 0xb
  mov apic(APIC_INITIAL), -1
  shoot_pit 2000
  call .wait_pit
  mov ebx, -1
  sub ebx, apic(APIC_CURRENT)
  mov apic(APIC_DIVIDE), 0x3            ; by 16
  mov apic(APIC_INITIAL), -1
  shoot_pit 2000
  call .wait_pit
  mov ecx, -1
  sub ecx, apic(APIC_CURRENT)
  imul eax, ecx, 12
  cmp eax, ebx
  check_if "timer: a sixteenth, within bounds", b
  imul eax, ecx, 20
  cmp eax, ebx
  check_if "timer: a sixteenth, other bound", a
  mov apic(APIC_INITIAL), 0

  needs 1, 0, ecx, 24                   ; TSC-deadline
  clear_interrupts
  mov apic(APIC_TIMER), (2 << 17) | 0x62
  mfence
  call .deadline
  mov ecx, MSR_TSC_DEADLINE
  rdmsr
  shl rdx, 32
  or rax, rdx
  check_eq "deadline: reads as written", rax, rbx
  wait_for 0x62, 1
  check_count "deadline: comes", 0x62, 1
  rdtsc
  shl rdx, 32
  or rax, rdx
  cmp rax, rbx
  check_if "deadline: not before", ae
  mov ecx, MSR_TSC_DEADLINE
  rdmsr
  or eax, edx
  check_eq "deadline: reads 0 then", rax, 0
  mov eax, 1
  xor edx, edx
  wrmsr
  sti
  settle
  cli
  check_count "deadline: in the past comes at once", 0x62, 2
  call .deadline
  xor eax, eax
  xor edx, edx
  mov ecx, MSR_TSC_DEADLINE
  wrmsr
  sti
  mov ecx, 200000
  loop $
  cli
  check_count "deadline: disarmed by 0", 0x62, 2
  ; The counter is written: the deadline is nearer.
  rdtsc
  inc edx                               ; 4 G ticks from now
  mov ecx, MSR_TSC_DEADLINE
  wrmsr
  inc edx
  mov ecx, MSR_TSC
  wrmsr
  sti
  settle
  cli
  check_count "deadline: passed by writing the counter", 0x62, 3
  mov apic(APIC_INITIAL), 1000
  sti
  mov ecx, 20000
  loop $
  cli
  check_count "deadline: the initial count means nothing", 0x62, 3
  mov eax, apic(APIC_CURRENT)
  check_eq "deadline: nor does the current one", rax, 0
  mov apic(APIC_TIMER), MASKED | 0x62
  call .deadline
  mov ecx, MSR_TSC_DEADLINE
  rdmsr
  or eax, edx
  check_eq "deadline: ignored in the other modes", rax, 0
  end_needs

  ; ---- In the middle of a repeated instruction ----
  mov apic(APIC_DIVIDE), 0xb
  clear_interrupts
  mov apic(APIC_TIMER), 0x63
  mov edi, FRAMES
  mov eax, 0x01010101
  mov ecx, 0x100000
  rep stosd
  mov esi, FRAMES
  mov edi, FRAMES + 0x800000
  mov ecx, 0x400000
  sti
  mov apic(APIC_INITIAL), 500
.movs:
  rep movsb
  cli
  check_eq "an interrupt in REP MOVSB: RCX in the end", rcx, 0
  check_eq "RDI in the end", rdi, FRAMES + 0xc00000
  mov esi, FRAMES
  mov edi, FRAMES + 0x800000
  mov ecx, 0x80000
  repe cmpsq
  check_if "the copies are equal", e
  cmp dword [FRAMES + 0xbffffc], 0x01010101
  check_if "and complete", e
  check_count "the interrupt", 0x63, 1
  check_eq "came in the middle", [last_ip], .movs
  mov apic(APIC_TIMER), MASKED
  jmp finish64

.wait_pit:                              ; until the output of channel 0 is high
  mov al, 0xe2                          ; read back the status
  out 0x43, al
  in al, 0x40
  test al, 0x80
  jz .wait_pit
  ret

.deadline:                              ; rbx: the time-stamp counter then, 100,000 ticks from now
  rdtsc
  shl rdx, 32
  or rax, rdx
  lea rbx, [rax + 100000]
  mov rax, rbx
  mov rdx, rbx
  shr rdx, 32
  mov ecx, MSR_TSC_DEADLINE
  wrmsr
  ret

.nmi:
  inc dword count(X_NMI)
  iretq

.lower_serial:
  lower_serial
  ret

.pit_in_serial:
  mov qword [hook], 0
  lower_serial
  push rcx
  shoot_pit 100
  wait_for 0x20, 1
  pop rcx
  ret

.serial_in_pit:
  mov qword [hook], .lower_serial
  mov al, 0x0b
  out 0x20, al
  in al, 0x20
  movzx eax, al
  mov [noted], rax
  raise_serial
  sti
  settle
  cli
  ret

.rtc:
  mov al, 0x8c
  out 0x70, al
  in al, 0x71
  and eax, 0xc0
  mov [noted], rax
  ret

.twice:
  read_redirection 4
  and eax, REMOTE_IRR
  mov [noted], rax
  mov eax, apic(APIC_TMR + 0x20)
  mov [noted + 8], rax
  cmp dword count(0x48), 2
  jne .not_yet
  lower_serial
.not_yet:
  ret

section .data
align 8
noted: dq 0, 0

%include "end.inc"
