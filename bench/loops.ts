/**
 * The loops that are timed between two marks: what a processor does most, one kind at a time.
 *
 * Built so that they are not a peer's bad luck: pages that are used together differ in the low byte of their number,
 * for TLBs that are indexed by it, and the scattered accesses come with a reload of CR3 now and then, as in any system,
 * because QEMU chooses the size of its TLB when that is flushed.
 */

import { FINISH, kernelImage } from './kernel.ts';
import { imm32 } from './listing.ts';

export interface Loop {
  readonly name: string;
  readonly title: string;
  /** What one round of the loop counts as: so many of `unit`. */
  readonly perRound: number;
  readonly unit: 'instructions' | 'events' | 'bytes';
  /** To begin with. */
  readonly rounds: number;
  image(rounds: number): Uint8Array;
}

export const LOOPS: readonly Loop[] = [
  {
    name: 'register',
    title: 'register-only loop, 64-bit',
    perRound: 16,
    unit: 'instructions',
    rounds: 10_000_000,
    image: (rounds) =>
      kernelImage(`
  b9 ${imm32(rounds)}   ; mov ecx, rounds
  48 01 d8              ; add rax, rbx
  48 31 c2              ; xor rdx, rax
  48 8d 74 90 07        ; lea rsi, [rax+rdx*4+7]
  48 c1 c3 0d           ; rol rbx, 13
  29 f7                 ; sub edi, esi
  49 89 f8              ; mov r8, rdi
  41 81 e0 0f 0f 0f 0f  ; and r8d, 0x0f0f0f0f
  4c 09 c5              ; or rbp, r8
  4c 0f af ce           ; imul r9, rsi
  48 c1 ed 03           ; shr rbp, 3
  49 f7 d9              ; neg r9
  49 39 e9              ; cmp r9, rbp
  48 83 d3 05           ; adc rbx, 5
  44 0f b6 d3           ; movzx r10d, bl
  ff c9                 ; dec ecx
  75 c8                 ; jnz -56
`),
  },
  {
    name: 'sequential',
    title: 'loads and stores, 64 KiB in order',
    perRound: 6 * 8192 + 3,
    unit: 'instructions',
    rounds: 2000,
    image: (rounds) =>
      kernelImage(`
  b9 ${imm32(rounds)}   ; mov ecx, rounds
  be 00 00 40 00        ; mov esi, 0x400000
  31 d2                 ; xor edx, edx
  48 8b 04 d6           ; mov rax, [rsi+rdx*8]
  48 01 c3              ; add rbx, rax
  48 89 9c d6 00 00 01 00 ; mov [rsi+rdx*8+0x10000], rbx
  ff c2                 ; inc edx
  81 fa 00 20 00 00     ; cmp edx, 8192
  75 e7                 ; jne -25
  ff c9                 ; dec ecx
  75 e1                 ; jnz -31
`),
  },
  {
    name: 'scattered',
    title: 'loads and stores, all over 16 MiB',
    perRound: 10,
    unit: 'instructions',
    rounds: 1_000_000,
    image: (rounds) =>
      kernelImage(`
  b9 ${imm32(rounds)}   ; mov ecx, rounds
  be 00 00 40 00        ; mov esi, 0x400000
  69 c0 0d 66 19 00     ; imul eax, eax, 1664525
  05 5f f3 6e 3c        ; add eax, 1013904223
  89 c2                 ; mov edx, eax
  c1 ea 0b              ; shr edx, 11
  48 03 1c d6           ; add rbx, [rsi+rdx*8]
  48 89 1c d6           ; mov [rsi+rdx*8], rbx
  f7 c1 ff ff 00 00     ; test ecx, 65535
  75 06                 ; jnz +6
  0f 20 da              ; mov rdx, cr3
  0f 22 da              ; mov cr3, rdx
  ff c9                 ; dec ecx
  75 d6                 ; jnz -42
`),
  },
  {
    name: 'calls',
    title: 'calls, returns, push and pop',
    perRound: 9,
    unit: 'instructions',
    rounds: 5_000_000,
    image: (rounds) =>
      kernelImage(`
  b9 ${imm32(rounds)}   ; mov ecx, rounds
  e8 06 00 00 00        ; call f
  ff c9                 ; dec ecx
  75 f7                 ; jnz -9
  eb 0e                 ; jmp over
  53                    ; f: push rbx
  e8 02 00 00 00        ; call g
  5b                    ; pop rbx
  c3                    ; ret
  48 8d 44 18 01        ; g: lea rax, [rax+rbx+1]
  c3                    ; ret
`),
  },
  {
    name: 'double',
    title: 'SSE2 arithmetic on doubles',
    perRound: 6,
    unit: 'instructions',
    rounds: 5_000_000,
    image: (rounds) =>
      kernelImage(`
  b9 ${imm32(rounds)}   ; mov ecx, rounds
  b8 03 00 00 00        ; mov eax, 3
  f2 0f 2a c8           ; cvtsi2sd xmm1, eax
  66 0f 28 d1           ; movapd xmm2, xmm1
  f2 0f 51 d2           ; sqrtsd xmm2, xmm2
  66 0f 28 d9           ; movapd xmm3, xmm1
  f2 0f 5e da           ; divsd xmm3, xmm2
  f2 0f 59 cb           ; mulsd xmm1, xmm3
  f2 0f 58 ca           ; addsd xmm1, xmm2
  f2 0f 5c cb           ; subsd xmm1, xmm3
  f2 0f 5e ca           ; divsd xmm1, xmm2
  ff c9                 ; dec ecx
  75 ec                 ; jnz -20
`),
  },
  {
    name: 'copy',
    title: 'REP MOVSB, 4 KiB at a time',
    perRound: 4096,
    unit: 'bytes',
    rounds: 2_000,
    image: (rounds) =>
      kernelImage(`
  ba ${imm32(rounds)}   ; mov edx, rounds
  be 00 00 40 00        ; mov esi, 0x400000
  bf 00 90 50 00        ; mov edi, 0x509000
  b9 00 10 00 00        ; mov ecx, 4096
  f3 a4                 ; rep movsb
  ff ca                 ; dec edx
  75 eb                 ; jnz -21
`),
  },
  {
    name: 'syscall',
    title: 'SYSCALL and SYSRET, there and back',
    perRound: 1,
    unit: 'events',
    rounds: 1_000_000,
    image: (rounds) =>
      kernelImage(
        `
  bb ${imm32(rounds)}   ; mov ebx, rounds
  48 8d 0d 09 00 00 00  ; lea rcx, [rip+9]
  41 bb 02 00 00 00     ; mov r11d, 2
  48 0f 07              ; sysretq
  0f 05                 ; syscall                in user mode
  eb fc                 ; jmp -4
`,
        `
  ff cb                 ; dec ebx
  74 03                 ; jz +3
  48 0f 07              ; sysretq
${FINISH}`,
      ),
  },
  {
    name: 'fault',
    title: 'page fault, page table entry, IRETQ, INVLPG',
    perRound: 1,
    unit: 'events',
    rounds: 500_000,
    image: (rounds) =>
      kernelImage(
        `
  b9 ${imm32(rounds)}   ; mov ecx, rounds
  be 00 00 2a 00        ; mov esi, 0x2a0000
  bf 00 45 10 00        ; mov edi, 0x104500      its page table entry
  8b 06                 ; mov eax, [rsi]
  c7 07 00 00 00 00     ; mov dword [rdi], 0
  0f 01 3e              ; invlpg [rsi]
  ff c9                 ; dec ecx
  75 f1                 ; jnz -15
`,
        `
  c7 07 07 00 40 00     ; mov dword [rdi], 0x400007
  48 83 c4 08           ; add rsp, 8
  48 cf                 ; iretq
`,
      ),
  },
  {
    name: 'port',
    title: 'IN from the serial port, an exit each',
    perRound: 1,
    unit: 'events',
    rounds: 1_000_000,
    image: (rounds) =>
      kernelImage(`
  b9 ${imm32(rounds)}   ; mov ecx, rounds
  66 ba fd 03           ; mov dx, 0x3fd
  ec                    ; in al, dx
  ff c9                 ; dec ecx
  75 fb                 ; jnz -5
`),
  },
];
