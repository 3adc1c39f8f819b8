/** Comparison of unpacked numbers. */

import { defineRoutine } from '../../algebra.ts';
import { any, IS_FINITE, IS_INFINITE, IS_NAN, IS_UNSUPPORTED, IS_ZERO, UNPACKED, unpacked } from './format.ts';

export const LESS = 0;
export const EQUAL = 1;
export const GREATER = 2;
export const UNORDERED = 3;

/** (a, b) -> [relation]: LESS, EQUAL, GREATER or UNORDERED. Zeros of either sign are equal. */
export const compareUnpacked = defineRoutine({
  name: 'fpCompare',
  params: [...UNPACKED, ...UNPACKED],
  results: [32],
  faults: false,
  body(m, ...args) {
    const a = unpacked(args.slice(0, 4));
    const b = unpacked(args.slice(4, 8));
    const relation = m.variable(m.const(32, EQUAL));
    m.if(
      any(m, m.or(a.kind, b.kind), IS_NAN | IS_UNSUPPORTED),
      () => m.assign(relation, m.const(32, UNORDERED)),
      () => {
        const zeroA = any(m, a.kind, IS_ZERO);
        const zeroB = any(m, b.kind, IS_ZERO);
        const infiniteA = any(m, a.kind, IS_INFINITE);
        const infiniteB = any(m, b.kind, IS_INFINITE);
        const bothFinite = any(m, m.and(a.kind, b.kind), IS_FINITE);
        const sameExponent = m.eq(a.exponent, b.exponent);
        const finiteLess = m.or(
          m.ltS(a.exponent, b.exponent),
          m.and(sameExponent, m.ltU(a.significand, b.significand)),
        );
        const finiteEqual = m.and(sameExponent, m.eq(a.significand, b.significand));
        const otherLess = m.or(m.and(zeroA, m.not(zeroB)), m.and(infiniteB, m.not(infiniteA)));
        const otherEqual = m.or(m.and(zeroA, zeroB), m.and(infiniteA, infiniteB));
        const less = m.select(bothFinite, finiteLess, otherLess);
        const equal = m.select(bothFinite, finiteEqual, otherEqual);
        const differ = m.and(m.xor(a.sign, b.sign), m.not(m.and(zeroA, zeroB)));
        // Of different signs the negative one is less; of two negative ones the larger magnitude.
        const below = m.select(differ, a.sign, m.xor(less, a.sign));
        const order = m.select(below, m.const(32, LESS), m.const(32, GREATER));
        m.assign(relation, m.select(m.and(equal, m.not(differ)), m.const(32, EQUAL), order));
      },
    );
    return [m.use(relation)];
  },
});
