/** 2^x - 1 for |x| below 1, for F2XM1. */

import { defineRoutine } from '../../algebra.ts';
import { LN2 } from './constants.ts';
import { evaluate, fraction, reciprocalFactorials, series, times, wide } from './fixed.ts';
import { WIDE_FLOAT } from './trigonometry.ts';
import { addWide, normalise, shiftRightJam, shrWide, subWide } from './wide.ts';

/** e^w - 1 = w (1 + w E(w)) for w up to ln 2: the last term is below 2^-105. */
const TERMS = reciprocalFactorials(2, 1, 25);
const risingSeries = series('fpExponentialSeries', TERMS, false);
const fallingSeries = series('fpNegativeExponentialSeries', TERMS, true);

/** (sign, exponent below 0, significand) -> sign, exponent, high, low of 2^x - 1. */
export const powerOfTwoMinusOne = defineRoutine({
  name: 'fpPowerOfTwoMinusOne',
  params: [1, 32, 64],
  results: WIDE_FLOAT,
  faults: false,
  body(m, sign, exponent, significand) {
    const scaled = times(m, { high: significand, low: m.const(64, 0) }, fraction(m, LN2));
    const normal = m.call(normalise, scaled.high, scaled.low, exponent);
    const [high, low, e] = [normal[0], normal[1], normal[2]];
    const w = wide(m.call(shiftRightJam, high, low, m.sub(m.const(32, -1), e)));
    const factorHigh = m.variable(m.const(64, 0));
    const factorLow = m.variable(m.const(64, 0));
    const one = { high: m.const(64, 1n << 63n), low: m.const(64, 0) };
    const half = m.const(32, 1);
    m.if(
      sign,
      () => {
        const factor = subWide(m, one, shrWide(m, times(m, w, evaluate(m, fallingSeries, w)), half));
        m.assign(factorHigh, factor.high);
        m.assign(factorLow, factor.low);
      },
      () => {
        const factor = addWide(m, one, shrWide(m, times(m, w, evaluate(m, risingSeries, w)), half));
        m.assign(factorHigh, factor.high);
        m.assign(factorLow, factor.low);
      },
    );
    const product = times(m, { high, low }, { high: m.use(factorHigh), low: m.use(factorLow) });
    const [h, l, x] = m.call(normalise, product.high, product.low, m.add(e, m.const(32, 1)));
    return [sign, x, h, m.or(l, m.const(64, 1))];
  },
});
