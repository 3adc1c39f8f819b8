/**
 * WebAssembly's vector operations by name, on 128-bit patterns (WebAssembly Core Specification 2.0 §4.3.6 "Vector
 * Operations"): a shape says how to cut into lanes, a table what to do with each.
 */

import { type FloatFormat, f32, f64, floatArithmetic, floatComparison, saturatingTruncation } from './floats.ts';

const ONES = (1n << 128n) - 1n;

/** Lane 0 is the least significant. */
function cut(bits: bigint, width: number): bigint[] {
  const lanes: bigint[] = [];
  for (let at = 0; at < 128; at += width) lanes.push(BigInt.asUintN(width, bits >> BigInt(at)));
  return lanes;
}

function paste(lanes: readonly bigint[], width: number): bigint {
  let bits = 0n;
  for (let i = lanes.length - 1; i >= 0; i--) bits = (bits << BigInt(width)) | BigInt.asUintN(width, lanes[i]);
  return bits;
}

/** The result's bits, or undefined if `name` is no vector operation. */
export function vectorOperation(
  name: string,
  args: readonly bigint[],
  immediates: readonly number[],
): bigint | undefined {
  const [shape, operation] = name.split('.');
  if (shape === 'v128') return bitwise(operation, args);
  const width = { i8x16: 8, i16x8: 16, i32x4: 32, i64x2: 64, f32x4: 32, f64x2: 64 }[shape];
  if (width === undefined) return undefined;
  const moved = movement(operation, width, args, immediates);
  if (moved !== undefined) return moved;
  if (shape === 'f32x4') return floatLanes(f32, operation, args);
  if (shape === 'f64x2') return floatLanes(f64, operation, args);
  return integerLanes(width, operation, args);
}

function bitwise(operation: string, [a, b, mask]: readonly bigint[]): bigint | undefined {
  switch (operation) {
    case 'not':
      return a ^ ONES;
    case 'and':
      return a & b;
    case 'andnot':
      return a & ~b;
    case 'or':
      return a | b;
    case 'xor':
      return a ^ b;
    case 'bitselect':
      return (a & mask) | (b & ~mask & ONES);
    case 'any_true':
      return a === 0n ? 0n : 1n;
    default:
      return undefined;
  }
}

/** Operations that move lanes, alike for integers and floating point. */
function movement(
  operation: string,
  width: number,
  args: readonly bigint[],
  immediates: readonly number[],
): bigint | undefined {
  const [a, b] = args;
  switch (operation) {
    case 'splat':
      return paste(new Array(128 / width).fill(a), width);
    case 'extract_lane':
    case 'extract_lane_u':
      return cut(a, width)[immediates[0]];
    case 'extract_lane_s':
      return BigInt.asIntN(width, cut(a, width)[immediates[0]]);
    case 'replace_lane':
      return paste(cut(a, width).with(immediates[0], b), width);
    case 'shuffle': {
      const bytes = [...cut(a, 8), ...cut(b, 8)];
      return paste(
        immediates.map((i) => bytes[i]),
        8,
      );
    }
    case 'swizzle': {
      const bytes = cut(a, 8);
      return paste(
        cut(b, 8).map((i) => (i < 16n ? bytes[Number(i)] : 0n)),
        8,
      );
    }
    default:
      return undefined;
  }
}

function floatLanes(format: FloatFormat, operation: string, args: readonly bigint[]): bigint | undefined {
  const { width } = format;
  switch (operation) {
    case 'demote_f64x2_zero':
      return paste(
        cut(args[0], 64).map((lane) => f32.encode(f64.decode(lane))),
        32,
      );
    case 'promote_low_f32x4':
      return paste(
        cut(args[0], 32)
          .slice(0, 2)
          .map((lane) => f64.encode(f32.decode(lane))),
        64,
      );
    case 'convert_i32x4_s':
    case 'convert_low_i32x4_s':
    case 'convert_i32x4_u':
    case 'convert_low_i32x4_u': {
      const number = (lane: bigint): number => Number(operation.endsWith('s') ? BigInt.asIntN(32, lane) : lane);
      const sources = cut(args[0], 32).slice(0, 128 / width);
      return paste(
        sources.map((lane) => format.encode(number(lane))),
        width,
      );
    }
    default:
      break;
  }
  const lanes = args.map((arg) => cut(arg, width));
  const results: bigint[] = [];
  for (let i = 0; i < 128 / width; i++) {
    const inputs = lanes.map((lane) => lane[i]);
    const compared = floatComparison(format, operation, inputs);
    const result = compared === undefined ? floatArithmetic(format, operation, inputs) : compared ? -1n : 0n;
    if (result === undefined) return undefined;
    results.push(result);
  }
  return paste(results, width);
}

type Lane = (a: bigint, b: bigint, width: number) => bigint;

