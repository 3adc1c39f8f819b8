; Virtual-8086 mode and its extensions, and protected-mode virtual interrupts: SDM Vol. 3B chapter 21 "8086 Emulation".

%define GUEST "virtual-8086"
%include "guest.inc"

PARAGRAPH equ LOW >> 4                    ; CS, DS, ES, FS and GS of the programs: section .low
STACK16 equ 0xa00                         ; and their stack
STACK_TOP equ 0x1000
%define place(label) (label - LOW)
%define linear(label) (label)
OTHER_TSS equ FREE
CODE_LEVEL1 equ FREE + 8
REDIRECTION equ TSS_BYTES               ; in the TSS, with the I/O bitmap behind it
BITMAP equ TSS_BYTES + 32
; What the handler's frame has above SS.
%define pushed_es [eax + 20]
%define pushed_ds [eax + 24]
%define pushed_fs [eax + 28]
%define pushed_gs [eax + 32]

; Runs what follows in virtual-8086 mode, until `caught`: its code is in .low.
%macro virtual 0-1 0                    ; flags
  push PARAGRAPH + 3                      ; GS
  push PARAGRAPH + 2                      ; FS
  push PARAGRAPH
  push PARAGRAPH + 1                      ; ES
  push STACK16
  push STACK_TOP
  push FLAG_VM | FLAG_FIXED | %1
  push PARAGRAPH
  push place(%%code)
  iretd
  [section .low]
  bits 16
%%code:
%endmacro

; Ends that code: `caught` is 32-bit code again.
%macro end_virtual 0
  int BACK
  hlt
  section .text
  bits 32
%endmacro

; One instruction in virtual-8086 mode that is where the exception is.
%macro raises_virtual 5+                ; name, vector, error code, flags, instruction
  try
  virtual %4
%%at:
  %5
  int3                                  ; whose gate has DPL 0: #GP(3 * 8 + 2)
  section .text
  bits 32
  caught %1, %2, %3
  %strcat %%name %1, ": at the instruction"
  caught_at %%name, place(%%at)
%endmacro
%macro works_virtual 3+                 ; name, flags, instruction
  try
  virtual %2
  %3
  end_virtual
  ok %1
%endmacro
%define IOPL3 FLAG_IOPL

%macro check_virtual_flag 3             ; name, flag in the program's flags, 0 or the flag
  mov eax, [caught_flags]
  and eax, %2
  check_eq %1, eax, %3
%endmacro

section .low
bits 16
data: dd 0, 0, 0, 0

