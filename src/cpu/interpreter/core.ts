/**
 * The interpreter's own functions of the core module: from an instruction pointer to a block, entering blocks, leaving
 * for the run loop, faults.
 *
 *     handler -> dispatch -> jump cache -> enter -> handler ...
 *                   |            | miss
 *                   |         lookup: translate, block cache -> enter
 *                   v            v unknown
 *              EXIT_EVENT    EXIT_DECODE            (to the run loop)
 */

import { CS, GP, SS_FAULT, type Value } from '../algebra.ts';
import type { CodeSpace, ModuleBuilder } from '../emit/code-space.ts';
import { type EmitterContext, NO_FAULT, NON_CANONICAL, REPLAY } from '../emit/emitter.ts';
import type { FunctionRef, Node } from '../emit/nodes.ts';
import { deliverException } from '../isa/system/deliver.ts';
import { enterManagementMode } from '../isa/system/management-mode.ts';
import {
  JUMP_CACHE,
  JUMP_CACHE_ENTRIES,
  JUMP_CACHE_ENTRY_BYTES,
  TLB,
  TLB_BYTES,
  TLB_ENTRIES,
  TLB_ENTRY_BYTES,
  TLB_FETCH,
  TLB_FRAME,
  TLB_GLOBAL,
  TLB_NONE,
  TLB_SUPERVISOR,
  TLB_SUPERVISOR_AC,
  TLB_USER,
} from '../layout.ts';
import { type CoreEmitter, defineCore } from '../mmu/core-emitter.ts';
import { DEVICE, PAGE_MAP_BITS, programAccess } from '../mmu/translate.ts';
import { ACCESS_FETCH } from '../mmu/walk.ts';
import { vcpu } from '../state.ts';
import {
  CODE_32,
  CODE_32_LIMITED,
  CODE_64,
  CODE_FLAT,
  CODE_REAL,
  CODE_SIZE_MASK,
  CODE_STACK_32,
  CODE_USER,
} from './code-mode.ts';
import {
  EXIT_BUDGET,
  EXIT_DECODE,
  EXIT_DELIVERED,
  EXIT_EVENT,
  EXIT_FALLTHROUGH,
  EXIT_REPLAY,
  EXIT_SHADOW,
  EXIT_SHUTDOWN,
  EXIT_TAKEN,
} from './exits.ts';
import {
  BLOCK_COUNT,
  BLOCK_HEADER_BYTES,
  BLOCK_IP,
  BLOCK_SECOND_FRAME,
  BLOCK_STALE,
  OPERATION_HANDLER,
  OPERATION_IP,
  OPERATION_REMAINING,
} from './operation.ts';

/** The block cache: by machine address of the code and code mode, 16 bytes an entry. */
export const BLOCK_CACHE_ENTRIES = 1 << 19;
export const BLOCK_CACHE_ENTRY_BYTES = 16;

/** One bit for each hash of a page that the jump cache may have code of, as `LARGE_PAGE_MAPS` in the vCPU block. */
export const EXECUTED_PAGE_MAP = 0x4200;

/** `pendingEvents` bits. */
export const EVENT_INTERRUPT = 1;
export const EVENT_ANY = 2;

export interface CoreExports {
  /** Runs from `rip` until something needs the run loop. */
  readonly run: FunctionRef;
  /** Runs the block at an address whatever the caches say. */
  readonly runBlock: FunctionRef;
  /** Delivers the exception or interrupt in `faultVector`/`faultCode`; 1 on shutdown. */
  readonly deliver: FunctionRef;
  /** Takes an SMI. */
  readonly enterManagementMode: FunctionRef;
}

/** Machine addresses of the core's tables. */
export interface CorePlaces {
  readonly blockCache: number;
  /** An operation, the last of its block, that stands for the delivery of exceptions. */
  readonly delivery: number;
}

export function reserveExports(space: CodeSpace): CoreExports {
  return {
    run: space.reserve([], []),
    runBlock: space.reserve([32], []),
    deliver: space.reserve([32, 32, 32, 32], []),
    enterManagementMode: space.reserve([], []),
  };
}

function leave(m: CoreEmitter, reason: number): void {
  leaveFor(m, m.number(reason));
}

function leaveFor(m: CoreEmitter, reason: Node): void {
  m.set(vcpu.exitReason, reason);
  m.builder.return([]);
}

