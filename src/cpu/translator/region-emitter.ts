/**
 * The instruction definitions as code of a region: operands folded in, registers and flags as values. A register
 * written in a block is just a node until the block ends, so what nobody reads is never computed.
 *
 * Where control comes together every slot is in a local of its own ("settled"), and so it is after every instruction
 * that wrote to memory: a checkpoint. An instruction that faults, or wants the monitor, goes back to the checkpoint
 * before it, and the interpreter runs on from there; nothing between has left a trace but in registers. All such cold
 * ways out share one end of the function, and what only they would read is not computed anywhere.
 *
 * Flags are put off: a recipe and its inputs are kept, as nodes within a block, and where control comes together as
 * locals (`flag-kinds.ts`).
 */

import type { Algebra, Operand, Routine, Value, Variable } from '../algebra.ts';
import type { Decoded, DecodedOperand } from '../decode/decoded.ts';
import { type EmitterContext, NO_FAULT, type Straight } from '../emit/emitter.ts';
import type { FunctionBuilder } from '../emit/function-builder.ts';
import type { SegmentMode } from '../emit/instruction-emitter.ts';
import { CONSTANT, type Label, type List, type Local, type Node } from '../emit/nodes.ts';
import type { Touch } from '../emit/routine-touch.ts';
import { OPERATION_BYTES } from '../interpreter/operation.ts';
import type { Case } from '../isa/instruction.ts';
import { TLB_ADDEND, TLB_FETCH, TLB_READ, TLB_WRITE } from '../layout.ts';
import { vcpu } from '../state.ts';
import { FlagEmitter, type FlagNeed, type FlagState } from './flag-emitter.ts';
import { PLACE_BUDGET, PLACE_LINK } from './leaving.ts';
import { Declined } from './slot-emitter.ts';
import { isFlagSlot, type Slot, SlotSet, slots } from './slots.ts';
import { placeOf, type Window, type WindowState, Windows } from './windows.ts';

export interface RegionContext extends EmitterContext {
  /** What a routine does beside computing its results. */
  touchOf(routine: Routine): Touch;
}

/** Where an instruction stands. */
export interface Place {
  readonly decoded: Decoded;
  /** Relative to the region's first page. */
  readonly offset: number;
  /** Machine address of its operation. */
  readonly operation: number;
  /** The last instruction of its block: it may reach devices and write over code. */
  readonly last: boolean;
}

/** Machine address of an operation, and its page relative to the region's first. */
interface Checkpoint {
  readonly operation: number;
  readonly page: number;
}

/** How the block's last instruction branches. */
export interface Branch {
  readonly condition: Node | undefined;
  /** Instruction pointer, where it is not known. */
  readonly target: Node | undefined;
}

/** Slots and flags at the end of one of two ways. */
interface Way {
  readonly values: (Node | undefined)[];
  readonly flags: FlagState;
  readonly changed: boolean;
}

function pageStart(offset: number): number {
  return Math.floor(offset / 4096) * 4096;
}

const NO_BRANCH: Branch = { condition: undefined, target: undefined };

export class RegionEmitter extends FlagEmitter {
  readonly #context: RegionContext;
  #place!: Place;
  /** What has been checked once in the block at hand. */
  readonly #checked = new Set<(m: Algebra) => void>();
  /** Where the interpreter goes on if the instruction at hand cannot. */
  #checkpoint: Checkpoint = { operation: 0, page: 0 };
  /** How the block at hand branches, once it is settled. */
  readonly #condition: Variable;
  readonly #target: Variable;
  readonly #budget: Variable;
  readonly #ipBase: Variable;
  readonly #tlbBase: Variable;
  readonly #tlbTag: Variable;
  /** How and where the cold end goes on (`leaving.ts`). */
  readonly #coldPlace: Variable;
  readonly #coldOffset: Variable;
  #cold!: Label;
  readonly #windows: Windows;
  /** The checkpoints before open windows. */
  readonly #opened = new Map<Window, Checkpoint>();
  /** What of the block at hand is done whenever the block is. */
  #body: List | undefined;
  /** The instruction at hand may have led to the monitor. */
  reached = false;
  branched: Branch | undefined;
  /** Where a routine that looks at registers wants those written back that earlier blocks have settled. */
  #spills: List[] = [];

