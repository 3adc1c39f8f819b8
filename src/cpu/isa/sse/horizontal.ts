/** Operations between neighbouring integers, signs and absolute values (SSSE3); least word and test of bits (SSE4.1). */

import type { Algebra, Value } from '../../algebra.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { requireSse } from './available.ts';
import { lanes, low, shuffle } from './lanes.ts';
import { type Compute, joined, packed } from './packed.ts';

const SSSE3 = { mmx: 'ssse3', xmm: 'ssse3' } as const;

/** The operation between even and odd elements of both operands; MMX operands fill the two halves of one. */
function pairwise(name: string, opcode: string, width: 16 | 32, wasm: string) {
  const count = 128 / width;
  const even = Array.from({ length: count }, (_, i) => 2 * i);
  const odd = even.map((i) => i + 1);
  const compute: Compute = (m, a, b) => m.op(wasm, [shuffle(m, width, a, b, even), shuffle(m, width, a, b, odd)]);
  return { name, opcode, compute, mmx: joined(compute) };
}

/** `a`, negated or cleared where `b` is negative or 0. */
function sign(name: string, opcode: string, width: 8 | 16 | 32) {
  const shape = `i${width}x${128 / width}`;
  const compute: Compute = (m, a, b) => {
    const negative = m.op(`${shape}.shr_s`, [b, m.const(32, width - 1)]);
    const signed = m.op(`${shape}.sub`, [m.op('v128.xor', [a, negative]), negative]);
    return m.op('v128.andnot', [signed, m.op(`${shape}.eq`, [b, m.const(128, 0)])]);
  };
  return { name, opcode, compute };
}

function absolute(name: string, opcode: string, shape: string) {
  return { name, opcode, compute: (m: Algebra, _: Value, b: Value): Value => m.op(`${shape}.abs`, [b]) };
}

/** The least of eight words, and in bits 18-16 the place of the first one that is it. */
const PHMINPOSUW = defineInstruction({
  name: 'PHMINPOSUW',
  sdm: 'Vol. 2B "PHMINPOSUW - Packed Horizontal Word Minimum"',
  feature: 'sse4.1',
  forms: ['66 0F 38 41 /r Vdq,Wdq'],
  semantics(m, dst, src) {
    requireSse(m);
    const words = m.read(src);
    // Each word with its place below it: the least of those is the first of the least words.
    const placed = (half: 'low' | 'high', first: number): Value => {
      const wide = m.op(`i32x4.extend_${half}_i16x8_u`, [words]);
      const places = lanes(m, 32, [first, first + 1, first + 2, first + 3]);
      return m.op('v128.or', [m.op('i32x4.shl', [wide, m.const(32, 3)]), places]);
    };
    const four = m.op('i32x4.min_u', [placed('low', 0), placed('high', 4)]);
    const two = m.op('i32x4.min_u', [four, shuffle(m, 32, four, four, [2, 3, 2, 3])]);
    const one = m.op('i32x4.min_u', [two, shuffle(m, 32, two, two, [1, 1, 1, 1])]);
    const least = m.trunc(low(m, one), 32);
    const place = m.shl(m.and(least, m.const(32, 7)), 16);
    m.setXmm(dst, m.zext(m.or(m.shr(least, 3), place), 128));
  },
});

/** CF: no bit of the second operand is missing in the first. ZF: none is in both. */
const PTEST = defineInstruction({
  name: 'PTEST',
  sdm: 'Vol. 2B "PTEST - Logical Compare"',
  feature: 'sse4.1',
  forms: ['66 0F 38 17 /r Vdq,Wdq'],
  semantics(m, dst, src) {
    requireSse(m);
    const b = m.read(src);
    const a = m.getXmm(dst);
    const none = (vector: Value): Value => m.isZero(m.op('v128.any_true', [vector]));
    const clear = m.const(1, 0);
    m.setFlags({
      ZF: none(m.op('v128.and', [a, b])),
      CF: none(m.op('v128.andnot', [b, a])),
      PF: clear,
      AF: clear,
      SF: clear,
      OF: clear,
    });
  },
});

export const horizontal: readonly Instruction[] = [
  ...packed('Vol. 2B "PHADDW/PHADDD - Packed Horizontal Add"', SSSE3, [
    pairwise('PHADDW', '0F 38 01', 16, 'i16x8.add'),
    pairwise('PHADDD', '0F 38 02', 32, 'i32x4.add'),
  ]),
  ...packed('Vol. 2B "PHADDSW - Packed Horizontal Add and Saturate"', SSSE3, [
    pairwise('PHADDSW', '0F 38 03', 16, 'i16x8.add_sat_s'),
  ]),
  ...packed('Vol. 2B "PHSUBW/PHSUBD - Packed Horizontal Subtract"', SSSE3, [
    pairwise('PHSUBW', '0F 38 05', 16, 'i16x8.sub'),
    pairwise('PHSUBD', '0F 38 06', 32, 'i32x4.sub'),
  ]),
  ...packed('Vol. 2B "PHSUBSW - Packed Horizontal Subtract and Saturate"', SSSE3, [
    pairwise('PHSUBSW', '0F 38 07', 16, 'i16x8.sub_sat_s'),
  ]),
  ...packed('Vol. 2B "PSIGNB/PSIGNW/PSIGND - Packed SIGN"', SSSE3, [
    sign('PSIGNB', '0F 38 08', 8),
    sign('PSIGNW', '0F 38 09', 16),
    sign('PSIGND', '0F 38 0A', 32),
  ]),
  ...packed('Vol. 2B "PABSB/PABSW/PABSD/PABSQ - Packed Absolute Value"', SSSE3, [
    absolute('PABSB', '0F 38 1C', 'i8x16'),
    absolute('PABSW', '0F 38 1D', 'i16x8'),
    absolute('PABSD', '0F 38 1E', 'i32x4'),
  ]),
  PHMINPOSUW,
  PTEST,
];
