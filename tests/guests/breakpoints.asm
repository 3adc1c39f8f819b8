; Debug registers: SDM Vol. 3B §18.2 "Debug Registers", §18.3 "Debug Exceptions".

%define GUEST "breakpoints"
%include "guest.inc"
%include "debug-log.inc"

section .text
code32
main:
  call enter_long
code64
  init_debug
  mov dword [window_table], FRAMES + P + W
  mov dword [window_table + 8], 0

  ; ---- The registers ----
  mov rax, 0x123456789abcdef0
  mov dr0, rax
  mov rcx, dr0
  check_eq "DR0 has 64 bits", rcx, rax
  mov rax, dr6
  mov ecx, 0xffff0ff0
  check_eq "DR6: its fixed bits", rax, rcx
  mov rax, dr7
  check_eq "DR7: bit 10 is fixed", rax, 0x400
  mov eax, 0xffffffff
  mov dr6, rax
  mov rcx, dr6
  mov edx, 0xffffefff
  qemu_differs "has other bits"
  check_eq "DR6: bit 12 is fixed at 0", rcx, rdx
  mov rax, 1 << 32
  raises "#GP: DR6 above bit 31", X_GP, 0, mov dr6, rax
  raises "#GP: DR7 above bit 31", X_GP, 0, mov dr7, rax
  xor eax, eax
  mov dr6, rax
  set_cr4 0, CR4_DE
  mov eax, 0x400 | 3 << 8
  mov dr5, rax
  mov rcx, dr7
  check_eq "DR5 is DR7 without CR4.DE", rcx, rax
  mov rcx, dr4
  mov rax, dr6
  check_eq "DR4 is DR6 without CR4.DE", rcx, rax
  no_breakpoints
  set_cr4 CR4_DE, 0
  raises "#UD: DR4 with CR4.DE", X_UD, NO_CODE, mov rcx, dr4
  raises "#UD: DR5 with CR4.DE", X_UD, NO_CODE, mov dr5, rcx
  set_cr4 0, CR4_DE

  ; ---- Instructions ----
  breakpoint 0, .here, EXECUTE, 1
  nop
.here:
  mov eax, 7
  check_eq "execution: the instruction runs then", rax, 7
  check_eq "execution: once", [hits], 1
  check_hit "execution: before the instruction", 0, .here
  check_why "execution: DR6.B0", 0, B0
  qemu_differs "says so"
  check_hit_flags "execution: RF is clear in the flags saved", 0, FLAG_RF | FLAG_TF, 0
  ; RF lasts for one instruction.
  breakpoint 1, .loop, EXECUTE, 1
  mov ecx, 3
.loop:
  dec ecx
  jnz .loop
  check_eq "execution: on every turn of a loop", [hits], 3
  check_why "execution: DR6.B1", 0, B1
  check_hit_count "execution: RCX at the second", 1, 2
  breakpoint 2, .inside + 1, EXECUTE, 1
.inside:
  mov eax, 0x90909090
  check_eq "execution: the first byte counts", [hits], 0
  mov rax, .both
  mov dr3, rax
  mov dr0, rax
  mov eax, dr7_of(0, EXECUTE, 1) | dr7_of(3, EXECUTE, 1)
  mov dr7, rax
  clear_log
.both:
  nop
  check_eq "execution: two at one address", [hits], 1
  check_why "execution: DR6.B0 and B3", 0, B0 | B3
  mov rax, .global
  mov dr0, rax
  mov eax, 2                            ; G0
  mov dr7, rax
  clear_log
.global:
  nop
  check_eq "execution: global enable", [hits], 1
  no_breakpoints
  clear_log
  call .function
  check_eq "execution: none enabled", [hits], 0
  ; Before the instruction's own fault.
  breakpoint 0, .ud2, EXECUTE, 1
  try
.ud2:
  ud2
  caught "a breakpoint at UD2", X_UD
  check_eq "comes first", [hits], 1
  check_hit "at it", 0, .ud2
  breakpoint 0, WINDOW + PAGE + 0x10, EXECUTE, 1
  mov ebx, WINDOW + PAGE + 0x10
  try
  call rbx
  caught "a breakpoint in an absent page", X_PF, E_I
  qemu_differs "has #PF only"
  check_eq "comes first too", [hits], 1
  ; Code that has run before without.
  call .function
  breakpoint 0, .function, EXECUTE, 1
  call .function
  call .function
  check_eq "execution: code that ran before", [hits], 2
  no_breakpoints
  call .function
  check_eq "execution: and no more", [hits], 2
  breakpoint 0, .rep, EXECUTE, 1
  mov esi, FRAMES
  mov edi, FRAMES + 0x100
  mov ecx, 3
  cld
.rep:
  rep movsb
  qemu_differs "forgets RF with the iterations"
  check_eq "execution: REP MOVSB", [hits], 1
  check_hit_count "execution: before its first iteration", 0, 3
  ; An IRET that sets RF.
  mov dword [resume], 0
  breakpoint 0, .resumed, EXECUTE, 1
  mov rbx, rsp
  push DATA
  push rbx
  push FLAG_RF | FLAG_FIXED
  push CODE64
  push .resumed
  iretq
