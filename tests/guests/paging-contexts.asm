; Process-context identifiers, INVPCID and CR3: SDM Vol. 3A §4.10 "Caching Translation Information".

%define GUEST "paging-contexts"
%include "guest.inc"

; A second address space: the same but for the window.
other_pml4   equ spare_tables
other_pdpt   equ spare_tables + PAGE
other_user   equ spare_tables + 2 * PAGE
other_window equ spare_tables + 3 * PAGE
%define ONE 0xf1
%define OTHER 0xf2

absolute variables
descriptor_pcid: resq 1                 ; operand of INVPCID
descriptor_address: resq 1

section .text
code32
main:
  call enter_long
code64
  mov esi, pml4
  mov edi, other_pml4
  call copy_page
  mov esi, pdpt
  call copy_page
  mov esi, user_directory
  call copy_page
  mov dword [other_pml4], other_pdpt + P + W + U
  mov dword [other_pdpt + 8], other_user + P + W + U
  mov dword [other_user + 256 * 8], other_window + P + W + U
  mov dword [FRAMES], ONE
  mov dword [FRAMES + PAGE], OTHER
  call map_apart

; rcx: PML4 | PCID, bit 63 to keep translations; clobbers nothing else.
%macro switch 1-2 0
  mov ecx, %1
  %if %2
    bts rcx, 63
  %endif
  mov cr3, rcx
%endmacro
%define KEEP 1

; Reads page 0 of the window.
%macro check_window 2
  mov eax, [WINDOW]
  check_eq %1, rax, %2
%endmacro

  ; ---- CR3 ----
  check_window "first address space", ONE
  switch other_pml4
  check_window "second address space", OTHER
  switch pml4
  check_window "the first again", ONE
  mov eax, pml4
  mov cr3, rax
  mov rbx, cr3
  check_eq "CR3 reads as written", rbx, rax
  not_on_qemu                           ; does not get past it
  mov rbx, (1 << 51) + pml4
  try
  mov cr3, rbx
  caught "CR3: reserved address bit", X_GP, 0
  mov rbx, (1 << 63) + pml4
  try
  mov cr3, rbx
  caught "CR3: bit 63 without CR4.PCIDE", X_GP, 0
  end_needs
  mov ebx, pml4 + (1 << 3) + (1 << 4)   ; PWT, PCD
  mov cr3, rbx
  mov rax, cr3
  check_eq "CR3: cache control bits", rax, rbx
  switch pml4

  needs 1, 0, ecx, 17                   ; PCID
  switch pml4 + 8
  mov rax, cr4
  or eax, CR4_PCIDE
  try
  mov cr4, rax
  caught "CR4.PCIDE with a PCID in CR3", X_GP, 0
  switch pml4
  mov rax, cr4
  or eax, CR4_PCIDE
  try
  mov cr4, rax
  survives "CR4.PCIDE without"
  mov rbx, cr0
  btr rbx, 31
  try
  mov cr0, rbx
  caught "paging cannot end with CR4.PCIDE", X_GP, 0

  switch pml4 + 1
  check_window "PCID 1", ONE
  switch other_pml4 + 2
  check_window "PCID 2", OTHER
  switch pml4 + 1, KEEP
  check_window "PCID 1, kept", ONE
  mov rax, cr3
  check_eq "CR3 reads back without bit 63", rax, pml4 + 1
  switch other_pml4 + 2, KEEP
  check_window "PCID 2, kept", OTHER
  switch pml4 + 3, KEEP
  check_window "a new PCID, kept", ONE
  switch other_pml4 + 0xfff
  check_window "the highest PCID", OTHER
  switch pml4
  check_window "PCID 0", ONE

  ; The first space's page changes while the second is in use.
  switch pml4 + 1
  mov eax, [WINDOW]
  switch other_pml4 + 2
  call map_together
  switch pml4 + 1
  check_window "CR3 without bit 63 forgets the PCID", OTHER
  call map_apart
  switch other_pml4 + 2
  switch pml4 + 1, KEEP
  mov eax, [WINDOW]
  call map_apart
  invlpg [WINDOW]
  check_window "INVLPG for the current PCID", ONE
  call map_together
  mov rax, cr4
  and eax, ~CR4_PCIDE
  switch pml4
  mov cr4, rax
  check_window "clearing CR4.PCIDE forgets everything", OTHER
  or eax, CR4_PCIDE
  mov cr4, rax
  call map_apart
  switch pml4 + 1
  mov eax, [WINDOW]
  switch other_pml4 + 2
  call map_together
  xor eax, eax
  mov rax, cr4
  xor eax, CR4_PGE
  mov cr4, rax
  xor eax, CR4_PGE
  mov cr4, rax
  switch pml4 + 1, KEEP
  check_window "changing CR4.PGE forgets all PCIDs", OTHER
  call map_apart
  invlpg [WINDOW]

  needs 7, 0, ebx, 10                   ; INVPCID
; Fills the first space's TLB, makes it stale from the second space.
%macro make_stale 1-2 0                 ; PCID, bits of the page's entry (G)
  call map_apart
  or dword [window_table], %2
  switch pml4 + %1
  mov eax, [WINDOW]
  switch other_pml4 + 2
  call map_together
