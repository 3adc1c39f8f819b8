; Between privilege levels in 32-bit protected mode: interrupts, IRET, far returns, call gates with parameters, stacks
; from the TSS, SYSENTER (SDM Vol. 3A §5.8, §6.12, §7.2, Vol. 2 of the instructions).

%define GUEST "transfers-32-bit"
%include "guest.inc"

CONFORMING equ FREE
ABSENT_STACK equ FREE + 0x08
GATE equ FREE + 0x10
ABSENT_CODE equ FREE + 0x18
CODE16_HERE equ FREE + 0x20             ; this image
CODE_LEVEL1 equ FREE + 0x28 | 1
DATA_LEVEL1 equ FREE + 0x30 | 1

absolute variables
frame: resd 16                          ; the stack as a callee found it
frame_sp: resd 1
frame_cs: resd 1
frame_ss: resd 1

section .text
%define USER_SP (USER + user_stack_end)

%macro check_frame 3                    ; name, number of the entry, value
  check_eq %1, [frame + 4 * (%2)], %3
%endmacro

code32
main:
  call enter_paging32
  set_descriptor CONFORMING, low_half(0, 0xfffff), high_half(0, 0xfffff, CODE_SEGMENT | 4, FLAGS32)
  set_descriptor ABSENT_STACK, low_half(0, 0xfffff), high_half(0, 0xfffff, DATA_SEGMENT & ~0x80, FLAGS32)
  set_descriptor ABSENT_CODE, low_half(0, 0xfffff), high_half(0, 0xfffff, (CODE_SEGMENT | OF_USER) & ~0x80, FLAGS32)
  set_descriptor CODE16_HERE, low_half(IMAGE, 0xffff), high_half(IMAGE, 0xffff, CODE_SEGMENT, FLAGS16)
  set_descriptor CODE_LEVEL1, low_half(0, 0xfffff), high_half(0, 0xfffff, CODE_SEGMENT | 0x20, FLAGS32)
  set_descriptor DATA_LEVEL1, low_half(0, 0xfffff), high_half(0, 0xfffff, DATA_SEGMENT | 0x20, FLAGS32)

  ; ---- Interrupts ----
  mov ebp, esp
  set_flags FLAG_NT | FLAG_DF | FLAG_AC | 0x8d5
  try
  ud2
  caught "fault at CPL 0", X_UD
  cld
  qemu_differs "has no RF"
  check_eq "flags are saved, RF set", [caught_flags], FLAG_NT + FLAG_DF + FLAG_AC + FLAG_RF + 0x8d7
  check_eq "handler: NT and RF are clear", [handler_flags], FLAG_DF + FLAG_AC + 0x8d7
  lea eax, [ebp - 12]
  check_eq "three words are pushed", [handler_sp], eax
  try
  user
  mov ecx, esp
  back
  ok "interrupt from CPL 3"
  check_eq "the stack of the TSS", [handler_sp], kernel_stack_end - 5 * 4
  check_eq "SS of the TSS", [handler_ss], DATA
  check_eq "CS at CPL 0", [handler_cs], CODE32
  check_eq "the program's ESP", [caught_sp], ecx
  check_eq "the program's SS", [caught_ss], USER_DATA
  check_eq "the program's CS", [caught_cs], USER_CODE32
  try
  user
  int 0x30
  caught "#GP: INT n needs the gate's DPL", X_GP, 0x30 * 8 + 2
  ; A 16-bit gate pushes words.
  mov byte [gate_place(0x30) + 5], 0x86
  mov word [gate_place(0x30)], interrupt16 - IMAGE
  mov word [gate_place(0x30) + 2], CODE16_HERE
  mov word [gate_place(0x30) + 6], 0
  mov ebp, esp
  try
  jmp CODE16_HERE:.in_16_too - IMAGE
  bits 16
.in_16_too:
  int 0x30
  jmp dword CODE32:.after_int16
  bits 32
.after_int16:
  survives "interrupt through a 16-bit gate and IRET"
  lea eax, [ebp - 6]
  check_eq "16-bit gate: six bytes are pushed", [frame_sp], eax
  movzx eax, word [frame + 2]
  check_eq "16-bit gate: CS", eax, CODE16_HERE
  mov byte [gate_place(0x30) + 5], GATE_INTERRUPT
  default_gate 0x30
  mov word [gate_place(0x30) + 2], CODE32

  ; ---- IRET ----
