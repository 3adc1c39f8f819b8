/**
 * Whether a result of WebAssembly's arithmetic is the exact one, so that nothing was rounded and INEXACT is not raised.
 * The answers are for finite results that did not underflow. Products and what follows from them are taken for inexact
 * if their factors have too many bits.
 */

import type { Algebra, Value } from '../../algebra.ts';
import { equals } from '../fp/format.ts';
import { isZeroNumber, type Shape, toBits, toFloat } from './shapes.ts';

type Test = (m: Algebra, s: Shape, operands: readonly Value[], result: Value) => Value;

function isZeroFloat(m: Algebra, s: Shape, float: Value): Value {
  return isZeroNumber(m, toBits(m, s, float));
}

/** The error of a sum, by the TwoSum of Knuth (TAOCP Vol. 2 §4.2.2, Theorem B), is a number of the format. */
function isExactSum(m: Algebra, s: Shape, a: Value, b: Value, sum: Value): Value {
  const add = (x: Value, y: Value): Value => m.op(`${s.scalar}.add`, [x, y]);
  const sub = (x: Value, y: Value): Value => m.op(`${s.scalar}.sub`, [x, y]);
  const partOfB = sub(sum, a);
  const partOfA = sub(sum, partOfB);
  return isZeroFloat(m, s, add(sub(a, partOfA), sub(b, partOfB)));
}

/** Zeros at the end of a significand, type of the bits. */
function trailingZeros(m: Algebra, { width, format }: Shape, bits: Value): Value {
  return m.ctz(m.or(bits, m.const(width, 1n << BigInt(format.fraction))));
}

/** The factors have no more bits together than a significand, or one is a power of two (or zero). */
function isShortProduct(m: Algebra, s: Shape, a: Value, b: Value): Value {
  const { fraction } = s.format;
  const [zerosOfA, zerosOfB] = [trailingZeros(m, s, a), trailingZeros(m, s, b)];
  const short = m.ltU(m.const(s.width, fraction), m.add(zerosOfA, zerosOfB));
  return m.or(short, m.or(equals(m, zerosOfA, fraction), equals(m, zerosOfB, fraction)));
}

/** a * b is short and equals c. */
function isProduct(m: Algebra, s: Shape, a: Value, b: Value, c: Value): Value {
  const product = m.op(`${s.scalar}.mul`, [toFloat(m, s, a), toFloat(m, s, b)]);
  const same = equals(m, m.op(`${s.scalar}.eq`, [product, toFloat(m, s, c)]), 1);
  return m.and(same, isShortProduct(m, s, a, b));
}

/** By the operation's name; all values as bits. */
export const exactness: { readonly [operation: string]: Test } = {
  add: (m, s, [a, b], sum) => isExactSum(m, s, toFloat(m, s, a), toFloat(m, s, b), toFloat(m, s, sum)),
  sub(m, s, [a, b], difference) {
    const negated = m.op(`${s.scalar}.neg`, [toFloat(m, s, b)]);
    return isExactSum(m, s, toFloat(m, s, a), negated, toFloat(m, s, difference));
  },
  mul: (m, s, [a, b]) => isShortProduct(m, s, a, b),
  div: (m, s, [a, b], quotient) => isProduct(m, s, quotient, b, a),
  sqrt: (m, s, [a], root) => isProduct(m, s, root, root, a),
};
