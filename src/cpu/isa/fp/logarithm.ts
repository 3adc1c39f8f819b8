/** Logarithms to base 2, for FYL2X and FYL2XP1: log2 m = 2 log2(e) artanh s with s = (m - 1) / (m + 1). */

import { type Algebra, defineRoutine, type Value } from '../../algebra.ts';
import { LOG2_E } from './constants.ts';
import { evaluate, fraction, oddReciprocals, series, times, wide } from './fixed.ts';
import { isNot0 } from './format.ts';
import { divideFloats, WIDE_FLOAT } from './trigonometry.ts';
import { addWide, normalise, shiftRightJam, shrWide, subWide, type Wide } from './wide.ts';

/** artanh s = s (1 + z L(z)), z = s^2 below 2^-5: the last term is below 2^-105. */
const areaTangentSeries = series('fpAreaTangentSeries', oddReciprocals(1, 20), false);

const INTEGER_BIT = 1n << 63n;
/** The square root of 2, cut to 64 bits. */
const SQRT2 = 0xb504f333f9de6484n;

/** (s: exponent, high, low) below 0.18 -> exponent, high, low of 2 log2(e) artanh s. */
const logarithmOfRatio = defineRoutine({
  name: 'fpLogarithmOfRatio',
  params: [32, 64, 64],
  results: [32, 64, 64],
  faults: false,
  body(m, exponent, high, low) {
    const s = wide(m.call(shiftRightJam, high, low, m.sub(m.const(32, -1), exponent)));
    const z = times(m, s, s);
    const increase = shrWide(m, times(m, z, evaluate(m, areaTangentSeries, z)), m.const(32, 1));
    const factor = addWide(m, { high: m.const(64, INTEGER_BIT), low: m.const(64, 0) }, increase);
    const product = times(m, { high: high, low: low }, factor);
    const one = m.const(32, 1);
    const [h, l, e] = m.call(normalise, product.high, product.low, m.add(exponent, one));
    const scaled = times(m, { high: h, low: l }, fraction(m, LOG2_E));
    const result = m.call(normalise, scaled.high, scaled.low, m.add(e, m.const(32, 2)));
    return [result[2], result[0], m.or(result[1], m.const(64, 1))];
  },
});

/** (exponent, high, low), not 1 -> sign, exponent, high, low of log2; low is 0 only where the result is exact. */
export const logarithm = defineRoutine({
  name: 'fpLogarithm',
  params: [32, 64, 64],
  results: WIDE_FLOAT,
  faults: false,
  body(m, exponent, significandHigh, significandLow) {
    // Above sqrt 2 half of it is nearer to 1: m / 2 - 1 is negative then. All of this in units of 2^-127, modulo 2.
    const above = m.ltU(m.const(64, SQRT2), significandHigh);
    const significand = { high: significandHigh, low: significandLow };
    const unit = { high: m.const(64, INTEGER_BIT), low: m.const(64, 0) };
    const choose = (a: Wide, b: Wide): Wide => ({
      high: m.select(above, a.high, b.high),
      low: m.select(above, a.low, b.low),
    });
    const numerator = choose(subWide(m, fraction(m, 0n), significand), subWide(m, significand, unit));
    const denominator = choose(significand, addWide(m, significand, unit));
    const integer = m.add(exponent, m.zext(above, 32));
    const sign = m.variable(above);
    const e = m.variable(m.const(32, 0));
    const high = m.variable(m.const(64, 0));
    const low = m.variable(m.const(64, 0));
    m.if(isNot0(m, m.or(numerator.high, numerator.low)), () => {
      // The denominator lies between 2 and 4: half of it, with the bit that the modulus took off.
      const halved = shrWide(m, denominator, m.const(32, 1));
      const below = { high: m.or(halved.high, m.const(64, INTEGER_BIT)), low: halved.low };
      const [nHigh, nLow, nExponent] = m.call(normalise, numerator.high, numerator.low, m.const(32, -1));
      const s = divideFloats(m, { high: nHigh, low: nLow }, below, nExponent);
      const [ratioExponent, ratioHigh, ratioLow] = m.call(
        logarithmOfRatio,
        s.exponent,
        s.significand.high,
        s.significand.low,
      );
      m.assign(e, ratioExponent);
      m.assign(high, ratioHigh);
      m.assign(low, ratioLow);
    });
    m.if(isNot0(m, integer), () => {
      // In units of 2^-112.
      const part = wide(m.call(shiftRightJam, m.use(high), m.use(low), m.sub(m.const(32, 15), m.use(e))));
      const whole: Wide = { high: m.shl(m.sext(integer, 64), 48), low: m.const(64, 0) };
      const plus = addWide(m, whole, part);
      const minus = subWide(m, whole, part);
      const sum = {
        high: m.select(above, minus.high, plus.high),
        low: m.select(above, minus.low, plus.low),
      };
      const negative = m.msb(sum.high);
      const opposite = subWide(m, fraction(m, 0n), sum);
      const [h, l, normalExponent] = m.call(
        normalise,
        m.select(negative, opposite.high, sum.high),
        m.select(negative, opposite.low, sum.low),
        m.const(32, 15),
      );
      m.assign(sign, negative);
      m.assign(high, h);
      m.assign(low, m.or(l, m.zext(isNot0(m, part.low), 64)));
      m.assign(e, normalExponent);
    });
    return [m.use(sign), m.use(e), m.use(high), m.use(low)];
  },
});