/** `stale` may take another way where the budget does not cover the block. */
function enterBlock(m: CoreEmitter, block: Node, stale?: () => void): void {
  const budget = m.sub(m.get(vcpu.budget), m.builder.load(32, block, BLOCK_COUNT));
  const first = m.add(block, m.number(BLOCK_HEADER_BYTES));
  m.if(m.ltS(budget, m.number(0)), () => {
    stale?.();
    const inPage = m.and(m.builder.load(32, block, BLOCK_IP), m.number(0xffff));
    m.set(vcpu.rip, wrapIp(m, m.add(m.get(vcpu.ipBase), m.zext(inPage, 64))));
    m.set(vcpu.exitOperation, first);
    m.set(vcpu.regionBase, m.get(vcpu.ipBase));
    leave(m, EXIT_BUDGET);
  });
  m.set(vcpu.budget, budget);
  const handler = m.builder.load(32, block, BLOCK_HEADER_BYTES + OPERATION_HANDLER);
  m.builder.tailCallAt(handler, { params: [32, 32], results: [] }, [m.vcpuBlock, first]);
}

function isStale(m: CoreEmitter, block: Node): Node {
  return m.eq(m.builder.load(32, block, BLOCK_COUNT), m.number(BLOCK_STALE));
}

/** An offset cut to 32 bits outside 64-bit code. */
export function wrapIp(m: CoreEmitter, ip: Node): Node {
  const size = m.and(m.get(vcpu.codeMode), m.number(CODE_SIZE_MASK));
  const mask = m.select(m.eq(size, m.number(CODE_64)), m.const(64, -1n), m.const(64, 0xffffffffn));
  return m.and(ip, mask);
}

/** Linear address of the instruction at `rip`. */
function codeLinear(m: CoreEmitter, rip: Node): Node {
  const base = m.getAt(vcpu.segmentBase, CS);
  const long = m.eq(m.and(m.get(vcpu.codeMode), m.number(CODE_SIZE_MASK)), m.number(CODE_64));
  return m.select(long, rip, m.and(m.add(rip, base), m.const(64, 0xffffffffn)));
}

function setIpBase(m: CoreEmitter, rip: Node, block: Node): void {
  const inPage = m.and(m.builder.load(32, block, BLOCK_IP), m.number(0xffff));
  m.set(vcpu.ipBase, m.sub(rip, m.zext(inPage, 64)));
}

/** TF, a pending event that may be taken now, or the shadow of STI and MOV SS to be started or ended. */
function checkEvents(m: CoreEmitter): void {
  const flags = m.get(vcpu.rflags);
  const events = m.get(vcpu.pendingEvents);
  const shadow = m.get(vcpu.interruptShadow);
  const trap = m.and(flags, m.number(0x100));
  m.if(m.ne(m.or(m.or(events, shadow), trap), m.number(0)), () => {
    m.if(m.ne(m.get(vcpu.interruptShadow), m.number(0)), () => {
      const fresh = m.eq(m.get(vcpu.shadowBudget), m.number(-1));
      m.if(fresh, () => m.set(vcpu.shadowBudget, m.get(vcpu.budget)));
      m.if(m.ne(m.get(vcpu.shadowBudget), m.get(vcpu.budget)), () => {
        m.set(vcpu.interruptShadow, m.number(0));
        m.set(vcpu.shadowBudget, m.number(-1));
      });
    });
    const unmasked = m.ne(m.and(m.get(vcpu.rflags), m.number(0x200)), m.number(0));
    const interruptible = m.and(unmasked, m.isZero(m.get(vcpu.interruptShadow)));
    const now = m.select(interruptible, m.number(EVENT_INTERRUPT | EVENT_ANY), m.number(EVENT_ANY));
    const due = m.or(m.and(m.get(vcpu.pendingEvents), now), m.and(m.get(vcpu.rflags), m.number(0x100)));
    m.if(m.ne(due, m.number(0)), () => leave(m, EXIT_EVENT));
    const waits = m.ne(m.and(m.get(vcpu.pendingEvents), m.number(EVENT_INTERRUPT)), m.number(0));
    m.if(m.and(waits, unmasked), () => leave(m, EXIT_SHADOW));
  });
}

