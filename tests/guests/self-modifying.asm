; Self- and cross-modifying code: what one processor writes it executes, at once where the same linear address was
; written, after a serialising instruction or a branch otherwise (SDM Vol. 3A §9.1.3 "Handling Self- and Cross-Modifying
; Code", §12.6 "Self-Modifying Code"); the checks have a branch or CPUID in between where that is asked for.

%define GUEST "self-modifying"
%include "guest.inc"

; Code that gives a number: MOV EAX, imm32; RET
%macro function 2                       ; place, number
  mov byte [%1], 0xb8
  mov dword [%1 + 1], %2
  mov byte [%1 + 5], 0xc3
%endmacro
; Twice more beforehand: what remembers code may not do so at first sight.
%macro calls 3                          ; name, address, number
  mov edx, %2
  times 3 call rdx
  check_eq %1, rax, %3
%endmacro

code32
main:
  call enter_long
code64
  mov dword [window_table], FRAMES + P + W + U
  mov dword [window_table + 8], FRAMES + PAGE + P + W + U
  mov dword [window_table + 16], FRAMES + P + W + U     ; page 0 again
  mov dword [window_table + 24], FRAMES + 3 * PAGE + P + W + U

  ; ---- In straight code ----
  xor eax, eax
  mov byte [.next + 2], 7
.next:
  add eax, 1
  check_eq "the immediate of the next instruction", rax, 7
  mov edx, 5
  mov byte [.next2], 0x90
  mov byte [.next2 + 1], 0x90
.next2:
  jmp short .wrong
  jmp .right
.wrong:
  mov edx, 6
.right:
  check_eq "the next instruction", rdx, 5
  ; A loop that changes itself on every turn.
  xor eax, eax
  mov ecx, 100
.loop:
  inc byte [.added + 2]
.added:
  add eax, 0
  loop .loop
  check_eq "a loop that changes its own immediate", rax, 100 * 101 / 2
  ; A loop whose branch is overwritten.
  xor eax, eax
.endless:
  inc eax
  cmp eax, 1000
  jne .again
  mov word [.again], 0x9090
.again:
  jmp .endless
  check_eq "a loop that ends by overwriting its branch", rax, 1000
  mov rbx, rsp
  mov rsp, .pushed_place + 8
  mov rax, 0x9090909090909090           ; eight NOPs over eight INCs of EDX
  mov edx, 0
  push rax
.pushed_place:
  times 4 inc edx
  mov rsp, rbx
  check_eq "PUSH over the next instructions", rdx, 0

  ; ---- Code written as data ----
  function FRAMES + 0x100, 0x11
  calls "new code", FRAMES + 0x100, 0x11
  mov byte [FRAMES + 0x101], 0x22
  calls "one byte of it changed", FRAMES + 0x100, 0x22
  mov dword [FRAMES + 0x0ff], 0x0033b800
  calls "a write that starts before it", FRAMES + 0x100, 0x33
  lock xor byte [FRAMES + 0x101], 0x77
  calls "a locked write", FRAMES + 0x100, 0x44
  mov eax, 0x55
  xchg [FRAMES + 0x101], al
  calls "XCHG", FRAMES + 0x100, 0x55
  movd xmm0, [.template]
  movd [FRAMES + 0x100], xmm0
  calls "an SSE store", FRAMES + 0x100, 0x66
  fild qword [.long_template]
  fistp qword [FRAMES + 0x100]
  calls "an x87 store", FRAMES + 0x100, 0x77
  mov esi, .function_88
  mov edi, FRAMES + 0x100
  mov ecx, 6
  cld
  rep movsb
  calls "REP MOVSB", FRAMES + 0x100, 0x88
  mov esi, .function_99
  mov edi, FRAMES + 0x100
  movsq
  calls "MOVSQ", FRAMES + 0x100, 0x99
  mov edi, FRAMES + 0x100
  mov al, 0x90
  mov ecx, 5
  rep stosb
  mov eax, 0xaa
  mov ebx, FRAMES + 0x100
  call rbx
  check_eq "REP STOSB", rax, 0xaa
  ; Data beside code, in the same page and in the same few bytes.
  function FRAMES + 0x200, 0x11
  xor ecx, ecx
.beside:
  mov ebx, FRAMES + 0x200
  call rbx
  inc dword [FRAMES + 0x206]
  inc dword [FRAMES + 0x1fc]
  inc ecx
  cmp ecx, 200
  jne .beside
  check_eq "data right behind code", [FRAMES + 0x206], 200
  mov eax, [FRAMES + 0x1fc]
  check_eq "data right before code", rax, 200
  calls "the code between", FRAMES + 0x200, 0x11
  ; Every function of a page rewritten, many times.
  mov ebp, 50
.rounds:
  mov edi, FRAMES + 0x800
  mov ecx, 64
.fill:
  mov byte [rdi], 0xb8
  lea eax, [rcx + rbp]
  mov [rdi + 1], eax
  mov byte [rdi + 5], 0xc3
  call rdi
  lea edx, [rcx + rbp]
  cmp eax, edx
  jne .bad_round
  add edi, 16
  loop .fill
  dec ebp
  jnz .rounds
.bad_round:
  check_eq "fifty rewrites of sixty-four functions", rbp, 0

  ; ---- Through other mappings ----
  function FRAMES + 0x300, 0x11
  calls "through a mapping", WINDOW + 0x300, 0x11
  mov byte [FRAMES + 0x301], 0x22
  cpuid
  calls "changed through the identity mapping", WINDOW + 0x300, 0x22
  calls "seen there too", FRAMES + 0x300, 0x22
  mov byte [WINDOW + 2 * PAGE + 0x301], 0x33
  cpuid
  calls "changed through a second mapping", WINDOW + 0x300, 0x33
  try
  user
  mov byte [WINDOW + 0x301], 0x44
  back
  ok "a program writes"
  calls "changed by a program", WINDOW + 2 * PAGE + 0x300, 0x44
  ; The mapping changes instead.
  function FRAMES + 3 * PAGE + 0x300, 0x55
  mov dword [window_table], FRAMES + 3 * PAGE + P + W + U
  invlpg [WINDOW]
  calls "another frame, same address", WINDOW + 0x300, 0x55
  mov dword [window_table], FRAMES + P + W + U
  invlpg [WINDOW]
  calls "and back", WINDOW + 0x300, 0x44
  mov byte [WINDOW + 0x301], 0x45
  calls "changed after that", WINDOW + 0x300, 0x45

  ; ---- Instructions across two pages ----
  mov dword [window_table], FRAMES + P + W + U
  mov dword [window_table + 8], FRAMES + PAGE + P + W + U
  invlpg [WINDOW]
  invlpg [WINDOW + PAGE]
  function FRAMES + PAGE - 3, 0x00111111
  calls "across pages", WINDOW + PAGE - 3, 0x00111111
  mov byte [FRAMES + PAGE], 0x22        ; third byte of the immediate
  cpuid
  calls "its second page changed", WINDOW + PAGE - 3, 0x00221111
  mov byte [FRAMES + PAGE - 1], 0x33
  cpuid
  calls "its first page changed", WINDOW + PAGE - 3, 0x00223311
  function FRAMES + 3 * PAGE - 3, 0
  mov dword [FRAMES + 3 * PAGE], 0x00c30044
  mov dword [window_table + 8], FRAMES + 3 * PAGE + P + W + U
  invlpg [WINDOW + PAGE]
  calls "its second page mapped elsewhere", WINDOW + PAGE - 3, 0x00443311
  mov byte [FRAMES + 3 * PAGE], 0x55
  cpuid
  calls "and that page changed", WINDOW + PAGE - 3, 0x00553311
  mov byte [FRAMES + PAGE], 0x66
  cpuid
  calls "but not the one from before", WINDOW + PAGE - 3, 0x00553311
  mov dword [window_table + 8], 0
  invlpg [WINDOW + PAGE]
  mov ebx, WINDOW + PAGE - 3
  try
  call rbx
  caught "its second page absent", X_PF, E_I
  check_eq "CR2 is that page", [caught_cr2], WINDOW + PAGE
  mov dword [window_table + 8], FRAMES + PAGE + P + W + U
  mov dword [window_table + 8 + 4], 1 << 31
  try
  call rbx
  caught "its second page without execution", X_PF, E_P + E_I
  mov dword [window_table + 8 + 4], 0
  invlpg [WINDOW + PAGE]
  calls "and there again", WINDOW + PAGE - 3, 0x00663311
  ; An instruction that writes over the page boundary, into its own successor.
  mov word [FRAMES + PAGE - 2], 0xc031  ; XOR EAX, EAX
  mov dword [FRAMES + PAGE], 0xc3c0ff   ; INC EAX; RET
  calls "code on both sides", WINDOW + PAGE - 2, 1
  mov dword [WINDOW + PAGE - 2], 0xc8ffc031             ; DEC EAX
  mov ecx, -1
  mov eax, WINDOW + PAGE - 2
  call rax
  check_eq "both sides changed by one write", rax, rcx

  ; ---- Written by other things than instructions of the program ----
  ; The accessed bit of a page table that holds code.
  function window_table + 0x800, 0x11
  calls "code in a page table", window_table + 0x800, 0x11
  mov dword [window_table + 0x18], FRAMES + P + W + U
  mov eax, [WINDOW + 3 * PAGE]
  calls "whose other entries are used", window_table + 0x800, 0x11
  ; A pushed frame over code.
  function FRAMES + 0x500, 0x11
  calls "code where a stack will be", FRAMES + 0x500, 0x11
  mov rax, rsp
  try_on rax
  mov rsp, FRAMES + 0x520
  set_flags FLAG_FIXED
  int 0x30
  caught "an interrupt on that stack", 0x30
  mov eax, [FRAMES + 0x500]
  check_eq "puts CS there", rax, CODE64
  mov byte [FRAMES + 0x520], 0xc3
  mov eax, FRAMES + 0x900
  mov ebx, FRAMES + 0x500
  call rbx                              ; the frame: ADDs and the like to memory at RAX
  cmp eax, 0x11
  check_if "and is what runs now", ne
  jmp finish64

.template: db 0xb8, 0x66, 0, 0
.long_template: db 0xb8, 0x77, 0, 0, 0, 0xc3, 0, 0
.function_88: db 0xb8, 0x88, 0, 0, 0, 0xc3
.function_99: db 0xb8, 0x99, 0, 0, 0, 0xc3, 0, 0

%include "end.inc"
