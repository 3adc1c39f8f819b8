; System-management mode: SDM Vol. 3C chapter 31. SMIs come by the APM control port where there is PCI, and firmware has
; moved SMBASE to 0xA0000; else by the local APIC, with SMBASE as after a reset. Assembled with PC defined (by qemu.sh and
; ../firmware/management-mode.test.ts), it checks what only a whole PC has, too.

%define GUEST "management-mode"
%include "guest.inc"
%include "real-mode.inc"
%include "interrupts.inc"

RESET_SMBASE equ 0x30000
FIRMWARE_SMBASE equ 0xa0000
OWN_SMBASE equ 0x480000
ENTRY equ 0x8000
AREA equ 0xfe00
AREA_BYTES equ 0x200
APM_CONTROL equ 0xb2
HANDLER_TOP equ 0xe000
DELIVER_SMI equ 0x4200                  ; of the interrupt command register
DELIVER_NMI equ 0x4400
DELIVER_INIT equ 0x4500
; Offsets in the state-save area.
S_CS equ 0xfe10 - AREA
S_SS equ 0xfe20 - AREA
S_DS equ 0xfe30 - AREA
S_FS equ 0xfe40 - AREA
S_GDTR equ 0xfe60 - AREA
S_IDTR equ 0xfe80 - AREA
S_TR equ 0xfe90 - AREA
S_HALTED equ 0xfec9 - AREA
S_EFER equ 0xfed0 - AREA
S_REVISION equ 0xfefc - AREA
S_SMBASE equ 0xff00 - AREA
S_CR4 equ 0xff48 - AREA
S_CR3 equ 0xff50 - AREA
S_CR0 equ 0xff58 - AREA
S_DR7 equ 0xff60 - AREA
S_FLAGS equ 0xff70 - AREA
S_RIP equ 0xff78 - AREA
S_RAX equ 0xfff8 - AREA
S_RCX equ S_RAX - 8
S_RBX equ S_RAX - 24
S_RSP equ S_RAX - 32
S_R15 equ S_RAX - 120

absolute variables
alignb 8
area: resb AREA_BYTES                   ; the state-save area as the handler found it
expected_ip: resq 1                     ; behind the instruction that raised the SMI
has_pci: resq 1
smbase: resq 1
smis: resq 1
seen_cs: resq 1
seen_cr0: resq 1
seen_cr4: resq 1
seen_dr7: resq 1
seen_efer: resq 1
seen_flags: resq 1
seen_smis: resq 1
management_hook: resq 1                 ; 16-bit code for the handler to call, EBX being the area
nmis: resq 1
section .text

; Raises an SMI; flags as given. Data at its address plus `offset`; the local APIC's command register at `command`.
%macro smi 1-3 0, APIC + APIC_ICR       ; flags, offset, command
  push xcx
  mov xcx, [%2 + has_pci]
  %if __?BITS?__ = 64
    jrcxz %%apic
  %else
    jecxz %%apic
  %endif
  mov xcx, %2 + %%behind_port
  mov [%2 + expected_ip], xcx
  pop xcx
  set_flags %1
  out APM_CONTROL, al
%%behind_port:
  jmp %%done
%%apic:
  mov xcx, %2 + %%behind_command
  mov [%2 + expected_ip], xcx
  mov ecx, %3
  mov [%2 + command_place], ecx
  pop xcx
  push xbp
  mov ebp, [%2 + command_place]
  set_flags %1
  mov dword [xbp], DELIVER_SMI
%%behind_command:
  pop xbp
%%done:
%endmacro

section .data
align 8
command_place: dq 0

section .text
code32
main:
  mov dword [APIC + APIC_SVR], 0x100 | SPURIOUS
  mov dword [APIC + APIC_ICR_HIGH], 0
  mov dword [smbase], RESET_SMBASE
  mov edx, 0xcf8
  mov eax, 0x80000000
  out dx, eax
  mov dl, 0xfc
  in eax, dx
  cmp eax, 0x12378086
  jne .no_pci
  mov dword [has_pci], 1
  mov dword [smbase], FIRMWARE_SMBASE
  mov al, 0x4a                          ; D_OPEN, G_SMRAME
  call set_smram
