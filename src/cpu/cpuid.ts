/**
 * CPUID as the guest's processor answers it: SDM Vol. 2A "CPUID - CPU Identification", and the hypervisor's leaves
 * (Linux Documentation/virt/kvm/x86/cpuid.rst).
 *
 * The signature is that of an Intel Atom of the Saltwell generation (family 6, model 36H): a processor that executes
 * strictly in order, so that guests rightly apply no mitigations against speculation, and that no guest has a
 * workaround or a model-specific driver for. Its features are those of `features.ts` and nothing of the model's.
 *
 * Not modelled: performance monitoring, thermal sensors, serial number, cache and TLB sizes that mean anything.
 */

import { type Feature, featureBits, type Register } from './feature-bits.ts';
import { guestFeatures } from './features.ts';
import { CR4_OSXSAVE, XCR0_SUPPORTED } from './isa/system/control-bits.ts';
import { PHYSICAL_ADDRESS_BITS } from './mmu/walk.ts';
import { RAX, RBX, RCX, RDX, type StateField, vcpu } from './state.ts';

/** The vCPU's state. */
export interface CpuState {
  get(field: StateField, index?: number): bigint;
  set(field: StateField, value: bigint, index?: number): void;
}

export interface CpuidOptions {
  readonly cpu: CpuState;
  readonly cpuCount: number;
  readonly apicId: number;
  /** Frequency of the time-stamp counter and of the local APIC's timer. */
  readonly tscHz: number;
  /** IA32_APIC_BASE has the local APIC on; by default it does. */
  readonly hasApic?: () => boolean;
  /** By default all that the definitions offer. */
  readonly features?: ReadonlySet<Feature>;
}

type Leaf = { -readonly [register in Register]: number };

/** Family 6, model 36H, stepping 1. */
const SIGNATURE = 0x00030661;
const VENDOR = 'GenuineIntel';
const BRAND = 'Vivarium';
const HYPERVISOR = 'KVMKVMKVM\0\0\0';
const HIGHEST_BASIC = 0x16;
const HIGHEST_EXTENDED = 0x80000008;
const HYPERVISOR_BASE = 0x40000000;
const HYPERVISOR_TIMING = 0x40000010;
const LINEAR_ADDRESS_BITS = 48;
const CACHE_LINE = 64;
/** Legacy region and header of the XSAVE area: x87 and SSE state. */
const XSAVE_BYTES = 576;

/** Features beyond instructions, as the bits of a register. */
const bits = (...positions: number[]): number => positions.reduce((mask, bit) => mask | (1 << bit), 0);
/** VME DE PSE TSC MSR PAE MCE CX8 APIC MTRR PGE MCA CMOV PAT PSE-36. */
const LEAF_1_EDX = bits(1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 17);
const APIC = 1 << 9;
const HTT = 1 << 28;
/** PCID, x2APIC, TSC-Deadline. */
const LEAF_1_ECX = bits(17, 21, 24);
const OSXSAVE = 1 << 27;
/** ARAT: the APIC timer never stops. */
const LEAF_6_EAX = bits(2);
/** TSC_ADJUST, FDP_EXCPTN_ONLY, SMEP, ERMS, FCS and FDS deprecated. */
const LEAF_7_EBX = bits(1, 6, 7, 9, 13);
/** UMIP. */
const LEAF_7_ECX = bits(2);
/** FSRM, ARCH_CAPABILITIES. */
const LEAF_7_EDX = bits(4, 29);
/** LAHF in 64-bit mode. */
const EXTENDED_1_ECX = bits(0);
/** NX, 1 GiB pages, LM. */
const EXTENDED_1_EDX = bits(20, 26, 29);
const INVARIANT_TSC = bits(8);
/** KVM: no delay after I/O, MSRs of the clock, which is the same on all vCPUs. */
const HYPERVISOR_FEATURES = bits(1, 3, 24);

