/**
 * Delivery outside IA-32e mode: the interrupt vector table of real-address mode (SDM Vol. 3B §20.1.4 "Interrupt and
 * Exception Handling"), interrupt, trap and task gates of protected mode (Vol. 3A §6.12 "Exception and Interrupt
 * Handling"), with entry from virtual-8086 mode (Vol. 3B §20.3.1 "Class 1 - Hardware Interrupt and Exception Handling
 * in Virtual-8086 Mode").
 */

import { type Algebra, CS, DF, DS, defineRoutine, ES, FS, GP, GS, NP, SS, type Value } from '../../algebra.ts';
import { RSP, vcpu } from '../../state.ts';
import { checkCodeOffset } from './code-segments.ts';
import { checksGateDpl, externalBit, setsResumeFlag } from './deliver.ts';
import {
  descriptorAccess,
  descriptorAddress,
  descriptorDpl,
  markAccessed,
  selectorError,
  setSegment,
} from './descriptors.ts';
import { isProtectedMode, isVirtual8086 } from './modes.ts';
import { FLAG_AC, FLAG_IF, FLAG_NT, FLAG_RF, FLAG_TF, FLAG_VM, readRflags } from './rflags.ts';
import { isNullSelector, setCodeSegment, setNullSegment, setRealSegment } from './segment-registers.ts';
import { InnerStack, Stack } from './stacks.ts';
import { SWITCH_CALL, switchTask } from './task-switch.ts';

const GATE_TASK = 0x05;
const GATE_INTERRUPT_16 = 0x06;
const GATE_TRAP_16 = 0x07;
const GATE_INTERRUPT_32 = 0x0e;
const GATE_TRAP_32 = 0x0f;

/** (vector, offset to return to): 4-byte entries of selector and offset; no error codes. */
const deliverReal = defineRoutine({
  name: 'deliverReal',
  params: [32, 64],
  results: [],
  faults: true,
  body(m, vector, returnIp) {
    const place = m.shl(vector, 2);
    m.if(m.ltU(m.get(vcpu.idtrLimit), m.add(place, m.const(32, 3))), () => m.raise(GP, 0));
    const entry = m.loadSystem(32, m.add(m.get(vcpu.idtrBase), m.zext(place, 64)));
    const stack = new Stack(m, m.const(32, 2));
    stack.push(m.zext(readRflags(m), 64));
    stack.push(m.zext(m.getAt(vcpu.segmentSelector, CS), 64));
    stack.push(returnIp);
    stack.commit();
    setRealSegment(m, CS, m.trunc(m.shr(entry, 16), 16));
    m.set(vcpu.rflags, m.and(m.get(vcpu.rflags), m.const(32, ~(FLAG_IF | FLAG_TF | FLAG_AC | FLAG_RF))));
    m.set(vcpu.rip, m.zext(m.and(entry, m.const(32, 0xffff)), 64));
    m.contextChanged();
    return [];
  },
});

/** (task gate, has error code, error code, offset to return to) */
const deliverToTask = defineRoutine({
  name: 'deliverToTask',
  params: [64, 32, 32, 64],
  results: [],
  faults: true,
  body(m, gate, hasCode, code, returnIp) {
    const selector = m.trunc(m.shr(gate, 16), 16);
    const [target, shutdown] = m.call(switchTask, selector, m.const(32, SWITCH_CALL), returnIp, hasCode, code);
    // Deviation: a triple fault within the switch is one more double fault here, and shuts down from there.
    m.if(m.ne(shutdown, m.const(32, 0)), () => m.raise(DF, 0));
    m.set(vcpu.rip, target);
    return [];
  },
});

/** What an interrupt or trap gate leads to; types as noted. */
interface Handler {
  /** 16. */
  readonly selector: Value;
  /** 64, with access rights (32) and new CPL (32). */
  readonly descriptor: Value;
  readonly access: Value;
  readonly level: Value;
  /** 64. */
  readonly offset: Value;
  /** Size of a pushed value, and EXT, of type 32. */
  readonly bytes: Value;
  readonly external: Value;
}

/** What is pushed last on either stack. */
interface Frame {
  readonly flags: Value;
  readonly returnIp: Value;
  readonly hasCode: Value;
  readonly code: Value;
}

function pushFrame(m: Algebra, push: (value: Value) => void, frame: Frame): void {
  push(m.zext(frame.flags, 64));
  push(m.zext(m.getAt(vcpu.segmentSelector, CS), 64));
  push(frame.returnIp);
  m.if(m.ne(frame.hasCode, m.const(32, 0)), () => push(m.zext(frame.code, 64)));
}

function enterInner(m: Algebra, handler: Handler, frame: Frame): void {
  const { selector, descriptor, access, level, offset, external } = handler;
  const inner = new InnerStack(m, level, handler.bytes, external);
  const push = (value: Value): void => inner.push(value);
  const virtual8086 = isVirtual8086(m);
  m.if(virtual8086, () => {
    for (const segment of [GS, FS, DS, ES]) push(m.zext(m.getAt(vcpu.segmentSelector, segment), 64));
  });
  push(m.zext(m.getAt(vcpu.segmentSelector, SS), 64));
  push(m.getGpr(RSP, 64));
  pushFrame(m, push, frame);
  checkCodeOffset(m, offset, descriptor, access);
  m.if(virtual8086, () => {
    for (const segment of [GS, FS, DS, ES]) setNullSegment(m, segment, m.const(16, 0), level);
  });
  setCodeSegment(m, selector, descriptor, level);
  setSegment(m, SS, inner.selector, inner.descriptor);
  inner.commit();
}

