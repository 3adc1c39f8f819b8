; Segments in 32-bit protected mode: limits, types, loading them, far transfers, LDT (SDM Vol. 3A chapter 5
; "Protection"), and the exceptions that only legacy code has.

%define GUEST "segments-32-bit"
%include "guest.inc"

LIMITED equ FREE                        ; FRAMES, 0x1000 bytes
DOWN32  equ FREE + 0x08                 ; expand-down: FRAMES + 0x1000 and above
DOWN16  equ FREE + 0x10                 ; the same, to 0xffff
DOWN3   equ FREE + 0x78                 ; as DOWN32, for programs
READ    equ FREE + 0x18                 ; read-only
EXECUTE equ FREE + 0x20                 ; execute-only
CUT     equ FREE + 0x28                 ; code of this image, up to some label
ABSENT  equ FREE + 0x30
LOCAL   equ FREE + 0x38                 ; local descriptor table at FRAMES + 0x2000
PAGES   equ FREE + 0x40                 ; FRAMES, 2 pages

; One instruction that works.
%macro works 2+                         ; name, instruction
  try
  %2
  survives %1
%endmacro
%macro faults 2+                        ; name, instruction: #GP(0)
  raises %1, X_GP, 0, %2
%endmacro
; For checks of limits, which QEMU does not make; its data references know no segment but a flat one.
%macro beyond 2+
  qemu_differs "checks no limits", 2
  faults %1, %2
%endmacro

code32
main:
  call enter_paging32
  set_descriptor LIMITED, low_half(FRAMES, 0xfff), high_half(FRAMES, 0xfff, DATA_SEGMENT, 4)
  set_descriptor DOWN32, low_half(FRAMES, 0xfff), high_half(FRAMES, 0xfff, DATA_SEGMENT | 4, 4)
  set_descriptor DOWN16, low_half(FRAMES, 0xfff), high_half(FRAMES, 0xfff, DATA_SEGMENT | 4, 0)
  set_descriptor READ, low_half(0, 0xfffff), high_half(0, 0xfffff, 0x91, FLAGS32)
  set_descriptor EXECUTE, low_half(0, 0xfffff), high_half(0, 0xfffff, 0x99, FLAGS32)
  set_descriptor ABSENT, low_half(0, 0xfffff), high_half(0, 0xfffff, 0x13, FLAGS32)
  set_descriptor PAGES, low_half(FRAMES, 1), high_half(FRAMES, 1, DATA_SEGMENT, FLAGS32)

  ; ---- Limits ----
  mov eax, LIMITED
  mov fs, eax
  mov dword [FRAMES + 0xffc], 0x12345678
  mov eax, [fs:0xffc]
  check_eq "the last four bytes", eax, 0x12345678
  works "the last byte", {mov al, [fs:0xfff]}
  beyond "read of a byte beyond", {mov al, [fs:0x1000]}
  beyond "read that ends beyond", {mov eax, [fs:0xffd]}
  beyond "write that ends beyond", {mov word [fs:0xfff], 0}
  beyond "16 bytes that end beyond", {movups xmm0, [fs:0xff1]}
  beyond "8 bytes of x87 that end beyond", {fld qword [fs:0xff9]}
  fninit
  beyond "offset that wraps", {mov eax, [fs:-2]}
  beyond "read-modify-write beyond", {inc dword [fs:0x1000]}
  mov ebx, 0x1000
  works "LEA does not look", {lea eax, [fs:ebx]}
  mov eax, [FRAMES + 0xffc]
  qemu_differs "checks no limits"
  check_eq "nothing was written", eax, 0x12345678
  mov eax, PAGES
  mov gs, eax
  works "limit in pages: the last byte", {mov al, [gs:0x1fff]}
  beyond "limit in pages: beyond", {mov al, [gs:0x2000]}
  ; The base is added, and the sum wraps at 32 bits.
  mov dword [FRAMES + 0x10], 0xabcd
  mov eax, [fs:0x10]
  check_eq "the base is added", eax, 0xabcd
  set_descriptor LIMITED, low_half(-0x1000, 0xfffff), high_half(-0x1000, 0xfffff, DATA_SEGMENT, FLAGS32)
  mov eax, LIMITED
  mov fs, eax
  mov eax, [fs:FRAMES + 0x1010]
  check_eq "and wraps", eax, 0xabcd
  set_descriptor LIMITED, low_half(FRAMES, 0xfff), high_half(FRAMES, 0xfff, DATA_SEGMENT, 4)
  check_eq "a changed descriptor does not change a loaded segment", [fs:FRAMES + 0x1010], 0xabcd
  mov eax, LIMITED
  mov fs, eax

  ; Expand-down: what is not within the limit.
  mov eax, DOWN32
  mov gs, eax
  beyond "expand-down: within", {mov al, [gs:0xfff]}
  beyond "expand-down: starts within", {mov ax, [gs:0xfff]}
  works "expand-down: the first byte", {mov al, [gs:0x1000]}
  works "expand-down: far above", {mov al, [gs:0x123456]}
  beyond "expand-down: wraps", {mov ax, [gs:-1]}
  mov eax, DOWN16
  mov gs, eax
  beyond "expand-down, 16 bits: within", {mov al, [gs:0xfff]}
  works "expand-down, 16 bits: the first byte", {mov al, [gs:0x1000]}
  works "expand-down, 16 bits: the last byte", {mov al, [gs:0xffff]}
  beyond "expand-down, 16 bits: above", {mov al, [gs:0x10000]}
  beyond "expand-down, 16 bits: ends above", {mov eax, [gs:0xfffe]}

  ; A stack that expands down, of a program: its limit is where it ends.
  set_descriptor DOWN3, low_half(USER + FRAMES, 0xfff), high_half(USER + FRAMES, 0xfff, DATA_SEGMENT | OF_USER | 4, 4)
  qemu_differs "checks no limits", 3
  try
  user
  mov eax, DOWN3 | 3
  mov ss, eax
  mov esp, 0x1004
  push eax
