/**
 * MOV to and from control and debug registers, CLTS, LMSW, SMSW: SDM Vol. 3A §2.5 "Control Registers", Vol. 3B §17.2
 * "Debug Registers". The accumulated checks of a write are routines.
 *
 * Not modelled: RTM and bus-lock debugging.
 */

import { type Algebra, CS, DB, defineRoutine, GP, TR, UD, type Value } from '../../algebra.ts';
import { PDPTE_RESERVED, PHYSICAL_ADDRESS_BITS } from '../../mmu/walk.ts';
import { vcpu } from '../../state.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { unsigned } from '../widths.ts';
import * as bits from './control-bits.ts';
import { anySet, is64BitMode, isLongMode } from './modes.ts';

const CR3_RESERVED = ~((1n << BigInt(PHYSICAL_ADDRESS_BITS)) - 1n) & ~(1n << 63n);

/** #GP(0) where a condition (type 1) holds. */
function refuse(m: Algebra, condition: Value): void {
  m.if(condition, () => m.raise(GP, 0));
}

/**
 * (page-directory-pointer table: CR3) -> 1 if a present entry has reserved bits set: nothing is loaded then, else the
 * PDPTE registers are (§4.4.1 "PDPTE Registers").
 */
export const loadPageDirectoryPointers = defineRoutine({
  name: 'loadPageDirectoryPointers',
  params: [64],
  results: [32],
  faults: false,
  body(m, cr3) {
    const table = m.and(cr3, m.const(64, 0xffffffe0n));
    const entries = [0, 1, 2, 3].map((index) => m.loadPhysical(64, m.add(table, m.const(64, 8 * index))));
    const bad = entries
      .map((entry) => m.and(m.bit(entry, 0), anySet(m, entry, PDPTE_RESERVED)))
      .reduce((one, other) => m.or(one, other));
    m.if(m.not(bad), () => {
      for (const [index, entry] of entries.entries()) m.setAt(vcpu.pdpte, index, entry);
    });
    return [m.zext(bad, 32)];
  },
});

/** The same for MOV to a control register. */
function reloadPointers(m: Algebra, cr3: Value): void {
  const [bad] = m.call(loadPageDirectoryPointers, cr3);
  refuse(m, m.ne(bad as Value, m.const(32, 0)));
}

function changed(m: Algebra, before: Value, after: Value, mask: number): Value {
  return anySet(m, m.xor(before, after), mask);
}

const writeCr0 = defineRoutine({
  name: 'writeCr0',
  params: [64],
  results: [],
  faults: true,
  body(m, wanted) {
    const old = m.get(vcpu.cr0);
    const cr4 = m.get(vcpu.cr4);
    const efer = m.get(vcpu.efer);
    const paging = anySet(m, wanted, bits.CR0_PG);
    const wasPaging = anySet(m, old, bits.CR0_PG);
    refuse(m, m.ne(m.shr(wanted, 32), m.const(64, 0)));
    refuse(m, m.and(paging, m.not(anySet(m, wanted, bits.CR0_PE))));
    refuse(m, m.and(anySet(m, wanted, bits.CR0_NW), m.not(anySet(m, wanted, bits.CR0_CD))));
    const value = m.or(m.and(wanted, m.const(64, bits.CR0_WRITABLE)), m.const(64, bits.CR0_ET));
    m.if(
      m.and(paging, m.not(wasPaging)),
      () =>
        m.if(anySet(m, efer, bits.EFER_LME), () => {
          // SDM Vol. 3A §9.8.5 "Initializing IA-32e Mode".
          refuse(m, m.not(anySet(m, cr4, bits.CR4_PAE)));
          refuse(m, m.bit(m.getAt(vcpu.segmentAccess, CS), 13));
          // A 16-bit TSS, available or busy.
          refuse(m, m.eq(m.and(m.getAt(vcpu.segmentAccess, TR), m.const(32, 0x1d)), m.const(32, 1)));
          m.set(vcpu.efer, m.or(efer, m.const(64, bits.EFER_LMA)));
        }),
      () =>
        m.if(m.and(wasPaging, m.not(paging)), () => {
          refuse(m, m.or(is64BitMode(m), anySet(m, cr4, bits.CR4_PCIDE)));
          m.set(vcpu.efer, m.and(efer, m.const(64, ~BigInt(bits.EFER_LMA))));
        }),
    );
    const usesPointers = m.and(m.and(paging, anySet(m, cr4, bits.CR4_PAE)), m.not(anySet(m, efer, bits.EFER_LME)));
    const reloads = changed(m, old, value, bits.CR0_PG + bits.CR0_CD + bits.CR0_NW);
    m.if(m.and(usesPointers, reloads), () => reloadPointers(m, m.get(vcpu.cr3)));
    m.set(vcpu.cr0, value);
    m.if(
      changed(m, old, value, bits.CR0_PG + bits.CR0_WP + bits.CR0_PE),
      () => void m.host('controlWritten', m.const(32, bits.WRITTEN_CR0)),
    );
    m.contextChanged();
    return [];
  },
});

