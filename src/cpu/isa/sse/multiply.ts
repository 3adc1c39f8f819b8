/** Multiplication of packed integers, sums of products and of absolute differences, for MMX and XMM registers. */

import type { Algebra, Value } from '../../algebra.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { requireSse } from './available.ts';
import { every, immediate, shuffle, splat } from './lanes.ts';
import { type Compute, operation, packed } from './packed.ts';
import { shiftBytesRight } from './shuffles.ts';

const MMX_SSE2 = { mmx: 'mmx', xmm: 'sse2' } as const;
const SSE_SSE2 = { mmx: 'sse', xmm: 'sse2' } as const;
const SSSE3 = { mmx: 'ssse3', xmm: 'ssse3' } as const;
const SSE41 = { xmm: 'sse4.1' } as const;

/** High words of the products of words. */
function highWords(sign: 's' | 'u'): Compute {
  return (m, a, b) => {
    const [low, high] = ['low', 'high'].map((half) => m.op(`i32x4.extmul_${half}_i16x8_${sign}`, [a, b]));
    return shuffle(m, 16, low, high, [1, 3, 5, 7, 9, 11, 13, 15]);
  };
}

/** Quadword products of the even doublewords. */
function evenProducts(sign: 's' | 'u'): Compute {
  const even = (m: Algebra, vector: Value): Value => shuffle(m, 32, vector, vector, [0, 2, 0, 2]);
  return (m, a, b) => m.op(`i64x2.extmul_low_i32x4_${sign}`, [even(m, a), even(m, b)]);
}

/** WebAssembly saturates the one product that does not fit, -1 * -1; here it wraps to -1. */
const roundedProducts: Compute = (m, a, b) => {
  const least = (vector: Value): Value => m.op('i16x8.eq', [vector, every(m, 16, 0x8000)]);
  const wraps = m.op('v128.and', [least(a), least(b)]);
  return m.op('v128.xor', [m.op('i16x8.q15mulr_sat_s', [a, b]), wraps]);
};

/** Unsigned bytes of `a` times signed ones of `b`, neighbours added with saturation. */
const byteProducts: Compute = (m, a, b) => {
  const eight = m.const(32, 8);
  const even = m.op('i16x8.mul', [
    m.op('v128.and', [a, every(m, 16, 0xff)]),
    m.op('i16x8.shr_s', [m.op('i16x8.shl', [b, eight]), eight]),
  ]);
  const odd = m.op('i16x8.mul', [m.op('i16x8.shr_u', [a, eight]), m.op('i16x8.shr_s', [b, eight])]);
  return m.op('i16x8.add_sat_s', [even, odd]);
};

function absoluteDifferences(m: Algebra, a: Value, b: Value): Value {
  return m.op('v128.or', [m.op('i8x16.sub_sat_u', [a, b]), m.op('i8x16.sub_sat_u', [b, a])]);
}

const sumOfDifferences: Compute = (m, a, b) => {
  const words = m.op('i16x8.extadd_pairwise_i8x16_u', [absoluteDifferences(m, a, b)]);
  const doublewords = m.op('i32x4.extadd_pairwise_i16x8_u', [words]);
  const odd = m.op('i64x2.shr_u', [doublewords, m.const(32, 32)]);
  return m.op('i32x4.add', [m.op('v128.and', [doublewords, every(m, 64, 0xffffffffn)]), odd]);
};

/**
 * Eight sums of four absolute differences: a block of four bytes of the second operand (immediate bits 1-0) against
 * the eight places from byte 0 or 4 (bit 2) of the first.
 */
const MPSADBW = defineInstruction({
  name: 'MPSADBW',
  sdm: 'Vol. 2B "MPSADBW - Compute Multiple Packed Sums of Absolute Difference"',
  feature: 'sse4.1',
  forms: ['66 0F 3A 42 /r Vdq,Wdq,Ib'],
  semantics(m, dst, src, imm) {
    requireSse(m);
    const b = m.read(src);
    const control = immediate(m, m.read(imm));
    const places = shiftBytesRight(m, m.getXmm(dst), m.and(control, m.const(32, 4)));
    const block = shiftBytesRight(m, b, m.shl(m.and(control, m.const(32, 3)), 2));
    const sums = [0, 1, 2, 3].map((i) => {
      const shifted = shiftBytesRight(m, places, m.const(32, i));
      const byte = splat(m, 8, m.op('i8x16.extract_lane_u', [block], [i]));
      return m.op('i16x8.extend_low_i8x16_u', [absoluteDifferences(m, shifted, byte)]);
    });
    m.setXmm(
      dst,
      sums.reduce((sum, next) => m.op('i16x8.add', [sum, next])),
    );
  },
});

export const packedMultiply: readonly Instruction[] = [
  ...packed('Vol. 2B "PMULLW - Multiply Packed Signed Integers and Store Low Result"', MMX_SSE2, [
    { name: 'PMULLW', opcode: '0F D5', compute: operation('i16x8.mul') },
  ]),
  ...packed('Vol. 2B "PMULHW - Multiply Packed Signed Integers and Store High Result"', MMX_SSE2, [
    { name: 'PMULHW', opcode: '0F E5', compute: highWords('s') },
  ]),
  ...packed('Vol. 2B "PMULHUW - Multiply Packed Unsigned Integers and Store High Result"', SSE_SSE2, [
    { name: 'PMULHUW', opcode: '0F E4', compute: highWords('u') },
  ]),
  ...packed('Vol. 2B "PMULUDQ - Multiply Packed Unsigned Doubleword Integers"', { mmx: 'sse2', xmm: 'sse2' }, [
    { name: 'PMULUDQ', opcode: '0F F4', compute: evenProducts('u') },
  ]),
  ...packed('Vol. 2B "PMULDQ - Multiply Packed Doubleword Integers"', SSE41, [
    { name: 'PMULDQ', opcode: '0F 38 28', compute: evenProducts('s') },
  ]),
  ...packed('Vol. 2B "PMULLD/PMULLQ - Multiply Packed Integers and Store Low Result"', SSE41, [
    { name: 'PMULLD', opcode: '0F 38 40', compute: operation('i32x4.mul') },
  ]),
  ...packed('Vol. 2B "PMULHRSW - Packed Multiply High With Round and Scale"', SSSE3, [
    { name: 'PMULHRSW', opcode: '0F 38 0B', compute: roundedProducts },
  ]),
  ...packed('Vol. 2B "PMADDWD - Multiply and Add Packed Integers"', MMX_SSE2, [
    { name: 'PMADDWD', opcode: '0F F5', compute: operation('i32x4.dot_i16x8_s') },
  ]),
  ...packed('Vol. 2B "PMADDUBSW - Multiply and Add Packed Signed and Unsigned Bytes"', SSSE3, [
    { name: 'PMADDUBSW', opcode: '0F 38 04', compute: byteProducts },
  ]),
  ...packed('Vol. 2B "PSADBW - Compute Sum of Absolute Differences"', SSE_SSE2, [
    { name: 'PSADBW', opcode: '0F F6', compute: sumOfDifferences },
  ]),
  MPSADBW,
];
