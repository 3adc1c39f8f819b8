; The local APIC: SDM Vol. 3A chapter 11 "Advanced Programmable Interrupt Controller (APIC)"; when interrupts are taken:
; §6.8 "Enabling and Disabling Interrupts".

%define GUEST "apic"
%include "guest.inc"
%include "interrupts.inc"

section .text
code32
main:
  call enter_long
code64
  call init_interrupts

  ; ---- Registers ----
  mov eax, apic(APIC_VERSION)
  movzx ecx, al
  shr ecx, 4
  check_eq "version 1X: integrated", rcx, 1
  mov eax, apic(APIC_ID)
  check_eq "ID 0", rax, 0
  mov apic(APIC_TPR), 0x35
  mov eax, apic(APIC_PPR)
  check_eq "PPR is TPR while nothing is in service", rax, 0x35
  mov rax, cr8
  check_eq "CR8 is TPR's class", rax, 3
  mov eax, 5
  mov cr8, rax
  mov eax, apic(APIC_TPR)
  check_eq "writing CR8 writes TPR", rax, 0x50
  xor eax, eax
  mov cr8, rax

  ; ---- Interrupts to itself; IF ----
  send_self 0x50
  mov eax, apic(APIC_IRR + 0x20)
  check_eq "pending while IF is clear: IRR", rax, 1 << 16
  check_count "not taken", 0x50, 0
  sti
  nop
.after_shadow:
  nop
  cli
  check_count "taken with IF", 0x50, 1
  check_eq "after the instruction behind STI", [last_ip], .after_shadow
  mov eax, apic(APIC_IRR + 0x20)
  check_eq "IRR is clear then", rax, 0
  clear_interrupts
  send_self 0x50
  sti
  cli
  nop
  check_count "STI and CLI in a row let nothing through", 0x50, 0
  set_flags FLAG_IF
.after_popf:
  nop
  cli
  check_count "POPF with IF", 0x50, 1
  check_eq "takes it at once", [last_ip], .after_popf
  clear_interrupts
  sti
  nop
  send_self 0x50
  settle
  cli
  check_count "sent while IF is set", 0x50, 1
  clear_interrupts
  sti
  sti
.second_sti:
  send_self 0x51
  sti
.third_sti:
  nop
  cli
  check_count "STI with IF set already casts no shadow", 0x51, 1
  clear_interrupts
  send_self 0x52
  sti
  hlt
.after_hlt:
  cli
  check_count "STI and HLT: wakes up", 0x52, 1
  check_eq "behind the HLT", [last_ip], .after_hlt
  clear_interrupts
  send_self 0x52
  send_self 0x52
  sti
  nop
  nop
  cli
  check_count "sent twice while pending: once", 0x52, 1
  ; Through POP and IRET.
  clear_interrupts
  send_self 0x50
  mov rbx, rsp
  push DATA
  push rbx
  push FLAG_IF | FLAG_FIXED
  push CODE64
  push .after_iret
  iretq
.after_iret:
  nop
  cli
  check_eq "IRET with IF: at its target", [last_ip], .after_iret
  ; A program is interrupted.
  clear_interrupts
  send_self 0x50
  try
  user FLAG_IF | FLAG_FIXED
  nop
  back
  ok "a program with an interrupt pending"
  check_count "is interrupted", 0x50, 1
  check_eq "at CPL 3", [last_cs], USER_CODE64

  ; ---- Priorities ----
  clear_interrupts
  send_self 0x51
  send_self 0x71
  send_self 0x61
  sti
  nop
  nop
  nop
  cli
  check_order "the highest class first", 0x71, 0xf1, 0x61, 0xe1, 0x51, 0xd1
  clear_interrupts
  send_self 0x55
  send_self 0x52
  send_self 0x58
  sti
  nop
  nop
  nop
  cli
  check_order "the highest vector of a class first", 0x58, 0xd8, 0x55, 0xd5, 0x52, 0xd2
  ; While one is in service, only higher classes come.
  clear_interrupts
  mov qword [hook], .nest
  send_self 0x51
  sti
  nop
  nop
  cli
  check_order "nested: a higher class", 0x51, 0x61, 0xe1, 0xd1
  clear_interrupts
  mov qword [hook], .nest_lower
  send_self 0x61
  sti
  nop
  nop
  cli
  check_order "not nested: a lower class, or the same", 0x61, 0xe1, 0x6f, 0xef, 0x51, 0xd1
  check_eq "ISR in the handler", [noted], 1 << 1
  check_eq "PPR in the handler", [noted + 8], 0x60
  mov eax, apic(APIC_ISR + 0x30)
  check_eq "ISR is clear after EOI", rax, 0
  mov eax, apic(APIC_PPR)
  check_eq "PPR too", rax, 0
  ; TPR.
  clear_interrupts
  mov apic(APIC_TPR), 0x60
  send_self 0x6f
  send_self 0x70
  sti
  nop
  nop
  check_order "TPR lets higher classes through", 0x70, 0xf0
  mov eax, 5
  mov cr8, rax
