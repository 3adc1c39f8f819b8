/**
 * The x87 register stack, control and status word as the x87 definitions use them (SDM Vol. 1 §8.1 "x87 FPU Execution
 * Environment"). The state holds registers by physical number; ST(i) is physical register (TOP + i) mod 8.
 *
 * Exception flags travel as a 32-bit value laid out like the status word, so that reporting them is an OR:
 * bits 0-5 the exceptions, bit 6 SF (stack fault), bit 9 C1.
 *
 * With CR0.NE clear a pending exception is #MF, too, but delivery makes FERR# of it (`system/deliver.ts`).
 */

import { type Algebra, defineRoutine, MF, NM, type Operand, type Value } from '../algebra.ts';
import { vcpu } from '../state.ts';
import { any, EXCEPTIONS, flagIf, INVALID, PRE_COMPUTATION, UNPACKED, type Unpacked, unpacked } from './fp/format.ts';
import { type Guard, isClear } from './fp/normal.ts';
import { unpack80 } from './fp/unpack.ts';
import { CR0_EM, CR0_NE, CR0_TS } from './system/control-bits.ts';
import { recordOpcode } from './x87-pointers.ts';

/** A further kind of number besides those of `fp/format.ts`: the register is tagged empty. */
export const IS_EMPTY = 0x80;

export const STACK_FAULT = 0x40;
export const C0 = 0x100;
export const C1 = 0x200;
export const C2 = 0x400;
export const C3 = 0x4000;
export const CONDITION_CODES = C0 | C1 | C2 | C3;
/** ES: an exception is pending. */
export const EXCEPTION_SUMMARY = 0x80;
/** B is its copy. */
const SUMMARY = EXCEPTION_SUMMARY | 0x8000;

export const STACK_UNDERFLOW = INVALID | STACK_FAULT;
export const STACK_OVERFLOW = INVALID | STACK_FAULT | C1;

/** The default NaN, "real indefinite". */
export const INDEFINITE_HEAD = 0xffff;
export const INDEFINITE_SIGNIFICAND = 3n << 62n;

const unavailable = defineRoutine({
  name: 'x87Unavailable',
  params: [],
  results: [],
  faults: true,
  body(m) {
    m.raise(NM);
    return [];
  },
});

/** #MF, unless IGNNE# lets instructions go on (SDM Vol. 1 §8.7.2 "MS-DOS Compatibility Sub-mode"). */
export const pendingException = defineRoutine({
  name: 'x87PendingException',
  params: [],
  results: [],
  faults: true,
  body(m) {
    const ignored = m.ne(m.get(vcpu.ignoreNumericErrors), m.const(32, 0));
    m.if(m.or(any(m, m.get(vcpu.cr0), CR0_NE), m.not(ignored)), () => m.raise(MF));
    return [];
  },
});

/** What every waiting x87 instruction begins with: #NM if CR0.EM or CR0.TS is set, #MF if an exception is pending. */
export function enter(m: Algebra): void {
  available(m);
  m.if(any(m, m.get(vcpu.fsw), EXCEPTION_SUMMARY), () => m.call(pendingException));
}

/** #NM if CR0.EM or CR0.TS is set. */
export function available(m: Algebra): void {
  m.once(checkAvailable);
}

function checkAvailable(m: Algebra): void {
  m.if(any(m, m.get(vcpu.cr0), CR0_EM | CR0_TS), () => m.call(unavailable));
}

/**
 * What every instruction that is not a control instruction ends with: the pointers to it. The operand pointer and the
 * opcode are updated on unmasked exceptions only, as processors with CPUID.7.0:EBX.FDP_EXCPTN_ONLY do
 * (SDM Vol. 1 §8.1.8, §8.1.9); FCS and FDS are deprecated and stay 0.
 */
export function leave(m: Algebra, memory?: Operand): void {
  recordPointer(m);
  recordException(m, memory);
}

/** The instruction pointer's part of `leave`: enough where no exception can be pending. */
export function recordPointer(m: Algebra): void {
  m.set(vcpu.fip, m.ip());
}

export function recordException(m: Algebra, memory?: Operand): void {
  m.if(any(m, m.get(vcpu.fsw), EXCEPTION_SUMMARY), () => {
    if (memory?.kind === 'memory') m.set(vcpu.fdp, m.zext(m.memory(memory).offset, 64));
    recordOpcode(m);
  });
}

