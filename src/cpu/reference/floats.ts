/**
 * IEEE 754 arithmetic of WebAssembly on bit patterns: JavaScript's numbers do the work, whose basic operations and
 * square root round as WebAssembly's do. f32 results are f64 ones rounded again, which is exact for these operations
 * (double rounding is harmless with more than twice the bits). NaN results carry any payload.
 */

const view = new DataView(new ArrayBuffer(8));

export interface FloatFormat {
  readonly width: 32 | 64;
  decode(bits: bigint): number;
  encode(value: number): bigint;
}

export const f32: FloatFormat = {
  width: 32,
  decode(bits) {
    view.setUint32(0, Number(bits));
    return view.getFloat32(0);
  },
  encode(value) {
    view.setFloat32(0, value);
    return BigInt(view.getUint32(0));
  },
};

export const f64: FloatFormat = {
  width: 64,
  decode(bits) {
    view.setBigUint64(0, bits);
    return view.getFloat64(0);
  },
  encode(value) {
    view.setFloat64(0, value);
    return view.getBigUint64(0);
  },
};

/** WebAssembly `nearest`: ties to even, and the sign of zero kept. */
export function nearest(value: number): number {
  if (!Number.isFinite(value)) return value;
  const floor = Math.floor(value);
  const fraction = value - floor;
  const rounded = fraction < 0.5 || (fraction === 0.5 && floor % 2 === 0) ? floor : floor + 1;
  return rounded === 0 && (value < 0 || Object.is(value, -0)) ? -0 : rounded;
}

/** Math.min and Math.max know NaN and the sign of zero as WebAssembly does. */
const binary: { readonly [name: string]: (a: number, b: number) => number } = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  min: Math.min,
  max: Math.max,
};

const unary: { readonly [name: string]: (a: number) => number } = {
  sqrt: Math.sqrt,
  ceil: Math.ceil,
  floor: Math.floor,
  trunc: Math.trunc,
  nearest,
};

const comparisons: { readonly [name: string]: (a: number, b: number) => boolean } = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  gt: (a, b) => a > b,
  le: (a, b) => a <= b,
  ge: (a, b) => a >= b,
};

/** Arithmetic by name on one lane, or undefined if the name is no such operation. */
export function floatArithmetic(format: FloatFormat, name: string, args: readonly bigint[]): bigint | undefined {
  const sign = 1n << BigInt(format.width - 1);
  const [a, b] = args;
  // These work on bits and leave NaNs alone.
  if (name === 'abs') return a & ~sign;
  if (name === 'neg') return a ^ sign;
  if (name === 'copysign') return (a & ~sign) | (b & sign);
  // pmin(a, b) = b < a ? b : a;  pmax(a, b) = a < b ? b : a
  if (name === 'pmin') return format.decode(b) < format.decode(a) ? b : a;
  if (name === 'pmax') return format.decode(a) < format.decode(b) ? b : a;
  const one = unary[name];
  if (one !== undefined) return format.encode(one(format.decode(a)));
  const two = binary[name];
  return two && format.encode(two(format.decode(a), format.decode(b)));
}

/** A comparison by name on one lane, or undefined if the name is none. */
export function floatComparison(format: FloatFormat, name: string, args: readonly bigint[]): boolean | undefined {
  return comparisons[name]?.(format.decode(args[0]), format.decode(args[1]));
}

/** trunc_sat: towards zero, saturating, NaN to 0. */
export function saturatingTruncation(value: number, width: number, signed: boolean): bigint {
  if (Number.isNaN(value)) return 0n;
  const [least, most] = signed
    ? [-(1n << BigInt(width - 1)), (1n << BigInt(width - 1)) - 1n]
    : [0n, (1n << BigInt(width)) - 1n];
  if (value === Number.POSITIVE_INFINITY) return most;
  if (value === Number.NEGATIVE_INFINITY) return least;
  const whole = BigInt(Math.trunc(value));
  return whole < least ? least : whole > most ? most : whole;
}

/** An integer to f32 in one rounding, ties to even: through f64 a large one would be rounded twice. */
export function integerToF32(value: bigint): number {
  const magnitude = value < 0n ? -value : value;
  const excess = magnitude.toString(2).length - 54;
  if (excess <= 0) return Math.fround(Number(value));
  // Keep 54 bits and remember the rest in the last one: enough for the only rounding to be the second.
  const shift = BigInt(excess);
  const kept = magnitude >> shift;
  const sticky = kept << shift === magnitude ? 0n : 1n;
  const jammed = Number(((kept >> 1n) << 1n) | (kept & 1n) | sticky) * 2 ** excess;
  return Math.fround(value < 0n ? -jammed : jammed);
}
