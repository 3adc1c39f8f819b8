/**
 * The vocabulary of the soft-float core: formats, operand kinds, exception flags and the control word.
 *
 * A number is taken apart (`unpack.ts`) into a kind, a sign, an unbiased exponent and a 64-bit significand whose
 * integer bit is bit 63, whatever format it came from:
 *
 *     value = (-1)^sign * significand / 2^63 * 2^exponent
 *
 * The operations (`add.ts`, `multiply.ts`, ...) work on that form alone and give a result with 128 bits of
 * significand (high, low; the low half may be "jammed": exact but for its last bit being sticky), which `round.ts`
 * rounds to a format. `sse.ts` and `../x87-*.ts` put the three together.
 */

import type { Algebra, Type, Value } from '../../algebra.ts';

/** Exception flags, in the order of MXCSR and of the x87 status word (SDM Vol. 1 §4.9.1). */
export const INVALID = 0x01;
export const DENORMAL = 0x02;
export const ZERO_DIVIDE = 0x04;
export const OVERFLOW = 0x08;
export const UNDERFLOW = 0x10;
export const INEXACT = 0x20;
/** Set besides them when the magnitude was rounded up: C1 of the x87 status word. */
export const ROUNDED_UP = 0x200;
/** Exceptions found before the operation is carried out. */
export const PRE_COMPUTATION = INVALID | DENORMAL | ZERO_DIVIDE;
export const EXCEPTIONS = 0x3f;

/** Kinds of numbers, bits so that several can be tested at once. IS_DENORMAL comes together with IS_FINITE. */
export const IS_ZERO = 0x01;
export const IS_FINITE = 0x02;
export const IS_INFINITE = 0x04;
export const IS_QUIET = 0x08;
export const IS_SIGNALLING = 0x10;
/** Unnormals, pseudo-infinities and pseudo-NaNs of the extended format (SDM Vol. 1 §8.2.2). */
export const IS_UNSUPPORTED = 0x20;
export const IS_DENORMAL = 0x40;
export const IS_NAN = IS_QUIET | IS_SIGNALLING;

/**
 * The control word of every routine is MXCSR, or a word like it made of the x87 control word:
 *
 *      17 16  15  14 13  12  11  10  9   8   7   6   5 ... 0
 *       PC   FTZ   RC    PM  UM  OM  ZM  DM  IM DAZ  (flags)
 */
export const DAZ = 1 << 6;
export const OVERFLOW_MASK = OVERFLOW << 7;
export const UNDERFLOW_MASK = UNDERFLOW << 7;
export const RC_SHIFT = 13;
export const FTZ = 1 << 15;
export const PC_SHIFT = 16;
export const ROUND_DOWN = 1;
export const ROUND_UP = 2;

export interface Format {
  readonly width: 32 | 64;
  /** Bits of fraction, without the integer bit. */
  readonly fraction: number;
  readonly bias: number;
  /** The biased exponent of infinities and NaNs. */
  readonly special: number;
}

export const SINGLE: Format = { width: 32, fraction: 23, bias: 127, special: 0xff };
export const DOUBLE: Format = { width: 64, fraction: 52, bias: 1023, special: 0x7ff };

/** Largest and smallest exponent of a normal number in the extended format. */
export const EXTENDED_MAX = 16383;
export const EXTENDED_MIN = -16382;
/** What an unmasked overflow or underflow adds to or takes off the exponent (SDM Vol. 1 §8.5.4). */
export const BIAS_ADJUST = 24576;

/** A number taken apart. Types: 32, 1, 32, 64. */
export interface Unpacked {
  readonly kind: Value;
  readonly sign: Value;
  readonly exponent: Value;
  readonly significand: Value;
}

export const UNPACKED: readonly Type[] = [32, 1, 32, 64];
/** Kind, sign, exponent, significand high and low, exception flags: what an operation gives. */
export const UNROUNDED: readonly Type[] = [32, 1, 32, 64, 64, 32];

export function unpacked([kind, sign, exponent, significand]: readonly Value[]): Unpacked {
  return { kind: kind, sign: sign, exponent: exponent, significand: significand };
}

export function parts(x: Unpacked): Value[] {
  return [x.kind, x.sign, x.exponent, x.significand];
}

/** Any of the bits of `mask` set in `value`. */
export function any(m: Algebra, value: Value, mask: number | bigint): Value {
  return m.ne(m.and(value, m.const(value.type, mask)), m.const(value.type, 0));
}

export function isNot0(m: Algebra, value: Value): Value {
  return m.ne(value, m.const(value.type, 0));
}

export function equals(m: Algebra, value: Value, constant: number | bigint): Value {
  return m.eq(value, m.const(value.type, constant));
}

/** `mask` (type 32) where the condition holds, else 0. */
export function flagIf(m: Algebra, condition: Value, mask: number): Value {
  return m.select(condition, m.const(32, mask), m.const(32, 0));
}

/** Rounding control of a control word: 0 nearest, 1 down, 2 up, 3 toward zero. */
export function roundingControl(m: Algebra, control: Value): Value {
  return m.and(m.shr(control, RC_SHIFT), m.const(32, 3));
}
