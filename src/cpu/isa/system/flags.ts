/**
 * PUSHF, POPF, CLI, STI, CLAC, STAC: SDM Vol. 1 §3.4.3.3 "System Flags and IOPL Field", Vol. 3B §20.3.3 "Class 3
 * - Software Interrupt Handling in Virtual-8086 Mode" and §20.4 for the virtual interrupt flag (CR4.VME, CR4.PVI).
 */

import { type Algebra, defineRoutine, GP, type Routine, UD, type Value } from '../../algebra.ts';
import { RSP, vcpu } from '../../state.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { setStackPointer, stackAddress, stackOffset, stackOffsetPlus } from '../stack-pointer.ts';
import { CR4_PVI, CR4_VME } from './control-bits.ts';
import { anySet, ioPrivilegeLevel, isProtectedMode, isVirtual8086 } from './modes.ts';
import {
  FLAG_AC,
  FLAG_IF,
  FLAG_IOPL,
  FLAG_RF,
  FLAG_TF,
  FLAG_VIF,
  FLAG_VIP,
  FLAG_VM,
  FLAGS_FREE,
  readRflags,
  writeRflags,
} from './rflags.ts';

function changeFlags(m: Algebra, set: number, clear: number): void {
  m.set(vcpu.rflags, m.or(m.and(m.get(vcpu.rflags), m.const(32, ~clear)), m.const(32, set)));
}

/** Moves IF's image (type 32) to VIF's place. */
function asVirtualInterrupt(m: Algebra, image: Value): Value {
  return m.shl(m.and(image, m.const(32, FLAG_IF)), 10);
}

/** (bits of the operand) -> the image that PUSHF stores. */
const flagsToPush = defineRoutine({
  name: 'flagsToPush',
  params: [32],
  results: [32],
  faults: true,
  body(m, size) {
    const flags = readRflags(m);
    const image = m.variable(m.and(flags, m.const(32, ~(FLAG_VM | FLAG_RF))));
    const restricted = m.and(isVirtual8086(m), m.ne(ioPrivilegeLevel(m), m.const(32, 3)));
    m.if(restricted, () => {
      const virtual = m.and(anySet(m, m.get(vcpu.cr4), CR4_VME), m.eq(size, m.const(32, 16)));
      m.if(m.not(virtual), () => m.raise(GP, 0));
      const interrupt = m.and(m.shr(flags, 10), m.const(32, FLAG_IF));
      const kept = m.and(flags, m.const(32, ~FLAG_IF));
      m.assign(image, m.or(m.or(kept, interrupt), m.const(32, FLAG_IOPL)));
    });
    return [m.use(image)];
  },
});

/** (bits of the operand, image): POPF's part after the stack was read. */
const popFlags = defineRoutine({
  name: 'popFlags',
  params: [32, 32],
  results: [],
  faults: true,
  body(m, size, image) {
    const is16 = m.eq(size, m.const(32, 16));
    const width = m.select(is16, m.const(32, 0xffff), m.const(32, -1));
    const cpl = m.get(vcpu.cpl);
    const iopl = ioPrivilegeLevel(m);
    const virtual8086 = isVirtual8086(m);
    const mask = m.variable(m.const(32, FLAGS_FREE));
    const permit = (condition: Value, flags: number): void =>
      m.if(condition, () => m.assign(mask, m.or(m.use(mask), m.const(32, flags))));
    m.if(
      m.and(virtual8086, m.ne(iopl, m.const(32, 3))),
      () => {
        m.if(m.not(m.and(anySet(m, m.get(vcpu.cr4), CR4_VME), is16)), () => m.raise(GP, 0));
        const enables = m.and(anySet(m, image, FLAG_IF), anySet(m, m.get(vcpu.rflags), FLAG_VIP));
        m.if(m.or(enables, anySet(m, image, FLAG_TF)), () => m.raise(GP, 0));
        const others = m.and(m.get(vcpu.rflags), m.const(32, ~FLAG_VIF));
        m.set(vcpu.rflags, m.or(others, asVirtualInterrupt(m, image)));
      },
      () => {
        permit(m.leU(cpl, iopl), FLAG_IF);
        permit(m.isZero(cpl), FLAG_IOPL);
      },
    );
    // RF is cleared whatever the image says.
    const writable = m.or(m.and(m.use(mask), width), m.const(32, FLAG_RF));
    const before = m.get(vcpu.rflags);
    writeRflags(m, m.and(image, m.const(32, ~FLAG_RF)), writable);
    m.if(anySet(m, m.xor(before, m.get(vcpu.rflags)), FLAG_AC), () => m.contextChanged());
    return [];
  },
});

