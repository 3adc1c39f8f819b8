; Clocks: time-stamp counter, PIT, RTC, ACPI timer, KVM's clock (Linux Documentation/virt/kvm/x86/msr.rst), and what
; CPUID tells of them and of the hypervisor.

%define GUEST "clocks"
%include "guest.inc"
%include "interrupts.inc"

PM_TIMER equ 0x608
KVM_WALL_CLOCK equ 0x4b564d00
KVM_SYSTEM_TIME equ 0x4b564d01

absolute variables
alignb 64
kvm_time: resb 32                       ; version, -, TSC, nanoseconds, multiplier, shift, flags
wall_clock: resb 16
measured_tsc: resq 1
measured_pm: resd 1

section .text
; rax: time-stamp counter
%macro read_tsc 0
  rdtsc
  shl rdx, 32
  or rax, rdx
%endmacro
; eax: CMOS register
%macro read_cmos 1
  mov al, %1
  out 0x70, al
  in al, 0x71
  movzx eax, al
%endmacro
%macro write_cmos 2
  mov al, %1
  out 0x70, al
  mov al, %2
  out 0x71, al
%endmacro
%macro check_within 4                   ; name, register, lowest, highest
  mov rax, %2
  sub rax, %3
  cmp rax, (%4) - (%3)
  check_if %1, be
%endmacro

code32
main:
  call enter_long
code64
  call init_interrupts

  ; ---- Time-stamp counter ----
  mov edi, 1000
  xor ebx, ebx
.tsc:
  read_tsc
  cmp rax, rbx
  jb .backwards
  mov rbx, rax
  dec edi
  jnz .tsc
.backwards:
  check_eq "the time-stamp counter never goes back", rdi, 0
  read_tsc
  mov rbx, rax
  mov ecx, 10000
  loop $
  read_tsc
  cmp rax, rbx
  check_if "and goes on", a
  mov ecx, MSR_TSC
  rdmsr
  shl rdx, 32
  or rax, rdx
  qemu_differs "reads another"
  cmp rax, rbx
  check_if "RDMSR reads the same counter", a
  ; An offset of its own.
  mov ecx, MSR_TSC
  xor eax, eax
  xor edx, edx
  wrmsr
  read_tsc
  mov ecx, 0x10000000
  qemu_differs "cannot be written"
  cmp rax, rcx
  check_if "it can be written", b

  ; ---- PIT ----
  mov al, 0x34                          ; channel 0, mode 2
  out 0x43, al
  xor eax, eax
  out 0x40, al
  out 0x40, al
  mov ecx, 5000
  loop $
  call .latch
  mov ebx, eax
  mov ecx, 20000
  loop $
  call .latch
  cmp eax, ebx
  check_if "PIT counts down", b
  mov al, 0xe2                          ; read back: status of channel 0
  out 0x43, al
  in al, 0x40
  movzx eax, al
  and eax, 0x3f
  check_eq "PIT: status", rax, 0x34
  ; A latched count stays until it is read.
  mov al, 0
  out 0x43, al
  mov ecx, 20000
  loop $
  in al, 0x40
  movzx ebx, al
  in al, 0x40
  mov bh, al
  call .latch
  cmp eax, ebx
  check_if "PIT: a latched count stays", b
  ; Channel 2, with its gate and output at port 0x61.
  in al, 0x61
  and al, ~3
  or al, 1
  out 0x61, al
  mov al, 0xb0                          ; mode 0
  out 0x43, al
  mov al, 100
  out 0x42, al
  mov al, 0
  out 0x42, al
  in al, 0x61
  and eax, 0x20
  check_eq "PIT channel 2: the output is low while it counts", rax, 0
  mov ecx, 1000000
.channel2:
  in al, 0x61
  test al, 0x20
  loopz .channel2
  and eax, 0x20
  check_eq "and high in the end", rax, 0x20

  ; ---- Against each other: 10 ms of the PIT ----
  mov al, 0x30
  out 0x43, al
  mov al, 11932 & 0xff
  out 0x40, al
  mov al, 11932 >> 8
  out 0x40, al
  mov dx, PM_TIMER
  in eax, dx
  mov ebx, eax
  read_tsc
  mov rsi, rax