.no_pci:
  call install_handler
  call make_vectors

  ; ---- Protected mode ----
  mov eax, 0x600
  mov dr7, eax
  mov eax, 0xa1a1a1a1
  mov ebx, 0xb1b1b1b1
  mov ebp, 0xc1c1c1c1
  smi 0xad7
  pushfd
  mov [noted], eax
  mov eax, dr7
  mov [noted + 4], eax
  pop eax
  and eax, 0xad7
  check_eq "EFLAGS come back", eax, 0xad7 & ~FLAG_IF | FLAG_IF
  cli
  cld
  check_eq "EAX comes back", [noted], 0xa1a1a1a1
  check_eq "EBX comes back", ebx, 0xb1b1b1b1
  check_eq "EBP comes back", ebp, 0xc1c1c1c1
  mov eax, [noted + 4]
  check_eq "DR7 comes back", eax, 0x600
  mov eax, 0x400
  mov dr7, eax
  check_eq "one SMI", [smis], 1
  mov eax, [smbase]
  shr eax, 4
  check_eq "CS is SMBASE / 16", [seen_cs], eax
  mov eax, [seen_cr0]
  and eax, CR0_PE | CR0_EM | CR0_TS | CR0_PG
  check_eq "CR0: PE, EM, TS, PG are clear", eax, 0
  mov eax, [seen_cr0]
  and eax, CR0_NE | CR0_ET | CR0_MP
  check_eq "CR0: others are as they were", eax, CR0_NE | CR0_ET | CR0_MP
  check_eq "CR4 is 0", [seen_cr4], 0
  check_eq "DR7 is 0x400", [seen_dr7], 0x400
  check_eq "EFER is 0", [seen_efer], 0
  check_eq "EFLAGS are 2", [seen_flags], 2
  check_eq "revision", [area + S_REVISION], 0x20064
  check_eq "SMBASE is saved", [area + S_SMBASE], [smbase]
  qemu_differs "takes it later"
  check_eq "EIP is behind the instruction", [area + S_RIP], [expected_ip]
  check_eq "EAX is saved", [area + S_RAX], 0xa1a1a1a1
  check_eq "EBX is saved", [area + S_RBX], 0xb1b1b1b1
  check_eq "DR7 is saved", [area + S_DR7], 0x600
  mov eax, cr0
  check_eq "CR0 is saved", [area + S_CR0], eax
  movzx eax, word [area + S_CS]
  check_eq "CS is saved", eax, CODE32
  movzx eax, word [area + S_CS + 2]
  check_eq "CS: attributes", eax, 0xc09b
  check_eq "CS: limit", [area + S_CS + 4], 0xffffffff
  movzx eax, word [area + S_DS]
  check_eq "DS is saved", eax, DATA
  movzx eax, word [area + S_TR]
  check_eq "TR is saved", eax, TSS
  check_eq "TR: base", [area + S_TR + 8], tss32
  check_eq "TR: limit", [area + S_TR + 4], TSS_LIMIT
  check_eq "GDTR: base", [area + S_GDTR + 8], gdt
  check_eq "GDTR: limit", [area + S_GDTR + 4], gdt_end - gdt - 1
  check_eq "IDTR: base", [area + S_IDTR + 8], idt32
  check_eq "IDTR: limit", [area + S_IDTR + 4], 256 * 8 - 1
  movzx eax, byte [area + S_HALTED]
  check_eq "not halted", eax, 0

  ; What the handler changes.
  mov dword [management_hook], change_registers
  mov ecx, 1
  smi FLAG_FIXED
  check_eq "ECX is what the handler has left", ecx, 0x12345678
  mov dword [management_hook], skip_instruction
  mov eax, 0
  smi FLAG_FIXED
.skipped:
  inc eax
  check_eq "EIP, too", eax, 0
  mov dword [management_hook], 0

  raises "RSM outside of system-management mode", X_UD, NO_CODE, rsm

  ; ---- 16-bit code ----
%ifdef PC
  real
  mov ax, 0x1234
  mov ds, ax
  mov es, ax
  mov cx, 0x4321
  stc
  out APM_CONTROL, al
.behind_real:
  jmp .on
.on:
  sbb cx, 0
  mov ax, ds
  end_real
  check_eq "real mode: DS comes back", eax, 0x1234
  and ecx, 0xffff
  check_eq "real mode: CX and CF come back", ecx, 0x4320
  movzx eax, word [area + S_DS]
  check_eq "real mode: DS is saved", eax, 0x1234
  check_eq "real mode: DS's base", [area + S_DS + 8], 0x12340
  qemu_differs "takes it later"
  check_eq "real mode: IP", [area + S_RIP], main.behind_real
  mov eax, [area + S_CR0]
  and eax, CR0_PE
  check_eq "real mode: CR0.PE", eax, 0
