/**
 * Constants of i32 and i64 in generated code: WebAssembly's integer operations on them (Core Specification 2.0 §4.3.2
 * "Integer Operations").
 *
 * An `Integer` is signed. Of i64 it is a number where that is exact and a bigint elsewhere, so that each value has one
 * form and the common ones cost no BigInt.
 */

import {
  ADD,
  AND,
  CLZ,
  CTZ,
  DIV_S,
  DIV_U,
  EQ,
  GE_S,
  GE_U,
  GT_S,
  GT_U,
  LE_S,
  LE_U,
  LT_S,
  LT_U,
  MUL,
  NE,
  OR,
  REM_S,
  REM_U,
  ROTL,
  ROTR,
  SHL,
  SHR_S,
  SHR_U,
  SUB,
  XOR,
} from './opcodes.ts';

export type Integer = number | bigint;

const WORD = 0x1_0000_0000;

export function toInt32(value: Integer): number {
  return typeof value === 'number' ? value | 0 : Number(BigInt.asIntN(32, value));
}

export function toInt64(value: Integer): Integer {
  if (typeof value === 'number') return value;
  const signed = BigInt.asIntN(64, value);
  const number = Number(signed);
  return Number.isSafeInteger(number) ? number : signed;
}

/** The halves of an i64, each as an i32. */
export function lowWord(value: Integer): number {
  return toInt32(value);
}

export function highWord(value: Integer): number {
  return typeof value === 'number' ? Math.floor(value / WORD) | 0 : Number(BigInt.asIntN(32, value >> 32n));
}

function fromWords(low: number, high: number): Integer {
  const number = high * WORD + (low >>> 0);
  return Number.isSafeInteger(number) ? number : (BigInt(high) << 32n) | BigInt(low >>> 0);
}

/** The low `count` bits set; `count` is 0 to 32. */
export function ones(count: number): number {
  return count === 32 ? -1 : ((1 << count) - 1) | 0;
}

/** Bits `low` to `low + count - 1` as an i32; `count` is at most 32. Bits above an i32 are copies of its sign. */
export function fieldOf(value: Integer, low: number, count: number): number {
  if (low + count <= 32) return (lowWord(value) >>> low) & ones(count);
  if (low >= 32) return (highWord(value) >>> (low - 32)) & ones(count);
  return ((lowWord(value) >>> low) | (highWord(value) << (32 - low))) & ones(count);
}

/** How many of an integer's low bits can be set: 64 for negative ones. */
export function lengthOf(value: Integer): number {
  if (value < 0) return 64;
  const high = highWord(value);
  return high === 0 ? 32 - Math.clz32(lowWord(value)) : 64 - Math.clz32(high);
}

/** How many of an integer's low bits are clear; 64 for 0. */
export function trailingZeros(value: Integer): number {
  const low = lowWord(value);
  if (low !== 0) return 31 - Math.clz32(low & -low);
  const high = highWord(value);
  return high === 0 ? 64 : 63 - Math.clz32(high & -high);
}

/** How many of an integer's low bits are set in a row; 64 for -1. */
export function trailingOnes(value: Integer): number {
  const low = ~lowWord(value);
  if (low !== 0) return 31 - Math.clz32(low & -low);
  const high = ~highWord(value);
  return high === 0 ? 64 : 63 - Math.clz32(high & -high);
}

/** 2^n as an i64. */
export function powerOfTwo(n: number): Integer {
  return n < 53 ? 2 ** n : toInt64(1n << BigInt(n));
}

function lessUnsigned(a: Integer, b: Integer): boolean {
  return a < 0 === b < 0 ? a < b : b < 0;
}

/** A comparison, by its i32 opcode, of two integers of one type. */
export function holds(code: number, a: Integer, b: Integer): boolean {
  switch (code) {
    case EQ:
      return a === b;
    case NE:
      return a !== b;
    case LT_S:
      return a < b;
    case LT_U:
      return lessUnsigned(a, b);
    case GT_S:
      return a > b;
    case GT_U:
      return lessUnsigned(b, a);
    case LE_S:
      return a <= b;
    case LE_U:
      return !lessUnsigned(b, a);
    case GE_S:
      return a >= b;
    case GE_U:
      return !lessUnsigned(a, b);
    default:
      throw new Error(`opcode ${code} compares nothing`);
  }
}

