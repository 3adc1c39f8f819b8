/**
 * Makes nodes of generated code in their simplest form. Operations on constants are done at once, identities leave
 * their operand, and what is known of a value's upper bits makes masks and extensions go. Everything is exact bit by
 * bit, but for the bits above a value of 8 or 16 bits, which mean nothing. Floating-point arithmetic stays as it is:
 * WebAssembly does not say which NaN it gives.
 *
 * A folded node refers only to what the arguments were computed from, so it can be used wherever they can.
 */

import { SIMD_PREFIX } from '../../wasm/operations.ts';
import type { Type } from '../algebra.ts';
import { bitSource, fieldSource } from './bit-fields.ts';
import { foldArithmetic } from './fold-arithmetic.ts';
import { foldComparison, foldZeroTest } from './fold-comparisons.ts';
import { foldVector } from './fold-vectors.ts';
import type { FunctionBuilder } from './function-builder.ts';
import { count, fieldOf, lowWord, powerOfTwo, toInt32, toInt64 } from './integers.ts';
import { constantOperand, integerOf, isNarrow, same, significantBits, strip } from './known-bits.ts';
import { CONSTANT, type Node } from './nodes.ts';
import {
  ADD,
  AND,
  CLZ,
  EQ,
  EQZ,
  EXTEND_S,
  EXTEND_U,
  EXTEND8_S,
  EXTEND16_S,
  F32_REINTERPRET,
  F64_REINTERPRET,
  GE_U,
  I32_REINTERPRET,
  I64_REINTERPRET,
  LT_S,
  NE,
  OR,
  POPCNT,
  ROTR,
  SELECT,
  SHL,
  SHR_U,
  SUB,
  WIDE_ARITHMETIC,
  WIDE_COMPARISON,
  WRAP,
  XOR,
} from './opcodes.ts';

export class Folding {
  readonly #b: FunctionBuilder;

  constructor(builder: FunctionBuilder) {
    this.#b = builder;
  }