.wait:
  mov al, 0xe2
  out 0x43, al
  in al, 0x40
  test al, 0x80
  jz .wait
  mov dx, PM_TIMER
  in eax, dx
  sub eax, ebx
  and eax, 0xffffff
  mov [measured_pm], eax
  read_tsc
  sub rax, rsi
  mov [measured_tsc], rax
  mov ebx, [measured_pm]
  check_within "ACPI timer: 3.579545 MHz", rbx, 35438, 36154
  ; The rate that CPUID tells (leaf 0x15: crystal, times EBX, by EAX) against the ACPI timer.
  mov eax, 0
  cpuid
  cmp eax, 0x15
  mov eax, 0x15
  cpuid
  mov r8d, eax
  mov r9d, ebx
  mov r10d, ecx
  not_on_qemu                           ; does not tell
  mov eax, r10d
  mul r9
  div r8
  mov r8, rax                           ; ticks a second
  mov rax, [measured_tsc]
  mov ecx, 3579545
  mul rcx
  mov ecx, [measured_pm]
  div rcx
  mov rbx, rax
  mov rax, r8
  mov ecx, 100
  xor edx, edx
  div rcx
  mov rcx, rax                          ; one per cent
  mov rax, rbx
  sub rax, r8
  add rax, rcx
  add rcx, rcx
  cmp rax, rcx
  check_if "time-stamp counter: the rate of CPUID leaf 0x15", be
  mov eax, 0x40000010
  cpuid
  imul rax, rax, 1000
  check_eq "and of the hypervisor's leaf", rax, r8
  end_needs

  ; ---- RTC ----
  read_cmos 0x0d
  check_eq "RTC: memory is valid", rax, 0x80
  read_cmos 0x0b
  or al, 0x02                           ; 24 hours
  and al, ~0x04                         ; BCD
  mov bl, al
  write_cmos 0x0b, bl
  call .wait_update
  read_cmos 0
  call .from_bcd
  check_within "RTC: seconds", rax, 0, 59
  read_cmos 2
  call .from_bcd
  check_within "RTC: minutes", rax, 0, 59
  read_cmos 4
  call .from_bcd
  check_within "RTC: hours", rax, 0, 23
  read_cmos 7
  call .from_bcd
  check_within "RTC: day", rax, 1, 31
  read_cmos 8
  call .from_bcd
  check_within "RTC: month", rax, 1, 12
  read_cmos 9
  call .from_bcd
  check_within "RTC: year", rax, 24, 99
  ; Two updates are a second apart.
  redirect 8, 0x48
  clear_interrupts
  read_cmos 0x0c
  read_cmos 0x0b
  or al, 0x10
  mov bl, al
  write_cmos 0x0b, bl
  mov qword [hook], .read_flags
  wait_for 0x48, 1
  read_cmos 0
  call .from_bcd
  mov ebx, eax
  mov dx, PM_TIMER
  in eax, dx
  mov esi, eax
  wait_for 0x48, 2
  mov dx, PM_TIMER
  in eax, dx
  sub eax, esi
  and eax, 0xffffff
  mov esi, eax
  read_cmos 0
  call .from_bcd
  inc ebx
  cmp ebx, 60
  jne .no_wrap
  xor ebx, ebx
