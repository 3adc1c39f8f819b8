/**
 * System-management mode: what an SMI does, and RSM (SDM Vol. 3C chapter 31 "System Management Mode"). The state-save
 * area is laid out as by processors whose area has 64-bit registers and revision 0x64 (AMD64 Architecture Programmer's
 * Manual Vol. 2, 24593, §10.2.3 "SMRAM State-Save Area"), which firmware and QEMU know.
 *
 *     SMBASE + 0x8000  first instruction        0xFE00  segment registers, 16 bytes each
 *                                               0xFEC9  1 if the processor was halted; RSM halts again if it is set
 *                                               0xFECA  1 if NMIs were blocked
 *                                               0xFED0  EFER
 *                                               0xFEFC  revision     0xFF00  SMBASE from RSM on
 *                                               0xFF48  CR4 CR3 CR0 DR7 DR6 RFLAGS RIP R15 ... RAX, 8 bytes each
 *
 * Not modelled: restart of I/O instructions, SMRAM of one processor only where there are several, the monitor's own SMM
 * of VMX.
 */

import { type Algebra, CS, DS, defineRoutine, ES, FS, GS, LDTR, SS, TR, UD, type Value } from '../../algebra.ts';
import { PHYSICAL_ADDRESS_BITS } from '../../mmu/walk.ts';
import { type StateField, vcpu } from '../../state.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import * as bits from './control-bits.ts';
import { loadPageDirectoryPointers } from './control-registers.ts';
import { ACCESS_PRESENT, ACCESS_UNUSABLE, descriptorDpl } from './descriptors.ts';
import { anySet, requestRunLoop } from './modes.ts';
import { FLAG_VM, FLAGS_ALL, readRflags, writeRflags } from './rflags.ts';

export const SMBASE_RESET = 0x3_0000;

/** Offsets from SMBASE. */
const ENTRY_OFFSET = 0x8000;
const SEGMENTS = {
  [ES]: 0xfe00,
  [CS]: 0xfe10,
  [SS]: 0xfe20,
  [DS]: 0xfe30,
  [FS]: 0xfe40,
  [GS]: 0xfe50,
  [LDTR]: 0xfe70,
  [TR]: 0xfe90,
};
const GDTR = 0xfe60;
const IDTR = 0xfe80;
/** Bytes: I/O restart, halted, NMIs blocked. */
const FLAGS_BYTES = 0xfec8;
const EFER = 0xfed0;
const REVISION = 0xfefc;
const SMBASE = 0xff00;
const CR4 = 0xff48;
const CR3 = 0xff50;
const CR0 = 0xff58;
const DR7 = 0xff60;
const DR6 = 0xff68;
const RFLAGS = 0xff70;
const RIP = 0xff78;
const RAX = 0xfff8;
/** The layout, and bit 17: SMBASE can be relocated. */
const REVISION_ID = 0x2_0064;

/** Within a segment register's place. */
const ATTRIBUTES_SHIFT = 16;
const LIMIT = 4;
const BASE = 8;

const HALTED = 1;
const NO_SHADOW = 0xffffffff;
const REAL_DATA = 0x8093;
const EFER_WRITABLE = bits.EFER_SCE | bits.EFER_LME | bits.EFER_LMA | bits.EFER_NXE;
const CR3_RESERVED = ~((1n << BigInt(PHYSICAL_ADDRESS_BITS)) - 1n);

/** The state-save area of the SMBASE at hand. */
class SaveArea {
  readonly #m: Algebra;
  readonly #base: Value;

  constructor(m: Algebra) {
    this.#m = m;
    this.#base = m.zext(m.get(vcpu.smbase), 64);
  }

  #at(offset: number): Value {
    return this.#m.add(this.#base, this.#m.const(64, offset));
  }

  store(offset: number, value: Value): void {
    this.#m.storePhysical(this.#at(offset), value);
  }

  load(type: 32 | 64, offset: number): Value {
    return this.#m.loadPhysical(type, this.#at(offset));
  }
}

/** What is saved and restored as it is. */
const PLAIN: readonly (readonly [offset: number, field: StateField, index: number])[] = [
  [GDTR + BASE, vcpu.gdtrBase, 0],
  [GDTR + LIMIT, vcpu.gdtrLimit, 0],
  [IDTR + BASE, vcpu.idtrBase, 0],
  [IDTR + LIMIT, vcpu.idtrLimit, 0],
  ...Array.from({ length: 16 }, (_, i) => [RAX - 8 * i, vcpu.gpr, i] as const),
];

