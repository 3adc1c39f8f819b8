/** Taking numbers apart: single, double, extended and integers to the common form of `format.ts`. */

import { type Algebra, defineRoutine, type Routine, type Value } from '../../algebra.ts';
import {
  any,
  DAZ,
  DOUBLE,
  EXTENDED_MAX,
  equals,
  type Format,
  IS_DENORMAL,
  IS_FINITE,
  IS_INFINITE,
  IS_QUIET,
  IS_SIGNALLING,
  IS_UNSUPPORTED,
  IS_ZERO,
  isNot0,
  SINGLE,
  UNPACKED,
} from './format.ts';

const INTEGER_BIT = 1n << 63n;
const QUIET_BIT = 1n << 62n;

function infinityOrNan(m: Algebra, fraction: Value): Value {
  const nan = m.select(any(m, fraction, QUIET_BIT), m.const(32, IS_QUIET), m.const(32, IS_SIGNALLING));
  return m.select(any(m, fraction, INTEGER_BIT - 1n), nan, m.const(32, IS_INFINITE));
}

/** (bits, control) -> unpacked. A NaN's significand is its payload moved up, as conversion to extended does. */
function unpackRoutine(format: Format): Routine {
  const { width, fraction: fractionBits, bias, special } = format;
  return defineRoutine({
    name: `fpUnpack${width}`,
    params: [width, 32],
    results: UNPACKED,
    faults: false,
    body(m, bits, control) {
      const biased = m.and(m.trunc(m.shr(bits, fractionBits), 32), m.const(32, special));
      const fractionMask = m.const(width, (1n << BigInt(fractionBits)) - 1n);
      const fraction = m.shl(m.zext(m.and(bits, fractionMask), 64), 63 - fractionBits);
      const kind = m.variable(m.const(32, IS_FINITE));
      const exponent = m.variable(m.sub(biased, m.const(32, bias)));
      const significand = m.variable(m.or(fraction, m.const(64, INTEGER_BIT)));
      m.if(
        m.isZero(biased),
        () => {
          const zero = m.or(m.isZero(fraction), any(m, control, DAZ));
          const zeros = m.clz(fraction);
          m.assign(kind, m.select(zero, m.const(32, IS_ZERO), m.const(32, IS_FINITE | IS_DENORMAL)));
          m.assign(exponent, m.sub(m.const(32, 1 - bias), m.trunc(zeros, 32)));
          m.assign(significand, m.select(zero, m.const(64, 0), m.shl(fraction, m.and(zeros, m.const(64, 63)))));
        },
        () =>
          m.if(equals(m, biased, special), () => {
            m.assign(kind, infinityOrNan(m, fraction));
          }),
      );
      return [m.use(kind), m.msb(bits), m.use(exponent), m.use(significand)];
    },
  });
}

export const unpack32 = unpackRoutine(SINGLE);
export const unpack64 = unpackRoutine(DOUBLE);

/** (sign and biased exponent in bits 15-0, significand) -> unpacked. Pseudo-denormals count as denormals. */
export const unpack80 = defineRoutine({
  name: 'fpUnpack80',
  params: [32, 64],
  results: UNPACKED,
  faults: false,
  body(m, head, significand) {
    const biased = m.and(head, m.const(32, 0x7fff));
    const kind = m.variable(m.const(32, IS_FINITE));
    const exponent = m.variable(m.sub(biased, m.const(32, EXTENDED_MAX)));
    const normal = m.variable(significand);
    m.if(
      m.isZero(biased),
      () => {
        const zeros = m.and(m.clz(significand), m.const(64, 63));
        const denormal = m.const(32, IS_FINITE | IS_DENORMAL);
        m.assign(kind, m.select(m.isZero(significand), m.const(32, IS_ZERO), denormal));
        m.assign(exponent, m.sub(m.const(32, 1 - EXTENDED_MAX), m.trunc(zeros, 32)));
        m.assign(normal, m.shl(significand, zeros));
      },
      () => {
        m.if(equals(m, biased, 0x7fff), () => m.assign(kind, infinityOrNan(m, significand)));
        m.if(m.not(m.msb(significand)), () => m.assign(kind, m.const(32, IS_UNSUPPORTED)));
      },
    );
    return [m.use(kind), m.bit(head, 15), m.use(exponent), m.use(normal)];
  },
});

/** Signed 64-bit integer -> unpacked; exact. */
export const unpackInteger = defineRoutine({
  name: 'fpUnpackInteger',
  params: [64],
  results: UNPACKED,
  faults: false,
  body(m, integer) {
    const sign = m.msb(integer);
    const magnitude = m.select(sign, m.neg(integer), integer);
    const zeros = m.and(m.clz(magnitude), m.const(64, 63));
    const kind = m.select(isNot0(m, magnitude), m.const(32, IS_FINITE), m.const(32, IS_ZERO));
    return [kind, sign, m.trunc(m.sub(m.const(64, 63), zeros), 32), m.shl(magnitude, zeros)];
  },
});
