/**
 * Sine, cosine and tangent. The argument is first reduced to at most pi/4 by taking off multiples of pi/2, with pi cut
 * to 66 bits as processors do (SDM Vol. 1 §8.3.8 "Approximation of Pi"): the reduced argument is exact for that pi.
 */

import { type Algebra, defineRoutine, type Type, type Value } from '../../algebra.ts';
import { piBits } from './constants.ts';
import { evaluate, fraction, over, reciprocalFactorials, series, times, wide } from './fixed.ts';
import { equals } from './format.ts';
import { addWide, divideWide, ltWide, normalise, shiftRightJam, shlWide, shrWide, subWide, type Wide } from './wide.ts';

/** Sign, exponent, significand high and low: a result that cannot be exact, ready for rounding. */
export const WIDE_FLOAT: readonly Type[] = [1, 32, 64, 64];

export interface WideFloat {
  readonly sign: Value;
  readonly exponent: Value;
  readonly significand: Wide;
}

export function wideFloat([sign, exponent, high, low]: readonly Value[]): WideFloat {
  return { sign: sign, exponent: exponent, significand: { high: high, low: low } };
}

/** pi/2 in units of 2^-65: 66 bits. Its upper 64 bits are the divisor that guesses the quotient. */
const HALF_PI = piBits(64n);
const HALF_PI_HIGH = HALF_PI >> 2n;
const INTEGER_BIT = 1n << 63n;

/**
 * (exponent below 63, significand) -> [quadrant, sign, exponent, high, low]: how many times pi/2 (its low two bits) and
 * what is left, at most pi/4 in magnitude.
 */
const reduce = defineRoutine({
  name: 'fpReduceAngle',
  params: [32, 64],
  results: [32, ...WIDE_FLOAT],
  faults: false,
  body(m, exponent, significand) {
    const quadrant = m.variable(m.const(32, 0));
    const sign = m.variable(m.const(1, 0));
    const resultExponent = m.variable(exponent);
    const high = m.variable(significand);
    const low = m.variable(m.const(64, 0));
    m.if(m.leS(m.const(32, -1), exponent), () => {
      const halfPi = fraction(m, HALF_PI);
      const units = m.add(exponent, m.const(32, 2));
      // The argument in units of 2^-65, modulo 2^128; and its quotient by pi/2, perhaps 2 too large.
      const shift = m.and(units, m.const(32, 63));
      const small = shlWide(m, { high: m.const(64, 0), low: significand }, shift);
      const huge = equals(m, units, 64);
      const argument = {
        high: m.select(huge, significand, small.high),
        low: m.select(huge, m.const(64, 0), small.low),
      };
      const quarter = shrWide(m, { high: small.high, low: small.low }, m.const(32, 2));
      const dividendHigh = m.select(huge, m.shr(significand, 2), quarter.high);
      const dividendLow = m.select(huge, m.shl(significand, 62), quarter.low);
      const [guess] = m.call(divideWide, dividendHigh, dividendLow, m.const(64, HALF_PI_HIGH));
      const [productLow, productHigh] = m.mulWide(guess, halfPi.low);
      const product = { high: m.add(productHigh, m.mul(guess, halfPi.high)), low: productLow };
      const first = subWide(m, argument, product);
      const rest = [m.variable(first.high), m.variable(first.low)] as const;
      const current = (): Wide => ({ high: m.use(rest[0]), low: m.use(rest[1]) });
      const count = m.variable(guess);
      const step = (next: Wide, by: number): void => {
        m.assign(rest[0], next.high);
        m.assign(rest[1], next.low);
        m.assign(count, m.add(m.use(count), m.const(64, by)));
      };
      m.while(
        () => m.msb(m.use(rest[0])),
        () => step(addWide(m, current(), halfPi), -1),
      );
      // Above pi/4 the next multiple is nearer.
      const beyond = subWide(m, halfPi, current());
      m.if(ltWide(m, beyond, current()), () => {
        step(beyond, 1);
        m.assign(sign, m.const(1, 1));
      });
      const [h, l, e] = m.call(normalise, m.use(rest[0]), m.use(rest[1]), m.const(32, 62));
      m.assign(quadrant, m.and(m.trunc(m.use(count), 32), m.const(32, 3)));
      m.assign(high, h);
      m.assign(low, l);
      m.assign(resultExponent, e);
    });
    return [m.use(quadrant), m.use(sign), m.use(resultExponent), m.use(high), m.use(low)];
  },
});

/** sin r = r (1 - z S(z)), cos r = 1 - z C(z), z = r^2 below 0.62: the last terms are below 2^-100. */
const sineSeries = series('fpSineSeries', reciprocalFactorials(3, 2, 14), true);
const cosineSeries = series('fpCosineSeries', reciprocalFactorials(2, 2, 14), true);

