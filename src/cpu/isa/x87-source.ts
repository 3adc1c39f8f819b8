/**
 * Where the second operand of x87 arithmetic and comparisons comes from: a register, or a number or an integer in memory.
 * Routines are made for each, so that what is normal stays in one function.
 */

import type { Algebra, Operand, Type, Value } from '../algebra.ts';
import { DOUBLE, EXTENDED_MAX, type Format, SINGLE, type Unpacked, unpacked } from './fp/format.ts';
import { exponentGuard, type Guard, guardOf, isZero, type Normal, normalGuard, normalOf, orZero } from './fp/normal.ts';
import { unpack32, unpack64, unpackInteger } from './fp/unpack.ts';
import { emptyGuard, getExtended, registerAt, type Stack, unpackSt } from './x87-stack.ts';

/** A number, and a guard against its being another one than was asked for. */
type Guarded = Normal & { readonly guard: Guard };

export interface Source {
  readonly name: string;
  /** Of the one parameter that routines take it as. */
  readonly type: Type;
  /** That parameter, from the operand of the instruction. */
  read(m: Algebra, operand: Operand): Value;
  /** Fast path: a normal number. */
  normal(m: Algebra, stack: Stack, value: Value): Guarded;
  /** Fast path: a normal number or a zero. */
  plain(m: Algebra, stack: Stack, value: Value): Guarded;
  unpack(m: Algebra, value: Value): Unpacked;
}

function normalReal(m: Algebra, _stack: Stack, bits: Value): Guarded {
  const { fraction, special, bias }: Format = bits.type === 32 ? SINGLE : DOUBLE;
  const exponent = m.trunc(m.shr(bits, fraction), 32);
  return {
    sign: m.msb(bits),
    exponent: m.add(m.and(exponent, m.const(32, special)), m.const(32, EXTENDED_MAX - bias)),
    significand: m.or(m.shl(m.zext(bits, 64), 63 - fraction), m.const(64, 1n << 63n)),
    guard: exponentGuard(m, exponent, special),
  };
}

function plainReal(m: Algebra, stack: Stack, bits: Value): Guarded {
  return withZero(m, normalReal(m, stack, bits), m.isZero(m.shl(bits, 1)));
}

/** Of a signed integer of 64 bits. */
function normalInteger(m: Algebra, _stack: Stack, integer: Value): Guarded {
  const sign = m.msb(integer);
  const magnitude = m.select(sign, m.neg(integer), integer);
  const zeros = m.and(m.clz(magnitude), m.const(64, 63));
  return {
    sign,
    exponent: m.sub(m.const(32, EXTENDED_MAX + 63), m.trunc(zeros, 32)),
    significand: m.shl(magnitude, zeros),
    guard: m.neg(m.zext(m.isZero(integer), 32)),
  };
}

function plainInteger(m: Algebra, stack: Stack, integer: Value): Guarded {
  return withZero(m, normalInteger(m, stack, integer), m.isZero(integer));
}

function withZero(m: Algebra, number: Guarded, zero: Value): Guarded {
  return {
    sign: number.sign,
    exponent: m.select(zero, m.const(32, 0), number.exponent),
    significand: m.select(zero, m.const(64, 0), number.significand),
    guard: orZero(m, number.guard, zero),
  };
}

/** A physical register's number. */
export function normalRegister(m: Algebra, stack: Stack, register: Value): Guarded {
  const { head, significand } = getExtended(m, register);
  const number = normalOf(m, head, significand);
  return { ...number, guard: guardOf(m, normalGuard(m, number), emptyGuard(m, stack, register)) };
}

export function plainRegister(m: Algebra, stack: Stack, register: Value): Guarded {
  const { head, significand } = getExtended(m, register);
  const number = normalOf(m, head, significand);
  const guard = orZero(m, normalGuard(m, number), isZero(m, number));
  return { ...number, guard: guardOf(m, guard, emptyGuard(m, stack, register)) };
}

export const fromRegister: Source = {
  name: 'Register',
  type: 32,
  read: (m, operand) => m.index(operand),
  normal: (m, stack, i) => normalRegister(m, stack, registerAt(m, stack, i)),
  plain: (m, stack, i) => plainRegister(m, stack, registerAt(m, stack, i)),
  unpack: (m, i) => unpackSt(m, i),
};

export const fromReal32: Source = {
  name: 'Single',
  type: 32,
  read: (m, operand) => m.read(operand),
  normal: normalReal,
  plain: plainReal,
  unpack: (m, bits) => unpacked(m.call(unpack32, bits, m.const(32, 0))),
};

export const fromReal64: Source = {
  name: 'Double',
  type: 64,
  read: (m, operand) => m.read(operand),
  normal: normalReal,
  plain: plainReal,
  unpack: (m, bits) => unpacked(m.call(unpack64, bits, m.const(32, 0))),
};

export const fromInteger: Source = {
  name: 'Integer',
  type: 64,
  read: (m, operand) => m.sext(m.read(operand), 64),
  normal: normalInteger,
  plain: plainInteger,
  unpack: (m, integer) => unpacked(m.call(unpackInteger, integer)),
};

/** Makes something of every source. */
export function bySource<T>(make: (source: Source) => T): (source: Source) => T {
  const made = new Map([fromRegister, fromReal32, fromReal64, fromInteger].map((source) => [source, make(source)]));
  return (source) => made.get(source) as T;
}
