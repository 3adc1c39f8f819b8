/** Simpler forms of comparisons of integers. Constants end up on the right; tests against 0 have EQZ, and NE for its opposite. */

import { bitSource } from './bit-fields.ts';
import type { Folding } from './folding.ts';
import { evaluate, holds, type Integer, lengthOf, lowWord, ones, powerOfTwo, toInt32 } from './integers.ts';
import { constantOperand, integerOf, same, significantBits } from './known-bits.ts';
import type { Node } from './nodes.ts';
import {
  ADD,
  AND,
  EQ,
  EQZ,
  EXTEND_S,
  EXTEND_U,
  EXTEND8_S,
  EXTEND16_S,
  GE_S,
  GE_U,
  GT_S,
  GT_U,
  LE_S,
  LE_U,
  LT_S,
  LT_U,
  NE,
  SUB,
  WIDE_ARITHMETIC,
  WIDE_COMPARISON,
  XOR,
} from './opcodes.ts';

/** From EQ on: the comparison that holds where the other does not, and the one with its sides exchanged. */
const opposites = [NE, EQ, GE_S, GE_U, LE_S, LE_U, GT_S, GT_U, LT_S, LT_U];
const mirrored = [EQ, NE, GT_S, GT_U, LT_S, LT_U, GE_S, GE_U, LE_S, LE_U];
/** Of operands that are not negative. */
const unsigned = [EQ, NE, LT_U, LT_U, GT_U, GT_U, LE_U, LE_U, GE_U, GE_U];

function isSigned(code: number): boolean {
  return code === LT_S || code === GT_S || code === LE_S || code === GE_S;
}

/** `code` is that of i32; `x` and `y` are no views. Undefined where the comparison is as simple as it gets. */
export function foldComparison(f: Folding, code: number, wide: boolean, x: Node, y: Node): Node | undefined {
  const a = integerOf(x);
  const b = integerOf(y);
  if (a !== undefined) {
    if (b !== undefined) return f.truth(holds(code, a, b));
    return f.compare(mirrored[code - EQ] as number, wide, y, x);
  }
  if (b !== undefined) return withConstant(f, code, wide, x, b);
  if (same(x, y)) return f.truth(holds(code, 0, 0));
  if (!wide || x.code !== y.code) return undefined;
  const [p, q] = [x.args[0] as Node, y.args[0] as Node];
  if (x.code === EXTEND_U) return f.compare(unsigned[code - EQ] as number, false, p, q);
  return x.code === EXTEND_S ? f.compare(code, false, p, q) : undefined;
}

function withConstant(f: Folding, code: number, wide: boolean, x: Node, c: Integer): Node | undefined {
  if (c === 0 && (code === EQ || code === NE)) return f.testZero(code, wide, x);
  const bits = significantBits(x);
  const positive = bits < (wide ? 64 : 32);
  if (positive && (c < 0 || lengthOf(c) > bits)) {
    // Beyond all that x can be; above it, but for signed comparisons with what is negative.
    const beyond = isSigned(code) && c < 0 ? -1 : 1;
    return f.truth(holds(code, 0, beyond));
  }
  const plain = positive ? (unsigned[code - EQ] as number) : code;
  if (c === 0) return withZero(f, plain, wide, x);
  if (c === 1) {
    if (plain === LT_U) return f.testZero(EQ, wide, x);
    if (plain === GE_U) return f.testZero(NE, wide, x);
    if (bits === 1 && plain === EQ) return f.testZero(NE, wide, x);
    if (bits === 1 && plain === NE) return f.testZero(EQ, wide, x);
  }
  if (c === -1 && plain === GT_S) return f.compare(GE_S, wide, x, f.constant(wide ? 64 : 32, 0));
  if (c === -1 && plain === LE_S) return f.compare(LT_S, wide, x, f.constant(wide ? 64 : 32, 0));
  if (wide && x.code === EXTEND_U) return f.compare(plain, false, x.args[0] as Node, f.constant(32, lowWord(c)));
  if (wide && x.code === EXTEND_S && toInt32(c) === c) {
    return f.compare(plain, false, x.args[0] as Node, f.constant(32, c));
  }
  return plain === EQ || plain === NE ? equality(f, plain, wide, x, c) : undefined;
}

function withZero(f: Folding, code: number, wide: boolean, x: Node): Node | undefined {
  switch (code) {
    case EQ:
    case LE_U:
      return f.testZero(EQ, wide, x);
    case NE:
    case GT_U:
      return f.testZero(NE, wide, x);
    case LT_U:
      return f.truth(false);
    case GE_U:
      return f.truth(true);
    default:
      return wide && x.code === EXTEND_S ? f.compare(code, false, x.args[0] as Node, f.constant(32, 0)) : undefined;
  }
}

