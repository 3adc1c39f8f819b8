; The A20 gate: addresses leave the processor without bit 20 while it is closed, whatever makes them (SDM Vol. 3A §8.7.13.4
; "External Signal Compatibility", Vol. 3B §22.13). Either of two ports opens it.

%define GUEST "a20"
%include "guest.inc"
%include "real-mode.inc"

%define ODD(address) ((address) + 0x100000)

; Both ports' parts of the gate. AL is lost.
%macro port_92 1                        ; open or closed
  in al, 0x92
  %ifidn %1, open
    or al, 2
  %else
    and al, ~3
  %endif
  out 0x92, al
%endmacro
%macro keyboard 1
  %ifidn %1, open
    mov al, 0xdf
  %else
    mov al, 0xdd
  %endif
  out 0x64, al
%endmacro
%macro gate 1
  port_92 %1
  keyboard %1
%endmacro

section .low
bits 16
align 4
word_low: dd 0
seen: dd 0, 0, 0, 0
to_alias: dw 0, 0xffff
ran: dw 0
alias:
  mov word [ran], 0x600d
  retf

section .text
code32
main:
  call make_vectors
  mov edi, [ODD(word_low)]              ; what is there with the gate open

  ; ---- Real mode ----
  real
  mov ax, 0xffff
  mov gs, ax
  mov dword [word_low], 0x11223344
  mov edx, [gs:word_low + 16]
  port_92 closed
  mov ebx, [gs:word_low + 16]
  port_92 open
  keyboard closed
  mov ecx, [gs:word_low + 16]
  keyboard open
  end_real
  check_eq "open: above 1 MiB", edx, edi
  qemu_differs "lets the last write decide", 2
  check_eq "the keyboard controller alone opens it", ebx, edi
  check_eq "port 0x92 alone opens it", ecx, edi

  real
  mov ax, 0xffff
  mov gs, ax
  gate closed
  mov edx, [gs:word_low + 16]
  mov dword [gs:word_low + 16], 0x55667788
  mov ebx, [word_low]
  mov ecx, [gs:word_low + 18]
  gate open
  mov esi, [gs:word_low + 16]
  end_real
  check_eq "closed: reads wrap", edx, 0x11223344
  check_eq "closed: writes wrap", ebx, 0x55667788
  and ecx, 0xffff
  check_eq "closed: reads at other places", ecx, 0x5566
  check_eq "open again: reads do not wrap", esi, edi
  check_eq "nothing was written above", [ODD(word_low)], edi

  real
  mov word [to_alias], alias + 16
  gate closed
  call far [to_alias]
  gate open
  end_real
  check_real "code above 1 MiB", NOTHING
  movzx eax, word [ran]
  check_eq "closed: fetches wrap", eax, 0x600d
  ; What is there with the gate open is other code.
  mov byte [ODD(alias)], 0xcb
  mov word [ran], 0
  mov ecx, 3
.again:
  push ecx
  real
  call far [to_alias]
  end_real
  check_real "code above 1 MiB, open", NOTHING
  movzx eax, word [ran]
  check_eq "open: fetches do not wrap", eax, 0
  real
  gate closed
  call far [to_alias]
  gate open
  end_real
  movzx eax, word [ran]
  check_eq "closed: they do", eax, 0x600d
  mov word [ran], 0
  pop ecx
  dec ecx
  jnz .again

  ; ---- Protected mode: page tables, page crossing, string instructions ----
DIRECTORY equ FRAMES
TABLE     equ FRAMES + PAGE
TARGET    equ 0x600000
  mov dword [DIRECTORY], P + W + PS
  mov dword [DIRECTORY + 4 * 1], FRAMES + P + W + PS
  mov dword [DIRECTORY + 4 * (WINDOW >> 22)], ODD(TABLE) + P + W
  mov dword [TABLE], ODD(TARGET) + P + W
  mov dword [TARGET], 0xfeedface
  mov dword [TARGET + 4], 0
  mov dword [ODD(TARGET)], 0x0badf00d
  mov dword [FRAMES + 0xffffc], 0
  mov dword [FRAMES + 0x8000], 0
  mov dword [ODD(FRAMES)], 0
  mov eax, CR4_PSE
  mov cr4, eax
  mov eax, CODE32
  push eax
  push dword .back
  jmp CODE32:closed32
.back:
  check_eq "closed: paging structures and pages", [seen], 0xfeedface
  check_eq "closed: a store through them", [TARGET + 4], 0x12345678
  check_eq "closed: the accessed bit of the directory", [DIRECTORY + 4 * (WINDOW >> 22)], ODD(TABLE) + P + W + A
  check_eq "closed: accessed and dirty in the table", [TABLE], ODD(TARGET) + P + W + A + D
  check_eq "a page above has not been touched", [ODD(TARGET)], 0x0badf00d
  movzx eax, word [FRAMES + 0xffffe]
  check_eq "closed: a store across 1 MiB, below", eax, 0x2211
  check_eq "closed: and wrapped", [seen + 4], 0x4433
  check_eq "closed: a repeated store", [FRAMES + 0x8000], 0x5a5a5a5a
  check_eq "nothing was stored above", [ODD(FRAMES)], 0
  check_eq "closed: a locked addition", [seen + 8], 0x5a5a5a5b
  jmp finish32

section .low
bits 32
closed32:
  gate closed
  mov dword [ODD(FRAMES) - 2], 0x44332211
  movzx eax, word [FRAMES]
  mov [seen + 4], eax
  mov dword [FRAMES], P + W + PS
  mov edi, ODD(FRAMES) + 0x8000
  mov ecx, 0x1000
  mov al, 0x5a
  rep stosb
  lock inc dword [ODD(FRAMES) + 0x8004]
  mov eax, [FRAMES + 0x8004]
  mov [seen + 8], eax
  mov eax, ODD(DIRECTORY)
  mov cr3, eax
  mov eax, cr0
  or eax, CR0_PG
  mov cr0, eax
  jmp .paged
.paged:
  mov ebx, [WINDOW]
  mov [seen], ebx
  mov dword [WINDOW + 4], 0x12345678
  mov eax, cr0
  and eax, ~CR0_PG
  mov cr0, eax
  jmp .flat
.flat:
  xor eax, eax
  mov cr3, eax
  gate open
  retf

%include "end.inc"
