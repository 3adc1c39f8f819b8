/**
 * A vCPU of the generated tiers with a little memory and page tables of its own, for tests. Ports and devices are
 * supplied by the test; CPUID and the MSRs answer nothing.
 */

import { FRAME_CODE, FRAME_DIRTY, FRAME_MASK, FRAME_RAM } from '../layout.ts';
import { MachineMemory } from '../machine-memory.ts';
import type { Monitor } from '../monitor.ts';
import { vcpu } from '../state.ts';
import { Engine, type EngineOptions } from './engine.ts';
import { Vcpu } from './vcpu.ts';

const PAGE = 0x1000;
const TABLE_ENTRIES = 512;

export const PRESENT = 1n;
export const WRITABLE = 2n;
export const USER = 4n;
export const ACCESSED = 0x20n;
export const DIRTY = 0x40n;
export const LARGE = 0x80n;
export const NO_EXECUTE = 1n << 63n;

/** What the guest reaches beyond its memory. Reads of what is not supplied give zeros. */
export interface TestDevices {
  portRead?(port: number, bytes: number): number;
  portWrite?(port: number, bytes: number, value: number): void;
  portReadMany?(port: number, bytes: number, into: Uint8Array): boolean;
  portWriteMany?(port: number, bytes: number, from: Uint8Array): boolean;
  deviceRead?(physical: number, bytes: number): bigint;
  deviceWrite?(physical: number, bytes: number, value: bigint): void;
}

export class TestMachine implements Monitor {
  readonly memory: MachineMemory;
  readonly engine: Engine;
  readonly cpu: Vcpu;
  devices: TestDevices = {};
  readonly #ramPages: number;
  readonly #frameTable: number;
  readonly #pageOf = new Map<number, number>();
  /** Page tables are given out from the end of memory downwards. */
  #nextTable: number;
  /** Guest-physical address of the top-level page table. */
  readonly root: number;

  constructor(ramPages = 256, memory = new MachineMemory(1 << 20), options: EngineOptions = {}) {
    this.memory = memory;
    this.engine = new Engine(memory, options);
    this.#ramPages = ramPages;
    this.#frameTable = this.memory.region(4 * ramPages);
    this.memory.u32.fill(FRAME_RAM, this.#frameTable >>> 2, (this.#frameTable >>> 2) + ramPages);
    this.cpu = new Vcpu(this.engine, this, this.#frameTable, ramPages);
    this.#nextTable = ramPages * PAGE;
    this.root = this.#newTable();
    this.engine.blocks.frames.changed = (frame, hasCode) => this.#codeChanged(frame, hasCode);
  }

  #place(page: number): number {
    return (this.#frameTable >>> 2) + page;
  }

  #codeChanged(frame: number, hasCode: boolean): void {
    const place = this.#place(this.#pageOf.get(frame) as number);
    const entry = this.memory.u32[place] as number;
    this.memory.u32[place] = hasCode ? entry | FRAME_CODE : entry & ~FRAME_CODE;
    if (hasCode) this.cpu.translations.forbidWrites(frame);
  }

  // ---- Memory ------------------------------------------------------------------------------------------------------

  /** Machine address of a guest-physical one. */
  machine(physical: number): number {
    const entry = this.assignFrame(physical, false);
    return ((entry & FRAME_MASK) >>> 0) + (physical % PAGE);
  }

  /** Bytes of one guest page. Valid until machine memory grows: not to be kept. */
  page(physical: number): Uint8Array {
    const start = this.machine(physical);
    return this.memory.u8.subarray(start, start + PAGE);
  }

  /** Writes guest-physical memory as a device does. */
  write(physical: number, bytes: ArrayLike<number>): void {
    for (let i = 0; i < bytes.length; i++) {
      const at = this.machine(physical + i);
      this.memory.u8[at] = bytes[i] as number;
      this.engine.blocks.written(at, 1);
    }
  }

  read64(physical: number): bigint {
    return this.memory.view.getBigUint64(this.machine(physical), true);
  }

  write64(physical: number, value: bigint): void {
    this.memory.view.setBigUint64(this.machine(physical), value, true);
  }

  // ---- Page tables -------------------------------------------------------------------------------------------------

  #newTable(): number {
    this.#nextTable -= PAGE;
    return this.#nextTable;
  }

  /** Another top-level page table. */
  addRoot(): number {
    return this.#newTable();
  }

  /** Guest-physical address of the entry that maps `linear`: of a 4 KiB page, or of a 2 MiB page. */
  entryOf(linear: bigint, large = false, root = this.root): number {
    let table = root;
    for (const shift of large ? [39n, 30n] : [39n, 30n, 21n]) {
      const place = table + 8 * Number((linear >> shift) & BigInt(TABLE_ENTRIES - 1));
      let entry = this.read64(place);
      if ((entry & PRESENT) === 0n) {
        entry = BigInt(this.#newTable()) | PRESENT | WRITABLE | USER;
        this.write64(place, entry);
      }
      table = Number(entry & 0xf_ffff_ffff_f000n);
    }
    const shift = large ? 21n : 12n;
    return table + 8 * Number((linear >> shift) & BigInt(TABLE_ENTRIES - 1));
  }

  /** Maps a 4 KiB page, or with LARGE among the rights a 2 MiB page. */
  map(linear: bigint, physical: number, rights: bigint, root = this.root): void {
    this.write64(this.entryOf(linear, (rights & LARGE) !== 0n, root), BigInt(physical) | rights);
  }

  // ---- Monitor -----------------------------------------------------------------------------------------------------

  portRead(port: number, bytes: number): number {
    return this.devices.portRead?.(port, bytes) ?? 0;
  }

  portWrite(port: number, bytes: number, value: number): void {
    this.devices.portWrite?.(port, bytes, value);
  }

  portReadMany(port: number, bytes: number, into: Uint8Array): boolean {
    return this.devices.portReadMany?.(port, bytes, into) ?? false;
  }

  portWriteMany(port: number, bytes: number, from: Uint8Array): boolean {
    return this.devices.portWriteMany?.(port, bytes, from) ?? false;
  }

  deviceRead(physical: number, bytes: number): bigint {
    return this.devices.deviceRead?.(physical, bytes) ?? 0n;
  }

  deviceWrite(physical: number, bytes: number, value: bigint): void {
    this.devices.deviceWrite?.(physical, bytes, value);
  }

  cpuid(): void {
    for (let register = 0; register < 4; register++) this.cpu.set(vcpu.gpr, 0n, register);
  }

  readMsr(): boolean {
    return false;
  }

  writeMsr(): boolean {
    return false;
  }

  readCr8(): number {
    return 0;
  }

  writeCr8(): void {}

  managementMode(): void {}

  numericError(): void {}

  tsc(): bigint {
    return 0n;
  }

  random(): bigint {
    return 0n;
  }

  eventDelivered(): void {}

  assignFrame(physical: number, write: boolean): number {
    const page = Math.floor(physical / PAGE);
    if (page >= this.#ramPages) return 0;
    const place = this.#place(page);
    let entry = this.memory.u32[place] as number;
    if ((entry & FRAME_MASK) === 0) {
      const frame = this.memory.frame();
      this.#pageOf.set(frame, page);
      entry |= frame;
    }
    if (write) entry |= FRAME_DIRTY;
    this.memory.u32[place] = entry;
    return entry | 0;
  }
}
