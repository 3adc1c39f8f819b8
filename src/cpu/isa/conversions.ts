/** Sign extension of the accumulator: SDM Vol. 1 §7.3.1.6 "Type Conversion Instructions". */

import { RAX, RDX } from '../state.ts';
import { defineInstruction, type Instruction } from './instruction.ts';

const CBW = defineInstruction({
  name: 'CBW/CWDE/CDQE',
  sdm: 'Vol. 2A "CBW/CWDE/CDQE - Convert Byte to Word/Convert Word to Doubleword/Convert Doubleword to Quadword"',
  forms: ['98'],
  semantics(m) {
    const size = m.operandSize;
    const half = size === 16 ? 8 : size === 32 ? 16 : 32;
    m.setGpr(RAX, m.sext(m.getGpr(RAX, half), size));
  },
});

const CWD = defineInstruction({
  name: 'CWD/CDQ/CQO',
  sdm: 'Vol. 2A "CWD/CDQ/CQO - Convert Word to Doubleword/Convert Doubleword to Quadword"',
  forms: ['99'],
  semantics(m) {
    const size = m.operandSize;
    m.setGpr(RDX, m.sar(m.getGpr(RAX, size), size - 1));
  },
});

export const conversions: readonly Instruction[] = [CBW, CWD];
