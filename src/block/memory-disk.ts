/** A disk in memory, gone when it is closed. */

import type { BlockBackend } from '../base/block.ts';

export class MemoryDisk implements BlockBackend {
  readonly readOnly: boolean;
  /** All of the disk, for tests to look at and to change. */
  readonly bytes: Uint8Array;

  /** `contents` is used as it is, not copied; its length is a multiple of 512. */
  constructor(contents: Uint8Array, readOnly = false) {
    this.readOnly = readOnly;
    this.bytes = contents;
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    into.set(this.bytes.subarray(offset, offset + into.length));
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    this.bytes.set(from, offset);
  }

  /** All zeros again. */
  async clear(): Promise<void> {
    this.bytes.fill(0);
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {}
}
