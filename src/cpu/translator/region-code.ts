/**
 * The code of a region: one WebAssembly function, entered as a handler is, with (vCPU block, operation) where the head's
 * instructions have been taken off the budget.
 *
 *     entry      budget, instruction pointer's base, TLB, slots -> locals
 *     blocks     nested as the control flow is; on the way from one to the next: page still there? budget?
 *     ways out   write back what was written, then dispatch, or the handler of an operation
 *     cold end   write back everything; fault of an operation, or budget used up
 */

import type { Value } from '../algebra.ts';
import type { FunctionBuilder } from '../emit/function-builder.ts';
import type { SegmentMode } from '../emit/instruction-emitter.ts';
import type { Label, List, Node } from '../emit/nodes.ts';
import { OPERATION_BYTES } from '../interpreter/operation.ts';
import { vcpu } from '../state.ts';
import { ControlFlow, structured } from './control-flow.ts';
import { type RegionContext, RegionEmitter } from './region-emitter.ts';
import { type PlannedBlock, pageOf, type RegionPlan } from './region-plan.ts';
import type { SlotSet } from './slots.ts';

/** An instruction of the plan did not translate. */
export class DeclinedAt extends Error {
  readonly block: PlannedBlock;
  readonly index: number;

  constructor(block: PlannedBlock, index: number, cause: unknown) {
    super('an instruction declines translation', { cause });
    this.block = block;
    this.index = index;
  }
}

export interface RegionRequest {
  readonly plan: RegionPlan;
  readonly mode: SegmentMode;
  /** Machine address of the first operation of each block, by its number. */
  readonly operations: readonly number[];
}

/** Emits the region's function into the builder. */
export function emitRegion(builder: FunctionBuilder, context: RegionContext, request: RegionRequest): void {
  new RegionCode(builder, context, request).build();
}

class RegionCode {
  readonly #b: FunctionBuilder;
  readonly #context: RegionContext;
  readonly #m: RegionEmitter;
  readonly #request: RegionRequest;
  readonly #flow: ControlFlow;
  readonly #successors: readonly (readonly number[])[];
  readonly #written: SlotSet[] = [];
  /** Places that write back what has been written so far, by block. */
  readonly #writeBacks: { block: number; list: List }[] = [];

  constructor(builder: FunctionBuilder, context: RegionContext, request: RegionRequest) {
    this.#b = builder;
    this.#context = context;
    this.#request = request;
    this.#m = new RegionEmitter(builder, context, request.mode);
    const { blocks } = request.plan;
    this.#dropIrreducible(blocks);
    this.#successors = blocks.map(successorsOf);
    this.#flow = new ControlFlow({ successors: this.#successors });
  }

