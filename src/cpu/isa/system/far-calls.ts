/**
 * Far JMP and CALL, with call gates: SDM Vol. 3A §5.8 "Privilege Level Checking When Transferring Program Control
 * Between Code Segments", §5.8.3 "Call Gates", §5.8.3.1 "IA-32e Mode Call Gates".
 */

import { type Algebra, CS, defineRoutine, GP, NP, type Operand, SS, SS_FAULT, type Value } from '../../algebra.ts';
import { RSP, vcpu } from '../../state.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { checkCodeOffset, requireCode } from './code-segments.ts';
import { stackFromTss, TSS_RSP0 } from './deliver-long.ts';
import {
  ACCESS_UNUSABLE,
  descriptorAccess,
  descriptorAddress,
  descriptorDpl,
  markAccessed,
  selectorError,
  setSegment,
} from './descriptors.ts';
import { isCanonical, isLongMode, usesDescriptors } from './modes.ts';
import { isNullSelector, requestedPrivilege, setCodeSegment, setRealSegment } from './segment-registers.ts';
import { InnerStack, readStack, Stack, stackMask } from './stacks.ts';
import { SWITCH_CALL, SWITCH_JUMP, switchTask } from './task-switch.ts';

const GATE_CALL_16 = 4;
const GATE_TASK = 5;
const GATE_CALL = 0xc;
const TSS_AVAILABLE_16 = 1;
const TSS_AVAILABLE_32 = 9;

/** What is known of a transfer: its kind and where it comes from. Types 32, 32, 64. */
interface Transfer {
  /** 1 for CALL. */
  readonly calls: Value;
  readonly bytes: Value;
  readonly next: Value;
}

function isCall(m: Algebra, transfer: Transfer): Value {
  return m.ne(transfer.calls, m.const(32, 0));
}

/** CS and the return offset; the caller commits once nothing can fault. */
function pushReturn(m: Algebra, stack: Stack, next: Value): void {
  stack.push(m.zext(m.getAt(vcpu.segmentSelector, CS), 64));
  stack.push(next);
}

/** (selector, descriptor, its address, offset, CALL: 0 or 1, bytes, next): to a code segment without a gate. */
const transferDirectly = defineRoutine({
  name: 'transferDirectly',
  params: [16, 64, 64, 64, 32, 32, 64],
  results: [],
  faults: true,
  body(m, selector, descriptor, address, offset, calls, bytes, next) {
    const error = selectorError(m, selector);
    const access = descriptorAccess(m, descriptor);
    const cpl = m.get(vcpu.cpl);
    const dpl = descriptorDpl(m, access);
    requireCode(m, access, error);
    const wrongLevel = m.select(
      m.bit(access, 2),
      m.ltU(cpl, dpl),
      m.or(m.ltU(cpl, requestedPrivilege(m, selector)), m.ne(dpl, cpl)),
    );
    m.if(wrongLevel, () => m.raise(GP, error));
    m.if(m.not(m.bit(access, 7)), () => m.raise(NP, error));
    // Processors push before they look at the offset.
    const stack = new Stack(m, bytes);
    const call = m.ne(calls, m.const(32, 0));
    m.if(call, () => pushReturn(m, stack, next));
    checkCodeOffset(m, offset, descriptor, access);
    markAccessed(m, address, access);
    m.if(call, () => stack.commit());
    setCodeSegment(m, selector, descriptor, cpl);
    m.contextChanged();
    return [];
  },
});

/** Copies the parameters of a call gate from the outer stack to the inner one, in their order. */
function copyParameters(m: Algebra, inner: InnerStack, bytes: Value, count: Value): void {
  const outer = m.and(m.getGpr(RSP, 64), stackMask(m));
  const left = m.variable(count);
  m.while(
    () => m.ne(m.use(left), m.const(32, 0)),
    () => {
      m.assign(left, m.sub(m.use(left), m.const(32, 1)));
      const distance = m.zext(m.mul(m.use(left), bytes), 64);
      const [value] = m.call(readStack, m.add(outer, distance), bytes);
      inner.push(value);
    },
  );
}

/** CALL to a more privileged level, outside IA-32e mode. */
const callInner = defineRoutine({
  name: 'callInner',
  params: [16, 64, 64, 32, 32, 64],
  results: [],
  faults: true,
  body(m, selector, descriptor, offset, bytes, parameters, next) {
    const access = descriptorAccess(m, descriptor);
    const level = descriptorDpl(m, access);
    const inner = new InnerStack(m, level, bytes, m.const(32, 0));
    inner.push(m.zext(m.getAt(vcpu.segmentSelector, SS), 64));
    inner.push(m.getGpr(RSP, 64));
    copyParameters(m, inner, bytes, parameters);
    inner.push(m.zext(m.getAt(vcpu.segmentSelector, CS), 64));
    inner.push(next);
    checkCodeOffset(m, offset, descriptor, access);
    setCodeSegment(m, selector, descriptor, level);
    setSegment(m, SS, inner.selector, inner.descriptor);
    inner.commit();
    return [];
  },
});

