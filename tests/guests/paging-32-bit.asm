; 32-bit and PAE paging in 32-bit code: SDM Vol. 3A §4.3 "32-bit Paging", §4.4 "PAE Paging".

%define GUEST "paging-32-bit"
%include "guest.inc"

low_table equ spare_tables       ; 32-bit paging's page table for the first 4 MiB
pointers  equ spare_tables + PAGE   ; PAE paging's page-directory-pointer table
OTHER_TSS   equ FREE
HANDLER_TSS equ FREE + 8

absolute variables
handler: resb TSS_BYTES
other: resb TSS_BYTES
seen: resd 1
section .text

code32
main:
  call make_long_tables
  call enter_paging32
  call narrow

  set_cr0 0, CR0_PG
  mov edi, window_table
  xor eax, eax
  mov ecx, 1024
  rep stosd
  mov dword [pointers], identity_directory + P
  mov dword [pointers + 8], user_directory + P
  set_cr4 CR4_PAE, CR4_PSE | CR4_PGE
  mov eax, pointers
  mov cr3, eax
  write_msr MSR_EFER, EFER_NXE
  set_cr0 CR0_PG, 0
  call wide
  call wide_only
  jmp finish32

narrow:
  %define PREFIX "32-bit: "
  %define ENTRY 4
  %define FETCH 0
  %define DIRECTORY (directory32 + (WINDOW >> 20))
  %define LARGE (WINDOW + 0x800000)
  %define LARGE_ENTRY (directory32 + (LARGE >> 20))
  %define LARGE_BYTES 0x400000
  %define LARGE_RESERVED (1 << 21)
  %include "paging-checks.inc"

  ; Without CR4.PSE bit 7 is ignored, and the entry is that of a page table. The code needs one too then.
  mov edi, low_table
  mov eax, P + W
.small_page:
  mov [edi], eax
  add eax, PAGE
  add edi, 4
  cmp edi, low_table + PAGE
  jne .small_page
  mov dword [directory32], low_table + P + W
  mov dword [LARGE_ENTRY], window_table + P + W + PS
  set_cr4 0, CR4_PSE
  mov dword [window_table], FRAMES + P + W
  mov dword [WINDOW + 0x50], 0x99
  mov eax, [LARGE + 0x50]
  check_eq "CR4.PSE clear: no large pages", eax, 0x99
  set_cr4 CR4_PSE, 0
  mov dword [directory32], P + W + PS
  flush

  ; PSE-36: bits 13-20 are address bits 32-39, where there is no memory.
  mov dword [LARGE_ENTRY], FRAMES + P + W + U + PS + (1 << 13)
  invlpg [LARGE]
  try
  mov eax, [LARGE]
  survives "bit 13 of a large page is address bit 32"
  mov ebx, [FRAMES]
  cmp eax, ebx
  check_if "and leads elsewhere", ne
  mov dword [LARGE_ENTRY], 0
  invlpg [LARGE]
  ret

wide:
  %define PREFIX "PAE: "
  %define ENTRY 8
  %define FETCH E_I
  %define DIRECTORY (user_directory + 256 * 8)
  %define LARGE (WINDOW + 0x800000)
  %define LARGE_ENTRY (user_directory + 260 * 8)
  %define LARGE_BYTES 0x200000
  %define LARGE_RESERVED (1 << 13)
  %include "paging-checks.inc"
  ret

