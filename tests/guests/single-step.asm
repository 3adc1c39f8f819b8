; Single steps: SDM Vol. 3B §18.3.1.4 "Single-Step Exception Condition", Vol. 3A §6.8.3 "Masking Exceptions and
; Interrupts When Switching Stacks".

%define GUEST "single-step"
%include "guest.inc"
%include "debug-log.inc"

section .text
code32
main:
  call enter_long
code64
  init_debug
  mov dword [window_table], 0

  trace
.first:
  nop
.second:
  mov eax, 5
.third:
  nop
.fourth:
  end_trace
  check_hits "three instructions", 3
  check_hit "not after the POPF that sets TF, but after the next", 0, .second
  check_hit "after the second", 1, .third
  check_hit "after the third", 2, .fourth
  check_why "DR6.BS", 0, BS
  qemu_differs "says so"
  check_hit_flags "TF is saved, RF is clear", 0, FLAG_TF | FLAG_RF, FLAG_TF
  mov eax, [hits]
  check_eq "after the POPF that clears TF, but not after the next", rax, 6

  ; ---- Branches ----
  trace
  jmp .target
  nop
.target:
  call .function
.returned:
  test esp, esp
.not_zero:
  jz .target
.fell:
  jmp .end_branches
.function:
  ret
.end_branches:
  end_trace
  check_hits "branches", 6
  check_hit "JMP: at the target", 0, .target
  check_hit "CALL: in the function", 1, .function
  check_hit "RET: behind the call", 2, .returned
  check_hit "a branch not taken: behind it", 4, .fell

  ; ---- Repeated string instructions: after every iteration ----
  mov esi, FRAMES
  mov edi, FRAMES + 0x100
  mov ecx, 3
  cld
  trace
.movs:
  rep movsb
.behind_movs:
  end_trace
  check_hits "REP MOVSB of 3", 3
  check_hit "REP: at the instruction while there is more", 0, .movs
  check_hit_count "REP: with the rest of the count", 0, 2
  check_hit "REP: again", 1, .movs
  check_hit "REP: behind it in the end", 2, .behind_movs
  check_hit_count "REP: the count is 0", 2, 0
  xor ecx, ecx
  trace
  rep movsb
.behind_none:
  end_trace
  check_hits "REP MOVSB of 0", 1
  check_hit "REP of 0: behind it", 0, .behind_none
  mov edi, FRAMES
  mov byte [rdi], 1
  mov byte [rdi + 1], 2
  mov byte [rdi + 2], 2
  mov ecx, 10
  mov al, 2
  trace
  repne scasb
  end_trace
  check_hits "REPNE SCASB that finds the second", 2
  mov edi, FRAMES
  mov ecx, 4
  xor eax, eax
  trace
.stos:
  rep stosq
  end_trace
  check_hits "REP STOSQ of 4", 4
  check_hit "REP STOSQ: at the instruction", 2, .stos
  mov ecx, 3
  trace
.loop:
  loop .loop
  end_trace
  check_hits "LOOP", 3

  ; ---- What the monitor has a hand in ----
  mov r8d, 0xfee00000
  trace
  cpuid
  rdtsc
  in al, 0x80
  out 0x80, al
.after_out:
  mov ecx, MSR_EFER
  rdmsr
  wrmsr
  mov rax, cr3
  mov cr3, rax
  mov eax, [r8 + 0x30]                  ; local APIC: version
  mov [r8 + 0x80], edx                  ; task priority
.after_device:
  push rax
  pop rax
.after_pop:
  end_trace
  check_hits "instructions of the monitor", 13
  check_hit "OUT", 3, .after_out
  check_hit "a device", 10, .after_device
  check_hit "and behind it", 12, .after_pop
  mov dword [r8 + 0x80], 0
  trace
  mov byte [.changed + 1], 0xc9         ; XOR ECX, ECX
.changed:
  xor eax, eax
.after_changed:
  end_trace
  check_hits "writing over the next instruction", 2
  check_hit "which is one step", 1, .after_changed

  ; ---- Interrupts and exceptions ----
  set_gate 0x30, .empty
  trace
  int 0x30
.after_int:
  nop
.after_nop:
  end_trace
  check_hits "INT n: TF is clear in the handler, whose IRET gives it back", 1
  check_hit "the first step is after the instruction behind INT n", 0, .after_nop
  default_gate 0x30
  set_gate X_UD, .skip_ud2
  trace
  nop
.ud2:
  ud2
.after_ud2:
  nop
.after_nop2:
  end_trace
  check_hits "a fault is no step", 2
  check_hit "before it", 0, .ud2
  check_hit "after the instruction behind it", 1, .after_nop2
  default_gate X_UD
  set_gate X_BP, .empty
  trace
  int3
  nop
.after_int3:
  end_trace
  check_hits "INT3 is no step", 1
  check_hit "the instruction behind it is", 0, .after_int3
  default_gate X_BP
  not_on_qemu                           ; has no INT1
  clear_log
  db 0xf1
.after_int1:
  check_eq "INT1 raises #DB", [hits], 1
  check_hit "INT1: behind it", 0, .after_int1
  check_why "INT1 sets no bit of DR6", 0, 0
  end_needs
  ; POPF that sets TF twice, and IRET.
  trace
  push FLAG_TF | FLAG_FIXED
.popf:
  popfq
.behind_popf:
  nop
  end_trace
  check_hits "POPF with TF from TF", 3
  check_hit "traps after itself", 1, .behind_popf
  clear_log
  mov rbx, rsp
  push DATA
  push rbx
  push FLAG_TF | FLAG_FIXED
  push CODE64
  push .iret_target
  iretq
.iret_target:
  nop
.after_target:
  end_trace
  check_hits "IRET that sets TF", 1
  check_hit "traps after the instruction it returns to", 0, .after_target

  ; ---- Loading SS holds the trap back for one instruction ----
  mov eax, DATA
  trace
  mov ss, eax
.behind_ss:
  nop
.behind_that:
  nop
.last:
  end_trace
  check_hits "MOV SS and two more", 2
  check_hit "the first step is after the instruction behind MOV SS", 0, .behind_that
  check_hit "then as always", 1, .last

  ; ---- Programs ----
  clear_log
  try
  user FLAG_TF | FLAG_FIXED
.user_first:
  nop
.user_second:
  nop
.user_back:
  back
  ok "a program is stepped"
  check_hit "after its first instruction", 0, USER + .user_second
  check_hit "after its second", 1, USER + .user_back
  check_eq "and not after INT n", [hits], 2
  mov eax, [caught_flags]
  and eax, FLAG_TF
  check_eq "INT n saves TF", rax, FLAG_TF
  jmp finish64

.empty:
  iretq
.skip_ud2:
  add qword [rsp], 2
  iretq

%include "end.inc"
