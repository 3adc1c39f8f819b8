; Between privilege levels in 64-bit mode: IRET, far returns, call gates, conforming code (SDM Vol. 3A §5.8 "Privilege
; Level Checking When Transferring Program Control Between Code Segments", Vol. 2 "IRET", "RET", "CALL", "JMP").

%define GUEST "transfers-64-bit"
%include "guest.inc"

%define DATA_OF(address) USER + address

; IRETQ with this frame, by default to the line behind.
%macro return_to 5                      ; SS, RSP, RFLAGS, CS, RIP
  mov rax, %2
  mov rcx, %5
  push %1
  push rax
  push %3
  push %4
  push rcx
  iretq
%endmacro
%macro bad_return 8                     ; name, vector, error code, SS, RSP, RFLAGS, CS, RIP
  try
  return_to %4, %5, %6, %7, %8
  caught %1, %2, %3
%endmacro

code32
main:
  call enter_long
code64
  set_descriptor FREE + 8, low_half(0, 0xfffff), high_half(0, 0xfffff, CODE_SEGMENT | 4, FLAGS64)
CONFORMING equ FREE + 8
  set_descriptor FREE + 16, low_half(0, 0xfffff), high_half(0, 0xfffff, (CODE_SEGMENT | OF_USER) & ~0x80, FLAGS64)
ABSENT_CODE equ FREE + 16
  set_descriptor FREE + 24, low_half(0, 0xfffff), high_half(0, 0xfffff, (DATA_SEGMENT | OF_USER) & ~0x80, FLAGS32)
ABSENT_DATA equ FREE + 24

  ; ---- IRET ----
  try
  return_to DATA, rsp, FLAG_NT | FLAG_FIXED | 0x8d5, CODE64, .here
.here:
  pushfq
  pop rbx
  mov rdx, rsp
  survives "IRETQ at the same privilege"
  check_eq "takes the flags", rbx, FLAG_NT + 0x8d7
  mov rax, rsp
  check_eq "and the stack pointer", rdx, rax
  try
  set_flags FLAG_NT
  return_to DATA, rsp, FLAG_FIXED, CODE64, .here
  caught "#GP: NT in 64-bit mode", X_GP, 0
  try
  return_to 0, rsp, FLAG_FIXED, CODE64, .null
.null:
  mov ebx, ss
  mov eax, DATA
  mov ss, eax
  survives "SS null at CPL 0"
  check_eq "is taken", rbx, 0
%define USER_SP USER + user_stack_end
%define SOMEWHERE USER + .somewhere
  bad_return "#GP: non-canonical target", X_GP, 0, DATA, rsp, FLAG_FIXED, CODE64, 0x800000000000
  bad_return "#GP: CS null", X_GP, 0, DATA, rsp, FLAG_FIXED, 0, .somewhere
  bad_return "#GP: CS is data", X_GP, DATA, DATA, rsp, FLAG_FIXED, DATA, .somewhere
  bad_return "#GP: CS beyond the table", X_GP, 0x1000, DATA, rsp, FLAG_FIXED, 0x1003, .somewhere
  bad_return "#GP: RPL 3, DPL 0", X_GP, CODE64, USER_DATA, USER_SP, FLAG_FIXED, CODE64 | 3, SOMEWHERE
  bad_return "#GP: RPL 0, DPL 3", X_GP, USER_CODE64 & ~3, DATA, rsp, FLAG_FIXED, USER_CODE64 & ~3, .somewhere
  bad_return "#NP: CS absent", X_NP, ABSENT_CODE, USER_DATA, USER_SP, FLAG_FIXED, ABSENT_CODE | 3, SOMEWHERE
  bad_return "#GP: SS null at CPL 3", X_GP, 0, 3, USER_SP, FLAG_FIXED, USER_CODE64, SOMEWHERE
  bad_return "#GP: SS with another RPL", X_GP, USER_DATA & ~3, USER_DATA & ~3, USER_SP, FLAG_FIXED, USER_CODE64, SOMEWHERE
  bad_return "#GP: SS with another DPL", X_GP, DATA, DATA | 3, USER_SP, FLAG_FIXED, USER_CODE64, SOMEWHERE
  bad_return "#GP: SS is code", X_GP, USER_CODE64 & ~3, USER_CODE64, USER_SP, FLAG_FIXED, USER_CODE64, SOMEWHERE
  qemu_differs "has #NP"
  bad_return "#SS: SS absent", X_SS, ABSENT_DATA, ABSENT_DATA | 3, USER_SP, FLAG_FIXED, USER_CODE64, SOMEWHERE
  check_eq "a refused return stays at CPL 0", [caught_cs], CODE64
  mov rax, rsp
  mov rcx, 0x900000000000
  set_gate_stack X_SS, 1
  qemu_differs "has #GP"
  set_gate_stack X_GP, 1
  try_on rax
  mov rsp, rcx
  iretq
  caught "#SS: the frame is at a non-canonical address", X_SS, 0
  set_gate_stack X_SS, 0
  set_gate_stack X_GP, 0
  ; IRETD: a frame of 4-byte entries.
  try
  sub rsp, 20
  mov dword [rsp], .after_iretd
  mov dword [rsp + 4], CODE64
  mov dword [rsp + 8], FLAG_FIXED
  lea eax, [rsp + 20]
  mov [rsp + 12], eax
  mov dword [rsp + 16], DATA
  iretd
.after_iretd:
  survives "IRETD in 64-bit mode"

  ; To CPL 3: segment registers that it may not have become null.
  mov eax, DATA
  mov ds, eax
  mov fs, eax
  mov eax, USER_DATA
  mov es, eax
  mov eax, CONFORMING
  mov gs, eax
  try
  user
  mov eax, ds
  mov ebx, es
  mov ecx, fs
  mov edx, gs
  back
  ok "return to CPL 3"
  check_eq "DS of the supervisor is null", rax, 0
  check_eq "ES of DPL 3 stays", rbx, USER_DATA
  check_eq "FS of the supervisor is null", rcx, 0
  check_eq "GS with conforming code stays", rdx, CONFORMING
  mov eax, DATA
  mov ds, eax
  mov es, eax
  try
  user FLAG_FIXED | FLAG_IF | FLAG_IOPL
  back
  ok "return to CPL 3 with IF and IOPL"
  check_eq "takes both", [caught_flags], FLAG_FIXED + FLAG_IF + FLAG_IOPL
  ; Within CPL 3.
  try
  user
  return_to USER_DATA, rsp, FLAG_FIXED | FLAG_IF | FLAG_IOPL | FLAG_NT, USER_CODE64, USER + .within
.within:
  back
  ok "IRETQ at CPL 3"
  check_eq "changes neither IF nor IOPL", [caught_flags], FLAG_FIXED + FLAG_NT
  try
  user
  return_to DATA, rsp, FLAG_FIXED, CODE64, .somewhere
  caught "#GP: IRETQ from CPL 3 to CPL 0", X_GP, CODE64
  try
  user
  return_to USER_DATA, rsp, FLAG_FIXED, USER_CODE32, USER + .compatible
  bits 32
.compatible:
  mov eax, -1
  inc eax                               ; a REX prefix in 64-bit mode
  mov ecx, cs
  int BACK
  bits 64
  ok "IRETQ to compatibility mode"
  check_eq "runs 32-bit code", rax, 0
  check_eq "in that segment", [caught_cs], USER_CODE32

  ; ---- Far returns ----
  try
  push USER_DATA
  push USER_SP
  push 0x1111                           ; released by the immediate
  push USER_CODE64
  push USER + .returned
  o64 retf 8
.returned:
  mov rbx, rsp
  back
  ok "RETF to CPL 3, releasing 8 bytes"
  mov eax, USER_SP + 8
  check_eq "on both stacks", rbx, rax
  try
  user
  push DATA
  push rsp
  push CODE64
  push .somewhere
  o64 retf
  caught "#GP: RETF from CPL 3 to CPL 0", X_GP, CODE64
  try
  push USER_DATA & ~3
  push USER_SP
  push USER_CODE64
  push SOMEWHERE
  o64 retf
  caught "#GP: RETF, SS with another RPL", X_GP, USER_DATA & ~3

  ; ---- Conforming code ----
%macro user_jump 2                      ; selector, offset
  mov qword [DATA_OF(FRAMES)], %2
  mov word [DATA_OF(FRAMES) + 8], %1
  jmp far qword [DATA_OF(FRAMES)]
%endmacro
%macro user_call 2                      ; selector, offset
  mov qword [DATA_OF(FRAMES)], %2
  mov word [DATA_OF(FRAMES) + 8], %1
  call far qword [DATA_OF(FRAMES)]
%endmacro
  try
  user
  user_jump CONFORMING, USER + .conforming
.conforming:
  mov ecx, cs
  back
  ok "far JMP to conforming code of DPL 0"
  check_eq "keeps CPL 3", rcx, CONFORMING + 3
  try
  user
  user_jump CODE64, .somewhere
  caught "#GP: far JMP to other code of DPL 0", X_GP, CODE64
  try
  user
  user_call CODE64 | 3, .somewhere
  caught "#GP: far CALL to other code of DPL 0", X_GP, CODE64
  set_descriptor FREE, low_half(0, 0xfffff), high_half(0, 0xfffff, CODE_SEGMENT | 4 | OF_USER, FLAGS64)
  mov qword [FRAMES], .somewhere
  mov qword [FRAMES + 8], FREE
  try
  jmp far qword [FRAMES]
  caught "#GP: conforming code of DPL 3 from CPL 0", X_GP, FREE

  ; ---- Call gates ----
GATE equ FREE + 32
%macro call_gate 2-3 0xec               ; selector, offset, access byte
  mov eax, %2
  mov [gdt + GATE], ax
  mov word [gdt + GATE + 2], %1
  mov word [gdt + GATE + 4], (%3) << 8
  shr eax, 16
  mov [gdt + GATE + 6], ax
  mov qword [gdt + GATE + 8], 0
%endmacro
  call_gate CODE64, .gate
  try
  user
  mov ebx, 0x4321
  user_call GATE | 3, 0                 ; the offset means nothing
.behind_call:
  mov rdi, rsp
  mov esi, cs
  back
  ok "CALL through a gate from CPL 3 and back"
  check_eq "gate: RBX goes through", rbx, 0x4322
  check_eq "gate: CS at CPL 0", [FRAMES + 0x40], CODE64
  check_eq "gate: SS is null", [FRAMES + 0x48], 0
  check_eq "gate: the stack of the TSS", [FRAMES + 0x50], kernel_stack_end - 4 * 8
  check_eq "gate: return address", [FRAMES + 0x58], USER + .behind_call
  check_eq "gate: the caller's CS", [FRAMES + 0x60], USER_CODE64
  check_eq "gate: the caller's RSP", [FRAMES + 0x68], USER_SP
  check_eq "gate: the caller's SS", [FRAMES + 0x70], USER_DATA
  mov eax, USER_SP
  check_eq "gate: the caller's stack afterwards", rdi, rax
  check_eq "gate: CPL 3 afterwards", rsi, USER_CODE64
  mov qword [FRAMES], 0
  mov qword [FRAMES + 8], GATE
  mov rbp, rsp
  try
  call far qword [FRAMES]
  survives "CALL through a gate at CPL 0"
  lea rax, [rbp - 16]
  check_eq "gate: CS and RIP on the same stack", [FRAMES + 0x50], rax
  try
  user
  user_jump GATE | 3, 0
  caught "#GP: JMP through a gate to CPL 0", X_GP, CODE64
  call_gate CODE64, .gate, 0x8c
  try
  user
  user_call GATE | 3, 0
  caught "#GP: gate of DPL 0 from CPL 3", X_GP, GATE
  mov qword [FRAMES + 8], GATE | 3
  try
  call far qword [FRAMES]
  caught "#GP: gate of DPL 0 with RPL 3", X_GP, GATE
  call_gate CODE64, .gate, 0x6c
  try
  user
  user_call GATE | 3, 0
  caught "#NP: absent gate", X_NP, GATE
  call_gate CODE64, .gate
  mov byte [gdt + GATE + 8 + 5], 0x8c
  qemu_differs "does not look"
  try
  user
  user_call GATE | 3, 0
  caught "#GP: the gate's second half has a type", X_GP, GATE
  call_gate CODE64, .gate
  mov dword [gdt + GATE + 8], 0x8000
  not_on_qemu                           ; gets lost
  try
  user
  user_call GATE | 3, 0
  caught "#GP: gate to a non-canonical address", X_GP, 0
  end_needs
  call_gate 0, .gate
  try
  user
  user_call GATE | 3, 0
  caught "#GP: gate to null", X_GP, 0
  call_gate CODE32, .gate
  try
  user
  user_call GATE | 3, 0
  caught "#GP: gate to 32-bit code", X_GP, CODE32
  call_gate DATA, .gate
  try
  user
  user_call GATE | 3, 0
  caught "#GP: gate to data", X_GP, DATA
  call_gate USER_CODE64, .gate
  mov qword [FRAMES + 8], GATE
  try
  call far qword [FRAMES]
  caught "#GP: gate to less privileged code", X_GP, USER_CODE64 & ~3
  call_gate CONFORMING, USER + .gate_conforming
  try
  user
  user_jump GATE | 3, 0
.gate_conforming:
  mov ecx, cs
  back
  ok "JMP through a gate to conforming code"
  check_eq "gate: which keeps CPL 3", rcx, CONFORMING + 3
  call_gate CODE64, .gate
  mov dword [tss64 + 4], WINDOW + 0x800 ; absent
  set_gate_stack X_PF, 1
  try
  user
  user_call GATE | 3, 0
  caught "#PF: the new stack is absent", X_PF, E_W
  check_eq "which is the caller's fault", [caught_cs], USER_CODE64
  set_gate_stack X_PF, 0
  mov dword [tss64 + 4], kernel_stack_end
  mov byte [gdt + GATE + 5], 0xe4       ; a 16-bit call gate
  try
  user
  user_call GATE | 3, 0
  caught "#GP: 16-bit call gate", X_GP, GATE
  mov byte [gdt + GATE + 5], 0xe5
  try
  user
  user_call GATE | 3, 0
  caught "#GP: task gate", X_GP, GATE
  try
  user
  user_call TSS | 3, 0
  caught "#GP: task state segment", X_GP, TSS
  jmp finish64

.gate:
  inc ebx
  mov rcx, rsp
  mov eax, cs
  mov [FRAMES + 0x40], rax
  mov eax, ss
  mov [FRAMES + 0x48], rax
  mov [FRAMES + 0x50], rcx
  mov rsi, rsp
  mov edi, FRAMES + 0x58                ; the frame
  mov ecx, 4
  rep movsq
  o64 retf

.somewhere:
  back

%include "end.inc"
