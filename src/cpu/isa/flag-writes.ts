/**
 * What arithmetic and logical instructions leave in CF, PF, AF, ZF, SF and OF (SDM Vol. 1 §3.4.3.1 "Status Flags").
 *
 * OF is written as the top bit of a value and AF as bit 4 of one: the shape in which the state keeps them.
 */

import type { Algebra, FlagWrites, Value } from '../algebra.ts';

export function overflowOfSum(m: Algebra, a: Value, b: Value, sum: Value): Value {
  return m.msb(m.and(m.xor(a, sum), m.xor(b, sum)));
}

export function overflowOfDifference(m: Algebra, a: Value, b: Value, difference: Value): Value {
  return m.msb(m.and(m.xor(a, b), m.xor(a, difference)));
}

/** AF: carry or borrow between bits 3 and 4. */
export function adjust(m: Algebra, a: Value, b: Value, result: Value): Value {
  return m.bit(m.xor(m.xor(a, b), result), 4);
}

/** Carry out of a + b + carry, when that gave `sum`. */
export function carryOfSum(m: Algebra, a: Value, b: Value, sum: Value): Value {
  return m.msb(m.or(m.and(a, b), m.and(m.or(a, b), m.not(sum))));
}

/** Borrow of a - b - borrow, when that gave `difference`. */
export function borrowOfDifference(m: Algebra, a: Value, b: Value, difference: Value): Value {
  return m.msb(m.or(m.and(m.not(a), b), m.and(m.or(m.not(a), b), difference)));
}

/** ADD. */
export function addFlags(m: Algebra, a: Value, b: Value, sum: Value): FlagWrites {
  return { CF: m.ltU(sum, a), OF: overflowOfSum(m, a, b, sum), AF: adjust(m, a, b, sum), result: sum };
}

/** ADC: the carry that came in may make the sum equal to `a`. */
export function addCarryFlags(m: Algebra, a: Value, b: Value, sum: Value): FlagWrites {
  return { ...addFlags(m, a, b, sum), CF: carryOfSum(m, a, b, sum) };
}

/** SUB, CMP. */
export function subFlags(m: Algebra, a: Value, b: Value, difference: Value): FlagWrites {
  const overflow = overflowOfDifference(m, a, b, difference);
  return { CF: m.ltU(a, b), OF: overflow, AF: adjust(m, a, b, difference), result: difference };
}

/** SBB. */
export function subBorrowFlags(m: Algebra, a: Value, b: Value, difference: Value): FlagWrites {
  return { ...subFlags(m, a, b, difference), CF: borrowOfDifference(m, a, b, difference) };
}

/** AND, OR, XOR, TEST. AF is undefined in the manual; processors clear it. */
export function logicFlags(m: Algebra, result: Value): FlagWrites {
  const zero = m.const(1, 0);
  return { CF: zero, OF: zero, AF: zero, result };
}