/** (exponent, high, low), at most pi/4 -> [sine exponent, high, low, cosine high, low]; the cosine's exponent is -1. */
const sineCosine = defineRoutine({
  name: 'fpSineCosine',
  params: [32, 64, 64],
  results: [32, 64, 64, 64, 64],
  faults: false,
  body(m, exponent, high, low) {
    const one = fraction(m, 1n);
    const r = wide(m.call(shiftRightJam, high, low, m.sub(m.const(32, -1), exponent)));
    const z = times(m, r, r);
    // Taking one more unit off keeps both below what they would be if z were 0.
    const bySine = addWide(m, shrWide(m, times(m, z, evaluate(m, sineSeries, z)), m.const(32, 1)), one);
    const factor = subWide(m, { high: m.const(64, INTEGER_BIT), low: m.const(64, 0) }, bySine);
    const product = times(m, { high: high, low: low }, factor);
    const sine = m.call(normalise, product.high, product.low, m.add(exponent, m.const(32, 1)));
    const byCosine = addWide(m, times(m, z, evaluate(m, cosineSeries, z)), one);
    const cosine = subWide(m, fraction(m, 0n), byCosine);
    return [sine[2], sine[0], sine[1], cosine.high, cosine.low];
  },
});

interface Angle {
  readonly quadrant: Value;
  /** Sign of what the reduction left. */
  readonly sign: Value;
  /** Magnitudes of its sine and cosine. */
  readonly sine: Omit<WideFloat, 'sign'>;
  readonly cosine: Omit<WideFloat, 'sign'>;
}

function angle(m: Algebra, exponent: Value, significand: Value): Angle {
  const [quadrant, sign, ...rest] = m.call(reduce, exponent, significand);
  const [e, sineHigh, sineLow, cosineHigh, cosineLow] = m.call(sineCosine, ...rest);
  return {
    quadrant,
    sign,
    sine: { exponent: e, significand: { high: sineHigh, low: sineLow } },
    cosine: { exponent: m.const(32, -1), significand: { high: cosineHigh, low: cosineLow } },
  };
}

/** Results are never exact: the last bit says so to the rounding. */
function inexact(m: Algebra, low: Value): Value {
  return m.or(low, m.const(64, 1));
}

/** Below 2^-68 processors take the angle for its sine and tangent, and 1 for its cosine, whatever the rounding. */
const TINY_ANGLE = -68;

/** Condition: sine and tangent of that angle are the angle itself. */
export function isTinyAngle(m: Algebra, exponent: Value): Value {
  return m.ltS(exponent, m.const(32, TINY_ANGLE));
}

/** (sign, exponent, significand) -> [...sine, ...cosine], each sign, exponent, high, low. Exponents are below 63. */
export const sineAndCosine = defineRoutine({
  name: 'fpSineAndCosine',
  params: [1, 32, 64],
  results: [...WIDE_FLOAT, ...WIDE_FLOAT],
  faults: false,
  body(m, sign, exponent, significand) {
    const { quadrant, sign: restSign, sine, cosine } = angle(m, exponent, significand);
    const swap = m.bit(quadrant, 0);
    const half = m.bit(quadrant, 1);
    const pick = (ifSwapped: Omit<WideFloat, 'sign'>, otherwise: Omit<WideFloat, 'sign'>): Value[] => [
      m.select(swap, ifSwapped.exponent, otherwise.exponent),
      m.select(swap, ifSwapped.significand.high, otherwise.significand.high),
      inexact(m, m.select(swap, ifSwapped.significand.low, otherwise.significand.low)),
    ];
    // sin: +s +c -s -c, cos: +c -s -c +s in quadrants 0 to 3, s carrying the sign of the rest.
    const sineSign = m.xor(m.xor(sign, half), m.and(restSign, m.not(swap)));
    const cosineSign = m.xor(m.xor(half, swap), m.and(restSign, swap));
    return [sineSign, ...pick(cosine, sine), cosineSign, ...pick(sine, cosine)];
  },
});

/** (sign, exponent, significand) -> sign, exponent, high, low of the tangent. */
export const tangent = defineRoutine({
  name: 'fpTangent',
  params: [1, 32, 64],
  results: WIDE_FLOAT,
  faults: false,
  body(m, sign, exponent, significand) {
    const { quadrant, sign: restSign, sine, cosine } = angle(m, exponent, significand);
    const odd = m.bit(quadrant, 0);
    const choose = (ifOdd: Value, otherwise: Value): Value => m.select(odd, ifOdd, otherwise);
    const numerator = {
      high: choose(cosine.significand.high, sine.significand.high),
      low: choose(cosine.significand.low, sine.significand.low),
    };
    const denominator = {
      high: choose(sine.significand.high, cosine.significand.high),
      low: choose(sine.significand.low, cosine.significand.low),
    };
    const difference = m.sub(choose(cosine.exponent, sine.exponent), choose(sine.exponent, cosine.exponent));
    const ratio = divideFloats(m, numerator, denominator, difference);
    const { high, low } = ratio.significand;
    return [m.xor(m.xor(sign, restSign), odd), ratio.exponent, high, inexact(m, low)];
  },
});

/** The quotient of two normalised significands whose exponents differ by `difference`. */
export function divideFloats(m: Algebra, a: Wide, b: Wide, difference: Value): Omit<WideFloat, 'sign'> {
  const less = ltWide(m, a, b);
  const halved = shrWide(m, a, m.const(32, 1));
  const dividend = { high: m.select(less, a.high, halved.high), low: m.select(less, a.low, halved.low) };
  const quotient = over(m, dividend, b);
  return {
    exponent: m.sub(difference, m.zext(less, 32)),
    significand: quotient,
  };
}
