/** Multiplication, division and square root of unpacked numbers that are not NaNs. */

import { type Algebra, defineRoutine, type Value } from '../../algebra.ts';
import { BINARY_PARAMS, denormalFlag } from './add.ts';
import {
  any,
  flagIf,
  INVALID,
  IS_FINITE,
  IS_INFINITE,
  IS_QUIET,
  IS_ZERO,
  isNot0,
  UNPACKED,
  UNROUNDED,
  unpacked,
  ZERO_DIVIDE,
} from './format.ts';
import { divideWide } from './wide.ts';

const QUARTER = 1n << 62n;

/** (a, b, control) -> unrounded a * b. */
export const multiplyUnpacked = defineRoutine({
  name: 'fpMultiply',
  params: BINARY_PARAMS,
  results: UNROUNDED,
  faults: false,
  body(m, ...args) {
    const a = unpacked(args.slice(0, 4));
    const b = unpacked(args.slice(4, 8));
    const kinds = m.or(a.kind, b.kind);
    const [low, high] = m.mulWide(a.significand, b.significand);
    const carry = m.msb(high);
    const exponent = m.add(m.add(a.exponent, b.exponent), m.zext(carry, 32));
    const shifted = m.or(m.shl(high, 1), m.shr(low, 63));
    const zero = any(m, kinds, IS_ZERO);
    const infinite = any(m, kinds, IS_INFINITE);
    const invalid = m.and(zero, infinite);
    const special = m.select(infinite, m.const(32, IS_INFINITE), m.const(32, IS_FINITE));
    const kind = m.select(zero, m.const(32, IS_ZERO), special);
    return [
      m.select(invalid, m.const(32, IS_QUIET), kind),
      m.xor(a.sign, b.sign),
      exponent,
      m.select(carry, high, shifted),
      m.select(carry, low, m.shl(low, 1)),
      m.select(invalid, m.const(32, INVALID), denormalFlag(m, a, b)),
    ];
  },
});

/** (a, b, control) -> unrounded a / b. The low half says where the remainder lies about one half. */
export const divideUnpacked = defineRoutine({
  name: 'fpDivide',
  params: BINARY_PARAMS,
  results: UNROUNDED,
  faults: false,
  body(m, ...args) {
    const a = unpacked(args.slice(0, 4));
    const b = unpacked(args.slice(4, 8));
    const both = m.and(a.kind, b.kind);
    const kind = m.variable(m.const(32, IS_FINITE));
    const exponent = m.variable(m.const(32, 0));
    const high = m.variable(m.const(64, 0));
    const low = m.variable(m.const(64, 0));
    const flags = m.variable(denormalFlag(m, a, b));
    m.if(
      any(m, both, IS_FINITE),
      () => {
        const less = m.ltU(a.significand, b.significand);
        const dividendHigh = m.select(less, a.significand, m.shr(a.significand, 1));
        const dividendLow = m.select(less, m.const(64, 0), m.shl(a.significand, 63));
        const divided = m.call(divideWide, dividendHigh, dividendLow, b.significand);
        const [quotient, remainder] = divided;
        m.assign(exponent, m.sub(m.sub(a.exponent, b.exponent), m.zext(less, 32)));
        m.assign(high, quotient);
        m.assign(low, fractionFromRemainder(m, remainder, m.sub(b.significand, remainder)));
      },
      () => {
        const byZero = any(m, b.kind, IS_ZERO);
        const infinite = m.or(any(m, a.kind, IS_INFINITE), byZero);
        m.assign(kind, m.select(infinite, m.const(32, IS_INFINITE), m.const(32, IS_ZERO)));
        m.if(any(m, both, IS_ZERO | IS_INFINITE), () => {
          m.assign(kind, m.const(32, IS_QUIET));
          m.assign(flags, m.const(32, INVALID));
        });
        m.if(m.and(byZero, any(m, a.kind, IS_FINITE)), () => {
          m.assign(flags, m.const(32, ZERO_DIVIDE));
        });
      },
    );
    return [m.use(kind), m.xor(a.sign, b.sign), m.use(exponent), m.use(high), m.use(low), m.use(flags)];
  },
});

/** The low half for a remainder that is to be compared with the rest of the unit: 0, or below, at or above one half. */
function fractionFromRemainder(m: Algebra, remainder: Value, rest: Value): Value {
  const above = m.zext(m.ltU(rest, remainder), 64);
  const atLeast = m.zext(m.leU(rest, remainder), 64);
  const inexact = m.select(m.eq(rest, remainder), m.const(64, 0), m.const(64, QUARTER));
  const fraction = m.or(m.shl(atLeast, 63), m.or(m.shl(above, 62), inexact));
  return m.select(isNot0(m, remainder), fraction, m.const(64, 0));
}

