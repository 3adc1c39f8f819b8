/**
 * IEEE 754 single and double operations exactly as SSE does them: for the definitions of SSE instructions.
 *
 * Every routine takes numbers as their bits (type 32 or 64) and MXCSR (type 32) last, and gives its result and the
 * exception flags raised (type 32, in MXCSR's order: INVALID, DENORMAL, ZERO_DIVIDE, OVERFLOW, UNDERFLOW, INEXACT). The
 * result is the masked response. `raiseSse` puts the flags into MXCSR and raises #XM for unmasked ones; it comes before
 * the destination is written. Packed instructions OR the flags of their elements and call it once.
 *
 *     const [sum, flags] = m.call(softAdd64, a, b, m.get(vcpu.mxcsr));
 *     raiseSse(m, flags);
 *     m.write(destination, sum);
 *
 * Fast path: with every exception masked, rounding to nearest, DAZ and FTZ clear and PE already set (`mxcsrIsFast`), an
 * operation on normal numbers whose result is normal is WebAssembly's own: nothing else can be raised. The definitions
 * look for that themselves (`../sse/quick.ts`).
 */

import { type Algebra, defineRoutine, type Routine, UD, type Value, XM } from '../../algebra.ts';
import { vcpu } from '../../state.ts';
import { CR4_OSXMMEXCPT } from '../system/control-bits.ts';
import { addUnpacked, denormalFlag } from './add.ts';
import { compareUnpacked, GREATER, LESS } from './compare.ts';
import {
  any,
  DOUBLE,
  EXCEPTIONS,
  equals,
  type Format,
  flagIf,
  INVALID,
  IS_NAN,
  IS_SIGNALLING,
  IS_ZERO,
  isNot0,
  PRE_COMPUTATION,
  parts,
  roundingControl,
  SINGLE,
  type Unpacked,
  unpacked,
} from './format.ts';
import { roundToIntegral, toInteger } from './integer.ts';
import { divideUnpacked, multiplyUnpacked, rootUnpacked } from './multiply.ts';
import { round32, round64 } from './round.ts';
import { unpack32, unpack64, unpackInteger } from './unpack.ts';

/** DAZ, FTZ, RC, masks and the PE flag: the bits that the fast path depends on, and their values for it. */
const FAST_BITS = 0xffe0;
const FAST_VALUE = 0x1fa0;

/** As FAST_BITS, without DAZ and FTZ. */
const PLAIN_BITS = 0x7fa0;
const PLAIN_VALUE = 0x1fa0;

/** Condition: everything is masked, INEXACT raised already, and rounding is to nearest. */
export function mxcsrIsPlain(m: Algebra, mxcsr: Value): Value {
  return equals(m, m.and(mxcsr, m.const(32, PLAIN_BITS)), PLAIN_VALUE);
}

/** Condition: WebAssembly's arithmetic on normal numbers with a normal result does all that this MXCSR asks for. */
export function mxcsrIsFast(m: Algebra, mxcsr: Value): Value {
  return equals(m, m.and(mxcsr, m.const(32, FAST_BITS)), FAST_VALUE);
}

/** Rounding control of MXCSR, for the routines that take a rounding mode of their own: 3 is truncation. */
export function mxcsrRounding(m: Algebra, mxcsr: Value): Value {
  return roundingControl(m, mxcsr);
}

/**
 * Reports the flags of an instruction: sets them in MXCSR and raises #XM (#UD with CR4.OSXMMEXCPT clear) if one is
 * unmasked. An unmasked exception found before the computation keeps those found after it from being reported
 * (SDM Vol. 1 §11.5.3.2).
 */
export function raiseSse(m: Algebra, flags: Value): void {
  m.if(isNot0(m, flags), () => {
    const mxcsr = m.get(vcpu.mxcsr);
    const unmasked = m.and(flags, m.not(m.shr(mxcsr, 7)));
    const early = any(m, unmasked, PRE_COMPUTATION);
    const reported = m.select(early, m.and(flags, m.const(32, PRE_COMPUTATION)), flags);
    m.set(vcpu.mxcsr, m.or(mxcsr, reported));
    m.if(any(m, unmasked, EXCEPTIONS), () =>
      m.if(
        any(m, m.get(vcpu.cr4), CR4_OSXMMEXCPT),
        () => m.raise(XM),
        () => m.raise(UD),
      ),
    );
  });
}

interface Routines {
  readonly unpack: Routine;
  readonly round: Routine;
}

function routinesOf(format: Format): Routines {
  return format.width === 32 ? { unpack: unpack32, round: round32 } : { unpack: unpack64, round: round64 };
}

function unpackAs(m: Algebra, format: Format, bits: Value, control: Value): Unpacked {
  return unpacked(m.call(routinesOf(format).unpack, bits, control));
}

function isNan(m: Algebra, x: Unpacked): Value {
  return any(m, x.kind, IS_NAN);
}

function signalling(m: Algebra, ...operands: Unpacked[]): Value {
  const kinds = operands.map((operand) => operand.kind).reduce((a, b) => m.or(a, b));
  return flagIf(m, any(m, kinds, IS_SIGNALLING), INVALID);
}

