/**
 * Bit manipulation, BMI1 and BMI2: SDM Vol. 1 §5.1.16 "BMI1 and BMI2 Instructions".
 *
 * PF and AF are undefined in the manual, and SF too for BEXTR: Intel processors clear them.
 */

import { type Algebra, defineRoutine, type FlagWrites, type Value } from '../algebra.ts';
import { RDX } from '../state.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { multiplyUnsigned } from './products.ts';
import { widthOf } from './widths.ts';

function bmiFlags(m: Algebra, result: Value, carry: Value): FlagWrites {
  const zero = m.const(1, 0);
  return { CF: carry, PF: zero, AF: zero, ZF: m.isZero(result), SF: m.msb(result), OF: zero };
}

function one(m: Algebra, like: Value): Value {
  return m.const(like.type, 1);
}

const ANDN = defineInstruction({
  name: 'ANDN',
  sdm: 'Vol. 2A "ANDN - Logical AND NOT"',
  feature: 'bmi1',
  forms: ['VEX.L0.NP.0F38.WIG F2 /r Gy,By,Ey'],
  semantics(m, dst, inverted, src) {
    const b = m.read(src);
    const result = m.and(m.not(m.read(inverted)), b);
    m.write(dst, result);
    m.setFlags(bmiFlags(m, result, m.const(1, 0)));
  },
});

/** The low `count` (type 32) bits of a value; all of them where the count is the width or more. */
function lowBits(m: Algebra, a: Value, count: Value): Value {
  const width = widthOf(a);
  const mask = m.sub(m.shl(one(m, a), count), one(m, a));
  return m.select(m.ltU(count, m.const(32, width)), m.and(a, mask), a);
}

const BEXTR = defineInstruction({
  name: 'BEXTR',
  sdm: 'Vol. 2A "BEXTR - Bit Field Extract"',
  feature: 'bmi1',
  forms: ['VEX.L0.NP.0F38.WIG F7 /r Gy,Ey,By'],
  semantics(m, dst, src, field) {
    const a = m.read(src);
    const width = widthOf(a);
    const control = m.trunc(m.read(field), 32);
    const start = m.and(control, m.const(32, 0xff));
    const length = m.and(m.shr(control, 8), m.const(32, 0xff));
    const within = m.ltU(start, m.const(32, width));
    const result = lowBits(m, m.select(within, m.shr(a, start), m.const(width, 0)), length);
    m.write(dst, result);
    m.setFlags({ ...bmiFlags(m, result, m.const(1, 0)), SF: m.const(1, 0) });
  },
});

const BZHI = defineInstruction({
  name: 'BZHI',
  sdm: 'Vol. 2A "BZHI - Zero High Bits Starting With Specified Bit Position"',
  feature: 'bmi2',
  forms: ['VEX.L0.NP.0F38.WIG F5 /r Gy,Ey,By'],
  semantics(m, dst, src, index) {
    const a = m.read(src);
    const count = m.and(m.trunc(m.read(index), 32), m.const(32, 0xff));
    const result = lowBits(m, a, count);
    m.write(dst, result);
    m.setFlags(bmiFlags(m, result, m.leU(m.const(32, widthOf(a)), count)));
  },
});

/** BLSI, BLSMSK, BLSR: on the lowest set bit. */
function lowestBit(
  name: string,
  sdm: string,
  digit: number,
  compute: (m: Algebra, a: Value) => Value,
  carry: (m: Algebra, a: Value) => Value,
): Instruction {
  return defineInstruction({
    name,
    sdm,
    feature: 'bmi1',
    forms: [`VEX.L0.NP.0F38.WIG F3 /${digit} By,Ey`],
    semantics(m, dst, src) {
      const a = m.read(src);
      const result = compute(m, a);
      m.write(dst, result);
      m.setFlags(bmiFlags(m, result, carry(m, a)));
    },
  });
}

const MULX = defineInstruction({
  name: 'MULX',
  sdm: 'Vol. 2B "MULX - Unsigned Multiply Without Affecting Flags"',
  feature: 'bmi2',
  forms: ['VEX.L0.F2.0F38.WIG F6 /r Gy,By,Ey'],
  semantics(m, dstHigh, dstLow, src) {
    const b = m.read(src);
    const [low, high] = multiplyUnsigned(m, m.getGpr(RDX, widthOf(b)), b);
    // The same register twice gets the upper half.
    m.write(dstLow, low);
    m.write(dstHigh, high);
  },
});

/** Takes the bits of `mask` from the lowest: the bit alone, and whatever `each` makes of it. */
function forEachBit(m: Algebra, mask: Value, each: (bit: Value) => void): void {
  const left = m.variable(mask);
  m.while(
    () => m.ne(m.use(left), m.const(64, 0)),
    () => {
      const bits = m.use(left);
      each(m.and(bits, m.neg(bits)));
      m.assign(left, m.and(bits, m.sub(bits, one(m, bits))));
    },
  );
}

const depositBits = defineRoutine({
  name: 'depositBits',
  params: [64, 64],
  results: [64],
  faults: false,
  body(m, a, mask) {
    const source = m.variable(a);
    const result = m.variable(m.const(64, 0));
    forEachBit(m, mask, (bit) => {
      const all = m.neg(m.and(m.use(source), one(m, a)));
      m.assign(result, m.or(m.use(result), m.and(bit, all)));
      m.assign(source, m.shr(m.use(source), 1));
    });
    return [m.use(result)];
  },
});

const extractBits = defineRoutine({
  name: 'extractBits',
  params: [64, 64],
  results: [64],
  faults: false,
  body(m, a, mask) {
    const place = m.variable(one(m, a));
    const result = m.variable(m.const(64, 0));
    forEachBit(m, mask, (bit) => {
      const found = m.ne(m.and(a, bit), m.const(64, 0));
      m.assign(result, m.or(m.use(result), m.select(found, m.use(place), m.const(64, 0))));
      m.assign(place, m.shl(m.use(place), 1));
    });
    return [m.use(result)];
  },
});

function byMask(name: string, sdm: string, form: string, routine: typeof depositBits): Instruction {
  return defineInstruction({
    name,
    sdm,
    feature: 'bmi2',
    forms: [form],
    semantics(m, dst, src, mask) {
      const selected = m.read(mask);
      const [result] = m.call(routine, m.zext(m.read(src), 64), m.zext(selected, 64));
      m.write(dst, m.trunc(result, widthOf(selected)));
    },
  });
}

const RORX = defineInstruction({
  name: 'RORX',
  sdm: 'Vol. 2B "RORX - Rotate Right Logical Without Affecting Flags"',
  feature: 'bmi2',
  forms: ['VEX.L0.F2.0F3A.WIG F0 /r Gy,Ey,Ib'],
  semantics(m, dst, src, count) {
    m.write(dst, m.rotr(m.read(src), m.read(count)));
  },
});

function shiftX(name: string, form: string, compute: (m: Algebra, a: Value, count: Value) => Value): Instruction {
  return defineInstruction({
    name,
    sdm: 'Vol. 2B "SARX/SHLX/SHRX - Shift Without Affecting Flags"',
    feature: 'bmi2',
    forms: [form],
    semantics(m, dst, src, by) {
      const a = m.read(src);
      const width = widthOf(a);
      m.write(dst, compute(m, a, m.and(m.read(by), m.const(width, width - 1))));
    },
  });
}

export const bmi: readonly Instruction[] = [
  ANDN,
  BEXTR,
  lowestBit(
    'BLSI',
    'Vol. 2A "BLSI - Extract Lowest Set Isolated Bit"',
    3,
    (m, a) => m.and(a, m.neg(a)),
    (m, a) => m.not(m.isZero(a)),
  ),
  lowestBit(
    'BLSMSK',
    'Vol. 2A "BLSMSK - Get Mask Up to Lowest Set Bit"',
    2,
    (m, a) => m.xor(a, m.sub(a, one(m, a))),
    (m, a) => m.isZero(a),
  ),
  lowestBit(
    'BLSR',
    'Vol. 2A "BLSR - Reset Lowest Set Bit"',
    1,
    (m, a) => m.and(a, m.sub(a, one(m, a))),
    (m, a) => m.isZero(a),
  ),
  BZHI,
  MULX,
  byMask('PDEP', 'Vol. 2B "PDEP - Parallel Bits Deposit"', 'VEX.L0.F2.0F38.WIG F5 /r Gy,By,Ey', depositBits),
  byMask('PEXT', 'Vol. 2B "PEXT - Parallel Bits Extract"', 'VEX.L0.F3.0F38.WIG F5 /r Gy,By,Ey', extractBits),
  RORX,
  shiftX('SARX', 'VEX.L0.F3.0F38.WIG F7 /r Gy,Ey,By', (m, a, count) => m.sar(a, count)),
  shiftX('SHLX', 'VEX.L0.66.0F38.WIG F7 /r Gy,Ey,By', (m, a, count) => m.shl(a, count)),
  shiftX('SHRX', 'VEX.L0.F2.0F38.WIG F7 /r Gy,Ey,By', (m, a, count) => m.shr(a, count)),
];
