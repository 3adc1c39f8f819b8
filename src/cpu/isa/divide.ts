/**
 * DIV and IDIV: SDM Vol. 1 §7.3.2.5 "Multiplication and Division Instructions".
 *
 * A quotient that does not fit raises #DE, as does a divisor of 0. The manual leaves all flags undefined;
 * Intel processors leave them alone.
 */

import { type Algebra, DE, defineRoutine, type Value } from '../algebra.ts';
import { RAX, RDX } from '../state.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { type Width, widthOf } from './widths.ts';

function raiseIf(m: Algebra, condition: Value): void {
  m.if(condition, () => m.raise(DE));
}

/**
 * One 32-bit digit of a long division by a normalised 64-bit divisor (Knuth, TAOCP Vol. 2 §4.3.1, Algorithm D): the
 * quotient of (remainder * 2^32 + next) / divisor and what is left, where remainder < divisor.
 */
const divideDigit = defineRoutine({
  name: 'divideDigit',
  params: [64, 64, 64],
  results: [64, 64],
  faults: false,
  body(m, remainder, next, divisor) {
    const base = m.const(64, 0x1_0000_0000n);
    const high = m.shr(divisor, 32);
    const low = m.and(divisor, m.const(64, 0xffff_ffff));
    const digit = m.variable(m.divU(remainder, high));
    const rest = m.variable(m.remU(remainder, high));
    // The estimate is at most 2 too large; once `rest` needs more than 32 bits it is right.
    const tooLarge = () => {
      const estimate = m.mul(m.use(digit), low);
      const have = m.or(m.shl(m.use(rest), 32), next);
      return m.and(m.ltU(m.use(rest), base), m.or(m.leU(base, m.use(digit)), m.ltU(have, estimate)));
    };
    m.while(tooLarge, () => {
      m.assign(digit, m.sub(m.use(digit), m.const(64, 1)));
      m.assign(rest, m.add(m.use(rest), high));
    });
    const left = m.sub(m.or(m.shl(remainder, 32), next), m.mul(m.use(digit), divisor));
    return [m.use(digit), left];
  },
});

/** Quotient and remainder of high:low / divisor, which must fit: high < divisor. */
const divide128 = defineRoutine({
  name: 'divide128',
  params: [64, 64, 64],
  results: [64, 64],
  faults: false,
  body(m, high, low, divisor) {
    const quotient = m.variable(m.const(64, 0));
    const remainder = m.variable(m.const(64, 0));
    m.if(
      m.isZero(high),
      () => {
        m.assign(quotient, m.divU(low, divisor));
        m.assign(remainder, m.remU(low, divisor));
      },
      () => {
        const shift = m.clz(divisor);
        const normal = m.shl(divisor, shift);
        // In two steps, for the shift may be 0.
        const carried = m.shr(m.shr(low, 1), m.sub(m.const(64, 63), shift));
        const top = m.or(m.shl(high, shift), carried);
        const bottom = m.shl(low, shift);
        const [digit1, rest1] = m.call(divideDigit, top, m.shr(bottom, 32), normal);
        const [digit0, rest0] = m.call(divideDigit, rest1, m.and(bottom, m.const(64, 0xffff_ffff)), normal);
        m.assign(quotient, m.or(m.shl(digit1, 32), digit0));
        m.assign(remainder, m.shr(rest0, shift));
      },
    );
    return [m.use(quotient), m.use(remainder)];
  },
});

const divideUnsigned64 = defineRoutine({
  name: 'divideUnsigned64',
  params: [64, 64, 64],
  results: [64, 64],
  faults: true,
  body(m, high, low, divisor) {
    // This covers a divisor of 0.
    raiseIf(m, m.leU(divisor, high));
    return m.call(divide128, high, low, divisor);
  },
});

const divideSigned64 = defineRoutine({
  name: 'divideSigned64',
  params: [64, 64, 64],
  results: [64, 64],
  faults: true,
  body(m, high, low, divisor) {
    const negative = m.msb(high);
    const zero = m.const(64, 0);
    const borrow = m.zext(m.ne(low, zero), 64);
    const absoluteLow = m.select(negative, m.neg(low), low);
    const absoluteHigh = m.select(negative, m.neg(m.add(high, borrow)), high);
    const absoluteDivisor = m.select(m.msb(divisor), m.neg(divisor), divisor);
    raiseIf(m, m.leU(absoluteDivisor, absoluteHigh));
    const [quotient, remainder] = m.call(divide128, absoluteHigh, absoluteLow, absoluteDivisor);
    const opposite = m.xor(negative, m.msb(divisor));
    // Largest magnitudes: 2^63 for a negative quotient, one less for a positive one.
    const limit = m.add(m.const(64, 0x7fff_ffff_ffff_ffffn), m.zext(opposite, 64));
    raiseIf(m, m.ltU(limit, quotient));
    return [m.select(opposite, m.neg(quotient), quotient), m.select(negative, m.neg(remainder), remainder)];
  },
});

