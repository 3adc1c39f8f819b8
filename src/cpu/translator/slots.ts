/**
 * The guest registers that a region keeps in WebAssembly locals: a slot each. Everything else of the vCPU's state stays
 * in its block in memory.
 */

import type { Type } from '../algebra.ts';
import { type StateField, vcpu } from '../state.ts';

export interface Slot {
  readonly number: number;
  readonly type: Type;
  /** In the vCPU block. */
  readonly offset: number;
}

/** General-purpose registers have slots 0 to 15. */
export const XMM_SLOTS = 16;
export const FLAG_SLOTS = 32;

export function isFlagSlot(slot: number): boolean {
  return slot >= FLAG_SLOTS;
}

const flagFields: readonly StateField[] = [
  vcpu.flagZero,
  vcpu.flagResult,
  vcpu.flagCarry,
  vcpu.flagOverflow,
  vcpu.flagAdjust,
];

export const slots: readonly Slot[] = [
  ...Array.from({ length: 16 }, (_, i): Slot => ({ number: i, type: 64, offset: vcpu.gpr.offset + 8 * i })),
  ...Array.from(
    { length: 16 },
    (_, i): Slot => ({ number: XMM_SLOTS + i, type: 128, offset: vcpu.xmm.offset + 16 * i }),
  ),
  ...flagFields.map(({ type, offset }, i): Slot => ({ number: FLAG_SLOTS + i, type, offset })),
];

/** The slot that stands for a field, or for the first element of one. */
const byField = new Map<StateField, number>([
  [vcpu.gpr, 0],
  [vcpu.xmm, XMM_SLOTS],
  ...flagFields.map((field, i): [StateField, number] => [field, FLAG_SLOTS + i]),
]);

/** Slot of a field's element 0; undefined for what stays in memory. */
export function slotOf(field: StateField): number | undefined {
  return byField.get(field);
}

/** Sets of slots: two words of bits. */
export class SlotSet {
  low = 0;
  high = 0;

  add(slot: number): void {
    if (slot < 32) this.low |= 1 << slot;
    else this.high |= 1 << (slot - 32);
  }

  has(slot: number): boolean {
    return ((slot < 32 ? this.low >>> slot : this.high >>> (slot - 32)) & 1) !== 0;
  }

  /** Adds all of the other set; true if that changed this one. */
  include(other: SlotSet): boolean {
    const { low, high } = this;
    this.low |= other.low;
    this.high |= other.high;
    return this.low !== low || this.high !== high;
  }

  *[Symbol.iterator](): Iterator<Slot> {
    for (const slot of slots) if (this.has(slot.number)) yield slot;
  }
}
