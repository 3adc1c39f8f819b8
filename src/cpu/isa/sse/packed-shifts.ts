/** Shifts of packed integers by a register, memory or immediate count, and of whole XMM registers by bytes. */

import type { Algebra, Value } from '../../algebra.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { requireMmx, writeMmx } from '../mmx-state.ts';
import { requireSse } from './available.ts';
import { immediate, low, splat, zero } from './lanes.ts';
import { atMost, shiftBytesLeft, shiftBytesRight } from './shuffles.ts';

type Shift = (m: Algebra, vector: Value, count: Value) => Value;

/** Counts from the width of a lane on give 0. */
function logical(width: number, direction: 'shl' | 'shr_u'): Shift {
  return (m, vector, count) => {
    const shifted = m.op(`i${width}x${128 / width}.${direction}`, [vector, m.trunc(count, 32)]);
    return m.select(m.ltU(count, m.const(count.type, width)), shifted, zero(m));
  };
}

/** Counts from the width of a lane on leave copies of the sign. */
function arithmetic(width: number): Shift {
  return (m, vector, count) =>
    m.op(`i${width}x${128 / width}.shr_s`, [vector, m.trunc(atMost(m, count, width - 1), 32)]);
}

interface Row {
  readonly name: string;
  readonly byVector: string;
  /** Opcode and digit. */
  readonly byImmediate: string;
  readonly shift: Shift;
}

function shifts(sdm: string, rows: readonly Row[]): Instruction[] {
  return rows.flatMap(({ name, byVector, byImmediate, shift }) => [
    defineInstruction({
      name,
      sdm,
      feature: 'sse2',
      forms: [`66 ${byVector} /r Vdq,Wdq`, `66 ${byImmediate} Udq,Ib`],
      semantics(m, dst, src) {
        requireSse(m);
        const count = src.kind === 'immediate' ? immediate(m, m.read(src)) : low(m, m.read(src));
        m.setXmm(dst, shift(m, m.getXmm(dst), count));
      },
    }),
    defineInstruction({
      name,
      sdm,
      feature: 'mmx',
      forms: [`NP ${byVector} /r Pq,Qq`, `NP ${byImmediate} Nq,Ib`],
      semantics(m, dst, src) {
        requireMmx(m);
        const count = src.kind === 'immediate' ? immediate(m, m.read(src)) : m.read(src);
        writeMmx(m, dst, low(m, shift(m, splat(m, 64, m.read(dst)), count)));
      },
    }),
  ]);
}

function wholeRegister(name: string, sdm: string, form: string, shift: Shift): Instruction {
  return defineInstruction({
    name,
    sdm,
    feature: 'sse2',
    forms: [form],
    semantics(m, dst, imm) {
      requireSse(m);
      m.setXmm(dst, shift(m, m.getXmm(dst), atMost(m, immediate(m, m.read(imm)), 16)));
    },
  });
}

export const packedShifts: readonly Instruction[] = [
  ...shifts('Vol. 2B "PSLLW/PSLLD/PSLLQ - Shift Packed Data Left Logical"', [
    { name: 'PSLLW', byVector: '0F F1', byImmediate: '0F 71 /6', shift: logical(16, 'shl') },
    { name: 'PSLLD', byVector: '0F F2', byImmediate: '0F 72 /6', shift: logical(32, 'shl') },
    { name: 'PSLLQ', byVector: '0F F3', byImmediate: '0F 73 /6', shift: logical(64, 'shl') },
  ]),
  ...shifts('Vol. 2B "PSRLW/PSRLD/PSRLQ - Shift Packed Data Right Logical"', [
    { name: 'PSRLW', byVector: '0F D1', byImmediate: '0F 71 /2', shift: logical(16, 'shr_u') },
    { name: 'PSRLD', byVector: '0F D2', byImmediate: '0F 72 /2', shift: logical(32, 'shr_u') },
    { name: 'PSRLQ', byVector: '0F D3', byImmediate: '0F 73 /2', shift: logical(64, 'shr_u') },
  ]),
  ...shifts('Vol. 2B "PSRAW/PSRAD/PSRAQ - Shift Packed Data Right Arithmetic"', [
    { name: 'PSRAW', byVector: '0F E1', byImmediate: '0F 71 /4', shift: arithmetic(16) },
    { name: 'PSRAD', byVector: '0F E2', byImmediate: '0F 72 /4', shift: arithmetic(32) },
  ]),
  wholeRegister(
    'PSLLDQ',
    'Vol. 2B "PSLLDQ - Shift Double Quadword Left Logical"',
    '66 0F 73 /7 Udq,Ib',
    shiftBytesLeft,
  ),
  wholeRegister(
    'PSRLDQ',
    'Vol. 2B "PSRLDQ - Shift Double Quadword Right Logical"',
    '66 0F 73 /3 Udq,Ib',
    shiftBytesRight,
  ),
];
