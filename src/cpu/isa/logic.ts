/** Bitwise logic: SDM Vol. 1 §7.3.5 "Logical Instructions". */

import type { Algebra, Value } from '../algebra.ts';
import { LOGIC_FLAGS } from './flag-recipes.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { binaryForms } from './operand-forms.ts';

function bitwise(
  name: string,
  sdm: string,
  digit: number,
  compute: (m: Algebra, a: Value, b: Value) => Value,
): Instruction {
  return defineInstruction({
    name,
    sdm,
    forms: binaryForms(digit, 'lock'),
    semantics(m, dst, src) {
      const a = m.readForWrite(dst);
      const result = compute(m, a, m.read(src));
      m.write(dst, result);
      m.setFlagsBy(LOGIC_FLAGS, result);
    },
  });
}

const NOT = defineInstruction({
  name: 'NOT',
  sdm: 'Vol. 2B "NOT - One\'s Complement Negation"',
  forms: ['F6 /2 Eb lock', 'F7 /2 Ev lock'],
  semantics(m, dst) {
    m.write(dst, m.not(m.readForWrite(dst)));
  },
});

const TEST = defineInstruction({
  name: 'TEST',
  sdm: 'Vol. 2B "TEST - Logical Compare"',
  // /1 is an alias of /0 that the manual leaves out; processors have it.
  forms: [
    '84 /r Eb,Gb',
    '85 /r Ev,Gv',
    'A8 AL,Ib',
    'A9 rAX,Iz',
    'F6 /0 Eb,Ib',
    'F7 /0 Ev,Iz',
    'F6 /1 Eb,Ib',
    'F7 /1 Ev,Iz',
  ],
  semantics(m, a, b) {
    m.setFlagsBy(LOGIC_FLAGS, m.and(m.read(a), m.read(b)));
  },
});

export const logic: readonly Instruction[] = [
  bitwise('OR', 'Vol. 2B "OR - Logical Inclusive OR"', 1, (m, a, b) => m.or(a, b)),
  bitwise('AND', 'Vol. 2A "AND - Logical AND"', 4, (m, a, b) => m.and(a, b)),
  bitwise('XOR', 'Vol. 2D "XOR - Logical Exclusive OR"', 6, (m, a, b) => m.xor(a, b)),
  NOT,
  TEST,
];
