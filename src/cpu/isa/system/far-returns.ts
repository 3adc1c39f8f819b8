/**
 * Far RET and IRET: SDM Vol. 3A §5.8.6 "Returning from a Called Procedure", §6.12.1 "Exception- or Interrupt-Handler
 * Procedures", Vol. 3B §20.2 "Virtual-8086 Mode".
 */

import { type Algebra, CS, DS, defineRoutine, ES, FS, GP, GS, NP, SS, TR, type Value } from '../../algebra.ts';
import { vcpu } from '../../state.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { checkCodeOffset, requireCode } from './code-segments.ts';
import { CR4_VME } from './control-bits.ts';
import {
  descriptorAccess,
  descriptorAddress,
  descriptorDpl,
  markAccessed,
  selectorError,
  setSegment,
} from './descriptors.ts';
import {
  anySet,
  ioPrivilegeLevel,
  is64BitMode,
  isLongMode,
  isVirtual8086,
  requestRunLoop,
  usesDescriptors,
} from './modes.ts';
import {
  FLAG_IF,
  FLAG_IOPL,
  FLAG_NT,
  FLAG_RF,
  FLAG_TF,
  FLAG_VIF,
  FLAG_VIP,
  FLAG_VM,
  FLAGS_ALL,
  FLAGS_FREE,
  writeRflags,
} from './rflags.ts';
import {
  checkStackDescriptor,
  isNullSelector,
  requestedPrivilege,
  setCodeSegment,
  setNullSegment,
  setRealSegment,
} from './segment-registers.ts';
import { maskOfDescriptor, Stack, setStackPointer } from './stacks.ts';
import { SWITCH_RETURN, switchTask } from './task-switch.ts';

const RETURNED_FLAGS = FLAGS_FREE | FLAG_RF;

/** Returning to a less privileged level takes away data segments that it may not use. */
function dropInnerSegments(m: Algebra, cpl: Value): void {
  for (const segment of [ES, DS, FS, GS]) {
    const access = m.getAt(vcpu.segmentAccess, segment);
    const conforming = m.eq(m.and(access, m.const(32, 0x1c)), m.const(32, 0x1c));
    const inner = m.and(m.ltU(descriptorDpl(m, access), cpl), m.not(conforming));
    m.if(m.and(inner, m.not(m.bit(access, 16))), () => setNullSegment(m, segment, m.const(16, 0), cpl));
  }
}

/**
 * (selector, level, access rights of the code) -> descriptor: SS of a return, checked. rSP is not: one that is not
 * canonical is loaded as well.
 */
const returnStack = defineRoutine({
  name: 'returnStack',
  params: [16, 32, 32],
  results: [64],
  faults: true,
  body(m, selector, cpl, code) {
    const descriptor = m.variable(m.const(64, 0));
    const to64 = m.and(isLongMode(m), m.bit(code, 13));
    m.if(
      isNullSelector(m, selector),
      () => {
        const allowed = m.and(to64, m.ne(cpl, m.const(32, 3)));
        m.if(m.not(m.and(allowed, m.eq(requestedPrivilege(m, selector), cpl))), () => m.raise(GP, 0));
      },
      () => {
        const address = descriptorAddress(m, selector);
        m.assign(descriptor, m.loadSystem(64, address));
        const access = descriptorAccess(m, m.use(descriptor));
        checkStackDescriptor(m, selector, access, cpl, GP);
        markAccessed(m, address, access);
      },
    );
    return [m.use(descriptor)];
  },
});

/**
 * (CS, offset, with a stack: 0 or 1, SS, rSP): returns to code of the same or a less privileged level; the stack is
 * given where it changes. Nothing is written before all checks are done.
 */
const returnToCode = defineRoutine({
  name: 'returnToCode',
  params: [16, 64, 32, 16, 64],
  results: [],
  faults: true,
  body(m, selector, offset, withStack, stackSelector, stackPointer) {
    const error = selectorError(m, selector);
    const level = requestedPrivilege(m, selector);
    const cpl = m.get(vcpu.cpl);
    m.if(isNullSelector(m, selector), () => m.raise(GP, 0));
    const address = descriptorAddress(m, selector);
    const descriptor = m.loadSystem(64, address);
    const access = descriptorAccess(m, descriptor);
    requireCode(m, access, error);
    const dpl = descriptorDpl(m, access);
    const wrongLevel = m.select(m.bit(access, 2), m.ltU(level, dpl), m.ne(level, dpl));
    m.if(m.or(m.ltU(level, cpl), wrongLevel), () => m.raise(GP, error));
    m.if(m.not(m.bit(access, 7)), () => m.raise(NP, error));
    const stack = m.variable(m.const(64, 0));
    const changesStack = m.ne(withStack, m.const(32, 0));
    m.if(changesStack, () => {
      const [found] = m.call(returnStack, stackSelector, level, access);
      m.assign(stack, found);
    });
    checkCodeOffset(m, offset, descriptor, access);
    markAccessed(m, address, access);

    setCodeSegment(m, selector, descriptor, level);
    m.if(changesStack, () => {
      m.if(
        isNullSelector(m, stackSelector),
        () => setNullSegment(m, SS, stackSelector, level),
        () => setSegment(m, SS, stackSelector, m.use(stack)),
      );
      const mask = m.select(is64BitMode(m), m.const(64, -1n), maskOfDescriptor(m, m.use(stack)));
      setStackPointer(m, stackPointer, mask);
    });
    m.if(m.ltU(cpl, level), () => dropInnerSegments(m, level));
    m.contextChanged();
    return [];
  },
});