  /** Edges that nested loops cannot have leave the region. */
  #dropIrreducible(blocks: readonly PlannedBlock[]): void {
    for (let again = true; again; ) {
      again = false;
      const flow = new ControlFlow({ successors: blocks.map(successorsOf) });
      for (const block of blocks) {
        if ((flow.order[block.number] as number) < 0) continue;
        const bad = (to: PlannedBlock | undefined): boolean =>
          to !== undefined && flow.isIrreducible(block.number, to.number);
        if (bad(block.taken)) {
          block.taken = undefined;
          again = true;
        }
        if (bad(block.next)) {
          block.next = undefined;
          again = true;
        }
      }
    }
  }

  build(): void {
    const m = this.#m;
    const { blocks } = this.#request.plan;
    const entry = m.enter();
    m.withColdEnd(() => {
      structured<Label>(this.#flow, {
        node: (number, go) => this.#block(blocks[number] as PlannedBlock, go),
        loop: (build) => this.#b.loop(build),
        block: (build) => this.#b.block(build),
        br: (label) => this.#b.br(label),
      });
    });
    this.#fillWriteBacks();
    m.loadSlots(entry);
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
    for (const { block, list } of this.#writeBacks) {
      this.#b.inside(list, () => this.#m.writeBack(this.#written[block] as SlotSet));
    }
  }

  #block(block: PlannedBlock, go: (to: number) => void): void {
    const m = this.#m;
    this.#written[block.number] = m.beginBlock();
    const first = this.#request.operations[block.number] as number;
    const count = block.instructions.length;
    const runsLast = block.ending === 'other' ? count - 1 : count;
    for (let i = 0; i < runsLast; i++) {
      const place = {
        decoded: block.instructions[i] as PlannedBlock['instructions'][number],
        offset: block.offsets[i] as number,
        operation: first + i * OPERATION_BYTES,
        last: i === block.count - 1,
      };
      try {
        m.instruction(place);
      } catch (cause) {
        throw new DeclinedAt(block, i, cause);
      }
    }
    for (const list of m.takeSpills()) this.#writeBacks.push({ block: block.number, list });
    this.#end(block, first, go);
  }

  #end(block: PlannedBlock, first: number, go: (to: number) => void): void {
    const m = this.#m;
    const { instructions, offsets } = block;
    if (block.ending === 'other') {
      m.settle([]);
      const last = instructions.length - 1;
      this.#writeBack(block);
      m.setPage(offsets[last] as number);
      this.#b.tailCall(this.#context.core.resume, [this.#b.param(0), this.#i32(first + last * OPERATION_BYTES)]);
      return;
    }
    if (block.ending === 'declined') {
      m.settle([]);
      m.refund(block.count - instructions.length);
      this.#leaveTo(block, m.ipAt(offsets[instructions.length] as number));
      return;
    }
    const { condition, target } = m.branched ?? {};
    const reached = m.reached;
    const known: Value[] = m.settle([condition, target].filter((value) => value !== undefined));
    const settledCondition = condition && (known.shift() as Node);
    const settledTarget = target && (known.shift() as Node);
    switch (block.ending) {
      case 'proceed':
        this.#afterAccess(block, reached, offsets[instructions.length] as number);
        this.#edge(block, block.next, offsets[instructions.length] as number, go);
        return;
      case 'conditional':
        this.#b.if(
          settledCondition as Node,
          () => this.#edge(block, block.taken, this.#takenOffset(block), go),
          () => this.#edge(block, block.next, offsets[instructions.length] as number, go),
        );
        return;
      case 'jump':
      case 'call':
        this.#afterAccess(block, reached, this.#takenOffset(block));
        this.#edge(block, block.taken, this.#takenOffset(block), go);
        return;
      default:
        this.#indirect(block, settledTarget as Node, go);
    }
  }

  #takenOffset(block: PlannedBlock): number {
    const { instructions, offsets } = block;
    const last = instructions[instructions.length - 1] as PlannedBlock['instructions'][number];
    const relative = last.operands.find((operand) => operand.kind === 'immediate');
    return (offsets[instructions.length] as number) + (relative?.immediate ?? 0);
  }

  /** A jump to where a register or the stack says; returns are expected to lead back to the call. */
  #indirect(block: PlannedBlock, target: Node, go: (to: number) => void): void {
    const { taken } = block;
    if (taken === undefined) {
      this.#leaveTo(block, target);
      return;
    }
    const m = this.#m;
    const expected = m.eq(target, m.ipAt(taken.offset));
    const quiet = m.isZero(this.#b.load(32, this.#b.param(0), vcpu.pendingEvents.offset));
    this.#b.if(
      m.and(expected, quiet),
      () => this.#edge(block, taken, taken.offset, go),
      () => this.#leaveTo(block, target),
    );
  }

  /** An access of a block's last instruction may have called for the run loop, or have written over this very code. */
  #afterAccess(block: PlannedBlock, reached: boolean, offset: number): void {
    if (!reached) return;
    const events = this.#b.load(32, this.#b.param(0), vcpu.pendingEvents.offset);
    this.#b.if(this.#m.ne(events, this.#i32(0)), () => this.#leaveTo(block, this.#m.ipAt(offset)));
  }

  #edge(from: PlannedBlock, to: PlannedBlock | undefined, offset: number, go: (to: number) => void): void {
    const m = this.#m;
    if (to === undefined) {
      this.#leaveTo(from, m.ipAt(offset));
      return;
    }
    const lastByte = (from.offsets[from.instructions.length] as number) - 1;
    if (pageOf(lastByte) !== pageOf(offset)) this.#requirePage(from, to, offset);
    m.takeBudget(to.count, offset);
    go(to.number);
  }

  /** Goes on only where the TLB still has the code at `offset` in the frame that it was translated from. */
  #requirePage(from: PlannedBlock, to: PlannedBlock, offset: number): void {
    const m = this.#m;
    const linear = m.ipAt(offset);
    const { hit, machine } = m.fetch(linear);
    const there = m.and(hit, m.eq(machine, this.#i32(to.block.machine)));
    this.#b.if(m.isZero(there), () => this.#leaveTo(from, linear));
  }

  #leaveTo(block: PlannedBlock, rip: Node): void {
    this.#writeBack(block);
    this.#b.store(64, this.#b.param(0), vcpu.rip.offset, rip);
    this.#b.tailCall(this.#context.core.dispatch, [this.#b.param(0), this.#b.param(1)]);
  }

  #writeBack(block: PlannedBlock): void {
    this.#writeBacks.push({ block: block.number, list: this.#b.sequence() });
    this.#m.storeBudget();
  }

  #i32(value: number): Node {
    return this.#b.constant(32, value);
  }
}

function successorsOf({ taken, next }: PlannedBlock): number[] {
  const numbers: number[] = [];
  if (taken !== undefined) numbers.push(taken.number);
  if (next !== undefined) numbers.push(next.number);
  return numbers;
}
