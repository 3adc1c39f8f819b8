/**
 * A port that prints what is written to it, as Bochs has at 0xe9 and QEMU (isa-debugcon) wherever it is told to, often
 * 0x402 or 0xf1. It reads as 0xe9, by which guests find it.
 */

import type { AccessSize, IoHandler } from '../base/bus.ts';
import { defineState, type StateOf } from '../base/state.ts';
import { Device } from './device.ts';

const PRESENT = 0xe9;

const debugConsoleState = defineState('debug-console', 1, {});

export class DebugConsole extends Device<StateOf<typeof debugConsoleState>> implements IoHandler {
  readonly widest: AccessSize = 1;
  readonly #output: (byte: number) => void;

  constructor(host: { output(byte: number): void }) {
    super(debugConsoleState);
    this.#output = (byte) => host.output(byte);
  }

  read(): number {
    return PRESENT;
  }

  write(_offset: number, value: number): void {
    this.#output(value);
  }
}
