/** Conversions of integers to floating-point numbers, and between the two precisions. */

import type { Algebra, Operand, Routine, Value } from '../../algebra.ts';
import { softF32ToF64, softF64ToF32, softI64ToF32, softI64ToF64 } from '../fp/sse.ts';
import { defineInstruction, type Feature, type Instruction } from '../instruction.ts';
import { enterMmx, requireMmx } from '../mmx-state.ts';
import { requireSse, roundsSilently } from './available.ts';
import { exactConversion, exactScalar, lookingFirst, mxcsrAllows, otherwise, soft, unlessExact } from './exact.ts';
import { every, low } from './lanes.ts';
import { arePlainNumbers, bitsOf, isPlainProduct, readScalar, withFloat } from './quick.ts';
import { all, both, either, F32, F64, isZeroNumber, type Shape, toBits, toFloat, zeros } from './shapes.ts';

/** (integer of 64 bits) -> bits. Those that have as many bits as a significand are exact whatever MXCSR says. */
function exactFromInteger(s: Shape, routine: Routine): Routine {
  const limit = 2n << BigInt(s.format.fraction);
  return lookingFirst(exactScalar(routine), (m, integer) => ({
    fast: toBits(m, s, m.op(`${s.scalar}.convert_i64_s`, [integer])),
    isRight: m.leU(m.add(integer, m.const(64, limit)), m.const(64, 2n * limit)),
  }));
}

const exactIntegerToSingle = exactFromInteger(F32, softI64ToF32);
const exactIntegerToDouble = exactFromInteger(F64, softI64ToF64);

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
      const fast = m.op(`${s.scalar}.convert_i${integer.type}_s`, [integer]);
      const isExact = s === F64 && integer.type === 32;
      const exact = s === F32 ? exactIntegerToSingle : exactIntegerToDouble;
      const slow = (): Value => toFloat(m, s, m.call(exact, m.sext(integer, 64))[0]);
      m.setXmm(dst, withFloat(m, s, dst, isExact ? fast : otherwise(m, roundsSilently(m), fast, slow)));
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
    m.write(dst, unlessExact(m, roundsSilently(m), m.op('f32x4.convert_i32x4_s', [integers]), exactSingles, integers));
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
const exactNarrowed = lookingFirst(exactScalar(softF64ToF32), (m, bits) => {
  const fast = toBits(m, F32, m.op('f32.demote_f64', [toFloat(m, F64, bits)]));
  return { fast, isRight: m.and(mxcsrAllows(m), isZeroNumber(m, bits)) };
});

const CVTSS2SD = defineInstruction({
  name: 'CVTSS2SD',
  sdm:
    'Vol. 2A "CVTSS2SD - Convert Scalar Single-Precision Floating-Point Value to Scalar Double-Precision ' +
    'Floating-Point Value"',
  feature: 'sse2',
  forms: ['F3 0F 5A /r Vsd,Wss'],
  semantics(m, dst, src) {
    requireSse(m);
    const single = readScalar(m, F32, src);
    const fast = m.op('f64.promote_f32', [single.float]);
    const slow = (): Value => toFloat(m, F64, m.call(exactWidened, bitsOf(m, F32, single))[0]);
    const right = arePlainNumbers(m, F32, false, [single.vector]);
    m.setXmm(dst, withFloat(m, F64, dst, otherwise(m, right, fast, slow)));
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
    const double = readScalar(m, F64, src);
    const fast = withFloat(m, F32, dst, m.op('f32.demote_f64', [double.float]));
    const slow = (): Value => {
      const [bits] = m.call(exactNarrowed, bitsOf(m, F64, double));
      return withFloat(m, F32, dst, toFloat(m, F32, bits));
    };
    // A normal single has no denormal double behind it.
    m.setXmm(dst, otherwise(m, isPlainProduct(m, F32, false, [], fast), fast, slow));
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
    const fast = m.op('f64x2.promote_low_f32x4', [singles]);
    m.write(dst, unlessExact(m, arePlainNumbers(m, F32, true, [singles]), fast, exactTwoWidened, singles));
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
    m.write(dst, unlessExact(m, m.and(roundsSilently(m), right), fast, exactTwoNarrowed, doubles));
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
