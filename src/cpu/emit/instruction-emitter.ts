/**
 * What handlers of the interpreter and regions of the translator share: operands and addresses of the instruction at
 * hand, in terms of its registers, immediates and displacement, which each tier reaches in its own way.
 */

import type { Address, Operand, Segment, Type, Value, Variable } from '../algebra.ts';
import { FS, GP, SS } from '../algebra.ts';
import type { Decoded } from '../decode/decoded.ts';
import { RSP, vcpu } from '../state.ts';
import { bytesOf, Emitter, type Straight } from './emitter.ts';
import type { Node } from './nodes.ts';

/** What code depends on beside the decoded instruction's shape. */
export interface SegmentMode {
  /** Data segments (DS, ES, SS) are flat: base 0, no limit, writable. */
  readonly flat: boolean;
  /** SS.B, outside 64-bit mode. */
  readonly stackAddressSize: 16 | 32 | 64;
}

export abstract class InstructionEmitter extends Emitter {
  protected abstract readonly decoded: Decoded;
  protected abstract readonly segmentMode: SegmentMode;
  /** Linear or machine addresses that readForWrite found, for the write that follows. */
  readonly #forWrite = new Map<Operand, { linear: Node; machine: Variable } | Straight>();
  #address: Address | undefined;

  /** Forgets what belonged to the instruction before. */
  protected beginInstruction(): void {
    this.#forWrite.clear();
    this.#address = undefined;
  }

  get mode(): 16 | 32 | 64 {
    return this.decoded.mode;
  }
  get operandSize(): 16 | 32 | 64 {
    return this.decoded.operandSize;
  }
  get addressSize(): 16 | 32 | 64 {
    return this.decoded.addressSize;
  }
  get stackSize(): 16 | 32 | 64 {
    return this.decoded.stackSize;
  }
  get repeat(): 'none' | 'rep' | 'repne' {
    return this.decoded.repeat;
  }
  get lock(): boolean {
    return this.decoded.lock;
  }
  get dataSegment(): Segment {
    return this.decoded.dataSegment;
  }

  // ---- Operands ----------------------------------------------------------------------------------------------------

  /** Registers (gpr, xmm, mmx) of the operand's type. */
  protected abstract readRegister(operand: Operand): Node;
  protected abstract writeRegister(operand: Operand, value: Value): void;
  /** Immediates, constants and far pointers. */
  protected abstract immediate(operand: Operand): Node;
  /** Base, index or displacement, type 64. */
  protected abstract addressRegister(part: 'base' | 'index'): Node;
  protected abstract displacement(): Node;

