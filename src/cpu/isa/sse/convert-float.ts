/** Conversions of integers to floating-point numbers, and between the two precisions. */

import type { Algebra, Operand, Routine, Value } from '../../algebra.ts';
import { softF32ToF64, softF64ToF32, softI64ToF32, softI64ToF64 } from '../fp/sse.ts';
import { defineInstruction, type Feature, type Instruction } from '../instruction.ts';
import { enterMmx, requireMmx } from '../mmx-state.ts';
import { requireSse } from './available.ts';
import { exactConversion, exactScalar, mxcsrAllows, soft, unlessExact } from './exact.ts';
import { every, low } from './lanes.ts';
import {
  all,
  both,
  denormals,
  either,
  F32,
  F64,
  isAmple,
  isComparable,
  isZeroNumber,
  nans,
  none,
  type Shape,
  toBits,
  toFloat,
  zeros,
} from './shapes.ts';

const exactIntegerToSingle = exactScalar(softI64ToF32);
const exactIntegerToDouble = exactScalar(softI64ToF64);

/** CVTSI2SS and CVTSI2SD. Every integer of 32 bits is a double. */
function fromInteger(name: string, precision: string, feature: Feature, form: string, s: Shape): Instruction {
  return defineInstruction({
    name,
    sdm: `Vol. 2A "${name} - Convert Doubleword Integer to Scalar ${precision}-Precision Floating-Point Value"`,
    feature,
    forms: [form],
    semantics(m, dst, src) {
      requireSse(m);
      const integer = m.read(src);
      const fast = toBits(m, s, m.op(`${s.scalar}.convert_i${integer.type}_s`, [integer]));
      const isExact = s === F64 && integer.type === 32;
      const exact = s === F32 ? exactIntegerToSingle : exactIntegerToDouble;
      m.write(dst, isExact ? fast : unlessExact(m, mxcsrAllows(m), fast, exact, m.sext(integer, 64)));
    },
  });
}

function doublewordsToSingles(count: number): Routine {
  return exactConversion('doublewordsToSingles', F32, F32, count, (m, integer) =>
    soft(m, softI64ToF32, m.sext(integer, 64)),
  );
}

const exactSingles = doublewordsToSingles(4);
const exactTwoSingles = doublewordsToSingles(2);

const CVTDQ2PS = defineInstruction({
  name: 'CVTDQ2PS',
  sdm: 'Vol. 2A "CVTDQ2PS - Convert Packed Doubleword Integers to Packed Single-Precision Floating-Point Values"',
  feature: 'sse2',
  forms: ['NP 0F 5B /r Vps,Wdq'],
  semantics(m, dst, src) {
    requireSse(m);
    const integers = m.read(src);
    m.write(dst, unlessExact(m, mxcsrAllows(m), m.op('f32x4.convert_i32x4_s', [integers]), exactSingles, integers));
  },
});

const CVTDQ2PD = defineInstruction({
  name: 'CVTDQ2PD',
  sdm: 'Vol. 2A "CVTDQ2PD - Convert Packed Doubleword Integers to Packed Double-Precision Floating-Point Values"',
  feature: 'sse2',
  forms: ['F3 0F E6 /r Vpd,Wq'],
  semantics(m, dst, src) {
    requireSse(m);
    m.write(dst, m.op('f64x2.convert_low_i32x4_s', [m.zext(m.read(src), 128)]));
  },
});

/** An MMX register, entering MMX state; a memory operand leaves the x87 state alone. */
function readMmx(m: Algebra, src: Operand): Value {
  if (src.kind === 'memory') return m.read(src);
  requireMmx(m);
  enterMmx(m);
  return m.read(src);
}

const CVTPI2PS = defineInstruction({
  name: 'CVTPI2PS',
  sdm: 'Vol. 2A "CVTPI2PS - Convert Packed Dword Integers to Packed Single-Precision FP Values"',
  feature: 'sse',
  forms: ['NP 0F 2A /r Vq,Qq'],
  semantics(m, dst, src) {
    requireSse(m);
    const integers = m.zext(readMmx(m, src), 128);
    m.write(dst, low(m, m.call(exactTwoSingles, integers)[0]));
  },
});

const CVTPI2PD = defineInstruction({
  name: 'CVTPI2PD',
  sdm: 'Vol. 2A "CVTPI2PD - Convert Packed Dword Integers to Packed Double-Precision FP Values"',
  feature: 'sse2',
  forms: ['66 0F 2A /r Vpd,Qq'],
  semantics(m, dst, src) {
    requireSse(m);
    m.write(dst, m.op('f64x2.convert_low_i32x4_s', [m.zext(readMmx(m, src), 128)]));
  },
});

