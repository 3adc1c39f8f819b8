/**
 * A machine in 64-bit mode at CPL 0, for tests of the interpreter: the first half megabyte is mapped to itself, and
 * the handler of every exception is HLT.
 *
 *     0x10000 code     0x20000 data     0x30000 stack (down from 0x31000)     0x40000 handlers, IDT, GDT, TSS
 *     0x100000 is the first address that is no memory: a device, mapped at DEVICE
 */

import { CS, LDTR, TR } from '../algebra.ts';
import type { MachineMemory } from '../machine-memory.ts';
import { packedFlags, unpackFlags } from '../reference/state-block.ts';
import { RAX, RSP, vcpu } from '../state.ts';
import type { EngineOptions } from './engine.ts';
import { ACCESSED, DIRTY, PRESENT, TestMachine, USER, WRITABLE } from './test-machine.ts';
import type { StopReason } from './vcpu.ts';

export const CODE = 0x10000;
export const DATA = 0x20000;
export const STACK_TOP = 0x31000;
export const HANDLERS = 0x40000;
export const IDT = 0x41000;
export const GDT = 0x42000;
export const TSS = 0x43000;
/** Offset in the TSS of the first stack that gates can choose. */
export const IST1 = 0x24;
/** Linear address of the device's registers, and their guest-physical one. */
export const DEVICE = 0x80000;
export const DEVICE_PHYSICAL = 0x100000;
const MAPPED = 0x80000;
const PAGE = 0x1000;

export const KERNEL_CODE = 0x08;
export const KERNEL_DATA = 0x10;
export const USER_DATA = 0x1b;
export const USER_CODE = 0x23;

const CR0_PE_ET_NE_WP_PG = 0x8001_0031n;
const CR4_PAE = 0x20n;
const EFER_LME_LMA_NXE = 0xd00n;
const ACCESS_CODE64 = 0xa09bn;
const ACCESS_DATA = 0xc093n;
const ACCESS_DPL3 = 0x60n;
const UNUSABLE = 0x1_0000n;
const HLT = 0xf4;
export const FLAG_IF = 0x200;

export class LongModeMachine extends TestMachine {
  constructor(memory?: MachineMemory, options?: EngineOptions) {
    super(256, memory, options);
    for (let page = 0; page < MAPPED; page += PAGE) this.map(BigInt(page), page, PRESENT | WRITABLE | USER);
    this.map(BigInt(DEVICE), DEVICE_PHYSICAL, PRESENT | WRITABLE | USER | ACCESSED | DIRTY);
    this.page(HANDLERS).fill(HLT);
    for (let vector = 0; vector < 256; vector++) this.setGate(vector, HANDLERS + 16 * vector, 0);
    this.write64(GDT + KERNEL_CODE, 0x00af_9b00_0000_ffffn);
    this.write64(GDT + KERNEL_DATA, 0x00cf_9300_0000_ffffn);
    this.write64(GDT + (USER_DATA & ~3), 0x00cf_f300_0000_ffffn);
    this.write64(GDT + (USER_CODE & ~3), 0x00af_fb00_0000_ffffn);
    // TSS.RSP0 lies at offset 4.
    this.write64(TSS, BigInt(STACK_TOP) << 32n);
    const { cpu } = this;
    cpu.set(vcpu.cr0, CR0_PE_ET_NE_WP_PG);
    cpu.set(vcpu.cr3, BigInt(this.root));
    cpu.set(vcpu.cr4, CR4_PAE);
    cpu.set(vcpu.efer, EFER_LME_LMA_NXE);
    cpu.set(vcpu.dr, 0xffff0ff0n, 6);
    cpu.set(vcpu.dr, 0x400n, 7);
    cpu.set(vcpu.idtrBase, BigInt(IDT));
    cpu.set(vcpu.idtrLimit, 0xfffn);
    cpu.set(vcpu.gdtrBase, BigInt(GDT));
    cpu.set(vcpu.gdtrLimit, 0xffn);
    cpu.set(vcpu.segmentBase, BigInt(TSS), TR);
    cpu.set(vcpu.segmentLimit, 0x67n, TR);
    cpu.set(vcpu.segmentAccess, 0x8bn, TR);
    cpu.set(vcpu.segmentAccess, UNUSABLE, LDTR);
    cpu.set(vcpu.fpuEmpty, 0xffn);
    cpu.set(vcpu.fcw, 0x37fn);
    cpu.set(vcpu.mxcsr, 0x1f80n);
    this.setPrivilege(0);
    this.flags = 2;
    this.setGpr(RSP, STACK_TOP - 0x100);
    cpu.translations.flushAll();
  }

  /** A 64-bit interrupt gate to kernel code; `ist` is the number of a stack in the TSS. */
  setGate(vector: number, offset: number, ist: number): void {
    const low =
      (BigInt(offset >>> 16) << 48n) | (0x8e00n << 32n) | (BigInt(KERNEL_CODE) << 16n) | BigInt(offset & 0xffff);
    this.write64(IDT + 16 * vector, low | (BigInt(ist) << 32n));
    this.write64(IDT + 16 * vector + 8, 0n);
  }

  setPrivilege(cpl: 0 | 3): void {
    const { cpu } = this;
    const dpl = cpl === 3 ? ACCESS_DPL3 : 0n;
    for (let segment = 0; segment < 6; segment++) {
      cpu.set(vcpu.segmentLimit, 0xffff_ffffn, segment);
      cpu.set(vcpu.segmentAccess, (segment === CS ? ACCESS_CODE64 : ACCESS_DATA) | dpl, segment);
      const data = cpl === 3 ? USER_DATA : KERNEL_DATA;
      const code = cpl === 3 ? USER_CODE : KERNEL_CODE;
      cpu.set(vcpu.segmentSelector, BigInt(segment === CS ? code : data), segment);
    }
    cpu.set(vcpu.cpl, BigInt(cpl));
    cpu.contextChanged();
  }

  /** Writes code given in hexadecimal, blanks as one likes, and makes it the next to run. */
  code(text: string, address = CODE): void {
    this.poke(address, text);
    this.rip = address;
  }

  /** Writes bytes given in hexadecimal to guest-physical memory, as a device does. */
  poke(address: number, text: string): void {
    const digits = text.replaceAll(/\s/g, '');
    this.write(
      address,
      Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16)),
    );
  }

  run(count: number): StopReason {
    return this.cpu.run(count);
  }

  gpr(register = RAX): number {
    return Number(this.cpu.get(vcpu.gpr, register));
  }

  setGpr(register: number, value: number | bigint): void {
    this.cpu.set(vcpu.gpr, BigInt(value), register);
  }

  get rip(): number {
    return Number(this.cpu.get(vcpu.rip));
  }

  set rip(value: number) {
    this.cpu.set(vcpu.rip, BigInt(value));
  }

  get flags(): number {
    return packedFlags(this.cpu);
  }

  set flags(value: number) {
    unpackFlags(this.cpu, value);
    this.cpu.contextChanged();
  }

  /** Vector of the exception whose handler is about to run or has just halted, or undefined. */
  get exception(): number | undefined {
    const { rip } = this;
    return rip >= HANDLERS && rip < HANDLERS + PAGE ? (rip - HANDLERS) >> 4 : undefined;
  }
}
