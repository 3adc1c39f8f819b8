/**
 * Rounding a result to a format (SDM Vol. 1 §4.8.4 "Rounding") with the exceptions that come of it: overflow,
 * underflow with tininess detected after rounding (§4.9.1.5), inexact.
 */

import { type Algebra, defineRoutine, type Routine, type Value } from '../../algebra.ts';
import {
  any,
  BIAS_ADJUST,
  DOUBLE,
  EXTENDED_MAX,
  EXTENDED_MIN,
  equals,
  type Format,
  FTZ,
  flagIf,
  INEXACT,
  IS_FINITE,
  IS_INFINITE,
  IS_NAN,
  IS_ZERO,
  isNot0,
  OVERFLOW,
  OVERFLOW_MASK,
  PC_SHIFT,
  ROUND_DOWN,
  ROUND_UP,
  ROUNDED_UP,
  roundingControl,
  SINGLE,
  UNDERFLOW,
  UNDERFLOW_MASK,
} from './format.ts';
import { shiftRightJam } from './wide.ts';

const HALF = 1n << 63n;

/** Whether a magnitude of that last bit, followed by `rest` / 2^64 (jammed), is rounded up. */
export function roundsUp(m: Algebra, sign: Value, odd: Value, rest: Value, rounding: Value): Value {
  const nearest = m.ltU(m.const(64, HALF), m.or(rest, m.zext(odd, 64)));
  const awayFromZero = m.select(sign, equals(m, rounding, ROUND_DOWN), equals(m, rounding, ROUND_UP));
  return m.select(m.isZero(rounding), nearest, m.and(awayFromZero, isNot0(m, rest)));
}

/** On a masked overflow, whether the rounding mode gives infinity and not the largest finite number. */
function overflowsToInfinity(m: Algebra, sign: Value, rounding: Value): Value {
  const directed = m.select(sign, equals(m, rounding, ROUND_DOWN), equals(m, rounding, ROUND_UP));
  return m.or(m.isZero(rounding), directed);
}

/**
 * (kind, sign, exponent, high, low, control) -> [bits, flags]. NaN kinds give the default NaN. With an exception
 * unmasked in `control` the flags are those to report; the bits then are not to be used.
 */
function roundRoutine(format: Format): Routine {
  const { width, fraction: fractionBits, bias, special } = format;
  const precision = fractionBits + 1;
  const infinity = BigInt(special) << BigInt(fractionBits);
  const minimum = 1 - bias;
  return defineRoutine({
    name: `fpRound${width}`,
    params: [32, 1, 32, 64, 64, 32],
    results: [width, 32],
    faults: false,
    body(m, kind, sign, exponent, high, low, control) {
      const special64 = m.select(
        any(m, kind, IS_NAN),
        m.const(64, infinity | (3n << BigInt(fractionBits - 1)) | (1n << BigInt(width - 1))),
        m.select(any(m, kind, IS_INFINITE), m.const(64, infinity), m.const(64, 0)),
      );
      const bits = m.variable(special64);
      const flags = m.variable(m.const(32, 0));
      m.if(any(m, kind, IS_FINITE), () => {
        const rounding = roundingControl(m, control);
        const restOf = (h: Value, l: Value): Value => m.or(m.shl(h, precision), m.zext(isNot0(m, l), 64));
        const keptOf = (h: Value): Value => m.shr(h, 64 - precision);
        const clamped = m.select(m.ltS(m.const(32, bias), exponent), m.const(32, bias + 1), exponent);
        // One less than the biased exponent: adding the significand with its integer bit makes it up.
        const base = m.variable(m.zext(m.add(clamped, m.const(32, bias - 1)), 64));
        const h = m.variable(high);
        const l = m.variable(low);
        const tiny = m.variable(m.const(1, 0));
        m.if(m.ltS(exponent, m.const(32, minimum)), () => {
          const kept = keptOf(high);
          const carries = m.and(
            m.and(equals(m, exponent, minimum - 1), equals(m, kept, (1n << BigInt(precision)) - 1n)),
            roundsUp(m, sign, m.bit(kept, 0), restOf(high, low), rounding),
          );
          m.assign(tiny, m.not(carries));
          const [shiftedHigh, shiftedLow] = m.call(shiftRightJam, high, low, m.sub(m.const(32, minimum), exponent));
          m.assign(h, shiftedHigh);
          m.assign(l, shiftedLow);
          m.assign(base, m.const(64, 0));
        });
        const rest = restOf(m.use(h), m.use(l));
        const kept = keptOf(m.use(h));
        const up = roundsUp(m, sign, m.bit(kept, 0), rest, rounding);
        const rounded = m.add(m.add(m.shl(m.use(base), fractionBits), kept), m.zext(up, 64));
        const inexact = isNot0(m, rest);
        m.assign(bits, rounded);
        m.assign(flags, m.or(flagIf(m, inexact, INEXACT), flagIf(m, up, ROUNDED_UP)));
        m.if(m.leU(m.const(64, infinity), rounded), () => {
          const toInfinity = overflowsToInfinity(m, sign, rounding);
          m.assign(bits, m.select(toInfinity, m.const(64, infinity), m.const(64, infinity - 1n)));
          m.assign(
            flags,
            m.select(
              any(m, control, OVERFLOW_MASK),
              m.or(m.const(32, OVERFLOW | INEXACT), flagIf(m, toInfinity, ROUNDED_UP)),
              m.or(m.use(flags), m.const(32, OVERFLOW)),
            ),
          );
        });
        m.if(m.use(tiny), () => {
          const masked = any(m, control, UNDERFLOW_MASK);
          // Unmasked, tininess alone counts, and inexact is what the result would be with an unbounded exponent.
          const wrapped = flagIf(m, isNot0(m, restOf(high, low)), INEXACT);
          const denormal = m.or(m.use(flags), flagIf(m, inexact, UNDERFLOW));
          m.assign(flags, m.select(masked, denormal, m.or(wrapped, m.const(32, UNDERFLOW))));
          m.if(m.and(masked, any(m, control, FTZ)), () => {
            m.assign(bits, m.const(64, 0));
            m.assign(flags, m.const(32, UNDERFLOW | INEXACT));
          });
        });
      });
      const signBit = m.shl(m.zext(sign, 64), width - 1);
      return [m.trunc(m.or(m.use(bits), signBit), width), m.use(flags)];
    },
  });
}