/** 2^-126, a double. */
const LEAST_NORMAL_SINGLE = 0x3810000000000000n;

const exactWidened = exactScalar(softF32ToF64);
const exactNarrowed = exactScalar(softF64ToF32);

const CVTSS2SD = defineInstruction({
  name: 'CVTSS2SD',
  sdm:
    'Vol. 2A "CVTSS2SD - Convert Scalar Single-Precision Floating-Point Value to Scalar Double-Precision ' +
    'Floating-Point Value"',
  feature: 'sse2',
  forms: ['F3 0F 5A /r Vsd,Wss'],
  semantics(m, dst, src) {
    requireSse(m);
    const bits = m.read(src);
    const fast = toBits(m, F64, m.op('f64.promote_f32', [toFloat(m, F32, bits)]));
    m.write(dst, unlessExact(m, isComparable(m, F32, bits), fast, exactWidened, bits));
  },
});

const CVTSD2SS = defineInstruction({
  name: 'CVTSD2SS',
  sdm:
    'Vol. 2A "CVTSD2SS - Convert Scalar Double-Precision Floating-Point Value to Scalar Single-Precision ' +
    'Floating-Point Value"',
  feature: 'sse2',
  forms: ['F2 0F 5A /r Vss,Wsd'],
  semantics(m, dst, src) {
    requireSse(m);
    const bits = m.read(src);
    const fast = toBits(m, F32, m.op('f32.demote_f64', [toFloat(m, F64, bits)]));
    // An ample single has no denormal double behind it.
    const right = m.or(isAmple(m, F32, fast), isZeroNumber(m, bits));
    m.write(dst, unlessExact(m, m.and(mxcsrAllows(m), right), fast, exactNarrowed, bits));
  },
});

const exactTwoWidened = exactConversion('singlesToDoubles', F32, F64, 2, (m, bits) => soft(m, softF32ToF64, bits));
const exactTwoNarrowed = exactConversion('doublesToSingles', F64, F32, 2, (m, bits) => soft(m, softF64ToF32, bits));

const CVTPS2PD = defineInstruction({
  name: 'CVTPS2PD',
  sdm:
    'Vol. 2A "CVTPS2PD - Convert Packed Single-Precision Floating-Point Values to Packed Double-Precision ' +
    'Floating-Point Values"',
  feature: 'sse2',
  forms: ['NP 0F 5A /r Vpd,Wq'],
  semantics(m, dst, src) {
    requireSse(m);
    const singles = m.zext(m.read(src), 128);
    const right = none(m, either(m, denormals(m, F32, singles), nans(m, F32, singles)));
    m.write(dst, unlessExact(m, right, m.op('f64x2.promote_low_f32x4', [singles]), exactTwoWidened, singles));
  },
});

const CVTPD2PS = defineInstruction({
  name: 'CVTPD2PS',
  sdm:
    'Vol. 2A "CVTPD2PS - Convert Packed Double-Precision Floating-Point Values to Packed Single-Precision ' +
    'Floating-Point Values"',
  feature: 'sse2',
  forms: ['66 0F 5A /r Vps,Wpd'],
  semantics(m, dst, src) {
    requireSse(m);
    const doubles = m.read(src);
    const fast = m.op('f32x4.demote_f64x2_zero', [doubles]);
    const size = m.op('f64x2.abs', [m.op('f64x2.promote_low_f32x4', [fast])]);
    const finite = m.op('f64x2.lt', [size, every(m, 64, F64.infinity)]);
    const ample = m.op('f64x2.gt', [size, every(m, 64, LEAST_NORMAL_SINGLE)]);
    const right = all(m, F64, both(m, finite, either(m, ample, zeros(m, F64, doubles))));
    m.write(dst, unlessExact(m, m.and(mxcsrAllows(m), right), fast, exactTwoNarrowed, doubles));
  },
});

export const toFloats: readonly Instruction[] = [
  fromInteger('CVTSI2SS', 'Single', 'sse', 'F3 0F 2A /r Vss,Ey', F32),
  fromInteger('CVTSI2SD', 'Double', 'sse2', 'F2 0F 2A /r Vsd,Ey', F64),
  CVTDQ2PS,
  CVTDQ2PD,
  CVTPI2PS,
  CVTPI2PD,
  CVTSS2SD,
  CVTSD2SS,
  CVTPS2PD,
  CVTPD2PS,
];
