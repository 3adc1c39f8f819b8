/**
 * Which usable RAM is still free while a loader places a kernel and what goes with it. Usable is what E820 calls RAM.
 * Page 0 is never given out: a null pointer must not name something, and BIOS data lives there.
 */

import { alignDown, alignUp } from '../base/bits.ts';
import { E820_RAM, type MemoryMap, type MemoryRange, PAGE_BYTES } from './memory-map.ts';

export interface PlacementLimits {
  /** A power of two; a page when absent. */
  readonly alignment?: number;
  /** Nothing is placed below this address. */
  readonly from?: number;
  /** Nothing is placed at or above this address. */
  readonly below?: number;
}

export class Placement {
  readonly #usable: readonly MemoryRange[];
  #taken: MemoryRange[] = [{ base: 0, length: PAGE_BYTES }];

  constructor(map: MemoryMap) {
    this.#usable = map.e820.filter((entry) => entry.type === E820_RAM);
  }

  /** True when every byte is usable RAM, taken or not. */
  isUsable(base: number, length: number): boolean {
    return this.#usable.some((range) => base >= range.base && base + length <= range.base + range.length);
  }

  /** Marks a range as taken; it may overlap what was taken before. */
  reserve(base: number, length: number): void {
    if (length > 0) this.#taken.push({ base, length });
  }

  /** Takes the lowest free range of `length` bytes within the limits; undefined when there is none. */
  lowest(length: number, limits: PlacementLimits = {}): number | undefined {
    return this.#take(length, limits, (gap, alignment) => alignUp(gap.base, alignment), 'first');
  }

  /** Takes the highest free range of `length` bytes within the limits; undefined when there is none. */
  highest(length: number, limits: PlacementLimits = {}): number | undefined {
    return this.#take(length, limits, (gap, alignment) => alignDown(gap.base + gap.length - length, alignment), 'last');
  }

  #take(
    length: number,
    { alignment = PAGE_BYTES, from = 0, below = Infinity }: PlacementLimits,
    addressIn: (gap: MemoryRange, alignment: number) => number,
    which: 'first' | 'last',
  ): number | undefined {
    const fits = this.#gaps(from, below)
      .map((gap) => ({ gap, address: addressIn(gap, alignment) }))
      .filter(({ gap, address }) => address >= gap.base && address + length <= gap.base + gap.length);
    const chosen = fits.at(which === 'first' ? 0 : -1);
    if (chosen) this.reserve(chosen.address, length);
    return chosen?.address;
  }

  /** Free ranges inside [from, below), lowest first. */
  #gaps(from: number, below: number): MemoryRange[] {
    this.#taken.sort((a, b) => a.base - b.base);
    const gaps: MemoryRange[] = [];
    for (const range of this.#usable) {
      const end = Math.min(range.base + range.length, below);
      let next = Math.max(range.base, from);
      for (const taken of this.#taken) {
        if (taken.base + taken.length <= next || taken.base >= end) continue;
        if (taken.base > next) gaps.push({ base: next, length: taken.base - next });
        next = Math.max(next, taken.base + taken.length);
      }
      if (next < end) gaps.push({ base: next, length: end - next });
    }
    return gaps;
  }
}
