/**
 * The instruction definitions as code of a region: operands folded in, registers and flags as values. A register
 * written in a block is just a node until the block ends, so what nobody reads is never computed.
 *
 * Where control comes together every slot is in a local of its own ("settled"). Ways out are of two kinds: cold ones
 * (faults, an empty budget) share one end of the function; the others write back in place.
 */

import type { Operand, Routine, Type, Value, Variable } from '../algebra.ts';
import type { Decoded, DecodedOperand } from '../decode/decoded.ts';
import type { EmitterContext } from '../emit/emitter.ts';
import type { FunctionBuilder } from '../emit/function-builder.ts';
import { InstructionEmitter, type SegmentMode } from '../emit/instruction-emitter.ts';
import type { Label, List, Node } from '../emit/nodes.ts';
import { EXIT_BUDGET } from '../interpreter/exits.ts';
import { TLB_ADDEND, TLB_FETCH } from '../layout.ts';
import { type StateField, vcpu } from '../state.ts';
import { SlotSet, slotOf, slots, XMM_SLOTS } from './slots.ts';

/** The instruction at hand cannot be translated: its handler must run it. */
export class Declined extends Error {}

export interface RegionContext extends EmitterContext {
  /** Whether a routine's code reads or writes registers that regions keep in locals. */
  touchOf(routine: Routine): 'nothing' | 'reads' | 'writes';
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

/** How the block's last instruction branches. */
export interface Branch {
  readonly condition: Node | undefined;
  /** Instruction pointer, where it is not known. */
  readonly target: Node | undefined;
}

export class RegionEmitter extends InstructionEmitter {
  protected decoded!: Decoded;
  protected readonly segmentMode: SegmentMode;
  readonly #context: RegionContext;
  #place!: Place;
  readonly #variables: (Variable | undefined)[] = [];
  /** What slots hold that are not settled. */
  #values: (Node | undefined)[] = [];
  /** Slots that any code of the region has used. */
  readonly used = new SlotSet();
  /** Slots written in the block at hand, and in any. */
  #written = new SlotSet();
  readonly everWritten = new SlotSet();
  readonly #budget: Variable;
  readonly #ipBase: Variable;
  readonly #tlbBase: Variable;
  readonly #tlbTag: Variable;
  readonly #coldOperation: Variable;
  readonly #coldOffset: Variable;
  #cold!: Label;
  /** The instruction at hand has reached memory. */
  reached = false;
  branched: Branch | undefined;
  /** Where a routine that looks at registers wants those written back that earlier blocks have settled. */
  #spills: List[] = [];

