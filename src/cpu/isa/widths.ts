/** Widths of integer operands, and conversions between values whose widths are known only when decoded. */

import type { Algebra, Operand, Value } from '../algebra.ts';

export type Width = 8 | 16 | 32 | 64;

export function widthOf(of: Operand | Value): Width {
  return of.type as Width;
}

/** Zero-extends or truncates to the width. */
export function unsigned(m: Algebra, value: Value, width: Width): Value {
  return widthOf(value) < width ? m.zext(value, width) : m.trunc(value, width);
}

/** Sign-extends or truncates to the width. */
export function signed(m: Algebra, value: Value, width: Width): Value {
  return widthOf(value) < width ? m.sext(value, width) : m.trunc(value, width);
}

/** Narrowest width of at least 32 bits that holds the value: the algebra rotates, divides and counts bits only there. */
export function wideOf(width: Width): 32 | 64 {
  return width === 64 ? 64 : 32;
}