const writeCr3 = defineRoutine({
  name: 'writeCr3',
  params: [64],
  results: [],
  faults: true,
  body(m, wanted) {
    const cr4 = m.get(vcpu.cr4);
    const keep = m.and(m.msb(wanted), anySet(m, cr4, bits.CR4_PCIDE));
    m.if(
      isLongMode(m),
      () => {
        refuse(m, m.and(m.msb(wanted), m.not(keep)));
        refuse(m, anySet(m, wanted, CR3_RESERVED));
      },
      () => {
        const pae = m.and(anySet(m, cr4, bits.CR4_PAE), anySet(m, m.get(vcpu.cr0), bits.CR0_PG));
        m.if(pae, () => reloadPointers(m, wanted));
      },
    );
    m.set(vcpu.cr3, m.and(wanted, m.const(64, ~(1n << 63n))));
    const written = m.select(keep, m.const(32, bits.WRITTEN_CR3_KEEP), m.const(32, bits.WRITTEN_CR3));
    m.host('controlWritten', written);
    m.contextChanged();
    return [];
  },
});

const TRANSLATION_BITS = bits.CR4_PSE | bits.CR4_PAE | bits.CR4_PGE | bits.CR4_PCIDE | bits.CR4_SMEP | bits.CR4_SMAP;

const writeCr4 = defineRoutine({
  name: 'writeCr4',
  params: [64],
  results: [],
  faults: true,
  body(m, value) {
    const old = m.get(vcpu.cr4);
    const long = isLongMode(m);
    refuse(m, anySet(m, value, ~BigInt(bits.CR4_WRITABLE)));
    refuse(m, m.and(long, m.not(anySet(m, value, bits.CR4_PAE))));
    const newPcid = m.and(anySet(m, value, bits.CR4_PCIDE), m.not(anySet(m, old, bits.CR4_PCIDE)));
    refuse(m, m.and(newPcid, m.or(m.not(long), anySet(m, m.get(vcpu.cr3), 0xfff))));
    const paging = anySet(m, m.get(vcpu.cr0), bits.CR0_PG);
    const pae = m.and(m.and(paging, m.not(long)), anySet(m, value, bits.CR4_PAE));
    const reloads = changed(m, old, value, bits.CR4_PAE | bits.CR4_PGE | bits.CR4_PSE | bits.CR4_SMEP);
    m.if(m.and(pae, reloads), () => reloadPointers(m, m.get(vcpu.cr3)));
    m.set(vcpu.cr4, value);
    m.if(changed(m, old, value, TRANSLATION_BITS), () => void m.host('controlWritten', m.const(32, bits.WRITTEN_CR4)));
    m.contextChanged();
    return [];
  },
});

/** (register, value) */
const writeControl = defineRoutine({
  name: 'writeControl',
  params: [32, 64],
  results: [],
  faults: true,
  body(m, register, value) {
    const is = (number: number): Value => m.eq(register, m.const(32, number));
    m.if(is(0), () => void m.call(writeCr0, value));
    m.if(is(2), () => m.set(vcpu.cr2, value));
    m.if(is(3), () => void m.call(writeCr3, value));
    m.if(is(4), () => void m.call(writeCr4, value));
    m.if(is(8), () => {
      refuse(m, anySet(m, value, ~15n));
      m.host('writeCr8', value);
    });
    return [];
  },
});

/** (register) -> value */
const readControl = defineRoutine({
  name: 'readControl',
  params: [32],
  results: [64],
  faults: false,
  body(m, register) {
    const value = m.variable(m.get(vcpu.cr0));
    const when = (number: number, contents: () => Value): void =>
      m.if(m.eq(register, m.const(32, number)), () => m.assign(value, contents()));
    when(2, () => m.get(vcpu.cr2));
    when(3, () => m.get(vcpu.cr3));
    when(4, () => m.get(vcpu.cr4));
    when(8, () => m.host('readCr8'));
    return [m.use(value)];
  },
});

/** Number of the debug register meant; #UD for DR4 and DR5 with CR4.DE, #DB with DR7.GD. */
function debugRegister(m: Algebra, register: Value): Value {
  const isAlias = m.eq(m.and(register, m.const(32, 6)), m.const(32, 4));
  m.if(m.and(isAlias, anySet(m, m.get(vcpu.cr4), bits.CR4_DE)), () => m.raise(UD));
  m.if(anySet(m, m.getAt(vcpu.dr, 7), bits.DR7_GD), () => {
    m.setAt(vcpu.dr, 6, m.or(m.getAt(vcpu.dr, 6), m.const(64, bits.DR6_BD)));
    m.raise(DB);
  });
  return m.select(isAlias, m.add(register, m.const(32, 2)), register);
}