wide_only:
  %include "wide-entries.inc"

  ; ---- The page-directory-pointer table: read when CR3 is written (§4.4.1 "PDPTE Registers") ----
  mov dword [pointers + 16], window_table + P + W
  mov eax, cr3
  qemu_differs "checks pointer entries when they are used"
  try
  mov cr3, eax
  caught "reserved bit 1 of a pointer entry", X_GP, 0
  mov dword [pointers + 16], window_table + P
  mov dword [pointers + 20], 1 << 31
  qemu_differs "checks pointer entries when they are used"
  try
  mov cr3, eax
  caught "bit 63 of a pointer entry is reserved", X_GP, 0
  mov dword [pointers + 16], W + U
  mov dword [pointers + 20], 0
  try
  mov cr3, eax
  survives "an absent pointer entry may have them"
  mov ebx, 0x80000000
  page_fault "absent pointer entry", E_W, ebx, {mov [ebx], eax}
  ; What is in memory matters no more until then, even for addresses never translated.
  mov dword [pointers + 16], user_directory + P
  qemu_differs "reads pointer entries when they are used"
  page_fault "a pointer entry made present is not seen at once", E_W, ebx, {mov [ebx], eax}
  mov dword [pointers + 16], W + U
  mov dword [pointers + 8], 0
  invlpg [USER + FRAMES + 0x300]
  qemu_differs "reads pointer entries when they are used"
  try
  mov ecx, [USER + FRAMES + 0x300]
  survives "nor one taken away, not even by INVLPG"
  mov dword [pointers + 8], user_directory + P
  mov dword [pointers + 16], user_directory + P
  set_cr0 CR0_CD, 0
  try
  mov ecx, [0x80000000 + FRAMES + 0x300]
  survives "MOV to CR0 that changes CD loads them"
  mov dword [pointers + 16], 0
  set_cr0 0, CR0_CD
  qemu_differs "reads pointer entries when they are used", 2
  page_fault "and takes them away", 0, 0x80200000, {mov ecx, [0x80200000]}
  mov dword [pointers + 16], user_directory + P
  set_cr4 CR4_PGE, 0
  try
  mov ecx, [0x80000000 + FRAMES + 0x300]
  survives "MOV to CR4 that changes PGE loads them"
  set_cr4 0, CR4_PGE
  mov dword [pointers + 16], W + U
  mov eax, cr3
  mov cr3, eax
  ; CR3's bits 5-11 choose the table.
  mov esi, pointers
  mov edi, pointers + 0x40
  mov ecx, 8
  cld
  rep movsd
  mov dword [pointers + 0x40 + 24], user_directory + P
  mov eax, pointers + 0x40
  mov cr3, eax
  mov dword [FRAMES], 0xcafe
  mov ebx, 0xc0000000 + FRAMES
  check_eq "the table may begin at any 32 bytes", [ebx], 0xcafe

  ; A task switch loads CR3, and with it the pointers.
  mov dword [tss32 + 28], pointers + 0x40
  mov dword [pointers + 16], user_directory + P
  set_descriptor OTHER_TSS, low_half(other, TSS_BYTES - 1), high_half(other, TSS_BYTES - 1, 0x89, 0)
  set_descriptor HANDLER_TSS, low_half(handler, TSS_BYTES - 1), high_half(handler, TSS_BYTES - 1, 0x89, 0)
%macro make_task 4                      ; task state segment, CR3, EIP, ESP
  mov dword [%1 + 28], %2
  mov dword [%1 + 32], %3
  mov dword [%1 + 36], FLAG_FIXED
  mov dword [%1 + 56], %4
  mov word [%1 + 76], CODE32
  mov word [%1 + 80], DATA
  mov word [%1 + 84], DATA
%endmacro
  make_task other, pointers, .other_task, ist1_end
  make_task handler, pointers + 0x40, .handler, ist2_end
  mov dword [seen], 0
  call OTHER_TSS:0
  check_eq "a task has pointers of its own", [seen], 0xcafe
  check_eq "those before are back with the task before", [ebx], 0xcafe
  mov dword [pointers + 16], user_directory + P + W
  not_on_qemu                           ; checks pointer entries when they are used
  mov dword [gate_place(X_TS)], HANDLER_TSS << 16
  mov dword [gate_place(X_TS) + 4], 0x8500
  mov dword [other + 32], .other_task
  jmp OTHER_TSS:0
  check_eq "#TS: reserved bit 1 of a pointer entry of a task", [seen], OTHER_TSS
  movzx eax, word [handler]
  check_eq "which is the task then", eax, OTHER_TSS
  check_eq "but no instruction of it is executed", [other + 32], .other_task
  mov word [gate_place(X_TS) + 2], CODE32
  default_gate X_TS
  end_needs
  ret

.other_task:
  mov eax, [0x80000000 + FRAMES]
  mov [seen], eax
  iretd
.handler:
  pop dword [seen]
  jmp TSS:0

%include "end.inc"
