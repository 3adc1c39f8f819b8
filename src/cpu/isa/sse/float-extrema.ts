/**
 * MIN and MAX: the second operand unless the first one is less (or greater). So of two zeros it is the second one, and
 * if either operand is a NaN, too.
 */

import type { Algebra, Routine, Value } from '../../algebra.ts';
import { INVALID } from '../fp/format.ts';
import { softMax32, softMax64, softMin32, softMin64 } from '../fp/sse.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { requireSse } from './available.ts';
import { areRaised, exactPacked, exactScalar, lookingFirst, otherwise, unlessExact } from './exact.ts';
import { arePlainNumbers, bitsOf, readScalar, withFloat } from './quick.ts';
import {
  compute,
  denormals,
  either,
  F32,
  isComparable,
  isNoDenormal,
  nans,
  none,
  type Shape,
  toFloat,
} from './shapes.ts';
import { operandsOf, VARIANTS } from './variants.ts';

interface Extremum {
  readonly name: 'MIN' | 'MAX';
  readonly opcode: string;
  /** WebAssembly's `b < a ? b : a`, or `a < b ? b : a`, which is ours with the operands exchanged. */
  readonly pseudo: 'pmin' | 'pmax';
  readonly order: 'lt' | 'gt';
  readonly exact32: Routine;
  readonly exact64: Routine;
}

const EXTREMA: readonly Extremum[] = [
  { name: 'MIN', opcode: '0F 5D', pseudo: 'pmin', order: 'lt', exact32: softMin32, exact64: softMin64 },
  { name: 'MAX', opcode: '0F 5F', pseudo: 'pmax', order: 'gt', exact32: softMax32, exact64: softMax64 },
];

/** Comparing two vectors raises nothing new: there are no denormals, and no NaNs unless INVALID is raised already. */
export function areComparable(m: Algebra, s: Shape, a: Value, b: Value): Value {
  const noNans = none(m, either(m, nans(m, s, a), nans(m, s, b)));
  const noDenormals = none(m, either(m, denormals(m, s, a), denormals(m, s, b)));
  return m.and(noDenormals, m.or(noNans, areRaised(m, INVALID)));
}

/** The same for the bits of scalars. */
export function canBeCompared(m: Algebra, s: Shape, a: Value, b: Value): Value {
  const ordered = m.and(isComparable(m, s, a), isComparable(m, s, b));
  const noDenormals = m.and(isNoDenormal(m, s, a), isNoDenormal(m, s, b));
  return m.or(ordered, m.and(noDenormals, areRaised(m, INVALID)));
}

function family({ name, opcode, pseudo, order, exact32, exact64 }: Extremum): Instruction[] {
  return VARIANTS.map((variant) => {
    const { suffix, precision, feature, prefix, shape: s, packed } = variant;
    const routine = s === F32 ? exact32 : exact64;
    const exact = packed
      ? lookingFirst(exactPacked(`${pseudo}${s.width}`, s, routine), (m, a, b) => ({
          fast: m.op(`${s.vector}.${pseudo}`, [b, a]),
          isRight: areComparable(m, s, a, b),
        }))
      : lookingFirst(exactScalar(routine), (m, a, b) => ({
          fast: m.select(m.trunc(compute(m, s, order, [a, b]), 1), a, b),
          isRight: canBeCompared(m, s, a, b),
        }));
    const title = name === 'MIN' ? 'Minimum' : 'Maximum';
    return defineInstruction({
      name: `${name}${suffix}`,
      sdm: `Vol. 2B "${name}${suffix} - ${title} of ${precision}-Precision Floating-Point Values"`,
      feature,
      forms: [`${prefix} ${opcode} /r ${operandsOf(variant)}`],
      semantics(m, dst, src) {
        requireSse(m);
        if (packed) {
          const b = m.read(src);
          const a = m.read(dst);
          const fast = m.op(`${s.vector}.${pseudo}`, [b, a]);
          m.write(dst, unlessExact(m, arePlainNumbers(m, s, packed, [a, b]), fast, exact, a, b));
          return;
        }
        const b = readScalar(m, s, src);
        const a = readScalar(m, s, dst);
        const fast = m.op(`${s.vector}.extract_lane`, [m.op(`${s.vector}.${pseudo}`, [b.vector, a.vector])], [0]);
        m.setXmm(
          dst,
          otherwise(m, arePlainNumbers(m, s, packed, [a.vector, b.vector]), withFloat(m, s, dst, fast), () => {
            const [bits] = m.call(exact, bitsOf(m, s, a), bitsOf(m, s, b));
            return withFloat(m, s, dst, toFloat(m, s, bits));
          }),
        );
      },
    });
  });
}

export const floatExtrema: readonly Instruction[] = EXTREMA.flatMap(family);
