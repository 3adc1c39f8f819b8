/** MUL and IMUL: SDM Vol. 1 §7.3.2.5 "Multiplication and Division Instructions". */

import type { Algebra } from '../algebra.ts';
import { RAX, RDX } from '../state.ts';
import { IMUL_FLAGS, MUL_FLAGS } from './flag-recipes.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { multiplySigned, multiplyUnsigned, type Product } from './products.ts';
import { widthOf } from './widths.ts';

/** The product in AX for bytes, else in rDX:rAX. */
function writeProduct(m: Algebra, [low, high]: Product): void {
  if (low.type === 8) {
    m.setGpr(RAX, m.or(m.zext(low, 16), m.shl(m.zext(high, 16), 8)));
    return;
  }
  m.setGpr(RAX, low);
  m.setGpr(RDX, high);
}

const MUL = defineInstruction({
  name: 'MUL',
  sdm: 'Vol. 2B "MUL - Unsigned Multiply"',
  forms: ['F6 /4 Eb', 'F7 /4 Ev'],
  semantics(m, src) {
    const b = m.read(src);
    const a = m.getGpr(RAX, widthOf(b));
    writeProduct(m, multiplyUnsigned(m, a, b));
    m.setFlagsBy(MUL_FLAGS, a, b);
  },
});

const IMUL_accumulator = defineInstruction({
  name: 'IMUL',
  sdm: 'Vol. 2A "IMUL - Signed Multiply"',
  forms: ['F6 /5 Eb', 'F7 /5 Ev'],
  semantics(m, src) {
    const b = m.read(src);
    const a = m.getGpr(RAX, widthOf(b));
    writeProduct(m, multiplySigned(m, a, b));
    m.setFlagsBy(IMUL_FLAGS, a, b);
  },
});

const IMUL_two = defineInstruction({
  name: 'IMUL',
  sdm: 'Vol. 2A "IMUL - Signed Multiply"',
  forms: ['0F AF /r Gv,Ev'],
  semantics(m, dst, src) {
    const b = m.read(src);
    const a = m.read(dst);
    m.write(dst, multiplySigned(m, a, b)[0]);
    m.setFlagsBy(IMUL_FLAGS, a, b);
  },
});

const IMUL_three = defineInstruction({
  name: 'IMUL',
  sdm: 'Vol. 2A "IMUL - Signed Multiply"',
  forms: ['69 /r Gv,Ev,Iz', '6B /r Gv,Ev,Ibs'],
  semantics(m, dst, src, factor) {
    const [a, b] = [m.read(src), m.read(factor)];
    m.write(dst, multiplySigned(m, a, b)[0]);
    m.setFlagsBy(IMUL_FLAGS, a, b);
  },
});

export const multiply: readonly Instruction[] = [MUL, IMUL_accumulator, IMUL_two, IMUL_three];
