/** Arc tangent of a quotient, for FPATAN. */

import { type Algebra, defineRoutine, type Value } from '../../algebra.ts';
import { arctangentBits, piBits } from './constants.ts';
import { evaluate, fraction, oddReciprocals, series, times, wide } from './fixed.ts';
import { equals, isNot0 } from './format.ts';
import { divideFloats, WIDE_FLOAT } from './trigonometry.ts';
import { addWide, normalise, shiftRightJam, shlWide, shrWide, subWide, type Wide } from './wide.ts';

/** arctan u = u (1 - z A(z)), z = u^2 below 2^-7: the last term is below 2^-105. */
const arctangentSeries = series('fpArctangentSeries', oddReciprocals(1, 14), true);

/** Angles in fixed point: units of 2^-126. */
const ANGLE_BITS = 126n;
const ANGLE_EXPONENT = 1;

/** Below 2^-40 processors take a quotient for its arc tangent, whatever the rounding. */
const TINY = -40;

/** (exponent, high, low) below 1/8 -> exponent, high, low of the arc tangent. */
const smallArctangent = defineRoutine({
  name: 'fpSmallArctangent',
  params: [32, 64, 64],
  results: [32, 64, 64],
  faults: false,
  body(m, exponent, high, low) {
    const u = wide(m.call(shiftRightJam, high, low, m.sub(m.const(32, -1), exponent)));
    const z = times(m, u, u);
    const tiny = m.ltS(exponent, m.const(32, TINY));
    const decrease = shrWide(m, times(m, z, evaluate(m, arctangentSeries, z)), m.const(32, 1));
    const one = { high: m.const(64, 1n << 63n), low: m.const(64, 0) };
    const factor = subWide(m, one, addWide(m, decrease, fraction(m, 1n)));
    const product = times(m, { high: high, low: low }, factor);
    const [h, l, e] = m.call(normalise, product.high, product.low, m.add(exponent, m.const(32, 1)));
    const marked = m.or(l, m.const(64, 1));
    return [m.select(tiny, exponent, e), m.select(tiny, high, h), m.select(tiny, low, marked)];
  },
});

/** arctan(j / 8) in units of 2^-126. */
function breakpoint(m: Algebra, j: Value): Wide {
  return [1, 2, 3, 4, 5, 6, 7, 8].reduce(
    (found, number) => {
      const here = equals(m, j, number);
      const angle = fraction(m, arctangentBits(number, 8) >> (128n - ANGLE_BITS));
      return { high: m.select(here, angle.high, found.high), low: m.select(here, angle.low, found.low) };
    },
    fraction(m, 0n),
  );
}

/**
 * (exponent and significand of y, of x, x negative) -> the angle of the point (|x| or -|x|, |y|), between 0 and pi:
 * sign (0), exponent, high, low (0 if the angle is taken for an exact quotient).
 *
 * The smaller of the two over the larger one is t, and j/8 the nearest eighth to it: arctan t = arctan(j/8) + arctan u
 * with u = (8t - j) / (8 + jt), whose numerator and denominator are exact.
 */
