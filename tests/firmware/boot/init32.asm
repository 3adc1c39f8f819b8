; The whole user space of a 32-bit Linux: says which kernel runs, and switches the machine off.
; A static ELF executable with its headers written out (System V ABI, Intel386 Supplement, "Object Files").

bits 32
org 0x08048000

SYS_WRITE equ 4
SYS_REBOOT equ 88
SYS_UNAME equ 122
UTS_FIELD equ 65
MAGIC1 equ 0xfee1dead
MAGIC2 equ 672274793
POWER_OFF equ 0x4321fedc

ORIGIN equ 0x08048000

header:
        db 0x7f, 'ELF', 1, 1, 1
        times 9 db 0
        dw 2, 3                         ; executable, 80386
        dd 1, start, load - header, 0, 0
        dw 52, 32, 1, 0, 0, 0
load:
        dd 1, 0, ORIGIN, ORIGIN, limit - header, limit - header + 0x1000, 7, 0x1000

start:
        mov eax, SYS_UNAME
        mov ebx, limit
        int 0x80
        mov ecx, limit + 2 * UTS_FIELD    ; release
        call print
        mov ecx, between
        call print
        mov ecx, limit + 4 * UTS_FIELD    ; machine
        call print
        mov ecx, line
        call print
        mov eax, SYS_REBOOT
        mov ebx, MAGIC1
        mov ecx, MAGIC2
        mov edx, POWER_OFF
        int 0x80
        jmp $

; ECX: text that ends with a zero.
print:
        xor edx, edx
.length:
        cmp byte [ecx + edx], 0
        je .write
        inc edx
        jmp .length
.write:
        mov eax, SYS_WRITE
        mov ebx, 1
        int 0x80
        ret

between: db ' on ', 0
line:   db 10, 0
limit:
