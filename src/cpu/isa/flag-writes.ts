/**
 * What arithmetic and logical instructions leave in CF, PF, AF, ZF, SF and OF (SDM Vol. 1 §3.4.3.1 "Status Flags").
 *
 * OF is written as the top bit of a value and AF as bit 4 of one: the shape in which the state keeps them.
 */

import type { Algebra, FlagRecipe, FlagWrites, Value } from '../algebra.ts';

export function overflowOfSum(m: Algebra, a: Value, b: Value, sum: Value): Value {
  return m.msb(m.and(m.xor(a, sum), m.xor(b, sum)));
}

export function overflowOfDifference(m: Algebra, a: Value, b: Value, difference: Value): Value {
  return m.msb(m.and(m.xor(a, b), m.xor(a, difference)));
}

/** AF: carry or borrow between bits 3 and 4. */
export function adjust(m: Algebra, a: Value, b: Value, result: Value): Value {
  return m.bit(m.xor(m.xor(a, b), result), 4);
}

/** Carry out of a + b + carry, when that gave `sum`. */
export function carryOfSum(m: Algebra, a: Value, b: Value, sum: Value): Value {
  return m.msb(m.or(m.and(a, b), m.and(m.or(a, b), m.not(sum))));
}

/** Borrow of a - b - borrow, when that gave `difference`. */
export function borrowOfDifference(m: Algebra, a: Value, b: Value, difference: Value): Value {
  return m.msb(m.or(m.and(m.not(a), b), m.and(m.or(m.not(a), b), difference)));
}

/** ADD. */
export function addFlags(m: Algebra, a: Value, b: Value, sum: Value): FlagWrites {
  return { CF: m.ltU(sum, a), OF: overflowOfSum(m, a, b, sum), AF: adjust(m, a, b, sum), result: sum };
}

/** ADC: the carry that came in may make the sum equal to `a`. */
export function addCarryFlags(m: Algebra, a: Value, b: Value, sum: Value): FlagWrites {
  return { ...addFlags(m, a, b, sum), CF: carryOfSum(m, a, b, sum) };
}

/** SUB, CMP. */
export function subFlags(m: Algebra, a: Value, b: Value, difference: Value): FlagWrites {
  const overflow = overflowOfDifference(m, a, b, difference);
  return { CF: m.ltU(a, b), OF: overflow, AF: adjust(m, a, b, difference), result: difference };
}

/** SBB. */
export function subBorrowFlags(m: Algebra, a: Value, b: Value, difference: Value): FlagWrites {
  return { ...subFlags(m, a, b, difference), CF: borrowOfDifference(m, a, b, difference) };
}

/** AND, OR, XOR, TEST. AF is undefined in the manual; processors clear it. */
export function logicFlags(m: Algebra, result: Value): FlagWrites {
  const zero = m.const(1, 0);
  return { CF: zero, OF: zero, AF: zero, result };
}

/** Conditions after a comparison of `a` with `b`: SDM Vol. 1 Appendix B "EFLAGS Condition Codes". */
function comparison(m: Algebra, code: number, a: Value, b: Value): Value | undefined {
  switch (code) {
    case 2:
      return m.ltU(a, b);
    case 3:
      return m.leU(b, a);
    case 4:
      return m.eq(a, b);
    case 5:
      return m.ne(a, b);
    case 6:
      return m.leU(a, b);
    case 7:
      return m.ltU(b, a);
    case 12:
      return m.ltS(a, b);
    case 13:
      return m.leS(b, a);
    case 14:
      return m.leS(a, b);
    case 15:
      return m.ltS(b, a);
    default:
      return undefined;
  }
}

function zeroOf(m: Algebra, value: Value): Value {
  return m.const(value.type, 0);
}

/** Conditions that only ask for ZF and SF. */
function ofResult(m: Algebra, code: number, result: Value): Value | undefined {
  switch (code) {
    case 4:
      return m.isZero(result);
    case 5:
      return m.ne(result, zeroOf(m, result));
    case 8:
      return m.ltS(result, zeroOf(m, result));
    case 9:
      return m.leS(zeroOf(m, result), result);
    default:
      return undefined;
  }
}

/** ADD: (a, b). */
export const ADD_FLAGS: FlagRecipe = {
  name: 'ADD',
  keepsCarry: false,
  inputs: 2,
  compute: (m, a, b) => addFlags(m, a, b, m.add(a, b)),
  condition: (m, code, a, b) => (code === 2 ? m.ltU(m.add(a, b), a) : ofResult(m, code, m.add(a, b))),
};

/** SUB, CMP, NEG: (a, b). */
export const SUB_FLAGS: FlagRecipe = {
  name: 'SUB',
  keepsCarry: false,
  inputs: 2,
  compute: (m, a, b) => subFlags(m, a, b, m.sub(a, b)),
  condition: (m, code, a, b) => comparison(m, code, a, b) ?? ofResult(m, code, m.sub(a, b)),
};

/** ADC: (a, b, sum). */
export const ADC_FLAGS: FlagRecipe = {
  name: 'ADC',
  keepsCarry: false,
  inputs: 3,
  compute: addCarryFlags,
  condition: (m, code, _a, _b, sum) => ofResult(m, code, sum),
};

/** SBB: (a, b, difference). */
export const SBB_FLAGS: FlagRecipe = {
  name: 'SBB',
  keepsCarry: false,
  inputs: 3,
  compute: subBorrowFlags,
  condition: (m, code, _a, _b, difference) => ofResult(m, code, difference),
};

/** AND, OR, XOR, TEST: (result). With CF and OF clear the signed conditions ask for the sign alone. */
export const LOGIC_FLAGS: FlagRecipe = {
  name: 'LOGIC',
  keepsCarry: false,
  inputs: 1,
  compute: logicFlags,
  condition: (m, code, result) => {
    switch (code) {
      case 12:
        return m.ltS(result, zeroOf(m, result));
      case 13:
        return m.leS(zeroOf(m, result), result);
      case 14:
        return m.leS(result, zeroOf(m, result));
      case 15:
        return m.ltS(zeroOf(m, result), result);
      default:
        return ofResult(m, code, result);
    }
  },
};

/** INC: (sum). */
export const INC_FLAGS: FlagRecipe = {
  name: 'INC',
  keepsCarry: true,
  inputs: 1,
  compute: (m, sum) => {
    const one = m.const(sum.type, 1);
    const a = m.sub(sum, one);
    return { OF: overflowOfSum(m, a, one, sum), AF: adjust(m, a, one, sum), result: sum };
  },
  condition: ofResult,
};

/** DEC: (difference). */
export const DEC_FLAGS: FlagRecipe = {
  name: 'DEC',
  keepsCarry: true,
  inputs: 1,
  compute: (m, difference) => {
    const one = m.const(difference.type, 1);
    const a = m.add(difference, one);
    return { OF: overflowOfDifference(m, a, one, difference), AF: adjust(m, a, one, difference), result: difference };
  },
  condition: ofResult,
};

/** All recipes: what has to be told apart at run time is known by its place here. */
export const FLAG_RECIPES: readonly FlagRecipe[] = [
  SUB_FLAGS,
  LOGIC_FLAGS,
  ADD_FLAGS,
  INC_FLAGS,
  DEC_FLAGS,
  ADC_FLAGS,
  SBB_FLAGS,
];
