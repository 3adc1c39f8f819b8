/**
 * SYSCALL, SYSRET, SYSENTER, SYSEXIT, SWAPGS and the bases of FS and GS: SDM Vol. 3A §5.8.7 "Performing Fast Calls to
 * System Procedures with the SYSENTER and SYSEXIT Instructions", §5.8.8 "Fast System Calls in 64-Bit Mode".
 */

import { type Algebra, CS, defineRoutine, FS, GP, GS, SS, UD, type Value } from '../../algebra.ts';
import { RCX, RDX, RSP, vcpu } from '../../state.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { widthOf } from '../widths.ts';
import { CR4_FSGSBASE, EFER_SCE } from './control-bits.ts';
import { anySet, isCanonical, isLongMode, isProtectedMode, requireCr4, requirePrivilege } from './modes.ts';
import { FLAG_IF, FLAG_RF, FLAG_TF, FLAG_VM, FLAGS_ALL, readRflags, writeRflags } from './rflags.ts';

const R11 = 11;
/** Flat segments at privilege 0; DPL goes into bits 5 and 6. */
const CODE_64 = 0xa09b;
const CODE_32 = 0xc09b;
const DATA = 0xc093;
const PRIVILEGE_3 = 3 << 5;
/** Flags that SYSRET loads. */
const SYSRET_FLAGS = 0x3c7fd5;

function setFlatSegment(m: Algebra, segment: number, selector: Value, access: Value): void {
  m.setAt(vcpu.segmentSelector, segment, selector);
  m.setAt(vcpu.segmentBase, segment, m.const(64, 0));
  m.setAt(vcpu.segmentLimit, segment, m.const(32, -1));
  m.setAt(vcpu.segmentAccess, segment, access);
}

/** Bits `from` to `from + 15` of STAR, plus `offset`, type 16. */
function starSelector(m: Algebra, from: number, offset: number): Value {
  return m.add(m.trunc(m.shr(m.get(vcpu.star), from), 16), m.const(16, offset));
}

/** (return address) -> target */
const systemCall = defineRoutine({
  name: 'systemCall',
  params: [64],
  results: [64],
  faults: true,
  body(m, returnAddress) {
    m.if(m.not(anySet(m, m.get(vcpu.efer), EFER_SCE)), () => m.raise(UD));
    const flags = readRflags(m);
    m.setGpr(RCX, returnAddress);
    m.setGpr(R11, m.zext(flags, 64));
    const cleared = m.or(m.trunc(m.get(vcpu.sfmask), 32), m.const(32, FLAG_RF));
    writeRflags(m, m.const(32, 0), m.and(cleared, m.const(32, FLAGS_ALL)));
    const code = m.and(starSelector(m, 32, 0), m.const(16, 0xfffc));
    setFlatSegment(m, CS, code, m.const(32, CODE_64));
    setFlatSegment(m, SS, m.add(code, m.const(16, 8)), m.const(32, DATA));
    m.set(vcpu.cpl, m.const(32, 0));
    // With TF masked there is no trap on the kernel's first instruction, which could not take it.
    m.if(m.isZero(m.and(m.get(vcpu.rflags), m.const(32, FLAG_TF))), () => m.set(vcpu.stepEnded, m.const(32, 1)));
    m.contextChanged();
    return [m.get(vcpu.lstar)];
  },
});

/** (to 64-bit mode: 0 or 1) -> target */
const systemReturn = defineRoutine({
  name: 'systemReturn',
  params: [32],
  results: [64],
  faults: true,
  body(m, wide) {
    m.if(m.not(anySet(m, m.get(vcpu.efer), EFER_SCE)), () => m.raise(UD));
    requirePrivilege(m);
    const to64 = m.ne(wide, m.const(32, 0));
    const rcx = m.getGpr(RCX, 64);
    m.if(m.and(to64, m.not(isCanonical(m, rcx))), () => m.raise(GP, 0));
    writeRflags(m, m.and(m.getGpr(R11, 32), m.const(32, SYSRET_FLAGS)), m.const(32, FLAGS_ALL));
    const code = m.select(to64, starSelector(m, 48, 16), starSelector(m, 48, 0));
    const access = m.select(to64, m.const(32, CODE_64 | PRIVILEGE_3), m.const(32, CODE_32 | PRIVILEGE_3));
    setFlatSegment(m, CS, m.or(code, m.const(16, 3)), access);
    const stack = m.or(starSelector(m, 48, 8), m.const(16, 3));
    setFlatSegment(m, SS, stack, m.const(32, DATA | PRIVILEGE_3));
    m.set(vcpu.cpl, m.const(32, 3));
    m.contextChanged();
    return [m.select(to64, rcx, m.and(rcx, m.const(64, 0xffffffffn)))];
  },
});

/** IA32_SYSENTER_CS as a selector; #GP(0) where it is null. */
function sysenterSelector(m: Algebra): Value {
  const selector = m.and(m.trunc(m.get(vcpu.sysenterCs), 16), m.const(16, 0xfffc));
  const usable = m.and(isProtectedMode(m), m.ne(selector, m.const(16, 0)));
  m.if(m.not(usable), () => m.raise(GP, 0));
  return selector;
}