function quieted(m: Algebra, format: Format, bits: Value): Value {
  return m.or(bits, m.const(format.width, 1n << BigInt(format.fraction - 1)));
}

/** Rounds what an operation gave; its flags and those of rounding together, without C1. */
function rounded(m: Algebra, format: Format, unrounded: Value[], mxcsr: Value): [Value, Value] {
  const [bits, flags] = m.call(routinesOf(format).round, ...unrounded.slice(0, 5), mxcsr);
  return [bits, m.and(m.or(flags, unrounded[5]), m.const(32, EXCEPTIONS))];
}

type Finish = (m: Algebra, mxcsr: Value) => [Value, Value];

/** Two results that a condition chooses from, computing only one. */
function choose(m: Algebra, condition: Value, width: 32 | 64, mxcsr: Value, then: Finish, otherwise: Finish): Value[] {
  const result = m.variable(m.const(width, 0));
  const flags = m.variable(m.const(32, 0));
  const take = (finish: Finish) => (): void => {
    const [value, raised] = finish(m, mxcsr);
    m.assign(result, value);
    m.assign(flags, raised);
  };
  m.if(condition, take(then), take(otherwise));
  return [m.use(result), m.use(flags)];
}

/** (a, b, mxcsr) -> [result, flags]. Of two NaNs the first operand's is the result (SDM Vol. 1 Table 4-7). */
function binary(name: string, format: Format, operation: Routine, subtract = false): Routine {
  const { width } = format;
  return defineRoutine({
    name: `soft${name}${width}`,
    params: [width, width, 32],
    results: [width, 32],
    faults: false,
    body(m, a, b, mxcsr) {
      const x = unpackAs(m, format, a, mxcsr);
      const y = unpackAs(m, format, b, mxcsr);
      return choose(
        m,
        m.or(isNan(m, x), isNan(m, y)),
        width,
        mxcsr,
        () => [quieted(m, format, m.select(isNan(m, x), a, b)), signalling(m, x, y)],
        () => {
          const second = subtract ? { ...y, sign: m.not(y.sign) } : y;
          return rounded(m, format, m.call(operation, ...parts(x), ...parts(second), mxcsr), mxcsr);
        },
      );
    },
  });
}

function squareRoot(format: Format): Routine {
  const { width } = format;
  return defineRoutine({
    name: `softSqrt${width}`,
    params: [width, 32],
    results: [width, 32],
    faults: false,
    body(m, a, mxcsr) {
      const x = unpackAs(m, format, a, mxcsr);
      return choose(
        m,
        isNan(m, x),
        width,
        mxcsr,
        () => [quieted(m, format, a), signalling(m, x)],
        () => rounded(m, format, m.call(rootUnpacked, ...parts(x), mxcsr), mxcsr),
      );
    },
  });
}

/** (a, b, mxcsr) -> [relation, flags]: LESS, EQUAL, GREATER, UNORDERED of `compare.ts`. */
function compare(name: string, format: Format, quietSignals: boolean): Routine {
  const { width } = format;
  return defineRoutine({
    name: `soft${name}${width}`,
    params: [width, width, 32],
    results: [32, 32],
    faults: false,
    body(m, a, b, mxcsr) {
      const x = unpackAs(m, format, a, mxcsr);
      const y = unpackAs(m, format, b, mxcsr);
      const [relation] = m.call(compareUnpacked, ...parts(x), ...parts(y));
      const nan = m.or(isNan(m, x), isNan(m, y));
      const invalid = quietSignals ? m.const(32, INVALID) : signalling(m, x, y);
      return [relation, m.select(nan, invalid, denormalFlag(m, x, y))];
    },
  });
}

/** MIN and MAX: the second operand unless the first one is less (or greater); it also wins where either is a NaN. */
function extremum(name: string, format: Format, relation: number): Routine {
  const { width } = format;
  return defineRoutine({
    name: `soft${name}${width}`,
    params: [width, width, 32],
    results: [width, 32],
    faults: false,
    body(m, a, b, mxcsr) {
      const x = unpackAs(m, format, a, mxcsr);
      const y = unpackAs(m, format, b, mxcsr);
      const [found] = m.call(compareUnpacked, ...parts(x), ...parts(y));
      const nan = m.or(isNan(m, x), isNan(m, y));
      const first = equals(m, found, relation);
      const result = m.select(first, a, b);
      // With DAZ a denormal operand comes out as the zero it was taken for.
      const zero = any(m, m.select(first, x.kind, y.kind), IS_ZERO);
      const signOnly = m.and(result, m.const(width, 1n << BigInt(width - 1)));
      return [m.select(zero, signOnly, result), m.select(nan, m.const(32, INVALID), denormalFlag(m, x, y))];
    },
  });
}