%endmacro
%macro invalidate 2-3 0                 ; type, PCID, address
  mov eax, %1
  mov qword [descriptor_pcid], %2
  mov qword [descriptor_address], %3
  invpcid rax, [descriptor_pcid]
%endmacro

  make_stale 1
  invalidate 0, 1, WINDOW
  switch pml4 + 1, KEEP
  check_window "INVPCID 0: one address of another PCID", OTHER
  make_stale 1
  invalidate 1, 1
  switch pml4 + 1, KEEP
  check_window "INVPCID 1: one PCID", OTHER
  make_stale 1
  invalidate 2, 0
  switch pml4 + 1, KEEP
  check_window "INVPCID 2: all", OTHER
  make_stale 1, G
  invalidate 2, 0
  switch pml4 + 1, KEEP
  check_window "INVPCID 2: global ones too", OTHER
  make_stale 1
  invalidate 3, 0
  switch pml4 + 1, KEEP
  check_window "INVPCID 3: all but global", OTHER
  ; The current PCID.
  call map_apart
  switch pml4 + 1
  mov eax, [WINDOW]
  call map_together
  invalidate 0, 1, WINDOW
  check_window "INVPCID 0 for the current PCID", OTHER
  call map_apart
  invalidate 1, 1
  check_window "INVPCID 1 for the current PCID", ONE
  call map_together
  invalidate 3, 0
  check_window "INVPCID 3 while it is current", OTHER
  call map_apart
  invalidate 2, 0
  check_window "INVPCID 2 while it is current", ONE

  mov ebx, descriptor_pcid
  mov qword [rbx], 1
  mov eax, 4
  try
  invpcid rax, [rbx]
  caught "INVPCID: type 4", X_GP, 0
  bts rax, 32
  mov al, 2
  try
  invpcid rax, [rbx]
  caught "INVPCID: all 64 bits of the type count", X_GP, 0
  mov eax, 1
  mov qword [rbx], 0x1000
  try
  invpcid rax, [rbx]
  caught "INVPCID: bits above the PCID", X_GP, 0
  xor eax, eax
  mov qword [rbx], 1
  mov rcx, 0x800000000000
  mov [rbx + 8], rcx
  try
  invpcid rax, [rbx]
  caught "INVPCID 0: non-canonical address", X_GP, 0
  mov eax, 1
  try
  invpcid rax, [rbx]
  survives "INVPCID 1: the address does not matter"
  mov dword [window_table + 8], 0
  invlpg [WINDOW + PAGE]
  mov ebx, WINDOW + PAGE
  try
  invpcid rax, [rbx]
  caught "INVPCID: absent descriptor", X_PF, 0
  lea rbx, [rbx - 8]
  try
  invpcid rax, [rbx]
  caught "INVPCID: descriptor into an absent page", X_PF, 0
  try
  user
  invpcid rax, [rbx]
  caught "INVPCID: not for programs", X_GP, 0
  switch pml4
  mov rax, cr4
  and eax, ~CR4_PCIDE
  mov cr4, rax
  mov eax, 1
  mov ebx, descriptor_pcid
  mov qword [rbx], 1
  try
  invpcid rax, [rbx]
  caught "INVPCID 1: a PCID without CR4.PCIDE", X_GP, 0
  mov qword [rbx], 0
  try
  invpcid rax, [rbx]
  survives "INVPCID 1: PCID 0 without CR4.PCIDE"
  mov rax, cr4
  or eax, CR4_PCIDE
  mov cr4, rax
  end_needs
  switch pml4
  mov rax, cr4
  and eax, ~CR4_PCIDE
  mov cr4, rax
  end_needs

  ; ---- More pages than any TLB has entries ----
  mov dword [window_table], FRAMES + P + W
  mov dword [FRAMES], ONE
  switch pml4
  mov eax, [WINDOW]
  mov ecx, RAM_END / PAGE
  xor ebx, ebx
.touch:
  mov al, [rbx]
  add rbx, PAGE
  loop .touch
  mov dword [window_table], FRAMES + PAGE + P + W
  invlpg [WINDOW]
  check_window "INVLPG after many pages", OTHER
  ; More switches of address spaces than there are tags for them.
  mov ebx, 3000
.switch:
  call map_apart
  switch other_pml4
  mov eax, [WINDOW]
  cmp eax, OTHER
  jne .wrong
  switch pml4
  mov eax, [WINDOW]
  cmp eax, ONE
  jne .wrong
  dec ebx
  jnz .switch
.wrong:
  check_eq "3000 switches", rbx, 0
  jmp finish64

map_apart:
  mov dword [window_table], FRAMES + P + W + U
  mov dword [other_window], FRAMES + PAGE + P + W + U
  ret

map_together:
  mov dword [window_table], FRAMES + PAGE + P + W + U
  ret

copy_page:                              ; from rsi to rdi; both go on to the next page
  mov ecx, PAGE / 8
  rep movsq
  ret

%include "end.inc"
