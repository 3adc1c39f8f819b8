/** For tests: guest memory with RAM from address 0 up to its length, and nothing above. */

import type { GuestMemory } from '../base/dma.ts';

export class TestMemory implements GuestMemory {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(sizeBytes: number) {
    this.bytes = new Uint8Array(sizeBytes);
    this.view = new DataView(this.bytes.buffer);
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  read(address: number, into: Uint8Array): boolean {
    if (!this.#isRam(address, into.length)) return false;
    into.set(this.bytes.subarray(address, address + into.length));
    return true;
  }

  write(address: number, from: Uint8Array): boolean {
    if (!this.#isRam(address, from.length)) return false;
    this.bytes.set(from, address);
    return true;
  }

  /** Devices may ask for any whole number from 0 on; anything else is a mistake of theirs. */
  #isRam(address: number, length: number): boolean {
    if (!Number.isInteger(address) || address < 0) throw new Error(`address ${address}`);
    return address + length <= this.bytes.length;
  }
}
