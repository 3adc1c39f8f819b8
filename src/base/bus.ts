/**
 * Address spaces that devices sit in: one Bus for the 64 Ki I/O ports, one for memory-mapped registers.
 *
 * Sparse: what nobody mapped reads as all ones and swallows writes, as an undriven bus does. Nothing throws on an
 * access. Fast path: the range hit last is tried first, which saves the binary search for devices that are polled.
 */

import { truncate } from './bits.ts';

export type AccessSize = 1 | 2 | 4;

/** What answers in a range. Offsets count from the start of the range; values are unsigned, cut to the size. */
export interface IoHandler {
  /**
   * The widest access the registers take (4 when absent). The bus splits wider ones, lowest address first, so that
   * a device of byte registers never sees anything else.
   */
  readonly widest?: AccessSize;
  read(offset: number, size: AccessSize): number;
  write(offset: number, value: number, size: AccessSize): void;
  /**
   * Fast path of repeated string instructions: `bytes` are filled, or taken, as by accesses of `size` at `offset`, one
   * after the other. False, with nothing done, where that is for `read` and `write` to do. Must not change what addresses
   * lead to.
   */
  readMany?(offset: number, size: AccessSize, bytes: Uint8Array): boolean;
  writeMany?(offset: number, size: AccessSize, bytes: Uint8Array): boolean;
}

interface Range {
  readonly base: number;
  readonly end: number;
  readonly widest: AccessSize;
  readonly handler: IoHandler;
}

const NOWHERE: Range = { base: 0, end: 0, widest: 4, handler: { read: () => 0, write: () => {} } };

export class Bus {
  /** In order of address, without overlaps. */
  readonly #ranges: Range[] = [];
  /** The range hit last; begins as one that contains nothing. */
  #last = NOWHERE;

  /** Gives `handler` the addresses from `base` on. Two devices at one address are a mistake of the board: it throws. */
  map(base: number, length: number, handler: IoHandler): void {
    if (!this.tryMap(base, length, handler)) throw new Error(`A bus range at 0x${base.toString(16)} overlaps another`);
  }

  /** As `map`, where a guest decides on addresses: false, and nothing mapped, if somebody else answers there. */
  tryMap(base: number, length: number, handler: IoHandler): boolean {
    const range: Range = { base, end: base + length, widest: handler.widest ?? 4, handler };
    if (this.#ranges.some((other) => base < other.end && other.base < range.end)) return false;
    this.#ranges.push(range);
    this.#ranges.sort((a, b) => a.base - b.base);
    return true;
  }

  /** Takes back what `map` gave the handler at this base. */
  unmap(base: number, handler: IoHandler): void {
    const index = this.#ranges.findIndex((range) => range.base === base && range.handler === handler);
    if (index < 0) return;
    this.#ranges.splice(index, 1);
    this.#last = NOWHERE;
  }

  read(address: number, size: AccessSize): number {
    const range = this.#whole(address, size);
    if (range) {
      return truncate(range.handler.read(address - range.base, size), size);
    }
    if (size === 1) return 0xff;
    const half = (size >> 1) as AccessSize;
    return (this.read(address, half) | (this.read(address + half, half) << (half * 8))) >>> 0;
  }

  write(address: number, value: number, size: AccessSize): void {
    const range = this.#whole(address, size);
    if (range) {
      range.handler.write(address - range.base, truncate(value, size), size);
    } else if (size !== 1) {
      const half = (size >> 1) as AccessSize;
      this.write(address, value, half);
      this.write(address + half, value >>> (half * 8), half);
    }
  }

  /** As `IoHandler.readMany`. */
  readMany(address: number, size: AccessSize, bytes: Uint8Array): boolean {
    const range = this.#whole(address, size);
    return range?.handler.readMany?.(address - range.base, size, bytes) ?? false;
  }

  /** As `IoHandler.writeMany`. */
  writeMany(address: number, size: AccessSize, bytes: Uint8Array): boolean {
    const range = this.#whole(address, size);
    return range?.handler.writeMany?.(address - range.base, size, bytes) ?? false;
  }

  /** The range that takes such an access in one piece. */
  #whole(address: number, size: AccessSize): Range | undefined {
    const range = this.#find(address);
    return range && size <= range.widest && address + size <= range.end ? range : undefined;
  }

  #find(address: number): Range | undefined {
    const last = this.#last;
    if (address >= last.base && address < last.end) return last;
    let low = 0;
    let high = this.#ranges.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const range = this.#ranges[middle] as Range;
      if (address < range.base) high = middle - 1;
      else if (address >= range.end) low = middle + 1;
      else {
        this.#last = range;
        return range;
      }
    }
    return undefined;
  }
}
