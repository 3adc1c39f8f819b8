/**
 * A vCPU on its board: answers what the CPU asks of the machine around it (ports, devices, MSRs, time), and takes
 * interrupts to it.
 */

import type { AccessSize } from '../base/bus.ts';
import { CS } from '../cpu/algebra.ts';
import { Cpuid } from '../cpu/cpuid.ts';
import { NO_FAULT } from '../cpu/emit/emitter.ts';
import { CODE_64, CODE_SIZE_MASK } from '../cpu/interpreter/code-mode.ts';
import type { Engine } from '../cpu/interpreter/engine.ts';
import { Vcpu } from '../cpu/interpreter/vcpu.ts';
import { SAVED_BYTES } from '../cpu/interpreter/vcpu-block.ts';
import { CR0_CD, CR0_NW } from '../cpu/isa/system/control-bits.ts';
import { SMBASE_RESET } from '../cpu/isa/system/management-mode.ts';
import { PHYSICAL_ADDRESS_BITS } from '../cpu/mmu/walk.ts';
import type { Monitor } from '../cpu/monitor.ts';
import { Msrs } from '../cpu/msrs.ts';
import { decodeCpuState, encodeCpuState } from '../cpu/saved-state.ts';
import { architecturalState, type StateField, vcpu } from '../cpu/state.ts';
import { LocalApic } from '../devices/local-apic.ts';
import { type CpuStart, GENERAL_REGISTERS, resetStart } from '../machine/cpu-start.ts';
import type { PcBoard } from '../machine/pc.ts';
import type { ExitCounts } from './exit-counts.ts';
import type { FrameTable } from './guest-memory.ts';
import { KvmClock } from './kvm-clock.ts';
import type { SampledCpu } from './profiler.ts';
import type { Random } from './random.ts';
import { TSC_HZ, type VirtualClock } from './virtual-clock.ts';

export interface GuestCpuParts {
  readonly engine: Engine;
  readonly frames: FrameTable;
  readonly board: PcBoard;
  readonly clock: VirtualClock;
  readonly exits: ExitCounts;
  readonly random: Random;
  wallClockMs(): number;
}

const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'] as const;
/** Names for statistics and traces (SDM Vol. 3A Table 6-1). */
const EXCEPTIONS: Readonly<Record<number, string>> = {
  0: 'divide error',
  1: 'debug exception',
  3: 'breakpoint',
  4: 'overflow',
  5: 'bound range exceeded',
  6: 'invalid opcode',
  7: 'device not available',
  8: 'double fault',
  10: 'invalid TSS',
  11: 'segment not present',
  12: 'stack fault',
  13: 'general protection',
  14: 'page fault',
  16: 'x87 floating-point error',
  17: 'alignment check',
  19: 'SIMD floating-point error',
};
/** SDM Vol. 3A Table 10-1 "IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT". */
const KEPT_BY_INIT: ReadonlySet<StateField> = new Set([
  ...[vcpu.xmm, vcpu.mxcsr, vcpu.xcr0, vcpu.fcw, vcpu.fsw, vcpu.fpuTop, vcpu.fpuEmpty, vcpu.stMantissa],
  ...[vcpu.stExponent, vcpu.fop, vcpu.fcs, vcpu.fds, vcpu.fip, vcpu.fdp, vcpu.ignoreNumericErrors],
  ...[vcpu.star, vcpu.lstar, vcpu.cstar, vcpu.sfmask, vcpu.kernelGsBase, vcpu.sysenterCs, vcpu.sysenterEsp],
  ...[vcpu.sysenterEip, vcpu.tscAux, vcpu.tscOffset, vcpu.pat, vcpu.miscEnable, vcpu.smbase, vcpu.instructions],
]);
const CR0_CACHING = BigInt(CR0_CD | CR0_NW);
const NMI_VECTOR = 2;
const DEBUG_VECTOR = 1;
/** So many new frames end a slice: the host takes microseconds for each. */
const FRAMES_PER_SLICE = 256;
const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

export class GuestCpu implements Monitor, SampledCpu {
  readonly vcpu: Vcpu;
  readonly apic: LocalApic;
  readonly kvmClock: KvmClock;
  readonly #parts: GuestCpuParts;
  readonly #msrs: Msrs;
  readonly #cpuid: Cpuid;
  readonly #msrHalves = new Uint32Array(2);
  #framesAssigned = 0;
  /** The slice at hand does not go beyond this time. */
  sliceDeadlineNs = Number.POSITIVE_INFINITY;