section .text
code32
main:
  ; ---- Entry and exit ----
  try
  virtual IOPL3
  mov ax, cs
  mov [place(data)], ax
  mov ax, ss
  mov [place(data) + 2], ax
  mov ax, es
  mov [place(data) + 4], ax
  mov [place(data) + 6], sp
  mov ax, 0x1234
  end_virtual
  ok "into virtual-8086 mode and back"
  movzx eax, ax
  check_eq "AX", eax, 0x1234
  movzx eax, word [linear(data)]
  check_eq "CS, by DS of base PARAGRAPH * 16", eax, PARAGRAPH
  movzx eax, word [linear(data) + 2]
  check_eq "SS", eax, STACK16
  movzx eax, word [linear(data) + 4]
  check_eq "ES", eax, PARAGRAPH + 1
  movzx eax, word [linear(data) + 6]
  check_eq "SP", eax, STACK_TOP
  check_eq "the handler's CS", [handler_cs], CODE32
  check_eq "the handler's SS", [handler_ss], DATA
  check_eq "the stack of the TSS, nine words pushed", [handler_sp], kernel_stack_end - 9 * 4
  movzx ebx, word [caught_ds]
  check_eq "DS is null", ebx, 0
  movzx ebx, word [caught_es]
  check_eq "ES is null", ebx, 0
  movzx ebx, word [caught_gs]
  check_eq "GS is null", ebx, 0
  mov eax, [handler_sp]
  check_eq "ES is saved", pushed_es, PARAGRAPH + 1
  check_eq "DS is saved", pushed_ds, PARAGRAPH
  check_eq "FS is saved", pushed_fs, PARAGRAPH + 2
  check_eq "GS is saved", pushed_gs, PARAGRAPH + 3
  check_eq "SS is saved", [caught_ss], STACK16
  check_virtual_flag "VM is saved", FLAG_VM | FLAG_IOPL, FLAG_VM | FLAG_IOPL
  mov eax, [handler_flags]
  and eax, FLAG_VM
  check_eq "the handler's VM is clear", eax, 0

  ; ---- Sensitive to IOPL ----
  raises_virtual "#GP: CLI", X_GP, 0, 0, cli
  raises_virtual "#GP: STI", X_GP, 0, 0, sti
  raises_virtual "#GP: PUSHF", X_GP, 0, 0, pushf
  raises_virtual "#GP: POPF", X_GP, 0, 0, popf
  raises_virtual "#GP: PUSHFD", X_GP, 0, 0, pushfd
  raises_virtual "#GP: POPFD", X_GP, 0, 0, popfd
  raises_virtual "#GP: INT n", X_GP, 0, 0, int BACK
  raises_virtual "#GP: IRET", X_GP, 0, 0, iret
  raises_virtual "#GP: IRETD", X_GP, 0, 0, iretd
  try
  virtual IOPL3 | FLAG_IF
  cli
  end_virtual
  ok "IOPL 3: CLI"
  check_virtual_flag "IOPL 3: CLI clears IF", FLAG_IF, 0
  try
  virtual IOPL3 | FLAG_IF | 0x8d5
  pushf
  pop bx
  end_virtual
  ok "IOPL 3: PUSHF"
  movzx ebx, bx
  check_eq "IOPL 3: PUSHF gives IF and IOPL", ebx, FLAG_IF + FLAG_IOPL + 0x8d7
  try
  virtual IOPL3
  push word FLAG_IF | FLAG_NT | 0x8d5
  popf
  end_virtual
  ok "IOPL 3: POPF"
  mov eax, FLAG_VM | FLAG_IOPL | FLAG_IF | FLAG_NT | 0x8d7
  check_eq "IOPL 3: POPF leaves IOPL", [caught_flags], eax
  try
  virtual IOPL3
  push dword FLAG_ID | FLAG_AC
  popfd
  end_virtual
  ok "IOPL 3: POPFD"
  mov eax, FLAG_VM | FLAG_IOPL | FLAG_ID | FLAG_AC | FLAG_FIXED
  check_eq "IOPL 3: POPFD leaves VM and IOPL", [caught_flags], eax
  try
  virtual IOPL3 | FLAG_IF
  push word 0xd5
  push word PARAGRAPH + 1
  push word place(.after_iret) - 16
  iret
