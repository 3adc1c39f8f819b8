/** Which pages of video memory have been written since they were last drawn. */

import type { VideoMemory } from '../../base/screen.ts';

export const PAGE_SHIFT = 12;

export class DirtyPages {
  readonly #memory: VideoMemory;
  readonly #pages: Uint8Array;
  /** Something was written since `takeChange`. */
  #isChanged = true;

  constructor(memory: VideoMemory) {
    this.#memory = memory;
    this.#pages = new Uint8Array(Math.ceil(memory.sizeBytes / (1 << PAGE_SHIFT))).fill(1);
  }

  /** A byte was written by a call; what lies beyond memory is ignored. */
  mark(address: number): void {
    this.#pages[address >>> PAGE_SHIFT] = 1;
    this.#isChanged = true;
  }

  markAll(): void {
    this.#pages.fill(1);
    this.#isChanged = true;
  }

  /** Takes note of what was written through mappings. */
  collect(): void {
    const pages = this.#memory.takeDirtyPages();
    for (const page of pages) this.#pages[page] = 1;
    if (pages.length > 0) this.#isChanged = true;
  }

  takeChange(): boolean {
    const isChanged = this.#isChanged;
    this.#isChanged = false;
    return isChanged;
  }

  /** Is anything of `length` (at least 1) bytes from `address` on not drawn yet? */
  has(address: number, length: number): boolean {
    const last = (address + length - 1) >>> PAGE_SHIFT;
    for (let page = address >>> PAGE_SHIFT; page <= last; page++) if (this.#pages[page]) return true;
    return false;
  }

  /** Everything is drawn now. */
  clear(): void {
    this.#pages.fill(0);
  }
}
