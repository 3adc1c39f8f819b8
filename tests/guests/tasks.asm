; Task switches: SDM Vol. 3A chapter 8 "Task Management" (JMP, CALL, IRET, task gates, errors, 16-bit tasks).

%define GUEST "tasks"
%include "guest.inc"

OTHER_TSS   equ FREE                    ; the task that is switched to
HELPER_TSS  equ FREE + 0x08             ; handles #TS, #DF and the like through task gates
SMALL_TSS   equ FREE + 0x10             ; a 16-bit task
TASK_GATE   equ FREE + 0x18
USER_GATE   equ FREE + 0x20             ; the same with DPL 3
LOCAL       equ FREE + 0x28             ; a local descriptor table
CODE16_HERE equ FREE + 0x30             ; this image
ABSENT_CODE equ FREE + 0x38
ABSENT_DATA equ FREE + 0x40
SMALL_STACK equ FREE + 0x48

; Fields of a 32-bit TSS.
T_LINK equ 0
T_CR3 equ 28
T_EIP equ 32
T_EFLAGS equ 36
T_EAX equ 40
T_ECX equ 44
T_EDX equ 48
T_EBX equ 52
T_ESP equ 56
T_EBP equ 60
T_ESI equ 64
T_EDI equ 68
T_ES equ 72
T_CS equ 76
T_SS equ 80
T_DS equ 84
T_FS equ 88
T_GS equ 92
T_LDT equ 96
T_TRAP equ 100

absolute variables
alignb 16
other: resb TSS_BYTES
helper: resb TSS_BYTES
small: resb 44
local_table: resb 16
seen: resd 8                            ; EAX ECX EDX EBX ESP EBP ESI EDI in the other task
seen_flags: resd 1
seen_cr0: resd 1
seen_task: resd 1
seen_segments: resd 4                   ; ES SS FS GS
helper_link: resd 1
helper_error: resd 1
helper_has_error: resd 1

section .text

%macro check_type 3                     ; name, selector, access byte of its descriptor
  movzx eax, byte [gdt + %2 + 5]
  check_eq %1, eax, %3
%endmacro

code32
main:
  call enter_paging32
  mov dword [tss32 + T_CR3], directory32
  set_descriptor CODE16_HERE, low_half(IMAGE, 0xffff), high_half(IMAGE, 0xffff, CODE_SEGMENT, FLAGS16)
  set_descriptor ABSENT_CODE, low_half(0, 0xfffff), high_half(0, 0xfffff, CODE_SEGMENT & ~0x80, FLAGS32)
  set_descriptor ABSENT_DATA, low_half(0, 0xfffff), high_half(0, 0xfffff, DATA_SEGMENT & ~0x80, FLAGS32)
  set_descriptor TASK_GATE, OTHER_TSS << 16, 0x8500
  set_descriptor USER_GATE, OTHER_TSS << 16, 0xe500
  set_descriptor LOCAL, low_half(local_table, 15), high_half(local_table, 15, 0x82, 0)
  mov dword [local_table + 8], low_half(0, 0xfffff)
  mov dword [local_table + 12], high_half(0, 0xfffff, CODE_SEGMENT, FLAGS32)

  ; ---- JMP ----
  call new_task
  clts
  mov eax, 0xa1
  mov ecx, 0xa2
  mov edx, 0xa3
  mov ebx, 0xa4
  mov ebp, 0xa5
  mov esi, 0xa6
  mov edi, 0xa7
  set_flags 0x8d5
  jmp OTHER_TSS:0x12345678              ; the offset means nothing
