/**
 * The code of a region: one WebAssembly function, entered as a handler is, with (vCPU block, operation) where the head's
 * instructions have been taken off the budget.
 *
 *     entry      budget, instruction pointer's base, TLB, slots -> locals
 *     blocks     nested as the control flow is; on the way from one to the next: page still there? budget?
 *     ways out   write back what was written, then dispatch, or the handler of an operation
 *     cold end   write back everything; the interpreter goes on at an operation, or the budget is used up
 */

import type { FunctionBuilder } from '../emit/function-builder.ts';
import type { Label, List, Node } from '../emit/nodes.ts';
import { OPERATION_BYTES } from '../interpreter/operation.ts';
import { vcpu } from '../state.ts';
import { SITE_LENGTH, SITE_TARGETS } from './branch-sites.ts';
import { ControlFlow, structured } from './control-flow.ts';
import { type FlagNeed, type FlagState, NEEDS_CARRY, NEEDS_FLAGS } from './flag-emitter.ts';
import { type Branch, type RegionContext, RegionEmitter } from './region-emitter.ts';
import { pageOf } from './region-plan.ts';
import type { RegionBlock, RegionRequest } from './region-request.ts';
import { Declined } from './slot-emitter.ts';
import type { SlotSet } from './slots.ts';
import { common, type WindowState } from './windows.ts';

/** An instruction did not translate. */
export class DeclinedAt extends Error {
  /** Its machine address. */
  readonly machine: number;

  constructor({ machine, offset, offsets }: RegionBlock, index: number, cause: unknown) {
    super('an instruction declines translation', { cause });
    this.machine = machine + (offsets[index] as number) - offset;
  }
}

/** Emits the region's function into the builder. Returns how many of its links it uses. */
export function emitRegion(builder: FunctionBuilder, context: RegionContext, request: RegionRequest): number {
  return new RegionCode(builder, context, request).build();
}

const LINK_BYTES = 4;

class RegionCode {
  readonly #b: FunctionBuilder;
  readonly #context: RegionContext;
  readonly #m: RegionEmitter;
  readonly #request: RegionRequest;
  /** Links that are in use. */
  #linked = 0;
  readonly #flow: ControlFlow;
  readonly #successors: readonly (readonly number[])[];
  readonly #written: SlotSet[] = [];
  /** Flags at the start of blocks that only one way leads to. */
  readonly #inherited = new Map<number, FlagState>();
  /** Windows into memory that are certain where a block begins, and where it ends. */
  readonly #arriving = new Map<number, WindowState>();
  readonly #departing = new Map<number, WindowState>();
  /** Places that write back what has been written so far, by block. */
  readonly #writeBacks: { block: number; list: List; flags: boolean }[] = [];

  constructor(builder: FunctionBuilder, context: RegionContext, request: RegionRequest) {
    this.#b = builder;
    this.#context = context;
    this.#request = request;
    this.#m = new RegionEmitter(builder, context, request.mode);
    const { blocks } = request;
    this.#dropIrreducible(blocks);
    this.#successors = blocks.map(successorsOf);
    this.#flow = new ControlFlow({ successors: this.#successors });
  }

