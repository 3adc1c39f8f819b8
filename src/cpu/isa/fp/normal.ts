/**
 * Fast path: arithmetic on normal extended numbers, rounded to nearest, in as few operations as there are: no kinds, no
 * 128-bit shifts by any count, no calls. It computes what `add.ts`, `multiply.ts` and `round.ts` do; where the result is
 * not normal, or operands are too far apart, it says so and they must do it.
 */

import type { Algebra, Value } from '../../algebra.ts';
import { EXTENDED_MAX, flagIf, INEXACT, isNot0, ROUNDED_UP } from './format.ts';
import { rootWide } from './multiply.ts';
import { divideWide, shlWide } from './wide.ts';

const HALF = 1n << 63n;
/** The biased exponent of infinities and NaNs. */
const SPECIAL = 0x7fff;

/** A normal number: exponent biased. Types 1, 32, 64. */
export interface Normal {
  readonly sign: Value;
  readonly exponent: Value;
  readonly significand: Value;
}

export interface NormalResult {
  /** The rest means something only if this holds. */
  readonly fits: Value;
  readonly head: Value;
  readonly significand: Value;
  readonly flags: Value;
}

export function normalOf(m: Algebra, head: Value, significand: Value): Normal {
  return { sign: m.bit(head, 15), exponent: m.and(head, m.const(32, 0x7fff)), significand };
}

/**
 * A guard: a value (type 32) that is negative where something is in the way of a fast path. Several are ORed and tested
 * with one compare (`isClear`).
 */
export type Guard = Value;

/** Condition: none of the guards is negative. */
export function isClear(m: Algebra, ...guards: readonly Guard[]): Value {
  return m.leS(m.const(32, 0), guardOf(m, ...guards));
}

export function guardOf(m: Algebra, ...guards: readonly Guard[]): Guard {
  return guards.reduce((a, b) => m.or(a, b));
}

/** Against exponents (any bits above them do not matter) of all zeros or all ones: `mask` is that of the exponent. */
export function exponentGuard(m: Algebra, exponent: Value, mask: number): Guard {
  return m.sub(m.and(m.add(exponent, m.const(32, 1)), m.const(32, mask - 1)), m.const(32, 1));
}

/** Against numbers that are not normal. */
export function normalGuard(m: Algebra, { exponent, significand }: Normal): Guard {
  return m.or(exponentGuard(m, exponent, SPECIAL), m.trunc(m.shr(m.not(significand), 32), 32));
}

/** Without a guard for numbers that are zero. */
export function orZero(m: Algebra, guard: Guard, zero: Value): Guard {
  return m.and(guard, m.sub(m.zext(zero, 32), m.const(32, 1)));
}

/** Positive or negative zero. */
export function isZero(m: Algebra, { exponent, significand }: Normal): Value {
  return m.isZero(m.or(significand, m.zext(exponent, 64)));
}

/** The exact result high:low / 2^127 * 2^exponent to the precision control's precision (the x87 control word's bits 8-9). */
function rounded(m: Algebra, sign: Value, exponent: Value, high: Value, low: Value, controlWord: Value): NormalResult {
  const kept = m.variable(high);
  const rest = m.variable(low);
  const dropped = m.variable(m.const(64, 0));
  m.if(m.not(m.bit(controlWord, 8)), () => {
    const bits = m.select(m.bit(controlWord, 9), m.const(64, 53), m.const(64, 24));
    m.assign(dropped, m.sub(m.const(64, 64), bits));
    m.assign(rest, m.or(m.shl(high, bits), m.zext(isNot0(m, low), 64)));
    m.assign(kept, m.shr(high, m.use(dropped)));
  });
  const up = m.ltU(m.const(64, HALF), m.or(m.use(rest), m.and(m.use(kept), m.const(64, 1))));
  const sum = m.shl(m.add(m.use(kept), m.zext(up, 64)), m.use(dropped));
  const carry = m.isZero(sum);
  const final = m.add(exponent, m.zext(carry, 32));
  return {
    // An exponent that rounding makes fit is left to others, too.
    fits: m.ltU(m.sub(exponent, m.const(32, 1)), m.const(32, SPECIAL - 2)),
    head: m.or(final, m.shl(m.zext(sign, 32), 15)),
    significand: m.or(sum, m.shl(m.zext(carry, 64), 63)),
    flags: m.or(flagIf(m, isNot0(m, m.use(rest)), INEXACT), flagIf(m, up, ROUNDED_UP)),
  };
}