/** The x87 control word as the control word of the soft-float routines (`fp/format.ts`). */
export function controlWord(m: Algebra): Value {
  const fcw = m.zext(m.get(vcpu.fcw), 32);
  const field = (mask: number, by: number): Value => m.shl(m.and(fcw, m.const(32, mask)), by);
  return m.or(m.or(field(0x3f, 7), field(0xc00, 3)), field(0x300, 8));
}

/** Rounding control of the x87 control word. */
export function roundingOfControlWord(m: Algebra): Value {
  return m.and(m.zext(m.shr(m.get(vcpu.fcw), 10), 32), m.const(32, 3));
}

/** Physical number (type 32) of ST(i). */
export function physical(m: Algebra, i: Value | number): Value {
  const index = typeof i === 'number' ? m.const(32, i) : i;
  return m.and(m.add(m.get(vcpu.fpuTop), index), m.const(32, 7));
}

/** TOP and the tags, read once for all that a fast path wants of them. */
export interface Stack {
  readonly top: Value;
  readonly tags: Value;
}

export function stackOf(m: Algebra): Stack {
  return { top: m.get(vcpu.fpuTop), tags: m.get(vcpu.fpuEmpty) };
}

/** Physical number of ST(i). */
export function registerAt(m: Algebra, { top }: Stack, i: Value | number): Value {
  if (i === 0) return top;
  const index = typeof i === 'number' ? m.const(32, i) : i;
  return m.and(m.add(top, index), m.const(32, 7));
}

/** Against an empty register. */
export function emptyGuard(m: Algebra, { tags }: Stack, register: Value): Guard {
  return m.shl(m.shr(tags, register), 31);
}

/** Against a register in use. */
function fullGuard(m: Algebra, { tags }: Stack, register: Value): Guard {
  return m.sub(m.and(m.shr(tags, register), m.const(32, 1)), m.const(32, 1));
}

/** Against control words (type 32) with INEXACT unmasked or a rounding other than to nearest, to whatever precision. */
export function controlGuard(m: Algebra, controlWord: Value): Guard {
  return m.neg(m.xor(m.and(controlWord, m.const(32, 0xc20)), m.const(32, 0x20)));
}

/** `pop`, of a stack whose tags may have become others. */
export function popFrom(m: Algebra, stack: Stack): void {
  m.set(vcpu.fpuEmpty, m.or(stack.tags, m.shl(m.const(32, 1), stack.top)));
  m.set(vcpu.fpuTop, registerAt(m, stack, 1));
}

export function isEmpty(m: Algebra, register: Value): Value {
  return m.ne(m.and(m.shr(m.get(vcpu.fpuEmpty), register), m.const(32, 1)), m.const(32, 0));
}

export interface Extended {
  /** Sign and biased exponent, type 32. */
  readonly head: Value;
  readonly significand: Value;
}

export function getExtended(m: Algebra, register: Value): Extended {
  return {
    head: m.zext(m.getAt(vcpu.stExponent, register), 32),
    significand: m.getAt(vcpu.stMantissa, register),
  };
}

/** Writes a physical register that is full. */
export function replaceExtended(m: Algebra, register: Value, value: Extended): void {
  m.setAt(vcpu.stExponent, register, m.trunc(value.head, 16));
  m.setAt(vcpu.stMantissa, register, value.significand);
}

/** Writes a physical register and tags it as full. */
export function putExtended(m: Algebra, register: Value, value: Extended): void {
  replaceExtended(m, register, value);
  setEmpty(m, register, false);
}

export function setEmpty(m: Algebra, register: Value, empty: boolean): void {
  const bit = m.shl(m.const(32, 1), register);
  const tags = m.get(vcpu.fpuEmpty);
  m.set(vcpu.fpuEmpty, empty ? m.or(tags, bit) : m.and(tags, m.not(bit)));
}

export function moveTop(m: Algebra, by: 1 | -1): void {
  m.set(vcpu.fpuTop, physical(m, m.const(32, by)));
}

export function pop(m: Algebra): void {
  setEmpty(m, m.get(vcpu.fpuTop), true);
  moveTop(m, 1);
}

/** (physical register) -> unpacked, with IS_EMPTY as the only kind if it is empty. */
const unpackRegister = defineRoutine({
  name: 'x87Unpack',
  params: [32],
  results: UNPACKED,
  faults: false,
  body(m, register) {
    const { head, significand } = getExtended(m, register);
    const x = unpacked(m.call(unpack80, head, significand));
    return [m.select(isEmpty(m, register), m.const(32, IS_EMPTY), x.kind), x.sign, x.exponent, x.significand];
  },
});

export function unpackSt(m: Algebra, i: Value | number): Unpacked {
  return unpacked(m.call(unpackRegister, physical(m, i)));
}

