/** Segment registers: MOV, PUSH, POP, LDS...: SDM Vol. 1 §7.3.16 "Segment Register Instructions", Vol. 3A §5.6, §5.7. */

import {
  type Algebra,
  CS,
  defineRoutine,
  FS,
  GP,
  GS,
  NP,
  type Operand,
  SS,
  SS_FAULT,
  type Value,
} from '../../algebra.ts';
import { RSP, vcpu } from '../../state.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { setStackPointer, stackAddress, stackOffset, stackOffsetPlus } from '../stack-pointer.ts';
import { widthOf } from '../widths.ts';
import {
  ACCESS_BIG,
  ACCESS_GRANULARITY,
  ACCESS_UNUSABLE,
  descriptorAccess,
  descriptorAddress,
  descriptorDpl,
  markAccessed,
  selectorError,
  setSegment,
} from './descriptors.ts';
import { is64BitMode, isVirtual8086, usesDescriptors } from './modes.ts';

const ACCESS_DATA = 0x93;
const ACCESS_VIRTUAL_8086 = 0xf3;

/**
 * Real-address and virtual-8086 mode: the base follows from the selector (SDM Vol. 3B §20.1.1 "Address Translation in
 * Real-Address Mode").
 */
export function setRealSegment(m: Algebra, segment: number | Value, selector: Value): void {
  m.setAt(vcpu.segmentSelector, segment, selector);
  m.setAt(vcpu.segmentBase, segment, m.shl(m.zext(selector, 64), 4));
  m.if(
    isVirtual8086(m),
    () => {
      m.setAt(vcpu.segmentLimit, segment, m.const(32, 0xffff));
      m.setAt(vcpu.segmentAccess, segment, m.const(32, ACCESS_VIRTUAL_8086));
    },
    () => {
      // The limit and size stay as protected mode left them.
      const kept = m.and(m.getAt(vcpu.segmentAccess, segment), m.const(32, ACCESS_BIG | ACCESS_GRANULARITY));
      m.setAt(vcpu.segmentAccess, segment, m.or(kept, m.const(32, ACCESS_DATA)));
    },
  );
}

/** A null selector in a data segment register: any use of it faults. In 64-bit mode FS and GS have base 0 then. */
export function setNullSegment(m: Algebra, segment: number | Value, selector: Value, dpl: Value): void {
  m.setAt(vcpu.segmentSelector, segment, selector);
  m.setAt(vcpu.segmentBase, segment, m.const(64, 0));
  m.setAt(vcpu.segmentLimit, segment, m.const(32, 0));
  m.setAt(vcpu.segmentAccess, segment, m.or(m.const(32, ACCESS_UNUSABLE), m.shl(dpl, 5)));
}

export function isNullSelector(m: Algebra, selector: Value): Value {
  return m.isZero(m.and(selector, m.const(16, 0xfffc)));
}

/** RPL of a selector, type 32. */
export function requestedPrivilege(m: Algebra, selector: Value): Value {
  return m.and(m.zext(selector, 32), m.const(32, 3));
}

/**
 * Checks of a descriptor for DS, ES, FS or GS at the privilege `cpl`; #`vector`(selector) (#GP, #TS in a task switch),
 * #NP where it is not present.
 */
export function checkDataDescriptor(m: Algebra, selector: Value, access: Value, cpl: Value, vector: number): void {
  const error = selectorError(m, selector);
  const isCode = m.bit(access, 3);
  const unreadable = m.and(isCode, m.not(m.bit(access, 1)));
  m.if(m.or(m.not(m.bit(access, 4)), unreadable), () => m.raise(vector, error));
  const conforming = m.and(isCode, m.bit(access, 2));
  const dpl = descriptorDpl(m, access);
  const tooLow = m.or(m.ltU(dpl, requestedPrivilege(m, selector)), m.ltU(dpl, cpl));
  m.if(m.and(m.not(conforming), tooLow), () => m.raise(vector, error));
  m.if(m.not(m.bit(access, 7)), () => m.raise(NP, error));
}

/** Checks of a descriptor for SS: writable data of exactly the privilege `cpl`. `external`: EXT of the error code. */
export function checkStackDescriptor(
  m: Algebra,
  selector: Value,
  access: Value,
  cpl: Value,
  vector: number,
  external?: Value,
): void {
  const error = selectorError(m, selector, external);
  const writableData = m.eq(m.and(access, m.const(32, 0x1a)), m.const(32, 0x12));
  const privilege = m.and(m.eq(descriptorDpl(m, access), cpl), m.eq(requestedPrivilege(m, selector), cpl));
  m.if(m.not(m.and(writableData, privilege)), () => m.raise(vector, error));
  m.if(m.not(m.bit(access, 7)), () => m.raise(SS_FAULT, error));
}