%endif

  ; ---- PAE paging ----
  call make_long_tables
  set_cr4 CR4_PAE, 0
  and dword [pdpt], ~(W + U)
  and dword [pdpt + 8], ~(W + U)
  and dword [pdpt + 24], ~(W + U)
  mov eax, pdpt
  mov cr3, eax
  set_cr0 CR0_PG | CR0_WP, 0
  smi FLAG_FIXED
  mov eax, cr0
  check_eq "PAE: CR0 comes back", [area + S_CR0], eax
  check_eq "PAE: CR3 is saved", [area + S_CR3], pdpt
  check_eq "PAE: CR4 is saved", [area + S_CR4], CR4_PAE
  check_eq "PAE: paging works", [USER + area + S_CR3], pdpt
  mov eax, [seen_cr0]
  and eax, CR0_PG
  check_eq "PAE: no paging in the handler", eax, 0
  set_cr0 0, CR0_PG
  set_cr4 0, CR4_PAE

  ; ---- SMBASE ----
  mov dword [management_hook], relocate
  smi FLAG_FIXED
  mov dword [management_hook], 0
  mov eax, [smis]
  push eax
  mov edi, [smbase]
  mov word [edi + ENTRY], 0xfeeb        ; whoever comes there now stays
  mov dword [smbase], OWN_SMBASE
  call install_handler
  smi FLAG_FIXED
  pop eax
  inc eax
  check_eq "SMBASE is where the handler put it", [smis], eax
  check_eq "and is saved", [area + S_SMBASE], OWN_SMBASE
  check_eq "CS is its bits 4 to 19", [seen_cs], (OWN_SMBASE >> 4) & 0xffff
  ; Code there that is changed is changed for the next SMI.
  mov byte [OWN_SMBASE + ENTRY + handler_mark - handler_entry + 1], 0x77
  smi FLAG_FIXED
  movzx eax, byte [seen_mark]
  check_eq "the handler can be written over", eax, 0x77

  ; ---- 64-bit mode ----
  call enter_long
code64
  call init_interrupts
  mov dword [r15 + APIC_ICR_HIGH], 0
  mov r8, 0x1122334455667788
  mov [noted], r8
  mov r9, 0x8877665544332211
  write_msr MSR_FS_BASE, 0x9abcdef0, 0x00007fff
  push r15
  mov r15, r9
  mov rax, r8
  mov rbp, rsp
  smi FLAG_FIXED | 0x41
  setz cl
  sbb ch, ch
  mov rbx, r15
  pop r15
  check_eq "64-bit mode: RAX comes back", rax, [noted]
  check_eq "64-bit mode: R15 comes back", rbx, r9
  movzx eax, cx
  check_eq "64-bit mode: flags come back", rax, 0xff01
  check_eq "64-bit mode: RAX is saved", [area + S_RAX], r8
  check_eq "64-bit mode: R15 is saved", [area + S_R15], r9
  qemu_differs "takes it later"
  check_eq "64-bit mode: RIP is saved", [area + S_RIP], [expected_ip]
  movzx eax, word [area + S_CS + 2]
  check_eq "64-bit mode: CS has L", rax, 0xa09b
  mov eax, [area + S_EFER]
  check_eq "64-bit mode: EFER is saved", rax, EFER_LME | EFER_LMA | EFER_NXE
  check_eq "64-bit mode: EFER is 0 in the handler", [seen_efer], 0
  mov eax, [area + S_FS + 12]
  check_eq "64-bit mode: FS base is saved", rax, 0x7fff
  mov ecx, MSR_FS_BASE
  rdmsr
  mov ecx, 0x9abcdef0
  check_eq "64-bit mode: FS base comes back", rax, rcx
  mov rax, cr3
  check_eq "64-bit mode: CR3 comes back", [area + S_CR3], rax
  mov dword [management_hook], change_registers
  mov rcx, -1
  smi FLAG_FIXED
  mov rax, 0x7fffffff12345678
  check_eq "64-bit mode: RCX is what the handler has left", rcx, rax
  mov dword [management_hook], 0

  ; A program.
  mov dword [window_table], APIC + P + W + U + PCD
  try
  user FLAG_FIXED | FLAG_IOPL
  smi FLAG_FIXED | FLAG_IOPL, USER, WINDOW + APIC_ICR
  mov eax, cs
  mov [USER + noted], rax
  back
  ok "a program is interrupted"
  check_eq "and goes on at its level", [noted], USER_CODE64
  movzx eax, word [area + S_SS]
  check_eq "its SS is saved", rax, USER_DATA
  qemu_differs "takes it later"
  check_eq "its RIP is saved", [area + S_RIP], [expected_ip]

  ; ---- What waits ----
  mov dword [management_hook], raise_again
  mov eax, [smis]
  mov [noted], rax
  smi FLAG_FIXED
  nop
  mov eax, [smis]
  sub rax, [noted]
  check_eq "an SMI in the handler comes behind RSM", rax, 2
  check_eq "not before", [seen_smis], [noted]
  mov dword [management_hook], 0

  set_gate X_NMI, nmi_handler
  mov dword [management_hook], raise_nmi
  smi FLAG_FIXED
  nop
  check_eq "an NMI in the handler comes behind RSM", [nmis], 1
  mov dword [management_hook], 0

  ; A single step: one trap, behind the instruction.
  try
  mov eax, APIC + APIC_ICR
  push FLAG_FIXED | FLAG_TF
  cmp dword [has_pci], 0
  je .step_command
  popfq
  out APM_CONTROL, al
