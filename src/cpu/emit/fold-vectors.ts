/** Lanes of vectors found again where they were put, and vectors that are known. Nothing is computed, bits are moved. */

import { SIMD_PREFIX } from '../../wasm/operations.ts';
import type { Folding } from './folding.ts';
import { integerOf } from './known-bits.ts';
import { CONSTANT, type Node } from './nodes.ts';
import { F32_REINTERPRET, F64_REINTERPRET, I32_REINTERPRET, I64_REINTERPRET, SHR_U } from './opcodes.ts';

const I32X4_SPLAT = SIMD_PREFIX + 0x11;
const I64X2_SPLAT = SIMD_PREFIX + 0x12;
const F32X4_SPLAT = SIMD_PREFIX + 0x13;
const F64X2_SPLAT = SIMD_PREFIX + 0x14;
const I32X4_EXTRACT = SIMD_PREFIX + 0x1b;
const I32X4_REPLACE = SIMD_PREFIX + 0x1c;
const I64X2_EXTRACT = SIMD_PREFIX + 0x1d;
const I64X2_REPLACE = SIMD_PREFIX + 0x1e;
const F32X4_EXTRACT = SIMD_PREFIX + 0x1f;
const F32X4_REPLACE = SIMD_PREFIX + 0x20;
const F64X2_EXTRACT = SIMD_PREFIX + 0x21;
const F64X2_REPLACE = SIMD_PREFIX + 0x22;
const I8X16_EQ = SIMD_PREFIX + 0x23;
const I16X8_EQ = SIMD_PREFIX + 0x2d;
const I32X4_EQ = SIMD_PREFIX + 0x37;
const I64X2_EQ = SIMD_PREFIX + 0xd6;
const V128_AND = SIMD_PREFIX + 0x4e;
const V128_ANDNOT = SIMD_PREFIX + 0x4f;
const V128_OR = SIMD_PREFIX + 0x50;
const V128_XOR = SIMD_PREFIX + 0x51;
const I8X16_SUB = SIMD_PREFIX + 0x71;
const I16X8_SUB = SIMD_PREFIX + 0x91;
const I32X4_SUB = SIMD_PREFIX + 0xb1;
const I64X2_SUB = SIMD_PREFIX + 0xd1;

const ALL_ONES = (1n << 128n) - 1n;

/** `args` are no views. Undefined where the operation is as simple as it gets. */
export function foldVector(
  f: Folding,
  code: number,
  args: readonly Node[],
  lanes: readonly number[] | undefined,
): Node | undefined {
  const [x, y] = args as readonly [Node, Node];
  const lane = lanes === undefined ? 0 : (lanes[0] as number);
  switch (code) {
    case I64X2_SPLAT: {
      const value = integerOf(x);
      return value === undefined ? undefined : constantOf(f, value, value);
    }
    case I64X2_EXTRACT:
      return toI64(f, lane64(f, x, lane));
    case F64X2_EXTRACT:
      return toF64(f, lane64(f, x, lane));
    case I32X4_EXTRACT:
      return toI32(f, lane32(f, x, lane));
    case F32X4_EXTRACT:
      return toF32(f, lane32(f, x, lane));
    case I64X2_REPLACE:
    case F64X2_REPLACE:
      return replace64(f, code, x, y, lane);
    case I32X4_REPLACE:
    case F32X4_REPLACE:
      return replace32(f, code, x, y, lane);
    case I8X16_EQ:
    case I16X8_EQ:
    case I32X4_EQ:
    case I64X2_EQ:
      return x === y ? f.constant(128, ALL_ONES) : undefined;
    case I8X16_SUB:
    case I16X8_SUB:
    case I32X4_SUB:
    case I64X2_SUB:
      return x === y ? f.constant(128, 0n) : undefined;
    case V128_AND:
    case V128_OR:
    case V128_XOR:
    case V128_ANDNOT:
      return bitwise(f, code, x, y);
    default:
      return undefined;
  }
}

function vectorOf(node: Node): bigint | undefined {
  return node.code === CONSTANT ? BigInt.asUintN(128, BigInt(node.constant as number | bigint)) : undefined;
}

function constantOf(f: Folding, low: number | bigint, high: number | bigint): Node {
  return f.constant(128, BigInt.asUintN(64, BigInt(low)) | (BigInt.asUintN(64, BigInt(high)) << 64n));
}

function bitwise(f: Folding, code: number, x: Node, y: Node): Node | undefined {
  if (x === y) return code === V128_AND || code === V128_OR ? x : f.constant(128, 0n);
  const right = vectorOf(y);
  if (right === undefined) {
    const left = vectorOf(x);
    if (left === undefined) return undefined;
    if (code !== V128_ANDNOT) return bitwise(f, code, y, x);
    return left === 0n ? x : undefined;
  }
  switch (code) {
    case V128_AND:
      return right === 0n ? y : right === ALL_ONES ? x : undefined;
    case V128_ANDNOT:
      return right === 0n ? x : right === ALL_ONES ? f.constant(128, 0n) : undefined;
    default:
      return right === 0n ? x : undefined;
  }
}