/** (bytes of the operand, bytes to release) -> target */
const returnFar = defineRoutine({
  name: 'returnFar',
  params: [32, 32],
  results: [64],
  faults: true,
  body(m, bytes, released) {
    const stack = new Stack(m, bytes);
    // Processors read CS first.
    const selector = stack.peekSelector(1);
    const offset = stack.peek(0);
    stack.drop(2);
    const release = m.zext(released, 64);
    stack.skip(release);
    m.if(
      usesDescriptors(m),
      () => {
        const outer = m.ltU(m.get(vcpu.cpl), requestedPrivilege(m, selector));
        m.if(
          outer,
          () => {
            const pointer = stack.pop();
            const stackSelector = m.trunc(stack.pop(), 16);
            m.call(returnToCode, selector, offset, m.const(32, 1), stackSelector, m.add(pointer, release));
          },
          () => {
            m.call(returnToCode, selector, offset, m.const(32, 0), m.const(16, 0), m.const(64, 0));
            stack.commit();
          },
        );
      },
      () => {
        m.if(m.ltU(m.zext(m.getAt(vcpu.segmentLimit, CS), 64), offset), () => m.raise(GP, 0));
        setRealSegment(m, CS, selector);
        m.contextChanged();
        stack.commit();
      },
    );
    return [offset];
  },
});

/** What every IRET pops; processors read the flags first and CS last. */
function popFrame(m: Algebra, stack: Stack): { offset: Value; selector: Value; image: Value } {
  const image = m.trunc(stack.peek(2), 32);
  const offset = stack.peek(0);
  const selector = m.trunc(stack.peek(1), 16);
  stack.drop(3);
  return { offset, selector, image };
}

/** RF matters only where instruction breakpoints may be on: else it is not kept. */
function withoutIdleResume(m: Algebra, image: Value): Value {
  const breakpoints = anySet(m, m.getAt(vcpu.dr, 7), 0xff);
  return m.select(breakpoints, image, m.and(image, m.const(32, ~FLAG_RF)));
}

/** (bytes) -> target. Real-address mode. */
const interruptReturnReal = defineRoutine({
  name: 'interruptReturnReal',
  params: [32],
  results: [64],
  faults: true,
  body(m, bytes) {
    const stack = new Stack(m, bytes);
    const { offset, selector, image } = popFrame(m, stack);
    m.if(m.ltU(m.zext(m.getAt(vcpu.segmentLimit, CS), 64), offset), () => m.raise(GP, 0));
    const is16 = m.eq(bytes, m.const(32, 2));
    const mask = m.variable(m.const(32, RETURNED_FLAGS | FLAG_IF | FLAG_IOPL));
    m.if(isVirtual8086(m), () => {
      m.assign(mask, m.const(32, RETURNED_FLAGS | FLAG_IF));
      m.if(m.ne(ioPrivilegeLevel(m), m.const(32, 3)), () => {
        const flags = m.get(vcpu.rflags);
        m.if(m.not(m.and(anySet(m, m.get(vcpu.cr4), CR4_VME), is16)), () => m.raise(GP, 0));
        const enables = m.and(anySet(m, image, FLAG_IF), anySet(m, flags, FLAG_VIP));
        m.if(m.or(enables, anySet(m, image, FLAG_TF)), () => m.raise(GP, 0));
        m.assign(mask, m.const(32, RETURNED_FLAGS));
        const virtual = m.shl(m.and(image, m.const(32, FLAG_IF)), 10);
        m.set(vcpu.rflags, m.or(m.and(flags, m.const(32, ~FLAG_VIF)), virtual));
      });
    });
    stack.commit();
    setRealSegment(m, CS, selector);
    const width = m.select(is16, m.const(32, 0xffff), m.const(32, -1));
    writeRflags(m, withoutIdleResume(m, image), m.and(m.use(mask), width));
    m.contextChanged();
    return [offset];
  },
});

/** Flags that IRET may change in protected mode. */
function returnedFlags(m: Algebra, bytes: Value): Value {
  const cpl = m.get(vcpu.cpl);
  const mayInterrupt = m.select(m.leU(cpl, ioPrivilegeLevel(m)), m.const(32, FLAG_IF), m.const(32, 0));
  const supervisor = m.select(m.isZero(cpl), m.const(32, FLAG_IOPL | FLAG_VIF | FLAG_VIP), m.const(32, 0));
  const width = m.select(m.eq(bytes, m.const(32, 2)), m.const(32, 0xffff), m.const(32, -1));
  return m.and(m.or(m.const(32, RETURNED_FLAGS), m.or(mayInterrupt, supervisor)), width);
}

