/** Addition, subtraction, multiplication, division and square roots of floating-point numbers. */

import type { Algebra, Routine, Value } from '../../algebra.ts';
import { INVALID, OVERFLOW, ZERO_DIVIDE } from '../fp/format.ts';
import {
  softAdd32,
  softAdd64,
  softDiv32,
  softDiv64,
  softMul32,
  softMul64,
  softSqrt32,
  softSqrt64,
  softSub32,
  softSub64,
} from '../fp/sse.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { requireSse } from './available.ts';
import {
  areRaised,
  exactPacked,
  exactScalar,
  lookingFirst,
  mxcsrAllows,
  mxcsrAllowsExact,
  otherwise,
  unlessExact,
} from './exact.ts';
import { exactness } from './exactness.ts';
import { withNans } from './nans.ts';
import { bitsOf, isPlainProduct, isPlainSum, readScalar, withFloat } from './quick.ts';
import {
  all,
  amples,
  both,
  compute,
  denormals,
  either,
  F32,
  finites,
  isAmple,
  isFiniteNumber,
  isNoDenormal,
  isZeroNumber,
  none,
  type Shape,
  toBits,
  toFloat,
  zeros,
} from './shapes.ts';
import { operandsOf, VARIANTS, type Variant } from './variants.ts';

/** What a finite result tells, if no operand was a denormal. */
type Check =
  /** Nothing but INEXACT was raised: sums that are tiny are exact, and square roots are not tiny. */
  | 'finite'
  /** A small one may have underflowed, unless it is 0 because the first, or either, operand is. */
  | 'first-zero'
  | 'either-zero';

interface Operation {
  readonly name: string;
  readonly title: string;
  readonly volume: string;
  readonly opcode: string;
  readonly operation: string;
  readonly check: Check;
  readonly exact32: Routine;
  readonly exact64: Routine;
}

const binaryOperations: readonly Operation[] = [
  {
    name: 'ADD',
    title: 'Add',
    volume: '2A',
    opcode: '0F 58',
    operation: 'add',
    check: 'finite',
    exact32: softAdd32,
    exact64: softAdd64,
  },
  {
    name: 'MUL',
    title: 'Multiply',
    volume: '2B',
    opcode: '0F 59',
    operation: 'mul',
    check: 'either-zero',
    exact32: softMul32,
    exact64: softMul64,
  },
  {
    name: 'SUB',
    title: 'Subtract',
    volume: '2B',
    opcode: '0F 5C',
    operation: 'sub',
    check: 'finite',
    exact32: softSub32,
    exact64: softSub64,
  },
  {
    name: 'DIV',
    title: 'Divide',
    volume: '2A',
    opcode: '0F 5E',
    operation: 'div',
    check: 'first-zero',
    exact32: softDiv32,
    exact64: softDiv64,
  },
];

const SQRT: Operation = {
  name: 'SQRT',
  title: 'Square Root of',
  volume: '2B',
  opcode: '0F 51',
  operation: 'sqrt',
  check: 'finite',
  exact32: softSqrt32,
  exact64: softSqrt64,
};

/** What a result that is not finite may have raised. */
const RAISED_BESIDES = INVALID | ZERO_DIVIDE | OVERFLOW;

/** Whether the result of WebAssembly's operation (as bits) is SSE's, MXCSR being as `mxcsrIsFast` wants it. */
function isRight(
  m: Algebra,
  s: Shape,
  check: Check,
  operands: readonly Value[],
  result: Value,
  besides: number,
): Value {
  const noDenormals = operands.map((bits) => isNoDenormal(m, s, bits)).reduce((x, y) => m.and(x, y));
  const finite = isFiniteNumber(m, s, result);
  const other = m.and(m.not(finite), areRaised(m, besides));
  if (check === 'finite') return m.and(noDenormals, m.or(finite, other));
  const exactly0 = (check === 'first-zero' ? operands.slice(0, 1) : operands)
    .map((bits) => isZeroNumber(m, bits))
    .reduce((x, y) => m.or(x, y));
  return m.and(noDenormals, m.or(m.or(isAmple(m, s, result), other), m.and(finite, exactly0)));
}

