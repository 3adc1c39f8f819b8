; Exceptions of instructions in 64-bit mode, but for those of segments and paging, and which comes first: SDM Vol. 3A
; §6.15 "Exception and Interrupt Reference", §6.9 "Priority among Concurrent Events".

%define GUEST "exceptions"
%include "guest.inc"

code32
main:
  call enter_long
code64
  mov dword [window_table], 0
  mov dword [window_table + 8], FRAMES + PAGE + P + W + U
  mov ebx, WINDOW                       ; absent, the next page is there
  xor r15, r15

  ; ---- One after the other ----
  mov eax, 1
  xor edx, edx
  xor ecx, ecx
  raises "#DE: division by zero", X_DE, NO_CODE, div ecx
  check_eq "#DE leaves RAX", rax, 1
  mov edx, 1
  mov ecx, 1
  raises "#DE: quotient too large", X_DE, NO_CODE, div ecx
  mov eax, 0x80000000
  cdq
  mov ecx, -1
  raises "#DE: IDIV overflow", X_DE, NO_CODE, idiv ecx
  raises_after "#BP: INT3", X_BP, NO_CODE, int3
  raises_after "#BP: INT 3", X_BP, NO_CODE, {db 0xcd, 3}
  raises_after "INT 4 in 64-bit mode", X_OF, NO_CODE, int 4
  raises "#UD: UD2", X_UD, NO_CODE, ud2
  raises "#UD: INTO in 64-bit mode", X_UD, NO_CODE, {db 0xce}
  raises "#UD: LOCK NOP", X_UD, NO_CODE, {db 0xf0, 0x90}
  raises "#UD: LOCK with a register", X_UD, NO_CODE, {db 0xf0, 0x01, 0xc0}
  qemu_differs "has #PF first"
  raises "#UD: LOCK MOV", X_UD, NO_CODE, {db 0xf0, 0x89, 0x03}
  raises "#UD: MOV to CS", X_UD, NO_CODE, {db 0x8e, 0xc8}
  raises "#UD: MOV to a seventh segment register", X_UD, NO_CODE, {db 0x8e, 0xf0}
  raises "#UD: MOV to CR1", X_UD, NO_CODE, {db 0x0f, 0x22, 0xc8}
  raises "#UD: MOV from CR5", X_UD, NO_CODE, {db 0x0f, 0x20, 0xe8}
  raises "#UD: LEA of a register", X_UD, NO_CODE, {db 0x8d, 0xc0}
  raises "#UD: PUSH CS in 64-bit mode", X_UD, NO_CODE, {db 0x0e}
  raises "#UD: far JMP with an immediate", X_UD, NO_CODE, {db 0xea, 0, 0, 0, 0, 8, 0}
  raises "#UD: INVLPG of a register is another group", X_UD, NO_CODE, {db 0x0f, 0x01, 0xfe}
  raises "#GP: an instruction of 16 bytes", X_GP, 0, {db 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90}

  ; x87 and SSE availability: CR0.EM, CR0.TS, CR4.OSFXSR (Vol. 3A §2.5, table 2-2).
  set_cr0 CR0_TS, 0
  raises "#NM: x87 with CR0.TS", X_NM, NO_CODE, fld1
  raises "#NM: SSE with CR0.TS", X_NM, NO_CODE, movaps xmm0, xmm1
  raises "#NM: MMX with CR0.TS", X_NM, NO_CODE, movq mm0, mm1
  raises "#NM: WAIT with CR0.TS and MP", X_NM, NO_CODE, fwait
  raises "#NM: FXSAVE with CR0.TS", X_NM, NO_CODE, fxsave [FRAMES]
  raises "#NM before #PF", X_NM, NO_CODE, fld dword [rbx]
  try
  prefetcht0 [rbx]
  movnti [FRAMES], eax
  sfence
  survives "CR0.TS: MOVNTI and SFENCE use no SSE registers"
  set_cr0 0, CR0_MP
  try
  fwait
  survives "WAIT with CR0.TS but not MP"
  clts
  try
  fld1
  fstp st0
  survives "CLTS"
  set_cr0 CR0_EM, CR0_MP
  raises "#NM: x87 with CR0.EM", X_NM, NO_CODE, fld1
  raises "#UD: SSE with CR0.EM", X_UD, NO_CODE, movaps xmm0, xmm1
  raises "#UD: MMX with CR0.EM", X_UD, NO_CODE, movq mm0, mm1
  set_cr0 CR0_TS, 0
  qemu_differs "has #NM"
  raises "#UD before #NM: SSE with CR0.EM and TS", X_UD, NO_CODE, movaps xmm0, xmm1
  set_cr0 CR0_MP, CR0_EM | CR0_TS
  set_cr4 0, CR4_OSFXSR
  raises "#UD: SSE without CR4.OSFXSR", X_UD, NO_CODE, movaps xmm0, xmm1
  raises "#UD before #PF: SSE without CR4.OSFXSR", X_UD, NO_CODE, movaps xmm0, [rbx]
  set_cr4 CR4_OSFXSR, 0

  ; #MF comes with the next x87 instruction that waits.
  fninit
  push 0x37b                            ; zero divide unmasked
  fldcw [rsp]
  pop rax
  fld1
  fldz
  fdivp st1, st0
  try
  fnstsw ax
  survives "#MF: FNSTSW does not wait"
  and eax, 0x8084
  check_eq "#MF: exception flag, summary, busy", rax, 0x8084
  qemu_differs "looks with FWAIT only", 2
  raises "#MF: at the next waiting instruction", X_MF, NO_CODE, fld1
  raises "#MF: again as long as it is there", X_MF, NO_CODE, fwait
  qemu_differs "looks with FWAIT only", 2
  raises "#MF: MMX too", X_MF, NO_CODE, movq mm0, mm1
  qemu_differs "looks with FWAIT only", 2
  raises "#MF: EMMS too", X_MF, NO_CODE, emms
  qemu_differs "has #PF first"
  raises "#MF before #PF", X_MF, NO_CODE, fld dword [rbx]
  set_cr0 CR0_TS, 0
  raises "#NM before #MF", X_NM, NO_CODE, fwait
  set_cr0 0, CR0_TS
  fnclex
  try
  fwait
  survives "#MF: FNCLEX ends it"
  fninit

  ; #XM
  mov dword [FRAMES], 0x1f80 & ~(1 << 9)  ; zero divide unmasked
  ldmxcsr [FRAMES]
  mov dword [FRAMES], 0x3f800000
  movss xmm0, [FRAMES]
  xorps xmm1, xmm1
  not_on_qemu                           ; never raises it
  raises "#XM: SSE division by zero", X_XM, NO_CODE, divss xmm0, xmm1
  movd eax, xmm0
  check_eq "#XM leaves the destination", rax, 0x3f800000
  stmxcsr [FRAMES + 4]
  mov eax, [FRAMES + 4]
  and eax, 0x3f
  check_eq "#XM sets the flag", rax, 1 << 2
  set_cr4 0, CR4_OSXMMEXCPT
  raises "#UD instead without CR4.OSXMMEXCPT", X_UD, NO_CODE, divss xmm0, xmm1
  set_cr4 CR4_OSXMMEXCPT, 0
  end_needs
  mov dword [FRAMES], 0x1f80
  ldmxcsr [FRAMES]
  mov dword [FRAMES], 0xffff0000
  qemu_differs "takes any MXCSR"
  try
  ldmxcsr [FRAMES]
  caught "#GP: reserved bit of MXCSR", X_GP, 0
  mov dword [FRAMES], 0x1f80
  ldmxcsr [FRAMES]

  jmp finish64

%include "end.inc"
