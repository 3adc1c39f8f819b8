/**
 * Routines (`defineRoutine`) as WebAssembly functions: (vCPU block, decoded operation, parameters...) -> results, and
 * for those that can fault a last i32 that is 1 when `faultVector` holds an exception (the results then mean nothing).
 */

import type { Address, Operand, Routine, Segment, Type, Value } from '../algebra.ts';
import { FS } from '../algebra.ts';
import { vcpu } from '../state.ts';
import { Emitter, type EmitterContext } from './emitter.ts';
import type { FunctionBuilder } from './function-builder.ts';
import type { Node } from './nodes.ts';

export function routineResults(routine: Pick<Routine, 'results' | 'faults'>): readonly Type[] {
  return routine.faults ? [...routine.results, 32] : routine.results;
}

export type RoutineShape = Pick<Routine, 'name' | 'results' | 'faults'>;

export class RoutineEmitter extends Emitter {
  readonly #routine: RoutineShape;

  protected constructor(builder: FunctionBuilder, context: EmitterContext, routine: RoutineShape) {
    super(builder, context);
    this.#routine = routine;
  }

  static emit(builder: FunctionBuilder, context: EmitterContext, routine: Routine): void {
    const results = new RoutineEmitter(builder, context, routine).emitBody(routine);
    builder.return(results);
  }

  /** Emits the body up to its results. */
  emitBody(routine: Routine): Node[] {
    const results = routine.body(this, ...routine.params.map((_, i) => this.b.param(i + 2)));
    if (results.length !== routine.results.length) throw new Error(`${routine.name} gives ${results.length} results`);
    const values = results.map((value, i) => {
      if (value.type !== routine.results[i]) throw new Error(`${routine.name}: result ${i} has type ${value.type}`);
      return this.clean(value);
    });
    return routine.faults ? [...values, this.i32(0)] : values;
  }

  protected override leaveWithFault(): void {
    if (!this.#routine.faults) throw new Error(`${this.#routine.name} can fault but does not say so`);
    const nothing = this.#routine.results.map((type) => this.b.constant(type, type === 64 || type === 128 ? 0n : 0));
    this.b.return([...nothing, this.i32(1)]);
  }

  override linear(address: Address, bytes: number, access: 'read' | 'write'): Node {
    const { segment, offset } = address;
    if (offset.type === 64 && typeof segment === 'number') {
      return segment < FS ? (offset as Node) : this.add(offset, this.getAt(vcpu.segmentBase, segment));
    }
    const number = typeof segment === 'number' ? this.i32(segment) : this.zext(segment, 32);
    const args = [
      this.cpu,
      this.operationNode,
      number,
      this.zext(offset, 64),
      this.i32(bytes),
      this.i32(access === 'write' ? 1 : 0),
    ];
    const [linear] = this.b.call(this.context.core.segmentLinear, args);
    this.checkFault(segment === 2);
    return linear as Node;
  }

  override getXmm(register: number | Operand): Node {
    if (typeof register !== 'number') return this.#unavailable();
    return this.b.load(128, this.cpu, vcpu.xmm.offset + 16 * register);
  }

  override setXmm(register: number | Operand, value: Value): void {
    if (typeof register !== 'number') this.#unavailable();
    this.b.store(128, this.cpu, vcpu.xmm.offset + 16 * (register as number), value as Node);
  }

  #unavailable(): never {
    throw new Error(`routine ${this.#routine.name} has no instruction to ask about`);
  }

  get mode(): never {
    return this.#unavailable();
  }
  get operandSize(): never {
    return this.#unavailable();
  }
  get addressSize(): never {
    return this.#unavailable();
  }
  get stackSize(): never {
    return this.#unavailable();
  }
  get repeat(): never {
    return this.#unavailable();
  }
  get lock(): never {
    return this.#unavailable();
  }
  get dataSegment(): Segment {
    return this.#unavailable();
  }
  override index(): Node {
    return this.#unavailable();
  }
  override read(): Node {
    return this.#unavailable();
  }
  override readForWrite(): Node {
    return this.#unavailable();
  }
  override write(): void {
    this.#unavailable();
  }
  override memory(): Address {
    return this.#unavailable();
  }
  override push(): void {
    this.#unavailable();
  }
  override pop(): Node {
    return this.#unavailable();
  }
  override ip(): Node {
    return this.#unavailable();
  }
  override nextIp(): Node {
    return this.#unavailable();
  }
  override jump(): void {
    this.#unavailable();
  }
  override jumpFar(): void {
    this.#unavailable();
  }
  override branch(): void {
    this.#unavailable();
  }
  override again(): void {
    this.#unavailable();
  }
  override stop(): void {
    this.#unavailable();
  }
}
