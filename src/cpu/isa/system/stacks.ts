/**
 * Stacks as far transfers use them: in routines, where the sizes of the operand and of the stack are known only when
 * they run; and the stack of a more privileged level, taken from a 16- or 32-bit TSS.
 */

import { type Algebra, defineRoutine, SS, SS_FAULT, TR, TS, type Value, type Variable } from '../../algebra.ts';
import { RSP, vcpu } from '../../state.ts';
import {
  ACCESS_BIG,
  ACCESS_CODE,
  ACCESS_CONFORMING,
  descriptorAccess,
  descriptorAddress,
  descriptorBase,
  descriptorLimit,
  selectorError,
} from './descriptors.ts';
import { anySet, is64BitMode, isCanonical } from './modes.ts';
import { checkStackDescriptor, isNullSelector } from './segment-registers.ts';

const WIDE = 0xffffffffn;
const NARROW = 0xffffn;

/** Mask of stack offsets (type 64) for a stack segment with these access rights. */
function maskOfAccess(m: Algebra, access: Value): Value {
  return m.select(anySet(m, access, ACCESS_BIG), m.const(64, WIDE), m.const(64, NARROW));
}

/** Mask of stack offsets now. */
export function stackMask(m: Algebra): Value {
  return m.select(is64BitMode(m), m.const(64, -1n), maskOfAccess(m, m.getAt(vcpu.segmentAccess, SS)));
}

/** (offset, bytes) -> value, from the stack in use. */
export const readStack = defineRoutine({
  name: 'readStack',
  params: [64, 32],
  results: [64],
  faults: true,
  body(m, offset, bytes) {
    m.if(m.and(is64BitMode(m), m.not(isCanonical(m, offset))), () => m.raise(SS_FAULT, 0));
    const address = { segment: m.const(32, SS), offset };
    const value = m.variable(m.const(64, 0));
    const when = (size: 16 | 32 | 64): void =>
      m.if(m.eq(bytes, m.const(32, size / 8)), () => m.assign(value, m.zext(m.load(size, address), 64)));
    when(64);
    when(32);
    when(16);
    return [m.use(value)];
  },
});

/** (offset, bytes, value), to the stack in use. */
const writeStack = defineRoutine({
  name: 'writeStack',
  params: [64, 32, 64],
  results: [],
  faults: true,
  body(m, offset, bytes, value) {
    m.if(m.and(is64BitMode(m), m.not(isCanonical(m, offset))), () => m.raise(SS_FAULT, 0));
    const address = { segment: m.const(32, SS), offset };
    const when = (size: 16 | 32 | 64): void =>
      m.if(m.eq(bytes, m.const(32, size / 8)), () => m.store(address, m.trunc(value, size)));
    when(64);
    when(32);
    when(16);
    return [];
  },
});

/** The stack in use, gone through without moving rSP before nothing can fault any more. */
export class Stack {
  readonly #m: Algebra;
  readonly #mask: Value;
  readonly #bytes: Value;
  readonly #top: Variable;

  /** `bytes` (type 32): size of a pushed or popped value. */
  constructor(m: Algebra, bytes: Value) {
    this.#m = m;
    this.#bytes = bytes;
    this.#mask = stackMask(m);
    this.#top = m.variable(m.and(m.getGpr(RSP, 64), this.#mask));
  }

  /** Next value, zero-extended to 64 bits. */
  pop(): Value {
    const value = this.peek(0);
    this.drop(1);
    return value;
  }

