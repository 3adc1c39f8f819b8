/**
 * Rotates through CF and double-precision shifts: SDM Vol. 1 §7.3.6 "Shift and Rotate Instructions".
 *
 * Counts and undefined flags are as in shifts.ts.
 */

import type { Algebra, Value } from '../algebra.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { signChange } from './shifted.ts';
import { setFlagsIfCounted, shiftCount, shiftForms } from './shifts.ts';
import { type Width, widthOf } from './widths.ts';

/** What a rotation through carry gives: the operand and CF, both as they are where the count is 0. */
type Rotated = [result: Value, carry: Value];

/** A ring of 9 or 17 bits may be turned more than once. */
function turns(m: Algebra, count: Value, width: Width): Value {
  return width < 32 ? m.remU(count, m.const(32, width + 1)) : count;
}

/** Up to 32 bits: in one 64-bit value with the carry on top. */
function rotateNarrow(m: Algebra, a: Value, count: Value, left: boolean): Rotated {
  const width = widthOf(a);
  const ring = m.or(m.zext(a, 64), m.shl(m.zext(m.getFlag('CF'), 64), width));
  const back = m.sub(m.const(32, width + 1), count);
  const [leftwards, rightwards] = left ? [count, back] : [back, count];
  const rotated = m.or(m.shl(ring, leftwards), m.shr(ring, rightwards));
  return [m.trunc(rotated, width), m.bit(rotated, width)];
}

/** 64 bits: the ring of 65 in two parts. A shift by up to 64 is taken in two steps. The carry is wrong for count 0. */
function rotateWide(m: Algebra, a: Value, count: Value, left: boolean): Rotated {
  const carry = m.zext(m.getFlag('CF'), 64);
  const before = m.sub(count, m.const(32, 1));
  const back = m.sub(m.const(32, 64), count);
  const parts = left
    ? [m.shl(a, count), m.shl(carry, before), m.shr(m.shr(a, 1), back)]
    : [m.shr(a, count), m.shl(carry, back), m.shl(m.shl(a, 1), back)];
  const rotated = m.or(m.or(parts[0], parts[1]), parts[2]);
  const out = left ? m.msb(m.shl(a, before)) : m.bit(m.shr(a, before), 0);
  return [m.select(m.isZero(count), a, rotated), out];
}

function rotateThroughCarry(m: Algebra, a: Value, count: Value, left: boolean): Rotated {
  return widthOf(a) === 64 ? rotateWide(m, a, count, left) : rotateNarrow(m, a, count, left);
}

const RCL = defineInstruction({
  name: 'RCL',
  sdm: 'Vol. 2B "RCL/RCR/ROL/ROR - Rotate"',
  forms: shiftForms(2),
  semantics(m, dst, by) {
    const a = m.readForWrite(dst);
    const width = widthOf(a);
    const count = turns(m, shiftCount(m, by, width), width);
    const [result, carry] = rotateThroughCarry(m, a, count, true);
    m.write(dst, result);
    setFlagsIfCounted(m, by, count, () => ({ CF: carry, OF: signChange(m, a) }));
  },
});

const RCR = defineInstruction({
  name: 'RCR',
  sdm: 'Vol. 2B "RCL/RCR/ROL/ROR - Rotate"',
  forms: shiftForms(3),
  semantics(m, dst, by) {
    const a = m.readForWrite(dst);
    const width = widthOf(a);
    const count = turns(m, shiftCount(m, by, width), width);
    const carryIn = m.getFlag('CF');
    const [result, carry] = rotateThroughCarry(m, a, count, false);
    m.write(dst, result);
    setFlagsIfCounted(m, by, count, () => ({ CF: carry, OF: m.xor(m.msb(a), carryIn) }));
  },
});

/**
 * 16-bit operands may have counts above 16: undefined in the manual; processors then go on with bits of the
 * destination, so the value shifted is destination, source, destination.
 */
function wordRing(m: Algebra, a: Value, b: Value): Value {
  const outer = m.zext(a, 64);
  return m.or(m.or(m.shl(outer, 32), m.shl(m.zext(b, 64), 16)), outer);
}

/** Bits of `b` that follow a shift of `a` by `count`, itself possibly 0: hence in two steps. */
function remaining(m: Algebra, width: Width, count: Value): Value {
  return m.sub(m.const(32, width - 1), count);
}

const SHLD = defineInstruction({
  name: 'SHLD',
  sdm: 'Vol. 2B "SHLD - Double Precision Shift Left"',
  forms: ['0F A4 /r Ev,Gv,Ib', '0F A5 /r Ev,Gv,CL'],
  semantics(m, dst, src, by) {
    const a = m.readForWrite(dst);
    const b = m.read(src);
    const width = widthOf(a);
    const count = shiftCount(m, by, width);
    const before = m.sub(count, m.const(32, 1));
    const [result, carry] =
      width === 16
        ? [m.trunc(m.shr(m.shl(wordRing(m, a, b), count), 32), 16), m.bit(m.shl(wordRing(m, a, b), count), 48)]
        : [m.or(m.shl(a, count), m.shr(m.shr(b, 1), remaining(m, width, count))), m.msb(m.shl(a, before))];
    m.write(dst, result);
    setFlagsIfCounted(m, by, count, () => ({
      CF: carry,
      OF: signChange(m, a),
      AF: m.const(1, 0),
      result,
    }));
  },
});

const SHRD = defineInstruction({
  name: 'SHRD',
  sdm: 'Vol. 2B "SHRD - Double Precision Shift Right"',
  forms: ['0F AC /r Ev,Gv,Ib', '0F AD /r Ev,Gv,CL'],
  semantics(m, dst, src, by) {
    const a = m.readForWrite(dst);
    const b = m.read(src);
    const width = widthOf(a);
    const count = shiftCount(m, by, width);
    const before = m.sub(count, m.const(32, 1));
    const [result, carry] =
      width === 16
        ? [m.trunc(m.shr(wordRing(m, a, b), count), 16), m.bit(m.shr(wordRing(m, a, b), before), 0)]
        : [m.or(m.shr(a, count), m.shl(m.shl(b, 1), remaining(m, width, count))), m.bit(m.shr(a, before), 0)];
    m.write(dst, result);
    setFlagsIfCounted(m, by, count, () => ({
      CF: carry,
      OF: m.msb(m.xor(a, m.shl(b, width - 1))),
      AF: m.const(1, 0),
      result,
    }));
  },
});

export const rotates: readonly Instruction[] = [RCL, RCR, SHLD, SHRD];
