/**
 * Reset control register, port 0xcf9 (Intel ICH9 data sheet, "RST_CNT - Reset Control Register"); ACPI's RESET_REG with
 * RESET_VALUE 0x06. Hard, soft and full resets are the same here.
 */

import type { AccessSize, IoHandler } from '../base/bus.ts';
import { defineState, type StateOf, u8 } from '../base/state.ts';
import { Device } from './device.ts';

const SYSTEM_RESET = 0x02;
const RESET_CPU = 0x04;
const FULL_RESET = 0x08;

const resetControlState = defineState('reset-control', 1, {
  value: u8({ max: SYSTEM_RESET | RESET_CPU | FULL_RESET }),
});

export class ResetControl extends Device<StateOf<typeof resetControlState>> implements IoHandler {
  readonly widest: AccessSize = 1;
  readonly #requestReset: () => void;

  constructor(host: { reset(): void }) {
    super(resetControlState);
    this.#requestReset = () => host.reset();
  }

  read(): number {
    return this.state.value;
  }

  write(_offset: number, value: number): void {
    const rises = (value & ~this.state.value & RESET_CPU) !== 0;
    this.state.value = value & (SYSTEM_RESET | RESET_CPU | FULL_RESET);
    if (rises) this.#requestReset();
  }
}
