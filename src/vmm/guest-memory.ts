/**
 * A guest's physical memory: its table from guest-physical page to frame of machine memory. Frames are assigned when a
 * page is first touched. Boards with firmware have ROM and windows in it: pages that show something else than the RAM
 * behind them, or nothing.
 */

import type { GuestMemory } from '../base/dma.ts';
import type { VideoMemory } from '../base/screen.ts';
import { FRAME_CODE, FRAME_DIRTY, FRAME_MASK, FRAME_RAM, FRAME_SHARED } from '../cpu/layout.ts';
import type { MachineMemory } from '../cpu/machine-memory.ts';
import { memoryMap, PAGE_BYTES } from '../machine/memory-map.ts';
import { FrozenMemory, isZero } from './frozen-memory.ts';

/** Below, ROM and video memory may be in front of RAM: 1 MiB. */
const LOW_PAGES = 2 ** 20 / PAGE_BYTES;
/** That 32-bit machine memory can have. */
const MACHINE_FRAMES = 2 ** 32 / PAGE_BYTES;

/** Machine memory that is no RAM: ROM, video memory. */
export class MemoryBlock implements VideoMemory {
  readonly machine: number;
  readonly sizeBytes: number;
  readonly #memory: MachineMemory;
  readonly #takeDirty: (block: MemoryBlock) => readonly number[];

  constructor(memory: MachineMemory, sizeBytes: number, takeDirty: (block: MemoryBlock) => readonly number[]) {
    this.#memory = memory;
    this.sizeBytes = sizeBytes;
    this.machine = memory.region(sizeBytes, PAGE_BYTES);
    this.#takeDirty = takeDirty;
  }

  get bytes(): Uint8Array {
    return this.#memory.u8.subarray(this.machine, this.machine + this.sizeBytes);
  }

  takeDirtyPages(): readonly number[] {
    return this.#takeDirty(this);
  }
}

/** Where accesses to pages with something in front of the RAM go. */
export interface Shadowing {
  readonly readsMemory: boolean;
  readonly writesMemory: boolean;
}

/** Pages of RAM that are elsewhere until they are wanted. */
export interface StoredPages {
  /** Fills the page, and what lies with it; false if there is nothing to be filled. */
  bring(page: number): boolean;
  /** Fills all that are left. */
  bringAll(): void;
}

export class FrameTable implements GuestMemory {
  readonly sizeBytes: number;
  /** Machine address of the table, and its number of entries. */
  readonly table: number;
  readonly pages: number;
  readonly #memory: MachineMemory;
  /** Guest-physical page + 1 by number of the frame, 0 for frames that are not this guest's. */
  readonly #pageOf = new Uint32Array(MACHINE_FRAMES);
  #framesAssigned = 0;
  /** By page: entries of RAM that is not seen, or not as it is; and those of the ROM in front of it. */
  readonly #hidden = new Map<number, number>();
  readonly #roms = new Map<number, number>();
  /** Of the hidden pages, those that writes go to nevertheless. */
  readonly #written = new Set<number>();
  /** Where blocks are mapped, by page. */
  readonly #blocks = new Map<MemoryBlock, number>();
  /** Takes what is written to where no memory is. */
  #sink = 0;
  /** Memory that a snapshot is being made of: its pages are marked as shared. */
  #frozen: FrozenMemory | undefined;
  /** What pages without a frame are filled with, if not with zeros. */
  #stored: StoredPages | undefined;
  /** What addresses lead to has changed. */
  remapped: () => void = () => {};
  /** A device wrote to a frame that holds decoded code. */
  codeWritten: (machine: number, bytes: number) => void = () => {};

