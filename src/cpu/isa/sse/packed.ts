/**
 * Packed instructions of two operands. Those on integers mostly exist for XMM and for MMX registers: the meaning is
 * written down once, for vectors of 128 bits, and MMX operands take part in its low half.
 */

import type { Algebra, Value } from '../../algebra.ts';
import { defineInstruction, type Feature, type Instruction } from '../instruction.ts';
import { requireMmx, writeMmx } from '../mmx-state.ts';
import { requireSse } from './available.ts';
import { low, splat } from './lanes.ts';

/** Both operands to the result, all of type 128. */
export type Compute = (m: Algebra, a: Value, b: Value) => Value;

/** `form` has a register and an operand, which may be narrower than the register. */
export function xmmBinary(name: string, sdm: string, feature: Feature, form: string, compute: Compute): Instruction {
  return defineInstruction({
    name,
    sdm,
    feature,
    forms: [form],
    semantics(m, dst, src) {
      requireSse(m);
      const b = m.zext(m.read(src), 128);
      m.setXmm(dst, compute(m, m.getXmm(dst), b));
    },
  });
}

/** `compute` gets the operands of 64 bits; a doubleword in memory is extended with zeros. */
export function mmxBinary(name: string, sdm: string, feature: Feature, form: string, compute: Compute): Instruction {
  return defineInstruction({
    name,
    sdm,
    feature,
    forms: [form],
    semantics(m, dst, src) {
      requireMmx(m);
      const b = m.zext(m.read(src), 64);
      writeMmx(m, dst, compute(m, m.read(dst), b));
    },
  });
}

export interface Packed {
  readonly name: string;
  /** '0F FC', '0F 38 01'. */
  readonly opcode: string;
  readonly compute: Compute;
  /** What the MMX form does where it is not `compute` on the low halves: operands and result of type 64. */
  readonly mmx?: Compute;
}

/** Instructions of one page of the manual, for XMM and (with a feature for them) MMX registers. */
export function packed(
  sdm: string,
  features: { readonly xmm: Feature; readonly mmx?: Feature },
  rows: readonly Packed[],
): Instruction[] {
  return rows.flatMap(({ name, opcode, compute, mmx = onLowHalves(compute) }) => {
    const both = [xmmBinary(name, sdm, features.xmm, `66 ${opcode} /r Vdq,Wdq`, compute)];
    if (features.mmx) both.push(mmxBinary(name, sdm, features.mmx, `NP ${opcode} /r Pq,Qq`, mmx));
    return both;
  });
}

/** For operations whose low half depends on low halves only. */
function onLowHalves(compute: Compute): Compute {
  return (m, a, b) => low(m, compute(m, splat(m, 64, a), splat(m, 64, b)));
}

/**
 * For operations that make their low half of the first operand alone and the high one of the second, each in the same
 * way: the MMX form is the low half with both operands in the first.
 */
export function joined(compute: Compute): Compute {
  return (m, a, b) => {
    const both = m.join(a, b);
    return low(m, compute(m, both, both));
  };
}

/** An operation of WebAssembly that is the instruction. */
export function operation(name: string): Compute {
  return (m, a, b) => m.op(name, [a, b]);
}
