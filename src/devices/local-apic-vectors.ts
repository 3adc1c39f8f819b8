/**
 * Vectors of a local APIC on their way: requested (IRR), in service (ISR), level triggered (TMR), and the priorities
 * that decide between them (SDM Vol. 3A §11.8 "Handling Interrupts"). The priority class of a vector is its high half.
 */

import type { LocalApicState } from './local-apic-state.ts';

/** The highest vector in a 256-bit register, or -1. */
function highest(words: Uint32Array): number {
  for (let i = 7; i >= 0; i--) {
    const word = words[i];
    if (word !== 0) return i * 32 + 31 - Math.clz32(word);
  }
  return -1;
}

export class ApicVectors {
  readonly #state: LocalApicState;

  constructor(state: LocalApicState) {
    this.#state = state;
  }

  /** SDM §11.8.3.1 "Task and Processor Priorities": PPR. */
  get processorPriority(): number {
    const { isr, tpr } = this.#state;
    const inService = highest(isr);
    return inService < 0 || (tpr & 0xf0) >= (inService & 0xf0) ? tpr : inService & 0xf0;
  }

  /** SDM §11.6.2.4 "Lowest Priority Delivery Mode": APR. */
  get arbitrationPriority(): number {
    const { irr, isr, tpr } = this.#state;
    const requested = Math.max(highest(irr), 0) & 0xf0;
    const inService = Math.max(highest(isr), 0) & 0xf0;
    if ((tpr & 0xf0) >= requested && (tpr & 0xf0) > inService) return tpr;
    return Math.max(tpr & 0xf0, inService, requested);
  }

  /** The vector whose turn it is, or -1. */
  deliverable(): number {
    const vector = highest(this.#state.irr);
    return vector >= 0 && (vector & 0xf0) > (this.processorPriority & 0xf0) ? vector : -1;
  }

  request(vector: number, levelTriggered: boolean): void {
    const { irr, tmr } = this.#state;
    const word = vector >> 5;
    const mask = 1 << (vector & 31);
    irr[word] |= mask;
    if (levelTriggered) tmr[word] |= mask;
    else tmr[word] &= ~mask;
  }

  /** From requested to in service. */
  take(vector: number): void {
    const { irr, isr } = this.#state;
    const mask = 1 << (vector & 31);
    irr[vector >> 5] &= ~mask;
    isr[vector >> 5] |= mask;
  }

  /** Ends the service of the highest vector: which it was, or -1. */
  end(): number {
    const { isr } = this.#state;
    const vector = highest(isr);
    if (vector >= 0) isr[vector >> 5] &= ~(1 << (vector & 31));
    return vector;
  }

  isLevelTriggered(vector: number): boolean {
    return ((this.#state.tmr[vector >> 5] >>> (vector & 31)) & 1) !== 0;
  }
}