.back:
  pushfd
  check_eq "JMP back: ECX is as it was", ecx, 0xa2
  check_eq "JMP back: EDI is as it was", edi, 0xa7
  pop eax
  check_eq "JMP back: EFLAGS are as they were", eax, 0x8d7
  check_eq "JMP: EAX of the new task", [seen], 0xb1
  check_eq "JMP: ECX", [seen + 4], 0xb2
  check_eq "JMP: EDX", [seen + 8], 0xb3
  check_eq "JMP: EBX", [seen + 12], 0xb4
  check_eq "JMP: ESP", [seen + 16], ist1_end
  check_eq "JMP: EBP", [seen + 20], 0xb6
  check_eq "JMP: ESI", [seen + 24], 0xb7
  check_eq "JMP: EDI", [seen + 28], 0xb8
  check_eq "JMP: EFLAGS", [seen_flags], 0x403
  check_eq "JMP: ES", [seen_segments], USER_DATA
  check_eq "JMP: SS", [seen_segments + 4], DATA
  check_eq "JMP: FS", [seen_segments + 8], 0
  check_eq "JMP: GS", [seen_segments + 12], CODE32
  check_eq "JMP: TR", [seen_task], OTHER_TSS
  mov eax, [seen_cr0]
  and eax, CR0_TS
  check_eq "JMP sets CR0.TS", eax, CR0_TS
  check_eq "JMP: the old EIP is behind it", [tss32 + T_EIP], .back
  check_eq "JMP: the old EAX", [tss32 + T_EAX], 0xa1
  check_eq "JMP: the old ESP", [tss32 + T_ESP], stack_end
  check_eq "JMP: the old EFLAGS", [tss32 + T_EFLAGS], 0x8d7
  movzx eax, word [tss32 + T_CS]
  check_eq "JMP: the old CS", eax, CODE32
  movzx eax, word [tss32 + T_SS]
  check_eq "JMP: the old SS", eax, DATA
  check_eq "JMP leaves the link", [other + T_LINK], 0x1111
  check_type "JMP: the task is busy", TSS, 0x8b
  check_type "JMP: the other is not, after the way back", OTHER_TSS, 0x89
  str eax
  check_eq "JMP back: TR", eax, TSS
  try
  fld1
  caught "and x87 instructions raise #NM", X_NM
  clts
  check_eq "CR3 is not saved", [tss32 + T_CR3], directory32

  ; ---- CALL and IRET ----
  call new_task
  mov dword [other + T_EIP], called
  set_flags 0x8d5
  call OTHER_TSS:0
.after_call:
  pushfd
  pop eax
  check_eq "IRET: EFLAGS are as they were, NT clear", eax, 0x8d7
  check_eq "CALL: NT is set", [seen_flags], 0x403 + FLAG_NT
  movzx eax, word [other + T_LINK]
  check_eq "CALL: the link", eax, TSS
  movzx eax, byte [seen]
  check_eq "CALL: the old task stays busy", eax, 0x8b
  check_type "IRET: the other is no longer", OTHER_TSS, 0x89
  check_type "IRET: this one is", TSS, 0x8b
  qemu_differs "has old arithmetic flags"
  check_eq "IRET: NT is clear in what it saves", [other + T_EFLAGS], 0x446
  check_eq "IRET: EIP is behind it", [other + T_EIP], called.behind
  check_eq "CALL: the old EIP is behind it", [tss32 + T_EIP], .after_call
  ; Again: the task goes on behind its IRET.
  mov dword [seen + 4], 0
  call OTHER_TSS:0
  check_eq "the second CALL goes on there", [seen + 4], 0xc0de
  call new_task
  mov dword [other + T_EIP], called
  mov dword [seen_task], 0
  call TASK_GATE:0
  check_eq "CALL through a task gate", [seen_task], OTHER_TSS
  call new_task
  mov dword [other + T_EIP], called
  mov dword [seen_task], 0
  try
  user
  call USER_GATE | 3:0
  back
  ok "a program calls through a task gate"
  check_eq "and gets to the task", [seen_task], OTHER_TSS
  try
  user
  call OTHER_TSS:0
  caught "#GP: a program calls a task of DPL 0", X_GP, OTHER_TSS
  try
  user
  call TASK_GATE:0
  caught "#GP: a program calls through a gate of DPL 0", X_GP, TASK_GATE

  ; ---- Interrupts through a task gate ----
  call new_task
  mov dword [other + T_EIP], called
  mov dword [gate_place(0x30)], OTHER_TSS << 16
  mov dword [gate_place(0x30) + 4], 0x8500
  mov dword [seen_task], 0
  int 0x30
