; Getting to a handler in 64-bit mode: gates, stacks, what is saved, double faults (SDM Vol. 3A §6.12 "Exception and
; Interrupt Handling", §6.14 "Exception and Interrupt Handling in 64-bit Mode", §6.15 "Interrupt 8").

%define GUEST "delivery"
%include "guest.inc"

%define ERROR(vector, bits) ((vector) * 8 + (bits))
IDT equ 2
EXT equ 1

code32
main:
  call enter_long
code64
  ; ---- What is saved ----
  set_flags FLAG_NT | FLAG_DF | FLAG_AC | 0x8d5
  try
  ud2
  caught "flags", X_UD
  cld
  qemu_differs "has no RF"
  check_eq "flags are saved, RF set for a fault", [caught_flags], FLAG_NT + FLAG_DF + FLAG_AC + FLAG_RF + 0x8d7
  check_eq "handler: NT and RF are clear, the others stay", [handler_flags], FLAG_DF + FLAG_AC + 0x8d7
  set_flags FLAG_NT
  try
  int3
  caught "INT3", X_BP
  check_eq "RF is clear for a trap", [caught_flags], FLAG_NT + FLAG_FIXED
  try
  int 0x30
  caught "INT n", 0x30
  check_eq "RF is clear for INT n", [caught_flags], FLAG_FIXED
  check_eq "CS is saved", [caught_cs], CODE64
  check_eq "SS is saved", [caught_ss], DATA
  mov rax, rsp
  check_eq "RSP is saved, without a change of privilege too", [caught_sp], rax
  check_eq "the same SS at the same privilege", [handler_ss], DATA
  lea rax, [rsp - 5 * 8]
  check_eq "five words are pushed", [handler_sp], rax
  ; RSP is aligned to 16 bytes before.
  mov rax, rsp
  sub rsp, 8 + 3
  mov rcx, rsp
  try_on rax
  int 0x30
  caught "INT n, odd stack", 0x30
  check_eq "RSP is saved as it was", [caught_sp], rcx
  and rcx, ~15
  sub rcx, 5 * 8
  check_eq "and aligned to 16 bytes", [handler_sp], rcx

  ; Interrupt gates clear IF, trap gates do not.
  mov al, 0xff
  out 0x21, al
  out 0xa1, al
  set_flags FLAG_IF
  try
  int 0x30
  caught "interrupt gate", 0x30
  check_eq "interrupt gate: saves IF", [caught_flags], FLAG_IF + FLAG_FIXED
  check_eq "interrupt gate: clears IF", [handler_flags], FLAG_FIXED
  set_gate_rights 0x30, GATE_TRAP
  set_flags FLAG_IF
  try
  int 0x30
  caught "trap gate", 0x30
  check_eq "trap gate: keeps IF", [handler_flags], FLAG_IF + FLAG_FIXED
  set_gate_rights 0x30, GATE_INTERRUPT

  ; ---- Interrupt stack table ----
  set_gate_stack 0x30, 1
  try
  int 0x30
  caught "IST 1", 0x30
  check_eq "IST 1: its stack", [handler_sp], ist1_end - 5 * 8
  mov rax, rsp
  check_eq "IST 1: RSP is saved", [caught_sp], rax
  qemu_differs "SS becomes null"
  check_eq "IST 1: SS stays at the same privilege", [handler_ss], DATA
  set_gate_stack 0x30, 2
  try
  int 0x30
  caught "IST 2", 0x30
  check_eq "IST 2: its stack", [handler_sp], ist2_end - 5 * 8
  mov dword [tss64 + 0x2c], ist2_end - 8
  try
  int 0x30
  caught "IST 2, odd", 0x30
  check_eq "stacks of the table are aligned", [handler_sp], ist2_end - 16 - 5 * 8
  mov dword [tss64 + 0x2c], ist2_end
  mov rax, 0x900000000000
  mov [tss64 + 0x2c], rax
  qemu_differs "raises #GP"
  try
  int 0x30
  caught "#SS: non-canonical stack of the table", X_SS, 0
  mov dword [tss64 + 0x2c], ist2_end
  mov dword [tss64 + 0x30], 0
  ; With an error code there are six words.
  set_gate_stack X_GP, 2
  try
  mov eax, 0x1000
  mov ds, eax
  caught "#GP on IST 2", X_GP, 0x1000
  check_eq "the error code is below", [handler_sp], ist2_end - 5 * 8
  set_gate_stack X_GP, 0
  set_gate_stack 0x30, 0

  ; ---- Gates ----
  set_gate_rights 0x30, GATE_INTERRUPT & ~0x80
  qemu_differs "counts 16 bytes a gate"
  try
  int 0x30
  caught "#NP: absent gate, INT n", X_NP, ERROR(0x30, IDT)
  set_gate_rights 0x30, 0x85
  qemu_differs "counts 16 bytes a gate"
  try
  int 0x30
  caught "#GP: task gate in 64-bit mode", X_GP, ERROR(0x30, IDT)
  set_gate_rights 0x30, 0x80
  qemu_differs "counts 16 bytes a gate"
  try
  int 0x30
  caught "#GP: no gate at all", X_GP, ERROR(0x30, IDT)
  set_gate_rights 0x30, 0x0e
  set_gate_rights X_UD, GATE_INTERRUPT & ~0x80
  qemu_differs "counts 16 bytes a gate, has no EXT"
  try
  ud2
  caught "#NP: absent gate, exception", X_NP, ERROR(X_UD, IDT | EXT)
  set_gate_rights X_UD, GATE_INTERRUPT
  set_gate_rights X_BP, GATE_INTERRUPT & ~0x80
  qemu_differs "counts 16 bytes a gate"
  try
  int3
  caught "#NP: absent gate, INT3", X_NP, ERROR(X_BP, IDT)
  set_gate_rights X_BP, GATE_INTERRUPT
  set_gate_rights 0x30, GATE_INTERRUPT
  ; The code segment of a gate.
%macro gate_selector 4                  ; name, selector, vector, error code
  mov word [gate_place(0x30) + 2], %2
  try
  int 0x30
  caught %1, %3, %4
  mov word [gate_place(0x30) + 2], CODE64
%endmacro
  gate_selector "#GP: gate to null", 0, X_GP, 0
  gate_selector "#GP: gate to data", DATA, X_GP, DATA
  gate_selector "#GP: gate to 32-bit code", CODE32, X_GP, CODE32
  gate_selector "#GP: gate to DPL 3 from CPL 0", USER_CODE64, X_GP, USER_CODE64 & ~3
  gate_selector "#GP: gate beyond the table", 0x1000, X_GP, 0x1000
  set_descriptor FREE, low_half(0, 0xfffff), high_half(0, 0xfffff, CODE_SEGMENT & ~0x80, FLAGS64)
  gate_selector "#NP: gate to absent code", FREE, X_NP, FREE
  mov dword [gate_place(0x30) + 8], 0x8000
  qemu_differs "faults there"
  try
  int 0x30
  caught "#GP: gate to a non-canonical address", X_GP, 0
  mov dword [gate_place(0x30) + 8], 0
  ; The limit of the table.
  mov word [idtr64], 0x31 * 16 - 2
  lidt [idtr64]
  qemu_differs "counts 16 bytes a gate"
  try
  int 0x30
  caught "#GP: gate half beyond the limit", X_GP, ERROR(0x30, IDT)
  mov word [idtr64], 0x31 * 16 - 1
  lidt [idtr64]
  try
  int 0x30
  caught "the limit is the last byte", 0x30
  mov word [idtr64], 256 * 16 - 1
  lidt [idtr64]
  ; DPL is looked at for INT n, not for exceptions.
  qemu_differs "counts 16 bytes a gate"
  try
  user
  int 0x30
  caught "#GP: INT n needs the gate's DPL", X_GP, ERROR(0x30, IDT)
  qemu_differs "counts 16 bytes a gate"
  try
  user
  int3
  caught "#GP: INT3 too", X_GP, ERROR(X_BP, IDT)
  try
  user
  ud2
  caught "exceptions do not", X_UD
  qemu_differs "has no INT1"
  try
  user
  db 0xf1                               ; INT1
  caught "INT1 does not", X_DB

  ; ---- From programs ----
  try
  user
  mov ecx, esp
  back
  caught "from a program", BACK
  check_eq "the stack of the TSS", [handler_sp], kernel_stack_end - 5 * 8
  check_eq "SS is null", [handler_ss], 0
  check_eq "CS has RPL 0", [handler_cs], CODE64
  check_eq "the program's SS", [caught_ss], USER_DATA
  check_eq "the program's CS", [caught_cs], USER_CODE64
  mov eax, [caught_sp]
  check_eq "the program's RSP", rax, rcx
  set_gate_stack BACK, 1
  try
  user
  back
  caught "from a program with IST", BACK
  check_eq "IST wins over RSP0", [handler_sp], ist1_end - 5 * 8
  set_gate_stack BACK, 0
  ; A conforming handler runs with the program's privilege, on its stack.
  set_descriptor FREE, low_half(0, 0xfffff), high_half(0, 0xfffff, CODE_SEGMENT | 4, FLAGS64)
  set_gate 0x30, USER + .conforming, GATE_INTERRUPT | GATE_USER
  mov word [gate_place(0x30) + 2], FREE
  try
  user
  mov rdx, rsp
  int 0x30
.conforming:
  mov ecx, cs
  lea rax, [rdx - 5 * 8]
  sub rax, rsp
  back
  ok "to conforming code"
  check_eq "which stays at CPL 3", rcx, FREE + 3
  check_eq "on the program's stack", rax, 0
  check_eq "with the program's SS", [caught_ss], USER_DATA
  default_gate 0x30
  mov word [gate_place(0x30) + 2], CODE64

  ; ---- Double faults ----
  mov ecx, 0x1000
  mov ebx, WINDOW                       ; absent
  set_gate_rights X_GP, 0x0e
  try
  mov ds, ecx
  caught "#DF: #NP while #GP", X_DF, 0
  check_eq "#DF has error code 0", [caught_error], 0
  set_gate_rights X_GP, GATE_INTERRUPT
  set_gate_rights X_PF, 0x0e
  try
  mov al, [rbx]
  caught "#DF: #NP while #PF", X_DF, 0
  set_gate_rights X_PF, GATE_INTERRUPT
  set_gate_rights X_NP, 0x0e
  set_gate_rights X_UD, 0x0e
  try
  ud2
  caught "#DF: #NP while #NP while #UD", X_DF, 0
  set_gate_rights X_NP, GATE_INTERRUPT
  set_gate_rights X_UD, GATE_INTERRUPT
  set_gate_rights X_DE, 0x0e
  try
  xor ecx, ecx
  div ecx
  caught "#DF: #NP while #DE", X_DF, 0
  set_gate_rights X_DE, GATE_INTERRUPT
  ; A page fault while a contributory exception is delivered is taken for itself, and the other way round is not.
  set_gate_stack X_PF, 1
  mov dword [tss64 + 0x2c], WINDOW + 0x800
  set_gate_stack X_GP, 2
  try
  mov ecx, 0x1000
  mov ds, ecx
  caught "#PF while #GP is a page fault", X_PF, E_W
  check_eq "at its own address", [caught_cr2], WINDOW + 0x7f8
  set_gate_stack X_GP, 0
  set_gate_stack X_PF, 2
  set_gate_stack X_DF, 1
  try
  mov al, [rbx]
  caught "#DF: #PF while #PF", X_DF, 0
  check_eq "CR2 is of the second", [caught_cr2], WINDOW + 0x7f8
  check_eq "on the stack of the double fault", [handler_sp], ist1_end - 5 * 8
  set_gate_stack X_PF, 0
  set_gate_stack X_DF, 0
  mov dword [tss64 + 0x2c], ist2_end
  ; The handler's stack cannot be written: the vector table is there, but the stack is not.
  mov dword [tss64 + 4], WINDOW + 0x800
  set_gate_stack X_PF, 1
  try
  user
  ud2
  caught "#PF on entry from a program", X_PF, E_W
  check_eq "still from the program", [caught_cs], USER_CODE64
  set_gate_stack X_PF, 0
  mov dword [tss64 + 4], kernel_stack_end
  ; A page of the descriptor table is absent.
  mov dword [window_table + 8], 0
  mov qword [FRAMES], 0
  mov eax, idt64
  mov rsi, rax
  mov edi, FRAMES + 2 * PAGE - 0x30 * 16
  mov ecx, 0x30 * 16 / 8
  rep movsq
  mov dword [window_table], FRAMES + PAGE + P + W
  mov word [idtr64], 0xfff
  mov dword [idtr64 + 2], WINDOW + PAGE - 0x30 * 16
  lidt [idtr64]
  try
  int 0x30
  caught "#PF: the gate is on an absent page", X_PF, 0
  check_eq "CR2 is the gate", [caught_cr2], WINDOW + PAGE
  mov dword [idtr64 + 2], idt64
  lidt [idtr64]

  ; INT 14 is no page fault: no error code, and CR2 stays.
  set_gate X_PF, stubs64 + 0x30 * 16
  mov eax, 0x5a5a
  mov cr2, rax
  mov rbp, rsp
  try
  int X_PF
  caught "INT 14", 0x30
  check_eq "INT 14: RSP as saved", [caught_sp], rbp
  check_eq "INT 14 leaves CR2", [caught_cr2], 0x5a5a
  default_gate X_PF

  ; ---- A task state segment that is too short ----
  set_gate_stack 0x30, 7
  mov word [tss_descriptor], 0x24 + 6 * 8 + 6
  and byte [tss_descriptor + 5], ~2
  mov eax, TSS
  ltr ax
  try
  int 0x30
  caught "#TS: IST 7 beyond the limit", X_TS, TSS
  set_gate_stack 0x30, 0
  mov word [tss_descriptor], TSS_LIMIT
  and byte [tss_descriptor + 5], ~2
  ltr ax
  jmp finish64

%include "end.inc"
