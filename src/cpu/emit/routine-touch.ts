/**
 * What a routine does to registers and flags: whoever keeps them elsewhere than in the vCPU block must know before it
 * calls one.
 */

import type { Operand, Routine, Value } from '../algebra.ts';
import { type StateField, vcpu } from '../state.ts';
import type { EmitterContext } from './emitter.ts';
import { FunctionBuilder } from './function-builder.ts';
import type { Linkage, Node } from './nodes.ts';
import { RoutineEmitter } from './routine.ts';

export type Touch = 'nothing' | 'reads' | 'writes';

const registers: ReadonlySet<StateField> = new Set([
  vcpu.gpr,
  vcpu.xmm,
  vcpu.flagZero,
  vcpu.flagResult,
  vcpu.flagCarry,
  vcpu.flagOverflow,
  vcpu.flagAdjust,
]);

/** Nothing of what is built is ever lowered. */
const nowhere: Linkage = { direct: () => undefined, typeIndex: () => 0 };

/** `context` is asked what the routines that this one calls do. */
export interface TouchContext extends EmitterContext {
  touchOf(routine: Routine): Touch;
}

export function findTouch(routine: Routine, context: TouchContext): Touch {
  const emitter = new TouchEmitter(new FunctionBuilder([32, 32, ...routine.params], nowhere), context, routine);
  emitter.emitBody(routine);
  return emitter.touch;
}

class TouchEmitter extends RoutineEmitter {
  touch: Touch = 'nothing';
  readonly #touches: TouchContext;

  constructor(builder: FunctionBuilder, context: TouchContext, routine: Routine) {
    // Routines are not made just to be looked at.
    const ref = { slot: 0, params: [], results: [] };
    super(builder, { ...context, core: context.core, reserve: () => ref, routine: () => ref }, routine);
    this.#touches = context;
  }

  #note(touch: Touch): void {
    if (touch === 'writes' || (touch === 'reads' && this.touch === 'nothing')) this.touch = touch;
  }

  override get(field: StateField): Node {
    if (registers.has(field)) this.#note('reads');
    return super.get(field);
  }
  override set(field: StateField, value: Value): void {
    if (registers.has(field)) this.#note('writes');
    super.set(field, value);
  }
  override getAt(field: StateField, index: Value | number): Node {
    if (registers.has(field)) this.#note('reads');
    return super.getAt(field, index);
  }
  override setAt(field: StateField, index: Value | number, value: Value): void {
    if (registers.has(field)) this.#note('writes');
    super.setAt(field, index, value);
  }
  override getGpr(index: number, type: 8 | 16 | 32 | 64): Node {
    this.#note('reads');
    return super.getGpr(index, type);
  }
  override setGpr(index: number, value: Value): void {
    this.#note('writes');
    super.setGpr(index, value);
  }
  override getXmm(register: number | Operand): Node {
    this.#note('reads');
    return super.getXmm(register);
  }
  override setXmm(register: number | Operand, value: Value): void {
    this.#note('writes');
    super.setXmm(register, value);
  }

  protected override invoke(routine: Routine): Node[] {
    this.#note(this.#touches.touchOf(routine));
    const results = routine.results.map((type) => this.b.constant(type, type === 64 || type === 128 ? 0n : 0));
    return routine.faults ? [...results, this.i32(0)] : results;
  }
}