  #make(code: number, type: Type, args: readonly Node[], lanes?: readonly number[]): Node {
    const node = this.#b.operation({ code }, type, args, lanes);
    if (isNarrow(type)) {
      node.dirty = true;
      node.dirty = significantBits(node) > type;
    }
    return node;
  }

  constant(type: Type, value: number | bigint): Node {
    switch (type) {
      case 8:
      case 16:
        return this.#b.constant(type, toInt32(value) & (type === 8 ? 0xff : 0xffff));
      case 64:
        return this.#b.constant(type, toInt64(value));
      default:
        return this.#b.constant(type, value);
    }
  }

  truth(holds: boolean): Node {
    return this.#b.constant(1, holds ? 1 : 0);
  }

  /** The same bits as another type of the same WebAssembly type. */
  view(type: Type, node: Node): Node {
    if (node.type === type) return node;
    if (node.code === CONSTANT) return this.constant(type, node.constant as number | bigint);
    const plain = strip(node);
    if (plain.type === type) return plain;
    const view = this.#b.alias(type, plain);
    view.dirty = isNarrow(type) && significantBits(plain) > type;
    return view;
  }

  /** Upper bits of an 8- or 16-bit value cleared. */
  clean(node: Node): Node {
    if (!node.dirty) return node;
    return this.arithmetic(AND, node.type, node, this.constant(32, node.type === 8 ? 0xff : 0xffff));
  }

  // ---- Operations, by their i32 opcodes ----------------------------------------------------------------------------

  /** ADD to ROTR; i64 for type 64, else i32. */
  arithmetic(code: number, type: Type, left: Node, right: Node): Node {
    const x = strip(left);
    const y = strip(right);
    return (
      foldArithmetic(this, code, type, x, y) ?? this.#make(type === 64 ? code + WIDE_ARITHMETIC : code, type, [x, y])
    );
  }

  /** EQ to GE_U. */
  compare(code: number, wide: boolean, left: Node, right: Node): Node {
    const x = strip(left);
    const y = strip(right);
    return foldComparison(this, code, wide, x, y) ?? this.#make(wide ? code + WIDE_COMPARISON : code, 1, [x, y]);
  }

  /** Comparison with 0: `code` is EQ or NE. */
  testZero(code: number, wide: boolean, node: Node): Node {
    const x = strip(node);
    const folded = foldZeroTest(this, code, wide, x);
    if (folded !== undefined) return folded;
    if (code === EQ) return this.#make(wide ? EQZ + WIDE_COMPARISON : EQZ, 1, [x]);
    return this.#make(wide ? NE + WIDE_COMPARISON : NE, 1, [x, this.constant(wide ? 64 : 32, 0)]);
  }

  isZero(node: Node): Node {
    return this.testZero(EQ, node.type === 64, node);
  }

  /** CLZ, CTZ or POPCNT. */
  count(code: number, type: Type, node: Node): Node {
    const x = strip(node);
    const wide = type === 64;
    const value = integerOf(x);
    if (value !== undefined) return this.constant(type, count(code, wide, value));
    if (code === POPCNT && significantBits(x) <= 1) return this.view(type, x);
    return this.#make(wide ? code + WIDE_ARITHMETIC : code, type, [x]);
  }

  bit(node: Node, index: number): Node {
    const source = fieldSource(node, index, 1);
    if (source === undefined) return this.truth(false);
    const { node: word, low } = source;
    const value = integerOf(word);
    if (value !== undefined) return this.truth(fieldOf(value, low, 1) !== 0);
    const wide = word.type === 64;
    const type = wide ? 64 : 32;
    if (low === type - 1) return this.#make(wide ? LT_S + WIDE_COMPARISON : LT_S, 1, [word, this.constant(type, 0)]);
    const code = wide ? SHR_U + WIDE_ARITHMETIC : SHR_U;
    const shifted = low === 0 ? word : this.#make(code, type, [word, this.constant(type, low)]);
    const lowest = wide ? this.wrap(shifted) : shifted;
    if (significantBits(word) <= low + 1) return this.view(1, lowest);
    return this.#make(AND, 1, [lowest, this.constant(32, 1)]);
  }

  select(condition: Node, left: Node, right: Node): Node {
    const { type } = left;
    const x = strip(left);
    const y = strip(right);
    const known = integerOf(strip(condition));
    if (known !== undefined) return this.view(type, known !== 0 ? x : y);
    if (same(x, y)) return this.view(type, x);
    const [a, b] = [integerOf(x), integerOf(y)];
    if (a === 1 && b === 0) return this.#widened(condition, type);
    if (a === 0 && b === 1) return this.#widened(this.isZero(condition), type);
    if (a === -1 && b === 0) return this.arithmetic(SUB, type, y, this.#widened(condition, type));
    const test = strip(this.test(condition));
    if (test.code === EQZ) return this.#make(SELECT, type, [y, x, test.args[0] as Node]);
    return this.#make(SELECT, type, [x, y, test]);
  }

  #widened(condition: Node, type: Type): Node {
    return type === 64 ? this.extendUnsigned(condition) : this.view(type, condition);
  }

  /** An i32 that is not 0 where the condition holds: all that a branch or a selection asks for. */
  test(condition: Node): Node {
    const node = strip(condition);
    const [x, y] = node.args;
    if (node.code === NE && integerOf(y as Node) === 0) return x as Node;
    if (node.code !== AND) return node;
    const source = bitSource(node);
    if (source === undefined || source.low === 0) return node;
    const wide = source.node.type === 64;
    const type = wide ? 64 : 32;
    const inPlace = this.arithmetic(AND, type, source.node, this.constant(type, powerOfTwo(source.low)));
    return wide ? this.testZero(NE, true, inPlace) : inPlace;
  }

  // ---- Conversions -------------------------------------------------------------------------------------------------

  /** The low half of an i64. */
  wrap(node: Node): Node {
    const x = strip(node);
    const value = integerOf(x);
    if (value !== undefined) return this.constant(32, lowWord(value));
    if (!hasParts(x.code)) return this.#make(WRAP, 32, [x]);
    const source = fieldSource(x, 0, 32);
    if (source === undefined) return this.constant(32, 0);
    if (source.low === 0 && source.node !== x) return this.view(32, this.asNarrow(source.node));
    const mask = constantOperand(x, AND, true);
    if (mask === undefined) return this.#make(WRAP, 32, [x]);
    return this.arithmetic(AND, 32, this.wrap(x.args[0] as Node), this.constant(32, lowWord(mask)));
  }

  extendUnsigned(node: Node): Node {
    const x = strip(node);
    const value = integerOf(x);
    if (value !== undefined) return this.constant(64, lowWord(value) >>> 0);
    if (x.code === WRAP && significantBits(x.args[0] as Node) <= 32) return x.args[0] as Node;
    return this.#make(EXTEND_U, 64, [x]);
  }

  extendSigned(node: Node): Node {
    const x = strip(node);
    const value = integerOf(x);
    if (value !== undefined) return this.constant(64, value);
    return significantBits(x) < 32 ? this.extendUnsigned(x) : this.#make(EXTEND_S, 64, [x]);
  }

  /** The low 8 or 16 bits of an i32, sign-extended to 32. */
  extendLow(width: 8 | 16, node: Node): Node {
    const x = strip(node);
    const value = integerOf(x);
    if (value !== undefined) return this.constant(32, (toInt32(value) << (32 - width)) >> (32 - width));
    if (significantBits(x) < width || (width === 16 && x.code === EXTEND8_S)) return this.view(32, x);
    const source = fieldSource(x, 0, width);
    if (source === undefined) return this.constant(32, 0);
    if (source.low === 0 && source.node !== x) return this.extendLow(width, this.asNarrow(source.node));
    return this.#make(width === 8 ? EXTEND8_S : EXTEND16_S, 32, [x]);
  }

  /** The low bits of an integer as one of fewer bits. */
  truncate(node: Node, type: 8 | 16 | 32): Node {
    if (type === 32) return node.type === 64 ? this.wrap(node) : this.view(32, node);
    const source = fieldSource(node, 0, type);
    if (source === undefined) return this.constant(type, 0);
    return this.view(type, this.asNarrow(source.low === 0 ? source.node : node));
  }

  /** An i32 or i64 as the other, where upper bits do not matter. */
  asNarrow(node: Node): Node {
    return node.type === 64 ? this.wrap(node) : node;
  }

  asWide(node: Node): Node {
    return node.type === 64 ? node : this.extendUnsigned(node);
  }

  reinterpret(code: number, type: Type, node: Node): Node {
    const x = strip(node);
    return isReinterpretation(x.code) ? (x.args[0] as Node) : this.#make(code, type, [x]);
  }

  // ---- Operations by their own opcodes -----------------------------------------------------------------------------

  vector(code: number, args: readonly Node[], lanes?: readonly number[]): Node {
    return this.operation(code, 128, args, lanes);
  }

  /** Any operation of `wasm/operations.ts`. */
  operation(code: number, type: Type, args: readonly Node[], lanes?: readonly number[]): Node {
    if (code >= SIMD_PREFIX) {
      const plain = args.map(strip);
      return foldVector(this, code, plain, lanes) ?? this.#make(code, type, plain, lanes);
    }
    const [x, y] = args as readonly [Node, Node];
    switch (code) {
      case EQZ:
      case EQZ + WIDE_COMPARISON:
        return this.view(32, this.isZero(x));
      case WRAP:
        return this.wrap(x);
      case EXTEND_S:
        return this.extendSigned(x);
      case EXTEND_U:
        return this.extendUnsigned(x);
      case EXTEND8_S:
        return this.extendLow(8, x);
      case EXTEND16_S:
        return this.extendLow(16, x);
      case I32_REINTERPRET:
      case I64_REINTERPRET:
      case F32_REINTERPRET:
      case F64_REINTERPRET:
        return this.reinterpret(code, type, x);
    }
    if (code >= EQ && code <= GE_U) return this.view(32, this.compare(code, false, x, y));
    const compared = code - WIDE_COMPARISON;
    if (compared >= EQ && compared <= GE_U) return this.view(32, this.compare(compared, true, x, y));
    const narrow = type === 64 ? code - WIDE_ARITHMETIC : code;
    if (narrow >= CLZ && narrow <= POPCNT) return this.count(narrow, type, x);
    if (narrow >= ADD && narrow <= ROTR) return this.arithmetic(narrow, type, x, y);
    return this.#make(code, type, args.map(strip), lanes);
  }
}

/** Whether the low half of such an i64 may be found elsewhere, or be a constant. */
function hasParts(code: number): boolean {
  switch (code) {
    case EXTEND_S:
    case EXTEND_U:
    case AND + WIDE_ARITHMETIC:
    case OR + WIDE_ARITHMETIC:
    case XOR + WIDE_ARITHMETIC:
    case SHL + WIDE_ARITHMETIC:
      return true;
    default:
      return false;
  }
}

function isReinterpretation(code: number): boolean {
  return code >= I32_REINTERPRET && code <= F64_REINTERPRET;
}
