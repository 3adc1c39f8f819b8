/** Logarithms to base 2, for FYL2X and FYL2XP1: log2 m = 2 log2(e) artanh s with s = (m - 1) / (m + 1). */

import { defineRoutine, type Value } from '../../algebra.ts';
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
    const s = wide(m.call(shiftRightJam, high!, low!, m.sub(m.const(32, -1), exponent!)));
    const z = times(m, s, s);
    const increase = shrWide(m, times(m, z, evaluate(m, areaTangentSeries, z)), m.const(32, 1));
    const factor = addWide(m, { high: m.const(64, INTEGER_BIT), low: m.const(64, 0) }, increase);
    const product = times(m, { high: high!, low: low! }, factor);
    const one = m.const(32, 1);
    const [h, l, e] = m.call(normalise, product.high, product.low, m.add(exponent!, one)) as [Value, Value, Value];
    const scaled = times(m, { high: h, low: l }, fraction(m, LOG2_E));
    const result = m.call(normalise, scaled.high, scaled.low, m.add(e, m.const(32, 2)));
    return [result[2]!, result[0]!, m.or(result[1]!, m.const(64, 1))];
  },
});

/** (exponent, significand), not 1 -> sign, exponent, high, low of log2; low is 0 only where the result is exact. */
export const logarithm = defineRoutine({
  name: 'fpLogarithm',
  params: [32, 64],
  results: WIDE_FLOAT,
  faults: false,
  body(m, exponent, significand) {
    // Above sqrt 2 half of it is nearer to 1: m / 2 - 1 is negative then.
    const above = m.ltU(m.const(64, SQRT2), significand!);
    const numerator = m.select(above, m.neg(significand!), m.sub(significand!, m.const(64, INTEGER_BIT)));
    const denominator = m.select(above, significand!, m.add(significand!, m.const(64, INTEGER_BIT)));
    const integer = m.add(exponent!, m.zext(above, 32));
    const sign = m.variable(above);
    const e = m.variable(m.const(32, 0));
    const high = m.variable(m.const(64, 0));
    const low = m.variable(m.const(64, 0));
    m.if(isNot0(m, numerator), () => {
      const [nHigh, nLow, nExponent] = m.call(normalise, numerator, m.const(64, 0), m.const(32, -1));
      // The denominator has 65 bits, the uppermost of them one.
      const below = {
        high: m.or(m.shr(denominator, 1), m.const(64, INTEGER_BIT)),
        low: m.shl(denominator, 63),
      };
      const s = divideFloats(m, { high: nHigh!, low: nLow! }, below, nExponent!);
      const [ratioExponent, ratioHigh, ratioLow] = m.call(
        logarithmOfRatio,
        s.exponent,
        s.significand.high,
        s.significand.low,
      );
      m.assign(e, ratioExponent!);
      m.assign(high, ratioHigh!);
      m.assign(low, ratioLow!);
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
      m.assign(high, h!);
      m.assign(low, m.or(l!, m.zext(isNot0(m, part.low), 64)));
      m.assign(e, normalExponent!);
    });
    return [m.use(sign), m.use(e), m.use(high), m.use(low)];
  },
});

/** (sign, exponent, significand), |x| below 0.3 and not 0 -> sign, exponent, high, low of log2(1 + x). */
export const logarithmOfOnePlus = defineRoutine({
  name: 'fpLogarithmOfOnePlus',
  params: [1, 32, 64],
  results: WIDE_FLOAT,
  faults: false,
  body(m, sign, exponent, significand) {
    const zero = m.const(64, 0);
    // 2 + x in units of 2^-126.
    const two = { high: m.const(64, INTEGER_BIT), low: zero };
    const x = wide(m.call(shiftRightJam, significand!, zero, m.sub(m.const(32, 1), exponent!)));
    const more = addWide(m, two, x);
    const less = subWide(m, two, x);
    const sum = { high: m.select(sign!, less.high, more.high), low: m.select(sign!, less.low, more.low) };
    const [high, low, e] = m.call(normalise, sum.high, sum.low, m.const(32, 1)) as [Value, Value, Value];
    const s = divideFloats(m, { high: significand!, low: zero }, { high, low }, m.sub(exponent!, e));
    const ratio = m.call(logarithmOfRatio, s.exponent, s.significand.high, s.significand.low);
    return [sign!, ...ratio];
  },
});
