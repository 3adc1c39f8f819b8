/** Comparisons of floating-point numbers: to masks by a predicate, and to RFLAGS. */

import { type Algebra, defineRoutine, type Routine, type Value } from '../../algebra.ts';
import { EQUAL, GREATER, LESS, UNORDERED } from '../fp/compare.ts';
import { equals, flagIf, INVALID } from '../fp/format.ts';
import { softCompare32, softCompare64, softCompareQuiet32, softCompareQuiet64 } from '../fp/sse.ts';
import { defineInstruction, type Feature, type Instruction } from '../instruction.ts';
import { requireSse } from './available.ts';
import { exactScalar, lookingFirst, type Outcome, otherwise, report, soft, unlessExact } from './exact.ts';
import { areComparable, canBeCompared } from './float-extrema.ts';
import { immediate, zero } from './lanes.ts';
import { arePlainNumbers, bitsOf, readScalar, withFloat } from './quick.ts';
import { compute, either, element, F32, F64, fromElements, nans, type Shape, toFloat } from './shapes.ts';
import { operandsOf, VARIANTS } from './variants.ts';

/**
 * For each predicate (EQ LT LE UNORD NEQ NLT NLE ORD, SDM Vol. 2A Table 3-1) a digit with the relations (LESS = bit 0,
 * EQUAL, GREATER, UNORDERED) for which it holds: the last one is EQ's.
 */
const TRUTH = 0x7ced8312;
/** Predicates that raise INVALID for quiet NaNs, too: LT, LE, NLT, NLE. */
const SIGNALLING = 0b0110_0110;

/** A mask of the type of `a`, and flags. The predicate has type 32 and is below 8. */
function compareExactly(m: Algebra, s: Shape, a: Value, b: Value, predicate: Value): Outcome {
  const [relation, flags] = soft(m, s === F32 ? softCompareQuiet32 : softCompareQuiet64, a, b);
  const holds = m.bit(m.shr(m.const(32, TRUTH), m.add(m.shl(predicate, 2), relation)), 0);
  const signals = m.and(m.bit(m.shr(m.const(32, SIGNALLING), predicate), 0), equals(m, relation, UNORDERED));
  return [m.sext(holds, s.width), m.or(flags, flagIf(m, signals, INVALID))];
}

function exactMask(s: Shape): Routine {
  return defineRoutine({
    name: `compareTo${s.width}`,
    params: [s.width, s.width, 32],
    results: [s.width],
    faults: true,
    body: (m, a, b, predicate) => report(m, [compareExactly(m, s, a, b, predicate)]),
  });
}

function exactMasks(s: Shape): Routine {
  return defineRoutine({
    name: `compareTo${s.vector}`,
    params: [128, 128, 32],
    results: [128],
    faults: true,
    body(m, a, b, predicate) {
      const outcomes = Array.from({ length: s.count }, (_, lane) =>
        compareExactly(m, s, element(m, s, a, lane), element(m, s, b, lane), predicate),
      );
      return [fromElements(m, s, report(m, outcomes))];
    },
  });
}

/** By predicate. Negation is bit 2. */
function choose(m: Algebra, predicate: Value, equal: Value, less: Value, lessOrEqual: Value, unordered: Value): Value {
  const odd = m.select(m.bit(predicate, 1), unordered, less);
  const even = m.select(m.bit(predicate, 1), lessOrEqual, equal);
  return m.select(m.bit(predicate, 0), odd, even);
}

/** Lanes of ones where the predicate holds; `unordered` has those of NaNs. */
function masks(m: Algebra, s: Shape, a: Value, b: Value, predicate: Value, unordered: Value): Value {
  const equal = m.op(`${s.vector}.eq`, [a, b]);
  const less = m.op(`${s.vector}.lt`, [a, b]);
  const chosen = choose(m, predicate, equal, less, either(m, equal, less), unordered);
  return m.op('v128.xor', [chosen, m.op('i32x4.splat', [m.sext(m.bit(predicate, 2), 32)])]);
}

function predicateOf(m: Algebra, imm: Value): Value {
  return m.and(immediate(m, imm), m.const(32, 7));
}

