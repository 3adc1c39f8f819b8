/**
 * For tests: a vCPU with a little RAM, in real-address, protected or 64-bit mode, whose exceptions all end in a HLT.
 *
 *     0x1000  GDT      0x2000  IDT      0x3000  TSS (and its I/O map)      0x4000  page tables, 64-bit mode only
 *     0x8000  HLT for vector n at + 16 n                     0x10000  code      stacks below 0x20000 and 0x30000
 */

import { CS, DS, ES, FS, GS, LDTR, SS, TR } from '../../algebra.ts';
import { Engine } from '../../interpreter/engine.ts';
import { Vcpu } from '../../interpreter/vcpu.ts';
import { FRAME_RAM } from '../../layout.ts';
import { MachineMemory } from '../../machine-memory.ts';
import type { Monitor } from '../../monitor.ts';
import { RSP, type StateField, vcpu } from '../../state.ts';

const PAGE = 4096;
const PAGES = 256;
const HLT = 0xf4;

export const GDT = 0x1000;
export const IDT = 0x2000;
export const TSS = 0x3000;
export const HANDLERS = 0x8000;
export const CODE = 0x10000;
export const STACK = 0x20000;
/** Stack of level 0 for those that come from outside. */
export const INNER_STACK = 0x30000;
/** Code of level 3. */
export const USER_CODE = 0x18000;

/** Selectors of the GDT; from FREE on entries are the test's. */
export const CODE_0 = 0x08;
export const DATA_0 = 0x10;
export const CODE_3 = 0x1b;
export const DATA_3 = 0x23;
export const TASK = 0x28;
export const FREE = 0x40;

const PAGE_TABLES = 0x4000;
const IO_MAP = 0x68;
const IO_MAP_BYTES = 0x100;

/** Access bytes of descriptors; DPL goes into bits 5 and 6. */
export const ACCESS_CODE = 0x9b;
export const ACCESS_CONFORMING = 0x9f;
export const ACCESS_DATA = 0x93;
export const ACCESS_TSS_32 = 0x89;
export const ACCESS_TSS_16 = 0x81;
export const ACCESS_LDT = 0x82;
export const DPL_3 = 0x60;
export const FLAGS_32 = 0xc;
export const FLAGS_64 = 0xa;
export const FLAGS_16 = 0x0;

export type Mode = 'real' | 'protected' | 'long';

/** How a run ended: in the HLT of an exception's handler, or in another one. */
export interface Ending {
  readonly vector: number | undefined;
  /** Offset behind the HLT. */
  readonly rip: number;
}

let engine: Engine | undefined;

/** `bytes` bytes of a value as they stand in code. */
export function hex(value: number, bytes: number): string {
  let text = '';
  for (let i = 0; i < bytes; i++) text += ((value >>> (8 * i)) & 0xff).toString(16).padStart(2, '0');
  return text;
}

/** A far pointer with a 32-bit offset. */
export function far(selector: number, offset: number): string {
  return hex(offset, 4) + hex(selector, 2);
}

export class TestMachine {
  readonly cpu: Vcpu;
  readonly mode: Mode;
  readonly portWrites: { port: number; value: number; bytes: number }[] = [];
  /** What answers, rather than the ports' numbers. */
  ports: Partial<Pick<Monitor, 'portRead' | 'portReadMany' | 'portWriteMany'>> = {};
  readonly #memory: MachineMemory;
  readonly #ram: number;

  constructor(mode: Mode) {
    // Generated code is shared by all machines of a process.
    engine ??= new Engine(new MachineMemory(1 << 20));
    this.mode = mode;
    this.#memory = engine.memory;
    this.#ram = this.#memory.region(PAGES * PAGE, PAGE);
    const table = this.#memory.region(PAGES * 4);
    for (let page = 0; page < PAGES; page++) {
      this.#memory.u32[table / 4 + page] = (this.#ram + page * PAGE) | FRAME_RAM;
    }
    this.cpu = new Vcpu(engine, this.#monitor(), table, PAGES);
    this.#reset();
    if (mode === 'real') this.#enterReal();
    else this.#enterProtected(mode === 'long');
    this.cpu.translations.flushAll();
    this.cpu.contextChanged();
  }

  #monitor(): Monitor {
    return {
      portRead: (port, bytes) => this.ports.portRead?.(port, bytes) ?? (port * 0x01010101) >>> (32 - 8 * bytes),
      portWrite: (port, bytes, value) => void this.portWrites.push({ port, value, bytes }),
      portReadMany: (port, bytes, into) => this.ports.portReadMany?.(port, bytes, into) ?? false,
      portWriteMany: (port, bytes, from) => this.ports.portWriteMany?.(port, bytes, from) ?? false,
      deviceRead: () => 0n,
      deviceWrite: () => {},
      cpuid: () => {},
      readMsr: () => false,
      writeMsr: () => false,
      eventDelivered: () => {},
      readCr8: () => 0,
      writeCr8: () => {},
      managementMode: () => {},
      numericError: () => {},
      tsc: () => 0x123456789an,
      random: () => 0n,
      assignFrame: () => 0,
    };
  }