/** Dividends of up to 64 bits: AX, DX:AX, EDX:EAX, joined. */
function dividend(m: Algebra, width: Width): Value {
  if (width === 8) return m.getGpr(RAX, 16);
  const joined = width === 16 ? 32 : 64;
  return m.or(m.zext(m.getGpr(RAX, width), joined), m.shl(m.zext(m.getGpr(RDX, width), joined), width));
}

function writeQuotient(m: Algebra, quotient: Value, remainder: Value, width: Width): void {
  if (width === 8) {
    const low = m.zext(m.trunc(quotient, 8), 16);
    m.setGpr(RAX, m.or(low, m.shl(m.zext(m.trunc(remainder, 8), 16), 8)));
    return;
  }
  m.setGpr(RAX, m.trunc(quotient, width));
  m.setGpr(RDX, m.trunc(remainder, width));
}

/** Remainder of a division whose quotient is known: a multiplication, where processors take long for a division. */
function remainderOf(m: Algebra, a: Value, b: Value, quotient: Value): Value {
  return m.sub(a, m.mul(quotient, b));
}

/** Fast path: a dividend whose upper half is 0 or its sign divides in half the width; `slowly` gives both results. */
function divideHalf(
  m: Algebra,
  operands: { high: Value; low: Value; divisor: Value },
  signed: boolean,
  slowly: () => readonly Value[],
): Value[] {
  const { high, low, divisor } = operands;
  const width = widthOf(low);
  const zero = m.const(width, 0);
  const quotient = m.variable(zero);
  const remainder = m.variable(zero);
  const extension = signed ? m.sar(low, width - 1) : zero;
  // By -1 there is one dividend that WebAssembly's division refuses.
  const divides = signed ? m.ltU(m.const(width, 1), m.add(divisor, m.const(width, 1))) : m.ne(divisor, zero);
  m.if(
    m.and(m.eq(high, extension), divides),
    () => {
      const result = signed ? m.divS(low, divisor) : m.divU(low, divisor);
      m.assign(quotient, result);
      m.assign(remainder, remainderOf(m, low, divisor, result));
    },
    () => {
      const [q, r] = slowly();
      m.assign(quotient, q);
      m.assign(remainder, r);
    },
  );
  return [m.use(quotient), m.use(remainder)];
}

function highAndLow(m: Algebra, divisor: Value): { high: Value; low: Value; divisor: Value } {
  const width = widthOf(divisor);
  return { high: m.getGpr(RDX, width), low: m.getGpr(RAX, width), divisor };
}

/** As `dividend` and `divisor`, in twice the width of a 32-bit or the fourfold of a narrower division. */
function divideWide(m: Algebra, divisor: Value): [Value, Value] {
  const width = widthOf(divisor);
  const calculated = width === 32 ? 64 : 32;
  const a = m.zext(dividend(m, width), calculated);
  const b = m.zext(divisor, calculated);
  // The quotient fits where the dividend's upper half is below the divisor; this covers a divisor of 0.
  raiseIf(m, m.leU(b, m.shr(a, width)));
  const quotient = m.divU(a, b);
  return [quotient, remainderOf(m, a, b, quotient)];
}

function divideWideSigned(m: Algebra, divisor: Value): [Value, Value] {
  const width = widthOf(divisor);
  const a = m.sext(dividend(m, width), 64);
  const b = m.sext(divisor, 64);
  raiseIf(m, m.isZero(b));
  // Only EDX:EAX can be the one dividend that a 64-bit division by -1 cannot take.
  if (width === 32) {
    const least = m.eq(a, m.const(64, -0x8000_0000_0000_0000n));
    raiseIf(m, m.and(least, m.eq(b, m.const(64, -1))));
  }
  const quotient = m.divS(a, b);
  raiseIf(m, m.ne(m.sext(m.trunc(quotient, width), 64), quotient));
  return [quotient, remainderOf(m, a, b, quotient)];
}

function divideInstruction(name: string, sdm: string, forms: readonly string[], signed: boolean): Instruction {
  return defineInstruction({
    name,
    sdm,
    forms,
    semantics(m, src) {
      const divisor = m.read(src);
      const width = widthOf(divisor);
      const wide = (): Value[] => (signed ? divideWideSigned : divideWide)(m, divisor);
      if (width < 32) {
        const [quotient, remainder] = wide();
        writeQuotient(m, quotient, remainder, width);
        return;
      }
      const operands = highAndLow(m, divisor);
      const slowly = (): Value[] => {
        if (width === 32) return wide().map((value) => m.trunc(value, 32));
        const routine = signed ? divideSigned64 : divideUnsigned64;
        return m.call(routine, operands.high, operands.low, divisor);
      };
      const [quotient, remainder] = divideHalf(m, operands, signed, slowly);
      writeQuotient(m, quotient, remainder, width);
    },
  });
}

export const divide: readonly Instruction[] = [
  divideInstruction('DIV', 'Vol. 2A "DIV - Unsigned Divide"', ['F6 /6 Eb', 'F7 /6 Ev'], false),
  divideInstruction('IDIV', 'Vol. 2A "IDIV - Signed Divide"', ['F6 /7 Eb', 'F7 /7 Ev'], true),
];
