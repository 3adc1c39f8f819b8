/** Simpler forms of i32 and i64 arithmetic. Constants end up on the right, and `x - c` as `x + -c`. */

import type { Type } from '../algebra.ts';
import { fieldSource } from './bit-fields.ts';
import type { Folding } from './folding.ts';
import { evaluate, highWord, type Integer, lengthOf, lowWord, trailingOnes, trailingZeros } from './integers.ts';
import { constantOperand, integerOf, offsetOf, same, significantBits, strip } from './known-bits.ts';
import type { Node } from './nodes.ts';
import {
  ADD,
  AND,
  DIV_S,
  DIV_U,
  EXTEND_S,
  EXTEND_U,
  MUL,
  OR,
  REM_S,
  REM_U,
  ROTL,
  ROTR,
  SHL,
  SHR_S,
  SHR_U,
  SUB,
  WIDE_ARITHMETIC,
  XOR,
} from './opcodes.ts';

/** `code` is that of i32; `x` and `y` are no views. Undefined where the operation is as simple as it gets. */
export function foldArithmetic(f: Folding, code: number, type: Type, x: Node, y: Node): Node | undefined {
  const a = integerOf(x);
  const b = integerOf(y);
  if (b !== undefined) {
    if (a === undefined) return withConstant(f, code, type, x, b);
    const value = evaluate(code, type === 64, a, b);
    return value === undefined ? undefined : f.constant(type, value);
  }
  if (a !== undefined) {
    return isCommutative(code) ? f.arithmetic(code, type, y, x) : ofConstant(f, code, type, a, y);
  }
  switch (code) {
    case AND:
    case OR:
      return same(x, y) ? f.view(type, x) : undefined;
    case XOR:
      return same(x, y) ? f.constant(type, 0) : undefined;
    case SUB:
      return difference(f, type, x, y);
    default:
      return isShift(code) ? shiftByValue(f, code, type, x, y) : undefined;
  }
}

function isCommutative(code: number): boolean {
  return code === ADD || code === MUL || code === AND || code === OR || code === XOR;
}

function isShift(code: number): boolean {
  return code >= SHL && code <= ROTR;
}

function difference(f: Folding, type: Type, x: Node, y: Node): Node | undefined {
  const wide = type === 64;
  const a = offsetOf(x, wide);
  const b = offsetOf(y, wide);
  if (!same(a.base, b.base)) return undefined;
  return f.constant(type, evaluate(SUB, wide, a.offset, b.offset) as Integer);
}

/** WebAssembly takes counts modulo the width, so what only does that can go. */
function shiftByValue(f: Folding, code: number, type: Type, x: Node, count: Node): Node | undefined {
  const source = fieldSource(count, 0, type === 64 ? 6 : 5);
  if (source === undefined) return f.view(type, x);
  const plain = count.code === EXTEND_U ? strip(count.args[0] as Node) : count;
  if (source.low !== 0 || source.node === plain) return undefined;
  return f.arithmetic(code, type, x, type === 64 ? f.asWide(source.node) : f.asNarrow(source.node));
}

/** Operations whose order matters, on a constant and a value. */
function ofConstant(f: Folding, code: number, type: Type, a: Integer, y: Node): Node | undefined {
  const wide = type === 64;
  if (code === SUB) {
    const added = constantOperand(y, ADD, wide);
    if (added !== undefined) {
      return f.arithmetic(SUB, type, f.constant(type, evaluate(SUB, wide, a, added) as Integer), y.args[0] as Node);
    }
    if (a !== 0 || y.code !== (wide ? SUB + WIDE_ARITHMETIC : SUB)) return undefined;
    return f.arithmetic(SUB, type, y.args[1] as Node, y.args[0] as Node);
  }
  if (!isShift(code)) return undefined;
  if (a === 0 || (a === -1 && (code === SHR_S || code >= ROTL))) return f.constant(type, a);
  return shiftByValue(f, code, type, f.constant(type, a), y);
}