  constructor(builder: FunctionBuilder, context: RegionContext, mode: SegmentMode) {
    super(builder, context);
    this.#context = context;
    this.segmentMode = mode;
    this.#budget = builder.variable(32);
    this.#ipBase = builder.variable(64);
    this.#tlbBase = builder.variable(32);
    this.#tlbTag = builder.variable(64);
    this.#coldOperation = builder.variable(32);
    this.#coldOffset = builder.variable(64);
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
        this.b.assign(this.#variable(number), this.b.load(type, this.cpu, offset));
      }
    });
  }

  /** Stores settled slots. */
  writeBack(written: SlotSet): void {
    for (const { number, type, offset } of written) {
      this.b.store(type, this.cpu, offset, this.b.settled(this.#variable(number)));
    }
  }

  /** Builds the body; cold ways out of it come to the end, and are emitted behind it. */
  withColdEnd(build: () => void): void {
    this.b.block((end) => {
      this.#cold = end;
      build();
    });
    this.writeBack(this.everWritten);
    this.storeBudget();
    const offset = this.b.settled(this.#coldOffset);
    const operation = this.b.settled(this.#coldOperation);
    this.b.if(this.ne(operation, this.i32(0)), () => {
      // Of a fault the offset is that of the page.
      super.set(vcpu.ipBase, offset);
      this.b.tailCall(this.context.core.fault, [this.cpu, operation]);
    });
    super.set(vcpu.rip, offset);
    this.leaveFor(EXIT_BUDGET);
  }

  leaveFor(reason: number): void {
    super.set(vcpu.exitReason, this.i32(reason));
    this.b.return([]);
  }

  storeBudget(): void {
    super.set(vcpu.budget, this.budget());
  }

  budget(): Node {
    return this.b.settled(this.#budget);
  }

  /** Takes `count` instructions off the budget, or leaves before the code at `offset`. */
  takeBudget(count: number, offset: number): void {
    const left = this.sub(this.budget(), this.i32(count));
    this.b.if(this.ltS(left, this.i32(0)), () => {
      this.b.assign(this.#coldOperation, this.i32(0));
      this.b.assign(this.#coldOffset, this.ipAt(offset));
      this.b.br(this.#cold);
    });
    this.b.assign(this.#budget, left);
  }

  /** Gives back what a block has taken and not used. */
  refund(count: number): void {
    if (count > 0) this.b.assign(this.#budget, this.add(this.budget(), this.i32(count)));
  }

  ipAt(offset: number): Node {
    const ip = this.add(this.b.settled(this.#ipBase), this.const(64, BigInt(offset)));
    return this.mode === 64 ? ip : this.and(ip, this.const(64, 0xffffffffn));
  }

  /** What `ipBase` must be while code of the page at `offset` runs. */
  setPage(offset: number): void {
    super.set(vcpu.ipBase, this.#pageBase(offset));
  }

  #pageBase(offset: number): Node {
    return this.add(this.b.settled(this.#ipBase), this.const(64, BigInt(Math.floor(offset / 4096) * 4096)));
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
  beginBlock(): SlotSet {
    this.#values = [];
    this.#written = new SlotSet();
    this.branched = undefined;
    return this.#written;
  }

  instruction(place: Place): void {
    this.decoded = place.decoded;
    this.#place = place;
    this.operationNode = this.i32(place.operation);
    this.reached = false;
    this.beginInstruction();
    const { form, instruction } = place.decoded;
    if (form.cpl0 || form.prot) throw new Declined();
    instruction.semantics(this, ...place.decoded.operands);
  }

  /** Settles every slot, and computes what is to be known behind that. */
  settle(values: readonly Node[]): Node[] {
    const variables: Variable[] = [];
    const settled: Node[] = [];
    for (const [slot, value] of this.#values.entries()) {
      if (value === undefined) continue;
      variables.push(this.#variable(slot));
      settled.push(value);
    }
    const known = values.map((value) => {
      const variable = this.b.variable(value.type);
      variables.push(variable);
      settled.push(this.clean(value));
      return this.b.settled(variable);
    });
    this.b.assignAll(variables, settled);
    this.#values = [];
    return known;
  }

  // ---- Slots -------------------------------------------------------------------------------------------------------

  #variable(slot: number): Variable {
    let variable = this.#variables[slot];
    if (variable === undefined) {
      variable = this.b.variable((slots[slot] as (typeof slots)[number]).type);
      this.#variables[slot] = variable;
    }
    return variable;
  }

  #value(slot: number): Node {
    this.used.add(slot);
    return this.#values[slot] ?? this.b.settled(this.#variable(slot));
  }

  #setValue(slot: number, value: Node): void {
    this.used.add(slot);
    this.#written.add(slot);
    this.everWritten.add(slot);
    this.#values[slot] = value;
  }

  override get(field: StateField): Node {
    const slot = slotOf(field);
    return slot === undefined ? super.get(field) : this.#value(slot);
  }

  override set(field: StateField, value: Value): void {
    const slot = slotOf(field);
    if (slot === undefined) super.set(field, value);
    else this.#setValue(slot, value as Node);
  }

  override getAt(field: StateField, index: Value | number): Node {
    const slot = slotOf(field);
    if (slot === undefined) return super.getAt(field, index);
    if (typeof index !== 'number') throw new Declined();
    return this.#value(slot + index);
  }

  override setAt(field: StateField, index: Value | number, value: Value): void {
    const slot = slotOf(field);
    if (slot === undefined) {
      super.setAt(field, index, value);
      return;
    }
    if (typeof index !== 'number') throw new Declined();
    this.#setValue(slot + index, value as Node);
  }

  override getGpr(index: number, type: 8 | 16 | 32 | 64): Node {
    return this.trunc(this.#value(index), type);
  }

  override setGpr(index: number, value: Value): void {
    this.#setGprBits(index, value, 0);
  }

  #setGprBits(index: number, value: Value, shift: number): void {
    if (value.type === 64 || value.type === 32) {
      this.#setValue(index, this.zext(value, 64));
      return;
    }
    const mask = (value.type === 8 ? 0xffn : 0xffffn) << BigInt(shift);
    const kept = this.and(this.#value(index), this.const(64, ~mask));
    const bits = this.zext(value, 64);
    this.#setValue(index, this.or(kept, shift === 0 ? bits : this.shl(bits, shift)));
  }

  override getXmm(register: number | Operand): Node {
    return this.#value(XMM_SLOTS + (typeof register === 'number' ? register : (register as DecodedOperand).register));
  }

  override setXmm(register: number | Operand, value: Value): void {
    const number = typeof register === 'number' ? register : (register as DecodedOperand).register;
    this.#setValue(XMM_SLOTS + number, value as Node);
  }

  // ---- Operands ----------------------------------------------------------------------------------------------------

  override index(operand: Operand): Node {
    return this.i32((operand as DecodedOperand).register);
  }

  protected override readRegister(operand: Operand): Node {
    const { register, high } = operand as DecodedOperand;
    const type = operand.type as Type;
    switch (operand.kind) {
      case 'gpr': {
        const value = this.#value(register);
        return this.trunc(high ? this.shr(value, 8) : value, type);
      }
      case 'mmx':
        return this.b.load(type, this.cpu, vcpu.stMantissa.offset + 8 * register);
      default:
        return this.#readXmm(this.getXmm(register), type);
    }
  }

  #readXmm(value: Node, type: Type): Node {
    switch (type) {
      case 128:
        return value;
      case 64:
        return this.op('i64x2.extract_lane', [value], [0]);
      case 'f32':
      case 'f64':
        return this.op(type === 'f32' ? 'f32x4.extract_lane' : 'f64x2.extract_lane', [value], [0]);
      default:
        return this.trunc(this.op('i32x4.extract_lane', [value], [0]), type);
    }
  }

  protected override writeRegister(operand: Operand, value: Value): void {
    const { register, high } = operand as DecodedOperand;
    switch (operand.kind) {
      case 'gpr':
        this.#setGprBits(register, value, high ? 8 : 0);
        return;
      case 'mmx':
        this.b.store(value.type, this.cpu, vcpu.stMantissa.offset + 8 * register, value as Node);
        return;
      default:
        this.setXmm(register, this.#withLowLane(register, value));
    }
  }

  #withLowLane(register: number, value: Value): Value {
    switch (value.type) {
      case 128:
        return value;
      case 64:
        return this.op('i64x2.replace_lane', [this.getXmm(register), value], [0]);
      case 32:
        return this.op('i32x4.replace_lane', [this.getXmm(register), value], [0]);
      case 'f32':
        return this.op('f32x4.replace_lane', [this.getXmm(register), value], [0]);
      case 'f64':
        return this.op('f64x2.replace_lane', [this.getXmm(register), value], [0]);
      default:
        throw new Declined();
    }
  }

  protected override immediate(operand: Operand): Node {
    const { immediate, immediateHigh, type } = operand as DecodedOperand;
    if (type !== 64 && operand.kind !== 'far') return this.const(type as Type, immediate);
    return this.const(64, (BigInt(immediateHigh) << 32n) | BigInt(immediate >>> 0));
  }

  protected override displacement(): Node {
    const { displacement, displacementHigh } = this.decoded.memory as NonNullable<Decoded['memory']>;
    return this.const(64, (BigInt(displacementHigh) << 32n) | BigInt(displacement >>> 0));
  }

  protected override addressRegister(part: 'base' | 'index'): Node {
    const { base, index } = this.decoded.memory as NonNullable<Decoded['memory']>;
    return this.#value(part === 'base' ? base : index);
  }

  // ---- Memory ------------------------------------------------------------------------------------------------------

  protected override tlbBase(): Node {
    this.reached = true;
    return this.b.settled(this.#tlbBase);
  }

  protected override tlbTag(): Node {
    return this.b.settled(this.#tlbTag);
  }

  /** Only the last instruction of a block gets as far as the monitor, which may ask for the time. */
  protected override beforeSlowPath(): void {
    if (this.#place.last) this.storeBudget();
  }

  protected override leaveWithFault(): void {
    const variables: Variable[] = [this.#coldOperation, this.#coldOffset];
    const values: Node[] = [this.operationNode, this.#pageBase(this.#place.offset)];
    for (const [slot, value] of this.#values.entries()) {
      if (value === undefined) continue;
      variables.push(this.#variable(slot));
      values.push(value);
    }
    this.b.assignAll(variables, values);
    this.b.br(this.#cold);
  }

  // ---- Control -----------------------------------------------------------------------------------------------------

  /** What a slot holds after two ways that left different values in it is a variable of its own. */
  override if(condition: Value, then: () => void, otherwise?: () => void): void {
    const before = this.#values;
    let whenTrue: (Node | undefined)[] = [];
    let whenFalse: (Node | undefined)[] = [];
    this.b.branch(
      condition as Node,
      () => {
        this.#values = [...before];
        then();
        whenTrue = this.#values;
      },
      () => {
        this.#values = [...before];
        otherwise?.();
        whenFalse = this.#values;
      },
      (trueArm, falseArm) => {
        if (trueArm.leaves) this.#values = whenFalse;
        else if (falseArm.leaves) this.#values = whenTrue;
        else this.#values = this.#merge(trueArm.list, whenTrue, falseArm.list, whenFalse);
      },
    );
  }

  #merge(
    trueList: List,
    whenTrue: readonly (Node | undefined)[],
    falseList: List,
    whenFalse: readonly (Node | undefined)[],
  ): (Node | undefined)[] {
    const merged: (Node | undefined)[] = [];
    for (let slot = 0; slot < slots.length; slot++) {
      const [a, b] = [whenTrue[slot], whenFalse[slot]];
      if (a === b) {
        merged[slot] = a;
        continue;
      }
      const variable = this.b.variable((slots[slot] as (typeof slots)[number]).type);
      const settled = this.b.settled(this.#variable(slot));
      this.b.inside(trueList, () => this.b.assign(variable, a ?? settled));
      this.b.inside(falseList, () => this.b.assign(variable, b ?? settled));
      merged[slot] = this.b.settled(variable);
    }
    return merged;
  }

  override while(condition: () => Value, body: () => void): void {
    const before = [...this.#values];
    super.while(condition, body);
    for (let slot = 0; slot < slots.length; slot++) {
      if (this.#values[slot] !== before[slot]) throw new Declined();
    }
  }

  #beforeRoutine(routine: Routine): void {
    const touch = this.#context.touchOf(routine);
    if (touch === 'writes') throw new Declined();
    if (touch === 'nothing') return;
    this.#spills.push(this.b.sequence());
    for (const [slot, value] of this.#values.entries()) {
      if (value !== undefined)
        this.b.store(value.type, this.cpu, (slots[slot] as (typeof slots)[number]).offset, value);
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