  constructor(parts: GuestCpuParts, id: number, isBootstrap: boolean) {
    this.#parts = parts;
    const { engine, frames, board, clock } = parts;
    this.vcpu = new Vcpu(engine, this, frames.table, frames.pages);
    this.apic = new LocalApic({
      id,
      isBootstrap,
      clock,
      interconnect: board.apics,
      timerHz: TSC_HZ,
      physicalAddressBits: PHYSICAL_ADDRESS_BITS,
      tscToNs: (tsc) => tsc - Number(BigInt.asIntN(64, this.vcpu.get(vcpu.tscOffset))),
      interruptChanged: (isPending) => {
        this.vcpu.interruptRequested = isPending;
      },
      acknowledgeExternal: () => board.pic.acknowledge(),
      nmi: () => {
        this.vcpu.set32(vcpu.nmiPending, 1);
        this.vcpu.attention = true;
      },
      smi: () => this.vcpu.requestManagement(),
      init: () => this.vcpu.requestInit(),
      startup: () => {},
      relocated: () => {},
    });
    board.attachLocalApic(this.apic);
    this.kvmClock = new KvmClock({
      memory: frames,
      tsc: () => this.#tscNow(),
      nowNs: () => clock.now(),
      wallClockMs: () => parts.wallClockMs(),
    });
    const cpu = {
      get: (field: Parameters<Vcpu['get']>[0], index?: number) => this.vcpu.get(field, index),
      set: (field: Parameters<Vcpu['get']>[0], value: bigint, index?: number) => this.vcpu.set(field, value, index),
    };
    this.#msrs = new Msrs(cpu, {
      tsc: () => this.tsc(),
      readApic: (index) => this.#readApicMsr(index),
      writeApic: (index, value) => this.apic.writeMsr(index, Number(value & 0xffffffffn), Number(value >> 32n)),
      readParavirtual: (index) => this.kvmClock.readMsr(index),
      writeParavirtual: (index, value) => this.kvmClock.writeMsr(index, value),
      counterWritten: () => {
        this.kvmClock.counterWritten();
        this.apic.counterWritten();
      },
      controlWritten: (register) => this.vcpu.controlWritten(register),
    });
    this.#cpuid = new Cpuid({ cpu, cpuCount: 1, apicId: id, tscHz: TSC_HZ, hasApic: () => this.apic.isPresent });
  }

  #tscNow(): bigint {
    return BigInt.asUintN(64, this.tsc() + this.vcpu.get(vcpu.tscOffset));
  }

  #readApicMsr(index: number): bigint | undefined {
    if (!this.apic.readMsr(index, this.#msrHalves)) return undefined;
    return BigInt(this.#msrHalves[0] as number) | (BigInt(this.#msrHalves[1] as number) << 32n);
  }

  /** Puts the vCPU into the state in which a loader hands over. */
  start(start: CpuStart): void {
    const cpu = this.vcpu;
    cpu.set(vcpu.xcr0, 1n);
    cpu.set32(vcpu.smbase, SMBASE_RESET);
    cpu.set(vcpu.pat, 0x0007040600070406n);
    cpu.set(vcpu.fcw, 0x37fn);
    cpu.set32(vcpu.fpuEmpty, 0xff);
    cpu.set32(vcpu.mxcsr, 0x1f80);
    this.#begin(start);
  }

  #begin(start: CpuStart): void {
    const cpu = this.vcpu;
    for (const [i, name] of GENERAL_REGISTERS.entries()) cpu.set(vcpu.gpr, BigInt(start.general[name]), i);
    cpu.set(vcpu.rip, BigInt(start.rip));
    cpu.set32(vcpu.rflags, start.rflags);
    cpu.set(vcpu.flagZero, 1n);
    cpu.set(vcpu.flagResult, 1n);
    SEGMENTS.forEach((name, i) => {
      const { selector, base, limit, accessRights } = start.segments[name];
      cpu.set(vcpu.segmentSelector, BigInt(selector), i);
      cpu.set(vcpu.segmentBase, BigInt(base), i);
      cpu.set(vcpu.segmentLimit, BigInt(limit), i);
      cpu.set(vcpu.segmentAccess, BigInt(accessRights), i);
    });
    cpu.set(vcpu.gdtrBase, BigInt(start.gdtr.base));
    cpu.set32(vcpu.gdtrLimit, start.gdtr.limit);
    cpu.set(vcpu.idtrBase, BigInt(start.idtr.base));
    cpu.set32(vcpu.idtrLimit, start.idtr.limit);
    cpu.set(vcpu.cr0, BigInt(start.cr0));
    cpu.set(vcpu.cr3, BigInt(start.cr3));
    cpu.set(vcpu.cr4, BigInt(start.cr4));
    cpu.set(vcpu.efer, BigInt(start.efer));
    cpu.set(vcpu.dr, 0xffff0ff0n, 6);
    cpu.set(vcpu.dr, 0x400n, 7);
    cpu.translations.flushAll();
  }

  /**
   * Takes debug exceptions, NMI and interrupts that can be taken now; false when that ended in a triple fault. After it
   * nothing calls for attention but a guest that ends.
   */
  takeEvents(isEnding: boolean): boolean {
    const cpu = this.vcpu;
    cpu.takeManagementInterrupt();
    if (cpu.initDue) this.init();
    const debug = cpu.get32(vcpu.pendingDebug);
    if (debug !== 0 && !cpu.debugHeld) {
      cpu.set32(vcpu.pendingDebug, 0);
      cpu.set(vcpu.dr, cpu.get(vcpu.dr, 6) | BigInt(debug), 6);
      cpu.set32(vcpu.activity, 0);
      if (!cpu.exception(DEBUG_VECTOR)) return false;
    }
    if (cpu.get32(vcpu.nmiPending) !== 0 && cpu.get32(vcpu.nmiBlocked) === 0) {
      cpu.set32(vcpu.nmiPending, 0);
      cpu.set32(vcpu.nmiBlocked, 1);
      cpu.set32(vcpu.activity, 0);
      if (!cpu.interrupt(NMI_VECTOR)) return false;
    }
    cpu.attention = isEnding;
    if (this.apic.pending() && cpu.interruptible) {
      const vector = this.apic.acknowledge();
      this.#parts.exits.record('interrupt', `vector ${vector}`);
      cpu.set32(vcpu.activity, 0);
      if (!cpu.interrupt(vector)) return false;
    }
    return true;
  }

  /** As after the board's reset; the local APIC has had it already. */
  restart(): void {
    this.#clear((field) => field === vcpu.instructions);
    this.#msrs.reset();
    this.kvmClock.reset();
    this.apic.enterVirtualWireMode();
    this.start(resetStart());
  }

  /** As by INIT, which the bootstrap processor takes for a jump to firmware; the local APIC has had it already. */
  init(): void {
    const caching = this.vcpu.get(vcpu.cr0) & CR0_CACHING;
    this.#clear((field) => KEPT_BY_INIT.has(field));
    const start = resetStart();
    this.#begin(start);
    this.vcpu.set(vcpu.cr0, (BigInt(start.cr0) & ~CR0_CACHING) | caching);
  }

  #clear(keeps: (field: StateField) => boolean): void {
    const { u8 } = this.#parts.engine.memory;
    for (const field of architecturalState) {
      const at = this.vcpu.base + field.offset;
      if (!keeps(field)) u8.fill(0, at, at + (field.type / 8) * field.count);
    }
    this.vcpu.set32(vcpu.sse, 0);
    this.vcpu.set32(vcpu.faultVector, NO_FAULT);
  }

  /** What has state beside the vCPU, by name. */
  get savedDevices() {
    return { msrs: this.#msrs, 'kvm-clock': this.kvmClock };
  }

  /** All of them, and the registers, for snapshots. */
  saveState(): Record<string, Uint8Array> {
    const devices = Object.entries(this.savedDevices).map(([name, part]) => [name, part.save()]);
    return { vcpu0: encodeCpuState(this.vcpu.stateBytes()), ...Object.fromEntries(devices) };
  }

  /** Throws a VivariumError for what no guest can have. */
  restoreRegisters(saved: Uint8Array): void {
    this.vcpu.restoreState(decodeCpuState(saved, SAVED_BYTES));
  }

  // ---- For the profiler --------------------------------------------------------------------------------------------

  get linearIp(): bigint {
    const ip = this.vcpu.get(vcpu.rip);
    const long = (this.vcpu.get32(vcpu.codeMode) & CODE_SIZE_MASK) === CODE_64;
    return long ? ip : (ip + this.vcpu.get(vcpu.segmentBase, CS)) & 0xffffffffn;
  }

  get inUserMode(): boolean {
    return this.vcpu.get32(vcpu.cpl) === 3;
  }

  get syscallEntry(): bigint {
    return this.vcpu.get(vcpu.lstar);
  }

  // ---- Monitor -----------------------------------------------------------------------------------------------------

  portRead(port: number, bytes: AccessSize): number {
    const value = this.#parts.board.ports.read(port, bytes);
    this.#checkTimers();
    this.#record('I/O port', () => `in ${hex(port)} ${bytes} -> ${hex(value)}`);
    return value;
  }

  portWrite(port: number, bytes: AccessSize, value: number): void {
    this.#record('I/O port', () => `out ${hex(port)} ${bytes} <- ${hex(value)}`);
    this.#parts.board.ports.write(port, value, bytes);
    this.#checkTimers();
  }

  portReadMany(port: number, bytes: AccessSize, into: Uint8Array): boolean {
    if (!this.#parts.board.ports.readMany(port, bytes, into)) return false;
    this.#checkTimers();
    this.#record('I/O port', () => `in ${hex(port)} ${bytes}, ${into.length / bytes} times`);
    return true;
  }

  portWriteMany(port: number, bytes: AccessSize, from: Uint8Array): boolean {
    if (!this.#parts.board.ports.writeMany(port, bytes, from)) return false;
    this.#checkTimers();
    this.#record('I/O port', () => `out ${hex(port)} ${bytes}, ${from.length / bytes} times`);
    return true;
  }

  deviceRead(physical: number, bytes: number): bigint {
    const size = bytes as AccessSize | 8;
    const value =
      size === 8
        ? BigInt(this.#read(physical, 4)) | (BigInt(this.#read(physical + 4, 4)) << 32n)
        : BigInt(this.#read(physical, size));
    this.#checkTimers();
    this.#record('MMIO', () => `read ${hex(physical)} ${bytes} -> ${hex(value)}`);
    return value;
  }

  deviceWrite(physical: number, bytes: number, value: bigint): void {
    const size = bytes as AccessSize | 8;
    this.#record('MMIO', () => `write ${hex(physical)} ${bytes} <- ${hex(value)}`);
    if (size === 8) {
      this.#write(physical, 4, Number(value & 0xffffffffn));
      this.#write(physical + 4, 4, Number(value >> 32n));
    } else {
      this.#write(physical, size, Number(value & 0xffffffffn));
    }
    this.#checkTimers();
  }

  #read(physical: number, size: AccessSize): number {
    const { board } = this.#parts;
    const { handler, offset } = board.handlerAt(physical, this.apic);
    return handler === undefined ? board.mmio.read(physical, size) : handler.read(offset, size);
  }

  #write(physical: number, size: AccessSize, value: number): void {
    const { board } = this.#parts;
    const { handler, offset } = board.handlerAt(physical, this.apic);
    if (handler === undefined) board.mmio.write(physical, value, size);
    else handler.write(offset, value, size);
  }

  cpuid(): void {
    this.#record('CPUID', () => `leaf ${hex(this.vcpu.get(vcpu.gpr, 0) & 0xffffffffn)}`);
    this.#cpuid.execute();
  }

  readMsr(index: number): boolean {
    this.#record('MSR read', () => hex(index));
    return this.#msrs.read(index);
  }

  writeMsr(index: number, value: bigint): boolean {
    this.#record('MSR write', () => `${hex(index)} <- ${hex(value)}`);
    const known = this.#msrs.write(index, value);
    this.#checkTimers();
    return known;
  }

  readCr8(): number {
    return this.apic.cr8;
  }

  writeCr8(priority: number): void {
    this.#record('control register', () => `cr8 <- ${hex(priority)}`);
    this.apic.cr8 = priority;
  }

  managementMode(active: boolean): void {
    this.#record('system management', () => (active ? 'SMI' : 'RSM'));
    this.#parts.board.pci?.smiact.set(active);
  }

  numericError(): void {
    this.#record('x87 error');
    this.#parts.board.numericError.raise();
  }

  /** Before the guest's offset. */
  tsc(): bigint {
    this.#record('RDTSC');
    return BigInt(Math.floor(this.#parts.clock.now()));
  }

  random(): bigint {
    this.#record('RDRAND');
    return this.#parts.random.next();
  }

  eventDelivered(vector: number, errorCode: number): void {
    const name = EXCEPTIONS[vector];
    if (name === undefined) return;
    const cr2 = vector === 14 ? ` address ${hex(this.vcpu.get(vcpu.faultLinear))}` : '';
    this.#parts.exits.line(name, `error code ${hex(errorCode)}${cr2} ip ${hex(this.vcpu.get(vcpu.rip))}`);
  }

  /** Exceptions delivered so far, by name. */
  exceptions(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const [vector, name] of Object.entries(EXCEPTIONS)) {
      const count = this.vcpu.get32(vcpu.eventCounts, Number(vector));
      if (count > 0) counts[name] = count;
    }
    return counts;
  }

  assignFrame(physical: number, write: boolean): number {
    // Not traced: it happens within a block, where the instruction count is that of the block's end.
    this.#parts.exits.count('page assigned');
    if (++this.#framesAssigned % FRAMES_PER_SLICE === 0) this.vcpu.attention = true;
    return this.#parts.frames.assign(physical, write);
  }

  /** A timer that was set to expire within the slice ends it: expiry must not wait for where slices happen to end. */
  #checkTimers(): void {
    if (this.#parts.clock.queue.nextDeadlineNs() < this.sliceDeadlineNs) this.vcpu.attention = true;
  }

  #record(cause: Parameters<ExitCounts['record']>[0], detail = (): string => ''): void {
    const { exits } = this.#parts;
    exits.count(cause);
    if (exits.traced) exits.line(cause, detail());
  }
}
