/** Interleaving and narrowing of packed integers, for MMX and XMM registers. */

import type { Algebra, Value } from '../../algebra.ts';
import type { Instruction } from '../instruction.ts';
import { high, low, shuffle, zero } from './lanes.ts';
import { type Compute, joined, mmxBinary, operation, packed, xmmBinary } from './packed.ts';

const LOW_SDM = 'Vol. 2B "PUNPCKLBW/PUNPCKLWD/PUNPCKLDQ/PUNPCKLQDQ - Unpack Low Data"';
const HIGH_SDM = 'Vol. 2B "PUNPCKHBW/PUNPCKHWD/PUNPCKHDQ/PUNPCKHQDQ - Unpack High Data"';

type Lane = 8 | 16 | 32 | 64;

/** a0 b0 a1 b1 ... of the low halves, or the same of the high ones. */
function interleave(width: Lane, half: 'low' | 'high'): Compute {
  const count = 64 / width;
  const first = half === 'low' ? 0 : count;
  const picks = Array.from({ length: count }, (_, i) => [first + i, first + i + 2 * count]).flat();
  return (m, a, b) => shuffle(m, width, a, b, picks);
}

/** MMX operands, interleaved whole, have the result for either half of a register in either half of the vector. */
function interleaveMmx(width: Lane, half: (m: Algebra, vector: Value) => Value): Compute {
  const whole = interleave(width, 'low');
  return (m, a, b) => half(m, whole(m, m.zext(a, 128), m.zext(b, 128)));
}

const WIDTHS: readonly [letters: string, low: string, high: string, width: Lane][] = [
  ['BW', '0F 60', '0F 68', 8],
  ['WD', '0F 61', '0F 69', 16],
  ['DQ', '0F 62', '0F 6A', 32],
];

const unpacks = WIDTHS.flatMap(([letters, lowOpcode, highOpcode, width]) => [
  xmmBinary(`PUNPCKL${letters}`, LOW_SDM, 'sse2', `66 ${lowOpcode} /r Vdq,Wdq`, interleave(width, 'low')),
  xmmBinary(`PUNPCKH${letters}`, HIGH_SDM, 'sse2', `66 ${highOpcode} /r Vdq,Wdq`, interleave(width, 'high')),
  mmxBinary(`PUNPCKL${letters}`, LOW_SDM, 'mmx', `NP ${lowOpcode} /r Pq,Qd`, interleaveMmx(width, low)),
  mmxBinary(`PUNPCKH${letters}`, HIGH_SDM, 'mmx', `NP ${highOpcode} /r Pq,Qq`, interleaveMmx(width, high)),
]);

/** The MMX form narrows both operands into 64 bits. */
function narrow(name: string, opcode: string, wasm: string) {
  const compute = operation(wasm);
  return { name, opcode, compute, mmx: joined((m, a) => compute(m, a, zero(m))) };
}

export const unpackAndPack: readonly Instruction[] = [
  ...unpacks,
  xmmBinary('PUNPCKLQDQ', LOW_SDM, 'sse2', '66 0F 6C /r Vdq,Wdq', interleave(64, 'low')),
  xmmBinary('PUNPCKHQDQ', HIGH_SDM, 'sse2', '66 0F 6D /r Vdq,Wdq', interleave(64, 'high')),
  ...packed('Vol. 2B "PACKSSWB/PACKSSDW - Pack With Signed Saturation"', { mmx: 'mmx', xmm: 'sse2' }, [
    narrow('PACKSSWB', '0F 63', 'i8x16.narrow_i16x8_s'),
    narrow('PACKSSDW', '0F 6B', 'i16x8.narrow_i32x4_s'),
  ]),
  ...packed('Vol. 2B "PACKUSWB - Pack With Unsigned Saturation"', { mmx: 'mmx', xmm: 'sse2' }, [
    narrow('PACKUSWB', '0F 67', 'i8x16.narrow_i16x8_u'),
  ]),
  ...packed('Vol. 2B "PACKUSDW - Pack With Unsigned Saturation"', { xmm: 'sse4.1' }, [
    narrow('PACKUSDW', '0F 38 2B', 'i16x8.narrow_i32x4_u'),
  ]),
];
