/**
 * The state in which a loader hands the machine over: everything the first virtual CPU needs before its first
 * instruction. What is not listed (x87, SSE, debug registers, other MSRs) is as after a reset
 * (SDM Vol. 3A §10.1.1 "Processor State After Reset").
 */

import type { GuestMemory } from '../base/dma.ts';
import { PAGE_BYTES } from './memory-map.ts';
import { StructWriter } from './struct-writer.ts';

/** A segment register with its hidden part. */
export interface SegmentStart {
  readonly selector: number;
  readonly base: number;
  /** In bytes, scaled by the granularity bit already: 0xFFFF_FFFF for a flat segment. */
  readonly limit: number;
  /**
   * As in the VMCS (SDM Vol. 3C §25.4.1 "Guest Register State"): type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14,
   * G 15. These are bits 8 to 23 of the descriptor's high half, its limit bits cleared.
   */
  readonly accessRights: number;
}

export interface TableRegister {
  readonly base: number;
  readonly limit: number;
}

export const GENERAL_REGISTERS = [
  ...(['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'] as const),
  ...(['r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'] as const),
] as const;
export type GeneralRegister = (typeof GENERAL_REGISTERS)[number];

export interface CpuStart {
  /** Says what the registers below say: 64-bit mode, protected mode without paging, real mode. */
  readonly mode: 'long' | 'protected32' | 'real';
  readonly rip: number;
  /** All sixteen; unsigned, below 2^53. */
  readonly general: Readonly<Record<GeneralRegister, number>>;
  readonly rflags: number;
  readonly segments: Readonly<Record<'es' | 'cs' | 'ss' | 'ds' | 'fs' | 'gs' | 'ldtr' | 'tr', SegmentStart>>;
  readonly gdtr: TableRegister;
  readonly idtr: TableRegister;
  readonly cr0: number;
  readonly cr3: number;
  readonly cr4: number;
  readonly efer: number;
}

/** Bit 1 always reads as one (SDM Vol. 1 §3.4.3 "EFLAGS Register"); interrupts are off. */
const RFLAGS_FIXED = 1 << 1;
const CR0_PE = 1 << 0;
const CR0_ET = 1 << 4;
const CR0_PG = 0x8000_0000;
const CR4_PAE = 1 << 5;
const EFER_LME = 1 << 8;
const EFER_LMA = 1 << 10;

const FLAT_LIMIT = 0xffff_ffff;
/** Execute/read, accessed, present, 32-bit, pages. */
const CODE32 = 0xc09b;
/** Execute/read, accessed, present, 64-bit, pages. */
const CODE64 = 0xa09b;
/** Read/write, accessed, present, 32-bit, pages. */
const DATA = 0xc093;
const LDT = 0x0082;
const BUSY_TSS = 0x008b;

export interface EntryPoint {
  readonly rip: number;
  /** Registers that are not zero. */
  readonly general: Partial<Record<GeneralRegister, number>>;
  readonly codeSelector: number;
  readonly dataSelector: number;
  /** Physical address of `GDT_BYTES` bytes for the descriptor table. */
  readonly gdt: number;
}

export const GDT_BYTES = 32;

/** Flat 32-bit protected mode, paging off. Writes the descriptor table. */
export function protectedStart(memory: GuestMemory, entry: EntryPoint): CpuStart {
  return {
    ...commonStart(memory, entry, CODE32),
    mode: 'protected32',
    cr0: CR0_PE | CR0_ET,
    cr3: 0,
    cr4: 0,
    efer: 0,
  };
}

/** 64-bit mode on the identity mapping at `pageTables` (see `writeIdentityMap`). Writes the descriptor table. */
export function longStart(memory: GuestMemory, entry: EntryPoint, pageTables: number): CpuStart {
  return {
    ...commonStart(memory, entry, CODE64),
    mode: 'long',
    cr0: (CR0_PG | CR0_PE | CR0_ET) >>> 0,
    cr3: pageTables,
    cr4: CR4_PAE,
    efer: EFER_LME | EFER_LMA,
  };
}

const REAL_DATA = 0x0093;
const REAL_CODE = 0x009b;
/** CD, NW and ET. */
const CR0_RESET = 0x6000_0010;
/** CPUID's signature, which processors leave in EDX. */
const SIGNATURE = 0x0006_0000;