.after_iret:
  mov bx, cs
  end_virtual
  ok "IOPL 3: IRET"
  movzx ebx, bx
  check_eq "IOPL 3: IRET loads CS", ebx, PARAGRAPH + 1
  check_virtual_flag "IOPL 3: IRET takes the flags", FLAG_IF | FLAG_IOPL | 0xd5, FLAG_IOPL + 0xd5

  ; ---- INT n and exceptions ----
  raises_virtual "#GP: INT n, IOPL 3, gate of DPL 0", X_GP, 0x30 * 8 + 2, IOPL3, int 0x30
  raises_virtual "#GP: INT3, gate of DPL 0", X_GP, X_BP * 8 + 2, 0, int3
  set_gate_rights X_BP, GATE_INTERRUPT | GATE_USER
  try
  virtual
  int3
  end_virtual
  caught "INT3 is not sensitive to IOPL", X_BP
  set_gate_rights X_BP, GATE_INTERRUPT
  set_gate_rights X_OF, GATE_INTERRUPT | GATE_USER
  try
  virtual
  mov al, 0x7f
  add al, 1
  into
  end_virtual
  caught "nor is INTO", X_OF
  set_gate_rights X_OF, GATE_INTERRUPT
  set_descriptor CODE_LEVEL1, low_half(0, 0xfffff), high_half(0, 0xfffff, CODE_SEGMENT | 0x20, FLAGS32)
  set_gate_rights 0x30, GATE_INTERRUPT | GATE_USER
  mov word [gate_place(0x30) + 2], CODE_LEVEL1
  qemu_differs "looks for a stack of that level first", 1
  raises_virtual "#GP: a handler at level 1", X_GP, CODE_LEVEL1, IOPL3, int 0x30
  set_descriptor CODE_LEVEL1, low_half(0, 0xfffff), high_half(0, 0xfffff, CODE_SEGMENT | 4, FLAGS32)
  raises_virtual "#GP: a conforming handler", X_GP, CODE_LEVEL1, IOPL3, int 0x30
  mov word [gate_place(0x30) + 2], CODE32
  set_gate_rights 0x30, GATE_INTERRUPT
  raises_virtual "#DE", X_DE, NO_CODE, 0, {div byte [place(data) + 15]}
  raises_virtual "#UD: UD2", X_UD, NO_CODE, 0, ud2

  ; ---- Not for programs, or not in this mode ----
  raises_virtual "#GP: HLT", X_GP, 0, IOPL3, hlt
  raises_virtual "#GP: MOV from CR0", X_GP, 0, IOPL3, {mov eax, cr0}
  raises_virtual "#GP: MOV to DR7", X_GP, 0, IOPL3, {mov dr7, eax}
  raises_virtual "#GP: LGDT", X_GP, 0, IOPL3, lgdt [place(data)]
  raises_virtual "#GP: CLTS", X_GP, 0, IOPL3, clts
  raises_virtual "#GP: LMSW", X_GP, 0, IOPL3, lmsw ax
  raises_virtual "#GP: RDMSR", X_GP, 0, IOPL3, rdmsr
  raises_virtual "#GP: INVLPG", X_GP, 0, IOPL3, invlpg [place(data)]
  raises_virtual "#UD: LLDT", X_UD, NO_CODE, IOPL3, lldt ax
  raises_virtual "#UD: LTR", X_UD, NO_CODE, IOPL3, ltr ax
  raises_virtual "#UD: SLDT", X_UD, NO_CODE, IOPL3, sldt ax
  raises_virtual "#UD: STR", X_UD, NO_CODE, IOPL3, str ax
  raises_virtual "#UD: LAR", X_UD, NO_CODE, IOPL3, lar ax, ax
  raises_virtual "#UD: LSL", X_UD, NO_CODE, IOPL3, lsl ax, ax
  raises_virtual "#UD: VERR", X_UD, NO_CODE, IOPL3, verr ax
  raises_virtual "#UD: ARPL", X_UD, NO_CODE, IOPL3, arpl ax, ax
  works_virtual "SMSW, CPUID and RDTSC", IOPL3, {smsw ax}
  ; Ports: the bitmap alone decides.
  raises_virtual "#GP: IN, even with IOPL 3", X_GP, 0, IOPL3, {in al, 0x80}
  mov byte [tss32 + TSS_BYTES + 0x80 / 8], 0xfe
  works_virtual "IN of a port of the bitmap", IOPL3, {in al, 0x80}
  mov byte [tss32 + TSS_BYTES + 0x80 / 8], 0xff

  ; ---- Segments ----
  try
  virtual IOPL3
  mov ax, 0x0010
  mov es, ax
  mov byte [es:LOW - 0x100 + place(data) + 8], 0x77
  mov ax, 0xffff
  mov fs, ax
  mov ebx, [fs:0x10]
  end_virtual
  ok "any selector will do"
  movzx eax, byte [linear(data) + 8]
  check_eq "base is the selector times 16", eax, 0x77
  check_eq "above 1 MiB there is no wrap", ebx, [IMAGE]
  qemu_differs "checks no limits", 2
  raises_virtual "#GP: a word at 0xffff", X_GP, 0, IOPL3, {mov ax, [0xffff]}
  qemu_differs "checks no limits", 2
  raises_virtual "#GP: 32-bit address", X_GP, 0, IOPL3, {mov al, [dword 0x10000]}
  qemu_differs "checks no limits", 2
  raises_virtual "#SS: a word of the stack at 0xffff", X_SS, 0, IOPL3, {mov ax, [ss:0xffff]}
  try
  virtual IOPL3
  push word PARAGRAPH - 0x10
  push word place(.far) + 0x100
  retf