function withConstant(f: Folding, code: number, type: Type, x: Node, c: Integer): Node | undefined {
  const wide = type === 64;
  switch (code) {
    case ADD: {
      if (c === 0) return f.view(type, x);
      const inner = constantOperand(x, ADD, wide);
      if (inner !== undefined) return merged(f, ADD, type, x, inner, c);
      const from = x.code === (wide ? SUB + WIDE_ARITHMETIC : SUB) ? integerOf(x.args[0] as Node) : undefined;
      if (from === undefined) return undefined;
      return f.arithmetic(SUB, type, f.constant(type, evaluate(ADD, wide, from, c) as Integer), x.args[1] as Node);
    }
    case SUB:
      return f.arithmetic(ADD, type, x, f.constant(type, evaluate(SUB, wide, 0, c) as Integer));
    case MUL:
      if (c === 0) return f.constant(type, 0);
      return c === 1 ? f.view(type, x) : undefined;
    case DIV_S:
    case DIV_U:
      return c === 1 ? f.view(type, x) : undefined;
    case REM_S:
    case REM_U:
      return c === 1 ? f.constant(type, 0) : undefined;
    case AND:
      return masked(f, type, x, c);
    case OR: {
      if (c === 0) return f.view(type, x);
      if (c === -1) return f.constant(type, -1);
      const inner = constantOperand(x, OR, wide);
      return inner === undefined ? undefined : merged(f, OR, type, x, inner, c);
    }
    case XOR: {
      if (c === 0) return f.view(type, x);
      if (c === 1 && !wide && significantBits(x) <= 1) return f.view(type, f.isZero(x));
      const inner = constantOperand(x, XOR, wide);
      return inner === undefined ? undefined : merged(f, XOR, type, x, inner, c);
    }
    default: {
      const count = lowWord(c) & (wide ? 63 : 31);
      return count === 0 ? f.view(type, x) : shifted(f, code, type, x, count);
    }
  }
}

/** (x op inner) op c, where the operation is associative. */
function merged(f: Folding, code: number, type: Type, x: Node, inner: Integer, c: Integer): Node {
  const both = evaluate(code, type === 64, inner, c) as Integer;
  return f.arithmetic(code, type, x.args[0] as Node, f.constant(type, both));
}

function masked(f: Folding, type: Type, x: Node, c: Integer): Node | undefined {
  const wide = type === 64;
  const bits = significantBits(x);
  const zeros = trailingZeros(c);
  if (trailingOnes(c) >= bits) return f.view(type, x);
  if (zeros >= bits) return f.constant(type, 0);
  const inner = constantOperand(x, AND, wide);
  if (inner !== undefined) return merged(f, AND, type, x, inner, c);
  if (wide) {
    if (c === 0xffff_ffff) return f.extendUnsigned(f.wrap(x));
    if (x.code === EXTEND_U || (x.code === EXTEND_S && highWord(c) === 0)) {
      return f.extendUnsigned(f.arithmetic(AND, 32, x.args[0] as Node, f.constant(32, lowWord(c))));
    }
  }
  const length = Math.min(lengthOf(c), wide ? 64 : 32) - zeros;
  if (length <= 32 && trailingOnes(evaluate(SHR_U, wide, c, zeros) as Integer) >= length) {
    const source = fieldSource(x, zeros, length);
    if (source === undefined) return f.constant(type, 0);
    if (source.low === zeros && source.node !== x) {
      const node = wide ? f.asWide(source.node) : f.asNarrow(source.node);
      return f.arithmetic(AND, type, node, f.constant(type, c));
    }
  }
  const parts = x.code === (wide ? OR + WIDE_ARITHMETIC : OR) || x.code === (wide ? XOR + WIDE_ARITHMETIC : XOR);
  if (!parts) return undefined;
  const [p, q] = x.args as readonly [Node, Node];
  if (significantBits(q) <= zeros) return f.arithmetic(AND, type, p, f.constant(type, c));
  return significantBits(p) <= zeros ? f.arithmetic(AND, type, q, f.constant(type, c)) : undefined;
}

