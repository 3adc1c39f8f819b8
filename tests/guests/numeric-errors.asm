; x87 errors as PCs have them: with CR0.NE clear they are interrupt 13, and port 0xF0 lets the processor go on (SDM Vol. 1
; §8.7.2 "MS-DOS Compatibility Sub-mode", appendix D.2).

%define GUEST "numeric-errors"
%include "guest.inc"
%include "interrupts.inc"

IRQ13 equ 0x2d

absolute variables
noted: resq 1
seen: resd 2
section .text

; Leaves a division by zero pending.
%macro pend 0
  fninit
  mov dword [seen], 0x37b
  fldcw [seen]
  fld1
  fldz
  fdivp st1, st0
%endmacro

code32
main:
  call enter_long
code64
  call init_interrupts
  not_on_qemu                           ; raises the interrupt without its own lock
  set_cr0 0, CR0_NE
  mov apic(APIC_LINT0), 0x700           ; ExtINT
  mov al, 0xfb
  out 0x21, al
  mov al, 0xdf
  out 0xa1, al

  clear_interrupts
  mov qword [hook], .handled
  pend
  sti
  fnstsw ax
  nop
  mov edx, count(IRQ13)
.waiting:
  fwait
  cli
  check_eq "instructions that do not wait tell nobody", rdx, 0
  check_count "FWAIT: interrupt 13", IRQ13, 1
  check_eq "before the instruction", [last_ip], .waiting
  check_eq "the handler sees the error", [noted], 0x8084
  fnstsw ax
  and eax, 0x80ff
  check_eq "and ends it", rax, 0

  clear_interrupts
  mov qword [hook], .handled
  pend
  sti
.loading:
  fld1
  nop
  cli
  check_count "FLD waits, too", IRQ13, 1
  clear_interrupts
  mov qword [hook], .handled
  pend
  sti
.mmx:
  movq mm0, mm1
  nop
  cli
  emms
  check_count "MMX, too", IRQ13, 1
  check_eq "before it", [last_ip], .mmx

  ; Port 0xF0 without FNCLEX: what waits goes on.
  clear_interrupts
  mov qword [hook], .ignored
  pend
  sti
  fld1
  fwait
  fstp dword [seen]
  movd mm0, [seen]
  movd [seen + 4], mm0
  nop
  cli
  check_count "IGNNE#: one interrupt for all that follows", IRQ13, 1
  mov eax, [seen + 4]
  check_eq "IGNNE#: the instructions are done", rax, 0x3f800000
  fnstsw ax
  and eax, 0x8084
  check_eq "IGNNE#: the error is still pending", rax, 0x8084
  set_cr0 CR0_NE, 0
  raises "CR0.NE: #MF whatever IGNNE# says", X_MF, NO_CODE, fwait
  set_cr0 0, CR0_NE
  fnclex
  clear_interrupts
  mov qword [hook], .handled
  pend
  sti
  fwait
  nop
  cli
  check_count "the next error is told of again", IRQ13, 1

  ; Without an error the port does nothing.
  clear_interrupts
  mov qword [hook], .handled
  out 0xf0, al
  pend
  sti
  fwait
  nop
  cli
  check_count "IGNNE# only answers an error", IRQ13, 1
  clear_interrupts
  mov qword [hook], .ignored
  pend
  sti
  fwait
  nop
  fldcw [.all_masked]
  mov dword [seen], 0x37b
  mov qword [hook], .handled
  fldcw [seen]
  fwait
  nop
  cli
  check_count "masking the error ends IGNNE#, too", IRQ13, 2

  clear_interrupts
  mov qword [hook], .handled
  pend
  try
  set_flags FLAG_FIXED | FLAG_TF | FLAG_IF
  fwait
.behind:
  nop
  caught "single step: a trap", X_DB
  caught_at "behind the instruction that had to wait", .behind
  check_count "which has waited", IRQ13, 1

  ; The processor stops, for any interrupt.
  clear_interrupts
  mov qword [hook], .handled
  mov al, 0xfa
  out 0x21, al
  mov al, 0xff
  out 0xa1, al
  pend
  mov al, 0x30
  out 0x43, al
  mov al, 0
  out 0x40, al
  mov al, 0x10
  out 0x40, al
  sti
.stopped:
  fwait
  cli
  check_count "stopped until an interrupt comes", 0x20, 1
  check_eq "which finds it before the instruction", [last_ip], .stopped
  check_count "interrupt 13 is masked", IRQ13, 0
  mov al, 0xff
  out 0x21, al
  out 0xf0, al
  end_needs
  jmp finish64

.handled:
  fnstsw ax
  movzx eax, ax
  and eax, 0x80ff
  mov [noted], rax
  out 0xf0, al
  fnclex
  ret
.ignored:
  out 0xf0, al
  ret
.all_masked: dw 0x37f

%include "end.inc"
