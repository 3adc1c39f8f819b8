/**
 * The stack pointer at the stack's address size: 64 bits in 64-bit mode, else 16 or 32 by the B bit of SS
 * (SDM Vol. 1 §6.2.3 "Address-Size Attributes for Stack").
 *
 * For instructions that must leave rSP alone until nothing can fault any more, or that move it by more than one value;
 * the others have `push` and `pop`.
 */

import { type Address, type Algebra, SS, type Value } from '../algebra.ts';
import { RSP, vcpu } from '../state.ts';

const ACCESS_DB = 14;

type PointerWidth = 32 | 64;

function pointerWidth(m: Algebra): PointerWidth {
  return m.mode === 64 ? 64 : 32;
}

function stackIsWide(m: Algebra): Value {
  return m.bit(m.getAt(vcpu.segmentAccess, SS), ACCESS_DB);
}

/** A stack offset wrapped to the stack's address size; type 64 in 64-bit mode, else 32. */
export function wrapStackOffset(m: Algebra, offset: Value): Value {
  return m.mode === 64 ? offset : m.select(stackIsWide(m), offset, m.and(offset, m.const(32, 0xffff)));
}

/** The register (rSP, rBP) as a stack offset. */
export function stackOffset(m: Algebra, register: number): Value {
  return wrapStackOffset(m, m.getGpr(register, pointerWidth(m)));
}

/** `bytes` (may be negative) further on. */
export function stackOffsetPlus(m: Algebra, offset: Value, bytes: number | Value): Value {
  const by = typeof bytes === 'number' ? m.const(pointerWidth(m), bytes) : bytes;
  return wrapStackOffset(m, m.add(offset, by));
}

export function stackAddress(m: Algebra, offset: Value): Address {
  return m.at(SS, offset);
}

/** Moves rSP; a 16-bit stack keeps the upper half of ESP. */
export function setStackPointer(m: Algebra, offset: Value): void {
  if (m.mode === 64) {
    m.setGpr(RSP, offset);
    return;
  }
  const kept = m.and(m.getGpr(RSP, 32), m.const(32, 0xffff0000));
  m.setGpr(RSP, m.select(stackIsWide(m), offset, m.or(kept, offset)));
}
