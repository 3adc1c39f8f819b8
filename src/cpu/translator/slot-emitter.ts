/**
 * The algebra with operands folded in and registers as values: what a slot holds is a node until it is settled into the
 * slot's local.
 */

import type { Operand, Type, Value, Variable } from '../algebra.ts';
import type { Decoded, DecodedOperand } from '../decode/decoded.ts';
import type { EmitterContext } from '../emit/emitter.ts';
import type { FunctionBuilder } from '../emit/function-builder.ts';
import { InstructionEmitter, type SegmentMode } from '../emit/instruction-emitter.ts';
import type { Local, Node } from '../emit/nodes.ts';
import { type StateField, vcpu } from '../state.ts';
import { type Slot, SlotSet, slotOf, slots, XMM_SLOTS } from './slots.ts';

/** The instruction at hand cannot be translated: its handler must run it. */
export class Declined extends Error {}

export abstract class SlotEmitter extends InstructionEmitter {
  protected decoded!: Decoded;
  protected readonly segmentMode: SegmentMode;
  readonly #slotVariables: (Variable | undefined)[] = [];
  readonly #slotLocals = new Set<number>();
  /** What slots hold that are not settled. */
  protected values: (Node | undefined)[] = [];
  /** State fields are reached in memory, slots or not. */
  protected direct = false;
  /** The instruction at hand has done something that is not to be done twice. */
  protected effect = false;
  /** Slots that any code of the region has used. */
  readonly used = new SlotSet();
  /** Slots written in the block at hand, and in any. */
  protected written = new SlotSet();
  readonly everWritten = new SlotSet();

  constructor(builder: FunctionBuilder, context: EmitterContext, mode: SegmentMode) {
    super(builder, context);
    this.segmentMode = mode;
  }

  /** Code of 16-bit segments is not translated. */
  override get mode(): 32 | 64 {
    return this.segmentMode.stackAddressSize === 64 ? 64 : 32;
  }

  // ---- Slots -------------------------------------------------------------------------------------------------------

  protected slotVariable(slot: number): Variable {
    let variable = this.#slotVariables[slot];
    if (variable === undefined) {
      variable = this.b.lasting((slots[slot] as Slot).type);
      this.#slotVariables[slot] = variable;
      this.#slotLocals.add((variable as Local).index);
    }
    return variable;
  }

  /** Whether the local is that of a slot. */
  protected isSlot(local: number): boolean {
    return this.#slotLocals.has(local);
  }

  protected slotValue(slot: number): Node {
    this.used.add(slot);
    return this.values[slot] ?? this.b.settled(this.slotVariable(slot));
  }

  protected setSlot(slot: number, value: Node): void {
    this.used.add(slot);
    this.written.add(slot);
    this.everWritten.add(slot);
    this.values[slot] = value;
  }

  override get(field: StateField): Node {
    const slot = slotOf(field);
    return slot === undefined || this.direct ? super.get(field) : this.slotValue(slot);
  }

  override set(field: StateField, value: Value): void {
    const slot = slotOf(field);
    if (slot !== undefined && !this.direct) {
      this.setSlot(slot, value as Node);
      return;
    }
    this.effect = true;
    super.set(field, value);
  }

  override getAt(field: StateField, index: Value | number): Node {
    const slot = slotOf(field);
    if (slot === undefined) return super.getAt(field, index);
    if (typeof index !== 'number') throw new Declined();
    return this.slotValue(slot + index);
  }

  override setAt(field: StateField, index: Value | number, value: Value): void {
    const slot = slotOf(field);
    if (slot === undefined) {
      this.effect = true;
      super.setAt(field, index, value);
      return;
    }
    if (typeof index !== 'number') throw new Declined();
    this.setSlot(slot + index, value as Node);
  }

  override getGpr(index: number, type: 8 | 16 | 32 | 64): Node {
    return this.trunc(this.slotValue(index), type);
  }

  override setGpr(index: number, value: Value): void {
    this.#setGprBits(index, value, 0);
  }

  #setGprBits(index: number, value: Value, shift: number): void {
    if (value.type === 64 || value.type === 32) {
      this.setSlot(index, this.zext(value, 64));
      return;
    }
    const mask = (value.type === 8 ? 0xffn : 0xffffn) << BigInt(shift);
    const kept = this.and(this.slotValue(index), this.const(64, ~mask));
    const bits = this.zext(value, 64);
    this.setSlot(index, this.or(kept, shift === 0 ? bits : this.shl(bits, shift)));
  }

  override getXmm(register: number | Operand): Node {
    return this.slotValue(
      XMM_SLOTS + (typeof register === 'number' ? register : (register as DecodedOperand).register),
    );
  }

  override setXmm(register: number | Operand, value: Value): void {
    const number = typeof register === 'number' ? register : (register as DecodedOperand).register;
    this.setSlot(XMM_SLOTS + number, value as Node);
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
        const value = this.slotValue(register);
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
        this.effect = true;
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
    return this.slotValue(part === 'base' ? base : index);
  }
}