/** -> target */
const enterSystem = defineRoutine({
  name: 'enterSystem',
  params: [],
  results: [64],
  faults: true,
  body(m) {
    const code = sysenterSelector(m);
    const long = isLongMode(m);
    const width = m.select(long, m.const(64, -1n), m.const(64, 0xffffffffn));
    m.set(vcpu.rflags, m.and(m.get(vcpu.rflags), m.const(32, ~(FLAG_VM | FLAG_IF | FLAG_RF))));
    setFlatSegment(m, CS, code, m.select(long, m.const(32, CODE_64), m.const(32, CODE_32)));
    setFlatSegment(m, SS, m.add(code, m.const(16, 8)), m.const(32, DATA));
    m.setGpr(RSP, m.and(m.get(vcpu.sysenterEsp), width));
    m.set(vcpu.cpl, m.const(32, 0));
    m.contextChanged();
    return [m.and(m.get(vcpu.sysenterEip), width)];
  },
});

/** (to 64-bit mode: 0 or 1) -> target */
const leaveSystem = defineRoutine({
  name: 'leaveSystem',
  params: [32],
  results: [64],
  faults: true,
  body(m, wide) {
    const base = sysenterSelector(m);
    requirePrivilege(m);
    const to64 = m.ne(wide, m.const(32, 0));
    const rip = m.getGpr(RDX, 64);
    const rsp = m.getGpr(RCX, 64);
    m.if(m.and(to64, m.not(m.and(isCanonical(m, rip), isCanonical(m, rsp)))), () => m.raise(GP, 0));
    const width = m.select(to64, m.const(64, -1n), m.const(64, 0xffffffffn));
    const code = m.or(m.add(base, m.select(to64, m.const(16, 32), m.const(16, 16))), m.const(16, 3));
    const access = m.select(to64, m.const(32, CODE_64 | PRIVILEGE_3), m.const(32, CODE_32 | PRIVILEGE_3));
    setFlatSegment(m, CS, code, access);
    setFlatSegment(m, SS, m.add(code, m.const(16, 8)), m.const(32, DATA | PRIVILEGE_3));
    m.setGpr(RSP, m.and(rsp, width));
    m.set(vcpu.cpl, m.const(32, 3));
    m.contextChanged();
    return [m.and(rip, width)];
  },
});

const SYSCALL = defineInstruction({
  name: 'SYSCALL',
  sdm: 'Vol. 2B "SYSCALL - Fast System Call"',
  feature: 'syscall',
  forms: ['0F 05 o64 ends'],
  semantics(m) {
    const [target] = m.call(systemCall, m.nextIp());
    m.jumpFar(target);
  },
});

const SYSRET = defineInstruction({
  name: 'SYSRET',
  sdm: 'Vol. 2B "SYSRET - Return From Fast System Call"',
  feature: 'syscall',
  forms: ['0F 07 o64 ends'],
  semantics(m) {
    const [target] = m.call(systemReturn, m.const(32, m.operandSize === 64 ? 1 : 0));
    m.jumpFar(target);
  },
});

const SYSENTER = defineInstruction({
  name: 'SYSENTER',
  sdm: 'Vol. 2B "SYSENTER - Fast System Call"',
  feature: 'sysenter',
  forms: ['0F 34 ends'],
  semantics(m) {
    const [target] = m.call(enterSystem);
    m.jumpFar(target);
  },
});

const SYSEXIT = defineInstruction({
  name: 'SYSEXIT',
  sdm: 'Vol. 2B "SYSEXIT - Fast Return from Fast System Call"',
  feature: 'sysenter',
  forms: ['0F 35 ends'],
  semantics(m) {
    const [target] = m.call(leaveSystem, m.const(32, m.operandSize === 64 ? 1 : 0));
    m.jumpFar(target);
  },
});

const SWAPGS = defineInstruction({
  name: 'SWAPGS',
  sdm: 'Vol. 2B "SWAPGS - Swap GS Base Register"',
  forms: ['0F 01 F8 o64 cpl0'],
  semantics(m) {
    const base = m.getAt(vcpu.segmentBase, GS);
    m.setAt(vcpu.segmentBase, GS, m.get(vcpu.kernelGsBase));
    m.set(vcpu.kernelGsBase, base);
  },
});

function readBase(name: string, form: string, segment: number): Instruction {
  return defineInstruction({
    name,
    sdm: 'Vol. 2B "RDFSBASE/RDGSBASE - Read FS/GS Segment Base"',
    feature: 'fsgsbase',
    forms: [form],
    semantics(m, dst) {
      requireCr4(m, CR4_FSGSBASE);
      m.write(dst, m.trunc(m.getAt(vcpu.segmentBase, segment), widthOf(dst)));
    },
  });
}

function writeBase(name: string, form: string, segment: number): Instruction {
  return defineInstruction({
    name,
    sdm: 'Vol. 2D "WRFSBASE/WRGSBASE - Write FS/GS Segment Base"',
    feature: 'fsgsbase',
    forms: [form],
    semantics(m, src) {
      requireCr4(m, CR4_FSGSBASE);
      const base = m.zext(m.read(src), 64);
      m.if(m.not(isCanonical(m, base)), () => m.raise(GP, 0));
      m.setAt(vcpu.segmentBase, segment, base);
    },
  });
}

export const fastCalls: readonly Instruction[] = [
  SYSCALL,
  SYSRET,
  SYSENTER,
  SYSEXIT,
  SWAPGS,
  readBase('RDFSBASE', 'F3 0F AE /0 Ry o64', FS),
  readBase('RDGSBASE', 'F3 0F AE /1 Ry o64', GS),
  writeBase('WRFSBASE', 'F3 0F AE /2 Ry o64', FS),
  writeBase('WRGSBASE', 'F3 0F AE /3 Ry o64', GS),
];