/** A shift by a constant, 1 to the width less 1; rotates are left as they are. */
function shifted(f: Folding, code: number, type: Type, x: Node, by: number): Node | undefined {
  switch (code) {
    case SHL:
      return shiftedLeft(f, type, x, by);
    case SHR_U:
      return shiftedRight(f, type, x, by);
    case SHR_S:
      return shiftedSigned(f, type, x, by);
    default:
      return undefined;
  }
}

function shiftedLeft(f: Folding, type: Type, x: Node, by: number): Node | undefined {
  const wide = type === 64;
  const left = shiftOperand(x, SHL, wide);
  if (left !== undefined) return shiftedInAll(f, SHL, type, x.args[0] as Node, left + by);
  if (shiftOperand(x, SHR_U, wide) !== by) return undefined;
  return f.arithmetic(AND, type, x.args[0] as Node, f.constant(type, evaluate(SHL, wide, -1, by) as Integer));
}

function shiftedRight(f: Folding, type: Type, x: Node, by: number): Node | undefined {
  const wide = type === 64;
  const width = wide ? 64 : 32;
  if (significantBits(x) <= by) return f.constant(type, 0);
  const p = x.args[0] as Node;
  if (wide && x.code === EXTEND_U) return f.extendUnsigned(f.arithmetic(SHR_U, 32, p, f.constant(32, by)));
  const right = shiftOperand(x, SHR_U, wide);
  if (right !== undefined) return shiftedInAll(f, SHR_U, type, p, right + by);
  const left = shiftOperand(x, SHL, wide);
  if (left !== undefined) {
    if (significantBits(p) + left <= width) {
      if (left > by) return f.arithmetic(SHL, type, p, f.constant(type, left - by));
      return f.arithmetic(SHR_U, type, p, f.constant(type, by - left));
    }
    // A mask of more than 32 bits takes more room than the shifts.
    if (left !== by || (wide && by < 32)) return undefined;
    return f.arithmetic(AND, type, p, f.constant(type, evaluate(SHR_U, wide, -1, by) as Integer));
  }
  const mask = constantOperand(x, AND, wide);
  if (mask !== undefined) {
    const untouched = evaluate(SHR_S, wide, mask, by) === -1;
    return untouched ? f.arithmetic(SHR_U, type, p, f.constant(type, by)) : undefined;
  }
  if (x.code !== (wide ? OR + WIDE_ARITHMETIC : OR) && x.code !== (wide ? XOR + WIDE_ARITHMETIC : XOR))
    return undefined;
  const q = x.args[1] as Node;
  if (significantBits(q) <= by) return f.arithmetic(SHR_U, type, p, f.constant(type, by));
  return significantBits(p) <= by ? f.arithmetic(SHR_U, type, q, f.constant(type, by)) : undefined;
}

function shiftedSigned(f: Folding, type: Type, x: Node, by: number): Node | undefined {
  const wide = type === 64;
  const width = wide ? 64 : 32;
  if (significantBits(x) < width) return f.arithmetic(SHR_U, type, x, f.constant(type, by));
  const right = shiftOperand(x, SHR_S, wide);
  const p = x.args[0] as Node;
  if (right !== undefined) return f.arithmetic(SHR_S, type, p, f.constant(type, Math.min(right + by, width - 1)));
  if (shiftOperand(x, SHL, wide) !== by) return undefined;
  if (wide) return by === 32 ? f.extendSigned(f.wrap(p)) : undefined;
  return by === 24 || by === 16 ? f.view(type, f.extendLow(by === 24 ? 8 : 16, p)) : undefined;
}

/** Two shifts the same way; nothing is left of as many bits as the width. */
function shiftedInAll(f: Folding, code: number, type: Type, x: Node, by: number): Node {
  if (by >= (type === 64 ? 64 : 32)) return f.constant(type, 0);
  return f.arithmetic(code, type, x, f.constant(type, by));
}

function shiftOperand(node: Node, code: number, wide: boolean): number | undefined {
  const count = constantOperand(node, code, wide);
  return count === undefined ? undefined : lowWord(count) & (wide ? 63 : 31);
}