/** Delivers what `faultVector` holds, and a double fault for a fault on the way; shuts down on a third. */
function deliverPending(m: CoreEmitter, context: EmitterContext, delivery: number, source: Node): void {
  m.if(m.eq(m.get(vcpu.faultVector), m.number(NON_CANONICAL)), () => m.set(vcpu.faultVector, m.number(GP)));
  const vector = m.and(m.get(vcpu.faultVector), m.number(0xff));
  m.setAt(vcpu.eventCounts, vector, m.add(m.getAt(vcpu.eventCounts, vector), m.number(1)));
  if (context.traceEvents) {
    m.builder.call(context.core.eventDelivered, [m.vcpuBlock, m.operation, vector, m.get(vcpu.faultCode)]);
  }
  // The pushes are not the operation's own, and nothing of its block runs after them.
  const args = [m.vcpuBlock, m.number(delivery), source];
  const [shutdown] = m.builder.call(context.routine(deliverException), args);
  m.if(m.ne(shutdown as Node, m.number(0)), () => leave(m, EXIT_SHUTDOWN));
}

/**
 * Delivers the fault of the instruction at `rip` and goes on with the handler. The instruction counts as one: handlers
 * that fault for ever use up the budget.
 */
function deliverFault(m: CoreEmitter, context: EmitterContext, delivery: number): void {
  m.set(vcpu.budget, m.sub(m.get(vcpu.budget), m.number(1)));
  deliverPending(m, context, delivery, m.number(0));
  m.if(m.isZero(m.get(vcpu.budget)), () => leave(m, EXIT_DELIVERED));
  m.builder.tailCall(context.core.dispatch, [m.vcpuBlock, m.operation]);
}

function lookUp(m: CoreEmitter, context: EmitterContext, places: CorePlaces, rip: Node, linear: Node): void {
  const { builder: b } = m;
  const access = m.or(m.and(programAccess(m), m.number(4)), m.number(ACCESS_FETCH));
  const machine = m.variable(m.number(0));
  const entry = fetchEntry(m, linear);
  m.if(
    m.eq(b.load(64, entry, 16), m.or(m.shr(linear, 12), m.get(vcpu.tlbTag))),
    () => m.assign(machine, m.add(m.trunc(linear, 32), b.load(32, entry, 24))),
    () => m.assign(machine, m.run(context.core.translate, linear, access)),
  );
  m.if(m.isZero(m.use(machine)), () => fetchFault(m, context, places));
  m.if(m.eq(m.use(machine), m.number(DEVICE)), () => leave(m, EXIT_DECODE));
  const cached = blockCacheEntry(m, places.blockCache, m.use(machine) as Node);
  const sameCode = m.eq(b.load(32, cached, 0), m.use(machine));
  const sameMode = m.eq(b.load(32, cached, 4), m.get(vcpu.codeMode));
  m.if(m.not(m.and(sameCode, sameMode)), () => leave(m, EXIT_DECODE));
  const block = b.load(32, cached, 8);
  const second = b.load(32, block, BLOCK_SECOND_FRAME);
  setIpBase(m, rip, block);
  m.if(
    m.isZero(second),
    () =>
      m.if(mayRemember(m, linear, entry), () => {
        const place = jumpCacheEntry(m, linear);
        b.store(64, place, JUMP_CACHE, m.xor(linear, m.get(vcpu.codeTag)));
        b.store(32, place, JUMP_CACHE + 8, block);
        const page = m.and(m.trunc(m.shr(linear, 12), 32), m.number(PAGE_MAP_BITS - 1));
        const word = m.add(m.vcpuBlock, m.shl(m.shr(page, 5), 2));
        const bit = m.shl(m.number(1), m.and(page, m.number(31)));
        b.store(32, word, EXECUTED_PAGE_MAP, m.or(b.load(32, word, EXECUTED_PAGE_MAP), bit));
      }),
    () => {
      const nextPage = m.and(m.add(linear, m.const(64, 0x1000)), m.const(64, ~0xfffn));
      const there = m.run(context.core.translate, nextPage, access);
      m.if(m.isZero(there), () => fetchFault(m, context, places));
      m.if(m.ne(there, second), () => leave(m, EXIT_DECODE));
    },
  );
  m.builder.tailCall(context.core.enter, [m.vcpuBlock, m.operation, block]);
}

/** What the jump cache knows of supervisor code outlives the address space if global pages do. */
function mayRemember(m: CoreEmitter, linear: Node, entry: Node): Node {
  const { builder: b } = m;
  const user = m.eq(m.get(vcpu.cpl), m.number(3));
  const ofSpace = m.or(user, m.eq(m.get(vcpu.supervisorTag), m.get(vcpu.spaceTag)));
  const there = m.eq(b.load(64, entry, TLB_FETCH), m.or(m.shr(linear, 12), m.get(vcpu.tlbTag)));
  const global = m.ne(m.and(b.load(32, entry, TLB_FRAME), m.number(TLB_GLOBAL)), m.number(0));
  return m.or(ofSpace, m.and(there, global));
}