  /** The value `index` places further on: where the order of the accesses is not that of the stack. */
  peek(index: number): Value {
    const m = this.#m;
    const distance = m.mul(m.zext(this.#bytes, 64), m.const(64, index));
    const [value] = m.call(readStack, m.and(m.add(m.use(this.#top), distance), this.#mask), this.#bytes);
    return value;
  }

  /** The selector in the low half of the value `index` places further on: no more is read of it. */
  peekSelector(index: number): Value {
    const m = this.#m;
    const distance = m.mul(m.zext(this.#bytes, 64), m.const(64, index));
    const [value] = m.call(readStack, m.and(m.add(m.use(this.#top), distance), this.#mask), m.const(32, 2));
    return m.trunc(value, 16);
  }

  /** Leaves out `count` values. */
  drop(count: number): void {
    const m = this.#m;
    this.skip(m.mul(m.zext(this.#bytes, 64), m.const(64, count)));
  }

  push(value: Value): void {
    const m = this.#m;
    m.assign(this.#top, m.and(m.sub(m.use(this.#top), m.zext(this.#bytes, 64)), this.#mask));
    m.call(writeStack, m.use(this.#top), this.#bytes, value);
  }

  /** Leaves out `bytes` (type 64). */
  skip(bytes: Value): void {
    const m = this.#m;
    m.assign(this.#top, m.and(m.add(m.use(this.#top), bytes), this.#mask));
  }

  get top(): Value {
    return this.#m.use(this.#top);
  }

  /** Moves rSP to where the stack has got. */
  commit(): void {
    setStackPointer(this.#m, this.top, this.#mask);
  }
}

/** Writes rSP; a 16-bit stack keeps bits 16-31. */
export function setStackPointer(m: Algebra, top: Value, mask: Value): void {
  const isNarrow = m.eq(mask, m.const(64, NARROW));
  const kept = m.select(isNarrow, m.const(64, 0xffff0000n), m.const(64, 0));
  m.setGpr(RSP, m.or(m.and(m.getGpr(RSP, 64), kept), m.and(top, mask)));
}

/** Mask of stack offsets for a stack segment with this descriptor. */
export function maskOfDescriptor(m: Algebra, descriptor: Value): Value {
  return maskOfAccess(m, descriptorAccess(m, descriptor));
}

/**
 * (level, external) -> (SS selector, its descriptor, stack pointer): the stack for a more privileged level from a 16-
 * or 32-bit TSS (SDM Vol. 3A §5.8.5 "Stack Switching"). `external` is the EXT bit of error codes.
 */
export const stackOfLevel = defineRoutine({
  name: 'stackOfLevel',
  params: [32, 32],
  results: [16, 64, 64],
  faults: true,
  body(m, level, external) {
    const base = m.getAt(vcpu.segmentBase, TR);
    const is32 = m.bit(m.getAt(vcpu.segmentAccess, TR), 3);
    const place = m.select(is32, m.add(m.shl(level, 3), m.const(32, 4)), m.add(m.shl(level, 2), m.const(32, 2)));
    const last = m.add(place, m.select(is32, m.const(32, 5), m.const(32, 3)));
    const tssError = m.or(selectorError(m, m.getAt(vcpu.segmentSelector, TR)), external);
    m.if(m.ltU(m.getAt(vcpu.segmentLimit, TR), last), () => m.raise(TS, tssError));
    const address = m.add(base, m.zext(place, 64));
    const selector = m.variable(m.const(16, 0));
    const pointer = m.variable(m.const(64, 0));
    m.if(
      is32,
      () => {
        m.assign(pointer, m.zext(m.loadSystem(32, address), 64));
        m.assign(selector, m.loadSystem(16, m.add(address, m.const(64, 4))));
      },
      () => {
        m.assign(pointer, m.zext(m.loadSystem(16, address), 64));
        m.assign(selector, m.loadSystem(16, m.add(address, m.const(64, 2))));
      },
    );
    m.if(isNullSelector(m, m.use(selector)), () => m.raise(TS, external));
    const descriptor = m.loadSystem(64, descriptorAddress(m, m.use(selector), TS, external));
    checkStackDescriptor(m, m.use(selector), descriptorAccess(m, descriptor), level, TS, external);
    return [m.use(selector), descriptor, m.use(pointer)];
  },
});

/** (descriptor, top, bytes, value, error code) -> new top: a push to a stack that is not in use yet. */
const pushOnto = defineRoutine({
  name: 'pushOnto',
  params: [64, 64, 32, 64, 32],
  results: [64],
  faults: true,
  body(m, descriptor, top, bytes, value, error) {
    const access = descriptorAccess(m, descriptor);
    const mask = maskOfAccess(m, access);
    const offset = m.and(m.sub(top, m.zext(bytes, 64)), mask);
    const last = m.add(offset, m.zext(m.sub(bytes, m.const(32, 1)), 64));
    const limit = m.zext(descriptorLimit(m, descriptor), 64);
    const expandsDown = m.eq(
      m.and(access, m.const(32, ACCESS_CODE | ACCESS_CONFORMING)),
      m.const(32, ACCESS_CONFORMING),
    );
    const outside = m.select(expandsDown, m.or(m.leU(offset, limit), m.ltU(mask, last)), m.ltU(limit, last));
    m.if(outside, () => m.raise(SS_FAULT, error));
    const linear = m.and(m.add(descriptorBase(m, descriptor), offset), m.const(64, WIDE));
    m.if(
      m.eq(bytes, m.const(32, 2)),
      () => m.storeSystem(linear, m.trunc(value, 16)),
      () => m.storeSystem(linear, m.trunc(value, 32)),
    );
    return [offset];
  },
});

/** The stack of a more privileged level, being filled before it comes into use. */
export class InnerStack {
  readonly selector: Value;
  readonly descriptor: Value;
  readonly #m: Algebra;
  readonly #bytes: Value;
  readonly #error: Value;
  readonly #top: Variable;

  /** `level`: the new CPL; `bytes`: size of a pushed value; `external`: the EXT bit of error codes. All of type 32. */
  constructor(m: Algebra, level: Value, bytes: Value, external: Value) {
    const [selector, descriptor, pointer] = m.call(stackOfLevel, level, external);
    this.#m = m;
    this.#bytes = bytes;
    this.selector = selector;
    this.descriptor = descriptor;
    this.#error = m.or(selectorError(m, this.selector), external);
    this.#top = m.variable(pointer);
  }

  /** `value` has type 64. */
  push(value: Value): void {
    const m = this.#m;
    const [top] = m.call(pushOnto, this.descriptor, m.use(this.#top), this.#bytes, value, this.#error);
    m.assign(this.#top, top);
  }

  /** Moves rSP; SS must have been loaded from `descriptor`. */
  commit(): void {
    setStackPointer(this.#m, this.#m.use(this.#top), maskOfDescriptor(this.#m, this.descriptor));
  }
}
