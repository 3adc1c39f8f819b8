/** Small things that SSE definitions say often about vectors. */

import type { Algebra, Value } from '../../algebra.ts';

/** A vector constant from its lanes, the lowest first. */
export function lanes(m: Algebra, width: 8 | 16 | 32 | 64, values: readonly (number | bigint)[]): Value {
  const bits = values.reduceRight<bigint>(
    (high, lane) => (high << BigInt(width)) | BigInt.asUintN(width, BigInt(lane)),
    0n,
  );
  return m.const(128, bits);
}

/** A vector constant with the same value in every lane. */
export function every(m: Algebra, width: 8 | 16 | 32 | 64, value: number | bigint): Value {
  return lanes(
    m,
    width,
    Array.from({ length: 128 / width }, () => value),
  );
}

export function zero(m: Algebra): Value {
  return m.const(128, 0);
}

export function low(m: Algebra, vector: Value): Value {
  return m.op('i64x2.extract_lane', [vector], [0]);
}

export function high(m: Algebra, vector: Value): Value {
  return m.op('i64x2.extract_lane', [vector], [1]);
}

/** i8x16.shuffle in terms of wider lanes: `picks` number those of `a` from 0 and go on with those of `b`. */
export function shuffle(m: Algebra, width: 8 | 16 | 32 | 64, a: Value, b: Value, picks: readonly number[]): Value {
  const bytes = width / 8;
  const immediates = picks.flatMap((pick) => Array.from({ length: bytes }, (_, i) => pick * bytes + i));
  return m.op('i8x16.shuffle', [a, b], immediates);
}

/** 0, 1, 2 ... 15 in bytes: the swizzle that changes nothing. */
export function byteIndexes(m: Algebra): Value {
  return lanes(
    m,
    8,
    Array.from({ length: 16 }, (_, i) => i),
  );
}

export function splat(m: Algebra, width: 8 | 16 | 32 | 64, value: Value): Value {
  const narrow = value.type === 8 || value.type === 16;
  return m.op(`i${width}x${128 / width}.splat`, [narrow ? m.zext(value, 32) : value]);
}

/** An immediate byte, type 32. */
export function immediate(m: Algebra, value: Value): Value {
  return m.zext(value, 32);
}
