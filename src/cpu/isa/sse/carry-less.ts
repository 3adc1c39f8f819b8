/** PCLMULQDQ: multiplication of polynomials over GF(2). */

import { type Algebra, defineRoutine, type Value } from '../../algebra.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { requireSse } from './available.ts';
import { high, low } from './lanes.ts';

const EVERY_FOURTH = 0x1111111111111111n;

/**
 * (a, b) -> the low 64 bits of the product. Integers with only every fourth bit set multiply without carries reaching
 * the next such bit (at most 16 ones meet there, and the last of these sums is cut off), so that sixteen ordinary
 * products of quarters give the answer, after Pornin's "bmul64" for GHASH.
 */
const lowProduct = defineRoutine({
  name: 'carryLessLow',
  params: [64, 64],
  results: [64],
  faults: false,
  body(m, a, b) {
    const quarter = (of: Value, i: number): Value => m.and(of, m.const(64, EVERY_FOURTH << BigInt(i)));
    const as = [0, 1, 2, 3].map((i) => quarter(a, i));
    const bs = [0, 1, 2, 3].map((i) => quarter(b, i));
    const parts = [0, 1, 2, 3].map((k) => {
      const products = [0, 1, 2, 3].map((i) => m.mul(as[i], bs[(k - i) & 3]));
      return quarter(
        products.reduce((x, y) => m.xor(x, y)),
        k,
      );
    });
    return [parts.reduce((x, y) => m.or(x, y))];
  },
});

/** (a) -> its bits in reverse order. */
const reverseBits = defineRoutine({
  name: 'reverseBits',
  params: [64],
  results: [64],
  faults: false,
  body(m, a) {
    const swaps: readonly [bigint, number][] = [
      [0x5555555555555555n, 1],
      [0x3333333333333333n, 2],
      [0x0f0f0f0f0f0f0f0fn, 4],
      [0x00ff00ff00ff00ffn, 8],
      [0x0000ffff0000ffffn, 16],
    ];
    const swapped = swaps.reduce((x, [mask, by]) => {
      const odd = m.and(m.shr(x, by), m.const(64, mask));
      return m.or(odd, m.shl(m.and(x, m.const(64, mask)), by));
    }, a);
    return [m.rotl(swapped, 32)];
  },
});

function reversed(m: Algebra, value: Value): Value {
  return m.call(reverseBits, value)[0];
}

/** (a, b) -> all 127 bits: the high half is the low one of the product of the reversed factors, reversed. */
const product = defineRoutine({
  name: 'carryLessProduct',
  params: [64, 64],
  results: [128],
  faults: false,
  body(m, a, b) {
    const [bottom] = m.call(lowProduct, a, b);
    const [mirrored] = m.call(lowProduct, reversed(m, a), reversed(m, b));
    return [m.join(bottom, m.shr(reversed(m, mirrored), 1))];
  },
});

export const carryLess: readonly Instruction[] = [
  defineInstruction({
    name: 'PCLMULQDQ',
    sdm: 'Vol. 2B "PCLMULQDQ - Carry-Less Multiplication Quadword"',
    feature: 'pclmulqdq',
    forms: ['66 0F 3A 44 /r Vdq,Wdq,Ib'],
    semantics(m, dst, src, imm) {
      requireSse(m);
      const b = m.read(src);
      const a = m.getXmm(dst);
      const control = m.read(imm);
      const half = (vector: Value, bit: number): Value =>
        m.select(m.bit(control, bit), high(m, vector), low(m, vector));
      m.setXmm(dst, m.call(product, half(a, 0), half(b, 4))[0]);
    },
  }),
];
