/**
 * What a vCPU remembers of translations: address-space numbers by PCID, the TLBs, the jump cache, and forgetting them
 * as SDM Vol. 3A §4.10 "Caching Translation Information" asks. Switching address spaces costs a new tag, not a flush.
 *
 * With CR4.PGE the supervisor TLB, and what the jump cache knows of supervisor code, have a tag of their own that
 * outlives address spaces: a kernel's pages are global. The few entries that are not are listed, and go with a switch.
 * A system whose kernel is not global gets back the tag of the address space.
 */

import {
  ASID_LIMIT,
  FRAME_MASK,
  JUMP_CACHE,
  JUMP_CACHE_ENTRIES,
  JUMP_CACHE_ENTRY_BYTES,
  LOCAL_ENTRIES,
  MOST_LOCAL_ENTRIES,
  PCID_TABLE,
  TLB,
  TLB_BYTES,
  TLB_COUNT,
  TLB_ENTRIES,
  TLB_ENTRY_BYTES,
  TLB_FRAME,
  TLB_SUPERVISOR,
  TLB_WRITE,
} from '../layout.ts';
import type { MachineMemory } from '../machine-memory.ts';
import { LARGE_PAGE_MAPS, PAGE_MAP_BITS } from '../mmu/translate.ts';
import { vcpu } from '../state.ts';
import { EXECUTED_PAGE_MAP } from './core.ts';

const PCIDS = 4096;
const CR4_PGE = 1n << 7n;
const CR4_PCIDE = 1n << 17n;
const CR0_PG = 1n << 31n;
/** Fetches from pages that are not global after which a kernel counts as not global. */
const MOST_LOCAL_FETCHES = 2000;

function tagOf(asid: number): bigint {
  return BigInt(asid) << 52n;
}

export class Translations {
  readonly #memory: MachineMemory;
  readonly #base: number;
  /** Recomputes what is derived from the tag. */
  readonly #changed: () => void;
  #lastAsid = 0;
  /** Of the supervisor TLB; 0 when none is assigned. */
  #supervisorAsid = 0;
  flushes = 0;

  constructor(memory: MachineMemory, base: number, changed: () => void) {
    this.#memory = memory;
    this.#base = base;
    this.#changed = changed;
  }

  #pcid(): number {
    const { view } = this.#memory;
    const enabled = (view.getBigUint64(this.#base + vcpu.cr4.offset, true) & CR4_PCIDE) !== 0n;
    return enabled ? Number(view.getBigUint64(this.#base + vcpu.cr3.offset, true) & 0xfffn) : 0;
  }

  /** CR3 was written; `keep` when the PCID's translations stay (bit 63 of the source). */
  addressSpaceChanged(keep: boolean): void {
    // Both numbers that may be wanted are there, or all are free.
    if (this.#lastAsid + 2 >= ASID_LIMIT) this.#startOver();
    const { view } = this.#memory;
    const entry = this.#base + PCID_TABLE + 2 * this.#pcid();
    let asid = view.getUint16(entry, true);
    if (!keep || asid === 0) asid = this.#newAsid();
    view.setUint16(entry, asid, true);
    this.#forgetLocal();
    if (!this.#isGlobal()) this.#supervisorAsid = 0;
    else if (this.#supervisorAsid === 0) this.#supervisorAsid = this.#newAsid();
    view.setBigUint64(this.#base + vcpu.spaceTag.offset, tagOf(asid), true);
    view.setBigUint64(this.#base + vcpu.supervisorTag.offset, tagOf(this.#supervisorAsid || asid), true);
    this.#changed();
  }

  /** Whether there is a kernel in global pages. */
  #isGlobal(): boolean {
    const { view } = this.#memory;
    const enabled = (view.getBigUint64(this.#base + vcpu.cr4.offset, true) & CR4_PGE) !== 0n;
    const paging = (view.getBigUint64(this.#base + vcpu.cr0.offset, true) & CR0_PG) !== 0n;
    return enabled && paging && view.getUint32(this.#base + vcpu.localFetches.offset, true) < MOST_LOCAL_FETCHES;
  }

  /** Entries of the supervisor TLB that belong to the address space. */
  #forgetLocal(): void {
    const { u8, view } = this.#memory;
    const count = view.getUint32(this.#base + vcpu.localEntries.offset, true);
    if (count === 0) return;
    view.setUint32(this.#base + vcpu.localEntries.offset, 0, true);
    if (count > MOST_LOCAL_ENTRIES) {
      this.#supervisorAsid = 0;
      return;
    }
    const table = this.#base + TLB + TLB_SUPERVISOR * TLB_BYTES;
    for (let i = 0; i < count; i++) {
      const entry = table + view.getUint16(this.#base + LOCAL_ENTRIES + 2 * i, true) * TLB_ENTRY_BYTES;
      u8.fill(0, entry, entry + 24);
    }
  }

  /** Forgets every address space's translations, global ones included. */
  flushAll(): void {
    this.#memory.u8.fill(0, this.#base + PCID_TABLE, this.#base + PCID_TABLE + 2 * PCIDS);
    this.#supervisorAsid = 0;
    this.addressSpaceChanged(false);
  }

  #newAsid(): number {
    this.flushes++;
    return ++this.#lastAsid;
  }

  /** All numbers are free again, and nothing is remembered. */
  #startOver(): void {
    const { u8 } = this.#memory;
    u8.fill(0, this.#base + PCID_TABLE, this.#base + PCID_TABLE + 2 * PCIDS);
    u8.fill(0, this.#base + TLB, this.#base + TLB + TLB_COUNT * TLB_BYTES);
    this.forgetCode();
    for (const { map } of LARGE_PAGE_MAPS) u8.fill(0, this.#base + map, this.#base + map + PAGE_MAP_BITS / 8);
    this.#supervisorAsid = 0;
    this.#lastAsid = 0;
  }

  /** Blocks that the jump cache knows are gone. */
  forgetCode(): void {
    const { u8 } = this.#memory;
    const start = this.#base + JUMP_CACHE;
    u8.fill(0, start, start + JUMP_CACHE_ENTRIES * JUMP_CACHE_ENTRY_BYTES);
    const map = this.#base + EXECUTED_PAGE_MAP;
    u8.fill(0, map, map + PAGE_MAP_BITS / 8);
  }

  #mapHas(map: number, number: bigint): boolean {
    const hash = Number(number & BigInt(PAGE_MAP_BITS - 1));
    return ((this.#memory.u8[this.#base + map + (hash >> 3)] as number) & (1 << (hash & 7))) !== 0;
  }

  invalidatePage(linear: bigint): void {
    const address = BigInt.asUintN(64, linear);
    if (LARGE_PAGE_MAPS.some(({ map, shift }) => this.#mapHas(map, address >> BigInt(shift)))) {
      this.flushAll();
      return;
    }
    const index = Number((address >> 12n) & BigInt(TLB_ENTRIES - 1));
    for (let which = 0; which < TLB_COUNT; which++) {
      const entry = this.#base + TLB + which * TLB_BYTES + index * TLB_ENTRY_BYTES;
      this.#memory.u8.fill(0, entry, entry + 24);
    }
    if (this.#mapHas(EXECUTED_PAGE_MAP, address >> 12n)) this.forgetCode();
  }

  /** INVPCID's types (SDM Vol. 2A "INVPCID"). 0: one address, 1: one PCID, 2: all, 3: all but global. */
  invalidateContext(kind: number, pcid: number, linear: bigint): void {
    if (kind === 0) {
      this.invalidatePage(linear);
    } else if (kind === 1) {
      this.#memory.view.setUint16(this.#base + PCID_TABLE + 2 * (pcid & 0xfff), 0, true);
      if ((pcid & 0xfff) === this.#pcid()) this.addressSpaceChanged(false);
    } else {
      this.flushAll();
    }
  }

  /** Writes to the frame must take the slow path from now on. */
  forbidWrites(frame: number): void {
    const { view, u32 } = this.#memory;
    const first = this.#base + TLB;
    // The last one is never filled.
    const end = first + (TLB_COUNT - 1) * TLB_BYTES;
    const [step, frameWord, mask] = [TLB_ENTRY_BYTES, TLB_FRAME >> 2, FRAME_MASK];
    for (let entry = first; entry < end; entry += step) {
      if (((u32[(entry >>> 2) + frameWord] as number) & mask) === (frame | 0)) {
        view.setBigUint64(entry + TLB_WRITE, 0n, true);
      }
    }
  }
}
