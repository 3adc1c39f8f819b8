/** What can be said of a node's bits from the node and the few it is made of. */

import { SIMD_PREFIX } from '../../wasm/operations.ts';
import type { Type } from '../algebra.ts';
import { fieldOf, type Integer, lengthOf, toInt32, toInt64 } from './integers.ts';
import { ALIAS, CONSTANT, LOAD32_8U, LOAD32_16U, LOCAL, type Node } from './nodes.ts';
import {
  ADD,
  AND,
  CLZ,
  DIV_U,
  EQZ,
  EXTEND_S,
  EXTEND_U,
  EXTEND8_S,
  EXTEND16_S,
  MUL,
  OR,
  POPCNT,
  REM_U,
  SELECT,
  SHL,
  SHR_U,
  WIDE_ARITHMETIC,
  WRAP,
  XOR,
} from './opcodes.ts';

/** How many nodes deep to look: what is known must be found fast. */
const DEPTH = 4;

const I64_AND = AND + WIDE_ARITHMETIC;
const I64_OR = OR + WIDE_ARITHMETIC;
const I64_XOR = XOR + WIDE_ARITHMETIC;
const I64_ADD = ADD + WIDE_ARITHMETIC;
const I64_MUL = MUL + WIDE_ARITHMETIC;
const I64_SHL = SHL + WIDE_ARITHMETIC;
const I64_SHR_U = SHR_U + WIDE_ARITHMETIC;
const I64_DIV_U = DIV_U + WIDE_ARITHMETIC;
const I64_REM_U = REM_U + WIDE_ARITHMETIC;
/** The last of the comparisons of floating-point numbers, which follow those of integers. */
const F64_GE = 0x66;
const I8X16_EXTRACT_LANE_U = SIMD_PREFIX + 0x16;
const I16X8_EXTRACT_LANE_U = SIMD_PREFIX + 0x19;

export function isNarrow(type: Type): type is 8 | 16 {
  return type === 8 || type === 16;
}

/** The value of a constant integer, undefined for all other nodes. */
export function integerOf(node: Node): Integer | undefined {
  if (node.code !== CONSTANT) return undefined;
  const value = node.constant as number | bigint;
  switch (node.type) {
    case 64:
      return toInt64(value);
    case 128:
    case 'f32':
    case 'f64':
      return undefined;
    default:
      return toInt32(value);
  }
}

/** The node that a view of it stands for. A view that says more of its bits than the node does is kept. */
export function strip(node: Node): Node {
  let at = node;
  while (at.code === ALIAS) {
    const { type, dirty } = at;
    const seen = at.args[0] as Node;
    if (type === 1 || (!dirty && isNarrow(type))) {
      if (seen.type !== type && significantBits(seen) > type) break;
    }
    at = seen;
  }
  return at;
}

/** Whether both certainly have the same value. A local holds one value as long as nodes refer to it. */
export function same(x: Node, y: Node): boolean {
  if (x === y) return true;
  if (x.code !== y.code) return false;
  if (x.code === LOCAL) return x.immediate === y.immediate;
  return (
    x.code === CONSTANT &&
    (x.type === 64) === (y.type === 64) &&
    integerOf(x) !== undefined &&
    integerOf(x) === integerOf(y)
  );
}

/** How many of the low bits of an i32 or i64 can be set; those above are clear. */
export function significantBits(node: Node, depth = DEPTH): number {
  const { type } = node;
  if (type === 1) return 1;
  const limit = type === 64 ? 64 : isNarrow(type) && !node.dirty ? type : 32;
  return Math.min(limit, bitsOfOperation(node, limit, depth));
}