const PUSHF = defineInstruction({
  name: 'PUSHF',
  sdm: 'Vol. 2B "PUSHF/PUSHFD/PUSHFQ - Push EFLAGS Register Onto the Stack"',
  forms: ['9C d64'],
  semantics(m) {
    const size = m.operandSize;
    const [image] = m.call(flagsToPush, m.const(32, size));
    m.push(size === 16 ? m.trunc(image, 16) : m.zext(image, size));
  },
});

const POPF = defineInstruction({
  name: 'POPF',
  sdm: 'Vol. 2B "POPF/POPFD/POPFQ - Pop Stack Into EFLAGS Register"',
  forms: ['9D d64 ends'],
  semantics(m) {
    const size = m.operandSize;
    const top = stackOffset(m, RSP);
    const value = m.load(size, stackAddress(m, top));
    m.call(popFlags, m.const(32, size), size === 16 ? m.zext(value, 32) : m.trunc(value, 32));
    setStackPointer(m, stackOffsetPlus(m, top, size / 8));
  },
});

/**
 * Whether IF itself is meant (else VIF), type 1; #GP(0) where neither may be changed. Virtual-8086 mode has CPL 3, real
 * mode CPL 0.
 */
function interruptFlagIsReal(m: Algebra): Value {
  const cpl = m.get(vcpu.cpl);
  const real = m.leU(cpl, ioPrivilegeLevel(m));
  const allowed = m.or(m.not(isProtectedMode(m)), real);
  m.if(m.not(allowed), () => {
    const cr4 = m.get(vcpu.cr4);
    const virtual = m.select(isVirtual8086(m), anySet(m, cr4, CR4_VME), anySet(m, cr4, CR4_PVI));
    m.if(m.not(m.and(virtual, m.eq(cpl, m.const(32, 3)))), () => m.raise(GP, 0));
  });
  return allowed;
}

function privilegedFlagRoutine(name: string, body: (m: Algebra) => void): Routine {
  return defineRoutine({
    name,
    params: [],
    results: [],
    faults: true,
    body(m) {
      body(m);
      return [];
    },
  });
}

const clearInterrupt = privilegedFlagRoutine('clearInterrupt', (m) => {
  m.if(
    interruptFlagIsReal(m),
    () => changeFlags(m, 0, FLAG_IF),
    () => changeFlags(m, 0, FLAG_VIF),
  );
});

const setInterrupt = privilegedFlagRoutine('setInterrupt', (m) => {
  m.if(
    interruptFlagIsReal(m),
    () => {
      // Interrupts wait for the instruction after the one that enabled them.
      m.if(m.not(anySet(m, m.get(vcpu.rflags), FLAG_IF)), () => {
        m.set(vcpu.interruptShadow, m.const(32, 1));
        m.set(vcpu.shadowBudget, m.const(32, -1));
      });
      changeFlags(m, FLAG_IF, 0);
    },
    () => {
      m.if(anySet(m, m.get(vcpu.rflags), FLAG_VIP), () => m.raise(GP, 0));
      changeFlags(m, FLAG_VIF, 0);
    },
  );
});

const CLI = defineInstruction({
  name: 'CLI',
  sdm: 'Vol. 2A "CLI - Clear Interrupt Flag"',
  forms: ['FA'],
  semantics(m) {
    // Fast path: kernels, which switch interrupts off and on all the time.
    m.if(
      m.isZero(m.get(vcpu.cpl)),
      () => changeFlags(m, 0, FLAG_IF),
      () => void m.call(clearInterrupt),
    );
  },
});

const STI = defineInstruction({
  name: 'STI',
  sdm: 'Vol. 2B "STI - Set Interrupt Flag"',
  forms: ['FB ends'],
  semantics(m) {
    m.call(setInterrupt);
  },
});

/** #UD, not #GP(0), at CPL above 0. */
function alignmentCheck(name: string, sdm: string, form: string, set: number, clear: number): Instruction {
  return defineInstruction({
    name,
    sdm,
    feature: 'smap',
    forms: [form],
    semantics(m) {
      m.if(m.ne(m.get(vcpu.cpl), m.const(32, 0)), () => m.raise(UD));
      changeFlags(m, set, clear);
      m.contextChanged();
    },
  });
}

export const flags: readonly Instruction[] = [
  PUSHF,
  POPF,
  CLI,
  STI,
  alignmentCheck('CLAC', 'Vol. 2A "CLAC - Clear AC Flag in EFLAGS Register"', 'NP 0F 01 CA', 0, FLAG_AC),
  alignmentCheck('STAC', 'Vol. 2B "STAC - Set AC Flag in EFLAGS Register"', 'NP 0F 01 CB', FLAG_AC, 0),
];
