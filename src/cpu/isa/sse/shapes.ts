/**
 * The two floating-point formats as scalars and as vectors, and the tests that the fast paths rest on.
 *
 * Fast path: WebAssembly's arithmetic is IEEE 754's with round to nearest, but sets no flags and may give any NaN. A
 * definition computes with it, and takes the result if the operands and the result show that SSE would have given the
 * same and raised nothing that is not raised already; else it calls the exact routine (`exact.ts`).
 */

import type { Algebra, Value } from '../../algebra.ts';
import { DOUBLE, type Format, isNot0, SINGLE } from '../fp/format.ts';
import { every, zero } from './lanes.ts';

export interface Shape {
  readonly format: Format;
  readonly width: 32 | 64;
  readonly scalar: 'f32' | 'f64';
  readonly vector: 'f32x4' | 'f64x2';
  readonly integers: 'i32x4' | 'i64x2';
  readonly count: 2 | 4;
  /** Bits of the least normal number and of infinity. */
  readonly leastNormal: bigint;
  readonly infinity: bigint;
}

function shape(format: Format, rest: Pick<Shape, 'scalar' | 'vector' | 'integers' | 'count'>): Shape {
  const unit = 1n << BigInt(format.fraction);
  return { format, width: format.width, ...rest, leastNormal: unit, infinity: BigInt(format.special) * unit };
}

export const F32 = shape(SINGLE, { scalar: 'f32', vector: 'f32x4', integers: 'i32x4', count: 4 });
export const F64 = shape(DOUBLE, { scalar: 'f64', vector: 'f64x2', integers: 'i64x2', count: 2 });

// ---- Scalars: their bits, type 32 or 64 ------------------------------------------------------------------------------

export function toFloat(m: Algebra, { scalar, width }: Shape, bits: Value): Value {
  return m.op(`${scalar}.reinterpret_i${width}`, [bits]);
}

export function toBits(m: Algebra, { scalar, width }: Shape, value: Value): Value {
  return m.op(`i${width}.reinterpret_${scalar}`, [value]);
}

/** An operation of WebAssembly on bits, its result a float. */
export function compute(m: Algebra, s: Shape, operation: string, args: readonly Value[]): Value {
  return m.op(
    `${s.scalar}.${operation}`,
    args.map((bits) => toFloat(m, s, bits)),
  );
}

/** The bits without the sign, one place up, so that magnitudes compare as unsigned numbers. */
function magnitude(m: Algebra, bits: Value): Value {
  return m.shl(bits, 1);
}

/** Magnitude from `from` to below `to`, both given as bits. */
function between(m: Algebra, { width }: Shape, bits: Value, from: bigint, to: bigint): Value {
  return m.ltU(m.sub(magnitude(m, bits), m.const(width, 2n * from)), m.const(width, 2n * (to - from)));
}

export function isZeroNumber(m: Algebra, bits: Value): Value {
  return m.isZero(magnitude(m, bits));
}

export function isFiniteNumber(m: Algebra, s: Shape, bits: Value): Value {
  return between(m, s, bits, 0n, s.infinity);
}

export function isNoDenormal(m: Algebra, s: Shape, bits: Value): Value {
  // From 1 on, a zero wraps around to the far end.
  return m.not(between(m, s, bits, 1n, s.leastNormal));
}

export function isNan(m: Algebra, { width, infinity }: Shape, bits: Value): Value {
  return m.ltU(m.const(width, 2n * infinity), magnitude(m, bits));
}

/** Neither a denormal nor a NaN: comparing it raises nothing. */
export function isComparable(m: Algebra, s: Shape, bits: Value): Value {
  return m.or(between(m, s, bits, s.leastNormal, s.infinity + 1n), isZeroNumber(m, bits));
}

/**
 * A result that nothing but INEXACT can have been raised for, if its operands were no denormals. The least normal
 * number is left out: what was rounded to it may have been tiny.
 */
export function isAmple(m: Algebra, s: Shape, bits: Value): Value {
  return between(m, s, bits, s.leastNormal + 1n, s.infinity);
}

// ---- Vectors: masks of lanes -----------------------------------------------------------------------------------------

export function both(m: Algebra, a: Value, b: Value): Value {
  return m.op('v128.and', [a, b]);
}

export function either(m: Algebra, a: Value, b: Value): Value {
  return m.op('v128.or', [a, b]);
}

function magnitudes(m: Algebra, s: Shape, vector: Value): Value {
  return m.op(`${s.vector}.abs`, [vector]);
}

export function zeros(m: Algebra, s: Shape, vector: Value): Value {
  return m.op(`${s.vector}.eq`, [vector, zero(m)]);
}

export function denormals(m: Algebra, s: Shape, vector: Value): Value {
  const small = m.op(`${s.vector}.lt`, [magnitudes(m, s, vector), every(m, s.width, s.leastNormal)]);
  return m.op('v128.andnot', [small, zeros(m, s, vector)]);
}

export function nans(m: Algebra, s: Shape, vector: Value): Value {
  return m.op(`${s.vector}.ne`, [vector, vector]);
}

export function finites(m: Algebra, s: Shape, vector: Value): Value {
  return m.op(`${s.vector}.lt`, [magnitudes(m, s, vector), every(m, s.width, s.infinity)]);
}

/** As `isAmple`, but for infinities and NaNs. */
export function amples(m: Algebra, s: Shape, vector: Value): Value {
  return m.op(`${s.vector}.gt`, [magnitudes(m, s, vector), every(m, s.width, s.leastNormal)]);
}

/** Every lane of the mask is set. */
export function all(m: Algebra, { integers }: Shape, mask: Value): Value {
  return isNot0(m, m.op(`${integers}.all_true`, [mask]));
}

/** No lane of the mask is set. */
export function none(m: Algebra, mask: Value): Value {
  return m.isZero(m.op('v128.any_true', [mask]));
}

export function element(m: Algebra, { integers }: Shape, vector: Value, lane: number): Value {
  return m.op(`${integers}.extract_lane`, [vector], [lane]);
}

/** A vector from the bits of its lanes. */
export function fromElements(m: Algebra, { integers }: Shape, elements: readonly Value[]): Value {
  return elements.reduce((vector, bits, lane) => m.op(`${integers}.replace_lane`, [vector, bits], [lane]), zero(m));
}
