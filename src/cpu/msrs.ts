/**
 * Model-specific registers: SDM Vol. 4, Table 2-2 "IA-32 Architectural MSRs". Those of the vCPU's state, memory types
 * and a few that say what the processor is are here; the local APIC's and the hypervisor's are asked of the host.
 *
 * Not modelled: machine-check banks (there are none), performance monitoring, debug stores, microcode updates. Memory
 * types are kept but have no effect: all memory is coherent.
 */

import { defineState, u64, u64s } from '../base/state.ts';
import { FS, GS } from './algebra.ts';
import type { CpuState } from './cpuid.ts';
import { EFER_LMA, EFER_LME, EFER_NXE, EFER_SCE, WRITTEN_EFER } from './isa/system/control-bits.ts';
import { PHYSICAL_ADDRESS_BITS } from './mmu/walk.ts';
import { type StateField, vcpu } from './state.ts';

export interface MsrHost {
  /** The time-stamp counter before the guest's offset. */
  tsc(): bigint;
  /** IA32_APIC_BASE, IA32_TSC_DEADLINE and the x2APIC's registers; undefined or false is #GP. */
  readApic(index: number): bigint | undefined;
  writeApic(index: number, value: bigint): boolean;
  /** Everything not known here. */
  readParavirtual(index: number): bigint | undefined;
  writeParavirtual(index: number, value: bigint): boolean;
  /** The guest has changed its offset of the time-stamp counter. */
  counterWritten(): void;
  /** EFER has changed what translations depend on. */
  controlWritten(register: number): void;
}

const IA32_TSC = 0x10;
const IA32_PLATFORM_ID = 0x17;
const IA32_APIC_BASE = 0x1b;
const IA32_FEATURE_CONTROL = 0x3a;
const IA32_TSC_ADJUST = 0x3b;
const IA32_BIOS_UPDT_TRIG = 0x79;
const IA32_BIOS_SIGN_ID = 0x8b;
const MSR_PLATFORM_INFO = 0xce;
const IA32_MTRRCAP = 0xfe;
const IA32_ARCH_CAPABILITIES = 0x10a;
const IA32_SYSENTER_CS = 0x174;
const IA32_SYSENTER_ESP = 0x175;
const IA32_SYSENTER_EIP = 0x176;
const IA32_MCG_CAP = 0x179;
const IA32_MCG_STATUS = 0x17a;
const IA32_MISC_ENABLE = 0x1a0;
const IA32_MTRR_PHYSBASE0 = 0x200;
const IA32_PAT = 0x277;
const IA32_MTRR_DEF_TYPE = 0x2ff;
const IA32_TSC_DEADLINE = 0x6e0;
const X2APIC_FIRST = 0x800;
const X2APIC_LAST = 0x8ff;
const IA32_EFER = 0xc0000080;
const IA32_STAR = 0xc0000081;
const IA32_LSTAR = 0xc0000082;
const IA32_CSTAR = 0xc0000083;
const IA32_FMASK = 0xc0000084;
const IA32_FS_BASE = 0xc0000100;
const IA32_GS_BASE = 0xc0000101;
const IA32_KERNEL_GS_BASE = 0xc0000102;
const IA32_TSC_AUX = 0xc0000103;

const MTRR_VARIABLE = 8;
/** Fixed-range MTRRs, in the order in which the state keeps them. */
const MTRR_FIXED = [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f];
/** Variable ranges, fixed ranges, write-combining. */
const MTRR_CAPABILITIES = BigInt(MTRR_VARIABLE | (1 << 8) | (1 << 10));
const WRITE_BACK = 6n;
const MTRR_ENABLED = 1n << 11n;
const MTRR_DEFAULT_WRITABLE = 0xcffn;

/**
 * Not affected: RDCL, L1D flush on VM entry, SSB, MDS, page-size change MC, TAA, SBDR/SSDP, FBSDP, PSDP, BHI, PBRSB, GDS,
 * RFDS.
 */
const ARCH_CAPABILITIES = [0, 3, 4, 5, 6, 8, 13, 14, 15, 20, 24, 26, 27].reduce(
  (mask, bit) => mask | (1n << BigInt(bit)),
  0n,
);
/** Fast strings; no branch trace store, no precise event sampling. */
const MISC_ENABLE_RESET = 0x1801n;
const MISC_ENABLE_WRITABLE = 1n;
const PAT_RESET = 0x0007_0406_0007_0406n;
const EFER_WRITABLE = BigInt(EFER_SCE | EFER_LME | EFER_NXE);
const FEATURE_CONTROL_LOCKED = 1n;