.stepped_port:
  jmp $
.step_command:
  popfq
  mov dword [rax], DELIVER_SMI
.stepped_command:
  jmp $
  caught "a single step over the instruction", X_DB
  mov rax, .stepped_port
  cmp dword [has_pci], 0
  mov rcx, .stepped_command
  cmove rax, rcx
  caught_at "traps behind it", rax

  ; ---- HLT ----
  ; The timer's interrupt as SMI, by the IOAPIC.
  not_on_qemu                           ; goes on behind HLT always
  mov dword [management_hook], halt_twice
  mov dword [smis], 0
  redirect 2, 0x200
  mov al, 0x34
  out 0x43, al
  mov al, 0
  out 0x40, al
  mov al, 0x20
  out 0x40, al
  hlt
  redirect 2, MASKED
  mov al, 0x30
  out 0x43, al
  check_eq "RSM goes back into HLT unless the handler has it otherwise", [seen_smis], 2
  mov dword [management_hook], 0
  end_needs

  ; ---- SMRAM ----
%ifdef PC
  mov dword [FIRMWARE_SMBASE], 0x600df00d
  mov al, 0x0a
  call set_smram64
  mov eax, [FIRMWARE_SMBASE]
  xor eax, 0x600df00d
  check_if "SMRAM cannot be seen when closed", nz
  mov dword [management_hook], look_at_smram
  smi FLAG_FIXED
  check_eq "but in the handler", [noted], 0x600df00d
  mov dword [management_hook], 0
  mov al, 0x1a                          ; D_LCK
  call set_smram64
  mov al, 0x4a
  call set_smram64
  movzx eax, al
  qemu_differs "has no lock"
  check_eq "nor be opened when locked", rax, 0x1a

  ; ---- INIT ----
  ; Firmware goes where 40:67 says if the CMOS RAM has it so.
  mov al, 0x8f
  out 0x70, al
  mov al, 0x0a
  out 0x71, al
  mov dword [0x467], after_init
  mov rax, 0x0123456789abcdef
  movq xmm5, rax
  mov eax, 0x5a5a
  mov dr0, rax
  mov eax, [smis]
  mov [noted], eax
  mov dword [management_hook], raise_init
  smi FLAG_FIXED
  jmp $
%else
  jmp finish64
%endif

