; 4-level paging in 64-bit mode: SDM Vol. 3A §4.5 "4-Level Paging and 5-Level Paging".

%define GUEST "paging-64-bit"
%include "guest.inc"

high_pointers  equ spare_tables         ; for the upper half of the address space
high_directory equ spare_tables + PAGE
high_table     equ spare_tables + 2 * PAGE

HIGH equ 0xffffffff80000000             ; entry 511 of the PML4, 510 of its table

code32
main:
  call enter_long
code64
  %define PREFIX ""
  %define ENTRY 8
  %define FETCH E_I
  %define DIRECTORY (user_directory + 256 * 8)
  %define LARGE (WINDOW + 0x800000)
  %define LARGE_ENTRY (user_directory + 260 * 8)
  %define LARGE_BYTES 0x200000
  %define LARGE_RESERVED (1 << 13)
  %include "paging-checks.inc"
  %include "wide-entries.inc"

%macro check_bits 4                     ; name, place of an entry, mask, value
  mov eax, [%2]
  and eax, %3
  check_eq %1, rax, %4
%endmacro

  ; ---- The levels above ----
  pte 0, FRAMES + P + W + U
  mov dword [FRAMES], 0x1234
  and dword [pml4], ~A
  and dword [pdpt + 8], ~A
  flush
  mov eax, [WINDOW]
  check_bits "a walk sets the accessed bit of the PML4", pml4, A + D, A
  check_bits "and of the next level", pdpt + 8, A + D, A
  mov dword [pdpt + 8], user_directory + P + W
  flush
  try
  user
  caught "supervisor only at the third level", X_PF, E_P + E_U + E_I
  mov dword [pdpt + 8], user_directory + P + U
  flush
  page_fault "read-only at the third level", E_P + E_W, WINDOW, {mov [WINDOW], eax}
  mov dword [pdpt + 8], user_directory + P + W + U
  mov dword [pdpt + 12], 1 << 31
  flush
  mov ebx, WINDOW
  page_fault "NX at the third level", E_P + E_I, WINDOW, {call rbx}
  mov dword [pdpt + 12], 1 << 19
  flush
  qemu_differs "RSVD without P in the error code"
  page_fault "reserved address bit at the third level", E_P + E_RSVD, WINDOW, {mov eax, [rbx]}
  mov dword [pdpt + 12], 0
  mov dword [pdpt + 8], user_directory + W + U
  flush
  page_fault "absent third level", 0, WINDOW, {mov eax, [rbx]}
  mov dword [pdpt + 8], user_directory + P + W + U
  flush

  ; ---- The upper half ----
  mov dword [pml4 + 511 * 8], high_pointers + P + W + U
  mov dword [high_pointers + 510 * 8], high_directory + P + W + U
  mov dword [high_directory], high_table + P + W + U
  mov dword [high_table + 3 * 8], FRAMES + 3 * PAGE + P + W + U
  mov dword [FRAMES + 3 * PAGE + 0x10], 0x3333
  mov eax, [HIGH + 3 * PAGE + 0x10]
  check_eq "upper half", rax, 0x3333
  page_fault "absent page of the upper half", E_W, HIGH + 4 * PAGE + 8, {mov [HIGH + 4 * PAGE + 8], eax}
  mov rbx, 0xffffff0000000123
  page_fault "absent entry of the PML4", 0, rbx, {mov al, [rbx]}
  mov dword [pml4 + 511 * 8], high_pointers + P + W + U + PS
  flush
  qemu_differs "RSVD without P in the error code"
  page_fault "bit 7 of a PML4 entry is reserved", E_P + E_RSVD, HIGH + 3 * PAGE, {mov eax, [HIGH + 3 * PAGE]}
  mov dword [pml4 + 511 * 8], high_pointers + P + W
  flush
  mov rbx, HIGH + 3 * PAGE
  user_page_fault "supervisor only in the PML4", E_P + E_U, HIGH + 3 * PAGE, {mov eax, [rbx]}
  mov dword [pml4 + 511 * 8], high_pointers + P + U
  flush
  page_fault "read-only in the PML4", E_P + E_W, HIGH + 3 * PAGE, {mov [rbx], eax}
  mov dword [pml4 + 511 * 8], high_pointers + P + W + U
  mov dword [pml4 + 511 * 8 + 4], 1 << 31
  flush
  page_fault "NX in the PML4", E_P + E_I, HIGH + 3 * PAGE, {call rbx}
  mov dword [pml4 + 511 * 8 + 4], 0
  flush

  ; ---- Non-canonical addresses ----
  mov rbx, 0x0000800000000000
  try
  mov eax, [rbx]
  caught "read above the lower half", X_GP, 0
  mov rbx, 0xffff7fffffffffff
  try
  mov byte [rbx], 0
  caught "write below the upper half", X_GP, 0
  ; The last bytes of the lower half: absent, but canonical; a page further on is not.
  mov rbx, 0x00007fffffffffff
  page_fault "the last byte of the lower half", 0, rbx, {mov al, [rbx]}
  try
  call rbx
  caught "a call there", X_PF, E_I
  lea rbx, [rbx + 1]
  try
  jmp rbx
  caught "a jump above the lower half", X_GP, 0
  mov rbx, 0x0000900000000000
  mov rax, rsp
  mov rsp, rbx
  set_gate_stack X_SS, 1
  set_gate_stack X_GP, 1
  qemu_differs "has #GP for all"
  try_on rax
  push rax
  caught "PUSH to a non-canonical stack", X_SS, 0
  mov rax, rsp
  mov rsp, rbx
  qemu_differs "has #GP for all"
  try_on rax
  pop rcx
  caught "POP from a non-canonical stack", X_SS, 0
  set_gate_stack X_SS, 0
  set_gate_stack X_GP, 0
  mov rbp, rbx
  qemu_differs "has #GP for all"
  try
  mov eax, [rbp + 8]
  caught "RBP as a base means the stack", X_SS, 0
  qemu_differs "has #GP for all"
  try
  db 0x3e                               ; DS override
  mov eax, [rbp + 8]
  caught "even with a DS prefix", X_SS, 0
  try
  mov eax, [fs:rbp + 8]
  caught "but not with FS", X_GP, 0
  try
  db 0x36                               ; SS override
  mov eax, [rbx + 8]
  caught "an SS prefix means nothing", X_GP, 0
  mov rax, -0x900000000000 + FRAMES
  try
  mov eax, [rbx + rax]
  survives "the sum counts, not its parts"

  ; ---- 1 GiB pages ----
  needs 0x80000001, 0, edx, 26
  mov dword [FRAMES + 0x40], 0x4040
  mov dword [pdpt + 4 * 8], P + W + U + PS
  mov rbx, 0x100000000 + FRAMES + 0x40
  mov eax, [rbx]
  check_eq "1 GiB: read", rax, 0x4040
  check_bits "1 GiB: accessed", pdpt + 4 * 8, 0xfff, P + W + U + PS + A
  mov dword [rbx], 0x5050
  check_bits "1 GiB: dirty", pdpt + 4 * 8, 0xfff, P + W + U + PS + A + D
  mov eax, [FRAMES + 0x40]
  check_eq "1 GiB: write", rax, 0x5050
  mov byte [FRAMES + 0x40], 0xc3
  try
  call rbx
  survives "1 GiB: fetch"
  mov dword [pdpt + 4 * 8], P + PS
  mov rdx, 0x13ffff000
  invlpg [rdx]
  page_fault "1 GiB: read-only", E_P + E_W, rbx, {mov [rbx], eax}
  user_page_fault "1 GiB: supervisor only", E_P + E_U, rbx, {mov al, [rbx]}
  mov dword [pdpt + 4 * 8], 0
  invlpg [rdx]
  page_fault "1 GiB: INVLPG anywhere drops it", 0, rbx, {mov eax, [rbx]}
  mov dword [pdpt + 4 * 8], P + W + PS + (1 << 13)
  invlpg [rdx]
  qemu_differs "does not check them", 2
  page_fault "1 GiB: bits 13 to 29 are reserved", E_P + E_RSVD, rbx, {mov eax, [rbx]}
  mov dword [pdpt + 4 * 8], P + W + PS
  mov dword [pdpt + 4 * 8 + 4], 1 << 31
  invlpg [rdx]
  qemu_differs "misses it", 2
  page_fault "1 GiB: NX", E_P + E_I, rbx, {call rbx}
  mov dword [pdpt + 4 * 8], 0
  mov dword [pdpt + 4 * 8 + 4], 0
  end_needs

  ; ---- Exceptions whose own stack is absent ----
  pte 0, 0
  mov rax, rsp
  set_gate_stack X_DF, 1
  mov esp, WINDOW + 0x800
  try_on rax
  ud2
  caught "no stack for a page fault about it", X_DF, 0
  check_eq "CR2 is where the frame was to go", [caught_cr2], WINDOW + 0x7f8
  set_gate_stack X_DF, 0
  set_gate_stack X_PF, 1
  mov rax, rsp
  mov esp, WINDOW + 0x800
  try_on rax
  ud2
  caught "no stack for an invalid opcode: a page fault", X_PF, E_W
  check_eq "returns to the invalid opcode's stack", [caught_sp], WINDOW + 0x800
  set_gate_stack X_PF, 0

  jmp finish64

%include "end.inc"