/**
 * floor(sqrt(high:low)) of a number of 127 or 128 bits -> [root, low half for rounding]. The host's square root gives
 * 52 bits, made a little too small; one Newton step with integers gives the rest, and at most a few steps up end it.
 */
export const rootWide = defineRoutine({
  name: 'fpRootWide',
  params: [64, 64],
  results: [64, 64],
  faults: false,
  body(m, high, low) {
    const k = (n: number | bigint): Value => m.const(64, n);
    const double = m.op('f64.sqrt', [m.op('f64.convert_i64_u', [high])]);
    const scaled = m.op('f64.mul', [double, m.op('f64.convert_i64_u', [k(1n << 32n)])]);
    const guess = m.sub(m.op('i64.trunc_sat_f64_u', [scaled]), k(1 << 13));
    const [squareLow, squareHigh] = m.mulWide(guess, guess);
    const overHigh = m.sub(m.sub(high, squareHigh), m.zext(m.ltU(low, squareLow), 64));
    const over = m.or(m.shl(overHigh, 44), m.shr(m.sub(low, squareLow), 20));
    // (N - guess^2) / (2 guess), both sides brought to 64 bits by 2^-20, the quotient never too large.
    const correction = m.divU(over, m.add(m.shr(guess, 19), k(1)));
    const root = m.variable(m.add(guess, correction));
    const [rootLow, rootHigh] = m.mulWide(m.use(root), m.use(root));
    const restHigh = m.variable(m.sub(m.sub(high, rootHigh), m.zext(m.ltU(low, rootLow), 64)));
    const restLow = m.variable(m.sub(low, rootLow));
    // While N - root^2 > 2 root, that is N >= (root + 1)^2.
    const tooSmall = (): Value => {
      const twiceHigh = m.shr(m.use(root), 63);
      const above = m.and(m.eq(m.use(restHigh), twiceHigh), m.ltU(m.shl(m.use(root), 1), m.use(restLow)));
      return m.or(m.ltU(twiceHigh, m.use(restHigh)), above);
    };
    m.while(tooSmall, () => {
      const twiceLow = m.or(m.shl(m.use(root), 1), k(1));
      const twiceHigh = m.shr(m.use(root), 63);
      const borrow = m.zext(m.ltU(m.use(restLow), twiceLow), 64);
      m.assign(restHigh, m.sub(m.sub(m.use(restHigh), twiceHigh), borrow));
      m.assign(restLow, m.sub(m.use(restLow), twiceLow));
      m.assign(root, m.add(m.use(root), k(1)));
    });
    // sqrt(N) is above root + 1/2 exactly if the rest exceeds the root; it is never at one half.
    const aboveHalf = m.or(isNot0(m, m.use(restHigh)), m.ltU(m.use(root), m.use(restLow)));
    const exact = m.isZero(m.or(m.use(restHigh), m.use(restLow)));
    const fraction = m.select(aboveHalf, k(3n << 62n), k(QUARTER));
    return [m.use(root), m.select(exact, k(0), fraction)];
  },
});

/** (a, control) -> unrounded square root. */
export const rootUnpacked = defineRoutine({
  name: 'fpRoot',
  params: [...UNPACKED, 32],
  results: UNROUNDED,
  faults: false,
  body(m, ...args) {
    const a = unpacked(args.slice(0, 4));
    const finite = any(m, a.kind, IS_FINITE);
    const invalid = m.and(a.sign, m.not(any(m, a.kind, IS_ZERO)));
    const high = m.variable(m.const(64, 0));
    const low = m.variable(m.const(64, 0));
    m.if(m.and(finite, m.not(a.sign)), () => {
      const odd = m.bit(a.exponent, 0);
      const radicandHigh = m.select(odd, a.significand, m.shr(a.significand, 1));
      const radicandLow = m.select(odd, m.const(64, 0), m.shl(a.significand, 63));
      const [root, rest] = m.call(rootWide, radicandHigh, radicandLow);
      m.assign(high, root);
      m.assign(low, rest);
    });
    const kind = m.and(a.kind, m.const(32, IS_ZERO | IS_FINITE | IS_INFINITE));
    return [
      m.select(invalid, m.const(32, IS_QUIET), kind),
      a.sign,
      m.sar(a.exponent, 1),
      m.use(high),
      m.use(low),
      m.select(invalid, flagIf(m, m.const(1, 1), INVALID), denormalFlag(m, a)),
    ];
  },
});
