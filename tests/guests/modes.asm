; Switching between modes: 16- and 32-bit protected mode, PAE paging, IA-32e mode with compatibility mode, and back
; (SDM Vol. 3A §10.8 "Software Initialization for Protected-Mode Operation", §10.8.5 "Initializing IA-32e Mode", §10.9).

%define GUEST "modes"
%include "guest.inc"
%include "real-mode.inc"

CODE16_HERE  equ FREE                   ; this image, 16-bit code
STACK_SMALL  equ FREE + 0x08            ; FRAMES, 64 KiB, 16-bit stack pointer
CODE32_BASED equ FREE + 0x10            ; 32-bit code with base IMAGE
DATA_BASED   equ FREE + 0x18            ; data with base FRAMES
CODE_L_AND_D equ FREE + 0x20
BASED_SMALL  equ FREE + 0x28            ; data with base FRAMES and 4 KiB

pointers equ spare_tables

section .text
code32
main:
  call make_vectors
  set_descriptor CODE16_HERE, low_half(IMAGE, 0xffff), high_half(IMAGE, 0xffff, CODE_SEGMENT, FLAGS16)
  set_descriptor STACK_SMALL, low_half(FRAMES, 0xffff), high_half(FRAMES, 0xffff, DATA_SEGMENT, FLAGS16)
  set_descriptor CODE32_BASED, low_half(IMAGE, 0xfffff), high_half(IMAGE, 0xfffff, CODE_SEGMENT, FLAGS32)
  set_descriptor DATA_BASED, low_half(FRAMES, 0xfffff), high_half(FRAMES, 0xfffff, DATA_SEGMENT, FLAGS32)
  set_descriptor CODE_L_AND_D, low_half(0, 0xfffff), high_half(0, 0xfffff, CODE_SEGMENT, FLAGS32 | 2)
  set_descriptor BASED_SMALL, low_half(FRAMES, 0xfff), high_half(FRAMES, 0xfff, DATA_SEGMENT, 4)

  ; ---- 16-bit protected mode ----
%macro narrow 0                         ; what follows is 16-bit code, until `wide`
  jmp CODE16_HERE:%%code - IMAGE
  bits 16
%%code:
%endmacro
%macro wide 0
  jmp dword CODE32:%%code
  bits 32
%%code:
%endmacro
  mov eax, 0x11111111
  mov ebx, FRAMES + 0x12340
  mov dword [ebx], 0x66778899
  try
  narrow
  mov ax, 0x2222                        ; 16-bit operands
  mov ecx, 0x33333333                   ; 32-bit operands by prefix
  mov edx, [ebx]                        ; 32-bit addresses by prefix
  mov bx, cs
  wide
  survives "16-bit code"
  check_eq "16-bit operand", eax, 0x11112222
  check_eq "32-bit operand by prefix", ecx, 0x33333333
  check_eq "32-bit address by prefix", edx, 0x66778899
  movzx ebx, bx
  check_eq "CS", ebx, CODE16_HERE
  ; Addresses of 16 bits wrap before the base is added.
  mov eax, DATA_BASED
  mov es, eax
  mov byte [FRAMES + 0x10], 0x5c
  mov dword [FRAMES + 0x10010], 0
  mov ebx, 0xffff0008
  mov esi, 8
  try
  narrow
  mov al, [es:bx + si]
  mov di, 0xfff8
  mov ah, [es:bx + di + 0x10]
  wide
  survives "16-bit addresses"
  movzx eax, ax
  check_eq "wrap at 64 KiB", eax, 0x5c5c
  mov eax, DATA
  mov es, eax
  ; A 16-bit stack: SP counts, ESP's upper half stays.
  mov ebp, esp
  mov eax, STACK_SMALL
  mov ss, eax
  mov esp, 0xabcd1000
  mov eax, 0x12345678
  push eax
  mov ecx, esp
  push word 0x4321
  mov edx, esp
  call .near
  mov ebx, DATA
  mov ss, ebx
  mov esp, ebp
  check_eq "16-bit stack: ESP after PUSH", ecx, 0xabcd0ffc
  check_eq "16-bit stack: ESP after PUSH of a word", edx, 0xabcd0ffa
  check_eq "16-bit stack: the value", [FRAMES + 0xffc], 0x12345678
  check_eq "16-bit stack: ESP in a call", edi, 0xabcd0ff6
  jmp .wrap
.near:
  mov edi, esp
  ret