.beyond_stack:
  push eax
  back
  caught "#SS: a PUSH beyond the limit of a stack that expands down", X_SS, 0
  check_eq "at the instruction", [caught_ip], USER + .beyond_stack
  check_eq "ESP is as before it", [caught_sp], 0x1000

  ; The limit comes before paging.
  mov ebx, WINDOW
  mov dword [window_table], 0
  set_descriptor LIMITED, low_half(0, WINDOW >> 12), high_half(0, WINDOW >> 12, DATA_SEGMENT, FLAGS32)
  mov eax, LIMITED
  mov gs, eax
  try
  mov eax, [gs:ebx]
  caught "#PF within the limit", X_PF, 0
  beyond "#GP before #PF", {mov eax, [gs:ebx + 0x1000]}
  set_descriptor LIMITED, low_half(FRAMES, 0xfff), high_half(FRAMES, 0xfff, DATA_SEGMENT, 4)

  ; Strings, and two operands.
  mov eax, LIMITED
  mov es, eax
  mov edi, 0xffe
  mov ecx, 4
  cld
  qemu_differs "checks no limits"
  try
  rep stosb
  caught "REP STOSB over the limit", X_GP, 0
  qemu_differs "checks no limits", 2
  check_eq "stops at it", edi, 0x1000
  check_eq "with the rest of the count", ecx, 2
  mov eax, DATA
  mov es, eax

  ; ---- Types ----
  mov eax, READ
  mov gs, eax
  works "read-only: read", {mov eax, [gs:FRAMES]}
  qemu_differs "checks no types", 2
  faults "read-only: write", {mov [gs:FRAMES], eax}
  works "code: read", {mov eax, [cs:FRAMES]}
  qemu_differs "checks no types", 2
  faults "code: write", {mov [cs:FRAMES], eax}
  xor eax, eax
  works "null may be loaded", {mov gs, eax}
  qemu_differs "checks no types", 2
  faults "null: read", {mov eax, [gs:FRAMES]}
  qemu_differs "checks no types", 2
  faults "null: write", {mov [gs:FRAMES], eax}
  mov eax, DATA
  mov gs, eax

  ; ---- Loading ----
  mov eax, EXECUTE
  raises "load execute-only code", X_GP, EXECUTE, {mov gs, eax}
  mov eax, ABSENT
  raises "load an absent segment", X_NP, ABSENT, {mov gs, eax}
  raises "load an absent stack", X_SS, ABSENT, {mov ss, eax}
  mov eax, CODE32 | 3
  raises "load code of DPL 0 with RPL 3", X_GP, CODE32, {mov gs, eax}
  mov eax, DATA | 3
  raises "load data of DPL 0 with RPL 3", X_GP, DATA, {mov gs, eax}
  mov eax, READ
  raises "load a read-only stack", X_GP, READ, {mov ss, eax}
  xor eax, eax
  raises "load a null stack", X_GP, 0, {mov ss, eax}
  mov eax, USER_DATA
  raises "load a stack of DPL 3", X_GP, USER_DATA & ~3, {mov ss, eax}
  try
  user
  mov eax, DATA
  mov gs, eax
  caught "a program loads data of DPL 0", X_GP, DATA
  try
  user
  push DATA
  pop es
  caught "a program pops data of DPL 0", X_GP, DATA
  try
  user
  mov eax, CODE32
  mov gs, eax
  caught "a program loads code of DPL 0", X_GP, CODE32
  mov dword [FRAMES], 0x1234
  mov word [FRAMES + 4], LIMITED
  try
  lfs ebx, [FRAMES]
  survives "LFS"
  check_eq "LFS: offset", ebx, 0x1234
  mov eax, fs
  check_eq "LFS: selector", eax, LIMITED
  mov word [FRAMES + 4], ABSENT
  try
  lgs ebx, [FRAMES]
  caught "LGS with an absent segment", X_NP, ABSENT
  check_eq "leaves the register", ebx, 0x1234
  raises "LDS of a register", X_UD, NO_CODE, {db 0xc5, 0xc0}
  push dword 0xabcd0000 | LIMITED
  pop fs
  mov eax, fs
  check_eq "POP FS takes 16 bits of 32", eax, LIMITED
  mov eax, -1
  mov eax, gs
  check_eq "MOV from a segment clears the upper half", eax, DATA
  mov eax, -1
  mov ax, gs
  check_eq "with 16 bits it does not", eax, 0xffff0000 | DATA

  ; ---- LAR, LSL, VERR, VERW, ARPL ----
