; Where a code segment ends: SDM Vol. 3A §5.3 "Limit Checking". An instruction with a byte beyond the limit raises
; #GP(0) when its turn comes, and 16-bit code is no less than 32-bit code able to run above 64 KiB.

%define GUEST "code-limits"
%include "guest.inc"
%include "real-mode.inc"

CODE_CUT   equ FREE                     ; this image as 32-bit code, up to some label
CODE16_CUT equ FREE + 0x08              ; the same as 16-bit code
CODE16_BIG equ FREE + 0x10              ; 16-bit code, base 0, 4 GiB
%define offset(label) (label - IMAGE)

; The segment ends before this label.
%macro limit_code 3                     ; selector, label, flags
  mov eax, offset(%2) - 1
  mov word [gdt + %1], ax
  mov word [gdt + %1 + 2], 0
  and eax, 0xf0000
  or eax, high_half(IMAGE, 0, CODE_SEGMENT, %3)
  mov [gdt + %1 + 4], eax
%endmacro

section .text
code32
main:
  call make_vectors
  limit_code CODE_CUT, cut, 4
  not_on_qemu                           ; checks far transfers only
  try
  jmp CODE_CUT:offset(run_over)
  caught "running over the limit", X_GP, 0
  caught_at "faults behind it", offset(cut)
  check_eq "in that segment", [caught_cs], CODE_CUT
  check_eq "with all before done", eax, 3
  try
  jmp CODE_CUT:offset(loop_at_end)
  caught "running over it after a loop", X_GP, 0
  check_eq "which went its turns", ecx, 0
  end_needs
  try
  jmp CODE_CUT:offset(cut)
  caught "a far jump to behind the limit", X_GP, 0
  check_eq "faults before it", [caught_cs], CODE32
  not_on_qemu
  limit_code CODE_CUT, middle, 4
  try
  mov ecx, 7
  jmp CODE_CUT:offset(cut_instruction)
  caught "an instruction that ends beyond the limit", X_GP, 0
  caught_at "faults at its start", offset(cut_instruction)
  check_eq "and does nothing", ecx, 7
  end_needs
  limit_code CODE_CUT, undefined_end, 4
  try
  jmp CODE_CUT:offset(undefined)
  caught "UD2 just before the limit", X_UD
  ; The same code with more room.
  limit_code CODE_CUT, behind, 4
  try
  jmp CODE_CUT:offset(run_over)
  caught "the limit moved", 0x40
  set_descriptor CODE_CUT, low_half(IMAGE, 0xfffff), high_half(IMAGE, 0xfffff, CODE_SEGMENT, FLAGS32)
  try
  jmp CODE_CUT:offset(run_over)
  caught "no limit", 0x40
  limit_code CODE_CUT, cut, 4
  not_on_qemu
  try
  jmp CODE_CUT:offset(run_over)
  caught "the limit back", X_GP, 0
  ; Single steps up to it.
  set_gate X_DB, count_steps
  mov dword [steps], 0
  try
  set_flags FLAG_TF
  jmp CODE_CUT:offset(run_over)
  caught "single steps to the limit", X_GP, 0
  check_eq "are as many as instructions", [steps], 4
  default_gate X_DB

  limit_code CODE16_CUT, cut16, 0
  try
  jmp CODE16_CUT:offset(run_over16)
  caught "16-bit code: running over the limit", X_GP, 0
  caught_at "16-bit code: faults behind it", offset(cut16)
  movzx eax, ax
  check_eq "16-bit code: with all before done", eax, 2
  end_needs

  ; 16-bit code above 64 KiB.
  set_descriptor CODE16_BIG, low_half(0, 0xfffff), high_half(0, 0xfffff, CODE_SEGMENT, FLAGS16 | 8)
  xor ebx, ebx
  try
  jmp CODE16_BIG:high16
  caught "16-bit code above 64 KiB", X_UD
  caught_at "with its 32-bit instruction pointer", high16.ud2
  check_eq "ran", ebx, 3

  ; ---- Real mode: 64 KiB ----
  not_on_qemu
  mov dword [0xfffc], 0x40404040        ; INC AX
  mov eax, 0
  real
  xor ax, ax
  jmp 0:0xfffc
  end_real
  check_real "real mode: running over 64 KiB", X_GP
  check_eq "real mode: with all before done", eax, 4
  mov dword [0xfffc], 0xb8404040        ; MOV AX, with its operand beyond
  real
  xor ax, ax
  jmp 0:0xfffc
  end_real
  check_real "real mode: an instruction that ends beyond", X_GP
  movzx ebx, word [real_ip]
  check_eq "real mode: faults at its start", ebx, 0xffff
  check_eq "real mode: and does nothing", eax, 3
  end_needs
  jmp finish32

count_steps:
  inc dword [ss:steps]
  iretd

loop_at_end:
  mov ecx, 3
.more:
  dec ecx
  jnz .more
run_over:
  mov eax, 1
  inc eax
  inc eax
cut:
  int 0x40
behind:

  hlt

cut_instruction:
  mov ecx, 0x12345678
middle equ $ - 1
undefined:
  ud2
undefined_end:
  hlt

bits 16
run_over16:
  mov ax, 1
  inc ax
cut16:
  hlt

high16:
  inc bx
  jmp dword .dword
.dword:
  inc bx
  mov ecx, 1
  a32 loop .next
.next:
  inc bx
.ud2:
  ud2

section .data
align 4
steps: dd 0

%include "end.inc"