/** (segment, selector): any segment register but CS. */
export const loadSegment = defineRoutine({
  name: 'loadSegment',
  params: [32, 16],
  results: [],
  faults: true,
  body(m, segment, selector) {
    const cpl = m.get(vcpu.cpl);
    const isStack = m.eq(segment, m.const(32, SS));
    const descriptors = (): void => {
      m.if(
        isNullSelector(m, selector),
        () => {
          // SS may be null in 64-bit mode below CPL 3 only.
          const allowed = m.and(
            m.and(is64BitMode(m), m.ne(cpl, m.const(32, 3))),
            m.eq(requestedPrivilege(m, selector), cpl),
          );
          m.if(m.and(isStack, m.not(allowed)), () => m.raise(GP, 0));
          setNullSegment(m, segment, selector, cpl);
        },
        () => {
          const address = descriptorAddress(m, selector);
          const descriptor = m.loadSystem(64, address);
          const access = descriptorAccess(m, descriptor);
          m.if(
            isStack,
            () => checkStackDescriptor(m, selector, access, cpl, GP),
            () => checkDataDescriptor(m, selector, access, cpl, GP),
          );
          markAccessed(m, address, access);
          setSegment(m, segment, selector, descriptor);
        },
      );
    };
    m.if(usesDescriptors(m), descriptors, () => setRealSegment(m, segment, selector));
    m.contextChanged();
    return [];
  },
});

/** Interrupts and debug exceptions wait for the instruction after one that loads SS (§6.8.3). */
export function shadowStackLoad(m: Algebra, segment: Value | number): void {
  const set = (): void => {
    m.set(vcpu.interruptShadow, m.const(32, 2));
    m.set(vcpu.shadowBudget, m.const(32, -1));
  };
  if (typeof segment !== 'number') m.if(m.eq(segment, m.const(32, SS)), set);
  else if (segment === SS) set();
}

const MOV_from_segment = defineInstruction({
  name: 'MOV',
  sdm: 'Vol. 2B "MOV - Move"',
  forms: ['8C /r Rv,Sw', '8C /r Mw,Sw'],
  semantics(m, dst, src) {
    m.write(dst, m.zext(m.read(src), dst.type!));
  },
});

const MOV_to_segment = defineInstruction({
  name: 'MOV',
  sdm: 'Vol. 2B "MOV - Move"',
  forms: ['8E /r Sw,Ew ends'],
  semantics(m, dst, src) {
    const segment = m.index(dst);
    m.call(loadSegment, segment, m.read(src));
    shadowStackLoad(m, segment);
  },
});

/** With a 32-bit operand only the lower half of the stack's doubleword is written. */
const PUSH = defineInstruction({
  name: 'PUSH',
  sdm: 'Vol. 2B "PUSH - Push Word, Doubleword, or Quadword Onto the Stack"',
  forms: ['06 ES i64', '0E CS i64', '16 SS i64', '1E DS i64', '0F A0 FS d64', '0F A8 GS d64'],
  semantics(m, src) {
    const selector = m.read(src);
    if (m.operandSize !== 32) {
      m.push(m.zext(selector, m.operandSize));
      return;
    }
    const top = stackOffsetPlus(m, stackOffset(m, RSP), -4);
    m.store(stackAddress(m, top), selector);
    setStackPointer(m, top);
  },
});

/** Only the selector is read, whatever the operand size; rSP is known before SS changes how wide it is. */
function pop(forms: readonly string[], segment: number): Instruction {
  return defineInstruction({
    name: 'POP',
    sdm: 'Vol. 2B "POP - Pop a Value From the Stack"',
    forms,
    semantics(m) {
      const top = stackOffset(m, RSP);
      const selector = m.load(16, stackAddress(m, top));
      const before = m.getGpr(RSP, 64);
      setStackPointer(m, stackOffsetPlus(m, top, m.operandSize / 8));
      const after = m.getGpr(RSP, 64);
      m.setGpr(RSP, before);
      m.call(loadSegment, m.const(32, segment), selector);
      m.setGpr(RSP, after);
      shadowStackLoad(m, segment);
    },
  });
}

/** LDS, LES, LFS, LGS, LSS. */
function loadFarPointer(name: string, form: string, segment: number): Instruction {
  return defineInstruction({
    name,
    sdm: 'Vol. 2A "LDS/LES/LFS/LGS/LSS - Load Far Pointer"',
    forms: [form],
    semantics(m, dst: Operand, src: Operand) {
      const address = m.memory(src);
      const width = widthOf(dst);
      const offset = m.load(width, address);
      const selector = m.load(16, m.offset(address, width / 8));
      m.call(loadSegment, m.const(32, segment), selector);
      m.write(dst, offset);
    },
  });
}

export const segmentRegisters: readonly Instruction[] = [
  MOV_from_segment,
  MOV_to_segment,
  PUSH,
  pop(['07 ES i64 ends'], 0),
  pop(['17 SS i64 ends'], SS),
  pop(['1F DS i64 ends'], 3),
  pop(['0F A1 FS d64 ends'], FS),
  pop(['0F A9 GS d64 ends'], GS),
  loadFarPointer('LES', 'C4 /r Gv,M i64 ends', 0),
  loadFarPointer('LDS', 'C5 /r Gv,M i64 ends', 3),
  loadFarPointer('LSS', '0F B2 /r Gv,M ends', SS),
  loadFarPointer('LFS', '0F B4 /r Gv,M ends', FS),
  loadFarPointer('LGS', '0F B5 /r Gv,M ends', GS),
];

/** The new code segment of a transfer that has passed its checks: RPL becomes `cpl`; 64-bit code has base 0. */
export function setCodeSegment(m: Algebra, selector: Value, descriptor: Value, cpl: Value): void {
  const rpl = m.or(m.and(selector, m.const(16, 0xfffc)), m.trunc(cpl, 16));
  setSegment(m, CS, rpl, descriptor);
  m.if(is64BitMode(m), () => m.setAt(vcpu.segmentBase, CS, m.const(64, 0)));
  m.set(vcpu.cpl, cpl);
}
