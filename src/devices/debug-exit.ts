/**
 * QEMU's isa-debug-exit: a write ends the run with a code (QEMU hw/misc/debugexit.c). Usually four ports at 0xf4.
 * It calls `exit` with the value as written; that QEMU's own exit status is (value << 1) | 1 is for the host to mimic.
 */

import type { AccessSize, IoHandler } from '../base/bus.ts';
import { defineState, type StateOf } from '../base/state.ts';
import { Device } from './device.ts';

const debugExitState = defineState('debug-exit', 1, {});

export class DebugExit extends Device<StateOf<typeof debugExitState>> implements IoHandler {
  readonly #exit: (value: number) => void;

  constructor(host: { exit(value: number): void }) {
    super(debugExitState);
    this.#exit = (value) => host.exit(value);
  }

  read(_offset: number, _size: AccessSize): number {
    return 0;
  }

  write(_offset: number, value: number, _size: AccessSize): void {
    this.#exit(value);
  }
}
