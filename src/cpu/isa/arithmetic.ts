/** Integer addition, subtraction and comparison: SDM Vol. 1 §7.3.2 "Binary Arithmetic Instructions". */

import type { Algebra, FlagRecipe, Value } from '../algebra.ts';
import { ADC_FLAGS, ADD_FLAGS, DEC_FLAGS, INC_FLAGS, SBB_FLAGS, SUB_FLAGS } from './flag-recipes.ts';
import { carryOfSum } from './flag-writes.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { binaryForms } from './operand-forms.ts';
import { widthOf } from './widths.ts';

interface BinaryOperation {
  readonly name: string;
  readonly sdm: string;
  /** Number of the operation in the opcode map: bits 3-5 of the opcode, and of ModRM in the immediate forms. */
  readonly digit: number;
  readonly flags: FlagRecipe;
  /** Whether the flags follow from the operands alone. */
  readonly flagsOfOperands: boolean;
  /** Result from both operands and CF as it was, widened to their type. */
  compute(m: Algebra, a: Value, b: Value, carry: () => Value): Value;
}

const operations: readonly BinaryOperation[] = [
  {
    name: 'ADD',
    sdm: 'Vol. 2A "ADD - Add"',
    digit: 0,
    flags: ADD_FLAGS,
    flagsOfOperands: true,
    compute: (m, a, b) => m.add(a, b),
  },
  {
    name: 'ADC',
    sdm: 'Vol. 2A "ADC - Add With Carry"',
    digit: 2,
    flags: ADC_FLAGS,
    flagsOfOperands: false,
    compute: (m, a, b, carry) => m.add(m.add(a, b), carry()),
  },
  {
    name: 'SBB',
    sdm: 'Vol. 2B "SBB - Integer Subtraction With Borrow"',
    digit: 3,
    flags: SBB_FLAGS,
    flagsOfOperands: false,
    compute: (m, a, b, carry) => m.sub(m.sub(a, b), carry()),
  },
  {
    name: 'SUB',
    sdm: 'Vol. 2B "SUB - Subtract"',
    digit: 5,
    flags: SUB_FLAGS,
    flagsOfOperands: true,
    compute: (m, a, b) => m.sub(a, b),
  },
];

const binary = operations.map(({ name, sdm, digit, flags, flagsOfOperands, compute }) =>
  defineInstruction({
    name,
    sdm,
    forms: binaryForms(digit, 'lock'),
    semantics(m, dst, src) {
      const a = m.readForWrite(dst);
      const b = m.read(src);
      const result = compute(m, a, b, () => m.zext(m.getFlag('CF'), widthOf(a)));
      m.write(dst, result);
      if (flagsOfOperands) m.setFlagsBy(flags, a, b);
      else m.setFlagsBy(flags, a, b, result);
    },
  }),
);

const CMP = defineInstruction({
  name: 'CMP',
  sdm: 'Vol. 2A "CMP - Compare Two Operands"',
  forms: binaryForms(7),
  semantics(m, dst, src) {
    const a = m.read(dst);
    const b = m.read(src);
    m.setFlagsBy(SUB_FLAGS, a, b);
  },
});

const INC = defineInstruction({
  name: 'INC',
  sdm: 'Vol. 2A "INC - Increment by 1"',
  forms: ['FE /0 Eb lock', 'FF /0 Ev lock', '40+r Zv i64'],
  semantics(m, dst) {
    const a = m.readForWrite(dst);
    const one = m.const(widthOf(a), 1);
    const sum = m.add(a, one);
    m.write(dst, sum);
    m.setFlagsBy(INC_FLAGS, sum);
  },
});

const DEC = defineInstruction({
  name: 'DEC',
  sdm: 'Vol. 2A "DEC - Decrement by 1"',
  forms: ['FE /1 Eb lock', 'FF /1 Ev lock', '48+r Zv i64'],
  semantics(m, dst) {
    const a = m.readForWrite(dst);
    const one = m.const(widthOf(a), 1);
    const difference = m.sub(a, one);
    m.write(dst, difference);
    m.setFlagsBy(DEC_FLAGS, difference);
  },
});

const NEG = defineInstruction({
  name: 'NEG',
  sdm: 'Vol. 2B "NEG - Two\'s Complement Negation"',
  forms: ['F6 /3 Eb lock', 'F7 /3 Ev lock'],
  semantics(m, dst) {
    const a = m.readForWrite(dst);
    const result = m.neg(a);
    m.write(dst, result);
    m.setFlagsBy(SUB_FLAGS, m.const(widthOf(a), 0), a);
  },
});

/** ADCX and ADOX: two independent carry chains, in CF and in OF. */
function addOnChain(name: 'ADCX' | 'ADOX', flag: 'CF' | 'OF', sdm: string, form: string): Instruction {
  return defineInstruction({
    name,
    sdm,
    feature: 'adx',
    forms: [form],
    semantics(m, dst, src) {
      const b = m.read(src);
      const a = m.read(dst);
      const sum = m.add(m.add(a, b), m.zext(m.getFlag(flag), widthOf(a)));
      const carry = carryOfSum(m, a, b, sum);
      m.write(dst, sum);
      m.setFlags({ [flag]: carry });
    },
  });
}

export const arithmetic: readonly Instruction[] = [
  ...binary,
  CMP,
  INC,
  DEC,
  NEG,
  addOnChain(
    'ADCX',
    'CF',
    'Vol. 2A "ADCX - Unsigned Integer Addition of Two Operands With Carry Flag"',
    '66 0F 38 F6 /r Gy,Ey',
  ),
  addOnChain(
    'ADOX',
    'OF',
    'Vol. 2A "ADOX - Unsigned Integer Addition of Two Operands With Overflow Flag"',
    'F3 0F 38 F6 /r Gy,Ey',
  ),
];
