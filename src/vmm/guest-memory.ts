/**
 * A guest's physical memory: its table from guest-physical page to frame of machine memory. Frames are assigned when a
 * page is first touched.
 */

import type { GuestMemory } from '../base/dma.ts';
import { FRAME_CODE, FRAME_DIRTY, FRAME_MASK, FRAME_RAM } from '../cpu/layout.ts';
import type { MachineMemory } from '../cpu/machine-memory.ts';
import { memoryMap, PAGE_BYTES } from '../machine/memory-map.ts';

/** That 32-bit machine memory can have. */
const MACHINE_FRAMES = 2 ** 32 / PAGE_BYTES;

export class FrameTable implements GuestMemory {
  readonly sizeBytes: number;
  /** Machine address of the table, and its number of entries. */
  readonly table: number;
  readonly pages: number;
  readonly #memory: MachineMemory;
  /** Guest-physical page + 1 by number of the frame, 0 for frames that are not this guest's. */
  readonly #pageOf = new Uint32Array(MACHINE_FRAMES);
  #framesAssigned = 0;
  /** A device wrote to a frame that holds decoded code. */
  codeWritten: (machine: number, bytes: number) => void = () => {};

  constructor(memory: MachineMemory, sizeBytes: number) {
    this.#memory = memory;
    this.sizeBytes = sizeBytes;
    const { ram } = memoryMap(sizeBytes);
    const end = Math.max(...ram.map(({ base, length }) => base + length));
    this.pages = end / PAGE_BYTES;
    this.table = memory.region(this.pages * 4);
    for (const { base, length } of ram) {
      const first = this.table / 4 + base / PAGE_BYTES;
      memory.u32.fill(FRAME_RAM, first, first + length / PAGE_BYTES);
    }
  }

  #entry(page: number): number {
    return page < this.pages ? (this.#memory.u32[(this.table >>> 2) + page] as number) : 0;
  }

  /** Frame-table entry with a frame assigned; `write` marks it dirty. */
  assign(physical: number, write: boolean): number {
    const page = Math.floor(physical / PAGE_BYTES);
    let entry = this.#entry(page);
    if ((entry & FRAME_RAM) === 0) return entry;
    if ((entry & FRAME_MASK) === 0) {
      const frame = this.#memory.frame();
      this.#pageOf[frame / PAGE_BYTES] = page + 1;
      this.#framesAssigned++;
      entry |= frame;
    }
    if (write) entry |= FRAME_DIRTY;
    this.#memory.u32[(this.table >>> 2) + page] = entry;
    return entry | 0;
  }

  /** The blocks of decoded code came to be in this frame, or are all gone. */
  setCode(frame: number, hasCode: boolean): void {
    const page = this.#pageOf[frame / PAGE_BYTES] as number;
    if (page === 0) return;
    const place = (this.table >>> 2) + page - 1;
    const entry = this.#memory.u32[place] as number;
    this.#memory.u32[place] = hasCode ? entry | FRAME_CODE : entry & ~FRAME_CODE;
  }

  #isRam(address: number, length: number): boolean {
    if (!(address >= 0) || address + length > this.pages * PAGE_BYTES) return false;
    const last = Math.floor((address + Math.max(length, 1) - 1) / PAGE_BYTES);
    for (let page = Math.floor(address / PAGE_BYTES); page <= last; page++) {
      if ((this.#entry(page) & FRAME_RAM) === 0) return false;
    }
    return true;
  }

  read(address: number, into: Uint8Array): boolean {
    if (!this.#isRam(address, into.length)) return false;
    this.#pieces(address, into.length, (page, offset, start, length) => {
      const frame = (this.#entry(page) & FRAME_MASK) >>> 0;
      const piece = into.subarray(start, start + length);
      if (frame === 0) piece.fill(0);
      else piece.set(this.#memory.u8.subarray(frame + offset, frame + offset + length));
    });
    return true;
  }

  write(address: number, from: Uint8Array): boolean {
    if (!this.#isRam(address, from.length)) return false;
    this.#pieces(address, from.length, (page, offset, start, length) => {
      const entry = this.assign(page * PAGE_BYTES, true);
      const machine = ((entry & FRAME_MASK) >>> 0) + offset;
      this.#memory.u8.set(from.subarray(start, start + length), machine);
      if ((entry & FRAME_CODE) !== 0) this.codeWritten(machine, length);
    });
    return true;
  }

  #pieces(
    address: number,
    length: number,
    each: (page: number, offset: number, start: number, length: number) => void,
  ): void {
    for (let done = 0; done < length; ) {
      const offset = (address + done) % PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - offset, length - done);
      each(Math.floor((address + done) / PAGE_BYTES), offset, done, count);
      done += count;
    }
  }

  get touchedBytes(): number {
    return this.#framesAssigned * PAGE_BYTES;
  }

  /** Every page that has a frame and is not all zeros, lowest first. */
  *contents(): Generator<{ page: number; bytes: Uint8Array }> {
    for (let page = 0; page < this.pages; page++) {
      const frame = (this.#entry(page) & FRAME_MASK) >>> 0;
      if (frame === 0) continue;
      const bytes = this.#memory.u8.subarray(frame, frame + PAGE_BYTES);
      if (bytes.some((byte) => byte !== 0)) yield { page, bytes };
    }
  }
}