// ---- Lanes -------------------------------------------------------------------------------------------------------

/** The i64 or f64 that was put into the lane. */
function lane64(f: Folding, vector: Node, lane: number): Node | undefined {
  for (let at = vector; ; at = at.args[0] as Node) {
    const place = at.lanes?.[0];
    switch (at.code) {
      case CONSTANT:
        return f.constant(64, (vectorOf(at) as bigint) >> BigInt(64 * lane));
      case I64X2_SPLAT:
      case F64X2_SPLAT:
        return at.args[0];
      case I64X2_REPLACE:
      case F64X2_REPLACE:
        if (place === lane) return at.args[1];
        break;
      case I32X4_REPLACE:
      case F32X4_REPLACE:
        if ((place as number) >> 1 === lane) return undefined;
        break;
      default:
        return undefined;
    }
  }
}

/** The i32 or f32 that was put into the lane, or half of an i64 or f64. */
function lane32(f: Folding, vector: Node, lane: number): Node | undefined {
  for (let at = vector; ; at = at.args[0] as Node) {
    const place = at.lanes?.[0];
    switch (at.code) {
      case I32X4_SPLAT:
      case F32X4_SPLAT:
        return at.args[0];
      case CONSTANT:
      case I64X2_SPLAT:
      case F64X2_SPLAT:
        return half(f, toI64(f, lane64(f, at, lane >> 1)) as Node, lane & 1);
      case I32X4_REPLACE:
      case F32X4_REPLACE:
        if (place === lane) return at.args[1];
        break;
      case I64X2_REPLACE:
      case F64X2_REPLACE:
        if (place === lane >> 1) return half(f, toI64(f, at.args[1]) as Node, lane & 1);
        break;
      default:
        return undefined;
    }
  }
}

function half(f: Folding, value: Node, which: number): Node {
  return f.wrap(which === 0 ? value : f.arithmetic(SHR_U, 64, value, f.constant(64, 32)));
}

function toI64(f: Folding, node: Node | undefined): Node | undefined {
  return node?.type === 'f64' ? f.reinterpret(I64_REINTERPRET, 64, node) : node;
}

function toF64(f: Folding, node: Node | undefined): Node | undefined {
  return node === undefined || node.type === 'f64' ? node : f.reinterpret(F64_REINTERPRET, 'f64', node);
}

function toI32(f: Folding, node: Node | undefined): Node | undefined {
  return node?.type === 'f32' ? f.reinterpret(I32_REINTERPRET, 32, node) : node;
}

function toF32(f: Folding, node: Node | undefined): Node | undefined {
  return node === undefined || node.type === 'f32' ? node : f.reinterpret(F32_REINTERPRET, 'f32', node);
}

function replace64(f: Folding, code: number, x: Node, value: Node, lane: number): Node | undefined {
  const before = lane64(f, x, lane);
  if (before === value) return x;
  const { node: base, dropped } = without(x, (width, place) => (width === 64 ? place : place >> 1) === lane);
  const vector = vectorOf(base);
  const constant = integerOf(value);
  if (vector !== undefined && code === I64X2_REPLACE && constant !== undefined) {
    const [low, high] = [vector & 0xffff_ffff_ffff_ffffn, vector >> 64n];
    return lane === 0 ? constantOf(f, constant, high) : constantOf(f, low, constant);
  }
  if (base.code === I64X2_REPLACE || base.code === F64X2_REPLACE) {
    // Both lanes are written: nothing is left of the vector they were written to.
    const other = base.args[1] as Node;
    return lane === 0 ? pair(f, value, other) : pair(f, other, value);
  }
  return dropped ? f.vector(code, [base, value], [lane]) : undefined;
}

function pair(f: Folding, low: Node, high: Node): Node {
  const splat = f.vector(low.type === 'f64' ? F64X2_SPLAT : I64X2_SPLAT, [low]);
  return f.vector(high.type === 'f64' ? F64X2_REPLACE : I64X2_REPLACE, [splat, high], [1]);
}

function replace32(f: Folding, code: number, x: Node, value: Node, lane: number): Node | undefined {
  if (lane32(f, x, lane) === value) return x;
  const { node: base, dropped } = without(x, (width, place) => width === 32 && place === lane);
  return dropped ? f.vector(code, [base, value], [lane]) : undefined;
}

/** Without the last lanes written, as far as they are hidden now. */
function without(
  vector: Node,
  hidden: (width: 32 | 64, place: number) => boolean,
): { readonly node: Node; readonly dropped: boolean } {
  let node = vector;
  for (;;) {
    const width = widthOfLane(node.code);
    if (width === undefined || !hidden(width, node.lanes?.[0] as number)) {
      return { node, dropped: node !== vector };
    }
    node = node.args[0] as Node;
  }
}

/** Of a `replace_lane`. */
function widthOfLane(code: number): 32 | 64 | undefined {
  if (code === I64X2_REPLACE || code === F64X2_REPLACE) return 64;
  return code === I32X4_REPLACE || code === F32X4_REPLACE ? 32 : undefined;
}