const msrState = defineState('msrs', 1, {
  mtrrDefault: u64({ initial: MTRR_ENABLED | WRITE_BACK }),
  mtrrFixed: u64s(MTRR_FIXED.length),
  /** Base and mask alternating. */
  mtrrVariable: u64s(2 * MTRR_VARIABLE),
  mcgStatus: u64(),
  microcodeSignature: u64({ initial: 1n << 32n }),
});

type Place = readonly [field: StateField, index?: number];

/** Registers that are a field of the vCPU, by what may be written to them. */
const canonicalFields = new Map<number, Place>([
  [IA32_SYSENTER_ESP, [vcpu.sysenterEsp]],
  [IA32_SYSENTER_EIP, [vcpu.sysenterEip]],
  [IA32_LSTAR, [vcpu.lstar]],
  [IA32_CSTAR, [vcpu.cstar]],
  [IA32_FS_BASE, [vcpu.segmentBase, FS]],
  [IA32_GS_BASE, [vcpu.segmentBase, GS]],
  [IA32_KERNEL_GS_BASE, [vcpu.kernelGsBase]],
]);
const narrowFields = new Map<number, Place>([
  [IA32_SYSENTER_CS, [vcpu.sysenterCs]],
  [IA32_FMASK, [vcpu.sfmask]],
  [IA32_TSC_AUX, [vcpu.tscAux]],
]);

/** Registers that can only be read. */
const constants = new Map<number, bigint>([
  [IA32_PLATFORM_ID, 0n],
  [IA32_FEATURE_CONTROL, FEATURE_CONTROL_LOCKED],
  [MSR_PLATFORM_INFO, 0n],
  [IA32_MTRRCAP, MTRR_CAPABILITIES],
  [IA32_ARCH_CAPABILITIES, ARCH_CAPABILITIES],
  [IA32_MCG_CAP, 0n],
]);

function isCanonical(value: bigint): boolean {
  return BigInt.asUintN(64, BigInt.asIntN(48, value)) === value;
}

/** UC, WC, WT, WP or WB; the page attribute table also has UC-. */
function isMemoryType(type: bigint, pat: boolean): boolean {
  return type === 0n || type === 1n || (type >= 4n && type <= 6n) || (pat && type === 7n);
}

function allBytes(value: bigint, test: (byte: bigint) => boolean): boolean {
  for (let shift = 0n; shift < 64n; shift += 8n) if (!test((value >> shift) & 0xffn)) return false;
  return true;
}

export class Msrs {
  readonly state = msrState.create();
  readonly #cpu: CpuState;
  readonly #host: MsrHost;

  constructor(cpu: CpuState, host: MsrHost) {
    this.#cpu = cpu;
    this.#host = host;
    this.reset();
  }

  /** As after power-on. */
  reset(): void {
    msrState.assign(this.state, msrState.create());
    // Fixed ranges count only once they are switched on; a guest that does finds RAM in them.
    this.state.mtrrFixed.fill(0x0606_0606_0606_0606n);
    this.#cpu.set(vcpu.pat, PAT_RESET);
    this.#cpu.set(vcpu.miscEnable, MISC_ENABLE_RESET);
  }

  save(): Uint8Array {
    return msrState.save(this.state);
  }

  restore(saved: Uint8Array): void {
    msrState.assign(this.state, msrState.restore(saved));
  }

  /** RDMSR: leaves the value in the vCPU's `msrValue`; false is #GP(0). */
  read(index: number): boolean {
    const value = this.#read(index);
    if (value === undefined) return false;
    this.#cpu.set(vcpu.msrValue, value);
    return true;
  }

  #read(index: number): bigint | undefined {
    const place = canonicalFields.get(index) ?? narrowFields.get(index);
    if (place !== undefined) return this.#cpu.get(...place);
    if (isApic(index)) return this.#host.readApic(index);
    const range = this.#memoryType(index);
    if (range !== undefined) return range.values[range.at];
    switch (index) {
      case IA32_TSC:
        return BigInt.asUintN(64, this.#host.tsc() + this.#cpu.get(vcpu.tscOffset));
      case IA32_TSC_ADJUST:
        return this.#cpu.get(vcpu.tscOffset);
      case IA32_BIOS_SIGN_ID:
        return this.state.microcodeSignature;
      case IA32_MCG_STATUS:
        return this.state.mcgStatus;
      case IA32_MISC_ENABLE:
        return this.#cpu.get(vcpu.miscEnable);
      case IA32_PAT:
        return this.#cpu.get(vcpu.pat);
      case IA32_MTRR_DEF_TYPE:
        return this.state.mtrrDefault;
      case IA32_EFER:
        return this.#cpu.get(vcpu.efer);
      case IA32_STAR:
        return this.#cpu.get(vcpu.star);
      default:
        return constants.get(index) ?? this.#host.readParavirtual(index);
    }
  }

