/** Conversions of floating-point numbers to integers, scalar and packed. */

import type { Algebra, Operand, Routine, Value } from '../../algebra.ts';
import { vcpu } from '../../state.ts';
import { mxcsrRounding, softF32ToI32, softF32ToI64, softF64ToI32, softF64ToI64 } from '../fp/sse.ts';
import { defineInstruction, type Feature, type Instruction } from '../instruction.ts';
import { enterMmx, requireMmx, writeMmx } from '../mmx-state.ts';
import { widthOf } from '../widths.ts';
import { requireSse, roundsSilently } from './available.ts';
import { exactConversion, exactScalar, lookingFirst, type Outcome, otherwise, soft, unlessExact } from './exact.ts';
import { every, low } from './lanes.ts';
import { readScalar, type Scalar } from './quick.ts';
import { all, both, F32, F64, type Shape, toBits, toFloat } from './shapes.ts';

const TRUNCATION = 3;

type How = 'truncated' | 'rounded';

/** Rounding control for the exact routines. */
function rounding(m: Algebra, how: How): Value {
  return how === 'truncated' ? m.const(32, TRUNCATION) : mxcsrRounding(m, m.get(vcpu.mxcsr));
}

/** (bits, rounding) -> integer. */
function exactInteger(s: Shape, width: 32 | 64, routine: Routine): Routine {
  return lookingFirst(exactScalar(routine), (m, bits) => {
    const float = toFloat(m, s, bits);
    const { integer, isRight } = converted(m, s, float, width);
    return { fast: integer, isRight };
  });
}

const scalarRoutines: { readonly [key: string]: Routine } = {
  '32to32': exactInteger(F32, 32, softF32ToI32),
  '32to64': exactInteger(F32, 64, softF32ToI64),
  '64to32': exactInteger(F64, 32, softF64ToI32),
  '64to64': exactInteger(F64, 64, softF64ToI64),
};

/** A float to an integer by WebAssembly's conversion, and whether nothing had to be rounded. */
function converted(m: Algebra, s: Shape, float: Value, width: 32 | 64): { integer: Value; isRight: Value } {
  const integer = m.op(`i${width}.trunc_sat_${s.scalar}_s`, [float]);
  const back = m.op(`${s.scalar}.convert_i${width}_s`, [integer]);
  const same = m.trunc(m.op(`${s.scalar}.eq`, [back, float]), 1);
  // Saturation may give the greatest integer, which has no float of its own but in doubles of a doubleword.
  if (s === F64 && width === 32) return { integer, isRight: same };
  return { integer, isRight: m.and(same, m.ne(integer, m.const(width, (1n << BigInt(width - 1)) - 1n))) };
}

/**
 * Fast path: an integer that converts back to the number rounded is right. What was cut off must not matter: INEXACT is
 * masked and raised already, and rounding is to nearest unless the conversion truncates.
 */
function toInteger(m: Algebra, s: Shape, how: How, { float }: Pick<Scalar, 'float'>, width: 32 | 64): Value {
  const whole = m.op(`${s.scalar}.${how === 'truncated' ? 'trunc' : 'nearest'}`, [float]);
  const { integer, isRight } = converted(m, s, whole, width);
  const exact = scalarRoutines[`${s.width}to${width}`];
  return otherwise(
    m,
    m.and(roundsSilently(m), isRight),
    integer,
    () => m.call(exact, toBits(m, s, float), rounding(m, how))[0],
  );
}

/** What a row does once SSE is known to be there. */
type Conversion = (m: Algebra, dst: Operand, src: Operand, s: Shape, how: How) => void;

const toRegister: Conversion = (m, dst, src, s, how) => {
  m.write(dst, toInteger(m, s, how, readScalar(m, s, src), widthOf(dst) === 64 ? 64 : 32));
};

/** (vector, rounding) -> doublewords. */
function exactDoublewords(s: Shape, count: number): Routine {
  const routine = s === F32 ? softF32ToI32 : softF64ToI32;
  const convert = (m: Algebra, bits: Value, mode: Value): Outcome => soft(m, routine, bits, mode);
  return exactConversion(`toDoublewords${s.width}`, s, F32, count, convert, 1);
}

const exactFour = exactDoublewords(F32, 4);
const exactTwoSingles = exactDoublewords(F32, 2);
const exactTwoDoubles = exactDoublewords(F64, 2);