/** Condition: one of the exceptions in `stopping` is raised and unmasked. */
export function isStopped(m: Algebra, flags: Value, stopping: number): Value {
  return any(m, m.and(flags, m.not(m.zext(m.get(vcpu.fcw), 32))), stopping);
}

/**
 * Puts exception flags into the status word, ES computed, C1 replaced (or, if `c1` is 'kept', cleared by a stack fault
 * only). Gives the condition that an exception found before the computation is unmasked: the destination and the stack
 * stay as they are then, and what the computation found is not reported.
 */
export function report(m: Algebra, flags: Value, c1: 'replaced' | 'kept' = 'replaced'): Value {
  const masks = m.zext(m.get(vcpu.fcw), 32);
  const unmasked = m.and(flags, m.not(masks));
  const early = m.and(any(m, unmasked, PRE_COMPUTATION), m.not(any(m, flags, STACK_FAULT)));
  const reported = m.select(early, m.and(flags, m.const(32, PRE_COMPUTATION)), flags);
  const clears = c1 === 'replaced' ? m.const(1, 1) : any(m, flags, STACK_FAULT);
  const kept = m.and(m.zext(m.get(vcpu.fsw), 32), m.select(clears, m.const(32, 0xffff & ~C1), m.const(32, 0xffff)));
  const word = m.or(kept, reported);
  const pending = any(m, m.and(word, m.not(masks)), EXCEPTIONS);
  m.set(vcpu.fsw, m.trunc(m.or(word, flagIf(m, pending, SUMMARY)), 16));
  return any(m, unmasked, PRE_COMPUTATION);
}

/**
 * Fast path: `report` for flags (no more than INEXACT and C1) of what is masked, while no unmasked exception is pending:
 * neither ES nor B can change.
 */
export function reportMasked(m: Algebra, flags: Value): void {
  const kept = m.and(m.zext(m.get(vcpu.fsw), 32), m.const(32, 0xffff & ~C1));
  m.set(vcpu.fsw, m.trunc(m.or(kept, flags), 16));
}

/** Replaces condition codes of the status word: those of `mask` by those in `codes`. */
export function setConditionCodes(m: Algebra, codes: Value, mask = CONDITION_CODES): void {
  const kept = m.and(m.get(vcpu.fsw), m.const(16, 0xffff & ~mask));
  m.set(vcpu.fsw, m.or(kept, m.trunc(codes, 16)));
}

export function indefinite(m: Algebra): Extended {
  return { head: m.const(32, INDEFINITE_HEAD), significand: m.const(64, INDEFINITE_SIGNIFICAND) };
}

/**
 * (head, significand, flags): pushes a value whose making raised those flags. An unmasked INVALID keeps the stack as it
 * is, an unmasked DENORMAL does not.
 */
export const pushExtended = defineRoutine({
  name: 'x87Push',
  params: [32, 64, 32],
  results: [],
  faults: false,
  body(m, head, significand, flags) {
    const register = physical(m, -1);
    const full = m.not(isEmpty(m, register));
    const none = indefinite(m);
    const overflow = m.and(full, m.not(any(m, flags, STACK_FAULT)));
    const raised = m.select(overflow, m.const(32, STACK_OVERFLOW), flags);
    report(m, raised);
    m.if(m.not(isStopped(m, raised, INVALID)), () => {
      moveTop(m, -1);
      putExtended(m, register, {
        head: m.select(full, none.head, head),
        significand: m.select(full, none.significand, significand),
      });
    });
    return [];
  },
});

/**
 * Fast path: pushes a value whose making raised nothing, if nothing is in the way and there is room for it; else `whole`
 * does it all.
 */
export function pushQuickly(m: Algebra, stack: Stack, guard: Guard, value: Extended, whole: () => void): void {
  const register = registerAt(m, stack, -1);
  m.if(
    isClear(m, guard, fullGuard(m, stack, register)),
    () => {
      replaceExtended(m, register, value);
      m.set(vcpu.fpuEmpty, m.xor(stack.tags, m.shl(m.const(32, 1), register)));
      m.set(vcpu.fpuTop, register);
      reportMasked(m, m.const(32, 0));
    },
    whole,
  );
}

/** Pushes a value whose making raised nothing. */
export function pushExact(m: Algebra, value: Extended, memory?: Operand): void {
  pushQuickly(m, stackOf(m), m.const(32, 0), value, () => {
    m.call(pushExtended, value.head, value.significand, m.const(32, 0));
    recordException(m, memory);
  });
}
