/**
 * A throw-away layer over another disk: what is written goes to a store, the disk below is never written to. Which
 * sectors the store has is kept in memory, one bit each, in pages that come to be with the first write they cover.
 */

import { type BlockBackend, SECTOR_BYTES } from '../base/block.ts';

/** Where the written sectors go, at the offsets they have on the disk. Sparse, so that it is no larger than they are. */
export type OverlayStore = Pick<BlockBackend, 'read' | 'write' | 'readNow' | 'writeNow' | 'close'>;

/** Sectors that a page of bits covers. */
const PAGE_SECTORS = 32_768;

export class Overlay implements BlockBackend {
  readonly readOnly = false;
  readonly sizeBytes: number;
  readonly #below: BlockBackend;
  readonly #store: OverlayStore;
  readonly #written = new Map<number, Uint8Array>();
  readonly readNow?: (offset: number, into: Uint8Array) => void;
  readonly writeNow?: (offset: number, from: Uint8Array) => void;

  /** Takes over both: they are closed with it. */
  constructor(below: BlockBackend, store: OverlayStore) {
    this.#below = below;
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
  *#pieces(offset: number, into: Uint8Array): Generator<{ source: OverlayStore; at: number; piece: Uint8Array }> {
    for (let done = 0; done < into.length; ) {
      const at = offset + done;
      const length = this.#run(at, into.length - done);
      const source = this.#isWritten(at / SECTOR_BYTES) ? this.#store : this.#below;
      yield { source, at, piece: into.subarray(done, done + length) };
      done += length;
    }
  }

  /** Sectors count as written once the store has them: those that were not and cannot be are as they were below. */
  #mark(offset: number, length: number): void {
    for (let sector = offset / SECTOR_BYTES; sector < (offset + length) / SECTOR_BYTES; sector++) {
      const page = Math.floor(sector / PAGE_SECTORS);
      let bits = this.#written.get(page);
      if (bits === undefined) {
        bits = new Uint8Array(PAGE_SECTORS / 8);
        this.#written.set(page, bits);
      }
      const bit = sector % PAGE_SECTORS;
      bits[bit >> 3] = (bits[bit >> 3] as number) | (1 << (bit & 7));
    }
  }

  /** What is thrown away needs no stable storage. */
  async flush(): Promise<void> {}

  async close(): Promise<void> {
    try {
      await this.#store.close();
    } finally {
      await this.#below.close();
    }
  }

  #isWritten(sector: number): boolean {
    const bits = this.#written.get(Math.floor(sector / PAGE_SECTORS));
    const bit = sector % PAGE_SECTORS;
    return bits !== undefined && ((bits[bit >> 3] as number) & (1 << (bit & 7))) !== 0;
  }

  /** Bytes from `offset` on, `most` at most, that come from the same place. */
  #run(offset: number, most: number): number {
    const first = offset / SECTOR_BYTES;
    const count = most / SECTOR_BYTES;
    const written = this.#isWritten(first);
    let length = 1;
    while (length < count && this.#isWritten(first + length) === written) length++;
    return length * SECTOR_BYTES;
  }
}
