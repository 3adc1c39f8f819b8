/**
 * Model-specific registers, counters, identification, translation caches, halting: SDM Vol. 3A §2.8 "System Instruction
 * Summary". MONITOR and MWAIT have no definitions: they are undefined opcodes here.
 */

import { type Algebra, GP, type Value } from '../../algebra.ts';
import { RAX, RCX, RDX, vcpu } from '../../state.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { CR4_OSXSAVE, CR4_PCIDE, CR4_TSD, XCR0_SUPPORTED, XCR0_X87 } from './control-bits.ts';
import { anySet, isCanonical, requireCr4, requirePrivilege } from './modes.ts';

const IA32_EFER = 0xc0000080;
/** What KVM answers to a hypercall it does not know. */
const HYPERCALL_UNKNOWN = -1000;

/** EDX:EAX, type 64. */
export function wideAccumulator(m: Algebra): Value {
  return m.or(m.shl(m.getGpr(RDX, 64), 32), m.zext(m.getGpr(RAX, 32), 64));
}

function setWideAccumulator(m: Algebra, value: Value): void {
  m.setGpr(RAX, m.trunc(value, 32));
  m.setGpr(RDX, m.trunc(m.shr(value, 32), 32));
}

const RDMSR = defineInstruction({
  name: 'RDMSR',
  sdm: 'Vol. 2B "RDMSR - Read From Model Specific Register"',
  forms: ['0F 32 cpl0 ends'],
  semantics(m) {
    const unknown = m.host('rdmsr', m.getGpr(RCX, 32));
    m.if(m.ne(unknown, m.const(32, 0)), () => m.raise(GP, 0));
    setWideAccumulator(m, m.get(vcpu.msrValue));
  },
});

const WRMSR = defineInstruction({
  name: 'WRMSR',
  sdm: 'Vol. 2D "WRMSR - Write to Model Specific Register"',
  forms: ['0F 30 cpl0 ends'],
  semantics(m) {
    const index = m.getGpr(RCX, 32);
    const refused = m.host('wrmsr', index, wideAccumulator(m));
    m.if(m.ne(refused, m.const(32, 0)), () => m.raise(GP, 0));
    m.if(m.eq(index, m.const(32, IA32_EFER)), () => m.contextChanged());
  },
});

/** The time-stamp counter into EDX:EAX; #GP(0) at CPL above 0 with CR4.TSD. */
function readTimeStamp(m: Algebra): void {
  const user = m.ne(m.get(vcpu.cpl), m.const(32, 0));
  m.if(m.and(user, anySet(m, m.get(vcpu.cr4), CR4_TSD)), () => m.raise(GP, 0));
  setWideAccumulator(m, m.add(m.host('tsc'), m.get(vcpu.tscOffset)));
}

const RDTSC = defineInstruction({
  name: 'RDTSC',
  sdm: 'Vol. 2B "RDTSC - Read Time-Stamp Counter"',
  forms: ['0F 31 ends'],
  semantics(m) {
    readTimeStamp(m);
  },
});

const RDTSCP = defineInstruction({
  name: 'RDTSCP',
  sdm: 'Vol. 2B "RDTSCP - Read Time-Stamp Counter and Processor ID"',
  feature: 'rdtscp',
  forms: ['0F 01 F9 ends'],
  semantics(m) {
    readTimeStamp(m);
    m.setGpr(RCX, m.trunc(m.get(vcpu.tscAux), 32));
  },
});

/** There are no counters to read. */
const RDPMC = defineInstruction({
  name: 'RDPMC',
  sdm: 'Vol. 2B "RDPMC - Read Performance-Monitoring Counters"',
  forms: ['0F 33'],
  semantics(m) {
    m.raise(GP, 0);
  },
});

const CPUID = defineInstruction({
  name: 'CPUID',
  sdm: 'Vol. 2A "CPUID - CPU Identification"',
  forms: ['0F A2 ends'],
  semantics(m) {
    m.host('cpuid');
  },
});

const XGETBV = defineInstruction({
  name: 'XGETBV',
  sdm: 'Vol. 2D "XGETBV - Get Value of Extended Control Register"',
  feature: 'xsave',
  forms: ['NP 0F 01 D0'],
  semantics(m) {
    requireCr4(m, CR4_OSXSAVE);
    m.if(m.ne(m.getGpr(RCX, 32), m.const(32, 0)), () => m.raise(GP, 0));
    setWideAccumulator(m, m.get(vcpu.xcr0));
  },
});