  // ---- State -------------------------------------------------------------------------------------------------------

  get(field: StateField, index = 0): number {
    return Number(this.cpu.get(field, index));
  }

  set(field: StateField, value: number | bigint, index = 0): void {
    this.cpu.set(field, BigInt(value), index);
  }

  gpr(register: number): number {
    return this.get(vcpu.gpr, register);
  }

  setGpr(register: number, value: number | bigint): void {
    this.set(vcpu.gpr, value, register);
  }

  selector(segment: number): number {
    return this.get(vcpu.segmentSelector, segment);
  }

  #reset(): void {
    this.set(vcpu.rflags, 2);
    this.set(vcpu.flagZero, 1);
    this.set(vcpu.flagResult, 1);
    this.set(vcpu.cr0, 0x10);
    this.set(vcpu.dr, 0xffff0ff0, 6);
    this.set(vcpu.dr, 0x400, 7);
    this.set(vcpu.xcr0, 1);
    this.set(vcpu.idtrBase, IDT);
    this.set(vcpu.rip, CODE);
    this.setGpr(RSP, STACK);
    this.setSegment(LDTR, 0, 0, 0, 0x82);
    this.setSegment(TR, 0, 0, 0xffff, 0x8b);
    for (let vector = 0; vector < 256; vector++) this.write(HANDLERS + 16 * vector, [HLT]);
  }

  setSegment(segment: number, selector: number, base: number, limit: number, access: number): void {
    this.set(vcpu.segmentSelector, selector, segment);
    this.set(vcpu.segmentBase, base, segment);
    this.set(vcpu.segmentLimit, limit, segment);
    this.set(vcpu.segmentAccess, access, segment);
  }

  /** Code at 1000:0000, the stack below 2000:0000, handlers through an interrupt table at 0. */
  #enterReal(): void {
    for (let segment = 0; segment <= GS; segment++) this.setSegment(segment, 0, 0, 0xffff, 0x93);
    this.setSegment(CS, CODE >> 4, CODE, 0xffff, 0x93);
    this.setSegment(SS, 0x1000, 0x10000, 0xffff, 0x93);
    this.set(vcpu.rip, 0);
    this.setGpr(RSP, 0xfff0);
    this.set(vcpu.idtrBase, 0);
    this.set(vcpu.idtrLimit, 0x3ff);
    for (let vector = 0; vector < 256; vector++) this.write32(4 * vector, HANDLERS + 16 * vector);
  }

  #enterProtected(long: boolean): void {
    const code = long ? FLAGS_64 : FLAGS_32;
    this.set(vcpu.gdtrBase, GDT);
    this.set(vcpu.gdtrLimit, 0x3ff);
    this.descriptor(CODE_0, 0, 0xfffff, ACCESS_CODE, code);
    this.descriptor(DATA_0, 0, 0xfffff, ACCESS_DATA, FLAGS_32);
    this.descriptor(CODE_3, 0, 0xfffff, ACCESS_CODE | DPL_3, code);
    this.descriptor(DATA_3, 0, 0xfffff, ACCESS_DATA | DPL_3, FLAGS_32);
    this.descriptor(TASK, TSS, 0xfff, ACCESS_TSS_32 | 2, 0);
    this.setSegment(TR, TASK, TSS, 0xfff, 0x8b);
    this.setSegment(CS, CODE_0, 0, 0xffffffff, long ? 0xa09b : 0xc09b);
    for (const segment of [ES, SS, DS, FS, GS]) this.setSegment(segment, DATA_0, 0, 0xffffffff, 0xc093);
    this.write32(TSS + 4, INNER_STACK);
    if (!long) this.write32(TSS + 8, DATA_0);
    this.write16(TSS + 0x66, IO_MAP);
    for (let i = 0; i < IO_MAP_BYTES; i++) this.write(TSS + IO_MAP + i, [0xff]);
    this.set(vcpu.cr0, 0x11);
    const gateBytes = long ? 16 : 8;
    this.set(vcpu.idtrLimit, 256 * gateBytes - 1);
    for (let vector = 0; vector < 256; vector++) this.gate(vector, HANDLERS + 16 * vector, 0x8e);
    if (long) this.#enterLong();
  }

  /** 1 GiB mapped onto itself by large pages that all may use. */
  #enterLong(): void {
    this.write32(PAGE_TABLES, (PAGE_TABLES + PAGE) | 7);
    this.write32(PAGE_TABLES + PAGE, 0x87);
    this.set(vcpu.cr3, PAGE_TABLES);
    this.set(vcpu.cr4, 0x20);
    this.set(vcpu.efer, 0x501);
    this.set(vcpu.cr0, 0x80000011);
  }

  // ---- Tables ------------------------------------------------------------------------------------------------------

  /** `limit` in the descriptor's own units; `flags` are G, D/B, L and AVL. */
  descriptor(selector: number, base: number, limit: number, access: number, flags: number, table = GDT): void {
    const at = table + (selector & 0xfff8);
    this.write32(at, (limit & 0xffff) | ((base & 0xffff) << 16));
    const middle = ((base >>> 16) & 0xff) | (access << 8) | (limit & 0xf0000) | (flags << 20);
    this.write32(at + 4, middle | (base & 0xff000000));
  }

  /** An interrupt, trap or task gate. */
  gate(vector: number, offset: number, access: number, selector = CODE_0, ist = 0): void {
    const at = IDT + vector * (this.mode === 'long' ? 16 : 8);
    this.write32(at, (offset & 0xffff) | (selector << 16));
    this.write32(at + 4, (offset & 0xffff0000) | (access << 8) | ist);
  }

  // ---- Memory ------------------------------------------------------------------------------------------------------

  write(address: number, bytes: readonly number[]): void {
    this.#memory.u8.set(bytes, this.#ram + address);
    engine?.blocks.written(this.#ram + address, bytes.length);
  }

  write16(address: number, value: number): void {
    this.write(address, [value & 0xff, (value >> 8) & 0xff]);
  }

  write32(address: number, value: number): void {
    this.#memory.view.setUint32(this.#ram + address, value, true);
  }

  read(address: number, bytes: 1 | 2 | 4 | 8): number {
    let value = 0;
    for (let i = bytes - 1; i >= 0; i--) value = value * 256 + (this.#memory.u8[this.#ram + address + i] as number);
    return value;
  }

  /** The `i`th value from the top of the stack, whose base is 0 but in real mode. */
  stack(i: number, bytes: 2 | 4 | 8): number {
    return this.read(this.get(vcpu.segmentBase, SS) + this.gpr(RSP) + i * bytes, bytes);
  }

  // ---- Running -----------------------------------------------------------------------------------------------------

  /** Runs `code` (hexadecimal, blanks ignored) from the start of the code until a HLT. */
  run(code: string): Ending {
    this.set(vcpu.rip, this.mode === 'real' ? 0 : CODE);
    this.place(CODE, code);
    return this.resume();
  }

  place(address: number, code: string): void {
    this.write(
      address,
      code
        .replaceAll(' ', '')
        .match(/../g)
        ?.map((byte) => Number.parseInt(byte, 16)) ?? [],
    );
  }

  /** Goes to level 3, where `code` is about to run. */
  enterUser(code: string, rflags = 2): void {
    const accessRights = this.mode === 'long' ? 0xa0fb : 0xc0fb;
    this.place(USER_CODE, code);
    this.setSegment(CS, CODE_3, 0, 0xffffffff, accessRights);
    for (const segment of [ES, SS, DS, FS, GS]) this.setSegment(segment, DATA_3, 0, 0xffffffff, 0xc0f3);
    this.set(vcpu.cpl, 3);
    this.set(vcpu.rip, USER_CODE);
    this.set(vcpu.rflags, rflags);
    this.cpu.contextChanged();
  }

  resume(): Ending {
    for (let i = 0; i < 100; i++) {
      const debug = this.get(vcpu.pendingDebug);
      if (debug !== 0) {
        this.set(vcpu.pendingDebug, 0);
        this.set(vcpu.dr, (this.get(vcpu.dr, 6) | debug) >>> 0, 6);
        this.cpu.exception(1);
      }
      this.cpu.attention = false;
      const reason = this.cpu.run(1000);
      if (reason === 'shutdown') throw new Error(`triple fault near ${this.get(vcpu.rip).toString(16)}`);
      if (reason !== 'halt') continue;
      const rip = this.get(vcpu.rip);
      const handler = (rip - 1 - HANDLERS) / 16;
      return { vector: Number.isInteger(handler) && handler >= 0 && handler < 256 ? handler : undefined, rip };
    }
    throw new Error(`does not end; now at ${this.get(vcpu.rip).toString(16)}`);
  }
}
