/**
 * The interpreter tier's handlers: for one variant of an instruction form (operand size, addressing shape, mode...) a
 * function that reads its operands from a decoded operation and ends with a tail call of the next one.
 */

import type { Address, Operand, Segment, Type, Value, Variable } from '../algebra.ts';
import { FS, GP, SS, UD } from '../algebra.ts';
import type { Decoded } from '../decode/decoded.ts';
import { AT_RELATIVE } from '../decode/operand-specs.ts';
import { bytesOf, Emitter, type EmitterContext } from '../emit/emitter.ts';
import type { FunctionBuilder } from '../emit/function-builder.ts';
import { LOAD64_32S, type Node } from '../emit/nodes.ts';
import { RSP, STEP_GOES_ON, vcpu } from '../state.ts';
import { EXIT_HALT, EXIT_SHUTDOWN, EXIT_YIELD } from './exits.ts';
import { type PlacedOperand, placeOperands } from './operand-places.ts';
import {
  BLOCK_COUNT,
  BLOCK_HEADER_BYTES,
  OPERATION_BASE,
  OPERATION_BYTES,
  OPERATION_DISPLACEMENT,
  OPERATION_FALLTHROUGH,
  OPERATION_HANDLER,
  OPERATION_INDEX,
  OPERATION_IP,
  OPERATION_LENGTH,
  OPERATION_TAKEN,
  OPERATION_WIDE_IMMEDIATE,
} from './operation.ts';

const HANDLER = { params: [32, 32], results: [] } as const;

/** What a handler depends on beside the decoded instruction's shape. */
export interface HandlerMode {
  /** Data segments (DS, ES, SS) are flat: base 0, no limit, writable. */
  readonly flat: boolean;
  /** SS.B, outside 64-bit mode. */
  readonly stackAddressSize: 16 | 32 | 64;
  /** Both ways of a relative branch stay in the page: they are linked block to block. */
  readonly linked: boolean;
}

export class HandlerEmitter extends Emitter {
  readonly mode: 16 | 32 | 64;
  readonly operandSize: 16 | 32 | 64;
  readonly addressSize: 16 | 32 | 64;
  readonly stackSize: 16 | 32 | 64;
  readonly repeat: 'none' | 'rep' | 'repne';
  readonly lock: boolean;
  readonly dataSegment: Segment;
  readonly #decoded: Decoded;
  readonly #handlerMode: HandlerMode;
  readonly #operands: readonly PlacedOperand[];
  /** Linear or machine addresses that readForWrite found, for the write that follows. */
  readonly #forWrite = new Map<Operand, { linear: Node; machine: Variable }>();
  #address: Address | undefined;
  /** Where execution continues, once `jump` or `again` has been used. */
  #next: Variable | undefined;
  #branch: { condition: Variable | undefined } | undefined;
  #exitReason: Variable | undefined;

  private constructor(builder: FunctionBuilder, context: EmitterContext, decoded: Decoded, mode: HandlerMode) {
    super(builder, context);
    this.#decoded = decoded;
    this.#handlerMode = mode;
    this.mode = decoded.mode;
    this.operandSize = decoded.operandSize;
    this.addressSize = decoded.addressSize;
    this.stackSize = decoded.stackSize;
    this.repeat = decoded.repeat;
    this.lock = decoded.lock;
    this.dataSegment = decoded.dataSegment;
    this.#operands = placeOperands(decoded);
  }

  static emit(builder: FunctionBuilder, context: EmitterContext, decoded: Decoded, mode: HandlerMode): void {
    new HandlerEmitter(builder, context, decoded, mode).#build();
  }

  #build(): void {
    const { form, instruction } = this.#decoded;
    if (form.cpl0) this.if(this.ne(this.get(vcpu.cpl), this.i32(0)), () => this.raise(GP, 0));
    if (form.prot) this.#requireProtectedMode();
    // The target is needed up front where a jump can happen on some paths only.
    if (form.ends && !form.operands.some((spec) => spec.at === AT_RELATIVE)) {
      this.#next = this.b.variable(64, this.nextIp());
    }
    instruction.semantics(this, ...this.#operands);
    this.#end();
  }