function enterSame(m: Algebra, handler: Handler, frame: Frame): void {
  const { selector, descriptor, access, level, offset } = handler;
  const stack = new Stack(m, handler.bytes);
  pushFrame(m, (value) => stack.push(value), frame);
  checkCodeOffset(m, offset, descriptor, access);
  setCodeSegment(m, selector, descriptor, level);
  stack.commit();
}

/** (gate, flags to push, has error code, error code, EXT, offset to return to): interrupt and trap gates. */
const deliverThroughGate = defineRoutine({
  name: 'deliverThroughGate',
  params: [64, 32, 32, 32, 32, 64],
  results: [],
  faults: true,
  body(m, gate, flags, hasCode, code, external, returnIp) {
    const type = m.and(m.trunc(m.shr(gate, 40), 32), m.const(32, 0xf));
    const is32 = m.bit(type, 3);
    const selector = m.trunc(m.shr(gate, 16), 16);
    m.if(isNullSelector(m, selector), () => m.raise(GP, external));
    const error = selectorError(m, selector, external);
    const address = descriptorAddress(m, selector, GP, external);
    const descriptor = m.loadSystem(64, address);
    const access = descriptorAccess(m, descriptor);
    const dpl = descriptorDpl(m, access);
    const cpl = m.get(vcpu.cpl);
    const isCode = m.eq(m.and(access, m.const(32, 0x18)), m.const(32, 0x18));
    m.if(m.or(m.not(isCode), m.ltU(cpl, dpl)), () => m.raise(GP, error));
    m.if(m.not(m.bit(access, 7)), () => m.raise(NP, error));
    const conforming = m.bit(access, 2);
    const inner = m.and(m.not(conforming), m.ltU(dpl, cpl));
    // From virtual-8086 mode only level 0 can be entered.
    const wrongLevel = m.or(conforming, m.ne(dpl, m.const(32, 0)));
    m.if(m.and(isVirtual8086(m), wrongLevel), () => m.raise(GP, error));
    markAccessed(m, address, access);

    const low = m.and(gate, m.const(64, 0xffff));
    const high = m.and(m.shr(gate, 32), m.const(64, 0xffff0000n));
    const offset = m.select(is32, m.or(low, high), low);
    const handler: Handler = {
      selector,
      descriptor,
      access,
      level: m.select(inner, dpl, cpl),
      offset,
      bytes: m.select(is32, m.const(32, 4), m.const(32, 2)),
      external,
    };
    const frame: Frame = { flags, returnIp, hasCode, code };
    m.if(
      inner,
      () => enterInner(m, handler, frame),
      () => enterSame(m, handler, frame),
    );
    const isTrap = m.bit(type, 0);
    const interrupt = m.select(isTrap, m.const(32, 0), m.const(32, FLAG_IF));
    const cleared = m.or(interrupt, m.const(32, FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM));
    m.set(vcpu.rflags, m.and(m.get(vcpu.rflags), m.not(cleared)));
    m.set(vcpu.rip, offset);
    m.contextChanged();
    return [];
  },
});

/** (vector, has error code, error code, source, offset to return to): protected mode. */
const deliverProtected = defineRoutine({
  name: 'deliverProtected',
  params: [32, 32, 32, 32, 64],
  results: [],
  faults: true,
  body(m, vector, hasCode, code, source, returnIp) {
    const external = externalBit(m, source);
    const gateError = m.or(m.or(m.shl(vector, 3), m.const(32, 2)), external);
    const place = m.shl(vector, 3);
    m.if(m.ltU(m.get(vcpu.idtrLimit), m.add(place, m.const(32, 7))), () => m.raise(GP, gateError));
    const gate = m.loadSystem(64, m.add(m.get(vcpu.idtrBase), m.zext(place, 64)));
    const rights = m.trunc(m.shr(gate, 40), 32);
    const type = m.and(rights, m.const(32, 0x1f));
    const is = (wanted: number): Value => m.eq(type, m.const(32, wanted));
    const isTask = is(GATE_TASK);
    const is16 = m.or(is(GATE_INTERRUPT_16), is(GATE_TRAP_16));
    const is32 = m.or(is(GATE_INTERRUPT_32), is(GATE_TRAP_32));
    m.if(m.not(m.or(isTask, m.or(is16, is32))), () => m.raise(GP, gateError));
    const tooLow = m.ltU(m.and(m.shr(rights, 5), m.const(32, 3)), m.get(vcpu.cpl));
    m.if(m.and(checksGateDpl(m, source), tooLow), () => m.raise(GP, gateError));
    m.if(m.not(m.bit(rights, 7)), () => m.raise(NP, gateError));
    m.if(
      isTask,
      () => void m.call(deliverToTask, gate, hasCode, code, returnIp),
      () => {
        const resume = m.select(setsResumeFlag(m, vector, source), m.const(32, FLAG_RF), m.const(32, 0));
        const flags = m.or(readRflags(m), resume);
        m.call(deliverThroughGate, gate, flags, hasCode, code, external, returnIp);
      },
    );
    return [];
  },
});

/** (vector, has error code, error code, source, offset to return to) */
export const deliverLegacy = defineRoutine({
  name: 'deliverLegacy',
  params: [32, 32, 32, 32, 64],
  results: [],
  faults: true,
  body(m, vector, hasCode, code, source, returnIp) {
    m.if(
      isProtectedMode(m),
      () => void m.call(deliverProtected, vector, hasCode, code, source, returnIp),
      () => void m.call(deliverReal, vector, returnIp),
    );
    m.set(vcpu.interruptShadow, m.const(32, 0));
    return [];
  },
});