/** (register) -> value */
const readDebug = defineRoutine({
  name: 'readDebug',
  params: [32],
  results: [64],
  faults: true,
  body(m, register) {
    return [m.getAt(vcpu.dr, debugRegister(m, register))];
  },
});

/** (register, value) */
const writeDebug = defineRoutine({
  name: 'writeDebug',
  params: [32, 64],
  results: [],
  faults: true,
  body(m, operand, value) {
    const register = debugRegister(m, operand);
    const isStatus = m.eq(register, m.const(32, 6));
    const isControl = m.eq(register, m.const(32, 7));
    m.if(m.or(isStatus, isControl), () => refuse(m, m.ne(m.shr(value, 32), m.const(64, 0))));
    const shaped = (writable: number, fixed: number): Value =>
      m.or(m.and(value, m.const(64, writable)), m.const(64, fixed));
    const status = shaped(bits.DR6_WRITABLE, bits.DR6_FIXED);
    const control = shaped(bits.DR7_WRITABLE, bits.DR7_FIXED);
    m.setAt(vcpu.dr, register, m.select(isControl, control, m.select(isStatus, status, value)));
    m.host('controlWritten', m.const(32, bits.WRITTEN_DR7));
    m.contextChanged();
    return [];
  },
});

const SDM_CONTROL = 'Vol. 2B "MOV - Move to/from Control Registers"';
const SDM_DEBUG = 'Vol. 2B "MOV - Move to/from Debug Registers"';

const MOV_from_control = defineInstruction({
  name: 'MOV',
  sdm: SDM_CONTROL,
  forms: ['0F 20 /r Ry,Cy f64 cpl0 ends'],
  semantics(m, dst, src) {
    const [value] = m.call(readControl, m.index(src));
    m.write(dst, m.trunc(value, dst.type!));
  },
});

const MOV_to_control = defineInstruction({
  name: 'MOV',
  sdm: SDM_CONTROL,
  forms: ['0F 22 /r Cy,Ry f64 cpl0 ends'],
  semantics(m, dst, src) {
    m.call(writeControl, m.index(dst), m.zext(m.read(src), 64));
  },
});

const MOV_from_debug = defineInstruction({
  name: 'MOV',
  sdm: SDM_DEBUG,
  forms: ['0F 21 /r Ry,Dy f64 cpl0 ends'],
  semantics(m, dst, src) {
    const [value] = m.call(readDebug, m.index(src));
    m.write(dst, m.trunc(value, dst.type!));
  },
});

const MOV_to_debug = defineInstruction({
  name: 'MOV',
  sdm: SDM_DEBUG,
  forms: ['0F 23 /r Dy,Ry f64 cpl0 ends'],
  semantics(m, dst, src) {
    m.call(writeDebug, m.index(dst), m.zext(m.read(src), 64));
  },
});

const CLTS = defineInstruction({
  name: 'CLTS',
  sdm: 'Vol. 2A "CLTS - Clear Task-Switched Flag in CR0"',
  forms: ['0F 06 cpl0'],
  semantics(m) {
    m.set(vcpu.cr0, m.and(m.get(vcpu.cr0), m.const(64, ~BigInt(bits.CR0_TS))));
  },
});

/** PE can be set but not cleared. */
const LMSW = defineInstruction({
  name: 'LMSW',
  sdm: 'Vol. 2A "LMSW - Load Machine Status Word"',
  forms: ['0F 01 /6 Ew cpl0 ends'],
  semantics(m, src) {
    const word = m.zext(m.read(src), 64);
    const old = m.get(vcpu.cr0);
    const low = m.or(m.and(word, m.const(64, 0xf)), m.and(old, m.const(64, bits.CR0_PE)));
    m.call(writeCr0, m.or(m.and(old, m.const(64, ~0xfn)), low));
  },
});

const SMSW = defineInstruction({
  name: 'SMSW',
  sdm: 'Vol. 2B "SMSW - Store Machine Status Word"',
  forms: ['0F 01 /4 Rv', '0F 01 /4 Mw'],
  semantics(m, dst) {
    refuseUserMode(m);
    m.write(dst, unsigned(m, m.get(vcpu.cr0), dst.type as 16 | 32 | 64));
  },
});

/** #GP(0) at CPL above 0 with CR4.UMIP: SGDT, SIDT, SLDT, SMSW, STR. */
export function refuseUserMode(m: Algebra): void {
  const user = m.ne(m.get(vcpu.cpl), m.const(32, 0));
  refuse(m, m.and(user, anySet(m, m.get(vcpu.cr4), bits.CR4_UMIP)));
}

export const controlRegisters: readonly Instruction[] = [
  MOV_from_control,
  MOV_to_control,
  MOV_from_debug,
  MOV_to_debug,
  CLTS,
  LMSW,
  SMSW,
];