/** As a processor begins: the instruction 16 bytes below 4 GiB. */
export function resetStart(): CpuStart {
  const data: SegmentStart = { selector: 0, base: 0, limit: 0xffff, accessRights: REAL_DATA };
  const code: SegmentStart = { selector: 0xf000, base: 0xffff_0000, limit: 0xffff, accessRights: REAL_CODE };
  const zeros = Object.fromEntries(GENERAL_REGISTERS.map((name) => [name, 0])) as Record<GeneralRegister, number>;
  return {
    mode: 'real',
    rip: 0xfff0,
    general: { ...zeros, rdx: SIGNATURE },
    rflags: RFLAGS_FIXED,
    segments: {
      cs: code,
      ss: data,
      ds: data,
      es: data,
      fs: data,
      gs: data,
      ldtr: { ...data, accessRights: LDT },
      tr: { ...data, accessRights: BUSY_TSS },
    },
    gdtr: { base: 0, limit: 0xffff },
    idtr: { base: 0, limit: 0xffff },
    cr0: CR0_RESET,
    cr3: 0,
    cr4: 0,
    efer: 0,
  };
}

function commonStart(memory: GuestMemory, entry: EntryPoint, codeRights: number) {
  const data: SegmentStart = { selector: entry.dataSelector, base: 0, limit: FLAT_LIMIT, accessRights: DATA };
  const code: SegmentStart = { ...data, selector: entry.codeSelector, accessRights: codeRights };
  const gdt = new Uint8Array(GDT_BYTES);
  for (const segment of [code, data]) gdt.set(flatDescriptor(segment.accessRights), segment.selector);
  memory.write(entry.gdt, gdt);
  const zeros = Object.fromEntries(GENERAL_REGISTERS.map((name) => [name, 0])) as Record<GeneralRegister, number>;
  return {
    rip: entry.rip,
    general: { ...zeros, ...entry.general },
    rflags: RFLAGS_FIXED,
    segments: {
      cs: code,
      ss: data,
      ds: data,
      es: data,
      fs: data,
      gs: data,
      ldtr: { selector: 0, base: 0, limit: 0xffff, accessRights: LDT },
      tr: { selector: 0, base: 0, limit: 0x67, accessRights: BUSY_TSS },
    },
    gdtr: { base: entry.gdt, limit: GDT_BYTES - 1 },
    idtr: { base: 0, limit: 0 },
  };
}

/** A segment descriptor of base 0 and 4 GiB (SDM Vol. 3A §3.4.5 "Segment Descriptors"). */
function flatDescriptor(accessRights: number): Uint8Array {
  return new StructWriter().u32(0x0000_ffff, ((accessRights & 0xf0ff) << 8) | 0x000f_0000).finish();
}

const IDENTITY_GIB = 4;
/** One PML4, one page-directory-pointer table, and a page directory for each GiB. */
export const IDENTITY_MAP_BYTES = (2 + IDENTITY_GIB) * PAGE_BYTES;
const PTE_PRESENT = 1 << 0;
const PTE_WRITABLE = 1 << 1;
const PTE_LARGE = 1 << 7;

/** Maps the first 4 GiB to themselves in 2 MiB pages (SDM Vol. 3A §4.5 "4-Level Paging and 5-Level Paging"). */
export function writeIdentityMap(memory: GuestMemory, pageTables: number): void {
  const tables = new BigUint64Array(IDENTITY_MAP_BYTES / 8);
  const entriesPerTable = PAGE_BYTES / 8;
  const pointer = (address: number) => BigInt(address + (PTE_PRESENT | PTE_WRITABLE));
  tables[0] = pointer(pageTables + PAGE_BYTES);
  for (let gib = 0; gib < IDENTITY_GIB; gib++) {
    tables[entriesPerTable + gib] = pointer(pageTables + (2 + gib) * PAGE_BYTES);
  }
  for (let page = 0; page < IDENTITY_GIB * entriesPerTable; page++) {
    tables[2 * entriesPerTable + page] = BigInt(page * 0x20_0000 + (PTE_PRESENT | PTE_WRITABLE | PTE_LARGE));
  }
  memory.write(pageTables, new Uint8Array(tables.buffer));
}
