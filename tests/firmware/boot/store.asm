; Boot sector that keeps a letter on its disk, whatever the controller: what comes on COM1 is written to all of sectors 10
; to 13 of track 0 (INT 13h), and a question mark asks for the first and the last byte there.

bits 16
org 0x7c00

%include "start.inc"

    mov [drive], dl
    say ready
.next:
    mov dx, 0x3fd
    in al, dx
    test al, 1
    jz .next
    mov dx, 0x3f8
    in al, dx
    cmp al, '?'
    je .tell
    mov di, 0x8000
    mov cx, 4 * 512
    rep stosb
    mov ah, 0x03
    call sectors
    say written
    jmp .next
.tell:
    mov ah, 0x02
    call sectors
    mov al, [0x8000]
    call print_char
    mov al, [0x8000 + 4 * 512 - 1]
    call print_char
    mov al, 10
    call print_char
    jmp .next

sectors:
    mov al, 4
    mov bx, 0x8000
    mov cx, 10
    mov dh, 0
    mov dl, [drive]
    int 0x13
    jc .failed
    ret
.failed:
    say failed
    finish 0x11

drive:   db 0
ready:   db "ready", 10, 0
written: db "written", 10, 0
failed:  db "failed", 10, 0

    times 510 - ($ - $$) db 0
    dw 0xaa55
