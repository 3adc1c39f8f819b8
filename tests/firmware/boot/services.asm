; A 16-bit guest on a disk: BIOS services, video modes, the timer, the way to protected mode and back. Each line says
; what was tried, and 01 if it came out right.

bits 16
org 0x7c00

SECTORS equ 8
IMAGE equ 0x7e00
BIOS_TICKS equ 0x46c
BEYOND_1_MIB equ 0x200000

%include "start.inc"

    sti
    mov [drive], dl
    mov ax, 0x0200 + SECTORS            ; INT 13h AH=02h by cylinder, head and sector: the rest of this program
    mov bx, IMAGE
    mov cx, 2
    mov dh, 0
    int 0x13
    jnc services
    say no_disk
    finish 0x11

drive: db 0
no_disk: db 'disk', 10, 0

    times 510 - ($ - $$) db 0
    dw 0xaa55

; ZF: as it should be
%macro report 1
    setz al
    push ax
    say %1
    pop ax
    call print_byte
%endmacro

services:
    int 0x12                            ; conventional memory: 639 KiB below the extended BIOS data area
    cmp ax, 639
    report memory_text

    xor ebx, ebx                        ; the memory map: RAM from 1 MiB on is in it
    mov byte [found], 0
.entry:
    mov eax, 0xe820
    mov edx, 0x534d4150
    mov ecx, 20
    mov di, entry
    int 0x15
    jc .map_done
    cmp dword [entry], 0x100000
    jne .next
    cmp dword [entry + 16], 1
    jne .next
    inc byte [found]
.next:
    test ebx, ebx
    jnz .entry
.map_done:
    cmp byte [found], 1
    report map_text

    mov ax, [BIOS_TICKS]                ; IRQ 0, through the PIC and the BIOS's handler
    add ax, 3
.tick:
    hlt
    cmp [BIOS_TICKS], ax
    jne .tick
    mov ah, 0
    int 0x1a
    cmp dx, [BIOS_TICKS]
    report ticks_text

    in al, 0x61                         ; PIT channel 2, one shot, seen at port 0x61
    and al, 0xfc
    or al, 1
    out 0x61, al
    mov al, 0xb0
    out 0x43, al
    mov al, 0x00
    out 0x42, al
    mov al, 0x10
    out 0x42, al
    in al, 0x61
    test al, 0x20
    report pit_low_text
.counting:
    in al, 0x61
    test al, 0x20
    jz .counting
    cmp al, al
    report pit_high_text

    mov ah, 0x02                        ; the clock, in BCD: some hour
    int 0x1a
    cmp ch, 0x24
    setb al
    cmp al, 1
    report clock_text

    mov ax, 0x0003                      ; 80 x 25 characters: what is written is in video memory
    int 0x10
    mov ax, 0x0941
    mov bx, 0x001e
    mov cx, 3
    int 0x10
    push es
    push word 0xb800
    pop es
    cmp dword [es:2], 0x1e411e41
    pop es
    report text_text

    mov ax, 0x0013                      ; 320 x 200, a byte a pixel
    int 0x10
    push es
    push word 0xa000
    pop es
    mov byte [es:320 * 100 + 200], 0x2a
    pop es
    mov ah, 0x0d
    mov bh, 0
    mov cx, 200
    mov dx, 100
    int 0x10
    cmp al, 0x2a
    report mode13_text

    mov ax, 0x0012                      ; 640 x 480 in four planes
    int 0x10
    mov ax, 0x0c09
    mov bh, 0
    mov cx, 639
    mov dx, 479
    int 0x10
    mov ah, 0x0d
    int 0x10
    cmp al, 9
    report mode12_text

    mov ax, 0x4f02                      ; VBE: 640 x 480, with a linear frame buffer
    mov bx, 0x4101
    int 0x10
    cmp ax, 0x004f
    report vbe_text
    mov ax, 0x4f03
    int 0x10
    cmp bx, 0x4101
    report vbe_mode_text
    mov ax, 0x0003
    int 0x10

    mov ax, 0x2401                      ; the A20 gate opens; memory beyond 1 MiB from protected mode
    int 0x15
    mov ax, 0x2402
    int 0x15
    cmp al, 1
    report a20_text

    call protected
    cmp eax, 0x600df00d
    report protected_text
    mov ah, 0x01                        ; back in real mode the BIOS works as before: no key waits
    int 0x16
    report keyboard_text

    mov ah, 0x88                        ; INT 15h AH=87h moves memory beyond 1 MiB, too
    int 0x15
    cmp ax, 15 * 1024
    setae al
    cmp al, 1
    report extended_text
    mov si, move_table
    mov cx, 2
    mov ah, 0x87
    int 0x15
    cmp dword [moved], 0x600df00d
    report move_text
    finish 0x10

; Stores and loads beyond 1 MiB in 32-bit protected mode; EAX is what was loaded.
protected:
    cli
    lgdt [gdt_pointer]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp dword 8:.flat
bits 32
.flat:
    mov ax, 16
    mov ds, ax
    mov dword [BEYOND_1_MIB], 0x600df00d
    mov ebx, [BEYOND_1_MIB]
    jmp 24:.narrow
bits 16
.narrow:
    mov ax, 32
    mov ds, ax
    mov eax, cr0
    and al, 0xfe
    mov cr0, eax
    jmp 0:.real
.real:
    xor ax, ax
    mov ds, ax
    mov eax, ebx
    sti
    ret

gdt:
    dq 0
    dq 0x00cf9b000000ffff               ; code, data: 4 GiB
    dq 0x00cf93000000ffff
    dq 0x00009b000000ffff               ; code, data: 64 KiB
    dq 0x000093000000ffff
gdt_pointer:
    dw $ - gdt - 1
    dd gdt

move_table:
    dq 0, 0
    dq 0x000093200000ffff               ; from 2 MiB
    dq 0x000093000000ffff + (moved << 16)
    dq 0, 0

memory_text: db 'memory ', 0
map_text: db 'map ', 0
ticks_text: db 'ticks ', 0
pit_low_text: db 'counting ', 0
pit_high_text: db 'counted ', 0
clock_text: db 'clock ', 0
text_text: db 'text ', 0
mode13_text: db 'mode 13h ', 0
mode12_text: db 'mode 12h ', 0
vbe_text: db 'VBE ', 0
vbe_mode_text: db 'VBE mode ', 0
a20_text: db 'A20 ', 0
protected_text: db 'protected mode ', 0
keyboard_text: db 'no key ', 0
extended_text: db 'extended memory ', 0
move_text: db 'moved ', 0

    times (SECTORS + 1) * 512 - ($ - $$) db 0

entry equ 0xa000
found equ 0xa020
moved equ 0xa030
