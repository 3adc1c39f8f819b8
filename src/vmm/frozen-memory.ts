/**
 * RAM as it was at a moment, while the guest goes on: a page is copied when the guest is about to write to it, or when
 * whoever saves it asks for it, whichever comes first. To freeze memory is to mark its pages as shared, which sends
 * writes to the frame table.
 */

import type { PageSource } from './snapshot/pages.ts';

const PAGE_BYTES = 4096;
/** Copies are made in pieces of memory of so many pages. */
const SLAB_PAGES = 256;
/** Of a page's place: it was all zeros. */
const NO_BYTES = 0xffff_ffff;

/** What a frozen memory asks of the frame table. */
export interface FreezableMemory {
  /** The page's bytes as they are now. */
  bytesOf(page: number): Uint8Array;
  /** The page may be written again. */
  thaw(page: number): void;
}

export class FrozenMemory implements PageSource {
  /** Ascending. */
  readonly pages: Uint32Array;
  readonly #memory: FreezableMemory;
  /** By page: whether it is as it was, and not copied. */
  readonly #pending: Uint8Array;
  #left = 0;
  /** By page: where its copy is, in pages from the first slab on, plus one. */
  readonly #places: Uint32Array;
  readonly #slabs: Uint8Array[] = [];
  #copies = 0;

  constructor(memory: FreezableMemory, pages: Uint32Array) {
    this.#memory = memory;
    this.pages = pages;
    const end = (pages.at(-1) ?? -1) + 1;
    this.#pending = new Uint8Array(end);
    this.#places = new Uint32Array(end);
    for (const page of pages) this.#pending[page] = 1;
    this.#left = pages.length;
  }

  /** Nothing is left to be copied. */
  get isDone(): boolean {
    return this.#left === 0;
  }

  /** A page is about to be written; false if that is none of ours. */
  keep(page: number): boolean {
    if (this.#pending[page] !== 1) return false;
    const bytes = this.#memory.bytesOf(page);
    this.#places[page] = isZero(bytes) ? NO_BYTES : this.#store(bytes);
    this.#thaw(page);
    return true;
  }

  /** Copies what is left, now. */
  finish(): void {
    for (const page of this.pages) this.keep(page);
  }

  /** Nobody wants the rest any more. */
  release(): void {
    for (const page of this.pages) if (this.#pending[page] === 1) this.#thaw(page);
    this.#places.fill(0);
    this.#slabs.length = 0;
  }

  take(page: number, into: Uint8Array, at: number): boolean {
    if (this.#pending[page] === 1) {
      const bytes = this.#memory.bytesOf(page);
      const zeros = isZero(bytes);
      if (!zeros) into.set(bytes, at);
      this.#thaw(page);
      return !zeros;
    }
    const place = this.#places[page] ?? 0;
    if (place === 0 || place === NO_BYTES) return false;
    const start = ((place - 1) % SLAB_PAGES) * PAGE_BYTES;
    const slab = this.#slabs[Math.floor((place - 1) / SLAB_PAGES)] as Uint8Array;
    into.set(slab.subarray(start, start + PAGE_BYTES), at);
    return true;
  }

  #thaw(page: number): void {
    this.#pending[page] = 0;
    this.#left--;
    this.#memory.thaw(page);
  }

  #store(bytes: Uint8Array): number {
    const at = this.#copies % SLAB_PAGES;
    if (at === 0) this.#slabs.push(new Uint8Array(SLAB_PAGES * PAGE_BYTES));
    (this.#slabs.at(-1) as Uint8Array).set(bytes, at * PAGE_BYTES);
    return ++this.#copies;
  }
}

/** `bytes`: of a page. */
export function isZero(bytes: Uint8Array): boolean {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
}
