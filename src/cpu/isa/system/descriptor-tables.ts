/** GDTR, IDTR, LDTR and TR: SDM Vol. 3A §2.4 "Memory-Management Registers", §3.5 "System Descriptor Types". */

import { type Address, type Algebra, defineRoutine, GP, LDTR, NP, TR, type Value } from '../../algebra.ts';
import { type StateField, vcpu } from '../../state.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { widthOf } from '../widths.ts';
import { refuseUserMode } from './control-registers.ts';
import {
  ACCESS_UNUSABLE,
  descriptorAccess,
  descriptorAddress,
  descriptorBase,
  descriptorLimit,
  selectorError,
} from './descriptors.ts';
import { isCanonical, isLongMode } from './modes.ts';
import { isNullSelector } from './segment-registers.ts';

const SYSTEM_LDT = 2;
const SYSTEM_TSS_16 = 1;
const SYSTEM_TSS_32 = 9;
/** Turns an available TSS's type into a busy one's. */
export const TSS_BUSY = 2;

function loadTable(name: string, form: string, base: StateField, limit: StateField): Instruction {
  return defineInstruction({
    name,
    sdm: 'Vol. 2A "LGDT/LIDT - Load Global/Interrupt Descriptor Table Register"',
    forms: [form],
    semantics(m, src) {
      const address = m.memory(src);
      const newLimit = m.zext(m.load(16, address), 32);
      const newBase = loadBase(m, m.offset(address, 2));
      m.set(limit, newLimit);
      m.set(base, newBase);
    },
  });
}

function loadBase(m: Algebra, address: Address): Value {
  if (m.mode === 64) {
    const base = m.load(64, address);
    m.if(m.not(isCanonical(m, base)), () => m.raise(GP, 0));
    return base;
  }
  const base = m.zext(m.load(32, address), 64);
  return m.operandSize === 16 ? m.and(base, m.const(64, 0xffffff)) : base;
}

function storeTable(name: string, form: string, base: StateField, limit: StateField): Instruction {
  return defineInstruction({
    name,
    sdm: `Vol. 2B "${name} - Store ${name === 'SGDT' ? 'Global' : 'Interrupt'} Descriptor Table Register"`,
    forms: [form],
    semantics(m, dst) {
      refuseUserMode(m);
      const width = m.mode === 64 ? 64 : 32;
      const address = m.memory(dst);
      m.probeWrite(address, 2 + width / 8);
      m.store(address, m.trunc(m.get(limit), 16));
      m.store(m.offset(address, 2), m.trunc(m.get(base), width));
    },
  });
}

/** Base of a system descriptor: in IA-32e mode it is 16 bytes long, the upper base in the third doubleword. */
function systemBase(m: Algebra, address: Value, descriptor: Value, selector: Value): Value {
  const base = m.variable(descriptorBase(m, descriptor));
  m.if(isLongMode(m), () => {
    const high = m.loadSystem(64, m.add(address, m.const(64, 8)));
    // Bits 8-12 of the last doubleword are a type, which must be 0.
    const malformed = m.ne(m.and(m.shr(high, 40), m.const(64, 0x1f)), m.const(64, 0));
    const full = m.or(m.use(base), m.shl(high, 32));
    m.if(m.or(malformed, m.not(isCanonical(m, full))), () => m.raise(GP, selectorError(m, selector)));
    m.assign(base, full);
  });
  return m.use(base);
}

/** Fills LDTR or TR. */
function setSystemSegment(
  m: Algebra,
  register: typeof LDTR | typeof TR,
  selector: Value,
  contents: { base: Value; limit: Value; access: Value },
): void {
  m.setAt(vcpu.segmentSelector, register, selector);
  m.setAt(vcpu.segmentBase, register, contents.base);
  m.setAt(vcpu.segmentLimit, register, contents.limit);
  m.setAt(vcpu.segmentAccess, register, contents.access);
}