/** CALL to a more privileged level in IA-32e mode: the stack is flat and SS becomes null. */
const callInnerLong = defineRoutine({
  name: 'callInnerLong',
  params: [16, 64, 64, 64],
  results: [],
  faults: true,
  body(m, selector, descriptor, offset, next) {
    const access = descriptorAccess(m, descriptor);
    const level = descriptorDpl(m, access);
    const top = m.variable(stackFromTss(m, m.add(m.shl(level, 3), m.const(32, TSS_RSP0)), m.const(32, 0)));
    m.if(m.not(isCanonical(m, m.use(top))), () => m.raise(SS_FAULT, 0));
    const push = (value: Value): void => {
      m.assign(top, m.sub(m.use(top), m.const(64, 8)));
      m.storeSystem(m.use(top), value);
    };
    push(m.zext(m.getAt(vcpu.segmentSelector, SS), 64));
    push(m.getGpr(RSP, 64));
    push(m.zext(m.getAt(vcpu.segmentSelector, CS), 64));
    push(next);
    checkCodeOffset(m, offset, descriptor, access);
    setCodeSegment(m, selector, descriptor, level);
    m.setAt(vcpu.segmentSelector, SS, m.trunc(level, 16));
    m.setAt(vcpu.segmentAccess, SS, m.or(m.const(32, ACCESS_UNUSABLE | 0x93), m.shl(level, 5)));
    m.setGpr(RSP, m.use(top));
    return [];
  },
});

/** (gate selector, gate, its address, CALL: 0 or 1, next) -> target */
const transferThroughGate = defineRoutine({
  name: 'transferThroughGate',
  params: [16, 64, 64, 32, 64],
  results: [64],
  faults: true,
  body(m, gateSelector, gate, gateAddress, calls, next) {
    const long = isLongMode(m);
    const gateAccess = descriptorAccess(m, gate);
    const is16 = m.eq(m.and(gateAccess, m.const(32, 0xf)), m.const(32, GATE_CALL_16));
    const selector = m.trunc(m.shr(gate, 16), 16);
    const low = m.and(gate, m.const(64, 0xffff));
    const middle = m.and(m.shr(gate, 32), m.const(64, 0xffff0000n));
    const offset = m.variable(m.select(is16, low, m.or(low, middle)));
    m.if(long, () => {
      const high = m.loadSystem(64, m.add(gateAddress, m.const(64, 8)));
      const malformed = m.ne(m.and(m.shr(high, 40), m.const(64, 0x1f)), m.const(64, 0));
      m.if(malformed, () => m.raise(GP, selectorError(m, gateSelector)));
      m.assign(offset, m.or(m.use(offset), m.shl(high, 32)));
    });

    const error = selectorError(m, selector);
    const cpl = m.get(vcpu.cpl);
    m.if(isNullSelector(m, selector), () => m.raise(GP, 0));
    const address = descriptorAddress(m, selector);
    const descriptor = m.loadSystem(64, address);
    const access = descriptorAccess(m, descriptor);
    const dpl = descriptorDpl(m, access);
    requireCode(m, access, error);
    m.if(m.and(long, m.not(m.bit(access, 13))), () => m.raise(GP, error));
    const call = m.ne(calls, m.const(32, 0));
    const conforming = m.bit(access, 2);
    const jumpsInward = m.and(m.not(m.or(call, conforming)), m.ne(dpl, cpl));
    m.if(m.or(m.ltU(cpl, dpl), jumpsInward), () => m.raise(GP, error));
    m.if(m.not(m.bit(access, 7)), () => m.raise(NP, error));
    markAccessed(m, address, access);

    const width = m.select(is16, m.const(32, 2), m.const(32, 4));
    const bytes = m.select(long, m.const(32, 8), width);
    const target = m.use(offset);
    const inward = m.and(call, m.and(m.not(conforming), m.ltU(dpl, cpl)));
    m.if(
      inward,
      () =>
        m.if(
          long,
          () => void m.call(callInnerLong, selector, descriptor, target, next),
          () => {
            const parameters = m.and(m.trunc(m.shr(gate, 32), 32), m.const(32, 0x1f));
            m.call(callInner, selector, descriptor, target, bytes, parameters, next);
          },
        ),
      () => {
        const stack = new Stack(m, bytes);
        m.if(call, () => pushReturn(m, stack, next));
        checkCodeOffset(m, target, descriptor, access);
        m.if(call, () => stack.commit());
        setCodeSegment(m, selector, descriptor, cpl);
      },
    );
    m.contextChanged();
    return [target];
  },
});

