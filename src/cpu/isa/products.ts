/**
 * Products of twice the width, and the flags they leave: SDM Vol. 1 §7.3.2.5 "Multiplication and Division Instructions".
 *
 * CF and OF tell whether the product needs its upper half. The others are undefined in the manual: Intel processors
 * derive SF and PF from the lower half and clear ZF and AF.
 */

import type { Algebra, FlagWrites, Value } from '../algebra.ts';
import { type Width, widthOf } from './widths.ts';

export type Product = [low: Value, high: Value];

/** Twice the width, where the algebra has that. */
function doubled(width: Width): Width {
  return width === 8 ? 16 : width === 16 ? 32 : 64;
}

export function multiplyUnsigned(m: Algebra, a: Value, b: Value): Product {
  const width = widthOf(a);
  if (width === 64) return m.mulWide(a, b);
  const product = m.mul(m.zext(a, doubled(width)), m.zext(b, doubled(width)));
  return [m.trunc(product, width), m.trunc(m.shr(product, width), width)];
}

export function multiplySigned(m: Algebra, a: Value, b: Value): Product {
  const width = widthOf(a);
  if (width === 64) {
    // A negative factor counts 2^64 too much in the unsigned product, times the other factor.
    const [low, high] = m.mulWide(a, b);
    const excess = m.add(m.and(m.sar(a, 63), b), m.and(m.sar(b, 63), a));
    return [low, m.sub(high, excess)];
  }
  const product = m.mul(m.sext(a, doubled(width)), m.sext(b, doubled(width)));
  return [m.trunc(product, width), m.trunc(m.shr(product, width), width)];
}

export function unsignedProductFlags(m: Algebra, [low, high]: Product): FlagWrites {
  return productFlags(m, low, m.ne(high, m.const(low.type, 0)));
}

export function signedProductFlags(m: Algebra, [low, high]: Product): FlagWrites {
  return productFlags(m, low, m.ne(high, m.sar(low, widthOf(low) - 1)));
}

function productFlags(m: Algebra, low: Value, overflow: Value): FlagWrites {
  const zero = m.const(1, 0);
  return { CF: overflow, OF: overflow, ZF: zero, AF: zero, result: low };
}