function areRight(
  m: Algebra,
  s: Shape,
  check: Check,
  operands: readonly Value[],
  result: Value,
  besides: number,
): Value {
  const noDenormals = none(
    m,
    operands.map((vector) => denormals(m, s, vector)).reduce((x, y) => either(m, x, y)),
  );
  const finite = finites(m, s, result);
  const raised = m.op('i32x4.splat', [m.sext(areRaised(m, besides), 32)]);
  if (check === 'finite') return m.and(noDenormals, all(m, s, either(m, finite, raised)));
  const exactly0 = (check === 'first-zero' ? operands.slice(0, 1) : operands)
    .map((vector) => zeros(m, s, vector))
    .reduce((x, y) => either(m, x, y));
  const fine = both(m, finite, either(m, amples(m, s, result), exactly0));
  const other = m.op('v128.andnot', [raised, finite]);
  return m.and(noDenormals, all(m, s, either(m, fine, other)));
}

function computed(m: Algebra, { shape: s, packed }: Variant, operation: string, args: readonly Value[]): Value {
  const result = packed ? m.op(`${s.vector}.${operation}`, args) : toBits(m, s, compute(m, s, operation, args));
  return withNans(m, s, args, result);
}

/** The exact routine of one instruction, on vectors or on the bits of scalars. */
function exactRoutine(of: Operation, variant: Variant): Routine {
  const { operation, check } = of;
  const { shape: s, packed } = variant;
  const besides = operation === 'div' ? RAISED_BESIDES : RAISED_BESIDES & ~ZERO_DIVIDE;
  const routine = s === F32 ? of.exact32 : of.exact64;
  const exact = packed ? exactPacked(`${operation}Packed${s.width}`, s, routine) : exactScalar(routine);
  return lookingFirst(exact, (m, ...args) => {
    const fast = computed(m, variant, operation, args);
    if (packed) return { fast, isRight: m.and(mxcsrAllows(m), areRight(m, s, check, args, fast, besides)) };
    const isExact = m.and(mxcsrAllowsExact(m), exactness[operation](m, s, args, fast));
    return { fast, isRight: m.and(m.or(mxcsrAllows(m), isExact), isRight(m, s, check, args, fast, besides)) };
  });
}

function family(of: Operation, operands: 1 | 2): Instruction[] {
  const { operation } = of;
  const isPlain = of.check === 'finite' ? isPlainSum : isPlainProduct;
  return VARIANTS.map((variant) => {
    const { suffix, precision, feature, prefix, shape: s, packed } = variant;
    const exact = exactRoutine(of, variant);
    const name = `${of.name}${suffix}`;
    return defineInstruction({
      name,
      sdm: `Vol. ${of.volume} "${name} - ${of.title} ${precision}-Precision Floating-Point Values"`,
      feature,
      forms: [`${prefix} ${of.opcode} /r ${operandsOf(variant)}`],
      semantics(m, dst, src) {
        requireSse(m);
        if (packed) {
          const b = m.read(src);
          const args = operands === 2 ? [m.read(dst), b] : [b];
          const fast = m.op(`${s.vector}.${operation}`, args);
          m.write(dst, unlessExact(m, isPlain(m, s, packed, args, fast), fast, exact, ...args));
          return;
        }
        const b = readScalar(m, s, src);
        const args = operands === 2 ? [readScalar(m, s, dst), b] : [b];
        const floats = args.map(({ float }) => float);
        const vectors = args.map(({ vector }) => vector);
        const fast = withFloat(m, s, dst, m.op(`${s.scalar}.${operation}`, floats));
        const slow = (): Value => {
          const [bits] = m.call(exact, ...args.map((arg) => bitsOf(m, s, arg)));
          return withFloat(m, s, dst, toFloat(m, s, bits));
        };
        m.setXmm(dst, otherwise(m, isPlain(m, s, packed, vectors, fast), fast, slow));
      },
    });
  });
}

export const floatArithmetic: readonly Instruction[] = [
  ...binaryOperations.flatMap((operation) => family(operation, 2)),
  ...family(SQRT, 1),
];