.wrap:
  mov eax, STACK_SMALL
  mov ss, eax
  mov esp, 0x77770002
  push word 0x1111
  push word 0x2222
  mov ecx, esp
  pop ax
  pop dx
  mov edi, esp
  mov ebx, DATA
  mov ss, ebx
  mov esp, ebp
  check_eq "16-bit stack: PUSH wraps", ecx, 0x7777fffe
  movzx eax, word [FRAMES + 0xfffe]
  check_eq "16-bit stack: to the top", eax, 0x2222
  check_eq "16-bit stack: POP wraps", edi, 0x77770002
  mov eax, STACK_SMALL
  mov ss, eax
  mov esp, 0x77771000
  mov ebp, 0x88880000
  enter 16, 0
  mov ecx, ebp
  mov edx, esp
  leave
  mov esi, ebp
  mov edi, esp
  mov ebx, DATA
  mov ss, ebx
  mov esp, stack_end
  check_eq "16-bit stack: ENTER sets EBP", ecx, 0x77770ffc
  check_eq "16-bit stack: ENTER makes room", edx, 0x77770fec
  check_eq "16-bit stack: LEAVE", edi, 0x77771000
  check_eq "16-bit stack: LEAVE restores EBP", esi, 0x88880000
  mov eax, STACK_SMALL
  mov ss, eax
  mov esp, 0x77770000
  mov ebp, 0x88880000
  enter 16, 1
  mov ecx, ebp
  mov edx, esp
  mov ebx, DATA
  mov ss, ebx
  mov esp, stack_end
  check_eq "16-bit stack: EBP is 32 bits of ESP - 4", ecx, 0x7776fffc
  check_eq "16-bit stack: SP wraps", edx, 0x7777ffe8
  check_eq "16-bit stack: the frame pointer pushed", [FRAMES + 0xfff8], 0x7776fffc
  ; Exceptions in 16-bit code go to 32-bit handlers.
  try
  narrow
  ud2
  wide
  caught "#UD in 16-bit code", X_UD
  check_eq "from its segment", [caught_cs], CODE16_HERE
  ; Near branches with a 16-bit operand cut EIP.
  mov eax, 0xffff0000 + .cut - IMAGE
  try
  narrow
  jmp ax
.cut:
  wide
  survives "a 16-bit jump takes 16 bits"
  ; Code with a base.
  try
  jmp CODE32_BASED:.based - IMAGE
.based:
  call .ip
.ip:
  pop ecx
  jmp CODE32:.unbased
.unbased:
  survives "32-bit code with a base"
  check_eq "EIP is an offset", ecx, .ip - IMAGE

  ; ---- Real mode and back with paging off ----
  real
  mov eax, 0x9999
  end_real
  check_real "real mode", NOTHING
  check_eq "ran", eax, 0x9999

  ; ---- 32-bit paging, PAE paging ----
  call enter_paging32
  mov dword [window_table], FRAMES + P + W
  mov dword [FRAMES], 0x3232
  mov eax, [WINDOW]
  check_eq "32-bit paging", eax, 0x3232
  set_cr0 0, CR0_PG
  mov eax, cr0
  and eax, CR0_PG
  check_eq "paging off", eax, 0
  call make_long_tables
  mov dword [window_table], FRAMES + PAGE + P + W
  mov dword [window_table + 4], 0
  mov dword [FRAMES + PAGE], 0x3636
  mov dword [pointers], identity_directory + P
  mov dword [pointers + 8], user_directory + P
  set_cr4 CR4_PAE, 0
  mov eax, pointers
  mov cr3, eax
  set_cr0 CR0_PG, 0
  mov eax, [WINDOW]
  check_eq "PAE paging", eax, 0x3636
  ; Reserved bits in the table: paging does not begin.
  set_cr0 0, CR0_PG
  mov dword [pointers + 16], P + W
  mov eax, cr0
  or eax, CR0_PG
  not_on_qemu                           ; does not look
  try
  mov cr0, eax
  caught "#GP: a bad pointer table", X_GP, 0
  mov eax, cr0
  and eax, CR0_PG
  check_eq "paging is still off", eax, 0
  end_needs
  mov dword [pointers + 16], 0

  ; ---- IA-32e mode: what it takes ----
  mov eax, pml4
  mov cr3, eax
  change_msr MSR_EFER, EFER_LME, 0
  mov ecx, MSR_EFER
  rdmsr
  and eax, EFER_LME | EFER_LMA
  check_eq "EFER.LMA is clear before paging", eax, EFER_LME
  set_cr4 0, CR4_PAE
  mov eax, cr0
  or eax, CR0_PG
  not_on_qemu                           ; does not look
  try
  mov cr0, eax
  caught "#GP: IA-32e mode without CR4.PAE", X_GP, 0
  end_needs
  set_cr4 CR4_PAE, 0
  ; L means nothing before, and the segment is a 32-bit one; but IA-32e mode cannot be entered from there.
  jmp CODE_L_AND_D:.with_l
.with_l:
  mov eax, cr0
  or eax, CR0_PG
  not_on_qemu                           ; does not look
  try
  mov cr0, eax
  caught "#GP: IA-32e mode from a segment with L", X_GP, 0
  end_needs
  jmp CODE32:.without_l
