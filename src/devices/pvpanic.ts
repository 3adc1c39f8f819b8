/**
 * pvpanic: the guest's kernel says that it has panicked (QEMU docs/specs/pvpanic.rst). One port, usually 0x505, found
 * through the ACPI device QEMU0001. Reading tells which events are understood, writing reports them.
 */

import type { AccessSize, IoHandler } from '../base/bus.ts';
import { defineState, type StateOf } from '../base/state.ts';
import { Device } from './device.ts';

const PANICKED = 0x01;
/** The guest panicked and goes on into a crash kernel. */
const CRASH_LOADED = 0x02;

const pvpanicState = defineState('pvpanic', 1, {});

export class Pvpanic extends Device<StateOf<typeof pvpanicState>> implements IoHandler {
  readonly widest: AccessSize = 1;
  readonly #host: { panicked(): void };

  constructor(host: { panicked(): void }) {
    super(pvpanicState);
    this.#host = host;
  }

  read(): number {
    return PANICKED | CRASH_LOADED;
  }

  write(_offset: number, value: number): void {
    if (value & PANICKED) this.#host.panicked();
  }
}