  /** `wide`: all of the first 4 GiB can be mapped, beyond RAM too. */
  constructor(memory: MachineMemory, sizeBytes: number, wide = false) {
    this.#memory = memory;
    this.sizeBytes = sizeBytes;
    const { ram } = memoryMap(sizeBytes);
    const end = Math.max(...ram.map(({ base, length }) => base + length));
    this.pages = Math.max(end, wide ? 2 ** 32 : 0) / PAGE_BYTES;
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
    if (write && (entry & FRAME_SHARED) !== 0) {
      if (this.#frozen?.keep(page) !== true) return this.#writeBehind(page);
      entry = this.#entry(page);
    }
    if ((entry & FRAME_MASK) === 0) entry = this.#brought(page);
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

  /** The entry of a page that had no frame, which it has now if it was stored. */
  #brought(page: number): number {
    this.#stored?.bring(page);
    return this.#entry(page);
  }

  // ---- What is in front of RAM -------------------------------------------------------------------------------------

  block(sizeBytes: number): MemoryBlock {
    return new MemoryBlock(this.#memory, sizeBytes, (block) => this.#takeDirty(block));
  }

  #setEntry(page: number, entry: number): void {
    this.#memory.u32[(this.table >>> 2) + page] = entry;
  }

  /** Shows a block at an address that is no RAM, or nowhere. */
  mapBlock(block: MemoryBlock, physical: number | undefined): void {
    const pages = block.sizeBytes / PAGE_BYTES;
    const before = this.#blocks.get(block);
    if (before !== undefined) for (let i = 0; i < pages; i++) this.#setEntry(before + i, 0);
    this.#blocks.delete(block);
    const first = physical === undefined ? this.pages : physical / PAGE_BYTES;
    let isFree = first + pages <= this.pages;
    for (let i = 0; i < pages && isFree; i++) isFree = this.#entry(first + i) === 0;
    if (isFree) {
      this.#blocks.set(block, first);
      for (let i = 0; i < pages; i++) {
        const frame = block.machine + i * PAGE_BYTES;
        this.#setEntry(first + i, frame | FRAME_RAM);
        this.#pageOf[frame / PAGE_BYTES] = first + i + 1;
      }
    }
    this.remapped();
  }

  #takeDirty(block: MemoryBlock): readonly number[] {
    const first = this.#blocks.get(block);
    const dirty: number[] = [];
    if (first === undefined) return dirty;
    for (let i = 0; i < block.sizeBytes / PAGE_BYTES; i++) {
      const entry = this.#entry(first + i);
      if ((entry & FRAME_DIRTY) === 0) continue;
      dirty.push(i);
      this.#setEntry(first + i, entry & ~FRAME_DIRTY);
    }
    if (dirty.length > 0) this.remapped();
    return dirty;
  }

  /** ROM, from `offset` of a block on; where there is RAM at that address, in front of it. */
  mapRom(block: MemoryBlock, offset: number, physical: number, bytes: number): void {
    for (let at = 0; at < bytes; at += PAGE_BYTES) {
      const page = (physical + at) / PAGE_BYTES;
      this.#roms.set(page, ((block.machine + offset + at) | FRAME_RAM | FRAME_SHARED) >>> 0);
    }
    this.shadow(physical, bytes, { readsMemory: false, writesMemory: false });
  }

