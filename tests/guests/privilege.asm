; What programs may not do, in 64-bit mode: privileged instructions, I/O ports, flags (SDM Vol. 3A §5.9 "Privileged
; Instructions", Vol. 1 §19.5 "Protected-Mode I/O", Vol. 2 of the instructions).

%define GUEST "privilege"
%include "guest.inc"

; One instruction at CPL 3.
%macro refused 2+                       ; name, instruction
  try
  user
  %2
  caught %1, X_GP, 0
%endmacro
%macro undefined 2+                     ; name, instruction
  try
  user
  %2
  caught %1, X_UD
%endmacro
%macro allowed 2+                       ; name, instruction
  try
  user
  %2
  back
  ok %1
%endmacro
%define DATA_OF(address) USER + address

code32
main:
  call enter_long
code64
  mov dword [window_table], 0
  mov ebx, DATA_OF(FRAMES)
  mov esi, WINDOW                       ; absent

  ; ---- Privileged instructions ----
  refused "HLT", hlt
  refused "CLI", cli
  refused "STI", sti
  refused "LGDT", lgdt [rbx]
  refused "LIDT", lidt [rbx]
  refused "LGDT: before its memory", lgdt [rsi]
  refused "LLDT", lldt ax
  refused "LTR", ltr ax
  refused "LMSW", lmsw ax
  refused "CLTS", clts
  refused "INVD", invd
  refused "WBINVD", wbinvd
  refused "INVLPG", invlpg [rbx]
  refused "MOV from CR0", {mov rax, cr0}
  refused "MOV from CR2", {mov rax, cr2}
  refused "MOV from CR3", {mov rax, cr3}
  refused "MOV from CR4", {mov rax, cr4}
  refused "MOV from CR8", {mov rax, cr8}
  refused "MOV to CR0", {mov cr0, rax}
  refused "MOV to CR3", {mov cr3, rax}
  refused "MOV from DR0", {mov rax, dr0}
  refused "MOV to DR7", {mov dr7, rax}
  refused "RDMSR", rdmsr
  refused "WRMSR", wrmsr
  refused "SWAPGS", swapgs
  undefined "SYSRET without EFER.SCE", o64 sysret
  change_msr MSR_EFER, EFER_SCE, 0
  refused "SYSRET", o64 sysret
  refused "SYSEXIT", sysexit
  qemu_differs "has #GP first"
  undefined "MOV to CR1", {db 0x0f, 0x22, 0xc8}
  qemu_differs "has #GP first"
  undefined "LOCK HLT", {db 0xf0, 0xf4}
  undefined "CLAC", clac
  undefined "STAC", stac
  undefined "MONITOR", monitor
  undefined "MWAIT", mwait
  set_cr4 0, CR4_PCE
  refused "RDPMC without CR4.PCE", rdpmc
  needs 1, 0, ecx, 26                   ; XSAVE
  set_cr4 CR4_OSXSAVE, 0
  xor ecx, ecx
  mov eax, 3
  xor edx, edx
  refused "XSETBV", xsetbv
  allowed "XGETBV", xgetbv
  set_cr4 0, CR4_OSXSAVE
  end_needs

  ; ---- RDTSC ----
  set_cr4 CR4_TSD, 0
  refused "RDTSC with CR4.TSD", rdtsc
  needs 0x80000001, 0, edx, 27
  refused "RDTSCP with CR4.TSD", rdtscp
  end_needs
  try
  rdtsc
  survives "RDTSC with CR4.TSD at CPL 0"
  set_cr4 0, CR4_TSD
  allowed "RDTSC without", rdtsc
  allowed "CPUID", cpuid

  ; ---- UMIP ----
  mov ebx, DATA_OF(FRAMES)
  allowed "SGDT without CR4.UMIP", sgdt [rbx]
  allowed "SIDT without CR4.UMIP", sidt [rbx]
  allowed "SLDT without CR4.UMIP", sldt eax
  allowed "STR without CR4.UMIP", str eax
  check_eq "STR gives the task's selector", rax, TSS
  allowed "SMSW without CR4.UMIP", smsw eax
  needs 7, 0, ecx, 2
  set_cr4 CR4_UMIP, 0
  refused "SGDT with CR4.UMIP", sgdt [rbx]
  refused "SIDT with CR4.UMIP", sidt [rbx]
  refused "SLDT with CR4.UMIP", sldt eax
  refused "STR with CR4.UMIP", str eax
  refused "SMSW with CR4.UMIP", smsw eax
  try
  str eax
  sgdt [FRAMES]
  smsw eax
  survives "UMIP is for programs only"
  set_cr4 0, CR4_UMIP
  end_needs

  ; ---- Flags ----
  allowed "POPF at CPL 3", {set_flags FLAG_IF | FLAG_IOPL | FLAG_NT | FLAG_AC | FLAG_ID | 0xd5}
  mov eax, FLAG_NT | FLAG_AC | FLAG_ID | 0xd7
  check_eq "POPF changes neither IF nor IOPL", [caught_flags], rax
  try
  user FLAG_FIXED | FLAG_IOPL
  set_flags FLAG_IF
  back
  ok "POPF with IOPL 3"
  check_eq "POPF with IOPL 3 changes IF", [caught_flags], FLAG_IF + FLAG_IOPL + FLAG_FIXED
  try
  user FLAG_FIXED | FLAG_IOPL | FLAG_IF
  cli
  back
  ok "CLI with IOPL 3"
  check_eq "CLI with IOPL 3 works", [caught_flags], FLAG_IOPL + FLAG_FIXED
  try
  user FLAG_FIXED | FLAG_IF
  pushfq
  or dword [rsp], FLAG_VIF | FLAG_VIP | FLAG_RF
  popfq
  back
  ok "POPF of VIF, VIP, RF"
  check_eq "POPF does not change those", [caught_flags], FLAG_IF + FLAG_FIXED

  ; ---- I/O ports (the bitmap of the task forbids all) ----
  mov edx, 0x80
  refused "IN", {in al, 0x80}
  refused "OUT", {out 0x80, al}
  refused "IN from DX", {in eax, dx}
  refused "INSB", insb
  refused "OUTSD", outsd
  try
  user FLAG_FIXED | FLAG_IOPL
  in al, 0x80
  out 0x80, al
  back
  ok "I/O with IOPL 3"
  mov byte [tss64 + TSS_BYTES + 0x80 / 8], 0xfe
  allowed "a port of the bitmap", {in al, 0x80}
  refused "the next one", {in al, 0x81}
  refused "two ports, one of them forbidden", {in ax, 0x80}
  mov byte [tss64 + TSS_BYTES + 0x80 / 8], 0xfc
  allowed "two ports", {in ax, 0x80}
  refused "four ports, two of them forbidden", {in eax, 0x80}
  mov byte [tss64 + TSS_BYTES + 0x80 / 8], 0xf0
  allowed "four ports", {in eax, 0x80}
  mov word [tss64 + TSS_BYTES + 0x80 / 8], 0xfe7f
  mov edx, 0x87
  allowed "two ports over a byte of the bitmap", {in ax, dx}
  mov byte [tss64 + TSS_BYTES + 0x88 / 8], 0xff
  refused "the second one forbidden", {in ax, dx}
  mov byte [tss64 + TSS_BYTES + 0x80 / 8], 0xff
  ; Two bytes of the bitmap are read whatever the port.
  mov byte [tss64 + TSS_BYTES + 0x1fff], 0
  mov edx, 0xffff
  allowed "the last port", {in al, dx}
%macro task_limit 1
  mov word [tss_descriptor], %1
  and byte [tss_descriptor + 5], ~2
  mov eax, TSS
  ltr ax
%endmacro
  task_limit TSS_LIMIT - 1
  refused "the last port, the byte behind the bitmap beyond the limit", {in al, dx}
  task_limit TSS_BYTES - 1
  mov byte [tss64 + TSS_BYTES], 0
  mov edx, 0
  refused "no bitmap", {in al, dx}
  task_limit TSS_LIMIT
  allowed "a bitmap again", {in al, dx}
  mov word [tss64 + 102], 0x1000
  mov byte [tss64 + 0x1000], 0xff
  refused "the bitmap's place is read each time", {in al, dx}
  mov word [tss64 + 102], TSS_BYTES
  mov byte [tss64 + TSS_BYTES], 0xff

  jmp finish64

%include "end.inc"
