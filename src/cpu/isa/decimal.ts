/**
 * Decimal arithmetic outside 64-bit mode: SDM Vol. 1 §7.3.3 "Decimal Arithmetic Instructions".
 *
 * Flags that the manual leaves undefined are as Intel processors have them: those of the addition for
 * AAD, else SF, ZF and PF from AL and 0 for the others.
 */

import { type Algebra, DE, type FlagWrites, type Value } from '../algebra.ts';
import { RAX } from '../state.ts';
import { addFlags } from './flag-writes.ts';
import { defineInstruction, type Instruction } from './instruction.ts';

/** The digit in the low half of AL needs correcting: it is above 9, or AF says that it overflowed. */
function lowDigitOverflows(m: Algebra, al: Value): Value {
  return m.or(m.getFlag('AF'), m.ltU(m.const(8, 9), m.and(al, m.const(8, 0x0f))));
}

function pack(m: Algebra, al: Value, ah: Value): Value {
  return m.or(m.zext(al, 16), m.shl(m.zext(ah, 16), 8));
}

/** AAA and AAS: 6 is added to AL (subtracted), 1 to AH, and AL's upper half dropped. */
function adjustUnpacked(
  name: string,
  sdm: string,
  form: string,
  correct: (m: Algebra, a: Value, by: Value) => Value,
): Instruction {
  return defineInstruction({
    name,
    sdm,
    forms: [form],
    semantics(m) {
      const ax = m.getGpr(RAX, 16);
      const overflows = lowDigitOverflows(m, m.trunc(ax, 8));
      const corrected = m.select(overflows, correct(m, ax, m.const(16, 0x106)), ax);
      const result = m.and(corrected, m.const(16, 0xff0f));
      m.setGpr(RAX, result);
      m.setFlags({ CF: overflows, AF: overflows, OF: m.const(1, 0), result: m.trunc(result, 8) });
    },
  });
}

/** DAA and DAS: 6 is added to AL (subtracted) for the low digit, 0x60 for the high one. */
function adjustPacked(
  name: string,
  sdm: string,
  form: string,
  correct: (m: Algebra, a: Value, by: Value) => Value,
  carries: (m: Algebra, before: Value, after: Value) => Value,
): Instruction {
  return defineInstruction({
    name,
    sdm,
    forms: [form],
    semantics(m) {
      const al = m.getGpr(RAX, 8);
      const carry = m.getFlag('CF');
      const low = lowDigitOverflows(m, al);
      const high = m.or(carry, m.ltU(m.const(8, 0x99), al));
      const zero = m.const(8, 0);
      const first = m.select(low, correct(m, al, m.const(8, 6)), al);
      const result = correct(m, first, m.select(high, m.const(8, 0x60), zero));
      m.setGpr(RAX, result);
      const flags: FlagWrites = { AF: low, OF: m.const(1, 0), result };
      m.setFlags({ ...flags, CF: m.or(high, m.and(low, carries(m, al, first))) });
    },
  });
}

const AAM = defineInstruction({
  name: 'AAM',
  sdm: 'Vol. 2A "AAM - ASCII Adjust AX After Multiply"',
  forms: ['D4 Ib i64'],
  semantics(m, base) {
    const divisor = m.zext(m.read(base), 32);
    m.if(m.isZero(divisor), () => m.raise(DE));
    const al = m.zext(m.getGpr(RAX, 8), 32);
    const low = m.trunc(m.remU(al, divisor), 8);
    m.setGpr(RAX, pack(m, low, m.trunc(m.divU(al, divisor), 8)));
    m.setFlags({ CF: m.const(1, 0), AF: m.const(1, 0), OF: m.const(1, 0), result: low });
  },
});

const AAD = defineInstruction({
  name: 'AAD',
  sdm: 'Vol. 2A "AAD - ASCII Adjust AX Before Division"',
  forms: ['D5 Ib i64'],
  semantics(m, base) {
    const ax = m.getGpr(RAX, 16);
    const units = m.trunc(ax, 8);
    const tens = m.mul(m.trunc(m.shr(ax, 8), 8), m.read(base));
    const result = m.add(units, tens);
    m.setGpr(RAX, m.zext(result, 16));
    m.setFlags(addFlags(m, units, tens, result));
  },
});

/** AL becomes FFH or 0 by CF. Opcode D6 is reserved, but no processor finds it invalid. */
const SALC = defineInstruction({
  name: 'SALC',
  sdm: 'Vol. 3B §22.15 "Undefined Opcodes"',
  forms: ['D6 i64'],
  semantics(m) {
    m.setGpr(RAX, m.select(m.getFlag('CF'), m.const(8, 0xff), m.const(8, 0)));
  },
});

export const decimal: readonly Instruction[] = [
  adjustUnpacked('AAA', 'Vol. 2A "AAA - ASCII Adjust After Addition"', '37 i64', (m, a, by) => m.add(a, by)),
  adjustUnpacked('AAS', 'Vol. 2A "AAS - ASCII Adjust AL After Subtraction"', '3F i64', (m, a, by) => m.sub(a, by)),
  adjustPacked(
    'DAA',
    'Vol. 2A "DAA - Decimal Adjust AL After Addition"',
    '27 i64',
    (m, a, by) => m.add(a, by),
    (m, before, after) => m.ltU(after, before),
  ),
  adjustPacked(
    'DAS',
    'Vol. 2A "DAS - Decimal Adjust AL After Subtraction"',
    '2F i64',
    (m, a, by) => m.sub(a, by),
    (m, before, after) => m.ltU(before, after),
  ),
  AAM,
  AAD,
  SALC,
];