%macro looks 5                          ; name, instruction, selector, condition, value in eax afterwards
  mov ebx, %3
  mov eax, 0x5a5a5a5a
  %2 eax, ebx
  check_if %1, %4
  %strcat %%value %1, ": value"
  check_eq %%value, eax, %5
%endmacro
  looks "LAR of data", lar, DATA, z, 0x00c09300
  looks "LAR of a TSS", lar, TSS, z, 0x00008b00
  looks "LAR of null", lar, 0, nz, 0x5a5a5a5a
  looks "LAR beyond the table", lar, 0x1000, nz, 0x5a5a5a5a
  looks "LAR: RPL 3, DPL 0", lar, DATA | 3, nz, 0x5a5a5a5a
  looks "LSL of data", lsl, DATA, z, 0xffffffff
  looks "LSL of 4 KiB", lsl, LIMITED, z, 0xfff
  looks "LSL of 2 pages", lsl, PAGES, z, 0x1fff
  looks "LSL of a TSS", lsl, TSS, z, TSS_LIMIT
  looks "LSL: RPL 3, DPL 0", lsl, DATA | 3, nz, 0x5a5a5a5a
  set_descriptor LOCAL, 0x00080000, 0x0000ec00
  looks "LAR of a call gate", lar, LOCAL, z, 0x0000ec00
  looks "LSL of a call gate", lsl, LOCAL, nz, 0x5a5a5a5a
  set_descriptor LOCAL, 0x00080000, 0x00008e00
  looks "LAR of an interrupt gate", lar, LOCAL, nz, 0x5a5a5a5a
  set_descriptor LOCAL, 0x00000000, 0x00000092
  set_descriptor LOCAL, low_half(FRAMES + 0x2000, 0xf), high_half(FRAMES + 0x2000, 0xf, 0x82, 0)
  looks "LSL of a local descriptor table", lsl, LOCAL, z, 0xf
%macro verifies 4                       ; name, instruction, selector, condition
  mov ebx, %3
  %2 bx
  check_if %1, %4