.after_cr8:
  nop
  check_order "lowering CR8 lets the other in", 0x70, 0xf0, 0x6f, 0xef
  check_eq "at once", [last_ip], .after_cr8
  cli
  xor eax, eax
  mov cr8, rax
  ; A handler sends its own vector again.
  clear_interrupts
  mov qword [hook], .once_more
  send_self 0x51
  sti
  nop
  nop
  cli
  check_order "its own vector again: after EOI", 0x51, 0xd1, 0x51, 0xd1

  ; ---- Destinations ----
  clear_interrupts
  mov apic(APIC_ICR_HIGH), 0
  mov apic(APIC_ICR), 0x53              ; physical, ID 0
  sti
  settle
  check_count "physical destination", 0x53, 1
  mov apic(APIC_ICR_HIGH), 5 << 24
  mov apic(APIC_ICR), 0x53
  settle
  check_count "another's ID", 0x53, 1
  mov apic(APIC_ICR_HIGH), 0xff << 24
  mov apic(APIC_ICR), 0x53
  settle
  check_count "broadcast", 0x53, 2
  mov apic(APIC_ICR), (2 << 18) | 0x53
  settle
  check_count "all including self", 0x53, 3
  mov apic(APIC_ICR), (3 << 18) | 0x53
  settle
  check_count "all excluding self", 0x53, 3
  mov apic(APIC_DFR), -1
  mov apic(APIC_LDR), 4 << 24
  mov apic(APIC_ICR_HIGH), 6 << 24
  mov apic(APIC_ICR), (1 << 11) | 0x53
  settle
  check_count "logical destination, flat", 0x53, 4
  mov apic(APIC_ICR_HIGH), 3 << 24
  mov apic(APIC_ICR), (1 << 11) | 0x53
  settle
  check_count "logical destination of others", 0x53, 4
  mov apic(APIC_DFR), 0x0fffffff
  mov apic(APIC_LDR), 0x24 << 24
  mov apic(APIC_ICR_HIGH), 0x26 << 24
  mov apic(APIC_ICR), (1 << 11) | 0x53
  settle
  check_count "logical destination, cluster", 0x53, 5
  mov apic(APIC_ICR_HIGH), 0x16 << 24
  mov apic(APIC_ICR), (1 << 11) | 0x53
  settle
  cli
  check_count "another cluster", 0x53, 5
  mov apic(APIC_DFR), -1

  ; ---- Errors, and switching it off ----
  mov apic(APIC_ESR), 0
  mov apic(APIC_ICR), SELF | 0x05
  mov apic(APIC_ESR), 0
  mov eax, apic(APIC_ESR)
  and eax, 1 << 5
  qemu_differs "notes none"
  check_eq "ESR: illegal vector sent", rax, 1 << 5
  mov apic(APIC_LINT0), 0x700
  mov apic(APIC_SVR), SPURIOUS
  mov eax, apic(APIC_LINT0)
  qemu_differs "masks nothing"
  check_eq "software disabled: entries are masked", rax, 0x10700
  mov apic(APIC_LINT0), 0x700
  mov eax, apic(APIC_LINT0)
  qemu_differs "masks nothing"
  check_eq "and stay so", rax, 0x10700
  mov apic(APIC_SVR), 0x100 | SPURIOUS
  mov eax, apic(APIC_LINT0)
  qemu_differs "masks nothing"
  check_eq "enabled again: they still are", rax, 0x10700
  mov apic(APIC_LINT0), MASKED

  ; ---- NMI ----