  #requireProtectedMode(): void {
    if (this.mode === 64) return;
    const protectedMode = this.bit(this.get(vcpu.cr0), 0);
    const virtual8086 = this.bit(this.get(vcpu.rflags), 17);
    this.if(this.or(this.not(protectedMode), virtual8086), () => this.raise(UD));
  }

  #end(): void {
    if (this.#exitReason !== undefined) {
      const reason = this.use(this.#exitReason);
      this.if(this.ne(reason, this.i32(0)), () => {
        this.set(vcpu.exitReason, this.use(this.#exitReason as Variable));
        this.set(vcpu.rip, this.use(this.#next as Variable));
        this.b.return([]);
      });
    }
    if (this.#branch !== undefined) {
      this.#endBranch(this.#branch.condition);
      return;
    }
    if (this.#decoded.form.ends) {
      this.set(vcpu.rip, this.use(this.#next as Variable));
      this.b.tailCall(this.context.core.dispatch, [this.cpu, this.operationNode]);
      return;
    }
    const next = this.add(this.operationNode, this.i32(OPERATION_BYTES));
    this.b.tailCallAt(this.b.load(32, this.operationNode, OPERATION_BYTES + OPERATION_HANDLER), HANDLER, [
      this.cpu,
      next,
    ]);
  }

  #endBranch(condition: Variable | undefined): void {
    if (condition === undefined) {
      this.#follow(true);
      return;
    }
    this.if(
      this.use(condition),
      () => this.#follow(true),
      () => this.#follow(false),
    );
  }

  #follow(taken: boolean): void {
    if (!this.#handlerMode.linked) {
      this.set(vcpu.rip, taken ? this.#relativeTarget() : this.nextIp());
      this.b.tailCall(this.context.core.dispatch, [this.cpu, this.operationNode]);
      return;
    }
    const block = this.b.load(32, this.operationNode, taken ? OPERATION_TAKEN : OPERATION_FALLTHROUGH);
    this.if(this.isZero(block), () =>
      this.b.tailCall(this.context.core.unlinked, [this.cpu, this.operationNode, this.i32(taken ? 1 : 0)]),
    );
    const budget = this.sub(this.get(vcpu.budget), this.b.load(32, block, BLOCK_COUNT));
    this.if(this.ltS(budget, this.i32(0)), () =>
      this.b.tailCall(this.context.core.follow, [this.cpu, this.operationNode, block, this.i32(taken ? 1 : 0)]),
    );
    this.set(vcpu.budget, budget);
    const handler = this.b.load(32, block, BLOCK_HEADER_BYTES + OPERATION_HANDLER);
    this.b.tailCallAt(handler, HANDLER, [this.cpu, this.add(block, this.i32(BLOCK_HEADER_BYTES))]);
  }

  #relativeTarget(): Node {
    const displacement = this.b.load(64, this.operationNode, OPERATION_DISPLACEMENT, LOAD64_32S);
    return this.zext(this.trunc(this.add(this.nextIp(), displacement), this.mode === 64 ? 64 : this.operandSize), 64);
  }

  protected override leaveWithFault(): void {
    this.b.tailCall(this.context.core.fault, [this.cpu, this.operationNode]);
  }

  // ---- Control -----------------------------------------------------------------------------------------------------

  override ip(): Node {
    return this.#codeOffset(this.zext(this.operationField16(OPERATION_IP), 64));
  }

  override nextIp(): Node {
    const next = this.add(this.operationField16(OPERATION_IP), this.operationField8(OPERATION_LENGTH));
    return this.#codeOffset(this.zext(next, 64));
  }

  #codeOffset(inPage: Node): Node {
    const offset = this.add(this.get(vcpu.ipBase), inPage);
    return this.mode === 64 ? offset : this.and(offset, this.const(64, 0xffffffffn));
  }

  override jump(target: Value): void {
    this.#requireEnds();
    this.checkTarget(target as Node);
    this.assign(this.#next as Variable, target);
  }

  override jumpFar(target: Value): void {
    this.#requireEnds();
    this.assign(this.#next as Variable, target);
  }

  override again(): void {
    this.#requireEnds();
    this.assign(this.#next as Variable, this.ip());
    this.set(vcpu.stepEnded, this.const(32, STEP_GOES_ON));
  }

  override stop(reason: 'halt' | 'shutdown' | 'yield'): void {
    this.#requireEnds();
    this.#exitReason ??= this.b.variable(32);
    const code = { halt: EXIT_HALT, shutdown: EXIT_SHUTDOWN, yield: EXIT_YIELD }[reason];
    this.assign(this.#exitReason, this.i32(code));
  }

  #requireEnds(): void {
    const { form } = this.#decoded;
    if (!form.ends) throw new Error(`${form.instruction.name} '${form.text}' branches but has no 'ends'`);
  }

  override branch(condition: Value | undefined, target: Operand): void {
    this.#requireEnds();
    if (target.kind !== 'immediate') throw new Error('branch wants a relative target');
    const taken = condition && this.variable(condition);
    if (this.mode !== 64) {
      const check = (): void => this.checkTarget(this.#relativeTarget());
      if (taken === undefined) check();
      else this.if(this.use(taken), check);
    } else if (!this.#handlerMode.linked) {
      const check = (): void => this.checkTarget(this.#relativeTarget());
      if (taken === undefined) check();
      else this.if(this.use(taken), check);
    }
    this.#branch = { condition: taken };
  }

  // ---- Operands ----------------------------------------------------------------------------------------------------

  #place(operand: Operand): number {
    const { place } = operand as PlacedOperand;
    if (place < 0) throw new Error(`operand of kind ${operand.kind} has no place in the operation`);
    return place;
  }

  /** Address of a register operand in the vCPU block. */
  #register(operand: Operand): Node {
    return this.add(this.cpu, this.operationField16(this.#place(operand)));
  }

  override index(operand: Operand): Node {
    const place = this.operationField16(this.#place(operand));
    switch (operand.kind) {
      case 'gpr':
        return this.shr(this.sub(place, this.i32(vcpu.gpr.offset)), 3);
      case 'mmx':
        return this.shr(this.sub(place, this.i32(vcpu.stMantissa.offset)), 3);
      case 'xmm':
        return this.shr(this.sub(place, this.i32(vcpu.xmm.offset)), 4);
      default:
        return place;
    }
  }

  override getXmm(register: number | Operand): Node {
    if (typeof register === 'number') return this.b.load(128, this.cpu, vcpu.xmm.offset + 16 * register);
    return this.b.load(128, this.#register(register), 0);
  }

  override setXmm(register: number | Operand, value: Value): void {
    const node = value as Node;
    if (typeof register === 'number') this.b.store(128, this.cpu, vcpu.xmm.offset + 16 * register, node);
    else this.b.store(128, this.#register(register), 0, node);
  }

  override read(operand: Operand): Node {
    const { type } = operand;
    switch (operand.kind) {
      case 'gpr':
      case 'xmm':
      case 'mmx':
        return this.b.load(type as Type, this.#register(operand), 0);
      case 'segment':
        return this.getAt(vcpu.segmentSelector, this.index(operand));
      case 'constant':
        return this.const(type as Type, (operand as PlacedOperand).constant);
      case 'immediate':
        return this.#immediate(operand);
      case 'far':
        return this.b.load(64, this.operationNode, this.#place(operand));
      case 'memory':
        return this.loadLinear(type as Type, this.#operandLinear(operand, 'read'), this.#throughStack());
      default:
        throw new Error(`an operand of kind ${operand.kind} cannot be read whole`);
    }
  }

  #immediate(operand: Operand): Node {
    const place = this.#place(operand);
    if (operand.type !== 64) return this.trunc(this.b.load(32, this.operationNode, place), operand.type as Type);
    if (place === OPERATION_WIDE_IMMEDIATE) return this.b.load(64, this.operationNode, place);
    return this.b.load(64, this.operationNode, place, LOAD64_32S);
  }

  override readForWrite(operand: Operand): Node {
    if (operand.kind !== 'memory') return this.read(operand);
    const type = operand.type as Type;
    const linear = this.#operandLinear(operand, 'write');
    const machine = this.writableAddress(linear, bytesOf(type), this.#throughStack());
    this.#forWrite.set(operand, { linear, machine });
    const value = this.b.variable(type);
    this.if(
      this.ne(this.use(machine), this.i32(0)),
      () => this.b.assign(value, this.b.load(type, this.use(machine), 0)),
      () => {
        const [loaded] = this.b.call(this.context.core.load(type), [this.cpu, this.operationNode, linear]);
        this.b.assign(value, loaded as Node);
        this.checkFault(this.#throughStack());
      },
    );
    return this.use(value);
  }

  override write(operand: Operand, value: Value): void {
    if (value.type !== operand.type) throw new Error(`operand of type ${operand.type} written a ${value.type}`);
    switch (operand.kind) {
      case 'gpr':
        this.storeGpr(this.#register(operand), 0, value);
        return;
      case 'xmm':
      case 'mmx':
        this.b.store(value.type, this.#register(operand), 0, value as Node);
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
    const { linear, machine } = found;
    this.if(
      this.ne(this.use(machine), this.i32(0)),
      () => this.b.store(value.type, this.use(machine), 0, value as Node),
      () => {
        this.b.call(this.context.core.store(value.type), [this.cpu, this.operationNode, linear, value as Node]);
        this.checkFault(this.#throughStack());
      },
    );
  }

  // ---- Addresses ---------------------------------------------------------------------------------------------------

  #throughStack(): boolean {
    return this.#decoded.memory?.segment === SS;
  }

  #operandLinear(operand: Operand, access: 'read' | 'write'): Node {
    const bytes = bytesOf(operand.type as Type);
    const linear = this.linear(this.memory(operand), bytes, access);
    if (operand.type === 128 && this.#decoded.form.aligned) {
      this.if(this.ne(this.and(linear, this.const(64, 15)), this.const(64, 0)), () => this.raise(GP, 0));
    }
    return linear;
  }

  override memory(operand: Operand): Address {
    const reference = this.#decoded.memory;
    if (operand.kind !== 'memory' || reference === undefined) throw new Error('not a memory operand');
    if (this.#address === undefined || !this.b.has(this.#address.offset as Node)) {
      this.#address = { segment: reference.segment, offset: this.#effectiveAddress() };
    }
    return this.#address;
  }

  /** base + (index << scale) + displacement, of the address size. */
  #effectiveAddress(): Node {
    const { base, index, scale, displacementHigh, displacement, ripRelative, addressSize } = this.#decoded
      .memory as NonNullable<Decoded['memory']>;
    if (displacementHigh !== displacement >> 31) return this.b.load(64, this.operationNode, OPERATION_WIDE_IMMEDIATE);
    let sum = this.b.load(64, this.operationNode, OPERATION_DISPLACEMENT, LOAD64_32S);
    if (ripRelative) sum = this.add(this.nextIp(), sum);
    if (base >= 0) sum = this.add(this.#addressRegister(OPERATION_BASE), sum);
    if (index >= 0) sum = this.add(sum, this.shl(this.#addressRegister(OPERATION_INDEX), scale));
    return this.trunc(sum, addressSize);
  }

  #addressRegister(place: number): Node {
    return this.b.load(64, this.add(this.cpu, this.operationField16(place)), 0);
  }

  override linear(address: Address, bytes: number, access: 'read' | 'write'): Node {
    const { offset } = address;
    const segment = address.segment as Segment;
    const wide = this.zext(offset, 64);
    if (this.mode === 64) return segment < FS ? wide : this.add(wide, this.getAt(vcpu.segmentBase, segment));
    if (this.#handlerMode.flat && segment < FS && segment !== 1) return wide;
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
    return this.getGpr(RSP, this.#handlerMode.stackAddressSize);
  }

  override push(value: Value): void {
    const top = this.sub(this.#stackPointer(), this.const(this.#handlerMode.stackAddressSize, bytesOf(value.type)));
    this.store({ segment: SS, offset: top }, value);
    this.setGpr(RSP, top);
  }

  override pop(type: 16 | 32 | 64): Node {
    const top = this.#stackPointer();
    const value = this.load(type, { segment: SS, offset: top });
    this.setGpr(RSP, this.add(top, this.const(this.#handlerMode.stackAddressSize, bytesOf(type))));
    return value;
  }
}