.without_l:
  mov eax, cr0
  or eax, CR0_PG
  mov cr0, eax
  ; Compatibility mode.
  mov ecx, MSR_EFER
  rdmsr
  and eax, EFER_LME | EFER_LMA
  check_eq "EFER.LMA is set with paging", eax, EFER_LME + EFER_LMA
  mov eax, -1
  inc eax
  check_eq "compatibility mode is 32-bit code", eax, 0
  mov eax, DATA_BASED
  mov gs, eax
  mov dword [FRAMES + 0x44], 0x4444
  check_eq "with segments that have a base", [gs:0x44], 0x4444
  check_eq "wrapping at 4 GiB", [gs:0x44 + 0x10 - 0x10], 0x4444
  mov dword [FRAMES + 0x54], 0x5454
  check_eq "by addresses of 32 bits", [gs:FRAMES + 0x54 - FRAMES], 0x5454
  mov eax, tss64
  mov dl, 0x89
  call set_tss_descriptor
  jmp CODE64:.sixty_four
code64
.sixty_four:
  lidt [idtr64]
  mov eax, TSS
  ltr ax
  mov rax, 0x1122334455667788
  mov rcx, rax
  shr rcx, 32
  check_eq "64-bit registers", rcx, 0x11223344
  mov eax, DATA_BASED
  mov gs, eax
  mov fs, eax
  mov dword [FRAMES + 0x64], 0x6464
  mov ecx, [gs:0x64]
  check_eq "FS and GS keep their bases", rcx, 0x6464
  mov es, eax
  mov edx, [FRAMES + 0x64]
  mov edi, FRAMES + 0x68
  mov eax, edx
  stosd
  mov ecx, [FRAMES + 0x68]
  check_eq "ES has none", rcx, 0x6464
  ; Interrupts in compatibility mode go to 64-bit handlers.
  mov rbp, rsp
  try
  push CODE32
  push .compatible
  o64 retf
  bits 32
.compatible:
  mov ax, BASED_SMALL
  mov ds, ax
  int 0x40
  bits 64
  caught "INT in compatibility mode", 0x40
  mov eax, DATA
  mov ds, eax
  check_eq "from its segment", [caught_cs], CODE32
  check_eq "to 64-bit code", [handler_cs], CODE64
  check_eq "saves SS", [caught_ss], DATA
  check_eq "and RSP", [caught_sp], rbp
  not_on_qemu                           ; checks no limits
  try
  push CODE32
  push .limited
  o64 retf
  bits 32
.limited:
  mov ax, BASED_SMALL
  mov fs, ax
  mov al, [fs:0x1000]
  ud2
  bits 64
  caught "#GP: limits hold in compatibility mode", X_GP, 0
  mov eax, BASED_SMALL
  mov fs, eax
  try
  mov al, [fs:0x1000]
  survives "but not in 64-bit mode"
  end_needs
  ; Addresses of 32 bits in 64-bit mode.
  mov rbx, 0xabcd000000000000 + FRAMES + 0x64
  try
  mov eax, [ebx]
  survives "address-size prefix"
  check_eq "takes the lower half", rax, 0x6464

  ; ---- And all the way back ----
  try
  push CODE32
  push .leave
  o64 retf
  bits 32
.leave:
  mov ax, DATA
  mov ss, ax
  mov ds, ax
  mov es, ax
  mov eax, cr0
  and eax, ~CR0_PG
  mov cr0, eax
  jmp .off
.off:
  mov ecx, MSR_EFER
  rdmsr
  mov ebx, eax
  and eax, ~EFER_LME
  wrmsr
  lidt [idtr32]
  code32
  survives "out of IA-32e mode"
  and ebx, EFER_LME | EFER_LMA
  check_eq "EFER.LMA is clear without paging", ebx, EFER_LME
  mov eax, tss32
  mov dl, 0x89
  call set_tss_descriptor
  mov eax, TSS
  ltr ax
  mov eax, pointers
  mov cr3, eax
  set_cr0 CR0_PG, 0
  mov eax, [WINDOW]
  check_eq "PAE paging again", eax, 0x3636
  set_cr0 0, CR0_PG
  set_cr4 0, CR4_PAE
  real
  mov eax, 0x8888
  end_real
  check_real "real mode again", NOTHING
  check_eq "ran again", eax, 0x8888
  call enter_paging32
  mov dword [window_table], FRAMES + P + W
  mov eax, [WINDOW]
  check_eq "32-bit paging again", eax, 0x3232
  set_cr0 0, CR0_PG
  call enter_long
code64
  mov eax, -1
  shl rax, 4
  shr rax, 4
  mov ecx, -1
  check_eq "64-bit mode again", rax, rcx
  jmp finish64

%include "end.inc"