.no_wrap:
  check_eq "RTC: an update is one second", rax, rbx
  check_within "RTC: 3579545 ticks of the ACPI timer", rsi, 3543750, 3615340
  read_cmos 0x0b
  and al, ~0x10
  mov bl, al
  write_cmos 0x0b, bl

  ; ---- CPUID ----
  mov eax, 1
  cpuid
  mov r8d, ecx
  bt r8d, 31
  check_if "CPUID: a hypervisor is there", c
  shr ebx, 24
  mov eax, apic(APIC_ID)
  shr eax, 24
  check_eq "CPUID: the APIC's ID", rbx, rax
  mov eax, 0x80000008
  cpuid
  movzx ebx, al
  movzx ecx, ah
  qemu_differs "has five levels"
  check_eq "CPUID: width of linear addresses", rcx, 48
  check_within "CPUID: width of physical addresses", rbx, 36, 52
  mov eax, 0x80000007
  cpuid
  qemu_differs "says no"
  bt edx, 8
  check_if "CPUID: the time-stamp counter is invariant", c
  mov eax, 0x40000000
  cpuid
  cmp eax, 0x40000001
  check_if "CPUID: hypervisor leaves", ae

  needs 0x40000001, 0, eax, 3           ; KVM's clock
  mov eax, 0x40000000
  cpuid
  check_eq "CPUID: KVMK", rbx, 'KVMK'
  check_eq "CPUID: VMKV", rcx, 'VMKV'
  check_eq "CPUID: M", rdx, 'M'
  write_msr KVM_WALL_CLOCK, wall_clock
  mov eax, [wall_clock]
  and eax, 1
  check_eq "KVM wall clock: the version is even", rax, 0
  mov eax, [wall_clock + 4]
  cmp eax, 1577836800                   ; 2020
  check_if "KVM wall clock: seconds since 1970", a
  mov eax, [wall_clock + 8]
  cmp eax, 1000000000
  check_if "KVM wall clock: nanoseconds", b
  write_msr KVM_SYSTEM_TIME, kvm_time | 1
  rdmsr
  check_eq "KVM system time: the MSR reads as written", rax, kvm_time | 1
  mov eax, [kvm_time]
  and eax, 1
  check_eq "KVM system time: the version is even", rax, 0
  read_tsc
  cmp rax, [kvm_time + 8]
  check_if "KVM system time: its TSC is in the past", ae
  movzx eax, byte [kvm_time + 29]
  and eax, 1
  check_eq "KVM system time: stable", rax, 1
  call .kvm_now
  mov rbx, rax
  call .kvm_now
  cmp rax, rbx
  check_if "KVM system time goes on", ae
  ; 10 ms of the PIT.
  mov al, 0x30
  out 0x43, al
  mov al, 11932 & 0xff
  out 0x40, al
  mov al, 11932 >> 8
  out 0x40, al
  call .kvm_now
  mov rbx, rax
.wait_again:
  mov al, 0xe2
  out 0x43, al
  in al, 0x40
  test al, 0x80
  jz .wait_again
  call .kvm_now
  sub rax, rbx
  mov rbx, rax
  check_within "KVM system time: nanoseconds", rbx, 9900000, 10100000
  ; The time-stamp counter is written: the page follows.
  call .kvm_now
  mov rbx, rax
  write_msr MSR_TSC, 0x10000, 0x1000
  call .kvm_now
  sub rax, rbx
  mov rbx, rax
  check_within "KVM system time: after the counter was written", rbx, 0, 1000000
  write_msr KVM_SYSTEM_TIME, 0
  end_needs
  jmp finish64

.latch:                                 ; eax: count of channel 0
  mov al, 0
  out 0x43, al
  in al, 0x40
  mov ah, al
  in al, 0x40
  xchg al, ah
  movzx eax, ax
  ret

.from_bcd:                              ; al -> rax
  movzx ecx, al
  shr ecx, 4
  imul ecx, ecx, 10
  and eax, 15
  add eax, ecx
  ret

.wait_update:                           ; until no update is in progress
  read_cmos 0x0a
  test al, 0x80
  jnz .wait_update
  ret

.read_flags:
  read_cmos 0x0c
  ret

.kvm_now:                               ; rax: nanoseconds
  push rcx
  push rdx
.again:
  mov r11d, [kvm_time]
  read_tsc
  sub rax, [kvm_time + 8]
  mov cl, [kvm_time + 28]
  test cl, cl
  js .right
  shl rax, cl
  jmp .scaled
.right:
  neg cl
  shr rax, cl
.scaled:
  mov ecx, [kvm_time + 24]
  mul rcx
  shrd rax, rdx, 32
  add rax, [kvm_time + 16]
  cmp r11d, [kvm_time]
  jne .again
  pop rdx
  pop rcx
  ret

%include "end.inc"
