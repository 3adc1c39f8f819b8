/** Which sectors have been written: one bit each, in pages of bits that come to be with the first write they cover. */

import { LAYER_PAGE_BYTES, SECTOR_BYTES, type WrittenPages } from '../base/block.ts';

/** Sectors that a page of bits covers: 16 MiB. */
const PAGE_SECTORS = 32_768;
/** Those of a page of the disk have a byte. */
const BYTES = PAGE_SECTORS / (LAYER_PAGE_BYTES / SECTOR_BYTES);
/** A page whose bits are all set: never changed, and so one for all. */
const FULL = new Uint8Array(BYTES).fill(0xff);

type Bits = ReadonlyMap<number, Uint8Array>;

export class WrittenSectors {
  readonly #bits = new Map<number, Uint8Array>();

  has(sector: number): boolean {
    const bits = this.#bits.get(Math.floor(sector / PAGE_SECTORS));
    const bit = sector % PAGE_SECTORS;
    return bits !== undefined && ((bits[bit >> 3] as number) & (1 << (bit & 7))) !== 0;
  }

  /** How many sectors from `first` on are as that one, `most` at most. */
  run(first: number, most: number): number {
    const isWritten = this.has(first);
    let length = 1;
    while (length < most && this.has(first + length) === isWritten) length++;
    return length;
  }

  add(first: number, count: number): void {
    const end = first + count;
    for (let sector = first; sector < end; ) {
      const page = Math.floor(sector / PAGE_SECTORS);
      const from = sector % PAGE_SECTORS;
      const to = Math.min(PAGE_SECTORS, from + end - sector);
      if (to - from === PAGE_SECTORS) this.#bits.set(page, FULL);
      else this.#set(page, from, to);
      sector += to - from;
    }
  }

  #set(page: number, from: number, to: number): void {
    const bits = this.#bits.get(page) ?? new Uint8Array(BYTES);
    if (bits === FULL) return;
    this.#bits.set(page, bits);
    for (let bit = from; bit < to; bit++) bits[bit >> 3] = (bits[bit >> 3] as number) | (1 << (bit & 7));
  }

  clear(): void {
    this.#bits.clear();
  }

  /** As they are now. */
  pages(): WrittenPages {
    return new Pages(new Map([...this.#bits].map(([page, bits]) => [page, bits === FULL ? FULL : bits.slice()])));
  }
}

class Pages implements WrittenPages {
  readonly #bits: Bits;

  constructor(bits: Bits) {
    this.#bits = bits;
  }

  has(page: number): boolean {
    return (this.#bits.get(Math.floor(page / BYTES))?.[page % BYTES] ?? 0) !== 0;
  }

  *[Symbol.iterator](): Generator<number> {
    for (const page of [...this.#bits.keys()].sort((a, b) => a - b)) {
      const bits = this.#bits.get(page) as Uint8Array;
      for (const [i, sectors] of bits.entries()) if (sectors !== 0) yield page * BYTES + i;
    }
  }
}