  /** WRMSR; false is #GP(0). */
  write(index: number, value: bigint): boolean {
    const canonical = canonicalFields.get(index);
    if (canonical !== undefined) return isCanonical(value) && this.#set(canonical, value);
    const narrow = narrowFields.get(index);
    if (narrow !== undefined) return value >> 32n === 0n && this.#set(narrow, value);
    if (isApic(index)) return this.#host.writeApic(index, value);
    if (constants.has(index)) return false;
    switch (index) {
      case IA32_TSC:
        return this.#setCounterOffset(value - this.#host.tsc());
      case IA32_TSC_ADJUST:
        return this.#setCounterOffset(value);
      case IA32_BIOS_UPDT_TRIG:
        // No update is ever one for this processor.
        return true;
      case IA32_BIOS_SIGN_ID:
        // CPUID puts the signature back, but guests only write 0 to it before they read.
        return true;
      case IA32_MCG_STATUS:
        if (value !== 0n) return false;
        this.state.mcgStatus = 0n;
        return true;
      case IA32_MISC_ENABLE:
        return this.#set(
          [vcpu.miscEnable],
          (MISC_ENABLE_RESET & ~MISC_ENABLE_WRITABLE) | (value & MISC_ENABLE_WRITABLE),
        );
      case IA32_PAT:
        return allBytes(value, (type) => isMemoryType(type, true)) && this.#set([vcpu.pat], value);
      case IA32_EFER:
        return this.#writeEfer(value);
      case IA32_STAR:
        return this.#set([vcpu.star], value);
      default:
        return this.#writeMemoryType(index, value) ?? this.#host.writeParavirtual(index, value);
    }
  }

  #set([field, index]: Place, value: bigint): boolean {
    this.#cpu.set(field, BigInt.asUintN(64, value), index);
    return true;
  }

  #setCounterOffset(value: bigint): boolean {
    this.#set([vcpu.tscOffset], value);
    this.#host.counterWritten();
    return true;
  }

  /** LMA follows LME and paging only; LME must not change under paging. */
  #writeEfer(value: bigint): boolean {
    const old = this.#cpu.get(vcpu.efer);
    const lma = BigInt(EFER_LMA);
    const lme = BigInt(EFER_LME);
    if ((value & ~(EFER_WRITABLE | lma)) !== 0n) return false;
    const isPaging = (this.#cpu.get(vcpu.cr0) >> 31n) & 1n;
    if (isPaging === 1n && ((old ^ value) & lme) !== 0n) return false;
    const efer = (value & EFER_WRITABLE) | (old & lma);
    this.#cpu.set(vcpu.efer, efer);
    if (((old ^ efer) & BigInt(EFER_NXE | EFER_LME)) !== 0n) this.#host.controlWritten(WRITTEN_EFER);
    return true;
  }

  /** The fixed or variable range register of that index. */
  #memoryType(index: number): { values: BigUint64Array; at: number } | undefined {
    const variable = index - IA32_MTRR_PHYSBASE0;
    if (variable >= 0 && variable < 2 * MTRR_VARIABLE) return { values: this.state.mtrrVariable, at: variable };
    const fixed = MTRR_FIXED.indexOf(index);
    return fixed < 0 ? undefined : { values: this.state.mtrrFixed, at: fixed };
  }

  /** Undefined where the index is that of no memory-type register. */
  #writeMemoryType(index: number, value: bigint): boolean | undefined {
    if (index === IA32_MTRR_DEF_TYPE) {
      if ((value & ~MTRR_DEFAULT_WRITABLE) !== 0n || !isMemoryType(value & 0xffn, false)) return false;
      this.state.mtrrDefault = value;
      return true;
    }
    const range = this.#memoryType(index);
    if (range === undefined) return undefined;
    if (!isValidRange(index, value)) return false;
    range.values[range.at] = value;
    return true;
  }
}

/** SDM Vol. 3A §11.11.2 "Setting Memory Ranges with MTRRs". */
function isValidRange(index: number, value: bigint): boolean {
  if (MTRR_FIXED.includes(index)) return allBytes(value, (type) => isMemoryType(type, false));
  if (value >> BigInt(PHYSICAL_ADDRESS_BITS) !== 0n) return false;
  const isMask = (index & 1) === 1;
  return isMask ? (value & 0x7ffn) === 0n : (value & 0xf00n) === 0n && isMemoryType(value & 0xffn, false);
}

function isApic(index: number): boolean {
  return index === IA32_APIC_BASE || index === IA32_TSC_DEADLINE || (index >= X2APIC_FIRST && index <= X2APIC_LAST);
}
