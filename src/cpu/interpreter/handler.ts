/**
 * The interpreter tier's handlers: for one variant of an instruction form (operand size, addressing shape, mode...) a
 * function that reads its operands from a decoded operation and ends with a tail call of the next one.
 */

import type { Operand, Type, Value, Variable } from '../algebra.ts';
import { GP, UD } from '../algebra.ts';
import type { Decoded } from '../decode/decoded.ts';
import type { EmitterContext } from '../emit/emitter.ts';
import type { FunctionBuilder } from '../emit/function-builder.ts';
import { InstructionEmitter, type SegmentMode } from '../emit/instruction-emitter.ts';
import { LOAD64_32S, type Node } from '../emit/nodes.ts';
import { STEP_GOES_ON, vcpu } from '../state.ts';
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
export interface HandlerMode extends SegmentMode {
  /** Both ways of a relative branch stay in the page: they are linked block to block. */
  readonly linked: boolean;
}

export class HandlerEmitter extends InstructionEmitter {
  protected readonly decoded: Decoded;
  protected readonly segmentMode: HandlerMode;
  readonly #operands: readonly PlacedOperand[];
  /** Where execution continues, once `jump` or `again` has been used. */
  #next: Variable | undefined;
  #branch: { condition: Variable | undefined } | undefined;
  #exitReason: Variable | undefined;

  private constructor(builder: FunctionBuilder, context: EmitterContext, decoded: Decoded, mode: HandlerMode) {
    super(builder, context);
    this.decoded = decoded;
    this.segmentMode = mode;
    this.#operands = placeOperands(decoded);
  }

  static emit(builder: FunctionBuilder, context: EmitterContext, decoded: Decoded, mode: HandlerMode): void {
    new HandlerEmitter(builder, context, decoded, mode).#build();
  }

  #build(): void {
    const { form, instruction } = this.decoded;
    if (form.cpl0) this.if(this.ne(this.get(vcpu.cpl), this.i32(0)), () => this.raise(GP, 0));
    if (form.prot) this.#requireProtectedMode();
    // The target is needed up front where a jump can happen on some paths only.
    if (form.ends && form.relativeOperand < 0) {
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
    if (this.decoded.form.ends) {
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
    if (!this.segmentMode.linked) {
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
    const { form } = this.decoded;
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
    } else if (!this.segmentMode.linked) {
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

  protected override readRegister(operand: Operand): Node {
    return this.b.load(operand.type as Type, this.#register(operand), 0);
  }

  protected override writeRegister(operand: Operand, value: Value): void {
    if (operand.kind === 'gpr') this.storeGpr(this.#register(operand), 0, value);
    else this.b.store(value.type, this.#register(operand), 0, value as Node);
  }

  protected override immediate(operand: Operand): Node {
    if (operand.kind === 'constant') return this.const(operand.type as Type, (operand as PlacedOperand).constant);
    const place = this.#place(operand);
    if (operand.kind === 'far') return this.b.load(64, this.operationNode, place);
    if (operand.type !== 64) return this.trunc(this.b.load(32, this.operationNode, place), operand.type as Type);
    if (place === OPERATION_WIDE_IMMEDIATE) return this.b.load(64, this.operationNode, place);
    return this.b.load(64, this.operationNode, place, LOAD64_32S);
  }

  protected override displacement(): Node {
    const { displacementHigh, displacement } = this.decoded.memory as NonNullable<Decoded['memory']>;
    if (displacementHigh === displacement >> 31) {
      return this.b.load(64, this.operationNode, OPERATION_DISPLACEMENT, LOAD64_32S);
    }
    return this.b.load(64, this.operationNode, OPERATION_WIDE_IMMEDIATE);
  }

  protected override addressRegister(part: 'base' | 'index'): Node {
    const place = part === 'base' ? OPERATION_BASE : OPERATION_INDEX;
    return this.b.load(64, this.add(this.cpu, this.operationField16(place)), 0);
  }
}
