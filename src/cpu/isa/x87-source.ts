/**
 * Where the second operand of x87 arithmetic and comparisons comes from: a register, or a number or an integer in memory.
 * Routines are made for each, so that what is normal stays in one function.
 */

import type { Algebra, Operand, Type, Value } from '../algebra.ts';
import { DOUBLE, EXTENDED_MAX, type Format, isNot0, SINGLE, type Unpacked, unpacked } from './fp/format.ts';
import { isNormal, isZero, type Normal, normalOf } from './fp/normal.ts';
import { unpack32, unpack64, unpackInteger } from './fp/unpack.ts';
import { areFull, getExtended, physical, unpackSt } from './x87-stack.ts';

/** A number and the condition that it is what was asked for. */
type Usable = Normal & { readonly usable: Value };

export interface Source {
  readonly name: string;
  /** Of the one parameter that routines take it as. */
  readonly type: Type;
  /** That parameter, from the operand of the instruction. */
  read(m: Algebra, operand: Operand): Value;
  /** Fast path: the number as it is, and the condition that it is a normal one. */
  normal(m: Algebra, value: Value): Usable;
  /** The same for normal numbers and zeros. */
  plain(m: Algebra, value: Value): Usable;
  unpack(m: Algebra, value: Value): Unpacked;
}

/** With zeros, for which `zero` holds, among what is usable. */
function orZero(m: Algebra, number: Usable, zero: Value): Usable {
  return {
    sign: number.sign,
    exponent: m.select(zero, m.const(32, 0), number.exponent),
    significand: m.select(zero, m.const(64, 0), number.significand),
    usable: m.or(number.usable, zero),
  };
}

function plainReal(m: Algebra, bits: Value): Usable {
  return orZero(m, normalReal(m, bits), m.isZero(m.shl(bits, 1)));
}

/** A single or double. The significand is right for normal ones only. */
export function normalReal(m: Algebra, bits: Value): Usable {
  const { fraction, special, bias }: Format = bits.type === 32 ? SINGLE : DOUBLE;
  const biased = m.and(m.trunc(m.shr(bits, fraction), 32), m.const(32, special));
  return {
    sign: m.msb(bits),
    exponent: m.add(biased, m.const(32, EXTENDED_MAX - bias)),
    significand: m.or(m.shl(m.zext(bits, 64), 63 - fraction), m.const(64, 1n << 63n)),
    usable: m.ltU(m.sub(biased, m.const(32, 1)), m.const(32, special - 1)),
  };
}

/** A signed integer of 64 bits that is not 0. */
export function normalInteger(m: Algebra, integer: Value): Usable {
  const sign = m.msb(integer);
  const magnitude = m.select(sign, m.neg(integer), integer);
  const zeros = m.and(m.clz(magnitude), m.const(64, 63));
  return {
    sign,
    exponent: m.sub(m.const(32, EXTENDED_MAX + 63), m.trunc(zeros, 32)),
    significand: m.shl(magnitude, zeros),
    usable: isNot0(m, integer),
  };
}

export const fromRegister: Source = {
  name: 'Register',
  type: 32,
  read: (m, operand) => m.index(operand),
  normal(m, i) {
    const register = physical(m, i);
    const { head, significand } = getExtended(m, register);
    const number = normalOf(m, head, significand);
    return { ...number, usable: m.and(areFull(m, register), isNormal(m, number)) };
  },
  plain(m, i) {
    const register = physical(m, i);
    const { head, significand } = getExtended(m, register);
    const number = normalOf(m, head, significand);
    return { ...number, usable: m.and(areFull(m, register), m.or(isNormal(m, number), isZero(m, number))) };
  },
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
  plain: (m, integer) => orZero(m, normalInteger(m, integer), m.isZero(integer)),
  unpack: (m, integer) => unpacked(m.call(unpackInteger, integer)),
};

/** Makes something of every source: a routine of each. */
export function bySource<T>(make: (source: Source) => T): (source: Source) => T {
  const made = new Map([fromRegister, fromReal32, fromReal64, fromInteger].map((source) => [source, make(source)]));
  return (source) => made.get(source) as T;
}
