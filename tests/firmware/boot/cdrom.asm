; Boot image of a CD-ROM (El Torito, no emulation): reads a text from block 100 of the disc, and sums up blocks 32 to 47,
; through the BIOS.

bits 16
org 0x7c00

%include "start.inc"

    mov [drive], dl

    mov si, text_packet
    call disc
    say 0x8000
    mov si, sum_packet
    call disc
    push ds
    mov ax, 0x1000
    mov ds, ax
    xor si, si
    xor bx, bx
    mov cx, 16 * 2048
.add:
    lodsb
    add bl, al
    loop .add
    pop ds
    say sum_is
    mov al, bl
    call print_byte
    finish 0x10

disc:
    mov ah, 0x42
    mov dl, [drive]
    int 0x13
    jc .failed
    ret
.failed:
    push ax
    say failed
    pop ax
    mov al, ah
    call print_byte
    finish 0x11

drive: db 0
align 4
text_packet: dw 16, 1, 0x8000, 0
             dq 100
sum_packet:  dw 16, 16, 0, 0x1000
             dq 32
sum_is: db "sum ", 0
failed: db "failed ", 0

    times 2048 - ($ - $$) db 0
