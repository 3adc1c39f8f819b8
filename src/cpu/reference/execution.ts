/** One instruction being executed by the reference: what its definition may ask about it, its operands, its end. */

import {
  type Address,
  type Algebra,
  CS,
  type FlagRecipe,
  GP,
  type Operand,
  type Segment,
  SS,
  type Value,
} from '../algebra.ts';
import type { Decoded, DecodedOperand, Size } from '../decode/decoded.ts';
import { RSP, vcpu } from '../state.ts';
import { bytesOf, Context, type HostPart, registerOf, typeOf } from './context.ts';
import { GuestFault } from './fault.ts';
import type { ReferenceMemory } from './memory.ts';
import { isCanonical, uncheckedLinear } from './segmentation.ts';
import { codeMode, type StateBlock } from './state-block.ts';
import { bitsOf, DefinitionError, make, type ReferenceValue, widthOf } from './values.ts';

export type StopReason = 'halt' | 'shutdown' | 'yield';

const ACCESS_DB = 1 << 14;

export class Execution extends Context implements Algebra {
  readonly #decoded: Decoded;
  protected readonly self = this;
  /** Where execution continues, as an offset in CS. */
  next: bigint;
  runsAgain = false;
  stopped: StopReason | undefined;

  constructor(decoded: Decoded, state: StateBlock, memory: ReferenceMemory, host: HostPart) {
    super(state, memory, host);
    this.#decoded = decoded;
    this.next = bitsOf(this.nextIp());
  }

  setFlagsBy(recipe: FlagRecipe, ...inputs: Value[]): void {
    this.setFlags(recipe.compute(this, ...inputs));
  }

  setFlagsByIf(condition: Value, recipe: FlagRecipe, ...inputs: Value[]): void {
    this.if(condition, () => this.setFlagsBy(recipe, ...inputs));
  }