.after_int:
  check_eq "INT through a task gate", [seen_task], OTHER_TSS
  check_eq "INT: the old EIP is behind it", [tss32 + T_EIP], .after_int
  movzx eax, word [other + T_LINK]
  check_eq "INT: the link", eax, TSS
  ; #GP: the error code is on the new stack, and the old EIP is at the instruction.
  call new_helper
  mov dword [gate_place(X_GP)], HELPER_TSS << 16
  mov dword [gate_place(X_GP) + 4], 0x8500
  mov eax, 0x1000
.bad_load:
  mov ds, eax
.after_load:
  check_eq "#GP through a task gate: error code", [helper_error], 0x1000
  check_eq "#GP through a task gate: EIP at the instruction", [tss32 + T_EIP], .after_load
  default_gate X_GP
  mov word [gate_place(X_GP) + 2], CODE32
  set_gate_rights X_GP, GATE_INTERRUPT
  mov dword [gate_place(X_UD)], HELPER_TSS << 16
  mov dword [gate_place(X_UD) + 4], 0x8500
  call new_helper
  mov eax, [helper + T_ESP]
  ud2
  check_eq "#UD through a task gate: no error code", [helper_has_error], 0
  mov word [gate_place(X_UD) + 2], CODE32
  default_gate X_UD

  ; ---- A double fault with a bad stack ----
  call new_helper
  mov dword [gate_place(X_DF)], HELPER_TSS << 16
  mov dword [gate_place(X_DF) + 4], 0x8500
  mov dword [window_table], 0
  mov ebp, esp
  mov esp, WINDOW + 0x800
  ud2
  mov edi, esp
  mov esp, ebp
  check_eq "#DF through a task gate: error code", [helper_error], 0
  check_eq "#DF through a task gate: ESP as it was", edi, WINDOW + 0x800
  movzx eax, word [helper_link]
  check_eq "#DF through a task gate: the link", eax, TSS
  mov eax, cr2
  check_eq "#DF: CR2 is where the frame was to go", eax, WINDOW + 0x800 - 4
  mov word [gate_place(X_DF) + 2], CODE32
  default_gate X_DF

  ; ---- What the switch loads ----
  call new_task
  mov dword [other + T_LDT], LOCAL
  mov dword [other + T_CS], 0xc
  mov dword [other + T_EIP], called
  mov dword [seen_task], 0
  call OTHER_TSS:0
  check_eq "a task with code in its local table", [seen_task], OTHER_TSS
  sldt eax
  check_eq "this one has none", eax, 0
  mov esi, directory32
  mov edi, spare_tables
  mov ecx, PAGE / 4
  cld
  rep movsd
  mov dword [spare_tables + (WINDOW >> 20)], spare_tables + PAGE + P + W
  mov dword [spare_tables + PAGE], FRAMES + PAGE + P + W
  mov dword [window_table], FRAMES + P + W
  mov dword [FRAMES], 0x1111
  mov dword [FRAMES + PAGE], 0x2222
  invlpg [WINDOW]
  mov eax, [WINDOW]
  call new_task
  mov dword [other + T_CR3], spare_tables
  mov dword [other + T_EIP], look_at_window
  mov ebx, [WINDOW]
  call OTHER_TSS:0
  check_eq "a task with its own page directory", [seen], 0x2222
  mov ebx, [WINDOW]
  check_eq "and back", ebx, 0x1111
  ; The trap bit (§18.3.1.5 in volume 3B): #DB before the first instruction.
  call new_task
  mov dword [other + T_EIP], called
  mov word [other + T_TRAP], 1
  xor eax, eax
  mov dr6, eax
  qemu_differs "has no such trap", 2
  try
  jmp OTHER_TSS:0
  caught "the trap bit of a task", X_DB
  check_eq "traps before the first instruction", [caught_ip], called
  mov eax, dr6
  and eax, 0xe00f
  qemu_differs "has no such trap"
  check_eq "DR6.BT", eax, 1 << 15
  call stay_here

  ; ---- Refused before the switch ----
  call new_task
  mov byte [gdt + OTHER_TSS + 5], 0x8b
  try
  jmp OTHER_TSS:0
  caught "#GP: JMP to a busy task", X_GP, OTHER_TSS
  mov byte [gdt + OTHER_TSS + 5], 0x8b
  try
  call OTHER_TSS:0
  caught "#GP: CALL of a busy task", X_GP, OTHER_TSS
  mov byte [gdt + OTHER_TSS + 5], 0x09
  try
  jmp OTHER_TSS:0
  caught "#NP: JMP to an absent task", X_NP, OTHER_TSS
  try
  int 0x30
  caught "#NP: INT to an absent task", X_NP, OTHER_TSS
  call new_task
  mov word [gdt + OTHER_TSS], 0x66
  try
  jmp OTHER_TSS:0
  caught "#TS: a task state segment that is too short", X_TS, OTHER_TSS
  call new_task
  mov dword [gate_place(0x30)], DATA << 16
  try
  int 0x30
  caught "#GP: a task gate to data", X_GP, DATA
  mov dword [gate_place(0x30)], OTHER_TSS << 16
  set_descriptor TASK_GATE, (OTHER_TSS << 16), 0x0500
  try
  jmp TASK_GATE:0
  caught "#NP: an absent task gate", X_NP, TASK_GATE
  ; IRET with NT to something that is no busy task.
  mov word [tss32 + T_LINK], OTHER_TSS
  try
  set_flags FLAG_NT
  iretd
  caught "#TS: IRET to a task that is not busy", X_TS, OTHER_TSS
  mov word [tss32 + T_LINK], DATA
  try
  set_flags FLAG_NT
  iretd
  caught "#TS: IRET to data", X_TS, DATA
  mov word [tss32 + T_LINK], 0
  try
  set_flags FLAG_NT
  iretd
  caught "#TS: IRET to null", X_TS, 0
  mov word [tss32 + T_LINK], 0x1000
  qemu_differs "has #GP"
  try
  set_flags FLAG_NT
  iretd
  caught "#TS: IRET beyond the table", X_TS, 0x1000

  ; ---- Found after the switch: in the new task, handled by a third ----
  mov dword [gate_place(X_TS)], HELPER_TSS << 16
  mov dword [gate_place(X_TS) + 4], 0x8500
  mov dword [gate_place(X_NP)], HELPER_TSS << 16
  mov dword [gate_place(X_NP) + 4], 0x8500
  mov dword [gate_place(X_SS)], HELPER_TSS << 16
  mov dword [gate_place(X_SS) + 4], 0x8500
  mov dword [gate_place(X_GP)], HELPER_TSS << 16
  mov dword [gate_place(X_GP) + 4], 0x8500
