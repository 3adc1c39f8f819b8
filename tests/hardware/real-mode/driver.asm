; The last 32 KiB of the ROM that runs the cases of cases.ts in real-address mode, and tells what they did.
;
; The ROM is 128 KiB at E0000h: CASES records of 128 bytes, then this. A record has
;
;     0   EDI ESI EBP - EBX EDX ECX EAX     32   EFLAGS     36   ES FS GS DS     44   ESP SS     50   code
;
; For each case it copies 80 KiB of the ROM to 20000h, fills 10000h with INT3, puts the code at 1000h:0100h and jumps
; there. Every interrupt vector leads back; port E9h then takes
;
;     GS FS ES DS, EDI ESI EBP ESP EBX EDX ECX EAX, vector, IP CS FLAGS, SS, checksum of the 80 KiB
;
; of which all but the last two are on the case's stack. In the end port F4h is written to.

bits 16
cpu 586
org 0x8000

CODE_SEGMENT equ 0x1000
CODE_OFFSET equ 0x100
CODE_BYTES equ 78
DATA_SEGMENT equ 0x2000
STACK_TOP equ 0x7000
RECORD equ 0x600        ; copy of the case's record
CASES_LEFT equ 0x5f0
CASE_SEGMENT equ 0x5f2

start:
  cli
  mov al, 0xff
  out 0x21, al
  out 0xa1, al
  xor ax, ax
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov sp, STACK_TOP
  ; vector n leads to the n-th stub
  xor di, di
  mov bx, stubs
  mov cx, 256
.vector:
  mov [di], bx
  mov word [di + 2], 0xf000
  add di, 4
  add bx, STUB_BYTES
  loop .vector
  mov ax, [cs:case_count]
  mov [CASES_LEFT], ax
  mov word [CASE_SEGMENT], 0xe000

next_case:
  xor ax, ax
  mov ss, ax
  mov sp, STACK_TOP
  mov ds, ax
  cld
  cmp word [CASES_LEFT], 0
  je finished
  dec word [CASES_LEFT]

  ; memory
  mov ax, 0xe000
  mov ds, ax
  mov ax, DATA_SEGMENT
  mov es, ax
  xor si, si
  xor di, di
  mov cx, 0x4000
  rep movsd
  mov ax, DATA_SEGMENT + 0x1000
  mov es, ax
  xor si, si
  xor di, di
  mov cx, 0x1000
  rep movsd

  ; code
  mov ax, CODE_SEGMENT
  mov es, ax
  xor di, di
  mov eax, 0xcccccccc
  mov cx, 0x100
  rep stosd
  xor ax, ax
  mov ds, ax
  mov ax, [CASE_SEGMENT]
  add word [CASE_SEGMENT], 8
  mov ds, ax
  mov si, 50
  mov di, CODE_OFFSET
  mov cx, CODE_BYTES
  rep movsb

  ; registers
  xor ax, ax
  mov es, ax
  xor si, si
  mov di, RECORD
  mov cx, 50
  rep movsb
  mov sp, RECORD
  popad
  popfd
  pop es
  pop fs
  pop gs
  pop ds
  lss esp, [ss:RECORD + 44]
  jmp CODE_SEGMENT:CODE_OFFSET

finished:
  mov al, 0
  out 0xf4, al
  hlt

align 16
%assign vector 0
stubs:
%rep 256
  push word strict vector
  jmp near came_back
%assign vector vector + 1
%endrep
STUB_BYTES equ ($ - stubs) / 256

came_back:
  pushad
  push ds
  push es
  push fs
  push gs
  mov bx, ss
  movzx esi, sp
  mov ds, bx
  mov dx, 0xe9
  mov cx, 8 + 32 + 2 + 6
  cld
  rep outsb
  mov al, bl
  out dx, al
  mov al, bh
  out dx, al
  xor edx, edx
  mov ax, DATA_SEGMENT
  mov cx, 0x4000
  call add_up
  mov ax, DATA_SEGMENT + 0x1000
  mov cx, 0x1000
  call add_up
  mov eax, edx
  mov dx, 0xe9
  mov cx, 4
.byte:
  out dx, al
  shr eax, 8
  loop .byte
  jmp next_case

; EDX over CX doublewords at AX:0. Its return address goes back before anything is read: on the stack of the case.
add_up:
  pop bp
  mov ds, ax
  xor si, si
.word:
  lodsd
  rol edx, 5
  xor edx, eax
  loop .word
  jmp bp

  times 0x7ff0 - ($ - $$) db 0
  jmp 0xf000:start
  times 0x7ffe - ($ - $$) db 0
case_count:
  dw 0                  ; written by the recorder
