; Alignment checks: SDM Vol. 3A §6.15 "Interrupt 17 - Alignment Check Exception (#AC)".

%define GUEST "alignment"
%include "guest.inc"

%define PLACE (USER + FRAMES)

; One instruction of a program with RFLAGS.AC.
%macro unaligned 2+
  try
  user FLAG_FIXED | FLAG_AC
%%at:
  %2
  back
  caught %1, X_AC, 0
  %strcat %%name %1, ": at the instruction"
  caught_at %%name, USER + %%at
%endmacro
%macro works 2+
  try
  user FLAG_FIXED | FLAG_AC
  %2
  back
  ok %1
%endmacro

code32
main:
  call enter_long
code64
  mov dword [window_table], 0
  mov ebx, PLACE
  mov dword [FRAMES], 0
  set_cr0 CR0_AM, 0
  not_on_qemu                           ; has none
  unaligned "2 bytes", {mov ax, [rbx + 1]}
  unaligned "4 bytes", {mov eax, [rbx + 2]}
  unaligned "8 bytes", {mov rax, [rbx + 4]}
  unaligned "a write", {mov [rbx + 2], eax}
  unaligned "a read-modify-write", {add dword [rbx + 3], 1}
  unaligned "a locked one", {lock inc dword [rbx + 1]}
  unaligned "PUSH from memory", {push qword [rbx + 4]}
  unaligned "x87, 8 bytes", {fld qword [rbx + 4]}
  unaligned "MOVQ, 8 bytes", {movq xmm0, [rbx + 4]}
  lea rsi, [rbx + 1]
  unaligned "a string instruction", lodsw
  mov eax, [FRAMES]
  check_eq "nothing was written", rax, 0
  end_needs
  fninit
  works "2 bytes, aligned", {mov ax, [rbx + 2]}
  works "4 bytes, aligned", {mov eax, [rbx + 4]}
  works "8 bytes, aligned", {mov [rbx + 8], rax}
  works "bytes", {mov al, [rbx + 1]}
  works "16 bytes by an instruction for unaligned ones", {movups xmm0, [rbx + 1]}
  works "LEA", {lea rax, [rbx + 1]}
  try
  user FLAG_FIXED | FLAG_AC
  movaps xmm0, [rbx + 8]
  caught "#GP for an instruction that wants 16 bytes", X_GP, 0
  try
  user
  mov eax, [rbx + 1]
  back
  ok "without RFLAGS.AC"
  set_flags FLAG_AC
  try
  mov eax, [FRAMES + 1]
  survives "at CPL 0"
  set_flags FLAG_FIXED
  ; Descriptors are read with supervisor privilege.
  mov ecx, USER_DATA
  works "system structures", {mov fs, ecx}
  set_cr0 0, CR0_AM
  works "without CR0.AM", {mov eax, [rbx + 1]}
  set_cr0 CR0_AM, 0
  not_on_qemu
  unaligned "with CR0.AM again", {mov eax, [rbx + 1]}
  ; The stack.
  try
  user FLAG_FIXED | FLAG_AC
  sub rsp, 4
  push rax
  caught "PUSH", X_AC, 0
  end_needs
  set_cr0 0, CR0_AM
  jmp finish64

%include "end.inc"