/** The rest of a return to virtual-8086 mode: ESP, SS, ES, DS, FS and GS are on the stack. */
function returnToVirtual8086(m: Algebra, stack: Stack, offset: Value, selector: Value, image: Value): void {
  m.if(m.ltU(m.const(64, 0xffff), offset), () => m.raise(GP, 0));
  const pointer = stack.pop();
  const selectors = [SS, ES, DS, FS, GS].map((segment) => [segment, m.trunc(stack.pop(), 16)] as const);
  writeRflags(m, withoutIdleResume(m, image), m.const(32, FLAGS_ALL));
  m.set(vcpu.cpl, m.const(32, 3));
  setRealSegment(m, CS, selector);
  for (const [segment, value] of selectors) setRealSegment(m, segment, value);
  setStackPointer(m, pointer, m.const(64, 0xffffffffn));
  m.contextChanged();
}

/** (bytes) -> target. Protected mode, IA-32e mode included; not from virtual-8086 mode. */
const interruptReturnProtected = defineRoutine({
  name: 'interruptReturnProtected',
  params: [32],
  results: [64],
  faults: true,
  body(m, bytes) {
    const stack = new Stack(m, bytes);
    const { offset, selector, image } = popFrame(m, stack);
    const wide = m.ne(bytes, m.const(32, 2));
    const supervisor = m.isZero(m.get(vcpu.cpl));
    const toVirtual = m.and(m.and(anySet(m, image, FLAG_VM), wide), m.and(supervisor, m.not(isLongMode(m))));
    m.if(
      toVirtual,
      () => returnToVirtual8086(m, stack, offset, selector, image),
      () => {
        const mask = returnedFlags(m, bytes);
        const outer = m.ltU(m.get(vcpu.cpl), requestedPrivilege(m, selector));
        m.if(
          m.or(outer, is64BitMode(m)),
          () => {
            const pointer = stack.pop();
            const stackSelector = m.trunc(stack.pop(), 16);
            m.call(returnToCode, selector, offset, m.const(32, 1), stackSelector, pointer);
          },
          () => {
            m.call(returnToCode, selector, offset, m.const(32, 0), m.const(16, 0), m.const(64, 0));
            stack.commit();
          },
        );
        writeRflags(m, withoutIdleResume(m, image), mask);
        m.contextChanged();
      },
    );
    return [offset];
  },
});

/** (bytes of the operand, offset of the next instruction) -> (target, shutdown: 0 or 1) */
const interruptReturn = defineRoutine({
  name: 'interruptReturn',
  params: [32, 64],
  results: [64, 32],
  faults: true,
  body(m, bytes, next) {
    // NMIs are let through again whatever becomes of it (§6.7.1 "Handling Multiple NMIs").
    m.set(vcpu.nmiBlocked, m.const(32, 0));
    m.if(m.ne(m.get(vcpu.nmiPending), m.const(32, 0)), () => requestRunLoop(m));
    const target = m.variable(m.const(64, 0));
    const shutdown = m.variable(m.const(32, 0));
    const nested = anySet(m, m.get(vcpu.rflags), FLAG_NT);
    m.if(
      usesDescriptors(m),
      () =>
        m.if(
          nested,
          () => {
            m.if(isLongMode(m), () => m.raise(GP, 0));
            const link = m.loadSystem(16, m.getAt(vcpu.segmentBase, TR));
            const none = m.const(32, 0);
            const [offset, down] = m.call(switchTask, link, m.const(32, SWITCH_RETURN), next, none, none);
            m.assign(target, offset);
            m.assign(shutdown, down);
          },
          () => m.assign(target, m.call(interruptReturnProtected, bytes)[0]),
        ),
      () => m.assign(target, m.call(interruptReturnReal, bytes)[0]),
    );
    return [m.use(target), m.use(shutdown)];
  },
});

const RET_far = defineInstruction({
  name: 'RET',
  sdm: 'Vol. 2B "RET - Return From Procedure"',
  forms: ['CB ends', 'CA Iw ends'],
  semantics(m, released) {
    const release = released ? m.zext(m.read(released), 32) : m.const(32, 0);
    const [target] = m.call(returnFar, m.const(32, m.operandSize / 8), release);
    m.jumpFar(target);
  },
});

const IRET = defineInstruction({
  name: 'IRET',
  sdm: 'Vol. 2A "IRET/IRETD/IRETQ - Interrupt Return"',
  forms: ['CF ends'],
  semantics(m) {
    const [target, shutdown] = m.call(interruptReturn, m.const(32, m.operandSize / 8), m.nextIp());
    m.jumpFar(target);
    m.if(m.ne(shutdown, m.const(32, 0)), () => m.stop('shutdown'));
  },
});

export const farReturns: readonly Instruction[] = [RET_far, IRET];
