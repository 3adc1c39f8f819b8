; Real-address mode: SDM Vol. 3B chapter 21 "8086 Emulation", Vol. 3A §10.9 "Mode Switching".

%define GUEST "real-mode"
%include "guest.inc"
%include "real-mode.inc"

section .low
bits 16
align 4
data: dd 0, 0, 0, 0
far_pointer: dd 0

section .text
code32

%macro works_real 2+                    ; name, instruction
  real
  %2
  end_real
  check_real %1, NOTHING
%endmacro
%macro raises_real 3+                   ; name, vector, instruction
  real
%%at:
  %3
  end_real
  check_real %1, %2
  %strcat %%name %1, ": at the instruction"
  movzx eax, word [real_ip]
  check_eq %%name, eax, %%at
%endmacro

main:
  call make_vectors
  mov ebx, 0xb0b0b0b0
  mov ecx, 0xc0c0c0c0
  mov ebp, esp
  real
  mov ax, cs
  mov [data], ax
  mov ax, ss
  mov [data + 2], ax
  mov edx, cr0
  smsw [data + 4]
  end_real
  check_real "to real mode and back", NOTHING
  check_eq "registers keep their 32 bits", ebx, 0xb0b0b0b0
  check_eq "CS", [data], 0
  and edx, CR0_PE
  check_eq "CR0.PE is clear", edx, 0
  movzx eax, word [data + 4]
  and eax, CR0_PE
  check_eq "SMSW shows it", eax, 0
  mov eax, esp
  check_eq "the stack is as it was", eax, ebp

  ; ---- Segments ----
  real
  mov ax, 0x1234
  mov es, ax
  mov word [es:0x10], 0x4321
  mov ax, 0x1230
  mov fs, ax
  mov bx, [fs:0x50]
  mov cx, [0x2350]
  mov ax, 0xffff
  mov gs, ax
  mov edx, [gs:0x10]
  end_real
  movzx ebx, bx
  check_eq "selectors times 16", ebx, 0x4321
  check_eq "are above 64 KiB", [0x12350], 0x4321
  check_eq "no wrap at 1 MiB", edx, [IMAGE]
  real
  mov si, 0xffff
  mov byte [si], 0x11
  mov byte [0], 0x22
  cld
  lodsb
  mov ah, al
  lodsb
  mov bx, si
  end_real
  movzx eax, ax
  check_eq "SI wraps at 64 KiB", eax, 0x1122
  call make_vectors
  movzx ebx, bx
  check_eq "and goes on", ebx, 1
  real
  mov esi, data
  mov edi, data + 4
  mov dword [esi], 0x12345678
  mov ecx, 1
  a32 rep movsd
  end_real
  check_eq "32-bit addresses and operands", [data + 4], 0x12345678
  check_eq "count in ECX", ecx, 0
  real
  mov eax, 0x10
  mov bx, .far_there
  mov word [far_pointer], bx
  sub word [far_pointer], 0x100
  mov word [far_pointer + 2], 0x10
  call far [far_pointer]
  jmp .done
.far_there:
  mov dx, cs
  retf
.done:
  mov cx, cs
  end_real
  movzx edx, dx
  check_eq "far CALL loads CS", edx, 0x10
  movzx ecx, cx
  check_eq "RETF loads it again", ecx, 0

  ; ---- Interrupts ----
  real
  push word FLAG_IF | 0xd5
  popf
  int 0x40
.behind:
  end_real
  check_real "INT n", 0x40
  movzx eax, word [real_ip]
  check_eq "INT n: IP behind it", eax, main.behind
  movzx eax, word [real_sp]
  check_eq "INT n: three words are pushed", eax, REAL_TOP - 2 - 6
  movzx eax, word [real_flags]
  and eax, FLAG_IF | 0xd7
  check_eq "INT n: flags are saved", eax, FLAG_IF + 0xd7
  movzx eax, word [real_handler_flags]
  and eax, FLAG_IF | 0xd7
  check_eq "INT n: IF is cleared", eax, 0xd7
  mov word [0x41 * 4], .handler
  real
  push word FLAG_IF | FLAG_NT | FLAG_IOPL | 0xd5
  popf
  int 0x41
  pushf
  pop dx
  cli
  jmp .end
.handler:
  mov bx, sp
  iret
