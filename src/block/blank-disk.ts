/** A disk of zeros, to lay another one on. */

import { type BlockBackend, BlockError } from '../base/block.ts';

export class BlankDisk implements BlockBackend {
  readonly readOnly = true;
  readonly sizeBytes: number;

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
  }

  readNow(_offset: number, into: Uint8Array): void {
    into.fill(0);
  }

  async read(_offset: number, into: Uint8Array): Promise<void> {
    into.fill(0);
  }

  async write(): Promise<void> {
    throw new BlockError('read-only', 'It can only be read.');
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {}
}
