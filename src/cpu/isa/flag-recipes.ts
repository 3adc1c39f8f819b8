/**
 * What flags follow from: of each kind of instruction, how all of them are computed from its inputs, and conditions that
 * are simpler to ask of the inputs themselves.
 */

import type { Algebra, FlagRecipe, Value } from '../algebra.ts';
import {
  addCarryFlags,
  addFlags,
  adjust,
  logicFlags,
  overflowOfDifference,
  overflowOfSum,
  subBorrowFlags,
  subFlags,
} from './flag-writes.ts';
import { multiplySigned, multiplyUnsigned, signedProductFlags, unsignedProductFlags } from './products.ts';
import { shiftLeft, shiftRight, shiftSigned, signChange } from './shifted.ts';

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

/** MUL: (a, b). */
export const MUL_FLAGS: FlagRecipe = {
  name: 'MUL',
  keepsCarry: false,
  inputs: 2,
  compute: (m, a, b) => unsignedProductFlags(m, multiplyUnsigned(m, a, b)),
};

/** IMUL: (a, b). */
export const IMUL_FLAGS: FlagRecipe = {
  name: 'IMUL',
  keepsCarry: false,
  inputs: 2,
  compute: (m, a, b) => signedProductFlags(m, multiplySigned(m, a, b)),
};

/** SHL by a count that is not 0: (a, count). */
export const SHL_FLAGS: FlagRecipe = {
  name: 'SHL',
  keepsCarry: false,
  inputs: 2,
  compute: (m, a, count) => {
    const { result, last } = shiftLeft(m, a, count);
    return { CF: m.msb(last), OF: signChange(m, a), AF: m.const(1, 0), result };
  },
  condition: (m, code, a, count) => ofResult(m, code, shiftLeft(m, a, count).result),
};

/** SHR by a count that is not 0: (a, count). */
export const SHR_FLAGS: FlagRecipe = {
  name: 'SHR',
  keepsCarry: false,
  inputs: 2,
  compute: (m, a, count) => {
    const { result, last } = shiftRight(m, a, count);
    return { CF: m.bit(last, 0), OF: m.msb(a), AF: m.const(1, 0), result };
  },
  condition: (m, code, a, count) => ofResult(m, code, shiftRight(m, a, count).result),
};

/** SAR by a count that is not 0: (a, count). */
export const SAR_FLAGS: FlagRecipe = {
  name: 'SAR',
  keepsCarry: false,
  inputs: 2,
  compute: (m, a, count) => {
    const { result, last } = shiftSigned(m, a, count);
    return { CF: m.bit(last, 0), OF: m.const(1, 0), AF: m.const(1, 0), result };
  },
  condition: (m, code, a, count) => ofResult(m, code, shiftSigned(m, a, count).result),
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
  SHL_FLAGS,
  SHR_FLAGS,
  SAR_FLAGS,
  IMUL_FLAGS,
  MUL_FLAGS,
];