.end:
  end_real
  check_real "IRET", NOTHING
  movzx edx, dx
  check_eq "IRET: flags as before", edx, FLAG_IF + FLAG_NT + FLAG_IOPL + 0xd7
  real
  mov ax, 5
  mov cl, 0
  div cl
  end_real
  check_real "#DE", X_DE
  raises_real "#UD", X_UD, ud2
  raises_real "#BR", X_BR, {bound sp, [data + 8]}
  real
  mov al, 0x7f
  add al, 1
  into
  end_real
  check_real "#OF", X_OF
  real
  int3
  end_real
  check_real "#BP", X_BP
  movzx eax, word [real_sp]
  check_eq "no error codes", eax, REAL_TOP - 2 - 6
  not_on_qemu                           ; checks no limits
  raises_real "#GP: a word at 0xffff", X_GP, {mov ax, [0xffff]}
  movzx eax, word [real_sp]
  check_eq "#GP has no error code either", eax, REAL_TOP - 2 - 6
  raises_real "#GP: a 32-bit address above 64 KiB", X_GP, {mov al, [dword 0x10000]}
  raises_real "#SS: a word at 0xffff of the stack", X_SS, {mov ax, [ss:0xffff]}
  raises_real "#GP: a code read at 0xffff", X_GP, {mov ax, [cs:0xffff]}
  end_needs
  ; The table's limit.
  mov word [real_idtr], 0x40 * 4 + 2
  real
.at_int:
  int 0x40
  end_real
  qemu_differs "does not look"
  check_real "#GP: beyond the interrupt vector table", X_GP
  mov word [real_idtr], 0x40 * 4 + 3
  real
  int 0x40
  end_real
  check_real "the limit is the last byte", 0x40
  mov word [real_idtr], 0x3ff
  ; The table may be anywhere.
  mov dword [FRAMES + 0x40 * 4], 0x00000000
  mov ax, [0x42 * 4]
  mov [FRAMES + 0x40 * 4], ax
  mov dword [real_idtr + 2], FRAMES
  real
  int 0x40
  end_real
  check_real "a table elsewhere", 0x42
  mov dword [real_idtr + 2], 0

  ; ---- Which instructions there are ----
  raises_real "#UD: LLDT", X_UD, lldt ax
  raises_real "#UD: LTR", X_UD, ltr ax
  raises_real "#UD: SLDT", X_UD, sldt ax
  raises_real "#UD: STR", X_UD, str ax
  raises_real "#UD: LAR", X_UD, lar ax, ax
  raises_real "#UD: LSL", X_UD, lsl ax, ax
  raises_real "#UD: VERW", X_UD, verw ax
  raises_real "#UD: ARPL", X_UD, arpl ax, ax
  raises_real "#UD: SYSCALL", X_UD, syscall
  raises_real "#GP: SYSENTER", X_GP, sysenter
  works_real "MOV to and from CR0, CR3, CR4", {mov eax, cr0}
  works_real "CLTS", clts
  works_real "RDMSR", {mov ecx, MSR_EFER}
  works_real "IN", {in al, 0x80}
  ; LGDT with a 16-bit operand takes 24 bits of the base.
  mov word [data], 0x1234
  mov dword [data + 2], 0x12345678
  real
  o16 lgdt [data]
  o32 sgdt [data + 8]
  end_real
  check_eq "LGDT with a 16-bit operand", [data + 10], 0x345678
  movzx eax, word [data + 8]
  check_eq "its limit", eax, 0x1234
  real
  o32 lgdt [data]
  o32 sgdt [data + 8]
  end_real
  check_eq "LGDT with a 32-bit operand", [data + 10], 0x12345678

  ; ---- Segments kept from protected mode ("unreal" mode) ----
  mov dword [FRAMES + 0x24], 0x24242424
  real
  o32 lgdt [real_gdtr]
  mov eax, cr0
  or al, CR0_PE
  mov cr0, eax
  mov bx, DATA
  mov ds, bx
  mov es, bx
  and al, ~CR0_PE
  mov cr0, eax
  mov edx, [dword FRAMES + 0x24]
  mov edi, FRAMES + 0x28
  mov eax, edx
  a32 stosd
  mov ax, ds
  xor bx, bx
  mov es, bx
  mov ds, bx
  end_real
  check_real "unreal mode", NOTHING
  check_eq "reads above 64 KiB", edx, 0x24242424
  check_eq "writes there", [FRAMES + 0x28], 0x24242424
  ; Loading a segment in real mode changes its base alone.
  real
  o32 lgdt [real_gdtr]
  mov eax, cr0
  or al, CR0_PE
  mov cr0, eax
  mov bx, DATA
  mov es, bx
  and al, ~CR0_PE
  mov cr0, eax
  mov bx, 0x10
  mov es, bx
  mov edx, [es:dword FRAMES + 0x24 - 0x100]
  xor bx, bx
  mov es, bx
  end_real
  check_real "a selector loaded in unreal mode", NOTHING
  check_eq "changes the base, not the limit", edx, 0x24242424
  jmp finish32

%include "end.inc"