/** EQ or NE of a constant and what another one was added to: as well without that. */
function equality(f: Folding, code: number, wide: boolean, x: Node, c: Integer): Node | undefined {
  const type = wide ? 64 : 32;
  const [p, q] = x.args as readonly [Node, Node];
  const added = constantOperand(x, ADD, wide);
  if (added !== undefined) return f.compare(code, wide, p, f.constant(type, evaluate(SUB, wide, c, added) as Integer));
  const flipped = constantOperand(x, XOR, wide);
  if (flipped !== undefined)
    return f.compare(code, wide, p, f.constant(type, evaluate(XOR, wide, c, flipped) as Integer));
  const from = x.code === (wide ? SUB + WIDE_ARITHMETIC : SUB) ? integerOf(p) : undefined;
  if (from !== undefined) return f.compare(code, wide, q, f.constant(type, evaluate(SUB, wide, from, c) as Integer));
  return undefined;
}

/** Whether the node is 0 (`code` EQ) or is not (NE). */
export function foldZeroTest(f: Folding, code: number, wide: boolean, x: Node): Node | undefined {
  const value = integerOf(x);
  if (value !== undefined) return f.truth(holds(code, value, 0));
  const bits = significantBits(x);
  if (bits === 0) return f.truth(code === EQ);
  if (bits === 1) {
    if (code === NE) return f.view(1, wide ? f.wrap(x) : x);
    const opposite = oppositeOf(f, x) ?? bitClear(f, x);
    if (opposite !== undefined) return opposite;
  }
  const [p, q] = x.args as readonly [Node, Node];
  switch (x.code) {
    case EXTEND_U:
    case EXTEND_S:
      return f.testZero(code, false, p);
    case SUB:
    case SUB + WIDE_ARITHMETIC:
    case XOR:
    case XOR + WIDE_ARITHMETIC:
      return f.compare(code, wide, p, q);
    case ADD:
    case ADD + WIDE_ARITHMETIC:
      return integerOf(q) === undefined ? undefined : equality(f, code, wide, x, 0);
    case EXTEND8_S:
      return lowBitsZero(f, code, p, 0xff);
    case EXTEND16_S:
      return lowBitsZero(f, code, p, 0xffff);
    case AND:
      return lowBitsZero(f, code, p, integerOf(q));
    default:
      return undefined;
  }
}

/** Of a comparison of integers, or of EQZ. */
function oppositeOf(f: Folding, x: Node): Node | undefined {
  const { code } = x;
  const wide = code >= EQZ + WIDE_COMPARISON;
  const narrowCode = wide ? code - WIDE_COMPARISON : code;
  if (narrowCode < EQZ || narrowCode > GE_U) return undefined;
  if (narrowCode === EQZ) return f.testZero(NE, wide, x.args[0] as Node);
  return f.compare(opposites[narrowCode - EQ] as number, wide, x.args[0] as Node, x.args[1] as Node);
}

/** Of a bit that was shifted down: as well of the bit in its place, or of the sign. */
function bitClear(f: Folding, x: Node): Node | undefined {
  const source = bitSource(x);
  if (source === undefined || source.low === 0) return undefined;
  const { node, low } = source;
  const wide = node.type === 64;
  const type = wide ? 64 : 32;
  if (low === type - 1) return f.compare(GE_S, wide, node, f.constant(type, 0));
  return f.testZero(EQ, wide, f.arithmetic(AND, type, node, f.constant(type, powerOfTwo(low))));
}

/** Of a sum or difference of values of 8 or 16 bits (`mask`): whether those bits of it are 0. */
function lowBitsZero(f: Folding, code: number, x: Node, mask: Integer | undefined): Node | undefined {
  if (mask !== 0xff && mask !== 0xffff) return undefined;
  const width = mask === 0xff ? 8 : 16;
  if (significantBits(x) <= width) return f.testZero(code, false, x);
  const [p, q] = x.args as readonly [Node, Node];
  if ((x.code !== SUB && x.code !== ADD) || significantBits(p) > width) return undefined;
  if (x.code === SUB) return significantBits(q) > width ? undefined : f.compare(code, false, p, q);
  const added = integerOf(q);
  return typeof added !== 'number' ? undefined : f.compare(code, false, p, f.constant(32, -added & ones(width)));
}
