/** x87 control: FNINIT, FNCLEX, FLDCW, FNSTCW, FNSTSW, FINCSTP, FDECSTP, FFREE, FFREEP, FNOP, FWAIT. */

import { type Algebra, NM, type Value } from '../algebra.ts';
import { vcpu } from '../state.ts';
import { any, EXCEPTIONS, flagIf } from './fp/format.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { CR0_MP, CR0_TS } from './system/control-bits.ts';
import {
  available,
  C1,
  EXCEPTION_SUMMARY,
  enter,
  leave,
  moveTop,
  pendingException,
  physical,
  pop,
  setConditionCodes,
  setEmpty,
} from './x87-stack.ts';

const TOP_SHIFT = 11;
/** ES and B. */
const SUMMARY = 0x8080;
/** Bits of the control word that can be written, and bit 6, which always reads as 1. */
const FCW_WRITABLE = 0x1f3f;
const FCW_FIXED = 0x40;
export const FCW_RESET = 0x37f;

/** The status word with TOP in its place, type 16. */
export function statusWord(m: Algebra): Value {
  return m.or(m.get(vcpu.fsw), m.trunc(m.shl(m.get(vcpu.fpuTop), TOP_SHIFT), 16));
}

/** FERR# is deasserted, and the board's IGNNE# with it. */
function errorsGone(m: Algebra): void {
  m.set(vcpu.ignoreNumericErrors, m.const(32, 0));
}

/** Writes control and status word (type 16) as they come from memory; ES and B follow from them. */
export function loadControlAndStatus(m: Algebra, control: Value, status: Value): void {
  const fcw = m.or(m.and(control, m.const(16, FCW_WRITABLE)), m.const(16, FCW_FIXED));
  const pending = any(m, m.and(m.zext(status, 32), m.not(m.zext(fcw, 32))), EXCEPTIONS);
  const kept = m.and(status, m.const(16, 0x477f));
  m.if(m.not(pending), () => errorsGone(m));
  m.set(vcpu.fcw, fcw);
  m.set(vcpu.fsw, m.or(kept, m.trunc(flagIf(m, pending, SUMMARY), 16)));
  m.set(vcpu.fpuTop, m.and(m.zext(m.shr(status, TOP_SHIFT), 32), m.const(32, 7)));
}

/** The state after FNINIT; the registers' contents stay, all of them empty. */
export function initialise(m: Algebra): void {
  errorsGone(m);
  m.set(vcpu.fcw, m.const(16, FCW_RESET));
  m.set(vcpu.fsw, m.const(16, 0));
  m.set(vcpu.fpuTop, m.const(32, 0));
  m.set(vcpu.fpuEmpty, m.const(32, 0xff));
  for (const pointer of [vcpu.fip, vcpu.fdp]) m.set(pointer, m.const(64, 0));
  for (const word of [vcpu.fop, vcpu.fcs, vcpu.fds]) m.set(word, m.const(16, 0));
}

function control(name: string, sdm: string, forms: string[], semantics: Instruction['semantics']): Instruction {
  return defineInstruction({ name, sdm: `Vol. 2A "${sdm}"`, feature: 'x87', forms, semantics });
}

/** #NM only if both CR0.MP and CR0.TS are set: EM does not matter here. */
const FWAIT = defineInstruction({
  name: 'FWAIT',
  sdm: 'Vol. 2D "WAIT/FWAIT - Wait"',
  feature: 'x87',
  forms: ['9B'],
  semantics(m) {
    const mask = m.const(64, CR0_MP | CR0_TS);
    const both = m.eq(m.and(m.get(vcpu.cr0), mask), mask);
    m.if(both, () => m.raise(NM));
    m.if(any(m, m.get(vcpu.fsw), EXCEPTION_SUMMARY), () => m.call(pendingException));
  },
});

export const x87Control: readonly Instruction[] = [
  control('FNINIT', 'FINIT/FNINIT - Initialize Floating-Point Unit', ['DB E3'], (m) => {
    available(m);
    initialise(m);
  }),
  control('FNCLEX', 'FCLEX/FNCLEX - Clear Exceptions', ['DB E2'], (m) => {
    available(m);
    errorsGone(m);
    m.set(vcpu.fsw, m.and(m.get(vcpu.fsw), m.const(16, 0x7f00)));
  }),
  control('FLDCW', 'FLDCW - Load x87 FPU Control Word', ['D9 /5 Mw'], (m, from) => {
    enter(m);
    loadControlAndStatus(m, m.read(from), statusWord(m));
  }),
  control('FNSTCW', 'FSTCW/FNSTCW - Store x87 FPU Control Word', ['D9 /7 Mw'], (m, to) => {
    available(m);
    m.write(to, m.get(vcpu.fcw));
  }),
  control('FNSTSW', 'FSTSW/FNSTSW - Store x87 FPU Status Word', ['DD /7 Mw', 'DF E0 AX'], (m, to) => {
    available(m);
    m.write(to, statusWord(m));
  }),
  control('FINCSTP', 'FINCSTP - Increment Stack-Top Pointer', ['D9 F7'], (m) => {
    enter(m);
    moveTop(m, 1);
    setConditionCodes(m, m.const(32, 0), C1);
    leave(m);
  }),
  control('FDECSTP', 'FDECSTP - Decrement Stack-Top Pointer', ['D9 F6'], (m) => {
    enter(m);
    moveTop(m, -1);
    setConditionCodes(m, m.const(32, 0), C1);
    leave(m);
  }),
  control('FFREE', 'FFREE - Free Floating-Point Register', ['DD C0+r STi'], (m, register) => {
    enter(m);
    setEmpty(m, physical(m, m.index(register)), true);
    setConditionCodes(m, m.const(32, 0), C1);
    leave(m);
  }),
  // An alias that the manual does not list.
  control('FFREEP', 'FFREE - Free Floating-Point Register', ['DF C0+r STi'], (m, register) => {
    enter(m);
    setEmpty(m, physical(m, m.index(register)), true);
    setConditionCodes(m, m.const(32, 0), C1);
    pop(m);
    leave(m);
  }),
  control('FNOP', 'FNOP - No Operation', ['D9 D0'], (m) => {
    enter(m);
    leave(m);
  }),
  // FENI, FDISI and FSETPM of the 8087 and 80287: ignored since (SDM Vol. 1 §8.3.13).
  control('FNOP', 'FNOP - No Operation', ['DB E0', 'DB E1', 'DB E4'], available),
  FWAIT,
];