.far:
  mov bx, cs
  call PARAGRAPH:place(.near)
  end_virtual
  [section .low]
  bits 16
.near:
  mov cx, cs
  retf
  section .text
  bits 32
  ok "far returns and calls"
  movzx ebx, bx
  movzx ecx, cx
  check_eq "RETF loads CS", ebx, PARAGRAPH - 0x10
  check_eq "CALL loads CS", ecx, PARAGRAPH
  not_on_qemu                           ; goes there
  try
  push PARAGRAPH
  push PARAGRAPH
  push PARAGRAPH
  push PARAGRAPH
  push STACK16
  push STACK_TOP
  push FLAG_VM | FLAG_FIXED
  push PARAGRAPH
  push 0x10000
  iretd
  caught "#GP: IRET to beyond 64 KiB", X_GP, 0
  end_needs

  ; ---- Virtual interrupts (CR4.VME) ----
  needs 1, 0, edx, 1
  ; Vector 0x40 is redirected to the program, 0x41 is not.
  mov word [tss32 + 102], BITMAP
  mov edi, tss32 + REDIRECTION
  mov ecx, 32
  mov al, 0xff
  rep stosb
  and byte [tss32 + REDIRECTION + 0x40 / 8], ~1
  mov word [0x40 * 4], place(.redirected)
  mov word [0x40 * 4 + 2], PARAGRAPH
  set_cr4 CR4_VME, 0
  try
  virtual FLAG_VIF
  int 0x40
.after_int:
  mov dx, sp
  ud2
  [section .low]
.redirected:
  pop ax
  pop bx
  pop cx
  push cx
  push bx
  push ax
  iret
  section .text
  bits 32
  caught "VME, IOPL 0: INT n through the program's own table", X_UD
  movzx eax, ax
  check_eq "VME: IP", eax, place(.after_int)
  movzx ebx, bx
  check_eq "VME: CS", ebx, PARAGRAPH
  movzx ecx, cx
  check_eq "VME: IF is VIF, IOPL looks like 3", ecx, FLAG_IF + FLAG_IOPL + FLAG_FIXED
  movzx edx, dx
  check_eq "VME: IRET takes the frame", edx, STACK_TOP
  check_virtual_flag "VME: IRET restores VIF", FLAG_VIF | FLAG_IF | FLAG_IOPL, FLAG_VIF
  set_gate_rights 0x41, GATE_INTERRUPT | GATE_USER
  raises_virtual "VME, IOPL 0: INT n not redirected", X_GP, 0, 0, int 0x41
  try
  virtual IOPL3
  int 0x41
  end_virtual
  caught "VME, IOPL 3: INT n not redirected", 0x41
  try
  virtual IOPL3 | FLAG_IF
  int 0x40
  end_virtual
  ok "VME, IOPL 3: INT n redirected"
  movzx ecx, cx
  check_eq "VME, IOPL 3: the flags as they are", ecx, FLAG_IF + FLAG_IOPL + FLAG_FIXED
  try
  virtual
  sti
  ud2
  end_virtual
  caught "VME: STI", X_UD
  check_virtual_flag "VME: STI sets VIF", FLAG_VIF | FLAG_IF, FLAG_VIF
  try
  virtual FLAG_VIF | FLAG_IF
  cli
  ud2
  end_virtual
  caught "VME: CLI", X_UD
  check_virtual_flag "VME: CLI clears VIF", FLAG_VIF | FLAG_IF, FLAG_IF
  try
  virtual FLAG_VIF
  pushf
  pop bx
  ud2
  end_virtual
  caught "VME: PUSHF", X_UD
  movzx ebx, bx
  check_eq "VME: PUSHF shows VIF as IF, IOPL as 3", ebx, FLAG_IF + FLAG_IOPL + FLAG_FIXED
  try
  virtual
  push word FLAG_IF | 0xd5
  popf
  ud2
  end_virtual
  caught "VME: POPF", X_UD
  check_virtual_flag "VME: POPF writes VIF", FLAG_VIF | FLAG_IF | FLAG_IOPL | 0xd5, FLAG_VIF + 0xd5
  raises_virtual "VME: STI with VIP", X_GP, 0, FLAG_VIP, sti
  try
  virtual FLAG_VIP
  push word FLAG_IF
  popf
  end_virtual
  caught "VME: POPF of IF with VIP", X_GP, 0
  try
  virtual
  push word FLAG_TF
  popf
  end_virtual
  caught "VME: POPF of TF", X_GP, 0
  raises_virtual "VME: PUSHFD is still refused", X_GP, 0, 0, pushfd
  raises_virtual "VME: POPFD is still refused", X_GP, 0, 0, popfd
  set_cr4 0, CR4_VME
  raises_virtual "without VME: no redirection", X_GP, 0, 0, int 0x40
  mov word [tss32 + 102], TSS_BYTES
  end_needs

  ; ---- Virtual interrupts in protected mode (CR4.PVI) ----
