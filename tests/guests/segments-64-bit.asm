; Segment registers, far transfers and descriptor tables in 64-bit mode: SDM Vol. 3A chapter 5 "Protection", Vol. 2 of
; the instructions.

%define GUEST "segments-64-bit"
%include "guest.inc"

code32
main:
  call enter_long
code64
  mov dword [window_table + 8], FRAMES + PAGE + P + W + U
  mov ebx, WINDOW                       ; absent, the next page is there

  ; ---- Segments ----
  set_descriptor FREE, low_half(0, 0xfffff), high_half(0, 0xfffff, DATA_SEGMENT & ~0x80, FLAGS32)
  mov eax, FREE
  raises "#NP: DS with an absent segment", X_NP, FREE, mov ds, eax
  raises "#SS: SS with an absent segment", X_SS, FREE, mov ss, eax
  set_descriptor FREE + 8, low_half(0, 0xfffff), high_half(0, 0xfffff, 0x91, FLAGS32)
  mov eax, FREE + 8
  raises "#GP: SS with a read-only segment", X_GP, FREE + 8, mov ss, eax
  mov eax, CODE64
  raises "#GP: SS with a code segment", X_GP, CODE64, mov ss, eax
  mov eax, DATA + 3
  raises "#GP: SS with another RPL", X_GP, DATA, mov ss, eax
  mov eax, USER_DATA
  raises "#GP: SS with another DPL", X_GP, USER_DATA & ~3, mov ss, eax
  mov eax, 3
  qemu_differs "does not look", 2
  raises "#GP: SS null with RPL 3", X_GP, 0, mov ss, eax
  xor eax, eax
  try
  mov ss, eax
  push rax
  pop rax
  mov ecx, DATA
  mov ss, ecx
  survives "SS null in 64-bit mode at CPL 0"
  mov eax, 0x1000
  raises "#GP: beyond the descriptor table", X_GP, 0x1000, mov ds, eax
  mov eax, 0x1003
  raises "#GP: RPL is not in the error code", X_GP, 0x1000, mov es, eax
  mov eax, 0xc
  raises "#GP: no local descriptor table", X_GP, 0xc, mov fs, eax
  mov eax, TSS
  raises "#GP: DS with a system descriptor", X_GP, TSS, mov ds, eax
  set_descriptor FREE + 8, low_half(0, 0xfffff), high_half(0, 0xfffff, 0x99, FLAGS64)
  mov eax, FREE + 8
  raises "#GP: DS with execute-only code", X_GP, FREE + 8, mov ds, eax
  mov eax, CODE64
  try
  mov gs, eax
  survives "GS with readable code"
  xor eax, eax
  try
  mov ds, eax
  mov ecx, [FRAMES]
  survives "DS null in 64-bit mode"
  mov eax, DATA
  mov ds, eax
  mov es, eax
  ; The accessed bit of a descriptor.
  set_descriptor FREE + 8, low_half(0, 0xfffff), high_half(0, 0xfffff, 0x92, FLAGS32)
  mov ecx, FREE + 8
  mov fs, ecx
  mov al, [gdt + FREE + 8 + 5]
  movzx eax, al
  check_eq "a load sets the accessed bit", rax, 0x93
  set_descriptor FREE + 8, low_half(0, 0xfffff), high_half(0, 0xfffff, 0x92, FLAGS32)
  verw cx
  mov al, [gdt + FREE + 8 + 5]
  movzx eax, al
  check_eq "VERW does not", rax, 0x92

  ; ---- Far transfers ----
%macro far_return 4                     ; name, vector, error code, selector: RETFQ to the next line
  try
  push %4
  push %%target
  o64 retf
%%target:
  caught %1, %2, %3
%endmacro
  far_return "RETF to 64-bit code", NOTHING, NO_CODE, CODE64
  far_return "#GP: RETF to null", X_GP, 0, 0
  far_return "#GP: RETF to data", X_GP, DATA, DATA
  far_return "#GP: RETF beyond the table", X_GP, 0x1000, 0x1000
  set_descriptor FREE + 8, low_half(0, 0xfffff), high_half(0, 0xfffff, CODE_SEGMENT & ~0x80, FLAGS64)
  far_return "#NP: RETF to absent code", X_NP, FREE + 8, FREE + 8
  not_on_qemu                           ; gets lost
  set_descriptor FREE + 8, low_half(0, 0xfffff), high_half(0, 0xfffff, CODE_SEGMENT, FLAGS64 | 4)
  far_return "#GP: RETF to code with L and D", X_GP, FREE + 8, FREE + 8
  end_needs
  set_descriptor FREE + 8, low_half(0, 0xfffff), high_half(0, 0xfffff, CODE_SEGMENT | OF_USER, FLAGS64)
  far_return "#GP: RETF to DPL 3 with RPL 0", X_GP, FREE + 8, FREE + 8
  try
  push CODE64
  mov rax, 0x800000000000
  push rax
  o64 retf
  caught "#GP: RETF to a non-canonical address", X_GP, 0
  mov qword [FRAMES], .far_target
  mov qword [FRAMES + 8], CODE64
  try
  jmp far qword [FRAMES]
