/** 128-bit integers as pairs of 64-bit halves (high, low): shifts, addition and comparison for intermediate results. */

import { type Algebra, defineRoutine, type Value } from '../../algebra.ts';
import { isNot0 } from './format.ts';

export interface Wide {
  readonly high: Value;
  readonly low: Value;
}

export function addWide(m: Algebra, a: Wide, b: Wide): Wide {
  const low = m.add(a.low, b.low);
  return { high: m.add(m.add(a.high, b.high), m.zext(m.ltU(low, a.low), 64)), low };
}

export function subWide(m: Algebra, a: Wide, b: Wide): Wide {
  const borrow = m.zext(m.ltU(a.low, b.low), 64);
  return { high: m.sub(m.sub(a.high, b.high), borrow), low: m.sub(a.low, b.low) };
}

export function ltWide(m: Algebra, a: Wide, b: Wide): Value {
  return m.or(m.ltU(a.high, b.high), m.and(m.eq(a.high, b.high), m.ltU(a.low, b.low)));
}

/** Left by 0 to 63. A shift by 64 - count is written as two, since a count of 64 is not allowed. */
export function shlWide(m: Algebra, a: Wide, count: Value): Wide {
  const rest = m.sub(m.const(count.type, 63), count);
  return { high: m.or(m.shl(a.high, count), m.shr(m.shr(a.low, 1), rest)), low: m.shl(a.low, count) };
}

/** Right by 0 to 63, dropping what falls out. */
export function shrWide(m: Algebra, a: Wide, count: Value): Wide {
  const rest = m.sub(m.const(count.type, 63), count);
  return { high: m.shr(a.high, count), low: m.or(m.shr(a.low, count), m.shl(m.shl(a.high, 1), rest)) };
}

/** (high, low, count) -> [high, low]: right by any count; bit 0 stays set if anything but zeros fell out. */
export const shiftRightJam = defineRoutine({
  name: 'fpShiftRightJam',
  params: [64, 64, 32],
  results: [64, 64],
  faults: false,
  body(m, high, low, count) {
    const resultHigh = m.variable(m.const(64, 0));
    const resultLow = m.variable(m.zext(isNot0(m, m.or(high, low)), 64));
    const sticky = (fallen: Value): Value => m.zext(isNot0(m, fallen), 64);
    m.if(
      m.ltU(count, m.const(32, 64)),
      () => {
        const shifted = shrWide(m, { high: high, low: low }, count);
        const fallen = m.shl(m.shl(low, 1), m.sub(m.const(32, 63), count));
        m.assign(resultHigh, shifted.high);
        m.assign(resultLow, m.or(shifted.low, sticky(fallen)));
      },
      () =>
        m.if(m.ltU(count, m.const(32, 128)), () => {
          const rest = m.sub(count, m.const(32, 64));
          const fallen = m.or(m.shl(m.shl(high, 1), m.sub(m.const(32, 63), rest)), low);
          m.assign(resultLow, m.or(m.shr(high, rest), sticky(fallen)));
        }),
    );
    return [m.use(resultHigh), m.use(resultLow)];
  },
});

/** (high, low, exponent), not 0 -> [high, low, exponent] shifted left until bit 127 is set. */
export const normalise = defineRoutine({
  name: 'fpNormalise',
  params: [64, 64, 32],
  results: [64, 64, 32],
  faults: false,
  body(m, high, low, exponent) {
    const h = m.variable(high);
    const l = m.variable(low);
    const e = m.variable(exponent);
    m.if(m.isZero(high), () => {
      m.assign(h, low);
      m.assign(l, m.const(64, 0));
      m.assign(e, m.sub(exponent, m.const(32, 64)));
    });
    const zeros = m.clz(m.use(h));
    const shifted = shlWide(m, { high: m.use(h), low: m.use(l) }, zeros);
    return [shifted.high, shifted.low, m.sub(m.use(e), m.trunc(zeros, 32))];
  },
});

/**
 * (high, low, divisor) -> [quotient, remainder]: 128 by 64 bits, divisor with bit 63 set, high < divisor.
 * Schoolbook division in base 2^32: a quotient digit guessed from the divisor's upper digit is at most 2 too large
 * (Knuth, TAOCP Vol. 2 §4.3.1, Algorithm D).
 */
export const divideWide = defineRoutine({
  name: 'fpDivideWide',
  params: [64, 64, 64],
  results: [64, 64],
  faults: false,
  body(m, high, low, divisor) {
    const k = (n: number | bigint): Value => m.const(64, n);
    const base = k(1n << 32n);
    const divisorHigh = m.shr(divisor, 32);
    const divisorLow = m.and(divisor, k(0xffffffff));
    const step = (rest: Value, next: Value): [Value, Value] => {
      const guess = m.divU(rest, divisorHigh);
      const digit = m.variable(guess);
      const over = m.variable(m.sub(rest, m.mul(guess, divisorHigh)));
      const tooLarge = (): Value =>
        m.and(
          m.ltU(m.use(over), base),
          m.or(m.leU(base, m.use(digit)), m.ltU(m.or(m.shl(m.use(over), 32), next), m.mul(m.use(digit), divisorLow))),
        );
      m.while(tooLarge, () => {
        m.assign(digit, m.sub(m.use(digit), k(1)));
        m.assign(over, m.add(m.use(over), divisorHigh));
      });
      const q = m.use(digit);
      return [q, m.sub(m.or(m.shl(rest, 32), next), m.mul(q, divisor))];
    };
    const [q1, rest] = step(high, m.shr(low, 32));
    const [q0, remainder] = step(rest, m.and(low, k(0xffffffff)));
    return [m.or(m.shl(q1, 32), q0), remainder];
  },
});