const XSETBV = defineInstruction({
  name: 'XSETBV',
  sdm: 'Vol. 2D "XSETBV - Set Extended Control Register"',
  feature: 'xsave',
  forms: ['NP 0F 01 D1 ends'],
  semantics(m) {
    requireCr4(m, CR4_OSXSAVE);
    requirePrivilege(m);
    const value = wideAccumulator(m);
    const unsupported = m.or(anySet(m, value, ~BigInt(XCR0_SUPPORTED)), m.not(anySet(m, value, XCR0_X87)));
    m.if(m.or(m.ne(m.getGpr(RCX, 32), m.const(32, 0)), unsupported), () => m.raise(GP, 0));
    m.set(vcpu.xcr0, value);
  },
});

/** The operand's linear address without any check; what is not canonical is not cached either. */
const INVLPG = defineInstruction({
  name: 'INVLPG',
  sdm: 'Vol. 2A "INVLPG - Invalidate TLB Entries"',
  forms: ['0F 01 /7 M cpl0 ends'],
  semantics(m, operand) {
    const { segment, offset } = m.memory(operand);
    const flat = m.mode === 64 && typeof segment === 'number' && segment < 4;
    const wide = m.zext(offset, 64);
    const linear = flat ? wide : m.add(wide, m.getAt(vcpu.segmentBase, segment));
    m.host('invalidatePage', m.mode === 64 ? linear : m.and(linear, m.const(64, 0xffffffffn)));
  },
});

const INVPCID_ADDRESS = 0;
const INVPCID_CONTEXT = 1;

const INVPCID = defineInstruction({
  name: 'INVPCID',
  sdm: 'Vol. 2A "INVPCID - Invalidate Process-Context Identifier"',
  feature: 'invpcid',
  forms: ['66 0F 38 82 /r Gy,M f64 cpl0 prot ends'],
  semantics(m, kindOperand, descriptor) {
    const address = m.memory(descriptor);
    const pcid = m.load(64, address);
    const linear = m.load(64, m.offset(address, 8));
    const kind = m.zext(m.read(kindOperand), 64);
    const is = (value: number): Value => m.eq(kind, m.const(64, value));
    const usesPcid = m.or(is(INVPCID_ADDRESS), is(INVPCID_CONTEXT));
    const reserved = anySet(m, pcid, ~0xfffn);
    const pcidsOff = m.not(anySet(m, m.get(vcpu.cr4), CR4_PCIDE));
    const wrongPcid = m.and(m.and(usesPcid, pcidsOff), anySet(m, pcid, 0xfff));
    const wrongAddress = m.and(is(INVPCID_ADDRESS), m.not(isCanonical(m, linear)));
    const wrongKind = m.ltU(m.const(64, 3), kind);
    m.if(m.or(m.or(reserved, wrongKind), m.or(wrongPcid, wrongAddress)), () => m.raise(GP, 0));
    m.host('invalidateContext', m.trunc(kind, 32), m.trunc(pcid, 32), linear);
  },
});

/** The machine has no caches that a guest could tell. */
function cacheControl(name: string, sdm: string, form: string): Instruction {
  return defineInstruction({ name, sdm, forms: [form], semantics() {} });
}

const HLT = defineInstruction({
  name: 'HLT',
  sdm: 'Vol. 2A "HLT - Halt"',
  forms: ['F4 cpl0 ends'],
  semantics(m) {
    m.stop('halt');
  },
});

/** Hypercalls in KVM's way, which has none that this monitor offers. */
const VMCALL = defineInstruction({
  name: 'VMCALL',
  sdm: 'Vol. 3C "VMCALL - Call to VM Monitor"',
  feature: 'hypervisor',
  forms: ['NP 0F 01 C1', 'NP 0F 01 D9'],
  semantics(m) {
    m.setGpr(RAX, m.const(64, HYPERCALL_UNKNOWN));
  },
});

export const processor: readonly Instruction[] = [
  RDMSR,
  WRMSR,
  RDTSC,
  RDTSCP,
  RDPMC,
  CPUID,
  XGETBV,
  XSETBV,
  INVLPG,
  INVPCID,
  cacheControl('INVD', 'Vol. 2A "INVD - Invalidate Internal Caches"', '0F 08 cpl0'),
  cacheControl('WBINVD', 'Vol. 2D "WBINVD - Write Back and Invalidate Cache"', '0F 09 cpl0'),
  HLT,
  VMCALL,
];