.resumed:
  nop
  check_eq "execution: RF from IRET", [hits], 0
  pushfq
  pop rax
  and eax, FLAG_RF
  check_eq "PUSHF shows RF clear", rax, 0
  mov dword [resume], FLAG_RF
  ; MOV SS holds it back (Vol. 3A §6.8.3).
  breakpoint 0, .behind_ss, EXECUTE, 1
  mov eax, DATA
  mov ss, eax
.behind_ss:
  nop
  qemu_differs "does not"
  check_eq "execution: behind MOV SS", [hits], 0
  no_breakpoints

  ; ---- Data ----
%macro watched 3+                       ; name, hits, instruction
  clear_log
  %3
%%behind:
  check_eq %1, [hits], %2
  %if %2 = 1
    %strcat %%where %1, ": behind the instruction"
    check_hit %%where, 0, %%behind
  %endif
%endmacro
  mov ebx, FRAMES + 0x40
  mov eax, 0x55
  breakpoint 0, FRAMES + 0x40, WRITES, 4
  mov eax, 0x55
  watched "write", 1, {mov [rbx], eax}
  check_eq "write: is done", [FRAMES + 0x40], rax
  check_why "write: DR6", 0, B0
  watched "read of a write breakpoint", 0, {mov ecx, [rbx]}
  watched "write of its last byte", 1, {mov [rbx + 3], al}
  watched "write behind it", 0, {mov [rbx + 4], al}
  watched "write before it", 0, {mov [rbx - 1], al}
  watched "write that ends in it", 1, {mov [rbx - 3], eax}
  watched "write of 8 bytes over it", 1, {mov [rbx - 4], rax}
  watched "16 bytes over it", 1, {movups [rbx - 8], xmm0}
  watched "x87 store", 1, {fist dword [rbx]}
  watched "read-modify-write", 1, {inc dword [rbx]}
  watched "locked", 1, {lock xadd [rbx], ecx}
  watched "compare", 0, {cmp dword [rbx], 0}
  watched "through another mapping", 0, {mov [WINDOW + 0x40], eax}
  breakpoint 1, WINDOW + 0x40, WRITES, 4
  watched "the linear address counts", 1, {mov [WINDOW + 0x40], eax}
  check_why "DR6.B1", 0, B1
  breakpoint 2, FRAMES + 0x40, ACCESSES, 1
  watched "read of an access breakpoint", 1, {mov cl, [rbx]}
  check_why "DR6.B2", 0, B2
  watched "write of an access breakpoint", 1, {mov [rbx], cl}
  watched "its neighbour", 0, {mov cl, [rbx + 1]}
  watched "a compare with it", 1, {cmp byte [rbx], 0}
  watched "PUSH of it", 1, {push qword [rbx]}
  pop rcx
  watched "a prefetch of it", 0, {prefetcht0 [rbx]}
  watched "LEA of it", 0, {lea rcx, [rbx]}
  breakpoint 3, FRAMES + 0x40, ACCESSES, 2
  watched "two bytes: the second", 1, {mov cl, [rbx + 1]}
  check_why "DR6.B3", 0, B3
  watched "two bytes: the third", 0, {mov cl, [rbx + 2]}
  breakpoint 0, FRAMES + 0x40, ACCESSES, 8
  watched "eight bytes: the last", 1, {mov cl, [rbx + 7]}
  watched "eight bytes: behind", 0, {mov cl, [rbx + 8]}
  breakpoint 0, FRAMES + 0x43, ACCESSES, 4
  qemu_differs "does not cut them", 2
  watched "the low bits of the address do not count", 1, {mov cl, [rbx]}
  qemu_differs "does not cut them"
  watched "upwards either", 0, {mov cl, [rbx + 4]}
  no_breakpoints
  watched "none enabled", 0, {mov cl, [rbx]}
  mov eax, FRAMES + 0x40
  mov dr0, rax
  mov eax, FRAMES + 0x44
  mov dr1, rax
  mov eax, dr7_of(0, WRITES, 4) | dr7_of(1, WRITES, 4)
  mov dr7, rax
  watched "a write over two", 1, {mov [rbx], rax}
  qemu_differs "has one"
  check_why "DR6.B0 and B1", 0, B0 | B1
  lea rax, [rsp - 8]
  mov dr0, rax
  mov eax, dr7_of(0, WRITES, 8)
  mov dr7, rax
  clear_log
  call .function
  mov rcx, rsp
  check_eq "CALL writes the stack", [hits], 1
  check_hit "CALL: traps in the function", 0, .function
  clear_log
  push rax
.behind_push:
  pop rax
  check_hit "PUSH", 0, .behind_push
  no_breakpoints
  ; Repeated strings: after the iteration.
  breakpoint 0, FRAMES + 0x102, WRITES, 1
  mov esi, FRAMES
  mov edi, FRAMES + 0x100
  mov ecx, 5
  clear_log
.movs:
  rep movsb
