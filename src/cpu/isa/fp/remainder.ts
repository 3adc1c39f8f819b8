/** Partial remainder of unpacked finite numbers, for FPREM and FPREM1 (SDM Vol. 2A). */

import { defineRoutine, type Value } from '../../algebra.ts';
import { IS_FINITE, IS_ZERO, isNot0, parts, UNPACKED, unpacked } from './format.ts';
import { divideWide, normalise } from './wide.ts';

/**
 * (a, b, to nearest) -> [...unpacked remainder, low bits of the quotient, incomplete]. The quotient is cut (FPREM) or
 * rounded to the nearest even integer (FPREM1). With exponents 64 or more apart the dividend is brought down by 2^N
 * times the divisor with N chosen as processors do, and `incomplete` is 1.
 */
export const partialRemainder = defineRoutine({
  name: 'fpPartialRemainder',
  params: [...UNPACKED, ...UNPACKED, 1],
  results: [...UNPACKED, 32, 1],
  faults: false,
  body(m, ...args) {
    const a = unpacked(args.slice(0, 4));
    const b = unpacked(args.slice(4, 8));
    const nearest = args[8];
    const distance = m.sub(a.exponent, b.exponent);
    const incomplete = m.leS(m.const(32, 64), distance);
    const kind = m.variable(a.kind);
    const sign = m.variable(a.sign);
    const exponent = m.variable(a.exponent);
    const significand = m.variable(a.significand);
    const quotient = m.variable(m.const(64, 0));
    /** Takes over a remainder in units of 2^(scale - 63). */
    const takeRemainder = (rest: Value, scale: Value): void => {
      m.if(
        isNot0(m, rest),
        () => {
          const [high, , normalExponent] = m.call(normalise, rest, m.const(64, 0), scale);
          m.assign(kind, m.const(32, IS_FINITE));
          m.assign(significand, high);
          m.assign(exponent, normalExponent);
        },
        () => {
          m.assign(kind, m.const(32, IS_ZERO));
          m.assign(significand, rest);
        },
      );
    };
    m.if(
      m.leS(m.const(32, 0), distance),
      () => {
        // Of a long way, 32 to 63 steps are left to the next execution.
        const steps = m.or(m.and(distance, m.const(32, 31)), m.const(32, 32));
        const count = m.select(incomplete, steps, distance);
        const high = m.shr(m.shr(a.significand, 1), m.sub(m.const(32, 63), count));
        const divided = m.call(divideWide, high, m.shl(a.significand, count), b.significand);
        const [whole, rest] = divided;
        const beyond = m.sub(b.significand, rest);
        const above = m.ltU(beyond, rest);
        const up = m.or(above, m.and(m.eq(beyond, rest), m.bit(whole, 0)));
        const turned = m.and(m.and(nearest, m.not(incomplete)), up);
        m.assign(quotient, m.add(whole, m.zext(turned, 64)));
        m.assign(sign, m.xor(a.sign, turned));
        const scale = m.select(incomplete, m.sub(a.exponent, steps), b.exponent);
        takeRemainder(m.select(turned, beyond, rest), scale);
      },
      () => {
        // |a| below |b|, but above half of it: one more b, measured in units of a.
        const above = m.and(m.eq(distance, m.const(32, -1)), m.ltU(b.significand, a.significand));
        m.if(m.and(nearest, above), () => {
          const excess = m.sub(a.significand, b.significand);
          m.assign(quotient, m.const(64, 1));
          m.assign(sign, m.not(a.sign));
          takeRemainder(m.sub(b.significand, excess), a.exponent);
        });
      },
    );
    const result = parts({
      kind: m.use(kind),
      sign: m.use(sign),
      exponent: m.use(exponent),
      significand: m.use(significand),
    });
    return [...result, m.trunc(m.use(quotient), 32), incomplete];
  },
});
