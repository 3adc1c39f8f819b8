/**
 * A throw-away layer over another disk: what is written goes to a store, the disk below is never written to. Which
 * sectors the store has is kept in memory (written-sectors.ts).
 */

import { type BlockBackend, type DiskLayer, LAYER_PAGE_BYTES, SECTOR_BYTES, type WrittenPages } from '../base/block.ts';
import { WrittenSectors } from './written-sectors.ts';

/** Where the written sectors go, at the offsets they have on the disk. Sparse, so that it is no larger than they are. */
export interface OverlayStore extends Pick<BlockBackend, 'read' | 'write' | 'readNow' | 'writeNow' | 'close'> {
  /** All of it reads as zeros, as in the beginning. */
  clear(): Promise<void>;
}

type Source = Pick<BlockBackend, 'read' | 'readNow'>;

export class Overlay implements BlockBackend, DiskLayer {
  readonly readOnly = false;
  readonly sizeBytes: number;
  readonly below: BlockBackend;
  readonly layer: DiskLayer = this;
  readonly #store: OverlayStore;
  readonly #written = new WrittenSectors();
  readonly readNow?: (offset: number, into: Uint8Array) => void;
  readonly writeNow?: (offset: number, from: Uint8Array) => void;

  /** Takes over both: they are closed with it. */
  constructor(below: BlockBackend, store: OverlayStore) {
    this.below = below;
    this.#store = store;
    this.sizeBytes = below.sizeBytes;
    if (below.readNow && store.readNow) {
      this.readNow = (offset, into) => {
        for (const { source, at, piece } of this.#pieces(offset, into)) source.readNow?.(at, piece);
      };
    }
    if (store.writeNow) {
      this.writeNow = (offset, from) => {
        store.writeNow?.(offset, from);
        this.#mark(offset, from.length);
      };
    }
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    for (const { source, at, piece } of this.#pieces(offset, into)) await source.read(at, piece);
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    await this.#store.write(offset, from);
    this.#mark(offset, from.length);
  }

  /** What is to be read, by where it is. */
  *#pieces(offset: number, into: Uint8Array): Generator<{ source: Source; at: number; piece: Uint8Array }> {
    for (let done = 0; done < into.length; ) {
      const at = offset + done;
      const first = at / SECTOR_BYTES;
      const length = this.#written.run(first, (into.length - done) / SECTOR_BYTES) * SECTOR_BYTES;
      const source = this.#written.has(first) ? this.#store : this.below;
      yield { source, at, piece: into.subarray(done, done + length) };
      done += length;
    }
  }

  /** Sectors count as written once the store has them: those that were not and cannot be are as they were below. */
  #mark(offset: number, length: number): void {
    this.#written.add(offset / SECTOR_BYTES, length / SECTOR_BYTES);
  }

  /** What is thrown away needs no stable storage. */
  async flush(): Promise<void> {}

  async close(): Promise<void> {
    try {
      await this.#store.close();
    } finally {
      await this.below.close();
    }
  }

  // ---- As a layer --------------------------------------------------------------------------------------------------

  written(): WrittenPages {
    return this.#written.pages();
  }

  async clear(): Promise<void> {
    this.#written.clear();
    await this.#store.clear();
  }

  async fill(first: number, pages: number, bytes: Uint8Array | undefined): Promise<void> {
    const start = first * LAYER_PAGE_BYTES;
    const length = Math.min(pages * LAYER_PAGE_BYTES, this.sizeBytes - start);
    // What the store has never been given is zeros.
    if (bytes === undefined) this.#mark(start, length);
    for (let done = 0; bytes !== undefined && done < length; ) {
      const sector = (start + done) / SECTOR_BYTES;
      const run = this.#written.run(sector, (length - done) / SECTOR_BYTES) * SECTOR_BYTES;
      if (!this.#written.has(sector)) await this.write(start + done, bytes.subarray(done, done + run));
      done += run;
    }
  }
}
