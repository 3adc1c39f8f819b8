/**
 * Shifts and plain rotates: SDM Vol. 1 §7.3.6 "Shift and Rotate Instructions".
 *
 * The count is taken modulo 32 (64 for 64-bit operands); a count of 0 leaves all flags alone. Operands of 8 and 16
 * bits are shifted as 32-bit values, which any count fits. `last` is always the value one step short of the result:
 * the bit it is about to lose is CF. Where the manual leaves flags undefined they are as Intel processors have them: OF
 * is what the first step by one bit gives, whatever the count, and shifts clear AF.
 */

import type { Algebra, FlagWrites, Operand, Value } from '../algebra.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { wideOf, widthOf } from './widths.ts';

/** The masked count, as a value of type 32. */
export function shiftCount(m: Algebra, count: Operand, width: number): Value {
  return m.and(m.zext(m.read(count), 32), m.const(32, width === 64 ? 63 : 31));
}

/** Writes the flags, but not where the count is 0. */
export function setFlagsIfCounted(m: Algebra, operand: Operand, count: Value, flags: () => FlagWrites): void {
  if (operand.kind === 'constant') m.setFlags(flags());
  else m.if(m.ne(count, m.const(32, 0)), () => m.setFlags(flags()));
}

/** OF of a step to the left: whether the upper two bits differ. */
export function signChange(m: Algebra, a: Value): Value {
  return m.msb(m.xor(a, m.shl(a, 1)));
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
    const count = shiftCount(m, by, width);
    const wide = m.zext(a, wideOf(width));
    const result = m.trunc(m.shl(wide, count), width);
    m.write(dst, result);
    setFlagsIfCounted(m, by, count, () => {
      const last = m.trunc(m.shl(wide, m.sub(count, m.const(32, 1))), width);
      return { CF: m.msb(last), OF: signChange(m, a), AF: m.const(1, 0), result };
    });
  },
});

const SHR = defineInstruction({
  name: 'SHR',
  sdm: 'Vol. 2B "SAL/SAR/SHL/SHR - Shift"',
  forms: shiftForms(5),
  semantics(m, dst, by) {
    const a = m.readForWrite(dst);
    const width = widthOf(a);
    const count = shiftCount(m, by, width);
    const wide = m.zext(a, wideOf(width));
    const result = m.trunc(m.shr(wide, count), width);
    m.write(dst, result);
    setFlagsIfCounted(m, by, count, () => {
      const last = m.trunc(m.shr(wide, m.sub(count, m.const(32, 1))), width);
      return { CF: m.bit(last, 0), OF: m.msb(a), AF: m.const(1, 0), result };
    });
  },
});

const SAR = defineInstruction({
  name: 'SAR',
  sdm: 'Vol. 2B "SAL/SAR/SHL/SHR - Shift"',
  forms: shiftForms(7),
  semantics(m, dst, by) {
    const a = m.readForWrite(dst);
    const width = widthOf(a);
    const count = shiftCount(m, by, width);
    const wide = m.sext(a, wideOf(width));
    const result = m.trunc(m.sar(wide, count), width);
    m.write(dst, result);
    setFlagsIfCounted(m, by, count, () => {
      const last = m.sar(wide, m.sub(count, m.const(32, 1)));
      return { CF: m.bit(last, 0), OF: m.const(1, 0), AF: m.const(1, 0), result };
    });
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