  constructor(builder: FunctionBuilder, context: RegionContext, mode: SegmentMode) {
    super(builder, context, mode);
    this.#context = context;
    this.#windows = new Windows(builder);
    this.#condition = builder.variable(1);
    this.#target = builder.variable(64);
    this.#budget = builder.variable(32);
    this.#ipBase = builder.variable(64);
    this.#tlbBase = builder.variable(32);
    this.#tlbTag = builder.variable(64);
    this.#coldPlace = builder.variable(32);
    this.#coldOffset = builder.variable(32);
  }

  // ---- The frame of the region -------------------------------------------------------------------------------------

  /** Loads what all code needs; `entry` gets the slots' loads once it is known which. */
  enter(): List {
    const { b } = this;
    b.assign(this.#budget, super.get(vcpu.budget));
    b.assign(this.#ipBase, super.get(vcpu.ipBase));
    b.assign(this.#tlbBase, super.get(vcpu.tlbBase));
    b.assign(this.#tlbTag, super.get(vcpu.tlbTag));
    return b.sequence();
  }

  loadSlots(entry: List): void {
    this.b.inside(entry, () => {
      for (const { number, type, offset } of this.used) {
        this.b.assign(this.slotVariable(number), this.b.load(type, this.cpu, offset));
      }
    });
  }

  /** Stores settled slots; those of flags only on demand. */
  writeBack(written: SlotSet, flags: boolean): void {
    for (const { number, type, offset } of written) {
      if (!flags && isFlagSlot(number)) continue;
      this.b.store(type, this.cpu, offset, this.b.settled(this.slotVariable(number)));
    }
  }

  /** Builds the body; cold ways out of it come to the end, and are emitted behind it. */
  withColdEnd(build: () => void): void {
    this.b.block((end) => {
      this.#cold = end;
      build();
    });
    this.writeBack(this.everWritten, true);
    this.storeBudget();
    const place = [this.#coldPlace, this.#coldOffset].map((variable) => this.b.settled(variable));
    this.b.tailCall(this.context.core.leaveRegion, [this.cpu, this.b.param(1), ...place, ...this.settledFlags()]);
  }

  storeBudget(): void {
    super.set(vcpu.budget, this.budget());
  }

  budget(): Node {
    return this.b.settled(this.#budget);
  }

  /** Takes the instructions of a block off the budget, or leaves before its first operation. */
  takeBudget(count: number, operation: number, offset: number): void {
    const left = this.sub(this.budget(), this.i32(count));
    this.b.if(this.ltS(left, this.i32(0)), () => this.#leaveCold(operation | PLACE_BUDGET, pageStart(offset)));
    this.b.assign(this.#budget, left);
  }

  /** Leaves for code at an offset in the same page, to which a link leads. */
  leaveByLink(link: number, offset: number): void {
    this.#leaveCold(link | PLACE_LINK, offset);
  }

  #leaveCold(place: number, offset: number): void {
    if (offset !== 0) this.b.assign(this.#coldOffset, this.i32(offset));
    this.b.assign(this.#coldPlace, this.i32(place));
    this.b.br(this.#cold);
  }

  ipAt(offset: number): Node {
    const ip = this.add(this.b.settled(this.#ipBase), this.const(64, BigInt(offset)));
    return this.mode === 64 ? ip : this.and(ip, this.const(64, 0xffffffffn));
  }

  /** What `ipBase` must be while code of the page at `offset` runs. */
  setPage(offset: number): void {
    super.set(vcpu.ipBase, this.add(this.b.settled(this.#ipBase), this.const(64, BigInt(pageStart(offset)))));
  }

  /** Whether the TLB has the code at a linear address, and where it then is in machine memory. */
  fetch(linear: Node): { hit: Node; machine: Node } {
    const entry = this.tlbEntry(linear);
    const hit = this.eq(this.b.load(64, entry, TLB_FETCH), this.or(this.shr(linear, 12), this.tlbTag()));
    return { hit, machine: this.add(this.trunc(linear, 32), this.b.load(32, entry, TLB_ADDEND)) };
  }

  /** The places of the block at hand that are to write back what was settled before. */
  takeSpills(): List[] {
    const spills = this.#spills;
    this.#spills = [];
    return spills;
  }

  // ---- Blocks ------------------------------------------------------------------------------------------------------

  /** All slots are settled here. Returns what will hold the slots that the block writes. */
  beginBlock(block: number, need: FlagNeed, flags: FlagState, operation: number, offset: number): SlotSet {
    this.values = [];
    this.block = block;
    this.blockNeed = need;
    this.flags = flags;
    this.flagsChanged = false;
    this.written = new SlotSet();
    this.#checkpoint = { operation, page: pageStart(offset) };
    this.branched = undefined;
    this.#checked.clear();
    return this.written;
  }

  instruction(place: Place): void {
    this.decoded = place.decoded;
    this.#place = place;
    this.operationNode = this.i32(place.operation);
    this.reached = false;
    this.effect = false;
    this.beginInstruction();
    const { form, instruction } = place.decoded;
    if (form.cpl0 || form.prot) throw new Declined();
    if (instruction.usual === undefined) instruction.semantics(this, ...place.decoded.operands);
    else this.#usual(instruction.usual(this, ...place.decoded.operands));
    if (!this.effect || place.last) return;
    this.settle(0);
    this.#checkpoint = { operation: place.operation + OPERATION_BYTES, page: pageStart(place.offset) };
  }

  /** All other cases are the interpreter's. */
  #usual({ holds, run }: Case): void {
    this.if(this.not(holds), () => this.leaveWithFault());
    run();
  }

  /** Settles every slot, and how the block branches. Flags come into their slots where asked for. */
  settle(need: FlagNeed, { condition, target }: Branch = NO_BRANCH): Branch {
    const variables: Variable[] = [];
    const settled: Node[] = [];
    const flags = this.settleFlags(need, variables, settled);
    for (let slot = 0; slot < this.values.length; slot++) {
      const value = this.values[slot];
      if (value === undefined) continue;
      variables.push(this.slotVariable(slot));
      settled.push(value);
    }
    if (condition !== undefined) {
      variables.push(this.#condition);
      settled.push(condition);
    }
    if (target !== undefined) {
      variables.push(this.#target);
      settled.push(target);
    }
    if (variables.length > 0) {
      this.b.assignAll(variables, settled);
      this.#windows.assigned(variables as Local[], settled);
    }
    this.values = [];
    this.flags = flags;
    this.flagsChanged = false;
    return {
      condition: condition && this.b.settled(this.#condition),
      target: target && this.b.settled(this.#target),
    };
  }

  // ---- Memory ------------------------------------------------------------------------------------------------------

  /** What follows, up to `endWindows`, is the code of a block that begins where these windows are certain. */
  beginWindows(state: WindowState): void {
    this.#body = this.b.here;
    this.#windows.begin(state);
  }

  endWindows(): WindowState {
    this.#body = undefined;
    return this.#windows.end((local) => this.isSlot(local) || local === (this.#ipBase as Local).index);
  }

  /** Checks all windows, each where it was opened. */
  checkWindows(): void {
    for (const window of this.#windows.opened) {
      this.b.inside(window.place, () => this.#check(window, this.#opened.get(window) as Checkpoint));
    }
  }

  #check({ base, start, root, low, high, writes }: Window, { operation, page }: Checkpoint): void {
    const { node, narrow } = base;
    const linear = (offset: number): Node => {
      if (!narrow) return this.add(node, this.const(64, offset));
      return this.zext(this.add(this.trunc(node, 32), this.i32(offset)), 64);
    };
    const entry = this.tlbEntry(linear(low));
    const tag = this.or(this.shr(linear(high - 1), 12), this.tlbTag());
    const hit = this.eq(this.b.load(64, entry, writes ? TLB_WRITE : TLB_READ), tag);
    this.b.if(this.isZero(hit), () => this.#leaveCold(operation, page));
    const machine = this.add(this.trunc(node, 32), this.i32(start));
    this.b.assign(root, this.add(machine, this.b.load(32, entry, TLB_ADDEND)));
  }

  protected override straight(linear: Node, bytes: number, access: 'read' | 'write'): Straight | undefined {
    const place = placeOf(linear);
    if (place === undefined) return undefined;
    const always = this.b.here === this.#body;
    const wanted = { ...place, bytes, writes: access === 'write' };
    let found = this.#windows.find(wanted, always);
    if (found === undefined) {
      if (!always) return undefined;
      found = this.#windows.open(wanted);
      this.#opened.set(found.window, this.#checkpoint);
    }
    this.countHit();
    return { base: this.b.settled(found.window.root), offset: found.offset };
  }

  protected override tlbBase(): Node {
    return this.b.settled(this.#tlbBase);
  }

  protected override tlbTag(): Node {
    return this.b.settled(this.#tlbTag);
  }

  /** Only the last instruction of a block gets as far as the monitor, which may ask for the time. */
  protected override beforeSlowPath(): void {
    this.reached = true;
    this.#windows.forget();
    if (this.#place.last) this.storeBudget();
  }

  protected override beforeStore(): void {
    this.effect = true;
  }

  override storeSystem(linear: Value, value: Value): void {
    this.effect = true;
    super.storeSystem(linear, value);
  }

  override storePhysical(address: Value, value: Value): void {
    this.effect = true;
    super.storePhysical(address, value);
  }

  override machineCopy(to: Value, from: Value, bytes: Value): void {
    this.effect = true;
    super.machineCopy(to, from, bytes);
  }

  override machineFill(to: Value, byte: Value, bytes: Value): void {
    this.effect = true;
    super.machineFill(to, byte, bytes);
  }

  /** The interpreter finds out what the fault is. */
  protected override leaveWithFault(): void {
    this.#leaveCold(this.#checkpoint.operation, this.#checkpoint.page);
  }

  override raise(): void {
    this.leaveWithFault();
  }

  protected override checkFault(): void {
    const vector = super.get(vcpu.faultVector);
    this.b.if(this.ne(vector, this.i32(NO_FAULT)), () => this.leaveWithFault());
  }

  // ---- Control -----------------------------------------------------------------------------------------------------

  /** Whatever changes what is checked ends the region's code: MOV to control registers, for one, declines. */
  override once(check: (m: Algebra) => void): void {
    if (this.#checked.has(check)) return;
    this.#checked.add(check);
    check(this);
  }

  /** What a slot holds after two ways that left different values in it is a variable of its own. */
  override if(condition: Value, then: () => void, otherwise?: () => void): void {
    const { code, constant } = condition as Node;
    if (code === CONSTANT) {
      if (constant) then();
      else otherwise?.();
      return;
    }
    const before = this.#ways();
    let whenTrue = before;
    let whenFalse = before;
    this.b.branch(
      condition as Node,
      () => {
        this.values = [...before.values];
        then();
        whenTrue = this.#ways();
        this.#take(before);
      },
      () => {
        this.values = [...before.values];
        otherwise?.();
        whenFalse = this.#ways();
      },
      (trueArm, falseArm) => {
        if (trueArm.leaves) this.#goOn(before, falseArm.list, whenFalse);
        else if (falseArm.leaves) this.#goOn(before, trueArm.list, whenTrue);
        else this.#merge(trueArm.list, whenTrue, falseArm.list, whenFalse);
      },
    );
  }

  #ways(): Way {
    return { values: this.values, flags: this.flags, changed: this.flagsChanged };
  }

  #take({ values, flags, changed }: Way): void {
    this.values = values;
    this.flags = flags;
    this.flagsChanged = changed;
  }

  /** Behind an `if` of which only this way comes to its end: what it has computed is kept in variables. */
  #goOn(before: Way, list: List, way: Way): void {
    const end = way.flags === before.flags ? way : this.#forced(list, way);
    const values = end.values.map((value, slot) => {
      if (value === undefined || value === before.values[slot]) return value;
      const variable = this.b.variable(value.type);
      this.b.inside(list, () => this.b.assign(variable, value));
      return this.b.settled(variable);
    });
    this.#take({ ...end, values });
  }

  #merge(trueList: List, whenTrue: Way, falseList: List, whenFalse: Way): void {
    const alike = whenTrue.flags === whenFalse.flags;
    const a = alike ? whenTrue : this.#forced(trueList, whenTrue);
    const b = alike ? whenFalse : this.#forced(falseList, whenFalse);
    const merged: (Node | undefined)[] = [];
    for (let slot = 0; slot < slots.length; slot++) {
      const [x, y] = [a.values[slot], b.values[slot]];
      if (x === y) {
        merged[slot] = x;
        continue;
      }
      const variable = this.b.variable((slots[slot] as Slot).type);
      const settled = this.b.settled(this.slotVariable(slot));
      this.b.inside(trueList, () => this.b.assign(variable, x ?? settled));
      this.b.inside(falseList, () => this.b.assign(variable, y ?? settled));
      merged[slot] = this.b.settled(variable);
    }
    this.#take({ values: merged, flags: a.flags, changed: a.changed || b.changed });
  }

  /** The way with all flags in their slots. */
  #forced(list: List, way: Way): Way {
    this.#take({ ...way, values: [...way.values] });
    this.b.inside(list, () => this.forceFlags());
    return this.#ways();
  }

  override while(condition: () => Value, body: () => void): void {
    const before = [...this.values];
    const flags = this.flags;
    super.while(condition, body);
    if (this.flags !== flags) throw new Declined();
    for (let slot = 0; slot < slots.length; slot++) {
      if (this.values[slot] !== before[slot]) throw new Declined();
    }
  }

  #beforeRoutine(routine: Routine): void {
    const { reads, writes, effects } = this.#context.touchOf(routine);
    if (writes) throw new Declined();
    if (effects) this.effect = true;
    if (!reads) return;
    this.forceFlags();
    this.#spills.push(this.b.sequence());
    for (const [slot, value] of this.values.entries()) {
      if (value !== undefined) this.b.store(value.type, this.cpu, (slots[slot] as Slot).offset, value);
    }
  }

  override call(routine: Routine, ...args: Value[]): Node[] {
    this.#beforeRoutine(routine);
    return super.call(routine, ...args);
  }

  override attempt(routine: Routine, ...args: Value[]): Node {
    this.#beforeRoutine(routine);
    return super.attempt(routine, ...args);
  }

  override host(): never {
    throw new Declined();
  }
  override contextChanged(): never {
    throw new Declined();
  }
  override jumpFar(): never {
    throw new Declined();
  }
  override again(): never {
    throw new Declined();
  }
  override stop(): never {
    throw new Declined();
  }

  override ip(): Node {
    return this.ipAt(this.#place.offset);
  }

  override nextIp(): Node {
    return this.ipAt(this.#place.offset + this.decoded.length);
  }

  override jump(target: Value): void {
    this.checkTarget(target as Node);
    this.branched = { condition: undefined, target: target as Node };
  }

  override branch(condition: Value | undefined, target: Operand): void {
    const next = this.#place.offset + this.decoded.length;
    const taken = next + (target as DecodedOperand).immediate;
    const inPage = (offset: number): boolean => Math.floor(offset / 4096) === Math.floor(this.#place.offset / 4096);
    if (this.mode !== 64 || !inPage(taken) || !inPage(next)) {
      const check = (): void => this.checkTarget(this.ipAt(taken));
      if (condition === undefined) check();
      else this.if(condition, check);
    }
    this.branched = { condition: condition as Node | undefined, target: undefined };
  }
}