/** A vector of floats to doublewords. Fast path: all lanes are in range and INEXACT is nothing new. */
function toDoublewords(m: Algebra, s: Shape, how: How, vector: Value): Value {
  const whole = m.op(`${s.vector}.${how === 'truncated' ? 'trunc' : 'nearest'}`, [vector]);
  const fast = m.op(s === F32 ? 'i32x4.trunc_sat_f32x4_s' : 'i32x4.trunc_sat_f64x2_s_zero', [whole]);
  const least = s === F32 ? 0xcf000000 : 0xc1e0000000000000n;
  const beyond = s === F32 ? 0x4f000000 : 0x41e0000000000000n;
  const inRange = both(
    m,
    m.op(`${s.vector}.ge`, [whole, every(m, s.width, least)]),
    m.op(`${s.vector}.lt`, [whole, every(m, s.width, beyond)]),
  );
  const right = m.and(roundsSilently(m), all(m, s, inRange));
  return unlessExact(m, right, fast, s === F32 ? exactFour : exactTwoDoubles, vector, rounding(m, how));
}

const toXmm: Conversion = (m, dst, src, s, how) => m.setXmm(dst, toDoublewords(m, s, how, m.read(src)));

/** Two floats to an MMX register. */
const toMmx: Conversion = (m, dst, src, s, how) => {
  requireMmx(m);
  const vector = m.zext(m.read(src), 128);
  // MMX state is entered even if the conversion then ends with #XM.
  enterMmx(m);
  writeMmx(m, dst, low(m, m.call(s === F32 ? exactTwoSingles : exactTwoDoubles, vector, rounding(m, how))[0]));
};

type Row = readonly [name: string, title: string, feature: Feature, form: string, source: Shape, how: How];

function rows(convert: Conversion, ...table: readonly Row[]): Instruction[] {
  return table.map(([name, title, feature, form, source, how]) =>
    defineInstruction({
      name,
      sdm: `Vol. 2A "${name} - ${title}"`,
      feature,
      forms: [form],
      semantics(m, dst, src) {
        requireSse(m);
        convert(m, dst, src, source, how);
      },
    }),
  );
}

export const toIntegers: readonly Instruction[] = [
  ...rows(
    toRegister,
    [
      'CVTSS2SI',
      'Convert Scalar Single-Precision Floating-Point Value to Doubleword Integer',
      'sse',
      'F3 0F 2D /r Gy,Wss',
      F32,
      'rounded',
    ],
    [
      'CVTTSS2SI',
      'Convert With Truncation Scalar Single-Precision Floating-Point Value to Integer',
      'sse',
      'F3 0F 2C /r Gy,Wss',
      F32,
      'truncated',
    ],
    [
      'CVTSD2SI',
      'Convert Scalar Double-Precision Floating-Point Value to Doubleword Integer',
      'sse2',
      'F2 0F 2D /r Gy,Wsd',
      F64,
      'rounded',
    ],
    [
      'CVTTSD2SI',
      'Convert With Truncation Scalar Double-Precision Floating-Point Value to Signed Integer',
      'sse2',
      'F2 0F 2C /r Gy,Wsd',
      F64,
      'truncated',
    ],
  ),
  ...rows(
    toXmm,
    [
      'CVTPS2DQ',
      'Convert Packed Single-Precision Floating-Point Values to Packed Signed Doubleword Integer Values',
      'sse2',
      '66 0F 5B /r Vdq,Wps',
      F32,
      'rounded',
    ],
    [
      'CVTTPS2DQ',
      'Convert With Truncation Packed Single-Precision Floating-Point Values to Packed Signed Doubleword Integer Values',
      'sse2',
      'F3 0F 5B /r Vdq,Wps',
      F32,
      'truncated',
    ],
    [
      'CVTPD2DQ',
      'Convert Packed Double-Precision Floating-Point Values to Packed Doubleword Integers',
      'sse2',
      'F2 0F E6 /r Vdq,Wpd',
      F64,
      'rounded',
    ],
    [
      'CVTTPD2DQ',
      'Convert With Truncation Packed Double-Precision Floating-Point Values to Packed Doubleword Integers',
      'sse2',
      '66 0F E6 /r Vdq,Wpd',
      F64,
      'truncated',
    ],
  ),
  ...rows(
    toMmx,
    [
      'CVTPS2PI',
      'Convert Packed Single-Precision FP Values to Packed Dword Integers',
      'sse',
      'NP 0F 2D /r Pq,Wq',
      F32,
      'rounded',
    ],
    [
      'CVTTPS2PI',
      'Convert With Truncation Packed Single-Precision FP Values to Packed Dword Integers',
      'sse',
      'NP 0F 2C /r Pq,Wq',
      F32,
      'truncated',
    ],
    [
      'CVTPD2PI',
      'Convert Packed Double-Precision FP Values to Packed Dword Integers',
      'sse2',
      '66 0F 2D /r Pq,Wpd',
      F64,
      'rounded',
    ],
    [
      'CVTTPD2PI',
      'Convert With Truncation Packed Double-Precision FP Values to Packed Dword Integers',
      'sse2',
      '66 0F 2C /r Pq,Wpd',
      F64,
      'truncated',
    ],
  ),
];