  override read(operand: Operand): Node {
    const { type } = operand;
    switch (operand.kind) {
      case 'gpr':
      case 'xmm':
      case 'mmx':
        return this.readRegister(operand);
      case 'segment':
        return this.getAt(vcpu.segmentSelector, this.index(operand));
      case 'constant':
      case 'immediate':
      case 'far':
        return this.immediate(operand);
      case 'memory':
        return this.loadLinear(type as Type, this.#operandLinear(operand, 'read'), this.#throughStack());
      default:
        throw new Error(`an operand of kind ${operand.kind} cannot be read whole`);
    }
  }

  override readForWrite(operand: Operand): Node {
    if (operand.kind !== 'memory') return this.read(operand);
    const type = operand.type as Type;
    const linear = this.#operandLinear(operand, 'write');
    const straight = this.straight(linear, bytesOf(type), 'write');
    if (straight !== undefined) {
      this.#forWrite.set(operand, straight);
      return this.b.load(type, straight.base, straight.offset);
    }
    const machine = this.writableAddress(linear, bytesOf(type), this.#throughStack());
    this.#forWrite.set(operand, { linear, machine });
    const value = this.b.variable(type);
    this.b.if(
      this.ne(this.use(machine), this.i32(0)),
      () => this.b.assign(value, this.b.load(type, this.use(machine), 0)),
      () => {
        this.beforeSlowPath();
        const [loaded] = this.b.call(this.context.core.load(type), [this.cpu, this.operationNode, linear]);
        this.b.assign(value, loaded as Node);
        this.checkFault(this.#throughStack());
      },
      true,
    );
    return this.b.settled(value);
  }

  override write(operand: Operand, value: Value): void {
    if (value.type !== operand.type) throw new Error(`operand of type ${operand.type} written a ${value.type}`);
    switch (operand.kind) {
      case 'gpr':
      case 'xmm':
      case 'mmx':
        this.writeRegister(operand, value);
        return;
      case 'memory':
        this.#writeMemory(operand, value);
        return;
      default:
        throw new Error(`an operand of kind ${operand.kind} cannot be written whole`);
    }
  }

  #writeMemory(operand: Operand, value: Value): void {
    const found = this.#forWrite.get(operand);
    if (found === undefined) {
      this.storeLinear(this.#operandLinear(operand, 'write'), value, this.#throughStack());
      return;
    }
    this.beforeStore();
    if ('base' in found) {
      this.b.store(value.type, found.base, found.offset, value as Node);
      return;
    }
    const { linear, machine } = found;
    this.b.if(
      this.ne(this.use(machine), this.i32(0)),
      () => this.b.store(value.type, this.use(machine), 0, value as Node),
      () => {
        this.beforeSlowPath();
        this.b.call(this.context.core.store(value.type), [this.cpu, this.operationNode, linear, value as Node]);
        this.checkFault(this.#throughStack());
      },
      true,
    );
  }

  // ---- Addresses ---------------------------------------------------------------------------------------------------

  #throughStack(): boolean {
    return this.decoded.memory?.segment === SS;
  }

  #operandLinear(operand: Operand, access: 'read' | 'write'): Node {
    const bytes = bytesOf(operand.type as Type);
    const address = this.memory(operand);
    if (operand.type !== 128 || !this.decoded.form.aligned) return this.linear(address, bytes, access);
    const check = (linear: Value): void =>
      this.if(this.ne(this.and(linear, this.const(64, 15)), this.const(64, 0)), () => this.raise(GP, 0));
    // Processors look at alignment before the limit, which matters through SS: #GP(0), not #SS(0).
    const early = this.mode !== 64 && this.#throughStack();
    if (early) check(this.add(this.zext(address.offset, 64), this.getAt(vcpu.segmentBase, SS)));
    const linear = this.linear(address, bytes, access);
    if (!early) check(linear);
    return linear;
  }

  override memory(operand: Operand): Address {
    const reference = this.decoded.memory;
    if (operand.kind !== 'memory' || reference === undefined) throw new Error('not a memory operand');
    if (this.#address === undefined || !this.b.has(this.#address.offset as Node)) {
      this.#address = { segment: reference.segment, offset: this.#effectiveAddress() };
    }
    return this.#address;
  }

  /** base + (index << scale) + displacement, of the address size. */
  #effectiveAddress(): Node {
    const { base, index, scale, ripRelative, addressSize } = this.decoded.memory as NonNullable<Decoded['memory']>;
    let sum = this.displacement();
    if (ripRelative) sum = this.add(this.nextIp(), sum);
    if (base >= 0) sum = this.add(this.addressRegister('base'), sum);
    if (index >= 0) sum = this.add(sum, this.shl(this.addressRegister('index'), scale));
    return this.trunc(sum, addressSize);
  }

  override linear(address: Address, bytes: number, access: 'read' | 'write'): Node {
    const { offset } = address;
    const segment = address.segment as Segment;
    const wide = this.zext(offset, 64);
    if (this.mode === 64) return segment < FS ? wide : this.add(wide, this.getAt(vcpu.segmentBase, segment));
    if (this.segmentMode.flat && segment < FS && segment !== 1) return wide;
    const args = [
      this.cpu,
      this.operationNode,
      this.i32(segment),
      wide,
      this.i32(bytes),
      this.i32(access === 'write' ? 1 : 0),
    ];
    const [linear] = this.b.call(this.context.core.segmentLinear, args);
    this.checkFault(segment === SS);
    return linear as Node;
  }

  // ---- Stack -------------------------------------------------------------------------------------------------------

  #stackPointer(): Node {
    return this.getGpr(RSP, this.segmentMode.stackAddressSize);
  }

  override push(value: Value): void {
    const size = this.segmentMode.stackAddressSize;
    const top = this.sub(this.#stackPointer(), this.const(size, bytesOf(value.type)));
    this.store({ segment: SS, offset: top }, value);
    this.setGpr(RSP, top);
  }

  override pop(type: 16 | 32 | 64): Node {
    const top = this.#stackPointer();
    const value = this.load(type, { segment: SS, offset: top });
    this.setGpr(RSP, this.add(top, this.const(this.segmentMode.stackAddressSize, bytesOf(type))));
    return value;
  }
}