/** The instruction at `rip` cannot be fetched. With no budget left it is not its turn yet. */
function fetchFault(m: CoreEmitter, context: EmitterContext, { delivery }: CorePlaces): void {
  m.if(m.isZero(m.get(vcpu.budget)), () => {
    m.set(vcpu.faultVector, m.number(NO_FAULT));
    leave(m, EXIT_BUDGET);
  });
  deliverFault(m, context, delivery);
}

function fetchEntry(m: CoreEmitter, linear: Node): Node {
  const shift = Math.log2(TLB_ENTRY_BYTES);
  const index = m.and(m.trunc(m.shr(linear, 12 - shift), 32), m.number((TLB_ENTRIES - 1) << shift));
  return m.add(m.get(vcpu.tlbBase), index);
}

function jumpCacheEntry(m: CoreEmitter, linear: Node): Node {
  const low = m.trunc(linear, 32);
  const hash = m.and(m.xor(low, m.shr(low, 12)), m.number(JUMP_CACHE_ENTRIES - 1));
  return m.add(m.vcpuBlock, m.mul(hash, m.number(JUMP_CACHE_ENTRY_BYTES)));
}

function blockCacheEntry(m: CoreEmitter, blockCache: number, machine: Node): Node {
  const hash = m.and(m.xor(m.shr(machine, 1), m.shr(machine, 15)), m.number(BLOCK_CACHE_ENTRIES - 1));
  return m.add(m.mul(hash, m.number(BLOCK_CACHE_ENTRY_BYTES)), m.number(blockCache));
}

/** Same hash as generated code uses. */
export function blockCacheIndex(machine: number): number {
  return ((machine >>> 1) ^ (machine >>> 15)) & (BLOCK_CACHE_ENTRIES - 1);
}