.behind_movs:
  check_eq "REP MOVSB", [hits], 1
  check_hit "REP MOVSB: in the middle", 0, .movs
  check_hit_count "REP MOVSB: after the iteration", 0, 2
  check_eq "REP MOVSB: goes on then", rcx, 0
  mov edi, FRAMES + 0x100
  mov ecx, 3
  clear_log
  rep stosb
.behind_stos:
  check_eq "REP STOSB", [hits], 1
  qemu_differs "says where it was"
  check_hit "REP STOSB: in the last iteration", 0, .behind_stos
  ; No trap for what did not happen.
  breakpoint 0, WINDOW + PAGE - 4, WRITES, 4
  try
  mov dword [WINDOW + PAGE - 2], 0
  caught "a write over it into an absent page", X_PF, E_W
  check_eq "does not trap", [hits], 0
  ; Single step and data together.
  breakpoint 0, FRAMES + 0x40, WRITES, 4
  push FLAG_TF | FLAG_FIXED
  popfq
  mov [rbx], eax
.behind_both:
  push FLAG_FIXED
  popfq
  qemu_differs "forgets the step"
  check_hit "a step that writes", 0, .behind_both
  check_why "is one exception with both bits", 0, B0 | BS
  ; MOV SS holds it back.
  mov dword [rbx], DATA
  breakpoint 0, FRAMES + 0x40, ACCESSES, 4
  clear_log
  mov ss, [rbx]
  nop
.behind_nop:
  qemu_differs "does not"
  check_hit "MOV SS from it: after the next instruction", 0, .behind_nop
  ; Programs, and the supervisor on the way in: both are watched.
  breakpoint 0, USER + FRAMES + 0x40, WRITES, 4
  try
  user
  mov [USER + FRAMES + 0x40], eax
  nop
.user_back:
  back
  ok "a program with a data breakpoint"
  check_eq "traps", [hits], 1
  no_breakpoints

  ; ---- Ports (CR4.DE) ----
  set_cr4 CR4_DE, 0
  breakpoint 0, 0x80, PORTS, 1
  clear_log
  out 0x80, al
.behind_out:
  check_eq "OUT to a port", [hits], 1
  check_hit "OUT: behind it", 0, .behind_out
  check_why "OUT: DR6", 0, B0
  clear_log
  in al, 0x80
  check_eq "IN from it", [hits], 1
  clear_log
  in al, 0x81
  check_eq "another port", [hits], 0
  mov al, [0x80]
  check_eq "memory of that address", [hits], 0
  mov edx, 0x7d
  clear_log
  out dx, eax
  check_eq "OUT to four ports, the last of them watched", [hits], 1
  clear_log
  out dx, ax
  check_eq "OUT to two ports before it", [hits], 0
  ; Four ports: the low bits of the address do not count.
  breakpoint 0, 0x82, PORTS, 4
  in al, 0x83
  check_eq "IN from the last of four ports", [hits], 1
  clear_log
  in al, 0x84
  qemu_differs "watches it, too"
  check_eq "IN from behind them", [hits], 0
  mov edx, 0x80
  mov esi, FRAMES
  mov ecx, 2
  clear_log
.outs:
  rep outsb
.behind_outs:
  qemu_differs "does not", 4
  check_eq "REP OUTSB: after each iteration", [hits], 2
  check_hit "REP OUTSB: in the middle", 0, .outs
  check_hit_count "REP OUTSB: with the rest of the count", 0, 1
  check_hit "REP OUTSB: and behind it", 1, .behind_outs
  breakpoint 0, 0x80, PORTS, 1
  set_cr4 0, CR4_DE
  clear_log
  out 0x80, al
  qemu_differs "does nevertheless"
  check_eq "no port without CR4.DE", [hits], 0
  no_breakpoints

  ; ---- DR7.GD ----
  mov eax, 1 << 13
  mov dr7, rax
  clear_log
.access:
  mov rcx, dr0
  qemu_differs "has no GD"
  check_eq "DR7.GD: reading a debug register", [hits], 1
  qemu_differs "has no GD"
  check_hit "DR7.GD: before it", 0, .access
  qemu_differs "has no GD"
  check_why "DR7.GD: DR6.BD", 0, BD
  mov rax, dr7
  and eax, 1 << 13
  qemu_differs "has no GD"
  check_eq "DR7.GD: is clear then", rax, 0
  mov eax, 1 << 13
  mov dr7, rax
  clear_log
.access2:
  mov dr7, rcx
  qemu_differs "has no GD"
  check_hit "DR7.GD: writing", 0, .access2
  no_breakpoints

  ; DR6's bits stay until they are cleared.
  set_gate X_DB, .keep
  mov eax, 1 << 14
  mov dr6, rax
  mov eax, FRAMES + 0x40
  mov dr0, rax
  mov eax, dr7_of(0, WRITES, 4)
  mov dr7, rax
  mov [rbx], eax
  mov rax, dr6
  and eax, 0xe00f
  qemu_differs "clears it"
  check_eq "DR6 keeps its bits", rax, BS | B0
  no_breakpoints
  jmp finish64

.function:
  ret
.keep:
  iretq

%include "end.inc"
