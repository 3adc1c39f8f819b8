; What control registers, EFER and other model-specific registers refuse and how they read back, in 64-bit mode: SDM
; Vol. 3A §2.5 "Control Registers", Vol. 2 "MOV - Move to/from Control Registers", "LMSW", "RDMSR", "WRMSR", "XSETBV".

%define GUEST "control-registers"
%include "guest.inc"

code32
main:
  call enter_long
code64

  ; ---- CR0 ----
  mov rax, cr0
  mov r15, rax
  and eax, ~CR0_PG
  not_on_qemu                           ; does not look, and gets lost
  raises "CR0: paging cannot end in 64-bit mode", X_GP, 0, mov cr0, rax
  mov rax, r15
  and eax, ~CR0_PE
  raises "CR0: PG without PE", X_GP, 0, mov cr0, rax
  end_needs
  mov rax, r15
  or eax, CR0_NW
  qemu_differs "does not look", 2
  raises "CR0: NW without CD", X_GP, 0, mov cr0, rax
  mov cr0, r15
  mov rax, r15
  bts rax, 32
  qemu_differs "does not look", 2
  raises "CR0: above bit 31", X_GP, 0, mov cr0, rax
  mov cr0, r15
  mov rax, r15
  or eax, 1 << 6
  and eax, ~CR0_ET
  try
  mov cr0, rax
  survives "CR0: bits without a meaning may be written"
  mov rax, cr0
  qemu_differs "keeps them"
  check_eq "CR0: and read as before", rax, r15
  mov cr0, r15
  mov rax, r15
  or eax, CR0_CD | CR0_NW
  try
  mov cr0, rax
  survives "CR0: CD and NW"
  mov cr0, r15
  smsw eax
  check_eq "SMSW to a 32-bit register reads all of CR0", rax, r15
  mov rax, -1
  smsw ax
  mov rcx, -0x10000
  movzx edx, r15w
  or rcx, rdx
  check_eq "SMSW to a 16-bit register keeps the rest", rax, rcx
  mov qword [FRAMES], -1
  smsw [FRAMES]
  check_eq "SMSW to memory writes 16 bits", [FRAMES], rcx
  mov eax, CR0_TS
  lmsw ax
  mov rax, cr0
  and eax, 0xf
  check_eq "LMSW sets MP, EM, TS, but does not clear PE", rax, CR0_TS + CR0_PE
  mov cr0, r15

  ; ---- CR4 ----
  mov rax, cr4
  mov r15, rax
  and eax, ~CR4_PAE
  not_on_qemu                           ; gets lost here too
  raises "CR4: PAE cannot end in 64-bit mode", X_GP, 0, mov cr4, rax
  mov rax, r15
  or eax, 1 << 15
  raises "CR4: bit 15 is reserved", X_GP, 0, mov cr4, rax
  mov rax, r15
  bts rax, 40
  raises "CR4: above bit 31", X_GP, 0, mov cr4, rax
  end_needs
  mov cr4, r15
  mov rax, cr4
  check_eq "CR4: reads as written", rax, r15

  ; ---- CR2, CR3, CR8 ----
  mov rax, 0x8123456789abcdef
  mov cr2, rax
  mov rcx, cr2
  check_eq "CR2: any value", rcx, rax
  mov eax, 0x10
  qemu_differs "does not look", 2
  raises "CR8: above bit 3", X_GP, 0, mov cr8, rax
  mov eax, 9
  mov cr8, rax
  mov rcx, cr8
  check_eq "CR8: reads as written", rcx, 9
  xor eax, eax
  mov cr8, rax
  ; An operand-size prefix and the ModRM byte's mod field mean nothing here.
  db 0x66, 0x0f, 0x20, 0xe0             ; MOV RAX, CR4
  check_eq "MOV from CR4 is 64 bits wide", rax, r15
  xor eax, eax
  db 0x0f, 0x20, 0x20                   ; MOV RAX, CR4 with mod 0
  check_eq "MOV from CR4 has no memory operand", rax, r15

  ; ---- EFER ----
  mov ecx, MSR_EFER
  rdmsr
  mov r14d, eax
  and eax, 0xd01
  check_eq "EFER: LME, LMA and NXE", rax, EFER_LME + EFER_LMA + EFER_NXE
  mov eax, r14d
  and eax, ~EFER_LME
  qemu_differs "ignores it", 2
  raises "EFER: LME cannot change under paging", X_GP, 0, wrmsr
  mov eax, r14d
  and eax, ~EFER_LMA
  try
  wrmsr
  survives "EFER: LMA is not written"
  rdmsr
  check_eq "EFER: LMA stays", rax, r14
  mov eax, r14d
  or eax, 1 << 1
  qemu_differs "does not look", 2
  raises "EFER: reserved bit", X_GP, 0, wrmsr
  mov eax, r14d
  xor edx, edx
  wrmsr
  mov edx, 1
  qemu_differs "does not look", 2
  raises "EFER: reserved high half", X_GP, 0, wrmsr

  ; ---- Addresses in MSRs are canonical ----
%macro canonical_msr 2                  ; name, MSR
  %push
  %strcat %$refused %1, ": refuses a non-canonical address"
  %strcat %$same %1, ": which it does not take"
  %strcat %$taken %1, ": reads as written"
  mov ecx, %2
  mov eax, 0x89abcdef
  mov edx, 0xffff8123
  wrmsr
  rdmsr
  shl rdx, 32
  or rax, rdx
  mov rbx, 0xffff812389abcdef
  check_eq %$taken, rax, rbx
  xor eax, eax
  mov edx, 0x8000
  qemu_differs "does not look", 2
  raises %$refused, X_GP, 0, wrmsr
  rdmsr
  shl rdx, 32
  or rax, rdx
  qemu_differs "takes it"
  check_eq %$same, rax, rbx
  xor eax, eax
  xor edx, edx
  wrmsr
  %pop