export function defineInterpreterCore(
  module: ModuleBuilder,
  context: EmitterContext,
  exports: CoreExports,
  places: CorePlaces,
): void {
  const { core } = context;
  const lookup = context.reserve([64, 64], []);

  defineCore(module, context, 'dispatch', core.dispatch, (m) => {
    checkEvents(m);
    const rip = m.get(vcpu.rip);
    const linear = codeLinear(m, rip);
    const place = jumpCacheEntry(m, linear);
    const tag = m.xor(linear, m.get(vcpu.codeTag));
    m.if(m.ne(m.builder.load(64, place, JUMP_CACHE), tag), () =>
      m.builder.tailCall(lookup, [m.vcpuBlock, m.operation, rip, linear]),
    );
    const block = m.builder.load(32, place, JUMP_CACHE + 8);
    setIpBase(m, rip, block);
    enterBlock(m, block, () =>
      m.if(isStale(m, block), () => m.builder.tailCall(lookup, [m.vcpuBlock, m.operation, rip, linear])),
    );
    return undefined;
  });

  defineCore(module, context, 'chain', core.chain, (m, link) => {
    if (link === undefined) return undefined;
    const { builder: b } = m;
    const block = m.variable(b.load(32, link, 0));
    m.if(m.isZero(m.use(block)), () => {
      const linear = codeLinear(m, m.get(vcpu.rip));
      const place = jumpCacheEntry(m, linear);
      const known = m.eq(b.load(64, place, JUMP_CACHE), m.xor(linear, m.get(vcpu.codeTag)));
      m.if(m.not(known), () => b.tailCall(core.dispatch, [m.vcpuBlock, m.operation]));
      m.assign(block, b.load(32, place, JUMP_CACHE + 8));
      b.store(32, link, 0, m.use(block) as Node);
    });
    const target = m.use(block) as Node;
    enterBlock(m, target, () =>
      m.if(isStale(m, target), () => {
        b.store(32, link, 0, m.number(0));
        b.tailCall(core.dispatch, [m.vcpuBlock, m.operation]);
      }),
    );
    return undefined;
  });

  defineCore(module, context, 'jump', core.jump, (m, rip) => {
    if (rip === undefined) return undefined;
    const { builder: b } = m;
    const traps = m.and(m.get(vcpu.rflags), m.number(0x100));
    const events = m.or(m.or(m.get(vcpu.pendingEvents), m.get(vcpu.interruptShadow)), traps);
    const place = jumpCacheEntry(m, rip);
    const known = m.eq(b.load(64, place, JUMP_CACHE), m.xor(rip, m.get(vcpu.codeTag)));
    m.if(m.not(m.and(m.isZero(events), known)), () => {
      m.set(vcpu.rip, rip);
      b.tailCall(core.dispatch, [m.vcpuBlock, m.operation]);
    });
    const block = b.load(32, place, JUMP_CACHE + 8);
    m.set(vcpu.ipBase, m.and(rip, m.const(64, ~0xfffn)));
    enterBlock(m, block, () =>
      m.if(isStale(m, block), () => {
        m.set(vcpu.rip, rip);
        b.tailCall(core.dispatch, [m.vcpuBlock, m.operation]);
      }),
    );
    return undefined;
  });

  defineCore(module, context, 'lookup', lookup, (m, rip, linear) => {
    if (rip !== undefined && linear !== undefined) lookUp(m, context, places, rip, linear);
    return undefined;
  });

  defineCore(module, context, 'enter', core.enter, (m, block) => {
    if (block !== undefined) enterBlock(m, block);
    return undefined;
  });

  const unlinked = (m: CoreEmitter, taken: Node): void => {
    m.set(vcpu.exitOperation, m.operation);
    leaveFor(m, m.select(m.ne(taken, m.number(0)), m.number(EXIT_TAKEN), m.number(EXIT_FALLTHROUGH)));
  };

  defineCore(module, context, 'unlinked', core.unlinked, (m, taken) => {
    if (taken !== undefined) unlinked(m, taken);
    return undefined;
  });

  defineCore(module, context, 'follow', core.follow, (m, block, taken) => {
    if (block !== undefined && taken !== undefined) {
      enterBlock(m, block, () => m.if(isStale(m, block), () => unlinked(m, taken)));
    }
    return undefined;
  });

  defineCore(module, context, 'fault', core.fault, (m) => {
    // Nothing of this block from this instruction on has retired.
    m.set(vcpu.budget, m.add(m.get(vcpu.budget), m.field8(OPERATION_REMAINING)));
    m.set(vcpu.rip, wrapIp(m, m.add(m.get(vcpu.ipBase), m.zext(m.field16(OPERATION_IP), 64))));
    const vector = m.get(vcpu.faultVector);
    m.if(m.eq(vector, m.number(REPLAY)), () => {
      m.set(vcpu.faultVector, m.number(NO_FAULT));
      m.set(vcpu.exitOperation, m.operation);
      leave(m, EXIT_REPLAY);
    });
    // Data breakpoints are traps: of what did not happen there is none.
    m.set(vcpu.pendingDebug, m.number(0));
    deliverFault(m, context, places.delivery);
    return undefined;
  });

  defineCore(module, context, 'run', exports.run, (m) => {
    m.builder.call(core.dispatch, [m.vcpuBlock, m.operation]);
    return [];
  });

  defineCore(module, context, 'runBlock', exports.runBlock, (m, block) => {
    if (block === undefined) return undefined;
    setIpBase(m, m.get(vcpu.rip), block);
    m.builder.call(core.enter, [m.vcpuBlock, m.operation, block]);
    return [];
  });

  defineCore(module, context, 'deliver', exports.deliver, (m, vector, hasCode, code, source) => {
    m.set(vcpu.faultVector, vector as Node);
    m.set(vcpu.faultHasCode, hasCode as Node);
    m.set(vcpu.faultCode, code as Node);
    deliverPending(m, context, places.delivery, source as Node);
    m.set(vcpu.exitReason, m.number(0));
    return [];
  });

  defineCore(module, context, 'takeManagementInterrupt', exports.enterManagementMode, (m) => {
    m.builder.call(context.routine(enterManagementMode), [m.vcpuBlock, m.number(places.delivery)]);
    return [];
  });

  defineContext(module, context);
}