/** Where log2(1 + x) is computed from x and not from 1 + x: below 1/4. */
const NEAR_ZERO = -2;

/** (sign, exponent, significand), x above -1 and not 0 -> sign, exponent, high, low of log2(1 + x). */
export const logarithmOfOnePlus = defineRoutine({
  name: 'fpLogarithmOfOnePlus',
  params: [1, 32, 64],
  results: WIDE_FLOAT,
  faults: false,
  body(m, sign, exponent, significand) {
    const result = [m.variable(sign), m.variable(exponent), m.variable(significand), m.variable(m.const(64, 0))];
    const take = (values: readonly Value[]): void =>
      result.forEach((variable, i) => {
        m.assign(variable, values[i]);
      });
    m.if(
      m.ltS(exponent, m.const(32, NEAR_ZERO)),
      () => {
        // s = x / (2 + x), the sum in units of 2^-126.
        const sum = plusConstant(m, sign, exponent, significand, 1);
        const [high, low, e] = m.call(normalise, sum.high, sum.low, m.const(32, 1));
        const s = divideFloats(m, { high: significand, low: m.const(64, 0) }, { high, low }, m.sub(exponent, e));
        take([sign, ...m.call(logarithmOfRatio, s.exponent, s.significand.high, s.significand.low)]);
      },
      () => {
        // 1 + x with its exponent that of x, or 0 for x below 1. What falls out is far below what counts.
        const small = m.msb(exponent);
        const scale = m.add(m.select(small, m.const(32, 0), exponent), m.const(32, 1));
        const one = m.call(shiftRightJam, m.const(64, INTEGER_BIT), m.const(64, 0), scale);
        const x = m.call(shiftRightJam, significand, m.const(64, 0), m.sub(scale, exponent));
        const more = addWide(m, wide(one), wide(x));
        const less = subWide(m, wide(one), wide(x));
        const [high, low, e] = m.call(
          normalise,
          m.select(sign, less.high, more.high),
          m.select(sign, less.low, more.low),
          scale,
        );
        take(m.call(logarithm, e, high, low));
      },
    );
    return result.map((variable) => m.use(variable));
  },
});

/** 2^power + x in units of 2^(power - 127), for |x| below that. */
function plusConstant(m: Algebra, sign: Value, exponent: Value, significand: Value, power: number): Wide {
  const constant = { high: m.const(64, INTEGER_BIT), low: m.const(64, 0) };
  const count = m.sub(m.const(32, power), exponent);
  const x = wide(m.call(shiftRightJam, significand, m.const(64, 0), count));
  const more = addWide(m, constant, x);
  const less = subWide(m, constant, x);
  return { high: m.select(sign, less.high, more.high), low: m.select(sign, less.low, more.low) };
}
