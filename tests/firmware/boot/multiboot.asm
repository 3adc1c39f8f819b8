; Starts a guest of tests/guests, which is in the sectors behind this one and begins with its Multiboot header (0.6.96
; §3.1.3): at 1 MiB, in 32-bit protected mode. It gets no command line.

bits 16
org 0x7c00

SECTORS equ 120
STAGING equ 0x10000
IMAGE equ 0x100000
HEADER_ENTRY equ 28
LOADER_MAGIC equ 0x2badb002

    jmp 0:start
start:
    cli
    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov sp, 0x7c00
    mov si, packet
    mov ah, 0x42
    int 0x13
    jc $
    cli
    lgdt [gdtr]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp 8:flat

bits 32
flat:
    mov eax, 0x10
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov ss, eax
    mov esi, STAGING
    mov edi, IMAGE
    mov ecx, SECTORS * 512 / 4
    cld
    rep movsd
    mov eax, LOADER_MAGIC
    mov ebx, information
    jmp [IMAGE + HEADER_ENTRY]

align 4
packet:
    db 16, 0
    dw SECTORS, 0, STAGING >> 4
    dq 1
gdt:
    dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr:
    dw gdtr - gdt - 1
    dd gdt
information: dd 0

    times 510 - ($ - $$) db 0
    dw 0xaa55
