/** Guest memory for tests: an array, with RAM at addresses 0 up to its length. */

import type { GuestMemory } from '../base/dma.ts';

export class TestMemory implements GuestMemory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly sizeBytes: number;

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.bytes = new Uint8Array(sizeBytes);
    this.view = new DataView(this.bytes.buffer);
  }

  read(address: number, into: Uint8Array): boolean {
    if (address + into.length > this.sizeBytes) return false;
    into.set(this.bytes.subarray(address, address + into.length));
    return true;
  }

  write(address: number, from: Uint8Array): boolean {
    if (address + from.length > this.sizeBytes) return false;
    this.bytes.set(from, address);
    return true;
  }

  u32(address: number): number {
    return this.view.getUint32(address, true);
  }

  u64(address: number): number {
    return Number(this.view.getBigUint64(address, true));
  }

  slice(address: number, length: number): Uint8Array {
    return this.bytes.slice(address, address + length);
  }

  /** The C string at an address. */
  text(address: number): string {
    const end = this.bytes.indexOf(0, address);
    return new TextDecoder().decode(this.bytes.subarray(address, end));
  }
}
