; Boot sector for a floppy disk: sets the video mode at `mode` by the video BIOS, draws a pattern with the processor,
; and leaves or halts. record-screens.ts runs it on QEMU, screen.test.ts on our own machine.
; `extra` asks for more than the mode:
;
;   3      a second font for characters with bit 3 of their attribute
;   10h    the picture starts within memory, and goes on from its start after line 99
;   13h    without chain 4: "mode X"
;   VBE    a virtual screen wider than the picture, and a picture that does not start at its corner

bits 16
org 0x7c00
        jmp     0:start
start:
        xor     ax, ax
        mov     ds, ax
        mov     ss, ax
        mov     sp, 0x7c00
        cld
        mov     ax, [mode]
        test    ah, ah
        jnz     vbe
        int     0x10
        mov     ah, 1                   ; no cursor
        mov     cx, 0x2000
        int     0x10
        mov     al, [mode]
        mov     ah, [extra]
        mov     bx, 0xb000
        cmp     al, 7
        je      text
        mov     bh, 0xb8
        cmp     al, 4
        jb      colour_text
        cmp     al, 7
        jb      cga
        mov     bh, 0xa0
        mov     es, bx
        cmp     al, 0x13
        je      bytes
        mov     si, split
        jmp     planes

bytes:
        mov     si, unchained
        cmp     ah, 0
        jne     planes
        call    fill
        jmp     done

; the registers at si, if `extra` is set, then all four planes
planes:
        cmp     byte [extra], 0
        je      .fill
        call    set_registers
.fill:
        mov     bl, 1
.plane:
        mov     dx, 0x3c4               ; map mask
        mov     al, 2
        mov     ah, bl
        out     dx, ax
        call    fill
        shl     bl, 1
        cmp     bl, 16
        jne     .plane
        jmp     done

colour_text:
        cmp     ah, 0
        je      text
        push    bx
        mov     ax, 0x1101              ; 8 by 14 dots, into block 1
        mov     bl, 1
        int     0x10
        mov     ax, 0x1103              ; block 1 with attribute bit 3, block 0 without
        mov     bl, 4
        int     0x10
        pop     bx
text:
        mov     es, bx
        xor     di, di
        xor     ax, ax
.next:
        stosw
        add     ax, 0x0301
        and     ah, 0x7f
        cmp     di, 4000
        jb      .next
        jmp     done

cga:
        mov     es, bx
        mov     cx, 0x4000
        call    fill.count
        jmp     done

vbe:
        mov     bx, ax
        mov     ax, 0x4f02
        int     0x10
        cmp     byte [extra], 0
        je      .fill
        mov     ax, 0x4f06              ; 1024 pixels from line to line
        xor     bx, bx
        mov     cx, 1024
        int     0x10
        mov     ax, 0x4f07              ; from pixel 24 of line 5 on
        xor     bx, bx
        mov     cx, 24
        mov     dx, 5
        int     0x10
.fill:
        mov     ax, 0xa000
        mov     es, ax
        xor     si, si
.bank:
        mov     ax, 0x4f05
        xor     bx, bx
        mov     dx, si
        int     0x10
        call    fill
        inc     si
        cmp     si, [banks]
        jb      .bank
done:
        mov     al, 0x10                ; isa-debug-exit, where there is one
        out     0xf4, al
        cli
        hlt
        jmp     done

; words of index port, index and value at si, up to a zero
set_registers:
        lodsw
        xchg    ax, dx
        test    dx, dx
        jz      .end
        lodsw
        out     dx, ax
        jmp     set_registers
.end:
        ret

; 64 KiB of pseudo-random bytes, four of each
fill:
        xor     cx, cx
.count:
        xor     di, di
        mov     ax, [seed]
.next:
        test    di, 3
        jnz     .same
        imul    ax, ax, 25173
        add     ax, 13849
.same:
        mov     [es:di], ah
        inc     di
        loop    .next
        mov     [seed], ax
        ret

seed:   dw      1
; start address 0123h, line compare 99 (bits 8 and 9 are in registers 7 and 9)
split:  dw      0x3d4, 0x010c, 0x3d4, 0x230d, 0x3d4, 0x6318, 0x3d4, 0x0007, 0x3d4, 0x0009, 0
unchained:
        dw      0x3c4, 0x0604, 0x3d4, 0x0014, 0x3d4, 0xe317, 0

        times 504 - ($ - $$) db 0
mode:   dw      3
banks:  dw      0
extra:  dw      0
        dw      0xaa55