%macro bad_return 8                     ; name, vector, error code, SS, ESP, EFLAGS, CS, EIP
  try
  push dword %4
  push dword %5
  push dword %6
  push dword %7
  push dword %8
  iretd
  caught %1, %2, %3
%endmacro
%define SOMEWHERE USER + somewhere
  bad_return "#GP: CS null", X_GP, 0, USER_DATA, USER_SP, FLAG_FIXED, 3, SOMEWHERE
  bad_return "#GP: CS is data", X_GP, USER_DATA & ~3, USER_DATA, USER_SP, FLAG_FIXED, USER_DATA, SOMEWHERE
  bad_return "#GP: RPL 3, DPL 0", X_GP, CODE32, USER_DATA, USER_SP, FLAG_FIXED, CODE32 | 3, SOMEWHERE
  bad_return "#NP: CS absent", X_NP, ABSENT_CODE, USER_DATA, USER_SP, FLAG_FIXED, ABSENT_CODE | 3, SOMEWHERE
  bad_return "#GP: SS null", X_GP, 0, 3, USER_SP, FLAG_FIXED, USER_CODE32, SOMEWHERE
  bad_return "#GP: SS with another RPL", X_GP, USER_DATA & ~3, USER_DATA & ~1, USER_SP, FLAG_FIXED, USER_CODE32, SOMEWHERE
  bad_return "#GP: SS with another DPL", X_GP, DATA, DATA | 3, USER_SP, FLAG_FIXED, USER_CODE32, SOMEWHERE
  try
  user
  push FLAG_FIXED
  push CODE32
  push SOMEWHERE
  iretd
  caught "#GP: IRET from CPL 3 to CPL 0", X_GP, CODE32
  try
  user
  push FLAG_FIXED | FLAG_IF | FLAG_IOPL | FLAG_NT
  push USER_CODE32
  push USER + .within
  iretd
.within:
  back
  ok "IRET within CPL 3"
  check_eq "changes neither IF nor IOPL", [caught_flags], FLAG_FIXED + FLAG_NT
  mov eax, USER_DATA
  mov es, eax
  mov eax, DATA
  mov fs, eax
  mov eax, CONFORMING
  mov gs, eax
  push USER_DATA
  try
  push USER_DATA
  push USER_SP
  push FLAG_FIXED
  push USER_CODE32
  push USER + .nulled
  iretd
.nulled:
  mov eax, ds
  mov ebx, es
  mov ecx, fs
  mov edx, gs
  back
  ok "IRET to CPL 3"
  pop esi
  check_eq "DS of DPL 0 is null", eax, 0
  check_eq "ES of DPL 3 stays", ebx, USER_DATA
  check_eq "FS of DPL 0 is null", ecx, 0
  check_eq "GS with conforming code stays", edx, CONFORMING
  mov eax, DATA
  mov es, eax
  mov fs, eax
  mov gs, eax
  ; With a 16-bit operand: words.
  try
  push word FLAG_FIXED | 0x8d5
  push word CODE16_HERE
  push word .in_16 - IMAGE
  o16 iret
  bits 16
.in_16:
  pushf
  pop bx
  jmp dword CODE32:.after_16
  bits 32
.after_16:
  survives "IRET with a 16-bit operand"
  movzx ebx, bx
  check_eq "takes the flags", ebx, 0x8d7

  ; ---- Far returns ----
  try
  push USER_DATA
  push USER_SP
  push 1
  push 2
  push USER_CODE32
  push USER + .returned
  retf 8
.returned:
  mov ebx, esp
  back
  ok "RETF to CPL 3, releasing 8 bytes"
  check_eq "on both stacks", ebx, USER_SP + 8
  try
  user
  push CODE32
  push SOMEWHERE
  retf
  caught "#GP: RETF to CPL 0", X_GP, CODE32
  try
  push USER_DATA
  push USER_SP
  push ABSENT_CODE | 3
  push SOMEWHERE
  retf
  caught "#NP: RETF to absent code", X_NP, ABSENT_CODE

  ; ---- Call gates ----
%macro call_gate 2-3 0xec00             ; selector, offset, access byte and number of parameters
  mov eax, %2
  mov [gdt + GATE], ax
  mov word [gdt + GATE + 2], %1
  mov word [gdt + GATE + 4], %3
  shr eax, 16
  mov [gdt + GATE + 6], ax