%macro program 1                        ; flags: flat code at CPL 3 follows
  push USER_DATA
  push user_stack_end
  push FLAG_FIXED | %1
  push USER_CODE32
  push %%here
  iretd
%%here:
%endmacro
  needs 1, 0, edx, 1
  try
  program 0
  sti
  back
  caught "without PVI: STI", X_GP, 0
  set_cr4 CR4_PVI, 0
  try
  program 0
  sti
  back
  ok "PVI: STI"
  mov eax, [caught_flags]
  and eax, FLAG_VIF | FLAG_IF
  check_eq "PVI: STI sets VIF", eax, FLAG_VIF
  try
  program FLAG_VIF | FLAG_IF
  cli
  back
  ok "PVI: CLI"
  mov eax, [caught_flags]
  and eax, FLAG_VIF | FLAG_IF
  check_eq "PVI: CLI clears VIF", eax, FLAG_IF
  try
  program FLAG_VIP
  sti
  back
  caught "PVI: STI with VIP", X_GP, 0
  try
  program FLAG_IOPL
  sti
  back
  ok "PVI, IOPL 3: STI"
  mov eax, [caught_flags]
  and eax, FLAG_VIF | FLAG_IF
  check_eq "PVI, IOPL 3: STI sets IF", eax, FLAG_IF
  set_cr4 0, CR4_PVI
  end_needs

  ; ---- A task in virtual-8086 mode ----
  set_descriptor OTHER_TSS, low_half(FRAMES, TSS_BYTES - 1), high_half(FRAMES, TSS_BYTES - 1, 0x89, 0)
  mov dword [FRAMES + 32], place(.task) ; EIP
  mov dword [FRAMES + 36], FLAG_VM | FLAG_IOPL | FLAG_FIXED
  mov dword [FRAMES + 56], STACK_TOP
  mov dword [FRAMES + 76], PARAGRAPH      ; CS
  mov dword [FRAMES + 80], STACK16
  mov dword [FRAMES + 84], PARAGRAPH
  mov dword [FRAMES + 4], kernel_stack_end
  mov dword [FRAMES + 8], DATA
  try
  jmp OTHER_TSS:0
  [section .low]
  bits 16
.task:
  mov bx, cs
  mov cl, [place(data) + 8]
  int BACK
  section .text
  bits 32
  ok "a task in virtual-8086 mode"
  movzx ebx, bx
  check_eq "its CS", ebx, PARAGRAPH
  check_virtual_flag "its flags", FLAG_VM | FLAG_IOPL, FLAG_VM | FLAG_IOPL
  jmp finish32

%include "end.inc"