function bitsOfOperation(node: Node, limit: number, depth: number): number {
  const { code } = node;
  if (code >= EQZ && code <= F64_GE) return 1;
  switch (code) {
    case CONSTANT:
      return lengthOf(integerOf(node) as Integer);
    case LOAD32_8U:
    case I8X16_EXTRACT_LANE_U:
      return 8;
    case LOAD32_16U:
    case I16X8_EXTRACT_LANE_U:
      return 16;
    case POPCNT:
    case CLZ:
    case CLZ + 1:
      return 6;
    case POPCNT + WIDE_ARITHMETIC:
    case CLZ + WIDE_ARITHMETIC:
    case CLZ + 1 + WIDE_ARITHMETIC:
      return 7;
  }
  if (depth === 0) return limit;
  const x = node.args[0] as Node;
  switch (code) {
    case ALIAS:
    case EXTEND_U:
    case WRAP:
    case DIV_U:
    case I64_DIV_U:
      return significantBits(x, depth - 1);
    case EXTEND_S:
      return signed(x, 32, limit, depth);
    case EXTEND16_S:
      return signed(x, 16, limit, depth);
    case EXTEND8_S:
      return signed(x, 8, limit, depth);
  }
  const y = node.args[1];
  if (y === undefined) return limit;
  switch (code) {
    case AND:
    case I64_AND:
    case REM_U:
    case I64_REM_U:
      return Math.min(significantBits(x, depth - 1), significantBits(y, depth - 1));
    case OR:
    case XOR:
    case SELECT:
    case I64_OR:
    case I64_XOR:
      return larger(x, y, limit, depth);
    case ADD:
    case I64_ADD:
      return larger(x, y, limit, depth) + 1;
    case MUL:
    case I64_MUL:
      return significantBits(x, depth - 1) + significantBits(y, depth - 1);
  }
  const count = integerOf(y);
  if (count === undefined) return code === SHR_U || code === I64_SHR_U ? significantBits(x, depth - 1) : limit;
  switch (code) {
    case SHL:
    case I64_SHL:
      return significantBits(x, depth - 1) + (toInt32(count) & (limit === 64 ? 63 : 31));
    case SHR_U:
    case I64_SHR_U:
      return Math.max(0, significantBits(x, depth - 1) - (toInt32(count) & (limit === 64 ? 63 : 31)));
    default:
      return limit;
  }
}

function larger(x: Node, y: Node, limit: number, depth: number): number {
  const right = significantBits(y, depth - 1);
  return right >= limit ? right : Math.max(right, significantBits(x, depth - 1));
}

/** Sign extension from `width` bits changes nothing where the sign is clear, and sets all bits where it may be set. */
function signed(x: Node, width: number, limit: number, depth: number): number {
  const bits = significantBits(x, depth - 1);
  return bits < width ? bits : limit;
}

/** Whether `count` bits from bit `low` on, at most 32, are certainly clear. */
export function isClear(node: Node, low: number, count: number, depth = DEPTH): boolean {
  const { type, code } = node;
  if (type === 1) return low >= 1;
  if (isNarrow(type) && !node.dirty && low >= type) return true;
  if (depth === 0) return false;
  switch (code) {
    case ALIAS:
    case WRAP:
      return isClear(node.args[0] as Node, low, count, depth - 1);
    case EXTEND_U:
      return low >= 32 || (low + count <= 32 && isClear(node.args[0] as Node, low, count, depth - 1));
    case AND:
    case I64_AND:
      return (
        isClear(node.args[1] as Node, low, count, depth - 1) || isClear(node.args[0] as Node, low, count, depth - 1)
      );
    case OR:
    case XOR:
    case I64_OR:
    case I64_XOR:
      return (
        isClear(node.args[1] as Node, low, count, depth - 1) && isClear(node.args[0] as Node, low, count, depth - 1)
      );
    case SHL:
    case I64_SHL: {
      const by = shiftCount(node);
      if (by === undefined) return false;
      return low + count <= by || (low >= by && isClear(node.args[0] as Node, low - by, count, depth - 1));
    }
    case CONSTANT:
      return fieldOf(integerOf(node) as Integer, low, count) === 0;
    default:
      return significantBits(node, depth) <= low;
  }
}

/** The count of a shift by a constant. */
export function shiftCount(node: Node): number | undefined {
  const count = integerOf(node.args[1] as Node);
  return count === undefined ? undefined : toInt32(count) & (node.type === 64 ? 63 : 31);
}

/** The constant on the right of an operation, given by its i32 opcode, if the node is one. */
export function constantOperand(node: Node, code: number, wide: boolean): Integer | undefined {
  return node.code === (wide ? code + WIDE_ARITHMETIC : code) ? integerOf(node.args[1] as Node) : undefined;
}

/** The node as the sum of one without a constant and a constant. */
export function offsetOf(node: Node, wide: boolean): { readonly base: Node; readonly offset: Integer } {
  const offset = constantOperand(node, ADD, wide);
  return offset === undefined ? { base: node, offset: 0 } : { base: node.args[0] as Node, offset };
}
