; Boot sector of a disk: reads and writes it through the BIOS (INT 13h extensions), flushes it through the IDE ports,
; and tells what came of it. Sector 1 has a text; sectors 16 to 79 are summed up; sectors 2 to 5 are written. With NO_IDE,
; the disk is on another controller and is not flushed.

bits 16
org 0x7c00

%include "start.inc"

    mov [drive], dl

    mov ah, 0x42
    mov si, text_packet
    call disk
    say 0x8000

    mov ah, 0x42
    mov si, sum_packet
    call disk
    push ds
    mov ax, 0x1000
    mov ds, ax
    xor si, si
    xor bx, bx
    mov cx, 64 * 512
.add:
    lodsb
    add bl, al
    loop .add
    pop ds
    say sum_is
    mov al, bl
    call print_byte

    mov di, 0x8000
    mov cx, 4 * 512
    mov al, 0xa5
    rep stosb
    say write_is
    mov ah, 0x43
    mov al, 0
    mov si, write_packet
    mov dl, [drive]
    int 0x13
    mov al, ah
    call print_byte

%ifndef NO_IDE
    say flush_is
    mov dx, 0x1f6
    mov al, 0xe0
    out dx, al
    inc dx
    mov al, 0xe7
    out dx, al
.busy:
    in al, dx
    test al, 0x80
    jnz .busy
    call print_byte
%endif

    mov ah, 0x42
    mov si, back_packet
    call disk
    say back_is
    mov al, [0x9000 + 4 * 512 - 1]
    call print_byte
    finish 0x10

; The request at SI by function AH; ends the guest when that fails.
disk:
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
;                        size, 0, sectors, offset, segment, address
text_packet:  dw 16, 1, 0x8000, 0
              dq 1
sum_packet:   dw 16, 64, 0, 0x1000
              dq 16
write_packet: dw 16, 4, 0x8000, 0
              dq 2
back_packet:  dw 16, 4, 0x9000, 0
              dq 2
sum_is:   db "sum ", 0
write_is: db "write ", 0
flush_is: db "flush ", 0
back_is:  db "back ", 0
failed:   db "failed ", 0

    times 510 - ($ - $$) db 0
    dw 0xaa55
