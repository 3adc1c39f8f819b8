; Boot sector of a 1.44M floppy disk, and three sectors behind it: prints on the screen (INT 10h) and reads that back from
; it, reads, verifies and writes sectors by cylinder, head and sector (INT 13h), and tells on COM1 what came of it. The
; last sector has a text; cylinder 20 is summed up; sector 40/1/9 is written, track 50/0 formatted.

bits 16
org 0x7c00

TEXT_COLUMNS equ 24

%include "start.inc"

    mov [drive], dl
    mov si, rest
    call disk

    mov ax, 3
    int 0x10
    mov si, screen_text
.print:
    lodsb
    test al, al
    jz .printed
    mov ah, 0x0e
    xor bx, bx
    int 0x10
    jmp .print
.printed:
    say screen_is
    xor dx, dx
.column:
    mov ah, 2
    xor bx, bx
    int 0x10
    mov ah, 8
    int 0x10
    call print_char
    inc dx
    cmp dl, TEXT_COLUMNS
    jb .column
    jmp behind

; The request at SI; ends the guest when that fails.
disk:
    call request
    jc .failed
    ret
.failed:
    push ax
    say failed
    pop ax
    mov al, ah
    call print_byte
    finish 0x11

; INT 13h with the registers at SI: AX, CX, DX without the drive, ES, BX. ES is 0 afterwards.
request:
    mov ax, [si]
    mov cx, [si + 2]
    mov dx, [si + 4]
    mov dl, [drive]
    mov es, [si + 6]
    mov bx, [si + 8]
    int 0x13
    mov bx, 0
    mov es, bx
    ret

drive: db 0
; cylinder and sector as CX has them
%define cylinder(c, s) ((c) << 8 | (s))
rest: dw 0x0203, cylinder(0, 2), 0x0000, 0, 0x7e00
screen_text: db "INT 10h writes on screen", 0
screen_is: db "screen ", 0
failed: db "failed ", 0

    times 510 - ($ - $$) db 0
    dw 0xaa55

behind:
    mov al, 10
    call print_char

    mov ah, 8
    mov dl, [drive]
    xor di, di
    int 0x13
    push dx
    push cx
    say geometry_is
    pop ax
    push ax
    mov al, ah
    call print_byte
    pop ax
    call print_byte
    pop ax
    mov al, ah
    call print_byte
    xor ax, ax
    mov es, ax

    mov si, text
    call disk
    say 0xa000

    mov si, sum_0
    call disk
    mov si, sum_1
    call disk
    push ds
    mov ax, 0x1000
    mov ds, ax
    xor si, si
    xor bx, bx
    mov cx, 36 * 512
.add:
    lodsb
    add bl, al
    loop .add
    pop ds
    say sum_is
    mov al, bl
    call print_byte

    say verify_is
    mov si, verify
    call request
    mov al, ah
    call print_byte
    say missing_is
    mov si, missing
    call request
    mov al, ah
    call print_byte

    mov di, 0xa000
    mov cx, 512
    mov al, 0xa5
    rep stosb
    say write_is
    mov si, write
    call request
    mov al, ah
    call print_byte
    mov si, back
    call disk
    say back_is
    mov al, [0xa000 + 511]
    call print_byte

    mov di, 0xa000
    mov al, 1
.address:
    mov byte [di], 50
    mov byte [di + 1], 0
    mov [di + 2], al
    mov byte [di + 3], 2
    add di, 4
    inc al
    cmp al, 18
    jbe .address
    say format_is
    mov si, format
    call request
    mov al, ah
    call print_byte
    finish 0x10

text:    dw 0x0201, cylinder(79, 18), 0x0100, 0, 0xa000
sum_0:   dw 0x0212, cylinder(20, 1), 0x0000, 0x1000, 0
sum_1:   dw 0x0212, cylinder(20, 1), 0x0100, 0x1000, 18 * 512
verify:  dw 0x0412, cylinder(20, 1), 0x0000, 0x1000, 0
missing: dw 0x0201, cylinder(0, 19), 0x0000, 0, 0xa000
write:   dw 0x0301, cylinder(40, 9), 0x0100, 0, 0xa000
back:    dw 0x0201, cylinder(40, 9), 0x0100, 0, 0xa000
format:  dw 0x0512, cylinder(50, 1), 0x0000, 0, 0xa000
geometry_is: db "geometry ", 0
sum_is:      db "sum ", 0
verify_is:   db "verify ", 0
missing_is:  db "missing ", 0
write_is:    db "write ", 0
back_is:     db "back ", 0
format_is:   db "format ", 0

    times 4 * 512 - ($ - $$) db 0
