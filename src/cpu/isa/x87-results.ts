/** Results of x87 instructions: special values, rounding of what the functions of `fp/` give, choices between them. */

import type { Algebra, Routine, Value } from '../algebra.ts';
import { denormalFlag } from './fp/add.ts';
import { EXTENDED_MIN, flagIf, INEXACT, INVALID, IS_FINITE, UNDERFLOW, type Unpacked } from './fp/format.ts';
import type { WideFloat } from './fp/trigonometry.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { roundUnrounded } from './x87-arithmetic.ts';
import { chooseResult, type Result } from './x87-nan.ts';
import { controlWord, enter, indefinite, leave } from './x87-stack.ts';

export const INTEGER_BIT = 1n << 63n;

/** The control word with 64 bits of precision: PC governs the basic arithmetic and the square root only. */
export function fullPrecision(m: Algebra): Value {
  return m.or(controlWord(m), m.const(32, 3 << 16));
}

/** The indefinite, for an invalid operation. */
export function invalid(m: Algebra): Result {
  return { ...indefinite(m), flags: m.const(32, INVALID) };
}

export function exactly(m: Algebra, head: Value | number, significand: bigint, flags?: Value): Result {
  const value = typeof head === 'number' ? m.const(32, head) : head;
  return { head: value, significand: m.const(64, significand), flags: flags ?? m.const(32, 0) };
}

export function signBit(m: Algebra, sign: Value): Value {
  return m.shl(m.zext(sign, 32), 15);
}

export function signedZero(m: Algebra, sign: Value, flags?: Value): Result {
  return exactly(m, signBit(m, sign), 0n, flags);
}

export function signedInfinity(m: Algebra, sign: Value, flags?: Value): Result {
  return exactly(m, m.or(signBit(m, sign), m.const(32, 0x7fff)), INTEGER_BIT, flags);
}

/** Rounds a result. It counts as inexact, and where it is tiny as underflow, even if nothing was to be rounded. */
export function roundWide(m: Algebra, x: WideFloat, flags: Value): Result {
  const { sign, exponent, significand } = x;
  const unrounded = [m.const(32, IS_FINITE), sign, exponent, significand.high, significand.low, flags];
  const rounded = roundUnrounded(m, unrounded, fullPrecision(m));
  const exact = m.and(m.isZero(significand.low), m.ltS(exponent, m.const(32, EXTENDED_MIN)));
  return { ...rounded, flags: m.or(rounded.flags, m.or(m.const(32, INEXACT), flagIf(m, exact, UNDERFLOW))) };
}

/** A number taken for the result of a function. */
export function roundNumber(m: Algebra, x: Unpacked): Result {
  const { sign, exponent, significand } = x;
  return roundWide(m, { sign, exponent, significand: { high: significand, low: m.const(64, 0) } }, denormalFlag(m, x));
}

/** A chain of cases, only the first one whose condition holds being computed. */
export function firstOf(
  m: Algebra,
  cases: readonly (readonly [Value, () => Result])[],
  otherwise: () => Result,
): Result {
  const [first, ...rest] = cases;
  return first === undefined ? otherwise() : chooseResult(m, first[0], first[1], () => firstOf(m, rest, otherwise));
}

/** The definition of an instruction without operands that a routine does. */
export function definition(name: string, title: string, form: string, routine: Routine): Instruction {
  return defineInstruction({
    name,
    sdm: `Vol. 2A "${name} - ${title}"`,
    feature: 'x87',
    forms: [form],
    semantics(m) {
      enter(m);
      m.call(routine);
      leave(m);
    },
  });
}