%endmacro
  call_gate CODE32, gate_entry, 0xec02
  try
  user
  push 0x1111
  push 0x2222
  call GATE | 3:0
.behind:
  mov edi, esp
  mov esi, cs
  back
  ok "CALL through a gate with two parameters and back"
  check_eq "gate: CS", [frame_cs], CODE32
  check_eq "gate: SS of the TSS", [frame_ss], DATA
  check_eq "gate: ESP", [frame_sp], kernel_stack_end - 6 * 4
  check_frame "gate: return address", 0, USER + .behind
  check_frame "gate: the caller's CS", 1, USER_CODE32
  check_frame "gate: last parameter", 2, 0x2222
  check_frame "gate: first parameter", 3, 0x1111
  check_frame "gate: the caller's ESP", 4, USER_SP - 8
  check_frame "gate: the caller's SS", 5, USER_DATA
  check_eq "gate: RETF 8 releases the caller's parameters", edi, USER_SP
  check_eq "gate: back at CPL 3", esi, USER_CODE32
  call_gate CODE32, gate_plain
  mov ebp, esp
  try
  call GATE:0
  caught "CALL through a gate at CPL 0", 0x31
  lea eax, [ebp - 8]
  check_eq "gate: on the same stack", [frame_sp], eax
  try
  jmp GATE:0
  caught "JMP through a gate at CPL 0", 0x31
  mov eax, [handler_sp]
  add eax, 12
  check_eq "gate: pushes nothing", eax, ebp
  ; A 16-bit gate copies words.
  call_gate CODE16_HERE, gate_entry16 - IMAGE, 0xe402
  try
  user
  push word 0x1111
  push word 0x2222
  call GATE | 3:0
  caught "CALL through a 16-bit gate", 0x31
  check_eq "16-bit gate: ESP", [frame_sp], kernel_stack_end - 6 * 2
  movzx eax, word [frame + 2]
  check_eq "16-bit gate: the caller's CS", eax, USER_CODE32
  movzx eax, word [frame + 4]
  check_eq "16-bit gate: last parameter", eax, 0x2222
  movzx eax, word [frame + 6]
  check_eq "16-bit gate: first parameter", eax, 0x1111
  movzx eax, word [frame + 10]
  check_eq "16-bit gate: the caller's SS", eax, USER_DATA

  try
  user
  jmp GATE | 3:0
  caught "#GP: JMP through a gate to CPL 0", X_GP, CODE16_HERE
  call_gate CODE32, gate_plain, 0x8c00
  try
  user
  call GATE | 3:0
  caught "#GP: gate of DPL 0 from CPL 3", X_GP, GATE
  call_gate CODE32, gate_plain, 0x6c00
  try
  user
  call GATE | 3:0
  caught "#NP: absent gate", X_NP, GATE
  call_gate 0, gate_plain
  try
  user
  call GATE | 3:0
  caught "#GP: gate to null", X_GP, 0
  call_gate DATA, gate_plain
  try
  user
  call GATE | 3:0
  caught "#GP: gate to data", X_GP, DATA
  call_gate ABSENT_CODE, gate_plain
  try
  user
  call GATE | 3:0
  caught "#NP: gate to absent code", X_NP, ABSENT_CODE
  call_gate CONFORMING, USER + .conforming
  try
  user
  call GATE | 3:0
.conforming:
  mov ecx, cs
  back
  ok "gate to conforming code"
  qemu_differs "says RPL 0"
  check_eq "keeps CPL 3", ecx, CONFORMING + 3
  try
  user
  jmp CONFORMING:USER + .direct
.direct:
  mov ecx, cs
  back
  ok "far JMP to conforming code"
  check_eq "keeps CPL 3 too", ecx, CONFORMING + 3
  try
  user
  jmp CODE32:somewhere
  caught "#GP: far JMP to code of DPL 0", X_GP, CODE32

  ; Level 1, from level 3 and back to it.
  mov dword [tss32 + 12], ist1_end
  mov dword [tss32 + 16], DATA_LEVEL1
  call_gate CODE_LEVEL1, gate_level1
  try
  user
  call GATE | 3:0
  mov esi, cs
  back
  ok "CALL to level 1 and back"
  check_eq "level 1: CS", [frame_cs], CODE_LEVEL1
  check_eq "level 1: SS of the TSS", [frame_ss], DATA_LEVEL1
  check_eq "level 1: ESP", [frame_sp], ist1_end - 4 * 4

  ; ---- Bad stacks in the TSS: #TS is handled at CPL 3, which needs none ----
  set_gate X_TS, USER + .bad_stack
  mov word [gate_place(X_TS) + 2], USER_CODE32 & ~3
  set_gate X_SS, USER + .bad_stack
  mov word [gate_place(X_SS) + 2], USER_CODE32 & ~3