const comparisons: readonly Instruction[] = VARIANTS.map((variant) => {
  const { suffix, precision, feature, prefix, shape: s, packed } = variant;
  const exact = packed
    ? lookingFirst(exactMasks(s), (m, a, b, predicate) => ({
        fast: masks(m, s, a, b, predicate, either(m, nans(m, s, a), nans(m, s, b))),
        isRight: areComparable(m, s, a, b),
      }))
    : exactMask(s);
  return defineInstruction({
    name: `CMP${suffix}`,
    sdm: `Vol. 2A "CMP${suffix} - Compare ${precision}-Precision Floating-Point Values"`,
    feature,
    forms: [`${prefix} 0F C2 /r ${operandsOf(variant)},Ib`],
    semantics(m, dst, src, imm) {
      requireSse(m);
      if (packed) {
        const b = m.read(src);
        const a = m.read(dst);
        const predicate = predicateOf(m, m.read(imm));
        const right = arePlainNumbers(m, s, packed, [a, b]);
        m.write(dst, unlessExact(m, right, masks(m, s, a, b, predicate, zero(m)), exact, a, b, predicate));
        return;
      }
      const b = readScalar(m, s, src);
      const a = readScalar(m, s, dst);
      const predicate = predicateOf(m, m.read(imm));
      const fast = m.op(`${s.vector}.extract_lane`, [masks(m, s, a.vector, b.vector, predicate, zero(m))], [0]);
      m.setXmm(
        dst,
        otherwise(m, arePlainNumbers(m, s, packed, [a.vector, b.vector]), withFloat(m, s, dst, fast), () => {
          const [mask] = m.call(exact, bitsOf(m, s, a), bitsOf(m, s, b), predicate);
          return withFloat(m, s, dst, toFloat(m, s, mask));
        }),
      );
    },
  });
});

/** COMIS* and UCOMIS*: ZF PF CF = 000 greater, 001 less, 100 equal, 111 unordered. */
function toFlags(name: string, sdm: string, feature: Feature, form: string, s: Shape, routine: Routine): Instruction {
  const exact = lookingFirst(exactScalar(routine), (m, a, b) => {
    const less = m.trunc(compute(m, s, 'lt', [a, b]), 1);
    const equal = m.trunc(compute(m, s, 'eq', [a, b]), 1);
    const greater = m.trunc(compute(m, s, 'gt', [a, b]), 1);
    const notLess = m.select(
      equal,
      m.const(32, EQUAL),
      m.select(greater, m.const(32, GREATER), m.const(32, UNORDERED)),
    );
    return { fast: m.select(less, m.const(32, LESS), notLess), isRight: canBeCompared(m, s, a, b) };
  });
  return defineInstruction({
    name,
    sdm,
    feature,
    forms: [form],
    semantics(m, first, second) {
      requireSse(m);
      const b = readScalar(m, s, second);
      const a = readScalar(m, s, first);
      const less = m.variable(m.trunc(m.op(`${s.scalar}.lt`, [a.float, b.float]), 1));
      const equal = m.variable(m.trunc(m.op(`${s.scalar}.eq`, [a.float, b.float]), 1));
      const unordered = m.variable(m.const(1, 0));
      m.if(m.not(arePlainNumbers(m, s, false, [a.vector, b.vector])), () => {
        const [relation] = m.call(exact, bitsOf(m, s, a), bitsOf(m, s, b));
        const none = equals(m, relation, UNORDERED);
        m.assign(unordered, none);
        m.assign(less, m.or(none, equals(m, relation, LESS)));
        m.assign(equal, m.or(none, equals(m, relation, EQUAL)));
      });
      const clear = m.const(1, 0);
      m.setFlags({ ZF: m.use(equal), PF: m.use(unordered), CF: m.use(less), OF: clear, SF: clear, AF: clear });
    },
  });
}

function title(name: string, kind: string, precision: string): string {
  return `"${name} - ${kind} ${precision}-Precision Floating-Point Values and Set EFLAGS"`;
}

export const floatCompare: readonly Instruction[] = [
  ...comparisons,
  toFlags(
    'UCOMISS',
    `Vol. 2B ${title('UCOMISS', 'Unordered Compare Scalar', 'Single')}`,
    'sse',
    'NP 0F 2E /r Vss,Wss',
    F32,
    softCompareQuiet32,
  ),
  toFlags(
    'UCOMISD',
    `Vol. 2B ${title('UCOMISD', 'Unordered Compare Scalar', 'Double')}`,
    'sse2',
    '66 0F 2E /r Vsd,Wsd',
    F64,
    softCompareQuiet64,
  ),
  toFlags(
    'COMISS',
    `Vol. 2A ${title('COMISS', 'Compare Scalar Ordered', 'Single')}`,
    'sse',
    'NP 0F 2F /r Vss,Wss',
    F32,
    softCompare32,
  ),
  toFlags(
    'COMISD',
    `Vol. 2A ${title('COMISD', 'Compare Scalar Ordered', 'Double')}`,
    'sse2',
    '66 0F 2F /r Vsd,Wsd',
    F64,
    softCompare64,
  ),
];
