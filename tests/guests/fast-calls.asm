; SYSCALL, SYSRET, SYSENTER and SYSEXIT: SDM Vol. 3A §5.8.7 "Performing Fast Calls to System Procedures with the
; SYSENTER and SYSEXIT Instructions", §5.8.8 "Fast System Calls in 64-Bit Mode", Vol. 2 of the instructions.

%define GUEST "fast-calls"
%include "guest.inc"

; What the entry finds.
absolute variables
entry_cs: resq 1
entry_ss: resq 1
entry_sp: resq 1
entry_flags: resq 1
entry_cx: resq 1
entry_11: resq 1

section .text
%define USER_SP (USER + user_stack_end)

code32
main:
  call enter_long
code64
  change_msr MSR_EFER, EFER_SCE, 0
  write_msr MSR_STAR, 0xdeadbeef, (USER_CODE32 << 16) | CODE64
  write_msr MSR_LSTAR, syscall_entry
  write_msr MSR_CSTAR, syscall_entry
  write_msr MSR_FMASK, FLAG_IF | FLAG_DF | FLAG_NT
  write_msr MSR_SYSENTER_CS, CODE64
  write_msr MSR_SYSENTER_ESP, kernel_stack_end - 64
  write_msr MSR_SYSENTER_EIP, sysenter_entry

  ; ---- SYSCALL ----
  mov eax, USER_SP
  mov [FRAMES], rax
  try
  user FLAG_FIXED | FLAG_IF | FLAG_DF | FLAG_AC | 0x8d5
  syscall
.after:
  mov rdx, rsp
  mov esi, cs
  mov edi, ss
  back
  ok "SYSCALL and SYSRET"
  check_eq "SYSCALL: CS", [entry_cs], CODE64
  check_eq "SYSCALL: SS is the next descriptor", [entry_ss], DATA
  check_eq "SYSCALL: RSP stays", [entry_sp], [FRAMES]
  check_eq "SYSCALL: RCX is the return address", [entry_cx], USER + main.after
  check_eq "SYSCALL: R11 is RFLAGS", [entry_11], FLAG_IF + FLAG_DF + FLAG_AC + 0x8d7
  qemu_differs "clears the arithmetic flags"
  check_eq "SYSCALL: RFLAGS are masked", [entry_flags], FLAG_AC + 0x8d7
  check_eq "SYSRET: CS", rsi, USER_CODE64
  check_eq "SYSRET: SS", rdi, USER_DATA
  check_eq "SYSRET: RSP stays", rdx, [FRAMES]
  check_eq "SYSRET: RFLAGS are R11", [caught_flags], FLAG_IF + FLAG_DF + FLAG_AC + 0x8d7
  cld
  try
  user FLAG_FIXED | FLAG_NT
  syscall
  back
  ok "SYSCALL with NT"
  check_eq "SYSCALL: the mask clears NT too", [entry_flags], FLAG_FIXED
  write_msr MSR_LSTAR, sysret_flags
  try
  user
  mov rdx, -1
  btr rdx, 8                            ; no TF
  syscall
  back
  ok "SYSRET with all flags"
  mov eax, 0x3c7fd7 & ~FLAG_TF
  qemu_differs "takes RF and VM, but not VIF and VIP"
  check_eq "SYSRET: RF, VM and reserved bits are cleared", [caught_flags], rax
  write_msr MSR_LSTAR, sysret_compatible
  try
  user
  syscall
  ud2
  bits 32
.compatible:
  mov eax, -1
  inc eax
  mov ecx, cs
  mov edx, ss
  int BACK
  bits 64
  ok "SYSRET to compatibility mode"
  check_eq "SYSRET: 32-bit CS", rcx, USER_CODE32
  check_eq "SYSRET: 32-bit SS", rdx, USER_DATA
  check_eq "SYSRET: runs 32-bit code", rax, 0
  write_msr MSR_LSTAR, sysret_beyond
  mov eax, kernel_stack_end
  qemu_differs "goes there", 2
  try
  user
  syscall
  caught "#GP: SYSRET to a non-canonical address", X_GP, 0
  check_eq "at CPL 0", [caught_cs], CODE64
  write_msr MSR_LSTAR, .within
  xor ebp, ebp
  try
  syscall