NMI_ICR equ 4 << 8                      ; to ID 0: with the shorthand only fixed interrupts can be sent
  set_gate X_NMI, .nmi
  clear_interrupts
  mov apic(APIC_ICR_HIGH), 0
  mov apic(APIC_ICR), NMI_ICR
  settle
  check_count "NMI with IF clear", X_NMI, 1
  clear_interrupts
  mov qword [hook], .second_nmi
  mov apic(APIC_ICR), NMI_ICR
  settle
  check_order "NMI in its handler: after IRET", 2, 0x82, 2, 0x82
  clear_interrupts
  mov qword [hook], .iret_in_nmi
  mov apic(APIC_ICR), NMI_ICR
  settle
  check_order "any IRET ends the blocking", 2, 2, 0x82, 0x82
  clear_interrupts
  mov qword [hook], .third_nmi
  mov apic(APIC_ICR), NMI_ICR
  settle
  check_order "two NMIs in its handler are one", 2, 0x82, 2, 0x82
  default_gate X_NMI

  ; ---- x2APIC mode ----
  needs 1, 0, ecx, 21
  mov ecx, 0x802
  raises "x2APIC: its registers in xAPIC mode", X_GP, 0, rdmsr
  change_msr MSR_APIC_BASE, 1 << 10, 0
  mov ecx, 0x802
  rdmsr
  check_eq "x2APIC: ID", rax, 0
  mov ecx, 0x803
  rdmsr
  shr eax, 4
  and eax, 15
  check_eq "x2APIC: version", rax, 1
  clear_interrupts
  mov ecx, 0x83f                        ; self IPI
  mov eax, 0x50
  xor edx, edx
  wrmsr
  mov qword [hook], .end_x2
  sti
  settle
  cli
  check_count "x2APIC: to itself", 0x50, 1
  mov ecx, 0x830                        ; ICR: physical, ID 0
  mov eax, 0x51
  xor edx, edx
  wrmsr
  sti
  settle
  cli
  check_count "x2APIC: to ID 0", 0x51, 1
  mov ecx, 0x830
  mov eax, 0x51
  mov edx, -1
  wrmsr
  sti
  settle
  cli
  check_count "x2APIC: broadcast", 0x51, 2
  mov ecx, 0x808
  mov eax, 0x70
  xor edx, edx
  wrmsr
  mov rax, cr8
  check_eq "x2APIC: TPR and CR8", rax, 7
  xor eax, eax
  mov cr8, rax
  mov ecx, 0x80d
  raises "x2APIC: the logical ID cannot be written", X_GP, 0, wrmsr
  mov ecx, 0x80e
  raises "x2APIC: there is no destination format", X_GP, 0, rdmsr
  mov ecx, 0x80b
  mov eax, 1
  raises "x2APIC: EOI takes 0 only", X_GP, 0, wrmsr
  mov ecx, 0x83f
  raises "x2APIC: self IPI is for writing", X_GP, 0, rdmsr
  mov ecx, 0x808
  mov eax, 0x100
  raises "x2APIC: reserved bits", X_GP, 0, wrmsr
  mov ecx, MSR_APIC_BASE
  rdmsr
  and eax, ~(1 << 10)
  raises "x2APIC: no way straight back", X_GP, 0, wrmsr
  and eax, ~(1 << 11)
  try
  wrmsr
  survives "x2APIC: off"
  mov eax, 1
  cpuid
  bt edx, 9
  check_if "off: CPUID has no APIC", nc
  change_msr MSR_APIC_BASE, 1 << 11, 0
  mov eax, 1
  cpuid
  bt edx, 9
  check_if "on again: CPUID has one", c
  mov eax, apic(APIC_SVR)
  check_eq "on again: as after a reset", rax, 0xff
  end_needs
  jmp finish64

.end_x2:
  push rcx
  push rax
  mov ecx, 0x80b
  xor eax, eax
  xor edx, edx
  wrmsr
  pop rax
  pop rcx
  ret

.nest:
  mov qword [hook], 0
  send_self 0x61
  sti
  nop
  nop
  cli
  ret
.nest_lower:
  mov qword [hook], 0
  mov eax, apic(APIC_ISR + 0x30)
  mov [noted], eax
  mov eax, apic(APIC_PPR)
  mov [noted + 8], eax
  send_self 0x51
  send_self 0x6f
  sti
  nop
  nop
  cli
  ret
.once_more:
  mov qword [hook], 0
  send_self 0x51
  ret

.nmi:
  push rax
  push rdx
  inc dword count(X_NMI)
  mov al, X_NMI
  call log_vector
  cmp qword [hook], 0
  je .no_hook
  call [hook]
.no_hook:
  mov al, 0x80 | X_NMI
  call log_vector
  pop rdx
  pop rax
  iretq
.third_nmi:
  mov apic(APIC_ICR), NMI_ICR
.second_nmi:
  mov qword [hook], 0
  mov apic(APIC_ICR), NMI_ICR
  settle
  ret
.iret_in_nmi:
  mov qword [hook], 0
  mov apic(APIC_ICR), NMI_ICR
  settle
  mov rax, rsp
  push DATA
  push rax
  push FLAG_FIXED
  push CODE64
  push .returned
  iretq
.returned:
  settle
  ret

section .data
align 8
noted: dq 0, 0

%include "end.inc"
