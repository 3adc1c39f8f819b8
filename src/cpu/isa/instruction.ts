/**
 * What an instruction definition is, and the language of its `forms`.
 *
 * A form is one line of the manual's opcode tables (SDM Vol. 2, "Opcode" and "Instruction" columns, operand codes of
 * Appendix A.2), its parts separated by blanks:
 *
 *     [prefix] [vex] [W0|W1] bytes [/r|/0-/7] [operands] [attributes]
 *
 *     '00 /r Eb,Gb lock'          '81 /0 Ev,Iz lock'         'C8 Iw,Ib'            '50+r Zv d64'
 *     'NP 0F 58 /r Vps,Wps'       'F3 0F B8 /r Gv,Ev'        '66 0F 38 17 /r Vx,Wx'
 *     '0F 01 D0'                  'D8 C0+r ST0,STi'          'VEX.L0.F2.0F38.W0 F6 /r Gy,By,Ey'
 *
 * prefix    NP (none of 66, F3, F2), NFx (neither F3 nor F2), 66, F3 or F2: a mandatory prefix. Forms without one treat
 *           66 as operand size and F2/F3 as repeat (or ignored). A form with a mandatory prefix wins over one without.
 *           With NFx, F2 or F3 as the mandatory prefix a 66 still sets the operand size.
 * vex       VEX.<L0|L1|LIG>.<NP|66|F3|F2>.<0F|0F38|0F3A>.<W0|W1|WIG>: then `bytes` is the one opcode byte.
 * W0, W1    REX.W must be clear or set (without one: free).
 * bytes     opcode in hexadecimal; `+r` on the last: register in its low three bits. A byte after a ModRM opcode such
 *           as `D0` in '0F 01 D0' is a ModRM byte given whole; it wins over /digit forms with a register operand.
 * /r, /n    a ModRM byte, with a register or an opcode extension in its reg field.
 * operands  a letter for where and a size (below), or a fixed one: AL CL AX DX EAX RAX rAX (v-sized accumulator)
 *           zAX (16/32-bit accumulator) ES CS SS DS FS GS ST0 STi 1
 *
 *   where   E  r/m, general register or memory      G  reg, general register      Z  +r, general register
 *           M  r/m, memory only                     R  r/m, general register only B  VEX.vvvv, general register
 *           V  reg, XMM          W  r/m, XMM or memory        U  r/m, XMM only      H  VEX.vvvv, XMM
 *           P  reg, MMX          Q  r/m, MMX or memory        N  r/m, MMX only
 *           S  reg, segment      C  reg, control    D  reg, debug
 *           I  immediate         J  relative target  A  far pointer immediate   O  memory offset (moffs)
 *   size    b 8   w 16   d 32   q 64   v operand size   z 32 for operand size 64, else v   y 32 or 64 (never 16)
 *           x, dq, ps, pd 128   ss 32   sd 64   t 80-bit memory (piecewise)   none: memory reached piecewise
 *           Ibs: byte immediate sign-extended to the operand size. Iz with operand size 64 is 32 bits sign-extended.
 *           `read` of an immediate has type v for Ibs and Iz, else its own size. J: Jb, Jz.
 *           An XMM register read as Vss/Wss/Vsd/Wq... gives its low bits; written so, it keeps its upper bits.
 *
 * attributes
 *   lock      LOCK is allowed when the first operand is memory (else LOCK is #UD)
 *   rep       F2/F3 are repeat prefixes here        i64  invalid in 64-bit mode       o64  64-bit mode only
 *   d64       operand size is 64 by default in 64-bit mode (66 gives 16, 32 cannot be had)
 *   f64       operand size is always 64 in 64-bit mode (66 is ignored)
 *   cpl0      #GP(0) unless CPL is 0                prot  #UD in real and virtual-8086 mode
 *   unaligned 128-bit memory operands need no alignment (default for legacy SSE: #GP(0) when not on 16 bytes)
 *   ends      ends a block: anything that branches, or changes what later instructions mean or when interrupts are
 *             taken, or talks to the monitor (I/O, RDTSC, CPUID, MSRs). Definitions that jump must say it.
 */

import type { Algebra, Operand, Value } from '../algebra.ts';
import type { Feature } from '../feature-bits.ts';

export type { Feature };

/** One case of an instruction: where `holds` is true, `run` does what `semantics` does. */
export interface Case {
  readonly holds: Value;
  run(): void;
}

export interface Instruction {
  /** Mnemonic as in the manual; one definition may serve a family, e.g. 'Jcc' with one form per condition. */
  readonly name: string;
  /** Where the manual describes it: 'Vol. 2A "ADD - Add"'. */
  readonly sdm: string;
  /** What CPUID must show, else the instruction is #UD; 'base' if there is none. */
  readonly feature?: Feature;
  readonly forms: readonly string[];
  semantics(m: Algebra, ...operands: Operand[]): void;
  /**
   * Of an instruction that `ends` blocks: the case without any of what made it end them, which regions go on behind. All
   * it does before `run` is without effect.
   */
  usual?(m: Algebra, ...operands: Operand[]): Case;
}

export function defineInstruction(instruction: Instruction): Instruction {
  return instruction;
}