interface Cache {
  /** 1 data, 2 instructions, 3 both. */
  readonly type: 1 | 2 | 3;
  readonly level: number;
  readonly ways: number;
  readonly sets: number;
}

const CACHES: readonly Cache[] = [
  { type: 1, level: 1, ways: 8, sets: 64 },
  { type: 2, level: 1, ways: 8, sets: 64 },
  { type: 3, level: 2, ways: 16, sets: 1024 },
];

/** Four characters at `offset`, the first in the lowest byte. */
function word(text: string, offset: number): number {
  let value = 0;
  for (let i = 3; i >= 0; i--) value = (value << 8) | (offset + i < text.length ? text.charCodeAt(offset + i) : 0);
  return value;
}

/** Bits that count to `count` values. */
function widthOf(count: number): number {
  return count <= 1 ? 0 : 32 - Math.clz32(count - 1);
}

export class Cpuid {
  readonly #options: CpuidOptions;
  readonly #features: ReadonlySet<Feature>;

  constructor(options: CpuidOptions) {
    this.#options = options;
    this.#features = options.features ?? guestFeatures;
  }

  /** The instruction: EAX and ECX to EAX, EBX, ECX and EDX. */
  execute(): void {
    const { cpu } = this.#options;
    const input = (register: number): number => Number(cpu.get(vcpu.gpr, register) & 0xffffffffn);
    const { eax, ebx, ecx, edx } = this.leaf(input(RAX), input(RCX));
    const output = [eax, ebx, ecx, edx];
    [RAX, RBX, RCX, RDX].forEach((register, i) => {
      cpu.set(vcpu.gpr, BigInt((output[i] as number) >>> 0), register);
    });
  }

  /** Values may be negative: only their low 32 bits count. */
  leaf(leaf: number, subleaf: number): Leaf {
    const isHypervisor = leaf >= HYPERVISOR_BASE && leaf < HYPERVISOR_BASE + 0x100;
    const known = leaf <= HIGHEST_BASIC || isHypervisor || (leaf >= 0x80000000 && leaf <= HIGHEST_EXTENDED);
    // Beyond the highest leaf the answer is that of the highest basic one.
    const asked = known ? leaf : HIGHEST_BASIC;
    const answer = this.#fixed(asked, subleaf);
    for (const feature of this.#features) {
      const place = featureBits.get(feature);
      if (place?.leaf === asked && subleaf === (place.subleaf ?? subleaf)) answer[place.register] |= 1 << place.bit;
    }
    return answer;
  }