  /** Has accesses go to the RAM at an address, or to the ROM, or to the devices in front of it. */
  shadow(physical: number, bytes: number, { readsMemory, writesMemory }: Shadowing): void {
    for (let page = physical / PAGE_BYTES; page < (physical + bytes) / PAGE_BYTES; page++) {
      const hidden = this.#hidden.get(page);
      const ram = hidden ?? (this.#entry(page) & FRAME_SHARED ? 0 : this.#entry(page));
      this.#hidden.delete(page);
      this.#setEntry(page, ram);
      if (readsMemory && writesMemory) continue;
      const frame = readsMemory || writesMemory ? this.assign(page * PAGE_BYTES, false) >>> 0 : ram;
      this.#hidden.set(page, frame);
      if (writesMemory) this.#written.add(page);
      else this.#written.delete(page);
      this.#setEntry(page, readsMemory ? (frame | FRAME_SHARED) >>> 0 : (this.#roms.get(page) ?? 0));
    }
    this.remapped();
  }

  /** Where a write goes to a page that is not to be written. */
  #writeBehind(page: number): number {
    const ram = this.#hidden.get(page) ?? 0;
    if (ram !== 0 && this.#written.has(page)) return ram | FRAME_SHARED | FRAME_DIRTY;
    if (this.#sink === 0) this.#sink = this.#memory.region(PAGE_BYTES, PAGE_BYTES);
    return this.#sink | FRAME_RAM | FRAME_SHARED | FRAME_DIRTY;
  }

  /** The blocks of decoded code came to be in this frame, or are all gone. */
  setCode(frame: number, hasCode: boolean): void {
    const page = (this.#pageOf[frame / PAGE_BYTES] as number) - 1;
    if (page < 0) return;
    const marked = (entry: number): number => (hasCode ? entry | FRAME_CODE : entry & ~FRAME_CODE) >>> 0;
    const hidden = this.#hidden.get(page);
    if (hidden !== undefined) this.#hidden.set(page, marked(hidden));
    const entry = this.#entry(page);
    if ((entry & FRAME_MASK) >>> 0 === frame) this.#setEntry(page, marked(entry));
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
      const entry = this.#entry(page);
      const frame = (((entry & FRAME_MASK) === 0 ? this.#brought(page) : entry) & FRAME_MASK) >>> 0;
      const piece = into.subarray(start, start + length);
      if (frame === 0) piece.fill(0);
      else piece.set(this.#memory.u8.subarray(frame + offset, frame + offset + length));
    });
    return true;
  }

  write(address: number, from: Uint8Array): boolean {
    if (!this.#isRam(address, from.length)) return false;
    // Fast path: disks scatter what they read to single pages.
    if ((address % PAGE_BYTES) + from.length <= PAGE_BYTES) this.#writeInPage(address, from);
    else {
      this.#pieces(address, from.length, (page, offset, start, length) => {
        this.#writeInPage(page * PAGE_BYTES + offset, from.subarray(start, start + length));
      });
    }
    return true;
  }

  #writeInPage(address: number, from: Uint8Array): void {
    const entry = this.assign(address, true);
    const machine = ((entry & FRAME_MASK) >>> 0) + (address % PAGE_BYTES);
    this.#memory.u8.set(from, machine);
    if ((entry & FRAME_CODE) !== 0) this.codeWritten(machine, from.length);
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

  // ---- For snapshots -----------------------------------------------------------------------------------------------

  /** What is in RAM now, seen or not. Translations must be forgotten: those of frozen pages may allow writes. */
  freeze(): FrozenMemory {
    this.#frozen?.finish();
    this.#stored?.bringAll();
    const pages: number[] = [];
    for (const { base, length } of memoryMap(this.sizeBytes).ram) {
      for (let page = base / PAGE_BYTES; page < (base + length) / PAGE_BYTES; page++) {
        if (((this.#hidden.get(page) ?? this.#entry(page)) & FRAME_MASK) === 0) continue;
        pages.push(page);
        if (page >= LOW_PAGES) this.#setEntry(page, this.#entry(page) | FRAME_SHARED);
      }
    }
    const frozen = new FrozenMemory(
      {
        bytesOf: (page) => {
          const frame = ((this.#hidden.get(page) ?? this.#entry(page)) & FRAME_MASK) >>> 0;
          return this.#memory.u8.subarray(frame, frame + PAGE_BYTES);
        },
        thaw: (page) => {
          if (page >= LOW_PAGES) this.#setEntry(page, this.#entry(page) & ~FRAME_SHARED);
        },
      },
      Uint32Array.from(pages),
    );
    for (const page of pages) if (page < LOW_PAGES) frozen.keep(page);
    this.#frozen = frozen;
    return frozen;
  }

  /** As in a guest that is restored: no page has been written. Translations must be forgotten. */
  settle(): void {
    for (const { base, length } of memoryMap(this.sizeBytes).ram) {
      for (let page = base / PAGE_BYTES; page < (base + length) / PAGE_BYTES; page++) this.#forgetWrites(page);
    }
  }

  #forgetWrites(page: number): void {
    const hidden = this.#hidden.get(page);
    if (hidden !== undefined) this.#hidden.set(page, (hidden & ~FRAME_DIRTY) >>> 0);
    else this.#setEntry(page, this.#entry(page) & ~FRAME_DIRTY);
  }

  /** Which page of the guest a frame is. */
  pageOf(frame: number): number | undefined {
    const page = (this.#pageOf[frame / PAGE_BYTES] as number) - 1;
    return page < 0 ? undefined : page;
  }

  /** Whether translations may allow writes to this frame. */
  isWritten(frame: number): boolean {
    const page = (this.#pageOf[frame / PAGE_BYTES] as number) - 1;
    const entry = page < 0 ? 0 : this.#entry(page);
    return (entry & FRAME_MASK) >>> 0 !== frame || (entry & FRAME_DIRTY) !== 0;
  }

  /** So many bytes are about to be filled. */
  expect(bytes: number): void {
    this.#memory.expect(Math.min(bytes, this.sizeBytes));
  }

  /** Of a guest that is restored, what is not filled now: from above the first MiB. */
  fillLater(stored: StoredPages): void {
    this.#stored = stored;
    for (let page = 0; page < LOW_PAGES; page++) stored.bring(page);
  }

  /** Fills pages of RAM, seen or not; false where one is not there. For those that no code has used. */
  fillRam(first: number, pages: number, bytes: Uint8Array | undefined): boolean {
    const [start, end] = [first * PAGE_BYTES, (first + pages) * PAGE_BYTES];
    const { ram } = memoryMap(this.sizeBytes);
    if (!ram.some(({ base, length }) => start >= base && end <= base + length)) return false;
    if (bytes !== undefined && this.#isFresh(first, pages)) {
      const frames = this.#memory.frames(pages);
      this.#framesAssigned += pages;
      const table = (this.table >>> 2) + first;
      const { u32 } = this.#memory;
      for (let i = 0; i < pages; i++) {
        const frame = frames + i * PAGE_BYTES;
        u32[table + i] = frame | FRAME_RAM;
        this.#pageOf[frame / PAGE_BYTES] = first + i + 1;
      }
      this.#memory.u8.set(bytes, frames);
      return true;
    }
    for (let i = 0; i < pages; i++) {
      this.#fillPage(first + i, bytes?.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES));
    }
    return true;
  }

  /** All of it is plain RAM without frames. */
  #isFresh(first: number, pages: number): boolean {
    if (first < LOW_PAGES) return false;
    for (let page = first; page < first + pages; page++) if (this.#entry(page) !== FRAME_RAM) return false;
    return true;
  }

  #fillPage(page: number, bytes: Uint8Array | undefined): void {
    const hidden = this.#hidden.get(page);
    const entry = hidden === undefined ? this.assign(page * PAGE_BYTES, true) : this.#assignHidden(page, hidden);
    const frame = (entry & FRAME_MASK) >>> 0;
    if (bytes !== undefined) this.#memory.u8.set(bytes, frame);
    else this.#memory.u8.fill(0, frame, frame + PAGE_BYTES);
    this.#forgetWrites(page);
  }

  #assignHidden(page: number, hidden: number): number {
    if ((hidden & FRAME_MASK) !== 0) return hidden;
    const frame = this.#memory.frame();
    this.#pageOf[frame / PAGE_BYTES] = page + 1;
    this.#framesAssigned++;
    const entry = (hidden | frame | FRAME_RAM | FRAME_DIRTY) >>> 0;
    this.#hidden.set(page, entry);
    return entry;
  }

  /** Every page of RAM that has a frame and is not all zeros, whatever is in front of it, lowest first. */
  *contents(): Generator<{ page: number; bytes: Uint8Array }> {
    this.#stored?.bringAll();
    for (let page = 0; page < this.pages; page++) {
      const frame = ((this.#hidden.get(page) ?? this.#entry(page)) & FRAME_MASK) >>> 0;
      if (frame === 0) continue;
      const bytes = this.#memory.u8.subarray(frame, frame + PAGE_BYTES);
      if (!isZero(bytes)) yield { page, bytes };
    }
  }
}