/** a + b, up to 63 powers of two apart. */
export function addNormal(m: Algebra, a: Normal, b: Normal, controlWord: Value): NormalResult {
  const swap = m.or(
    m.ltU(a.exponent, b.exponent),
    m.and(m.eq(a.exponent, b.exponent), m.ltU(a.significand, b.significand)),
  );
  const large = m.select(swap, b.significand, a.significand);
  const small = m.select(swap, a.significand, b.significand);
  const largeExponent = m.select(swap, b.exponent, a.exponent);
  const distance = m.sub(largeExponent, m.select(swap, a.exponent, b.exponent));
  const count = m.zext(m.and(distance, m.const(32, 63)), 64);
  const smallHigh = m.shr(small, count);
  const smallLow = m.shl(m.shl(small, 1), m.xor(count, m.const(64, 63)));
  const exponent = m.variable(largeExponent);
  const high = m.variable(m.add(large, smallHigh));
  const low = m.variable(smallLow);
  m.if(
    m.xor(a.sign, b.sign),
    () => {
      const difference = m.sub(m.sub(large, smallHigh), m.zext(isNot0(m, smallLow), 64));
      const rest = m.neg(smallLow);
      m.if(
        isNot0(m, difference),
        () => {
          const zeros = m.clz(difference);
          const shifted = shlWide(m, { high: difference, low: rest }, zeros);
          m.assign(high, shifted.high);
          m.assign(low, shifted.low);
          m.assign(exponent, m.sub(largeExponent, m.trunc(zeros, 32)));
        },
        // Hardly anything or nothing is left: let the exponent not fit.
        () => m.assign(exponent, m.const(32, 0)),
      );
    },
    () => {
      // Whether there is a carry cannot be foretold: no branch.
      const sum = m.use(high);
      const carry = m.ltU(sum, large);
      const half = m.or(m.or(m.shr(smallLow, 1), m.and(smallLow, m.const(64, 1))), m.shl(sum, 63));
      m.assign(low, m.select(carry, half, smallLow));
      m.assign(high, m.select(carry, m.or(m.shr(sum, 1), m.const(64, HALF)), sum));
      m.assign(exponent, m.add(largeExponent, m.zext(carry, 32)));
    },
  );
  const result = rounded(m, m.select(swap, b.sign, a.sign), m.use(exponent), m.use(high), m.use(low), controlWord);
  return { ...result, fits: m.and(result.fits, m.ltU(distance, m.const(32, 64))) };
}

export function multiplyNormal(m: Algebra, a: Normal, b: Normal, controlWord: Value): NormalResult {
  const [low, high] = m.mulWide(a.significand, b.significand);
  const carry = m.msb(high);
  const exponent = m.sub(m.add(a.exponent, b.exponent), m.const(32, EXTENDED_MAX));
  const shifted = m.or(m.shl(high, 1), m.shr(low, 63));
  return rounded(
    m,
    m.xor(a.sign, b.sign),
    m.add(exponent, m.zext(carry, 32)),
    m.select(carry, high, shifted),
    m.select(carry, low, m.shl(low, 1)),
    controlWord,
  );
}

/** a / b. Of what lies below the quotient it matters whether it is 0, and how it compares with one half. */
export function divideNormal(m: Algebra, a: Normal, b: Normal, controlWord: Value): NormalResult {
  const less = m.ltU(a.significand, b.significand);
  const dividendHigh = m.select(less, a.significand, m.shr(a.significand, 1));
  const dividendLow = m.select(less, m.const(64, 0), m.shl(a.significand, 63));
  const [quotient, remainder] = m.call(divideWide, dividendHigh, dividendLow, b.significand);
  const rest = m.sub(b.significand, remainder);
  const half = m.select(m.ltU(rest, remainder), m.const(64, HALF | 1n), m.const(64, HALF >> 1n));
  const fraction = m.select(m.eq(rest, remainder), m.const(64, HALF), half);
  const exponent = m.sub(m.add(m.sub(a.exponent, b.exponent), m.const(32, EXTENDED_MAX)), m.zext(less, 32));
  return rounded(
    m,
    m.xor(a.sign, b.sign),
    exponent,
    quotient,
    m.select(m.isZero(remainder), m.const(64, 0), fraction),
    controlWord,
  );
}

/** The square root of a positive number; it always fits. */
export function rootNormal(m: Algebra, a: Normal, controlWord: Value): NormalResult {
  // Biased: an odd exponent is an even one without its bias.
  const even = m.bit(a.exponent, 0);
  const high = m.select(even, m.shr(a.significand, 1), a.significand);
  const low = m.select(even, m.shl(a.significand, 63), m.const(64, 0));
  const [root, rest] = m.call(rootWide, high, low);
  const exponent = m.shr(m.add(a.exponent, m.const(32, EXTENDED_MAX)), 1);
  return rounded(m, m.const(1, 0), exponent, root, rest, controlWord);
}
