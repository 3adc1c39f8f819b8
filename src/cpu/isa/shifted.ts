/** Results of shifts, and the values one step short of them, of whose lost bit CF is made. */

import type { Algebra, Value } from '../algebra.ts';
import { wideOf, widthOf } from './widths.ts';

export interface Shifted {
  readonly result: Value;
  readonly last: Value;
}

/** `count` has the width of `a`, and is less than 32, or 64 of 64 bits. */
export function shiftLeft(m: Algebra, a: Value, count: Value): Shifted {
  const width = widthOf(a);
  const wide = m.zext(a, wideOf(width));
  const [whole, shorter] = counts(m, count);
  return { result: m.trunc(m.shl(wide, whole), width), last: m.trunc(m.shl(wide, shorter), width) };
}

/** As `shiftLeft`. */
export function shiftRight(m: Algebra, a: Value, count: Value): Shifted {
  const width = widthOf(a);
  const wide = m.zext(a, wideOf(width));
  const [whole, shorter] = counts(m, count);
  return { result: m.trunc(m.shr(wide, whole), width), last: m.trunc(m.shr(wide, shorter), width) };
}

/** As `shiftLeft`, to the right with copies of the sign; `last` may be wider. */
export function shiftSigned(m: Algebra, a: Value, count: Value): Shifted {
  const width = widthOf(a);
  const wide = m.sext(a, wideOf(width));
  const [whole, shorter] = counts(m, count);
  return { result: m.trunc(m.sar(wide, whole), width), last: m.sar(wide, shorter) };
}

/** OF of a step to the left: whether the upper two bits differ. */
export function signChange(m: Algebra, a: Value): Value {
  return m.msb(m.xor(a, m.shl(a, 1)));
}

function counts(m: Algebra, count: Value): [whole: Value, shorter: Value] {
  const whole = widthOf(count) === 64 ? m.trunc(count, 32) : m.zext(count, 32);
  return [whole, m.sub(whole, m.const(32, 1))];
}