.within:
  inc ebp
  survives "SYSCALL at CPL 0"
  check_eq "goes to its entry", rbp, 1
  write_msr MSR_LSTAR, syscall_entry
  change_msr MSR_EFER, 0, EFER_SCE
  try
  user
  syscall
  caught "#UD: SYSCALL without EFER.SCE", X_UD
  try
  o64 sysret
  caught "#UD: SYSRET without EFER.SCE", X_UD
  change_msr MSR_EFER, EFER_SCE, 0

  ; ---- SYSENTER ----
  try
  user FLAG_FIXED | FLAG_IF | FLAG_DF | FLAG_AC | 0x8d5
  mov ebp, esp
  mov edi, USER + .after_enter
  sysenter
.after_enter:
  mov rdx, rsp
  mov esi, cs
  mov edi, ss
  back
  ok "SYSENTER and SYSEXIT"
  cld
  check_eq "SYSENTER: CS", [entry_cs], CODE64
  check_eq "SYSENTER: SS is the next descriptor", [entry_ss], DATA
  check_eq "SYSENTER: RSP", [entry_sp], kernel_stack_end - 64
  check_eq "SYSENTER: RFLAGS but for IF stay", [entry_flags], FLAG_DF + FLAG_AC + 0x8d7
  check_eq "SYSEXIT: CS", rsi, USER_CODE64
  check_eq "SYSEXIT: SS", rdi, 0x30 | 3
  check_eq "SYSEXIT: RSP is RCX", rdx, rbp
  write_msr MSR_SYSENTER_EIP, sysexit_compatible
  try
  user
  mov ebp, esp
  mov edi, USER + .compatible_exit
  sysenter
  bits 32
.compatible_exit:
  mov eax, -1
  inc eax
  mov esi, cs
  mov edi, ss
  int BACK
  bits 64
  ok "SYSEXIT to compatibility mode"
  check_eq "SYSEXIT: 32-bit CS", rsi, USER_CODE32
  check_eq "SYSEXIT: 32-bit SS", rdi, USER_DATA
  check_eq "SYSEXIT: runs 32-bit code", rax, 0
  write_msr MSR_SYSENTER_EIP, sysenter_entry
  ; From compatibility mode; the handler always runs in 64-bit mode.
  try
  mov eax, USER_SP
  push USER_DATA
  push rax
  push FLAG_FIXED
  push USER_CODE32
  push USER + .from_compatible
  iretq
  bits 32
.from_compatible:
  mov ebp, esp
  mov edi, USER + .returned
  sysenter
  bits 64
.returned:
  back
  ok "SYSENTER from compatibility mode"
  check_eq "SYSENTER: 64-bit CS", [entry_cs], CODE64
  qemu_differs "has it, as AMD's"
  try
  push USER_DATA
  push rax
  push FLAG_FIXED
  push USER_CODE32
  push USER + .syscall_compatible
  iretq
  bits 32
.syscall_compatible:
  syscall
  bits 64
  caught "#UD: SYSCALL in compatibility mode", X_UD
  write_msr MSR_SYSENTER_CS, 0
  try
  user
  sysenter
  caught "#GP: SYSENTER without a code segment", X_GP, 0
  try
  sysexit
  caught "#GP: SYSEXIT without a code segment", X_GP, 0
  write_msr MSR_SYSENTER_CS, CODE64
  mov rdx, 0x800000000000
  mov ecx, USER_SP
  qemu_differs "goes there"
  try
  o64 sysexit
  caught "#GP: SYSEXIT to a non-canonical address", X_GP, 0
  mov rcx, rdx
  mov edx, .after
  qemu_differs "goes there"
  try
  o64 sysexit
  caught "#GP: SYSEXIT to a non-canonical stack", X_GP, 0
  jmp finish64

note_entry:
  mov eax, cs
  mov [entry_cs], rax
  mov eax, ss
  mov [entry_ss], rax
  ret

%macro entry 0
  mov [entry_sp], rsp
  mov [entry_cx], rcx
  mov [entry_11], r11
  mov esp, kernel_stack_end
  pushfq
  pop qword [entry_flags]
  call note_entry
%endmacro

syscall_entry:
  entry
  mov rsp, [entry_sp]
  o64 sysret

sysret_flags:
  mov r11, rdx
  o64 sysret

sysret_compatible:
  mov ecx, USER + main.compatible
  o32 sysret

sysret_beyond:
  mov rcx, 0x800000000000
  mov rsp, rax
  o64 sysret

sysenter_entry:
  entry
  mov rdx, rdi
  mov rcx, rbp
  o64 sysexit

sysexit_compatible:
  mov rdx, rdi
  mov rcx, rbp
  o32 sysexit

%include "end.inc"
