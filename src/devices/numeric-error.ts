/**
 * The x87 error logic of a PC: FERR# raises interrupt 13; a write to port 0xF0 takes it back and lets the processor go on
 * in spite of the error, by IGNNE# (Intel 82371FB/82371SB data sheet, 290550, §2.5.7 "Coprocessor Error"; SDM Vol. 1
 * appendix D.2.1.2). Not modelled: port 0xF1, which reset the 80287.
 */

import type { AccessSize, IoHandler } from '../base/bus.ts';
import type { IrqLine } from '../base/irq.ts';
import { bool, defineState, type StateOf } from '../base/state.ts';
import { Device } from './device.ts';

const numericErrorState = defineState('numeric-error', 1, {
  /** The interrupt has been raised and not been taken back. */
  raised: bool(),
});

export interface NumericErrorHost {
  /** Interrupt 13. */
  readonly irq: IrqLine;
  /** Asserts IGNNE#, which lasts until the error is gone. */
  ignoreErrors(): void;
}

export class NumericError extends Device<StateOf<typeof numericErrorState>> implements IoHandler {
  readonly widest: AccessSize = 1;
  readonly #host: NumericErrorHost;

  constructor(host: NumericErrorHost) {
    super(numericErrorState);
    this.#host = host;
  }

  protected override derive(): void {
    this.#host.irq.set(this.state.raised);
  }

  /** FERR#: the processor has come to an instruction that waits for the error to be handled. */
  raise(): void {
    this.state.raised = true;
    this.derive();
  }

  read(): number {
    return 0xff;
  }

  write(): void {
    if (!this.state.raised) return;
    this.state.raised = false;
    this.derive();
    this.#host.ignoreErrors();
  }
}