%macro bad_task 4                       ; name, field, value, error code
  call new_task
  call new_helper
  mov dword [helper + T_EIP], helper_leaves
  mov dword [other + %2], %3
  jmp OTHER_TSS:0
  check_eq %1, [helper_error], %4
  %strcat %%link %1, ": in the new task"
  movzx eax, word [helper_link]
  check_eq %%link, eax, OTHER_TSS
%endmacro
  bad_task "#TS: CS is data", T_CS, DATA, DATA
  bad_task "#TS: CS is null", T_CS, 0, 0
  bad_task "#TS: CS beyond the table", T_CS, 0x1000, 0x1000
  bad_task "#TS: CS with RPL 3, DPL 0", T_CS, CODE32 | 3, CODE32
  bad_task "#NP: CS is absent", T_CS, ABSENT_CODE, ABSENT_CODE
  bad_task "#TS: SS is code", T_SS, CODE32, CODE32
  bad_task "#TS: SS is null", T_SS, 0, 0
  bad_task "#TS: SS with another RPL", T_SS, DATA | 3, DATA
  bad_task "#SS: SS is absent", T_SS, ABSENT_DATA, ABSENT_DATA
  bad_task "#TS: DS is a task", T_DS, TSS, TSS
  bad_task "#TS: GS beyond the table", T_GS, 0x1000, 0x1000
  bad_task "#NP: ES is absent", T_ES, ABSENT_DATA, ABSENT_DATA
  bad_task "#TS: the local table is data", T_LDT, DATA, DATA
  mov word [gate_place(X_TS) + 2], CODE32
  mov word [gate_place(X_NP) + 2], CODE32
  mov word [gate_place(X_SS) + 2], CODE32
  mov word [gate_place(X_GP) + 2], CODE32
  default_gate X_TS
  default_gate X_NP
  default_gate X_SS
  default_gate X_GP

  ; ---- A 16-bit task ----
  set_descriptor SMALL_TSS, low_half(small, 43), high_half(small, 43, 0x81, 0)
  mov word [small + 14], small_task - IMAGE
  mov word [small + 16], 0x402
  mov word [small + 18], 0xe1           ; AX
  mov word [small + 24], 0xe4           ; BX
  mov word [small + 26], 0x7000         ; SP
  mov word [small + 34], DATA
  mov word [small + 36], CODE16_HERE
  mov word [small + 38], DATA16
  mov word [small + 40], DATA
  mov word [small + 42], 0
  call SMALL_TSS:0
  movzx eax, word [seen]
  check_eq "16-bit task: AX", eax, 0xe1
  movzx eax, word [seen + 12]
  check_eq "16-bit task: BX", eax, 0xe4
  movzx eax, word [seen + 16]
  check_eq "16-bit task: SP", eax, 0x7000
  mov eax, [seen_flags]
  check_eq "16-bit task: FLAGS and NT", eax, 0x402 + FLAG_NT
  movzx eax, word [small]
  check_eq "16-bit task: the link", eax, TSS
  movzx eax, word [small + 18]
  check_eq "16-bit task: AX is saved", eax, 0x4321
  check_type "16-bit task: not busy", SMALL_TSS, 0x81
  mov word [gdt + SMALL_TSS], 42
  try
  call SMALL_TSS:0
  caught "#TS: a 16-bit task state segment that is too short", X_TS, SMALL_TSS
  ; It has stacks for entries from programs, but no map of I/O ports.
  set_descriptor SMALL_TSS, low_half(small, 43), high_half(small, 43, 0x81, 0)
  set_descriptor SMALL_STACK, low_half(kernel_stack, PAGE - 1), high_half(kernel_stack, PAGE - 1, DATA_SEGMENT, FLAGS16)
  mov word [small + 2], PAGE
  mov word [small + 4], SMALL_STACK
  mov eax, SMALL_TSS
  ltr ax
  try
  user
  xor esp, esp                          ; the upper half of ESP stays on the way to a 16-bit stack
  in al, 0x80
  caught "#GP: I/O of a program in a 16-bit task", X_GP, 0
  check_eq "the 16-bit task's stack for level 0", [handler_ss], SMALL_STACK
  check_eq "its SP, five values pushed", [handler_sp], PAGE - 5 * 4
  try
  user FLAG_FIXED | FLAG_IOPL
  xor esp, esp
  in al, 0x80
  back
  ok "but not with IOPL 3"
  jmp finish32