.far_target:
  survives "far JMP through memory"
  mov dword [FRAMES + 4], DATA
  try
  jmp far dword [FRAMES]
  caught "#GP: far JMP to data", X_GP, DATA
  lea rcx, [rbx + PAGE - 4]
  try
  jmp far dword [rcx]
  caught "#PF: far JMP through an absent page", X_PF, 0
  mov dword [FRAMES], compatible
  mov dword [FRAMES + 4], CODE32
  mov rbp, rsp
  try
  call far dword [FRAMES]
  survives "far CALL to 32-bit code and back"
  check_eq "ran as 32-bit code", rax, CODE32
  check_eq "with 4-byte entries on the stack", rcx, 8
  check_eq "all of which it took", rsp, rbp
  ; The operand size is of the pointer and of what is pushed.
  mov qword [FRAMES], .wide
  mov qword [FRAMES + 8], CODE64
  try
  call far qword [FRAMES]
  survives "far CALL with 64-bit operand size"
  jmp .after_wide
.wide:
  lea rcx, [rbp + 0]
  sub rcx, rsp
  o64 retf
.after_wide:
  check_eq "16 bytes on the stack", rcx, 16

  ; ---- System segment registers ----
  mov eax, TSS
  raises "#GP: LTR with a busy TSS", X_GP, TSS, ltr ax
  xor eax, eax
  qemu_differs "takes it", 2
  raises "#GP: LTR with null", X_GP, 0, ltr ax
  mov eax, DATA
  raises "#GP: LTR with a data segment", X_GP, DATA, ltr ax
  mov eax, CODE64
  raises "#GP: LLDT with a code segment", X_GP, CODE64, lldt ax
  mov eax, 0x1000
  raises "#GP: LLDT beyond the table", X_GP, 0x1000, lldt ax
  mov eax, 4
  raises "#GP: LLDT with a local selector", X_GP, 4, lldt ax
  set_descriptor FREE, low_half(FRAMES, 0xfff), high_half(FRAMES, 0xfff, 0x02, 0)
  set_descriptor FREE + 8, 0, 0
  mov eax, FREE
  raises "#NP: LLDT with an absent table", X_NP, FREE, lldt ax
  set_descriptor FREE, low_half(FRAMES, 0xfff), high_half(FRAMES, 0xfff, 0x09, 0)
  raises "#NP: LTR with an absent TSS", X_NP, FREE, ltr ax
  set_descriptor FREE, low_half(FRAMES, 0xfff), high_half(FRAMES, 0xfff, 0x81, 0)
  qemu_differs "takes it", 2
  raises "#GP: LTR with a 16-bit TSS", X_GP, FREE, ltr ax
  set_descriptor FREE, low_half(FRAMES, 0xfff), high_half(FRAMES, 0xfff, 0x89, 0)
  set_descriptor FREE + 8, 0x8000, 0
  qemu_differs "does not look", 2
  raises "#GP: LTR with a non-canonical base", X_GP, FREE, ltr ax
  xor eax, eax
  try
  lldt ax
  survives "LLDT with null"
  mov word [FRAMES], 0xfff
  mov rax, 0x800000000000
  mov [FRAMES + 2], rax
  qemu_differs "does not look", 2
  raises "#GP: LGDT with a non-canonical base", X_GP, 0, lgdt [FRAMES]
  qemu_differs "does not look", 2
  raises "#GP: LIDT with a non-canonical base", X_GP, 0, lidt [FRAMES]
  lgdt [gdtr]
  lidt [idtr64]
  jmp finish64

code32
compatible:
  mov eax, 0xdeadbeef
  inc eax                               ; a REX prefix in 64-bit mode
  mov eax, cs
  mov ecx, ebp
  sub ecx, esp
  retf

%include "end.inc"