export const round32 = roundRoutine(SINGLE);
export const round64 = roundRoutine(DOUBLE);

/**
 * (kind, sign, exponent, high, low, control) -> [sign and biased exponent, significand, flags]: to the extended
 * format with the precision control's 24, 53 or 64 bits of significand and always the extended range of exponents
 * (SDM Vol. 1 §8.1.5.2). Unmasked overflow and underflow wrap the exponent (§8.5.4, §8.5.5).
 */
export const round80 = defineRoutine({
  name: 'fpRound80',
  params: [32, 1, 32, 64, 64, 32],
  results: [32, 64, 32],
  faults: false,
  body(m, kind, sign, exponent, high, low, control) {
    const nan = any(m, kind, IS_NAN);
    const zero = any(m, kind, IS_ZERO);
    const biased = m.variable(m.select(zero, m.const(32, 0), m.const(32, 0x7fff)));
    const significand = m.variable(
      m.select(nan, m.const(64, 3n << 62n), m.select(zero, m.const(64, 0), m.const(64, HALF))),
    );
    const flags = m.variable(m.const(32, 0));
    m.if(any(m, kind, IS_FINITE), () => {
      const rounding = roundingControl(m, control);
      const pc = m.and(m.shr(control, PC_SHIFT), m.const(32, 3));
      const full = any(m, pc, 1);
      const precision = m.select(m.isZero(pc), m.const(32, 24), m.const(32, 53));
      const unit = m.select(full, m.const(64, 1), m.shl(m.const(64, 1), m.sub(m.const(32, 64), precision)));
      const keep = m.neg(unit);
      const restOf = (h: Value, l: Value): Value =>
        m.select(full, l, m.or(m.shl(h, precision), m.zext(isNot0(m, l), 64)));
      const upOf = (h: Value, rest: Value): Value => roundsUp(m, sign, isNot0(m, m.and(h, unit)), rest, rounding);
      const e = m.variable(exponent);
      const h = m.variable(high);
      const l = m.variable(low);
      const denormalised = m.variable(m.const(1, 0));
      const tiny = m.variable(m.const(1, 0));
      const underflowMasked = any(m, control, UNDERFLOW_MASK);
      m.if(m.ltS(exponent, m.const(32, EXTENDED_MIN)), () => {
        const carries = m.and(
          m.and(equals(m, exponent, EXTENDED_MIN - 1), m.eq(m.and(high, keep), keep)),
          upOf(high, restOf(high, low)),
        );
        m.assign(tiny, m.not(carries));
        m.if(
          m.or(underflowMasked, carries),
          () => {
            const count = m.sub(m.const(32, EXTENDED_MIN), exponent);
            const [shiftedHigh, shiftedLow] = m.call(shiftRightJam, high, low, count);
            m.assign(h, shiftedHigh);
            m.assign(l, shiftedLow);
            m.assign(e, m.const(32, EXTENDED_MIN));
            m.assign(denormalised, m.const(1, 1));
          },
          () => m.assign(e, m.add(exponent, m.const(32, BIAS_ADJUST))),
        );
      });
      const rest = restOf(m.use(h), m.use(l));
      const up = upOf(m.use(h), rest);
      const kept = m.and(m.use(h), keep);
      const rounded = m.add(kept, m.select(up, unit, m.const(64, 0)));
      const carry = m.ltU(rounded, kept);
      const inexact = isNot0(m, rest);
      const carried = m.add(m.use(e), m.zext(carry, 32));
      m.assign(significand, m.select(carry, m.const(64, HALF), rounded));
      // A denormalised number that rounds up to the smallest normal one has exponent 1, others 0.
      m.assign(
        biased,
        m.select(m.use(denormalised), m.zext(m.msb(rounded), 32), m.add(carried, m.const(32, EXTENDED_MAX))),
      );
      m.assign(flags, m.or(flagIf(m, inexact, INEXACT), flagIf(m, up, ROUNDED_UP)));
      m.if(m.and(m.use(tiny), m.or(inexact, m.not(underflowMasked))), () => {
        m.assign(flags, m.or(m.use(flags), m.const(32, UNDERFLOW)));
      });
      m.if(m.ltS(m.const(32, EXTENDED_MAX), carried), () =>
        m.if(
          any(m, control, OVERFLOW_MASK),
          () => {
            const toInfinity = overflowsToInfinity(m, sign, rounding);
            m.assign(biased, m.select(toInfinity, m.const(32, 0x7fff), m.const(32, 0x7ffe)));
            m.assign(significand, m.select(toInfinity, m.const(64, HALF), keep));
            m.assign(flags, m.or(m.const(32, OVERFLOW | INEXACT), flagIf(m, toInfinity, ROUNDED_UP)));
          },
          () => {
            m.assign(biased, m.add(carried, m.const(32, EXTENDED_MAX - BIAS_ADJUST)));
            m.assign(flags, m.or(m.use(flags), m.const(32, OVERFLOW)));
          },
        ),
      );
    });
    const signBit = m.shl(m.zext(m.or(sign, nan), 32), 15);
    return [m.or(m.use(biased), signBit), m.use(significand), m.use(flags)];
  },
});