  get #instruction(): Decoded {
    this.requireInstruction();
    return this.#decoded;
  }

  get mode(): Size {
    return this.#instruction.mode;
  }
  get operandSize(): Size {
    return this.#instruction.operandSize;
  }
  get addressSize(): Size {
    return this.#instruction.addressSize;
  }
  get stackSize(): Size {
    return this.#instruction.stackSize;
  }
  get repeat(): 'none' | 'rep' | 'repne' {
    return this.#instruction.repeat;
  }
  get lock(): boolean {
    return this.#instruction.lock;
  }
  get dataSegment(): Segment {
    return this.#instruction.dataSegment;
  }

  index(operand: Operand): ReferenceValue {
    this.requireInstruction();
    return this.const(32, registerOf(operand));
  }

  // ---- Operands ----------------------------------------------------------------------------------------------------

  read(operand: Operand): ReferenceValue {
    return this.#read(operand, 'read');
  }

  readForWrite(operand: Operand): ReferenceValue {
    return this.#read(operand, 'write');
  }

  #read(operand: Operand, access: 'read' | 'write'): ReferenceValue {
    this.requireInstruction();
    const type = typeOf(operand);
    const { register, high, immediate, immediateHigh } = operand as DecodedOperand;
    switch (operand.kind) {
      case 'gpr':
        return make(type, this.state.get(vcpu.gpr, register) >> (high ? 8n : 0n));
      case 'xmm':
        return make(type, this.state.get(vcpu.xmm, register));
      case 'mmx':
        return make(type, this.state.get(vcpu.stMantissa, register));
      case 'segment':
        return make(type, this.state.get(vcpu.segmentSelector, register));
      case 'immediate':
      case 'constant':
      case 'far':
        return make(type, (BigInt(immediateHigh) << 32n) | BigInt(immediate >>> 0));
      case 'memory': {
        const linear = this.#operandLinear(operand, access);
        this.checkAlignmentAt(linear, bytesOf(type));
        if (access === 'write') this.checkAt(linear, bytesOf(type), 'write');
        return this.loadLinearAt(type, linear);
      }
      default:
        throw new DefinitionError(`an operand of kind ${operand.kind} cannot be read whole`);
    }
  }

  write(operand: Operand, value: Value): void {
    this.requireInstruction();
    if (value.type !== typeOf(operand)) {
      throw new DefinitionError(`an operand of type ${operand.type} written a ${value.type}`);
    }
    const { register, high } = operand as DecodedOperand;
    const width = BigInt(widthOf(value.type));
    switch (operand.kind) {
      case 'gpr': {
        if (!high) this.setGpr(register, value);
        else
          this.state.set(vcpu.gpr, (this.state.get(vcpu.gpr, register) & ~0xff00n) | (bitsOf(value) << 8n), register);
        return;
      }
      case 'xmm':
      case 'mmx': {
        const field = operand.kind === 'xmm' ? vcpu.xmm : vcpu.stMantissa;
        const kept = (this.state.get(field, register) >> width) << width;
        this.state.set(field, kept | bitsOf(value), register);
        return;
      }
      case 'memory':
        this.storeLinearAt(this.#operandLinear(operand, 'write'), value);
        return;
      default:
        throw new DefinitionError(`an operand of kind ${operand.kind} cannot be written whole`);
    }
  }

  memory(operand: Operand): Address {
    const { memory } = this.#instruction;
    if (operand.kind !== 'memory' || memory === undefined) throw new DefinitionError('not a memory operand');
    const { segment, base, index, scale, displacement, displacementHigh, ripRelative, addressSize } = memory;
    let offset = (BigInt(displacementHigh) << 32n) | BigInt(displacement >>> 0);
    if (ripRelative) offset += bitsOf(this.nextIp());
    if (base >= 0) offset += this.state.get(vcpu.gpr, base);
    if (index >= 0) offset += this.state.get(vcpu.gpr, index) << BigInt(scale);
    return { segment, offset: make(addressSize, offset) };
  }

  #operandLinear(operand: Operand, access: 'read' | 'write'): bigint {
    const address = this.memory(operand);
    const { segment, offset } = address;
    const misaligned =
      operand.type === 128 &&
      this.#decoded.form.aligned &&
      (uncheckedLinear(this.state, segment as Segment, bitsOf(offset)) & 15n) !== 0n;
    // Processors look at alignment before limit and canonical form, which matters through SS: #GP(0), not #SS(0).
    if (misaligned) throw new GuestFault(GP, 0);
    return this.linearAt(address, bytesOf(typeOf(operand)), access);
  }

  // ---- Stack -----------------------------------------------------------------------------------------------------------

  push(value: Value): void {
    this.requireInstruction();
    const type = this.#stackAddressSize();
    const top = this.sub(this.getGpr(RSP, type), this.const(type, bytesOf(value.type)));
    this.store({ segment: SS, offset: top }, value);
    this.setGpr(RSP, top);
  }

  pop(type: 16 | 32 | 64): ReferenceValue {
    this.requireInstruction();
    const size = this.#stackAddressSize();
    const top = this.getGpr(RSP, size);
    const value = this.load(type, { segment: SS, offset: top });
    this.setGpr(RSP, this.add(top, this.const(size, bytesOf(type))));
    return value;
  }

  /** SDM Vol. 3A §3.4.5 "Segment Descriptors": the B flag of SS. */
  #stackAddressSize(): Size {
    if (codeMode(this.state) === 64) return 64;
    return (this.state.number(vcpu.segmentAccess, SS) & ACCESS_DB) !== 0 ? 32 : 16;
  }

  // ---- Control ---------------------------------------------------------------------------------------------------------

  ip(): ReferenceValue {
    this.requireInstruction();
    return this.get(vcpu.rip);
  }

  nextIp(): ReferenceValue {
    const { mode, length } = this.#instruction;
    return make(64, BigInt.asUintN(mode === 64 ? 64 : 32, this.state.get(vcpu.rip) + BigInt(length)));
  }

  jump(target: Value): void {
    this.#requireEnds();
    if (target.type !== 64) throw new DefinitionError(`a jump to a value of type ${target.type}`);
    const offset = bitsOf(target);
    const within =
      codeMode(this.state) === 64 ? isCanonical(this.state, offset) : offset <= this.state.get(vcpu.segmentLimit, CS);
    if (!within) throw new GuestFault(GP, 0);
    this.next = offset;
  }

  jumpFar(target: Value): void {
    this.#requireEnds();
    this.next = bitsOf(target);
  }

  branch(condition: Value | undefined, target: Operand): void {
    this.#requireEnds();
    if (target.kind !== 'immediate') throw new DefinitionError('branch wants a relative target');
    if (condition !== undefined && !this.holds(condition)) return;
    const displacement = BigInt((target as DecodedOperand).immediate);
    const width = this.mode === 64 ? 64 : this.operandSize;
    this.jump(make(64, BigInt.asUintN(width, bitsOf(this.nextIp()) + displacement)));
  }

  once(check: (m: Algebra) => void): void {
    check(this);
  }

  again(): void {
    this.#requireEnds();
    this.next = bitsOf(this.ip());
    this.runsAgain = true;
  }

  stop(reason: StopReason): void {
    this.#requireEnds();
    this.stopped = reason;
  }

  #requireEnds(): void {
    const { form, instruction } = this.#instruction;
    if (!form.ends) throw new DefinitionError(`${instruction.name} '${form.text}' branches but has no 'ends'`);
  }
}
