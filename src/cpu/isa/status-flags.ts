/** Instructions on single flags: SDM Vol. 1 §7.3.14 "Flag Control (EFLAG) Instructions". */

import type { Algebra, Flag, Value } from '../algebra.ts';
import { RAX, vcpu } from '../state.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { FLAG_DF } from './system/rflags.ts';

/** Places of the flags in AH, as in the low byte of EFLAGS (SDM Vol. 1 Figure 3-8). */
const placesInAH: readonly (readonly [flag: Flag, place: number])[] = [
  ['CF', 0],
  ['PF', 2],
  ['AF', 4],
  ['ZF', 6],
  ['SF', 7],
];

const LAHF = defineInstruction({
  name: 'LAHF',
  sdm: 'Vol. 2A "LAHF - Load Status Flags Into AH Register"',
  forms: ['9F'],
  semantics(m) {
    // Bit 1 of EFLAGS is always set.
    let ah = m.const(16, 2);
    for (const [flag, place] of placesInAH) ah = m.or(ah, m.shl(m.zext(m.getFlag(flag), 16), place));
    m.setGpr(RAX, m.or(m.zext(m.getGpr(RAX, 8), 16), m.shl(ah, 8)));
  },
});

const SAHF = defineInstruction({
  name: 'SAHF',
  sdm: 'Vol. 2B "SAHF - Store AH Into Flags"',
  forms: ['9E'],
  semantics(m) {
    const ax = m.getGpr(RAX, 16);
    const flags: { [flag in Flag]?: Value } = {};
    for (const [flag, place] of placesInAH) flags[flag] = m.bit(ax, 8 + place);
    m.setFlags(flags);
  },
});

function setCarry(name: string, sdm: string, form: string, value: (m: Algebra) => Value): Instruction {
  return defineInstruction({
    name,
    sdm,
    forms: [form],
    semantics(m) {
      m.setFlags({ CF: value(m) });
    },
  });
}

const CLD = defineInstruction({
  name: 'CLD',
  sdm: 'Vol. 2A "CLD - Clear Direction Flag"',
  forms: ['FC'],
  semantics(m) {
    m.set(vcpu.rflags, m.and(m.get(vcpu.rflags), m.const(32, ~FLAG_DF)));
  },
});

const STD = defineInstruction({
  name: 'STD',
  sdm: 'Vol. 2B "STD - Set Direction Flag"',
  forms: ['FD'],
  semantics(m) {
    m.set(vcpu.rflags, m.or(m.get(vcpu.rflags), m.const(32, FLAG_DF)));
  },
});

export const statusFlags: readonly Instruction[] = [
  LAHF,
  SAHF,
  setCarry('CLC', 'Vol. 2A "CLC - Clear Carry Flag"', 'F8', (m) => m.const(1, 0)),
  setCarry('STC', 'Vol. 2B "STC - Set Carry Flag"', 'F9', (m) => m.const(1, 1)),
  setCarry('CMC', 'Vol. 2A "CMC - Complement Carry Flag"', 'F5', (m) => m.not(m.getFlag('CF'))),
  CLD,
  STD,
];
