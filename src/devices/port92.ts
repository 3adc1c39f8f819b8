/**
 * System control port A, port 0x92 (IBM PS/2 Hardware Interface Technical Reference, "System Control Port A"): the fast
 * A20 gate and the fast reset. Not modelled: the security lock, the watchdog status and the disk lights.
 */

import type { AccessSize, IoHandler } from '../base/bus.ts';
import type { IrqLine } from '../base/irq.ts';
import { defineState, type StateOf, u8 } from '../base/state.ts';
import { Device } from './device.ts';

const FAST_RESET = 0x01;
const A20 = 0x02;

const port92State = defineState('port92', 1, { value: u8({ initial: A20 }) });

export interface Port92Host {
  /** This port's part of the A20 gate. */
  readonly a20: IrqLine;
  /** The guest asked for a reset. */
  reset(): void;
}

export class Port92 extends Device<StateOf<typeof port92State>> implements IoHandler {
  readonly widest: AccessSize = 1;
  readonly #host: Port92Host;

  constructor(host: Port92Host) {
    super(port92State);
    this.#host = host;
    host.a20.set(true);
  }

  read(): number {
    return this.state.value;
  }

  write(_offset: number, value: number): void {
    const resets = (value & ~this.state.value & FAST_RESET) !== 0;
    this.state.value = value;
    this.#host.a20.set((value & A20) !== 0);
    if (resets) this.#host.reset();
  }

  protected override derive(): void {
    this.#host.a20.set((this.state.value & A20) !== 0);
  }
}
