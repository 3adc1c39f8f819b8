/**
 * What all devices share: their state is declared, and reset, save and restore come from the declaration.
 *
 * A device keeps nothing the guest can see outside `state`, except what the board wires to it. What follows from state
 * (armed timers, levels of output lines) is made again by `derive`.
 */

import type { StateDefinition } from '../base/state.ts';

/** A part as snapshots see it. */
export interface Stateful {
  /** For debuggers. */
  readonly state: object;
  /** As by the reset line of the board; parts with their own power (CMOS RAM) keep that. */
  reset(): void;
  save(): Uint8Array;
  /** Throws StateError, and changes nothing, when `saved` is not a state of this device. */
  restore(saved: Uint8Array): void;
}

export abstract class Device<S extends object> implements Stateful {
  readonly state: S;
  readonly #definition: StateDefinition<S>;

  constructor(definition: StateDefinition<S>) {
    this.#definition = definition;
    this.state = definition.create();
  }

  reset(): void {
    this.#definition.assign(this.state, this.#definition.create());
    this.derive();
  }

  save(): Uint8Array {
    this.settle();
    return this.#definition.save(this.state);
  }

  restore(saved: Uint8Array): void {
    this.#definition.assign(this.state, this.#definition.restore(saved));
    this.derive();
  }

  /** Works out what is worked out only when asked for, so that what is saved depends on time alone. */
  protected settle(): void {}

  /** Makes timers and output lines agree with `state`, whatever they were before. */
  protected derive(): void {}
}