/** An i32 or i64 operation, by its i32 opcode; undefined where it traps. */
export function evaluate(code: number, wide: boolean, a: Integer, b: Integer): Integer | undefined {
  if (!wide) return evaluate32(code, a as number, b as number);
  return evaluateExactly(code, a, b) ?? evaluate64(code, BigInt(a), BigInt(b));
}

function evaluate32(code: number, a: number, b: number): number | undefined {
  switch (code) {
    case ADD:
      return (a + b) | 0;
    case SUB:
      return (a - b) | 0;
    case MUL:
      return Math.imul(a, b);
    case DIV_S:
      return b === 0 || (b === -1 && a === -0x8000_0000) ? undefined : (a / b) | 0;
    case DIV_U:
      return b === 0 ? undefined : ((a >>> 0) / (b >>> 0)) | 0;
    case REM_S:
      return b === 0 ? undefined : (a % b) | 0;
    case REM_U:
      return b === 0 ? undefined : ((a >>> 0) % (b >>> 0)) | 0;
    case AND:
      return a & b;
    case OR:
      return a | b;
    case XOR:
      return a ^ b;
    case SHL:
      return a << b;
    case SHR_S:
      return a >> b;
    case SHR_U:
      return (a >>> b) | 0;
    case ROTL:
      return (a << b) | (a >>> -b);
    case ROTR:
      return (a >>> b) | (a << -b);
    default:
      return undefined;
  }
}

/** Fast path: i64 operations without BigInt, where the result is exact. */
function evaluateExactly(code: number, a: Integer, b: Integer): Integer | undefined {
  switch (code) {
    case AND:
      return fromWords(lowWord(a) & lowWord(b), highWord(a) & highWord(b));
    case OR:
      return fromWords(lowWord(a) | lowWord(b), highWord(a) | highWord(b));
    case XOR:
      return fromWords(lowWord(a) ^ lowWord(b), highWord(a) ^ highWord(b));
  }
  if (typeof a === 'bigint' || typeof b === 'bigint') return undefined;
  const result = exactNumber(code, a, b);
  // No -0.
  return Number.isSafeInteger(result) ? result + 0 : undefined;
}

function exactNumber(code: number, a: number, b: number): number {
  switch (code) {
    case ADD:
      return a + b;
    case SUB:
      return a - b;
    case MUL:
      return a * b;
    case SHL:
      return a * 2 ** (b & 63);
    case SHR_S:
      return Math.floor(a / 2 ** (b & 63));
    case SHR_U:
      return a < 0 ? Number.NaN : Math.floor(a / 2 ** (b & 63));
    default:
      return Number.NaN;
  }
}

function evaluate64(code: number, a: bigint, b: bigint): Integer | undefined {
  const unsigned = BigInt.asUintN(64, a);
  const count = b & 63n;
  switch (code) {
    case ADD:
      return toInt64(a + b);
    case SUB:
      return toInt64(a - b);
    case MUL:
      return toInt64(a * b);
    case DIV_S:
      return b === 0n || (b === -1n && unsigned === 1n << 63n) ? undefined : toInt64(a / b);
    case DIV_U:
      return b === 0n ? undefined : toInt64(unsigned / BigInt.asUintN(64, b));
    case REM_S:
      return b === 0n ? undefined : toInt64(a % b);
    case REM_U:
      return b === 0n ? undefined : toInt64(unsigned % BigInt.asUintN(64, b));
    case SHL:
      return toInt64(a << count);
    case SHR_S:
      return toInt64(a >> count);
    case SHR_U:
      return toInt64(unsigned >> count);
    case ROTL:
      return toInt64((unsigned << count) | (unsigned >> (64n - count)));
    case ROTR:
      return toInt64((unsigned >> count) | (unsigned << (64n - count)));
    default:
      return undefined;
  }
}

function ones32(value: number): number {
  let count = 0;
  for (let rest = value; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** CLZ, CTZ and POPCNT. */
export function count(code: number, wide: boolean, value: Integer): number {
  const width = wide ? 64 : 32;
  const low = lowWord(value);
  const high = wide ? highWord(value) : 0;
  switch (code) {
    case CLZ:
      return width - Math.min(width, lengthOf(wide ? value : (value as number) >>> 0));
    case CTZ:
      return Math.min(width, trailingZeros(value));
    default:
      return ones32(low) + ones32(high);
  }
}