/** (selector, offset, CALL: 0 or 1, bytes of the operand, next) -> (target, shutdown: 0 or 1) */
const transferFar = defineRoutine({
  name: 'transferFar',
  params: [16, 64, 32, 32, 64],
  results: [64, 32],
  faults: true,
  body(m, selector, offset, calls, bytes, next) {
    const target = m.variable(offset);
    const shutdown = m.variable(m.const(32, 0));
    m.if(
      usesDescriptors(m),
      () => {
        const transfer: Transfer = { calls, bytes, next };
        m.if(isNullSelector(m, selector), () => m.raise(GP, 0));
        const address = descriptorAddress(m, selector);
        const descriptor = m.loadSystem(64, address);
        m.if(
          m.bit(descriptor, 44),
          () => void m.call(transferDirectly, selector, descriptor, address, offset, calls, bytes, next),
          () => {
            const [to, down] = transferBySystemDescriptor(m, selector, descriptor, address, transfer);
            m.assign(target, to);
            m.assign(shutdown, down);
          },
        );
      },
      () => {
        m.if(m.ltU(m.zext(m.getAt(vcpu.segmentLimit, CS), 64), offset), () => m.raise(GP, 0));
        m.if(m.ne(calls, m.const(32, 0)), () => {
          const stack = new Stack(m, bytes);
          pushReturn(m, stack, next);
          stack.commit();
        });
        setRealSegment(m, CS, selector);
        m.contextChanged();
      },
    );
    return [m.use(target), m.use(shutdown)];
  },
});

/** Through a call gate, a task gate or a TSS. */
function transferBySystemDescriptor(
  m: Algebra,
  selector: Value,
  descriptor: Value,
  address: Value,
  transfer: Transfer,
): [Value, Value] {
  const target = m.variable(m.const(64, 0));
  const shutdown = m.variable(m.const(32, 0));
  const error = selectorError(m, selector);
  const access = descriptorAccess(m, descriptor);
  const dpl = descriptorDpl(m, access);
  const type = m.and(access, m.const(32, 0xf));
  const is = (wanted: number): Value => m.eq(type, m.const(32, wanted));
  const legacy = m.not(isLongMode(m));
  const isCallGate = m.or(is(GATE_CALL), m.and(legacy, is(GATE_CALL_16)));
  const isTaskGate = m.and(legacy, is(GATE_TASK));
  const isTss = m.and(legacy, m.or(is(TSS_AVAILABLE_16), is(TSS_AVAILABLE_32)));
  m.if(m.not(m.or(isCallGate, m.or(isTaskGate, isTss))), () => m.raise(GP, error));
  const tooLow = m.or(m.ltU(dpl, m.get(vcpu.cpl)), m.ltU(dpl, requestedPrivilege(m, selector)));
  m.if(tooLow, () => m.raise(GP, error));
  m.if(m.not(m.bit(access, 7)), () => m.raise(NP, error));
  m.if(
    isCallGate,
    () => {
      const [offset] = m.call(transferThroughGate, selector, descriptor, address, transfer.calls, transfer.next);
      m.assign(target, offset);
    },
    () => {
      const tss = m.select(isTaskGate, m.trunc(m.shr(descriptor, 16), 16), selector);
      const reason = m.select(isCall(m, transfer), m.const(32, SWITCH_CALL), m.const(32, SWITCH_JUMP));
      const none = m.const(32, 0);
      const [offset, down] = m.call(switchTask, tss, reason, transfer.next, none, none);
      m.assign(target, offset);
      m.assign(shutdown, down);
    },
  );
  return [m.use(target), m.use(shutdown)];
}

/** Selector and offset of a far pointer in the instruction or in memory. */
function farPointer(m: Algebra, operand: Operand): [selector: Value, offset: Value] {
  if (operand.kind === 'far') {
    const pointer = m.read(operand);
    return [m.trunc(m.shr(pointer, 32), 16), m.and(pointer, m.const(64, 0xffffffffn))];
  }
  const address = m.memory(operand);
  const offset = m.load(m.operandSize, address);
  const selector = m.load(16, m.offset(address, m.operandSize / 8));
  return [selector, m.zext(offset, 64)];
}

function farTransfer(name: string, sdm: string, forms: readonly string[], calls: number): Instruction {
  return defineInstruction({
    name,
    sdm,
    forms,
    semantics(m, operand) {
      const [selector, offset] = farPointer(m, operand);
      const bytes = m.const(32, m.operandSize / 8);
      const [target, shutdown] = m.call(transferFar, selector, offset, m.const(32, calls), bytes, m.nextIp());
      m.jumpFar(target);
      m.if(m.ne(shutdown, m.const(32, 0)), () => m.stop('shutdown'));
    },
  });
}

export const farCalls: readonly Instruction[] = [
  farTransfer('JMP', 'Vol. 2A "JMP - Jump"', ['EA A i64 ends', 'FF /5 M ends'], 0),
  farTransfer('CALL', 'Vol. 2A "CALL - Call Procedure"', ['9A A i64 ends', 'FF /3 M ends'], 1),
];
