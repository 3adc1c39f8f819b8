; Boot sector for a floppy disk: VBE mode 142h (640x480, 32 bits) with its linear frame buffer, in which the pixel at
; 100, 100 gets another colour all the time: 1, 2, 3...
bits 16
org 0x7c00
        jmp     0:start
start:
        xor     ax, ax
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     sp, 0x7c00
        mov     ax, 0x4f01              ; mode information: where the frame buffer is
        mov     cx, 0x142
        mov     di, information
        int     0x10
        mov     ax, 0x4f02
        mov     bx, 0x4142
        int     0x10
        cli                             ; 4 GiB for FS, by way of protected mode
        lgdt    [descriptor_table]
        mov     eax, cr0
        or      al, 1
        mov     cr0, eax
        mov     bx, 8
        mov     fs, bx
        and     al, 0xfe
        mov     cr0, eax
        mov     edi, [information + 0x28]
        add     edi, (100 * 640 + 100) * 4
        xor     eax, eax
.next:
        inc     eax
        mov     [fs:edi], eax
        mov     ecx, 10000
.wait:
        dec     ecx
        jnz     .wait
        jmp     .next

descriptor_table:
        dw      15
        dd      descriptors
        align   8
descriptors:
        dq      0
        dq      0x00cf92000000ffff
        times 510 - ($ - $$) db 0
        dw      0xaa55
information equ 0x8000