export const arctangent = defineRoutine({
  name: 'fpArctangent',
  params: [32, 64, 32, 64, 1],
  results: WIDE_FLOAT,
  faults: false,
  body(m, exponentY, significandY, exponentX, significandX, negativeX) {
    const steep = m.or(
      m.ltS(exponentX, exponentY),
      m.and(m.eq(exponentX, exponentY), m.ltU(significandX, significandY)),
    );
    const small = m.select(steep, significandX, significandY);
    const large = m.select(steep, significandY, significandX);
    const difference = m.sub(m.select(steep, exponentX, exponentY), m.select(steep, exponentY, exponentX));
    const zero = m.const(64, 0);
    const j = m.variable(m.const(32, 0));
    const numerator = [m.variable(small), m.variable(zero)] as const;
    const denominator = [m.variable(large), m.variable(zero)] as const;
    const scale = m.variable(difference);
    const negative = m.variable(m.const(1, 0));
    const exact = m.variable(m.const(1, 0));
    m.if(m.leS(m.const(32, -4), difference), () => {
      const shift = m.neg(difference);
      const sixteen = m.shl(m.shr(m.shr(small, shift), 32), 4);
      const eighths = m.shr(m.add(m.divU(sixteen, m.shr(large, 32)), m.const(64, 1)), 1);
      m.assign(j, m.trunc(eighths, 32));
      m.if(isNot0(m, eighths), () => {
        // Both in units in which the smaller one is an integer.
        const a = shlWide(m, { high: zero, low: small }, m.sub(m.const(32, 4), shift));
        const b = shlWide(m, { high: zero, low: large }, m.const(32, 4));
        const eight = (x: Wide): Wide => shlWide(m, x, m.const(32, 3));
        const byJ = (x: Wide): Wide => {
          const [low, high] = m.mulWide(x.low, eighths);
          return { high: m.add(high, m.mul(x.high, eighths)), low };
        };
        const n = subWide(m, eight(a), byJ(b));
        const below = m.msb(n.high);
        const opposite = subWide(m, { high: zero, low: zero }, n);
        const magnitude = {
          high: m.select(below, opposite.high, n.high),
          low: m.select(below, opposite.low, n.low),
        };
        m.assign(negative, below);
        m.if(
          isNot0(m, m.or(magnitude.high, magnitude.low)),
          () => {
            const d = addWide(m, eight(b), byJ(a));
            const [nHigh, nLow, nExponent] = m.call(normalise, magnitude.high, magnitude.low, m.const(32, 0));
            const [dHigh, dLow, dExponent] = m.call(normalise, d.high, d.low, m.const(32, 0));
            m.assign(numerator[0], nHigh);
            m.assign(numerator[1], nLow);
            m.assign(denominator[0], dHigh);
            m.assign(denominator[1], dLow);
            m.assign(scale, m.sub(nExponent, dExponent));
          },
          () => m.assign(exact, m.const(1, 1)),
        );
      });
    });
    const u = divideFloats(
      m,
      { high: m.use(numerator[0]), low: m.use(numerator[1]) },
      { high: m.use(denominator[0]), low: m.use(denominator[1]) },
      m.use(scale),
    );
    const [e, h, l] = m.call(smallArctangent, u.exponent, u.significand.high, u.significand.low);
    const resultExponent = m.variable(e);
    const high = m.variable(h);
    const low = m.variable(l);
    m.if(m.or(m.or(steep, negativeX), isNot0(m, m.use(j))), () => {
      const count = m.sub(m.const(32, ANGLE_EXPONENT), e);
      const fixed = wide(m.call(shiftRightJam, h, l, count));
      const part = {
        high: m.select(m.use(exact), zero, fixed.high),
        low: m.select(m.use(exact), zero, fixed.low),
      };
      const base = breakpoint(m, m.use(j));
      const choose = (condition: Value, a: Wide, b: Wide): Wide => ({
        high: m.select(condition, a.high, b.high),
        low: m.select(condition, a.low, b.low),
      });
      const shallow = choose(m.use(negative), subWide(m, base, part), addWide(m, base, part));
      const first = choose(steep, subWide(m, fraction(m, piBits(ANGLE_BITS - 1n)), shallow), shallow);
      const angle = choose(negativeX, subWide(m, fraction(m, piBits(ANGLE_BITS)), first), first);
      const normal = m.call(normalise, angle.high, angle.low, m.const(32, ANGLE_EXPONENT));
      m.assign(high, normal[0]);
      m.assign(low, m.or(normal[1], m.const(64, 1)));
      m.assign(resultExponent, normal[2]);
    });
    return [m.const(1, 0), m.use(resultExponent), m.use(high), m.use(low)];
  },
});