/** What contextChanged recomputes, and the segment checks of modes other than 64-bit. */
function defineContext(module: ModuleBuilder, context: EmitterContext): void {
  const { core } = context;
  defineCore(module, context, 'contextChanged', core.contextChanged, (m) => {
    const user = m.eq(m.get(vcpu.cpl), m.number(3));
    const flags = m.get(vcpu.rflags);
    const ac = m.bit(flags, 18);
    const alignment = m.and(m.and(ac, m.bit(m.get(vcpu.cr0), 18)), user);
    const breakpoints = m.ne(m.and(m.trunc(m.getAt(vcpu.dr, 7), 32), m.number(0xff)), m.number(0));
    const smapLifted = m.select(ac, m.number(TLB_SUPERVISOR_AC), m.number(TLB_SUPERVISOR));
    const which = m.select(
      m.or(alignment, breakpoints),
      m.number(TLB_NONE),
      m.select(user, m.number(TLB_USER), smapLifted),
    );
    m.set(vcpu.tlbBase, m.add(m.add(m.vcpuBlock, m.number(TLB)), m.mul(which, m.number(TLB_BYTES))));
    const supervisor = m.eq(which, m.number(TLB_SUPERVISOR));
    m.set(vcpu.tlbTag, m.select(supervisor, m.get(vcpu.supervisorTag), m.get(vcpu.spaceTag)));

    const mode = m.variable(m.select(user, m.number(CODE_USER), m.number(0)));
    const code = m.getAt(vcpu.segmentAccess, CS);
    const long = m.and(m.bit(m.get(vcpu.efer), 10), m.bit(code, 13));
    m.if(
      long,
      () => m.assign(mode, m.or(m.use(mode), m.number(CODE_64))),
      () => {
        const add = (condition: Value, bit: number): void =>
          m.assign(mode, m.or(m.use(mode), m.select(condition, m.number(bit), m.number(0))));
        const limited = m.ne(m.getAt(vcpu.segmentLimit, CS), m.number(-1));
        add(m.bit(code, 14), CODE_32);
        add(m.and(m.bit(code, 14), limited), CODE_32_LIMITED);
        add(m.bit(m.getAt(vcpu.segmentAccess, 2), 14), CODE_STACK_32);
        add(m.or(m.not(m.bit(m.get(vcpu.cr0), 0)), m.bit(flags, 17)), CODE_REAL);
        const flat = [0, 2, 3].map((segment) => {
          // Present, writable data, not expand-down, usable.
          const rights = m.and(m.getAt(vcpu.segmentAccess, segment), m.number(0x1009e));
          const limit = m.eq(m.getAt(vcpu.segmentLimit, segment), m.number(-1));
          const base = m.isZero(m.getAt(vcpu.segmentBase, segment));
          return m.and(m.and(m.eq(rights, m.number(0x92)), limit), base);
        });
        add(m.and(m.and(flat[0] as Node, flat[1] as Node), flat[2] as Node), CODE_FLAT);
      },
    );
    m.set(vcpu.codeMode, m.use(mode));
    const space = m.shl(m.shr(m.select(user, m.get(vcpu.spaceTag), m.get(vcpu.supervisorTag)), 52), 6);
    m.set(vcpu.codeTag, m.shl(m.or(space, m.zext(m.use(mode), 64)), 48));
    m.set(vcpu.sse, m.number(0));
    return [];
  });

  // SDM Vol. 3A §5.3 "Limit Checking", §5.4 "Type Checking".
  defineCore(module, context, 'segmentLinear', core.segmentLinear, (m, segment, offset, bytes, write) => {
    if (segment === undefined || offset === undefined || bytes === undefined || write === undefined) return undefined;
    const base = m.getAt(vcpu.segmentBase, segment);
    const long = m.eq(m.and(m.get(vcpu.codeMode), m.number(CODE_SIZE_MASK)), m.number(CODE_64));
    m.if(long, () => {
      const based = m.leU(m.number(4), segment);
      m.builder.return([m.add(offset, m.select(based, base, m.const(64, 0n)))]);
    });
    const fault = (): void => m.raise(GP, 0);
    const stackFault = (): void => m.raise(SS_FAULT, 0);
    const refuse = (condition: Value): void =>
      m.if(condition, () => m.if(m.eq(segment, m.number(2)), stackFault, fault));
    const rights = m.getAt(vcpu.segmentAccess, segment);
    const writes = m.ne(write, m.number(0));
    const isCode = m.bit(rights, 3);
    const readableOrWritable = m.bit(rights, 1);
    refuse(m.bit(rights, 16));
    refuse(m.and(writes, m.or(isCode, m.not(readableOrWritable))));
    refuse(m.and(m.not(writes), m.and(isCode, m.not(readableOrWritable))));
    const limit = m.zext(m.getAt(vcpu.segmentLimit, segment), 64);
    const last = m.add(offset, m.zext(m.sub(bytes, m.number(1)), 64));
    const expandDown = m.and(m.bit(rights, 2), m.not(isCode));
    const top = m.select(m.bit(rights, 14), m.const(64, 0xffffffffn), m.const(64, 0xffffn));
    const outside = m.select(expandDown, m.or(m.leU(offset, limit), m.ltU(top, last)), m.ltU(limit, last));
    refuse(outside);
    return [m.and(m.add(base, offset), m.const(64, 0xffffffffn))];
  });
}
