/**
 * Conditional moves and sets: SDM Vol. 1 §7.3.1.1 "General Data Movement Instructions", §7.3.7.3 "Byte Set on Condition
 * Instructions".
 */

import { conditionNames } from './conditions.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { opcodePlus } from './operand-forms.ts';

/** The source is read and, with 32 bits, the destination's upper half cleared whatever the condition says. */
const moves = conditionNames.map((condition, code) =>
  defineInstruction({
    name: `CMOV${condition}`,
    sdm: 'Vol. 2A "CMOVcc - Conditional Move"',
    forms: [`0F ${opcodePlus(0x40, code)} /r Gv,Ev`],
    semantics(m, dst, src) {
      const value = m.read(src);
      m.write(dst, m.select(m.condition(code), value, m.read(dst)));
    },
  }),
);

const sets = conditionNames.map((condition, code) =>
  defineInstruction({
    name: `SET${condition}`,
    sdm: 'Vol. 2B "SETcc - Set Byte on Condition"',
    forms: [`0F ${opcodePlus(0x90, code)} /r Eb`],
    semantics(m, dst) {
      m.write(dst, m.zext(m.condition(code), 8));
    },
  }),
);

export const conditional: readonly Instruction[] = [...moves, ...sets];
