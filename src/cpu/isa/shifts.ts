/**
 * Shifts and plain rotates: SDM Vol. 1 §7.3.6 "Shift and Rotate Instructions".
 *
 * The count is taken modulo 32 (64 for 64-bit operands); a count of 0 leaves all flags alone. Operands of 8 and 16
 * bits are shifted as 32-bit values, which any count fits. Where the manual leaves flags undefined they are as Intel processors have them: OF
 * is what the first step by one bit gives, whatever the count, and shifts clear AF.
 */

import type { Algebra, FlagRecipe, FlagWrites, Operand, Value } from '../algebra.ts';
import { SAR_FLAGS, SHL_FLAGS, SHR_FLAGS } from './flag-recipes.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { shiftLeft, shiftRight, shiftSigned, signChange } from './shifted.ts';
import { unsigned, widthOf } from './widths.ts';

/** The masked count, as a value of type 32. */
export function shiftCount(m: Algebra, count: Operand, width: number): Value {
  return m.and(m.zext(m.read(count), 32), m.const(32, width === 64 ? 63 : 31));
}

/** Writes the flags, but not where the count is 0. */
export function setFlagsIfCounted(m: Algebra, operand: Operand, count: Value, flags: () => FlagWrites): void {
  if (operand.kind === 'constant') m.setFlags(flags());
  else m.if(m.ne(count, m.const(32, 0)), () => m.setFlags(flags()));
}

/** Writes the flags of a shift, but not where the count is 0. */
function setShiftFlags(m: Algebra, by: Operand, recipe: FlagRecipe, a: Value, count: Value): void {
  if (by.kind === 'constant') m.setFlagsBy(recipe, a, count);
  else m.setFlagsByIf(m.ne(count, m.const(count.type, 0)), recipe, a, count);
}

/** The forms of a shift or rotate with that number in ModRM. */
export function shiftForms(digit: number): string[] {
  return [
    `C0 /${digit} Eb,Ib`,
    `C1 /${digit} Ev,Ib`,
    `D0 /${digit} Eb,1`,
    `D1 /${digit} Ev,1`,
    `D2 /${digit} Eb,CL`,
    `D3 /${digit} Ev,CL`,
  ];
}

const SHL = defineInstruction({
  name: 'SHL',
  sdm: 'Vol. 2B "SAL/SAR/SHL/SHR - Shift"',
  forms: [...shiftForms(4), ...shiftForms(6)],
  semantics(m, dst, by) {
    const a = m.readForWrite(dst);
    const width = widthOf(a);
    const count = unsigned(m, shiftCount(m, by, width), width);
    m.write(dst, shiftLeft(m, a, count).result);
    setShiftFlags(m, by, SHL_FLAGS, a, count);
  },
});

const SHR = defineInstruction({
  name: 'SHR',
  sdm: 'Vol. 2B "SAL/SAR/SHL/SHR - Shift"',
  forms: shiftForms(5),
  semantics(m, dst, by) {
    const a = m.readForWrite(dst);
    const width = widthOf(a);
    const count = unsigned(m, shiftCount(m, by, width), width);
    m.write(dst, shiftRight(m, a, count).result);
    setShiftFlags(m, by, SHR_FLAGS, a, count);
  },
});

const SAR = defineInstruction({
  name: 'SAR',
  sdm: 'Vol. 2B "SAL/SAR/SHL/SHR - Shift"',
  forms: shiftForms(7),
  semantics(m, dst, by) {
    const a = m.readForWrite(dst);
    const width = widthOf(a);
    const count = unsigned(m, shiftCount(m, by, width), width);
    m.write(dst, shiftSigned(m, a, count).result);
    setShiftFlags(m, by, SAR_FLAGS, a, count);
  },
});

/** Rotates left by a count below the width; to the right as well, the count negated modulo the width. */
function rotateLeft(m: Algebra, a: Value, count: Value): Value {
  const width = widthOf(a);
  if (width === 32 || width === 64) return m.rotl(a, count);
  const wide = m.zext(a, 32);
  const within = m.and(count, m.const(32, width - 1));
  return m.trunc(m.or(m.shl(wide, within), m.shr(wide, m.sub(m.const(32, width), within))), width);
}

const ROL = defineInstruction({
  name: 'ROL',
  sdm: 'Vol. 2B "RCL/RCR/ROL/ROR - Rotate"',
  forms: shiftForms(0),
  semantics(m, dst, by) {
    const a = m.readForWrite(dst);
    const count = shiftCount(m, by, widthOf(a));
    const result = rotateLeft(m, a, count);
    m.write(dst, result);
    setFlagsIfCounted(m, by, count, () => ({ CF: m.bit(result, 0), OF: signChange(m, a) }));
  },
});

const ROR = defineInstruction({
  name: 'ROR',
  sdm: 'Vol. 2B "RCL/RCR/ROL/ROR - Rotate"',
  forms: shiftForms(1),
  semantics(m, dst, by) {
    const a = m.readForWrite(dst);
    const width = widthOf(a);
    const count = shiftCount(m, by, width);
    const result = rotateLeft(m, a, m.neg(count));
    m.write(dst, result);
    setFlagsIfCounted(m, by, count, () => ({ CF: m.msb(result), OF: m.msb(m.xor(a, m.shl(a, width - 1))) }));
  },
});

export const shifts: readonly Instruction[] = [SHL, SHR, SAR, ROL, ROR];