%endmacro
  verifies "VERR of data", verr, DATA, z
  verifies "VERW of data", verw, DATA, z
  verifies "VERW of read-only data", verw, READ, nz
  verifies "VERR of code", verr, CODE32, z
  verifies "VERW of code", verw, CODE32, nz
  verifies "VERR of execute-only code", verr, EXECUTE, nz
  verifies "VERR of a TSS", verr, TSS, nz
  verifies "VERR: RPL 3, DPL 0", verr, DATA | 3, nz
  verifies "VERR of an absent segment", verr, ABSENT, z
  mov eax, 0x10
  mov ebx, 0x3
  arpl ax, bx
  check_if "ARPL raises RPL", z
  check_eq "ARPL: selector", eax, 0x13
  arpl ax, bx
  check_if "ARPL leaves it", nz

  ; ---- Local descriptor table ----
  mov dword [FRAMES + 0x2000], low_half(0, 0xfffff)
  mov dword [FRAMES + 0x2004], high_half(0, 0xfffff, DATA_SEGMENT, FLAGS32)
  mov dword [FRAMES + 0x2008], low_half(0, 0xfffff)
  mov dword [FRAMES + 0x200c], high_half(0, 0xfffff, CODE_SEGMENT, FLAGS32)
  mov eax, 4
  raises "local selector without a table", X_GP, 4, {mov gs, eax}
  mov eax, LOCAL
  lldt ax
  sldt ebx
  check_eq "SLDT", ebx, LOCAL
  mov eax, 4
  works "a local selector with index 0 is not null", {mov gs, eax}
  mov eax, 0x14
  raises "beyond the local table", X_GP, 0x14, {mov gs, eax}
  try
  jmp 0xc:.local
.local:
  mov ecx, cs
  jmp CODE32:.global
.global:
  survives "far JMP to local code"
  check_eq "runs there", ecx, 0xc
  mov eax, DATA
  mov gs, eax
  xor eax, eax
  lldt ax

  ; ---- Code ----
%macro limit_code 1                     ; CUT, whose base is IMAGE, ends before this label
  mov eax, %1 - IMAGE - 1
  mov word [gdt + CUT], ax
  and eax, 0xf0000
  or eax, high_half(IMAGE, 0, CODE_SEGMENT, 4)
  mov [gdt + CUT + 4], eax
%endmacro
%define offset(label) (label - IMAGE)
  mov dword [gdt + CUT], low_half(IMAGE, 0)
  limit_code limited_end
  not_on_qemu                           ; checks no limits
  try
  jmp CUT:offset(jump_beyond)
  caught "a jump beyond the limit", X_GP, 0
  caught_at "faults at the jump", offset(jump_beyond)
  mov ebp, esp
  try
  jmp CUT:offset(call_beyond)
  caught "a call beyond the limit", X_GP, 0
  caught_at "faults at the call", offset(call_beyond)
  lea eax, [ebp - 12]
  check_eq "and pushes nothing", [handler_sp], eax
  try
  push offset(limited_end)
  jmp CUT:offset(return_beyond)
  caught "a return beyond the limit", X_GP, 0
  caught_at "faults at the return", offset(return_beyond)
  end_needs
  try
  jmp CUT:offset(limited_end)
  caught "a far jump beyond the limit", X_GP, 0
  check_eq "faults before it", [caught_cs], CODE32
  try
  jmp DATA:limited_end
  caught "a far jump to data", X_GP, DATA
  try
  jmp 0:limited_end
  caught "a far jump to null", X_GP, 0

  ; ---- Exceptions of legacy code ----
  mov al, 0x7f
  add al, 1
  raises_after "#OF: INTO", X_OF, NO_CODE, into
  try
  add al, 1
  into
  survives "INTO without OF"
  mov dword [FRAMES], -5
  mov dword [FRAMES + 4], 10
  mov eax, 11
  raises "#BR: above", X_BR, NO_CODE, {bound eax, [FRAMES]}
  mov eax, -6
  raises "#BR: below", X_BR, NO_CODE, {bound eax, [FRAMES]}
  mov eax, 10
  works "BOUND: the upper bound is within", {bound eax, [FRAMES]}
  mov eax, -5
  works "BOUND: the lower bound is within", {bound eax, [FRAMES]}
  mov dword [FRAMES], 0x0005fff0        ; -16 to 5
  mov ax, 6
  raises "#BR: 16 bits", X_BR, NO_CODE, {bound ax, [FRAMES]}
  mov ax, -16
  works "BOUND: 16 bits, within", {bound ax, [FRAMES]}
  raises "#DE: AAM 0", X_DE, NO_CODE, {db 0xd4, 0}
  raises "#UD: BOUND of a register", X_UD, NO_CODE, {db 0x62, 0xc0}
  raises "#UD: SYSCALL in 32-bit code", X_UD, NO_CODE, syscall
  raises "#UD: SWAPGS in 32-bit code", X_UD, NO_CODE, {db 0x0f, 0x01, 0xf8}
  jmp finish32

jump_beyond:
  jmp limited_end
call_beyond:
  call limited_end
return_beyond:
  ret
limited_end:
  hlt

%include "end.inc"