/** ROUNDSS and ROUNDSD: (a, rounding, mxcsr) -> [result, flags]. The instruction's immediate may tell to drop INEXACT. */
function integral(format: Format): Routine {
  const { width } = format;
  return defineRoutine({
    name: `softRound${width}`,
    params: [width, 32, 32],
    results: [width, 32],
    faults: false,
    body(m, a, rounding, mxcsr) {
      const x = unpackAs(m, format, a, mxcsr);
      return choose(
        m,
        isNan(m, x),
        width,
        mxcsr,
        () => [quieted(m, format, a), signalling(m, x)],
        () => rounded(m, format, m.call(roundToIntegral, ...parts(x), rounding), mxcsr),
      );
    },
  });
}

/** CVT(T)SS2SI and their like: (a, rounding, mxcsr) -> [integer, flags], integer indefinite where it does not fit. */
function floatToInteger(format: Format, to: 32 | 64): Routine {
  return defineRoutine({
    name: `softF${format.width}ToI${to}`,
    params: [format.width, 32, 32],
    results: [to, 32],
    faults: false,
    body(m, a, rounding, mxcsr) {
      const x = unpackAs(m, format, a, mxcsr);
      const limit = m.const(64, (1n << BigInt(to - 1)) - 1n);
      const [integer, raised] = m.call(toInteger, ...parts(x), rounding, limit);
      const flags = m.and(raised, m.const(32, EXCEPTIONS));
      if (to === 64) return [integer, flags];
      return [m.select(any(m, flags, INVALID), m.const(32, 0x80000000), m.trunc(integer, 32)), flags];
    },
  });
}

/** CVTSI2SS and CVTSI2SD: (integer of 64 bits, mxcsr) -> [result, flags]. Extend 32-bit integers with their sign. */
function integerToFloat(format: Format): Routine {
  const { width } = format;
  return defineRoutine({
    name: `softI64ToF${width}`,
    params: [64, 32],
    results: [width, 32],
    faults: false,
    body(m, integer, mxcsr) {
      const x = m.call(unpackInteger, integer);
      return rounded(m, format, [...x, m.const(64, 0), m.const(32, 0)], mxcsr);
    },
  });
}

/** CVTSD2SS and CVTSS2SD: (a, mxcsr) -> [result, flags]. */
function floatToFloat(from: Format, to: Format): Routine {
  return defineRoutine({
    name: `softF${from.width}ToF${to.width}`,
    params: [from.width, 32],
    results: [to.width, 32],
    faults: false,
    body(m, a, mxcsr) {
      const x = unpackAs(m, from, a, mxcsr);
      return choose(
        m,
        isNan(m, x),
        to.width,
        mxcsr,
        () => {
          const payload = m.shr(m.shl(x.significand, 1), 64 - to.fraction);
          const head = m.or(m.shl(m.zext(x.sign, 64), to.width - to.fraction - 1), m.const(64, to.special));
          const bits = m.trunc(m.or(m.shl(head, to.fraction), payload), to.width);
          return [quieted(m, to, bits), signalling(m, x)];
        },
        () => rounded(m, to, [...parts(x), m.const(64, 0), denormalFlag(m, x)], mxcsr),
      );
    },
  });
}

export const softAdd32 = binary('Add', SINGLE, addUnpacked);
export const softAdd64 = binary('Add', DOUBLE, addUnpacked);
export const softSub32 = binary('Sub', SINGLE, addUnpacked, true);
export const softSub64 = binary('Sub', DOUBLE, addUnpacked, true);
export const softMul32 = binary('Mul', SINGLE, multiplyUnpacked);
export const softMul64 = binary('Mul', DOUBLE, multiplyUnpacked);
export const softDiv32 = binary('Div', SINGLE, divideUnpacked);
export const softDiv64 = binary('Div', DOUBLE, divideUnpacked);
export const softSqrt32 = squareRoot(SINGLE);
export const softSqrt64 = squareRoot(DOUBLE);
export const softMin32 = extremum('Min', SINGLE, LESS);
export const softMin64 = extremum('Min', DOUBLE, LESS);
export const softMax32 = extremum('Max', SINGLE, GREATER);
export const softMax64 = extremum('Max', DOUBLE, GREATER);
/** Comparisons that raise INVALID for signalling NaNs only (UCOMIS*, CMP* EQ, UNORD, NEQ, ORD). */
export const softCompareQuiet32 = compare('CompareQuiet', SINGLE, false);
export const softCompareQuiet64 = compare('CompareQuiet', DOUBLE, false);
/** Comparisons that raise INVALID for every NaN (COMIS*, CMP* LT, LE, NLT, NLE). */
export const softCompare32 = compare('Compare', SINGLE, true);
export const softCompare64 = compare('Compare', DOUBLE, true);
export const softRound32 = integral(SINGLE);
export const softRound64 = integral(DOUBLE);
export const softF32ToI32 = floatToInteger(SINGLE, 32);
export const softF32ToI64 = floatToInteger(SINGLE, 64);
export const softF64ToI32 = floatToInteger(DOUBLE, 32);
export const softF64ToI64 = floatToInteger(DOUBLE, 64);
export const softI64ToF32 = integerToFloat(SINGLE);
export const softI64ToF64 = integerToFloat(DOUBLE);
export const softF32ToF64 = floatToFloat(SINGLE, DOUBLE);
export const softF64ToF32 = floatToFloat(DOUBLE, SINGLE);