const mask = (condition: boolean): bigint => (condition ? -1n : 0n);
const clamp = (value: bigint, least: bigint, most: bigint): bigint =>
  value < least ? least : value > most ? most : value;
const clampSigned = (value: bigint, width: number): bigint =>
  clamp(value, -(1n << BigInt(width - 1)), (1n << BigInt(width - 1)) - 1n);
const clampUnsigned = (value: bigint, width: number): bigint => clamp(value, 0n, (1n << BigInt(width)) - 1n);

/** Lane by lane, on signed lanes where the name ends in _s, else on unsigned ones. */
const laneOperations: { readonly [name: string]: Lane } = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  add_sat_s: (a, b, width) => clampSigned(a + b, width),
  add_sat_u: (a, b, width) => clampUnsigned(a + b, width),
  sub_sat_s: (a, b, width) => clampSigned(a - b, width),
  sub_sat_u: (a, b, width) => clampUnsigned(a - b, width),
  min_s: (a, b) => (a < b ? a : b),
  min_u: (a, b) => (a < b ? a : b),
  max_s: (a, b) => (a > b ? a : b),
  max_u: (a, b) => (a > b ? a : b),
  avgr_u: (a, b) => (a + b + 1n) >> 1n,
  q15mulr_sat_s: (a, b) => clampSigned((a * b + 0x4000n) >> 15n, 16),
  eq: (a, b) => mask(a === b),
  ne: (a, b) => mask(a !== b),
  lt_s: (a, b) => mask(a < b),
  lt_u: (a, b) => mask(a < b),
  gt_s: (a, b) => mask(a > b),
  gt_u: (a, b) => mask(a > b),
  le_s: (a, b) => mask(a <= b),
  le_u: (a, b) => mask(a <= b),
  ge_s: (a, b) => mask(a >= b),
  ge_u: (a, b) => mask(a >= b),
  abs: (a, _, width) => (a >> BigInt(width - 1) === 0n ? a : -a),
  neg: (a) => -a,
  popcnt: (a) => BigInt(a.toString(2).replaceAll('0', '').length),
};

function integerLanes(width: number, operation: string, args: readonly bigint[]): bigint | undefined {
  const [a, b = 0n] = args;
  const signed = operation.endsWith('_s');
  const read = (bits: bigint, laneWidth: number): bigint[] =>
    signed ? cut(bits, laneWidth).map((lane) => BigInt.asIntN(laneWidth, lane)) : cut(bits, laneWidth);
  const count = b & BigInt(width - 1);
  const half = width / 2;
  switch (operation) {
    case 'all_true':
      return cut(a, width).every((lane) => lane !== 0n) ? 1n : 0n;
    case 'bitmask':
      return cut(a, width).reduce((bits, lane, i) => bits | ((lane >> BigInt(width - 1)) << BigInt(i)), 0n);
    case 'shl':
      return paste(
        cut(a, width).map((lane) => lane << count),
        width,
      );
    case 'shr_s':
    case 'shr_u':
      return paste(
        read(a, width).map((lane) => lane >> count),
        width,
      );
    case 'dot_i16x8_s': {
      const [x, y] = [read(a, 16), read(b, 16)];
      return paste(
        [0, 2, 4, 6].map((i) => x[i] * y[i] + x[i + 1] * y[i + 1]),
        32,
      );
    }
    default:
      break;
  }
  const lane = laneOperations[operation];
  if (lane !== undefined) {
    const [x, y] = [read(a, width), read(b, width)];
    return paste(
      x.map((value, i) => lane(value, y[i], width)),
      width,
    );
  }
  if (operation.startsWith('narrow')) {
    // The sources are always signed.
    const sources = [...cut(a, 2 * width), ...cut(b, 2 * width)].map((value) => BigInt.asIntN(2 * width, value));
    return paste(
      sources.map((value) => (signed ? clampSigned(value, width) : clampUnsigned(value, width))),
      width,
    );
  }
  if (operation.startsWith('trunc_sat')) {
    const [, , source, sign] = operation.split('_');
    const format = source === 'f32x4' ? f32 : f64;
    const sources = cut(a, format.width).map((value) => saturatingTruncation(format.decode(value), 32, sign === 's'));
    return paste(sources, 32);
  }
  // What remains takes lanes of half the width: extend, extmul and extadd_pairwise.
  const start = operation.includes('_high_') ? 128 / width : 0;
  const halves = (bits: bigint): bigint[] => read(bits, half).slice(start, start + 128 / width);
  if (operation.startsWith('extend')) return paste(halves(a), width);
  if (operation.startsWith('extmul')) {
    const y = halves(b);
    return paste(
      halves(a).map((value, i) => value * y[i]),
      width,
    );
  }
  if (operation.startsWith('extadd_pairwise')) {
    const x = read(a, half);
    return paste(
      Array.from({ length: 128 / width }, (_, i) => x[2 * i] + x[2 * i + 1]),
      width,
    );
  }
  return undefined;
}