; The other task, as it is before the first switch to it.
new_task:
  push eax
  push ecx
  push edi
  mov edi, other
  mov ecx, TSS_BYTES / 4
  xor eax, eax
  cld
  rep stosd
  set_descriptor OTHER_TSS, low_half(other, TSS_BYTES - 1), high_half(other, TSS_BYTES - 1, 0x89, 0)
  mov word [other + T_LINK], 0x1111
  mov dword [other + T_CR3], directory32
  mov dword [other + T_EIP], jumped
  mov dword [other + T_EFLAGS], 0x403
  mov dword [other + T_EAX], 0xb1
  mov dword [other + T_ECX], 0xb2
  mov dword [other + T_EDX], 0xb3
  mov dword [other + T_EBX], 0xb4
  mov dword [other + T_ESP], ist1_end
  mov dword [other + T_EBP], 0xb6
  mov dword [other + T_ESI], 0xb7
  mov dword [other + T_EDI], 0xb8
  mov word [other + T_ES], USER_DATA
  mov word [other + T_CS], CODE32
  mov word [other + T_SS], DATA
  mov word [other + T_DS], DATA
  mov word [other + T_GS], CODE32
  pop edi
  pop ecx
  pop eax
  ret

new_helper:
  push eax
  push ecx
  push edi
  mov edi, helper
  mov ecx, TSS_BYTES / 4
  xor eax, eax
  cld
  rep stosd
  set_descriptor HELPER_TSS, low_half(helper, TSS_BYTES - 1), high_half(helper, TSS_BYTES - 1, 0x89, 0)
  mov dword [helper + T_CR3], directory32
  mov dword [helper + T_EIP], helper_returns
  mov dword [helper + T_EFLAGS], FLAG_FIXED
  mov dword [helper + T_ESP], ist2_end
  mov word [helper + T_ES], DATA
  mov word [helper + T_CS], CODE32
  mov word [helper + T_SS], DATA
  mov word [helper + T_DS], DATA
  mov dword [helper_error], -1
  pop edi
  pop ecx
  pop eax
  ret