/** (selector) */
export const loadLocalTable = defineRoutine({
  name: 'loadLocalTable',
  params: [16],
  results: [],
  faults: true,
  body(m, selector) {
    const error = selectorError(m, selector);
    m.if(
      isNullSelector(m, selector),
      () => {
        m.setAt(vcpu.segmentSelector, LDTR, selector);
        m.setAt(vcpu.segmentAccess, LDTR, m.const(32, ACCESS_UNUSABLE));
      },
      () => {
        m.if(m.bit(selector, 2), () => m.raise(GP, error));
        const address = descriptorAddress(m, selector);
        const descriptor = m.loadSystem(64, address);
        const access = descriptorAccess(m, descriptor);
        const isTable = m.eq(m.and(access, m.const(32, 0x1f)), m.const(32, SYSTEM_LDT));
        m.if(m.not(isTable), () => m.raise(GP, error));
        m.if(m.not(m.bit(access, 7)), () => m.raise(NP, error));
        const base = systemBase(m, address, descriptor, selector);
        setSystemSegment(m, LDTR, selector, { base, limit: descriptorLimit(m, descriptor), access });
      },
    );
    return [];
  },
});

/** (selector) */
const loadTaskRegister = defineRoutine({
  name: 'loadTaskRegister',
  params: [16],
  results: [],
  faults: true,
  body(m, selector) {
    const error = selectorError(m, selector);
    m.if(isNullSelector(m, selector), () => m.raise(GP, 0));
    m.if(m.bit(selector, 2), () => m.raise(GP, error));
    const address = descriptorAddress(m, selector);
    const descriptor = m.loadSystem(64, address);
    const access = descriptorAccess(m, descriptor);
    const type = m.and(access, m.const(32, 0x1f));
    const is16 = m.and(m.eq(type, m.const(32, SYSTEM_TSS_16)), m.not(isLongMode(m)));
    m.if(m.not(m.or(is16, m.eq(type, m.const(32, SYSTEM_TSS_32)))), () => m.raise(GP, error));
    m.if(m.not(m.bit(access, 7)), () => m.raise(NP, error));
    const base = systemBase(m, address, descriptor, selector);
    const busy = m.or(access, m.const(32, TSS_BUSY));
    m.storeSystem(m.add(address, m.const(64, 5)), m.trunc(busy, 8));
    setSystemSegment(m, TR, selector, { base, limit: descriptorLimit(m, descriptor), access: busy });
    return [];
  },
});

const LLDT = defineInstruction({
  name: 'LLDT',
  sdm: 'Vol. 2A "LLDT - Load Local Descriptor Table Register"',
  forms: ['0F 00 /2 Ew cpl0 prot'],
  semantics(m, src) {
    m.call(loadLocalTable, m.read(src));
  },
});

const LTR = defineInstruction({
  name: 'LTR',
  sdm: 'Vol. 2A "LTR - Load Task Register"',
  forms: ['0F 00 /3 Ew cpl0 prot ends'],
  semantics(m, src) {
    m.call(loadTaskRegister, m.read(src));
  },
});

function storeSelector(name: string, sdm: string, digit: number, register: number): Instruction {
  return defineInstruction({
    name,
    sdm,
    forms: [`0F 00 /${digit} Rv prot`, `0F 00 /${digit} Mw prot`],
    semantics(m, dst) {
      refuseUserMode(m);
      m.write(dst, m.zext(m.getAt(vcpu.segmentSelector, register), widthOf(dst)));
    },
  });
}

export const descriptorTables: readonly Instruction[] = [
  loadTable('LGDT', '0F 01 /2 M f64 cpl0', vcpu.gdtrBase, vcpu.gdtrLimit),
  loadTable('LIDT', '0F 01 /3 M f64 cpl0', vcpu.idtrBase, vcpu.idtrLimit),
  storeTable('SGDT', '0F 01 /0 M f64', vcpu.gdtrBase, vcpu.gdtrLimit),
  storeTable('SIDT', '0F 01 /1 M f64', vcpu.idtrBase, vcpu.idtrLimit),
  LLDT,
  LTR,
  storeSelector('SLDT', 'Vol. 2B "SLDT - Store Local Descriptor Table Register"', 0, LDTR),
  storeSelector('STR', 'Vol. 2B "STR - Store Task Register"', 1, TR),
];
