/**
 * Fixed-point arithmetic with 128 bits for the transcendental functions: fractions below 1 as pairs of 64-bit halves,
 * high first. Results may be a few units of 2^-128 too small; that is some 60 bits more than the extended format has.
 */

import { type Algebra, defineRoutine, type Routine, type Value } from '../../algebra.ts';
import { addWide, divideWide, subWide, type Wide } from './wide.ts';

const ONE = 1n << 128n;

/** A constant fraction, given as an integer of 128 bits. */
export function fraction(m: Algebra, value: bigint): Wide {
  return { high: m.const(64, value >> 64n), low: m.const(64, BigInt.asUintN(64, value)) };
}

export function wide([high, low]: readonly Value[]): Wide {
  return { high: high, low: low };
}

/** (a, b) -> [high, low]: the upper half of the product. */
const multiplyFraction = defineRoutine({
  name: 'fpMultiplyFraction',
  params: [64, 64, 64, 64],
  results: [64, 64],
  faults: false,
  body(m, aHigh, aLow, bHigh, bLow) {
    const zero = m.const(64, 0);
    const [low, high] = m.mulWide(aHigh, bHigh);
    const [, cross1] = m.mulWide(aHigh, bLow);
    const [, cross2] = m.mulWide(aLow, bHigh);
    const sum = addWide(m, addWide(m, { high, low }, { high: zero, low: cross1 }), { high: zero, low: cross2 });
    return [sum.high, sum.low];
  },
});

export function times(m: Algebra, a: Wide, b: Wide): Wide {
  return wide(m.call(multiplyFraction, a.high, a.low, b.high, b.low));
}

/**
 * (remainder, divisor with bit 127 set, above the remainder) -> [digit, remainder high, low]: the next 64 bits of the
 * quotient. The digit guessed from the divisor's upper half is at most 2 too large (Knuth, TAOCP Vol. 2 §4.3.1).
 */
const quotientDigit = defineRoutine({
  name: 'fpQuotientDigit',
  params: [64, 64, 64, 64],
  results: [64, 64, 64],
  faults: false,
  body(m, restHigh, restLow, divisorHigh, divisorLow) {
    const digit = m.variable(m.const(64, -1n));
    m.if(m.ltU(restHigh, divisorHigh), () => {
      m.assign(digit, m.call(divideWide, restHigh, restLow, divisorHigh)[0]);
    });
    // rest * 2^64 - digit * divisor in 192 bits; `top` is all ones while the digit is too large.
    const [lowLow, lowHigh] = m.mulWide(m.use(digit), divisorLow);
    const [highLow, highHigh] = m.mulWide(m.use(digit), divisorHigh);
    const middle = m.add(lowHigh, highLow);
    const above = m.add(highHigh, m.zext(m.ltU(middle, lowHigh), 64));
    const borrow = isSet(m, lowLow);
    const middleRest = m.sub(m.sub(restLow, middle), borrow);
    const under = m.or(m.ltU(restLow, middle), m.and(m.eq(restLow, middle), m.ne(borrow, m.const(64, 0))));
    const top = m.variable(m.sub(m.sub(restHigh, above), m.zext(under, 64)));
    const high = m.variable(middleRest);
    const low = m.variable(m.neg(lowLow));
    m.while(
      () => m.msb(m.use(top)),
      () => {
        const before = { high: m.use(high), low: m.use(low) };
        const after = addWide(m, before, { high: divisorHigh, low: divisorLow });
        const carry = m.or(
          m.ltU(after.high, before.high),
          m.and(m.eq(after.high, before.high), m.ltU(after.low, before.low)),
        );
        m.assign(digit, m.sub(m.use(digit), m.const(64, 1)));
        m.assign(top, m.add(m.use(top), m.zext(carry, 64)));
        m.assign(high, after.high);
        m.assign(low, after.low);
      },
    );
    return [m.use(digit), m.use(high), m.use(low)];
  },
});

function isSet(m: Algebra, value: Value): Value {
  return m.zext(m.ne(value, m.const(64, 0)), 64);
}

/** a / b as a fraction, for a below b and b with bit 127 set; its last bit is set if a remainder is left. */
export function over(m: Algebra, a: Wide, b: Wide): Wide {
  const [high, restHigh, restLow] = m.call(quotientDigit, a.high, a.low, b.high, b.low);
  const [low, leftHigh, leftLow] = m.call(quotientDigit, restHigh, restLow, b.high, b.low);
  return { high: high, low: m.or(low, isSet(m, m.or(leftHigh, leftLow))) };
}

/**
 * (z) -> [high, low]: c0 + z (c1 + z (c2 + ...)) by Horner's rule, with minus signs in place of the plus signs if
 * `alternating`. Coefficients are given as [numerator, denominator] pairs below 1; they fall, and so do the sums.
 */
export function series(
  name: string,
  coefficients: readonly (readonly [bigint, bigint])[],
  alternating: boolean,
): Routine {
  return defineRoutine({
    name,
    params: [64, 64],
    results: [64, 64],
    faults: false,
    body(m, high, low) {
      const z: Wide = { high: high, low: low };
      const constants = coefficients.map(([numerator, denominator]) => fraction(m, (ONE * numerator) / denominator));
      const combine = alternating ? subWide : addWide;
      const sum = constants.reduceRight((rest, constant) => combine(m, constant, times(m, z, rest)));
      return [sum.high, sum.low];
    },
  });
}

export function evaluate(m: Algebra, routine: Routine, z: Wide): Wide {
  return wide(m.call(routine, z.high, z.low));
}

/** 1, 1/3, 1/5, ... without the first `skip`, n of them: the coefficients of both arc tangents. */
export function oddReciprocals(skip: number, count: number): (readonly [bigint, bigint])[] {
  return Array.from({ length: count }, (_, i) => [1n, BigInt(2 * (i + skip) + 1)] as const);
}

/** 1/first, 1/(first + step), ... */
export function reciprocalFactorials(first: number, step: number, count: number): (readonly [bigint, bigint])[] {
  const factorial = (n: number): bigint => (n < 2 ? 1n : BigInt(n) * factorial(n - 1));
  return Array.from({ length: count }, (_, i) => [1n, factorial(first + step * i)] as const);
}
