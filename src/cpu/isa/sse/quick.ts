/**
 * Fast path: the tests of floating-point definitions in line. Most numbers are neither tiny nor huge, so that a few
 * integer operations on exponents tell that WebAssembly's result is SSE's and that nothing new is raised. They reject
 * some results that are right, too; the routines that definitions then call look closer (`exact.ts`).
 *
 * All is done on vectors, of scalars in the lowest lane. A lane shifted left by one has the exponent on top:
 *
 *      x << 1      exponent | fraction | 0      large for infinities and NaNs
 *     ~(x << 1)                                 large for zeros and denormals
 *     -(x << 1)                                 large for denormals, 0 for zeros
 *
 * The largest of them is below a bound where all is well. Of a double the upper word is enough.
 */

import type { Algebra, Operand, Value } from '../../algebra.ts';
import { FAST_BOUND, fastBound } from './available.ts';
import { shuffle } from './lanes.ts';
import { F32, type Shape, toBits, toFloat } from './shapes.ts';

// ---- Scalar operands -------------------------------------------------------------------------------------------------

export interface Scalar {
  readonly float: Value;
  /** Has the number in its lowest lane. */
  readonly vector: Value;
}

export function readScalar(m: Algebra, s: Shape, operand: Operand): Scalar {
  if (operand.kind === 'xmm') {
    const vector = m.getXmm(operand);
    return { vector, float: m.op(`${s.vector}.extract_lane`, [vector], [0]) };
  }
  const float = toFloat(m, s, m.read(operand));
  return { vector: m.op(`${s.vector}.splat`, [float]), float };
}

export function bitsOf(m: Algebra, s: Shape, { float }: Scalar): Value {
  return toBits(m, s, float);
}

/** The register with a float in place of its lowest lane. */
export function withFloat(m: Algebra, s: Shape, register: Operand, float: Value): Value {
  return m.op(`${s.vector}.replace_lane`, [m.getXmm(register), float], [0]);
}

// ---- Tests of the vectors' lowest lane, or of all lanes ----------------------------------------------------------------

function doubled(m: Algebra, s: Shape, vector: Value): Value {
  return m.op(`${s.integers}.shl`, [vector, m.const(32, 1)]);
}

function negated(m: Algebra, s: Shape, vector: Value): Value {
  return m.op(`${s.integers}.neg`, [vector]);
}

function larger(m: Algebra, a: Value, b: Value): Value {
  return m.op('i32x4.max_u', [a, b]);
}

function smaller(m: Algebra, a: Value, b: Value): Value {
  return m.op('i32x4.min_u', [a, b]);
}

/** The word with the exponent of the lowest lane, or the largest one of all lanes. */
function word(m: Algebra, s: Shape, packed: boolean, vector: Value): Value {
  const upper = s === F32 ? 0 : 1;
  if (!packed) return m.op('i32x4.extract_lane', [vector], [upper]);
  const halves = larger(m, vector, shuffle(m, 64, vector, vector, [1, 1]));
  const all = s === F32 ? larger(m, halves, shuffle(m, 32, halves, halves, [1, 1, 1, 1])) : halves;
  return m.op('i32x4.extract_lane', [all], [upper]);
}

function isBelowBound(m: Algebra, s: Shape, packed: boolean, vector: Value): Value {
  return m.ltU(word(m, s, packed, vector), fastBound(m));
}

/** Operands are zero or not small, and the result is not large: enough for sums and roots. */
export function isPlainSum(m: Algebra, s: Shape, packed: boolean, operands: readonly Value[], result: Value): Value {
  const tests = operands.map((operand) => negated(m, s, doubled(m, s, operand)));
  return isBelowBound(
    m,
    s,
    packed,
    tests.reduce((a, b) => larger(m, a, b), doubled(m, s, result)),
  );
}

/** Neither operands nor result are small, and the result is not large. */
export function isPlainProduct(
  m: Algebra,
  s: Shape,
  packed: boolean,
  operands: readonly Value[],
  result: Value,
): Value {
  const upper = doubled(m, s, result);
  const least = operands.map((operand) => doubled(m, s, operand)).reduce((a, b) => smaller(m, a, b), upper);
  return isBelowBound(m, s, packed, larger(m, upper, m.op('v128.not', [least])));
}

/** Zeros or numbers neither small nor large: comparing them and making them wider raises nothing, whatever MXCSR says. */
export function arePlainNumbers(m: Algebra, s: Shape, packed: boolean, vectors: readonly Value[]): Value {
  const shifted = vectors.map((vector) => doubled(m, s, vector));
  const tests = [...shifted, ...shifted.map((vector) => negated(m, s, vector))];
  const largest = tests.reduce((a, b) => larger(m, a, b));
  return m.ltU(word(m, s, packed, largest), m.const(32, FAST_BOUND));
}