; The first task goes on in the middle of another.
stay_here:
  mov byte [gdt + TSS + 5], 0x89
  mov byte [gdt + OTHER_TSS + 5], 0x89
  mov eax, TSS
  ltr ax
  clts
  ret

%macro note_registers 0
  mov [seen], eax
  mov [seen + 4], ecx
  mov [seen + 8], edx
  mov [seen + 12], ebx
  mov [seen + 16], esp
  mov [seen + 20], ebp
  mov [seen + 24], esi
  mov [seen + 28], edi
  pushfd
  pop dword [seen_flags]
  mov eax, es
  mov [seen_segments], eax
  mov eax, ss
  mov [seen_segments + 4], eax
  mov eax, fs
  mov [seen_segments + 8], eax
  mov eax, gs
  mov [seen_segments + 12], eax
  str eax
  mov [seen_task], eax
  mov eax, cr0
  mov [seen_cr0], eax
%endmacro

jumped:
  note_registers
  jmp TSS:0

called:
  note_registers
  mov al, [gdt + TSS + 5]
  mov [seen], al
  xor eax, eax                          ; ZF and PF, for what is saved
  iretd
.behind:
  mov dword [seen + 4], 0xc0de
  iretd

look_at_window:
  mov eax, [WINDOW]
  mov [seen], eax
  iretd

; Notes the error code, if there is one; takes the task it came from behind its instruction.
helper_returns:
  mov dword [helper_has_error], 0
  cmp esp, ist2_end
  je .no_error
  inc dword [helper_has_error]
  pop dword [helper_error]
.no_error:
  mov eax, [helper + T_LINK]
  mov [helper_link], eax
  add dword [tss32 + T_EIP], 2          ; the size of UD2, and of MOV DS, EAX
  clts
  iretd

; Ends the nesting: back to the first task, which left with JMP.
helper_leaves:
  pop dword [helper_error]
  mov eax, [helper + T_LINK]
  mov [helper_link], eax
  jmp TSS:0

bits 16
small_task:
  mov [dword seen], eax
  mov [dword seen + 12], ebx
  mov [dword seen + 16], esp
  xor eax, eax
  pushf
  pop ax
  and ax, 0xf02a | 0x400
  mov [dword seen_flags], eax
  mov ax, 0x4321
  iret

%include "end.inc"