%ifdef PC
code32
back_from_init:
  mov eax, DATA
  mov ds, eax
  mov es, eax
  mov fs, eax
  mov gs, eax
  mov ss, eax
  mov esp, stack_end
  lidt [idtr32]
  mov eax, [noted]
  inc eax
  qemu_differs "does not hold it back"
  check_eq "INIT: in the handler of an SMI it waits", [smis], eax
  mov eax, cr4
  check_eq "INIT: CR4 is 0", eax, 0
  mov eax, cr3
  check_eq "INIT: CR3 is 0", eax, 0
  mov eax, dr0
  check_eq "INIT: DR0 is 0", eax, 0
  mov ecx, MSR_EFER
  rdmsr
  check_eq "INIT: EFER is 0", eax, 0
  mov ecx, MSR_FS_BASE
  rdmsr
  check_eq "INIT: the base of FS is 0", edx, 0
  set_cr4 CR4_OSFXSR, 0
  movq [noted], xmm5
  qemu_differs "clears them"
  check_eq "INIT: XMM registers are kept", [noted], 0x89abcdef
  not_on_qemu                           ; SMBASE is as after a reset
  mov dword [management_hook], 0
  smi FLAG_FIXED
  check_eq "INIT: SMBASE is kept", [area + S_SMBASE], OWN_SMBASE
  end_needs
  jmp finish32
code64
%endif

nmi_handler:
  inc dword [nmis]
  iretq

code32
; The handler for SMBASE.
install_handler:
  mov edi, [smbase]
  add edi, ENTRY
  mov esi, handler_entry
  mov ecx, handler_entry_bytes
  cld
  rep movsb
  ret

; al: SMRAM register; gives it as it is then.
%macro define_set_smram 0
  push xax
  mov edx, 0xcf8
  mov eax, 0x80000070
  out dx, eax
  mov dl, 0xfe
  pop xax
  out dx, al
  in al, dx
  ret
%endmacro
set_smram:
  define_set_smram
code64
set_smram64:
  define_set_smram

section .data
align 8
noted: dq 0, 0
seen_mark: db 0

section .low
bits 16
; At SMBASE + 0x8000.
handler_entry:
  mov bp, cs
handler_mark:
  mov dl, 0
  jmp 0:handler
handler_entry_bytes equ $ - handler_entry

handler:
  mov esp, HANDLER_TOP
  mov [dword seen_mark], dl
  movzx eax, bp
  mov [dword seen_cs], eax
  pushfd
  pop dword [dword seen_flags]
  mov eax, cr0
  mov [dword seen_cr0], eax
  mov eax, cr4
  mov [dword seen_cr4], eax
  mov eax, dr7
  mov [dword seen_dr7], eax
  mov ecx, MSR_EFER
  rdmsr
  mov [dword seen_efer], eax
  cld
  mov ebx, [dword smbase]
  add ebx, AREA
  mov esi, ebx
  mov edi, area
  mov ecx, AREA_BYTES / 4
  a32 rep movsd
  mov ax, [dword management_hook]
  test ax, ax
  jz .no_hook
  call ax
.no_hook:
  mov eax, [dword smis]
  inc eax
  mov [dword smis], eax
  rsm

change_registers:
  mov dword [ebx + S_RCX], 0x12345678
  mov dword [ebx + S_RCX + 4], 0x7fffffff
  ret

skip_instruction:
  mov dword [ebx + S_RIP], main.skipped + 1
  ret

relocate:
  mov dword [ebx + S_SMBASE], OWN_SMBASE
  ret

; Once.
raise_again:
  mov dword [dword management_hook], 0
  mov eax, [dword has_pci]
  test ax, ax
  jz .apic
  out APM_CONTROL, al
  jmp .raised
.apic:
  mov dword [dword APIC + APIC_ICR], DELIVER_SMI
.raised:
  mov eax, [dword smis]
  mov [dword seen_smis], eax
  ret

raise_nmi:
  mov dword [dword APIC + APIC_ICR], DELIVER_NMI
  mov ecx, 20
  loop $
  ret

; Leaves HLT the second time.
halt_twice:
  mov eax, [dword seen_smis]
  cmp dword [dword smis], 0
  jne .second
  xor eax, eax
.second:
  movzx ecx, byte [ebx + S_HALTED]
  add eax, ecx
  mov [dword seen_smis], eax
  cmp eax, 2
  jne .again
  mov byte [ebx + S_HALTED], 0
.again:
  ret

%ifdef PC
raise_init:
  mov dword [dword APIC + APIC_ICR], DELIVER_INIT
  mov ecx, 20
  loop $
  ret

; In real mode, by way of firmware.
after_init:
  cli
  xor ax, ax
  mov ds, ax
  o32 lgdt [real_gdtr]
  mov eax, cr0
  or al, CR0_PE
  mov cr0, eax
  jmp dword CODE32:back_from_init
%endif

look_at_smram:
  mov eax, [dword FIRMWARE_SMBASE]
  mov [dword noted], eax
  ret
section .text

%include "end.inc"