  /** Edges that nested loops cannot have leave the region. */
  #dropIrreducible(blocks: readonly RegionBlock[]): void {
    for (let again = true; again; ) {
      again = false;
      const flow = new ControlFlow({ successors: blocks.map(successorsOf) });
      for (const block of blocks) {
        if ((flow.order[block.number] as number) < 0) continue;
        const bad = (to: RegionBlock | undefined): boolean =>
          to !== undefined && flow.isIrreducible(block.number, to.number);
        if (bad(block.taken)) {
          block.taken = undefined;
          again = true;
        }
        if (bad(block.next)) {
          block.next = undefined;
          again = true;
        }
        if (block.seen.some(bad)) {
          block.seen = block.seen.filter((to) => !bad(to));
          again = true;
        }
      }
    }
  }

  build(): number {
    const m = this.#m;
    const { blocks } = this.#request;
    const entry = m.enter();
    m.withColdEnd(() => {
      structured<Label>(this.#flow, {
        node: (number, go) => this.#block(blocks[number] as RegionBlock, go),
        loop: (build) => this.#b.loop(build),
        block: (build) => this.#b.block(build),
        br: (label) => this.#b.br(label),
      });
    });
    m.checkWindows();
    this.#fillWriteBacks();
    m.loadSlots(entry);
    return this.#linked;
  }

  /** What has been written when a block ends: by itself, and on any way to it. */
  #fillWriteBacks(): void {
    for (let changed = true; changed; ) {
      changed = false;
      for (const from of this.#flow.sequence) {
        for (const to of this.#successors[from] as readonly number[]) {
          if ((this.#written[to] as SlotSet).include(this.#written[from] as SlotSet)) changed = true;
        }
      }
    }
    for (const { block, list, flags } of this.#writeBacks) {
      this.#b.inside(list, () => this.#m.writeBack(this.#written[block] as SlotSet, flags));
    }
  }

  #block(block: RegionBlock, go: (to: number) => void): void {
    const m = this.#m;
    const { number, offset, operations: first } = block;
    this.#written[number] = m.beginBlock(number, this.#need(block), this.#flagsAt(block), first, offset);
    let branch: Branch = { condition: undefined, target: undefined };
    this.#b.scoped(() => {
      m.beginWindows(this.#arriving.get(block.number) ?? []);
      this.#instructions(block, first);
      const leaves = block.ending === 'other' || block.ending === 'declined';
      const need = Math.max(...[block.taken, block.next, ...block.seen].map((to) => this.#need(to))) as FlagNeed;
      branch = leaves ? m.settle(0) : m.settle(need, m.branched);
      this.#departing.set(block.number, m.endWindows());
    });
    this.#end(block, first, branch, go);
  }

  #instructions(block: RegionBlock, first: number): void {
    const m = this.#m;
    const count = block.instructions.length;
    const runsLast = block.ending === 'other' ? count - 1 : count;
    for (let i = 0; i < runsLast; i++) {
      const place = {
        decoded: block.instructions[i] as RegionBlock['instructions'][number],
        offset: block.offsets[i] as number,
        operation: first + i * OPERATION_BYTES,
        last: i === block.count - 1,
      };
      try {
        m.instruction(place);
      } catch (cause) {
        if (!(cause instanceof Declined)) throw cause;
        throw new DeclinedAt(block, i, cause);
      }
    }
    for (const list of m.takeSpills()) this.#writeBacks.push({ block: block.number, list, flags: true });
  }

  /** Flags as they are where control comes to a block. */
  #flagsAt(block: RegionBlock): FlagState {
    const { number } = block;
    const inherited = this.#inherited.get(number);
    if (inherited !== undefined) return inherited;
    const need = this.#need(block);
    if (need === NEEDS_FLAGS || (number === 0 && !this.#flow.isLoopHeader(0))) return { where: 'slots' };
    return { where: 'unknown', since: number, carry: need === NEEDS_CARRY };
  }

  #need(block: RegionBlock | undefined): FlagNeed {
    return block?.need ?? 0;
  }

  #end(block: RegionBlock, first: number, { condition, target }: Branch, go: (to: number) => void): void {
    const m = this.#m;
    const { instructions, offsets } = block;
    if (block.ending === 'other' || block.ending === 'declined') {
      const rest = block.ending === 'other' ? instructions.length - 1 : instructions.length;
      this.#writeBack(block);
      m.setPage(offsets[rest] as number);
      this.#b.tailCall(this.#context.core.resume, [this.#b.param(0), this.#i32(first + rest * OPERATION_BYTES)]);
      return;
    }
    const { reached } = m;
    switch (block.ending) {
      case 'proceed':
        this.#afterAccess(block, reached, offsets[instructions.length] as number);
        this.#edge(block, block.next, offsets[instructions.length] as number, go);
        return;
      case 'conditional':
        this.#either(
          condition as Node,
          () => this.#edge(block, block.taken, this.#takenOffset(block), go, block.takenIsRare),
          () => this.#edge(block, block.next, offsets[instructions.length] as number, go, block.nextIsRare),
        );
        return;
      case 'jump':
      case 'call':
        this.#afterAccess(block, reached, this.#takenOffset(block));
        this.#edge(block, block.taken, this.#takenOffset(block), go);
        return;
      default:
        this.#indirect(block, target as Node, go);
    }
  }

  /** Both ways begin with the flags as they are here; what follows on one way may be emitted before the other. */
  #either(condition: Node, then: () => void, otherwise: () => void): void {
    const flags = this.#m.flagState;
    this.#b.if(condition, then, () => {
      this.#m.flagState = flags;
      otherwise();
    });
  }

  #takenOffset(block: RegionBlock): number {
    const { instructions, offsets } = block;
    const last = instructions[instructions.length - 1] as RegionBlock['instructions'][number];
    const relative = last.operands.find((operand) => operand.kind === 'immediate');
    return (offsets[instructions.length] as number) + (relative?.immediate ?? 0);
  }

  /**
   * A jump to where a register or the stack says: compared with where it has led before, and for returns with where the
   * call came from.
   */
  #indirect(block: RegionBlock, target: Node, go: (to: number) => void): void {
    const m = this.#m;
    const known = block.taken === undefined ? block.seen : [block.taken];
    if (known.length === 0) {
      this.#record(block, target);
      this.#leaveTo(block, target);
      return;
    }
    const quiet = m.isZero(this.#b.load(32, this.#b.param(0), vcpu.pendingEvents.offset));
    const compare = (i: number): void => {
      const to = known[i];
      if (to === undefined) {
        this.#leaveTo(block, target);
        return;
      }
      const there = m.eq(target, m.ipAt(to.offset));
      this.#either(
        known.length === 1 ? m.and(there, quiet) : there,
        () => this.#edge(block, to, to.offset, go),
        () => compare(i + 1),
      );
    };
    if (known.length === 1) {
      compare(0);
      return;
    }
    this.#either(
      quiet,
      () => compare(0),
      () => this.#leaveTo(block, target),
    );
  }

  /** Remembers where an indirect branch leads, for a region to be made anew. */
  #record(block: RegionBlock, target: Node): void {
    if (block.record === 0) return;
    const place = this.#i32(block.record);
    const next = this.#b.load(32, place, 0);
    this.#b.store(64, this.#m.add(place, next), SITE_TARGETS, target);
    this.#b.store(32, place, 0, this.#m.and(this.#m.add(next, this.#i32(8)), this.#i32(8 * (SITE_LENGTH - 1))));
  }

  /** An access of a block's last instruction may have called for the run loop, or have written over this very code. */
  #afterAccess(block: RegionBlock, reached: boolean, offset: number): void {
    if (!reached) return;
    const events = this.#b.load(32, this.#b.param(0), vcpu.pendingEvents.offset);
    this.#b.if(this.#m.ne(events, this.#i32(0)), () => this.#leaveTo(block, this.#m.ipAt(offset)));
  }

  #edge(
    from: RegionBlock,
    to: RegionBlock | undefined,
    offset: number,
    go: (to: number) => void,
    isRare = false,
  ): void {
    const m = this.#m;
    if (to === undefined) {
      this.#leaveFor(from, offset, isRare);
      return;
    }
    const lastByte = (from.offsets[from.instructions.length] as number) - 1;
    if (pageOf(lastByte) !== pageOf(offset)) this.#requirePage(from, to, offset);
    m.takeBudget(to.count, to.operations, offset);
    const joined = this.#flow.isMergePoint(to.number) || this.#flow.isLoopHeader(to.number);
    if (!joined) this.#inherited.set(to.number, m.flagState);
    this.#bring(this.#departing.get(from.number) as WindowState, to);
    go(to.number);
  }

  /** What is certain at the end of one block is so in the next if all ways to it agree. */
  #bring(windows: WindowState, { number }: RegionBlock): void {
    if (this.#flow.isLoopHeader(number)) return;
    const others = this.#arriving.get(number);
    this.#arriving.set(number, others === undefined ? windows : common(others, windows));
  }

  /** Goes on only where the TLB still has the code at `offset` in the frame that it was translated from. */
  #requirePage(from: RegionBlock, to: RegionBlock, offset: number): void {
    const m = this.#m;
    const linear = m.ipAt(offset);
    const { hit, machine } = m.fetch(linear);
    const there = m.and(hit, m.eq(machine, this.#i32(to.machine)));
    this.#b.if(m.isZero(there), () => this.#leaveTo(from, linear));
  }

  /** Leaves for a place that is known only when the code runs. */
  #leaveTo(block: RegionBlock, rip: Node): void {
    const { core } = this.#context;
    this.#writeBack(block);
    if (this.#m.mode === 64) {
      this.#b.tailCall(core.jump, [this.#b.param(0), this.#b.param(1), rip]);
      return;
    }
    this.#b.store(64, this.#b.param(0), vcpu.rip.offset, rip);
    this.#b.tailCall(core.dispatch, [this.#b.param(0), this.#b.param(1)]);
  }

  /** Leaves for code at an offset; within the page that is linked. */
  #leaveFor(block: RegionBlock, offset: number, isRare: boolean): void {
    const m = this.#m;
    const lastByte = (block.offsets[block.instructions.length] as number) - 1;
    if (pageOf(lastByte) !== pageOf(offset)) {
      this.#leaveTo(block, m.ipAt(offset));
      return;
    }
    if (isRare) {
      m.leaveByLink(this.#link(), offset);
      return;
    }
    this.#writeBack(block);
    if (pageOf(offset) !== 0) m.setPage(offset);
    this.#b.store(64, this.#b.param(0), vcpu.rip.offset, m.ipAt(offset));
    const link = this.#i32(this.#link());
    this.#b.tailCall(this.#context.core.chain, [this.#b.param(0), this.#b.param(1), link]);
  }

  #writeBack(block: RegionBlock): void {
    const list = this.#b.sequence();
    const flags = this.#m.storeFlags() === 'in slots';
    this.#writeBacks.push({ block: block.number, list, flags });
    this.#m.storeBudget();
  }

  /** Machine address of a word that links a way out to the block it leads to. */
  #link(): number {
    return this.#request.links + LINK_BYTES * this.#linked++;
  }

  #i32(value: number): Node {
    return this.#b.constant(32, value);
  }
}

function successorsOf({ taken, next, seen }: RegionBlock): number[] {
  const numbers: number[] = [];
  if (taken !== undefined) numbers.push(taken.number);
  if (next !== undefined) numbers.push(next.number);
  for (const { number } of seen) numbers.push(number);
  return numbers;
}