function saveState(m: Algebra, area: SaveArea): void {
  for (const [offset, field, index] of PLAIN) area.store(offset, m.getAt(field, index));
  for (const [segment, place] of Object.entries(SEGMENTS)) {
    const index = Number(segment);
    const attributes = m.and(m.getAt(vcpu.segmentAccess, index), m.const(32, 0xf0ff));
    const selector = m.zext(m.getAt(vcpu.segmentSelector, index), 32);
    area.store(place, m.or(selector, m.shl(attributes, ATTRIBUTES_SHIFT)));
    area.store(place + LIMIT, m.getAt(vcpu.segmentLimit, index));
    area.store(place + BASE, m.getAt(vcpu.segmentBase, index));
  }
  const halted = m.zext(m.eq(m.get(vcpu.activity), m.const(32, HALTED)), 32);
  area.store(FLAGS_BYTES, m.or(m.shl(halted, 8), m.shl(m.get(vcpu.nmiBlocked), 16)));
  area.store(EFER, m.get(vcpu.efer));
  area.store(REVISION, m.const(32, REVISION_ID));
  area.store(SMBASE, m.get(vcpu.smbase));
  area.store(CR4, m.get(vcpu.cr4));
  area.store(CR3, m.get(vcpu.cr3));
  area.store(CR0, m.get(vcpu.cr0));
  area.store(DR7, m.getAt(vcpu.dr, 7));
  area.store(DR6, m.getAt(vcpu.dr, 6));
  area.store(RFLAGS, m.zext(readRflags(m), 64));
  area.store(RIP, m.get(vcpu.rip));
}

/** §31.5.1 "Initial SMM Execution Environment". */
function enterHandler(m: Algebra): void {
  const data = [ES, SS, DS, FS, GS];
  for (const segment of [CS, ...data]) {
    m.setAt(vcpu.segmentLimit, segment, m.const(32, 0xffffffff));
    m.setAt(vcpu.segmentAccess, segment, m.const(32, REAL_DATA));
    m.setAt(vcpu.segmentSelector, segment, m.const(16, 0));
    m.setAt(vcpu.segmentBase, segment, m.const(64, 0));
  }
  m.setAt(vcpu.segmentSelector, CS, m.trunc(m.shr(m.get(vcpu.smbase), 4), 16));
  m.setAt(vcpu.segmentBase, CS, m.zext(m.get(vcpu.smbase), 64));
  const cleared = bits.CR0_PE + bits.CR0_EM + bits.CR0_TS + bits.CR0_PG;
  m.set(vcpu.cr0, m.and(m.get(vcpu.cr0), m.const(64, ~BigInt(cleared))));
  m.set(vcpu.cr4, m.const(64, 0));
  m.set(vcpu.efer, m.const(64, 0));
  m.setAt(vcpu.dr, 7, m.const(64, bits.DR7_FIXED));
  writeRflags(m, m.const(32, 0), m.const(32, FLAGS_ALL));
  m.set(vcpu.cpl, m.const(32, 0));
  m.set(vcpu.rip, m.const(64, ENTRY_OFFSET));
  m.set(vcpu.activity, m.const(32, 0));
  m.set(vcpu.interruptShadow, m.const(32, 0));
  m.set(vcpu.shadowBudget, m.const(32, NO_SHADOW));
  m.set(vcpu.nmiBlocked, m.const(32, 1));
}

/** An SMI is taken, between two instructions. */
export const enterManagementMode = defineRoutine({
  name: 'enterManagementMode',
  params: [],
  results: [],
  faults: false,
  body(m) {
    m.set(vcpu.smiPending, m.const(32, 0));
    m.set(vcpu.managementMode, m.const(32, 1));
    m.host('managementMode', m.const(32, 1));
    saveState(m, new SaveArea(m));
    // A trap of the instruction before has to wait (SDM Vol. 3A Table 6-2): its handler belongs to what is interrupted.
    m.set(vcpu.suspendedDebug, m.get(vcpu.pendingDebug));
    m.set(vcpu.pendingDebug, m.const(32, 0));
    enterHandler(m);
    m.host('controlWritten', m.const(32, bits.WRITTEN_CR0));
    m.contextChanged();
    return [];
  },
});

function restoreSegments(m: Algebra, area: SaveArea): void {
  for (const [segment, place] of Object.entries(SEGMENTS)) {
    const index = Number(segment);
    const first = area.load(32, place);
    const access = m.and(m.shr(first, ATTRIBUTES_SHIFT), m.const(32, 0xf0ff));
    const present = anySet(m, access, ACCESS_PRESENT);
    m.setAt(vcpu.segmentSelector, index, m.trunc(first, 16));
    m.setAt(vcpu.segmentAccess, index, m.or(access, m.select(present, m.const(32, 0), m.const(32, ACCESS_UNUSABLE))));
    m.setAt(vcpu.segmentLimit, index, area.load(32, place + LIMIT));
    m.setAt(vcpu.segmentBase, index, area.load(64, place + BASE));
  }
}

