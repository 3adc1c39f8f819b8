/** Rounding unpacked numbers to integers, within the format or to machine integers. */

import { type Algebra, defineRoutine, type Value } from '../../algebra.ts';
import {
  any,
  flagIf,
  INEXACT,
  INVALID,
  IS_FINITE,
  IS_ZERO,
  isNot0,
  ROUNDED_UP,
  UNPACKED,
  UNROUNDED,
  unpacked,
} from './format.ts';
import { roundsUp } from './round.ts';
import { shiftRightJam } from './wide.ts';

/** The integer below a finite magnitude under 2^64 and what is left of it, in 2^-64 (jammed). */
function splitInteger(m: Algebra, exponent: Value, significand: Value): [Value, Value] {
  const count = m.sub(m.const(32, 63), exponent);
  const [integer, rest] = m.call(shiftRightJam, significand, m.const(64, 0), count);
  return [integer, rest];
}

/**
 * (x, rounding, limit) -> [integer, flags]: to a signed integer whose magnitude is at most `limit`, or one more where
 * negative; 2^63 ("integer indefinite", cut to size by the caller's own) with INVALID for what does not fit or is no
 * number. The result for narrower integers is to be replaced by the caller where INVALID is set.
 */
export const toInteger = defineRoutine({
  name: 'fpToInteger',
  params: [...UNPACKED, 32, 64],
  results: [64, 32],
  faults: false,
  body(m, ...args) {
    const x = unpacked(args.slice(0, 4));
    const rounding = args[4];
    const limit = args[5];
    const result = m.variable(m.const(64, 0));
    const flags = m.variable(m.const(32, 0));
    const invalid = (): void => {
      m.assign(result, m.const(64, 1n << 63n));
      m.assign(flags, m.const(32, INVALID));
    };
    m.if(
      m.and(any(m, x.kind, IS_FINITE), m.ltS(x.exponent, m.const(32, 64))),
      () => {
        const [integer, rest] = splitInteger(m, x.exponent, x.significand);
        const up = roundsUp(m, x.sign, m.bit(integer, 0), rest, rounding);
        const magnitude = m.add(integer, m.zext(up, 64));
        m.assign(result, m.select(x.sign, m.neg(magnitude), magnitude));
        m.assign(flags, m.or(flagIf(m, isNot0(m, rest), INEXACT), flagIf(m, up, ROUNDED_UP)));
        const wrapped = m.and(up, m.isZero(magnitude));
        m.if(m.or(wrapped, m.ltU(m.add(limit, m.zext(x.sign, 64)), magnitude)), invalid);
      },
      () => m.if(m.not(any(m, x.kind, IS_ZERO)), invalid),
    );
    return [m.use(result), m.use(flags)];
  },
});

/** (x, rounding) -> unrounded: x to an integral value of its own format. Flags are INEXACT and ROUNDED_UP only. */
export const roundToIntegral = defineRoutine({
  name: 'fpRoundToIntegral',
  params: [...UNPACKED, 32],
  results: UNROUNDED,
  faults: false,
  body(m, ...args) {
    const x = unpacked(args.slice(0, 4));
    const kind = m.variable(x.kind);
    const exponent = m.variable(x.exponent);
    const high = m.variable(x.significand);
    const flags = m.variable(m.const(32, 0));
    m.if(m.and(any(m, x.kind, IS_FINITE), m.ltS(x.exponent, m.const(32, 63))), () => {
      const [integer, rest] = splitInteger(m, x.exponent, x.significand);
      const up = roundsUp(m, x.sign, m.bit(integer, 0), rest, args[4]);
      const magnitude = m.add(integer, m.zext(up, 64));
      const zeros = m.clz(magnitude);
      m.assign(flags, m.or(flagIf(m, isNot0(m, rest), INEXACT), flagIf(m, up, ROUNDED_UP)));
      m.assign(kind, m.select(m.isZero(magnitude), m.const(32, IS_ZERO), m.const(32, IS_FINITE)));
      m.assign(high, m.shl(magnitude, m.and(zeros, m.const(64, 63))));
      m.assign(exponent, m.trunc(m.sub(m.const(64, 63), zeros), 32));
    });
    return [m.use(kind), x.sign, m.use(exponent), m.use(high), m.const(64, 0), m.use(flags)];
  },
});