  /** The leaf without features of instructions. */
  #fixed(leaf: number, subleaf: number): Leaf {
    const { cpuCount, apicId, tscHz } = this.#options;
    switch (leaf) {
      case 0:
        return { eax: HIGHEST_BASIC, ebx: word(VENDOR, 0), edx: word(VENDOR, 4), ecx: word(VENDOR, 8) };
      case 1: {
        const hasApic = this.#options.hasApic?.() ?? true;
        const xsave = (Number(this.#options.cpu.get(vcpu.cr4)) & CR4_OSXSAVE) !== 0;
        return {
          eax: SIGNATURE,
          ebx: (apicId << 24) | (Math.min(cpuCount, 255) << 16) | ((CACHE_LINE / 8) << 8),
          ecx: LEAF_1_ECX | (xsave ? OSXSAVE : 0),
          edx: (LEAF_1_EDX | (cpuCount > 1 ? HTT : 0)) & (hasApic ? -1 : ~APIC),
        };
      }
      case 2:
        // Descriptor FF: leaf 4 has it.
        return { eax: 0xff01, ebx: 0, ecx: 0, edx: 0 };
      case 4:
        return this.#cache(subleaf);
      case 6:
        return { eax: LEAF_6_EAX, ebx: 0, ecx: 0, edx: 0 };
      case 7:
        return subleaf === 0 ? { eax: 0, ebx: LEAF_7_EBX, ecx: LEAF_7_ECX, edx: LEAF_7_EDX } : nothing();
      case 0xb:
        return this.#topology(subleaf);
      case 0xd:
        if (subleaf === 0) return { eax: XCR0_SUPPORTED, ebx: XSAVE_BYTES, ecx: XSAVE_BYTES, edx: 0 };
        return subleaf === 1 ? { eax: 0, ebx: XSAVE_BYTES, ecx: 0, edx: 0 } : nothing();
      case 0x15:
        // The crystal's frequency is that of the counter, which the APIC timer shares.
        return { eax: 1, ebx: 1, ecx: tscHz, edx: 0 };
      case 0x16: {
        const mhz = Math.round(tscHz / 1e6);
        return { eax: mhz, ebx: mhz, ecx: 100, edx: 0 };
      }
      case HYPERVISOR_BASE:
        return { eax: HYPERVISOR_TIMING, ebx: word(HYPERVISOR, 0), ecx: word(HYPERVISOR, 4), edx: word(HYPERVISOR, 8) };
      case HYPERVISOR_BASE + 1:
        return { eax: HYPERVISOR_FEATURES, ebx: 0, ecx: 0, edx: 0 };
      case HYPERVISOR_TIMING: {
        const khz = Math.round(tscHz / 1000);
        return { eax: khz, ebx: khz, ecx: 0, edx: 0 };
      }
      default:
        return leaf >= 0x80000000 ? this.#extended(leaf) : nothing();
    }
  }

  #extended(leaf: number): Leaf {
    switch (leaf) {
      case 0x80000000:
        return { ...nothing(), eax: HIGHEST_EXTENDED };
      case 0x80000001:
        return { eax: 0, ebx: 0, ecx: EXTENDED_1_ECX, edx: EXTENDED_1_EDX };
      case 0x80000002:
      case 0x80000003:
      case 0x80000004: {
        const at = (leaf - 0x80000002) * 16;
        return { eax: word(BRAND, at), ebx: word(BRAND, at + 4), ecx: word(BRAND, at + 8), edx: word(BRAND, at + 12) };
      }
      case 0x80000006: {
        const { ways, sets } = CACHES[2] as Cache;
        const associativity = 8; // code for 16 ways
        return { ...nothing(), ecx: (((ways * sets * CACHE_LINE) / 1024) << 16) | (associativity << 12) | CACHE_LINE };
      }
      case 0x80000007:
        return { ...nothing(), edx: INVARIANT_TSC };
      case 0x80000008:
        return { ...nothing(), eax: (LINEAR_ADDRESS_BITS << 8) | PHYSICAL_ADDRESS_BITS };
      default:
        return nothing();
    }
  }

  /** Leaf 4. Each vCPU has caches of its own. */
  #cache(subleaf: number): Leaf {
    const cache = CACHES[subleaf];
    if (cache === undefined) return nothing();
    const cores = 2 ** widthOf(this.#options.cpuCount);
    const selfInitialising = 1 << 8;
    return {
      eax: cache.type | (cache.level << 5) | selfInitialising | (Math.min(cores - 1, 63) << 26),
      ebx: (CACHE_LINE - 1) | ((cache.ways - 1) << 22),
      ecx: cache.sets - 1,
      edx: 0,
    };
  }

  /** Leaf 0BH: one package of single-threaded cores. */
  #topology(subleaf: number): Leaf {
    const { cpuCount, apicId } = this.#options;
    const THREADS = 1 << 8;
    const CORES = 2 << 8;
    if (subleaf === 0) return { eax: 0, ebx: 1, ecx: THREADS, edx: apicId };
    if (subleaf === 1) return { eax: widthOf(cpuCount), ebx: cpuCount, ecx: 1 | CORES, edx: apicId };
    return { eax: 0, ebx: 0, ecx: subleaf & 0xff, edx: apicId };
  }
}

function nothing(): Leaf {
  return { eax: 0, ebx: 0, ecx: 0, edx: 0 };
}