/** -> type 1: what is in the state-save area cannot be (§31.4.1 "SMRAM State Save Map", "RSM" in Vol. 2B). */
function restoreControl(m: Algebra, area: SaveArea): Value {
  const none = m.const(64, 0);
  const cr0 = area.load(64, CR0);
  const cr3 = area.load(64, CR3);
  const cr4 = area.load(64, CR4);
  const saved = area.load(64, EFER);
  const paging = anySet(m, cr0, bits.CR0_PG);
  const pae = anySet(m, cr4, bits.CR4_PAE);
  const long = m.and(paging, anySet(m, saved, bits.EFER_LME));
  const wrong = [
    m.ne(m.shr(cr0, 32), none),
    m.and(paging, m.not(anySet(m, cr0, bits.CR0_PE))),
    m.and(anySet(m, cr0, bits.CR0_NW), m.not(anySet(m, cr0, bits.CR0_CD))),
    anySet(m, cr4, ~BigInt(bits.CR4_WRITABLE)),
    m.and(anySet(m, cr4, bits.CR4_PCIDE), m.not(long)),
    anySet(m, saved, ~BigInt(EFER_WRITABLE)),
    m.and(long, m.not(pae)),
    m.and(long, anySet(m, cr3, CR3_RESERVED)),
    m.and(long, anySet(m, area.load(64, RFLAGS), FLAG_VM)),
  ].reduce((one, other) => m.or(one, other));
  const efer = m.and(saved, m.const(64, ~BigInt(bits.EFER_LMA)));
  m.set(vcpu.efer, m.or(efer, m.select(long, m.const(64, bits.EFER_LMA), none)));
  m.set(vcpu.cr0, m.or(m.and(cr0, m.const(64, bits.CR0_WRITABLE)), m.const(64, bits.CR0_ET)));
  m.set(vcpu.cr3, m.select(long, cr3, m.and(cr3, m.const(64, 0xffffffffn))));
  m.set(vcpu.cr4, cr4);
  const bad = m.variable(m.zext(wrong, 32));
  m.if(m.and(m.and(paging, pae), m.not(long)), () => {
    const [badPointers] = m.call(loadPageDirectoryPointers, cr3);
    m.assign(bad, m.or(m.use(bad), badPointers as Value));
  });
  return m.ne(m.use(bad), m.const(32, 0));
}

/** CPL is no register: it follows from what has been restored. */
function restorePrivilege(m: Algebra): void {
  const ofStack = descriptorDpl(m, m.getAt(vcpu.segmentAccess, SS));
  const virtual = m.bit(m.get(vcpu.rflags), 17);
  const protectedMode = m.select(virtual, m.const(32, 3), ofStack);
  m.set(vcpu.cpl, m.select(anySet(m, m.get(vcpu.cr0), bits.CR0_PE), protectedMode, m.const(32, 0)));
}

/** -> (offset to go on at, shutdown: 0 or 1) */
const leaveManagementMode = defineRoutine({
  name: 'leaveManagementMode',
  params: [],
  results: [64, 32],
  faults: false,
  body(m) {
    const area = new SaveArea(m);
    const rip = area.load(64, RIP);
    const flagsBytes = area.load(32, FLAGS_BYTES);
    for (const [offset, field, index] of PLAIN) m.setAt(field, index, area.load(field.type as 32 | 64, offset));
    restoreSegments(m, area);
    const bad = restoreControl(m, area);
    const shaped = (value: Value, writable: number, fixed: number): Value =>
      m.or(m.and(value, m.const(64, writable)), m.const(64, fixed));
    m.setAt(vcpu.dr, 7, shaped(area.load(64, DR7), bits.DR7_WRITABLE, bits.DR7_FIXED));
    m.setAt(vcpu.dr, 6, shaped(area.load(64, DR6), bits.DR6_WRITABLE, bits.DR6_FIXED));
    writeRflags(m, area.load(32, RFLAGS), m.const(32, FLAGS_ALL));
    restorePrivilege(m);
    m.set(vcpu.nmiBlocked, m.zext(m.bit(flagsBytes, 16), 32));
    m.set(vcpu.activity, m.select(m.bit(flagsBytes, 8), m.const(32, HALTED), m.const(32, 0)));
    m.set(vcpu.interruptShadow, m.const(32, 0));
    m.set(vcpu.shadowBudget, m.const(32, NO_SHADOW));
    m.set(vcpu.pendingDebug, m.get(vcpu.suspendedDebug));
    m.set(vcpu.suspendedDebug, m.const(32, 0));
    m.set(vcpu.smbase, area.load(32, SMBASE));
    m.set(vcpu.managementMode, m.const(32, 0));
    m.set(vcpu.stepEnded, m.const(32, 1));
    m.host('managementMode', m.const(32, 0));
    m.host('controlWritten', m.const(32, bits.WRITTEN_CR0));
    m.contextChanged();
    requestRunLoop(m);
    const code = m.getAt(vcpu.segmentAccess, CS);
    const is64 = m.and(anySet(m, m.get(vcpu.efer), bits.EFER_LMA), m.bit(code, 13));
    return [m.select(is64, rip, m.and(rip, m.const(64, 0xffffffffn))), m.zext(bad, 32)];
  },
});

const RSM = defineInstruction({
  name: 'RSM',
  sdm: 'Vol. 2B "RSM - Resume From System Management Mode"',
  forms: ['0F AA ends'],
  semantics(m) {
    m.if(m.isZero(m.get(vcpu.managementMode)), () => m.raise(UD));
    const [target, shutdown] = m.call(leaveManagementMode);
    m.jumpFar(target as Value);
    m.if(m.ne(shutdown as Value, m.const(32, 0)), () => m.stop('shutdown'));
  },
});

export const managementMode: readonly Instruction[] = [RSM];