%endmacro
  canonical_msr "LSTAR", MSR_LSTAR
  canonical_msr "CSTAR", MSR_CSTAR
  canonical_msr "FS base", MSR_FS_BASE
  canonical_msr "GS base", MSR_GS_BASE
  canonical_msr "kernel GS base", MSR_KERNEL_GS_BASE
  canonical_msr "SYSENTER_ESP", MSR_SYSENTER_ESP
  canonical_msr "SYSENTER_EIP", MSR_SYSENTER_EIP
  mov ecx, 0x12345678
  qemu_differs "reads 0", 2
  raises "RDMSR: an MSR that is not there", X_GP, 0, rdmsr
  qemu_differs "ignores it", 2
  raises "WRMSR: an MSR that is not there", X_GP, 0, wrmsr
  mov ecx, 0x277                        ; PAT
  rdmsr
  check_eq "PAT after reset, low half", rax, 0x00070406
  check_eq "PAT after reset, high half", rdx, 0x00070406
  mov al, 2
  qemu_differs "does not look", 2
  raises "PAT: memory type 2 is reserved", X_GP, 0, wrmsr
  mov eax, 0x00070406
  wrmsr
  mov ecx, MSR_APIC_BASE
  rdmsr
  and eax, 0xfffff900
  mov ecx, 0xfee00900
  check_eq "APIC base: enabled, bootstrap processor", rax, rcx

  ; ---- FSGSBASE, SWAPGS ----
  needs 7, 0, ebx, 0
  set_cr4 0, CR4_FSGSBASE
  raises "RDFSBASE without CR4.FSGSBASE", X_UD, NO_CODE, rdfsbase rax
  raises "WRGSBASE without CR4.FSGSBASE", X_UD, NO_CODE, wrgsbase rax
  set_cr4 CR4_FSGSBASE, 0
  mov rax, 0xffff8000deadbeef
  wrfsbase rax
  rdfsbase rcx
  check_eq "WRFSBASE, RDFSBASE", rcx, rax
  mov ecx, MSR_FS_BASE
  rdmsr
  mov ecx, 0xdeadbeef
  check_eq "WRFSBASE writes the MSR", rax, rcx
  mov rax, 0x800000000000
  qemu_differs "does not look", 2
  raises "WRGSBASE with a non-canonical address", X_GP, 0, wrgsbase rax
  mov rax, -1
  wrgsbase eax
  rdgsbase rcx
  mov eax, -1
  check_eq "WRGSBASE of 32 bits clears the rest", rcx, rax
  set_cr4 0, CR4_FSGSBASE
  end_needs
  write_msr MSR_GS_BASE, 0x1111
  write_msr MSR_KERNEL_GS_BASE, 0x2222
  swapgs
  mov ecx, MSR_GS_BASE
  rdmsr
  check_eq "SWAPGS", rax, 0x2222
  mov ecx, MSR_KERNEL_GS_BASE
  rdmsr
  check_eq "SWAPGS: the other way", rax, 0x1111
  write_msr MSR_FS_BASE, FRAMES
  mov dword [FRAMES + 0x20], 0x4711
  mov eax, [fs:0x20]
  check_eq "the FS base is added", rax, 0x4711
  mov eax, DATA
  mov fs, eax
  mov ecx, MSR_FS_BASE
  rdmsr
  check_eq "loading FS loads its base", rax, 0

  ; ---- XCR0 ----
  needs 1, 0, ecx, 26                   ; XSAVE
  set_cr4 0, CR4_OSXSAVE
  xor ecx, ecx
  raises "XGETBV without CR4.OSXSAVE", X_UD, NO_CODE, xgetbv
  raises "XSAVE without CR4.OSXSAVE", X_UD, NO_CODE, xsave [FRAMES]
  mov eax, 1
  cpuid
  bt ecx, 27
  check_if "CPUID shows CR4.OSXSAVE clear", nc
  set_cr4 CR4_OSXSAVE, 0
  mov eax, 1
  cpuid
  bt ecx, 27
  check_if "CPUID shows CR4.OSXSAVE set", c
  xor ecx, ecx
  xgetbv
  and eax, 1
  check_eq "XCR0: x87 is always on", rax, 1
  mov eax, 2
  xor edx, edx
  raises "XCR0: without x87", X_GP, 0, xsetbv
  mov eax, 5
  raises "XCR0: AVX without SSE", X_GP, 0, xsetbv
  mov eax, 3
  try
  xsetbv
  survives "XCR0: x87 and SSE"
  xgetbv
  check_eq "XCR0: reads as written", rax, 3
  bts rdx, 31
  raises "XCR0: unknown bit", X_GP, 0, xsetbv
  xor edx, edx
  mov ecx, 1
  raises "XSETBV: XCR1", X_GP, 0, xsetbv
  end_needs

  ; ---- Time-stamp counter ----
  mov ecx, MSR_TSC
  mov eax, 0x12345678
  mov edx, 0x100
  wrmsr
  rdtsc
  qemu_differs "ignores it", 2
  check_eq "WRMSR writes the time-stamp counter", rdx, 0x100
  sub eax, 0x12345678
  cmp eax, 0x10000000
  check_if "which goes on from there", b
  needs 0x80000001, 0, edx, 27          ; RDTSCP
  write_msr 0xc0000103, 0xabcdef01
  rdtscp
  mov eax, 0xabcdef01
  check_eq "RDTSCP gives TSC_AUX", rcx, rax
  end_needs
  jmp finish64

%include "end.inc"