%macro bad_stack 4                      ; name, SS0, error code, vector of the interrupt
  mov dword [tss32 + 8], %2
  mov dword [frame], NO_CODE
  try
  user
  int %4
  ok %1
  %strcat %%error %1, ": error code"
  check_eq %%error, [frame], %3
%endmacro
  bad_stack "#TS: SS0 is null", 0, 0, BACK
  bad_stack "#TS: SS0 has another RPL", USER_DATA, USER_DATA & ~3, BACK
  bad_stack "#TS: SS0 is code", CODE32, CODE32, BACK
  bad_stack "#TS: SS0 beyond the table", 0x1000, 0x1000, BACK
  bad_stack "#SS: SS0 is absent", ABSENT_STACK, ABSENT_STACK, BACK
  mov dword [tss32 + 8], CODE32
  mov dword [frame], NO_CODE
  qemu_differs "has no EXT", 2
  try
  user
  ud2
  ok "#TS while an exception is delivered"
  check_eq "has EXT in its error code", [frame], CODE32 + 1
  mov word [gate_place(X_TS) + 2], CODE32
  mov word [gate_place(X_SS) + 2], CODE32
  default_gate X_TS
  default_gate X_SS

  ; ---- SYSENTER ----
  write_msr MSR_SYSENTER_CS, CODE32
  write_msr MSR_SYSENTER_ESP, kernel_stack_end - 64
  write_msr MSR_SYSENTER_EIP, sysenter_entry
  try
  user FLAG_FIXED | FLAG_IF
  mov ebp, esp
  mov edi, USER + .after_enter
  sysenter
.after_enter:
  mov edx, esp
  mov esi, cs
  mov edi, ss
  back
  ok "SYSENTER and SYSEXIT"
  check_eq "SYSENTER: CS", [frame_cs], CODE32
  check_eq "SYSENTER: SS", [frame_ss], CODE32 + 8
  check_eq "SYSENTER: ESP", [frame_sp], kernel_stack_end - 64
  check_eq "SYSENTER: IF is clear", [frame], FLAG_FIXED
  check_eq "SYSEXIT: CS", esi, CODE32 + 16 + 3
  check_eq "SYSEXIT: SS", edi, CODE32 + 24 + 3
  check_eq "SYSEXIT: ESP is ECX", edx, ebp
  try
  user
  sysexit
  caught "#GP: SYSEXIT at CPL 3", X_GP, 0
  write_msr MSR_SYSENTER_CS, 3
  qemu_differs "looks for 0 alone"
  try
  user
  sysenter
  caught "#GP: SYSENTER without a code segment", X_GP, 0
  jmp finish32

.bad_stack:
  mov dword [USER + tss32 + 8], DATA
  pop dword [USER + frame]
  back

somewhere:
  back

; Notes the stack and the segments. The caller's DS is flat.
%macro note 0
  mov [frame_sp], esp
  mov eax, cs
  mov [frame_cs], eax
  mov eax, ss
  mov [frame_ss], eax
  mov esi, esp
  mov edi, frame
  mov ecx, 8
  rep movsd
%endmacro

gate_entry:
  note
  retf 8

gate_level1:
  note
  retf

gate_plain:
  note
  int 0x31

bits 16
gate_entry16:
  mov [dword frame_sp], esp
  mov eax, [esp]
  mov [dword frame], eax
  mov eax, [esp + 4]
  mov [dword frame + 4], eax
  mov eax, [esp + 8]
  mov [dword frame + 8], eax
  int 0x31

interrupt16:
  mov [dword frame_sp], esp
  mov eax, [esp]
  mov [dword frame], eax
  iret

code32
sysenter_entry:
  mov eax, DATA
  mov ds, eax
  mov [frame_sp], esp
  pushfd
  pop dword [frame]
  mov eax, cs
  mov [frame_cs], eax
  mov eax, ss
  mov [frame_ss], eax
  mov eax, USER_DATA
  mov ds, eax
  mov edx, edi
  mov ecx, ebp
  sysexit

%include "end.inc"
