/**
 * What a routine does to registers and flags: whoever keeps them elsewhere than in the vCPU block must know before it
 * calls one.
 */

import type { HostCall, Operand, Routine, Value } from '../algebra.ts';
import { type StateField, vcpu } from '../state.ts';
import type { EmitterContext } from './emitter.ts';
import { FunctionBuilder } from './function-builder.ts';
import type { Linkage, Node } from './nodes.ts';
import { RoutineEmitter } from './routine.ts';

export interface Touch {
  /** Of registers or flags. */
  readonly reads: boolean;
  readonly writes: boolean;
  /** It changes other state, or memory: not to be done twice. */
  readonly effects: boolean;
}

export const NO_TOUCH: Touch = { reads: false, writes: false, effects: false };

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
  touch: Touch = NO_TOUCH;
  readonly #touches: TouchContext;

  constructor(builder: FunctionBuilder, context: TouchContext, routine: Routine) {
    // Routines are not made just to be looked at.
    const ref = { slot: 0, params: [], results: [] };
    const { core, countHits, traceEvents } = context;
    super(builder, { core, countHits, traceEvents, reserve: () => ref, routine: () => ref }, routine);
    this.#touches = context;
  }

  #note({ reads = false, writes = false, effects = false }: Partial<Touch>): void {
    const { touch } = this;
    this.touch = {
      reads: touch.reads || reads,
      writes: touch.writes || writes,
      effects: touch.effects || effects,
    };
  }

  #read(field: StateField): void {
    if (registers.has(field)) this.#note({ reads: true });
  }

  #write(field: StateField): void {
    this.#note(registers.has(field) ? { writes: true } : { effects: true });
  }

  override get(field: StateField): Node {
    this.#read(field);
    return super.get(field);
  }
  override set(field: StateField, value: Value): void {
    this.#write(field);
    super.set(field, value);
  }
  override getAt(field: StateField, index: Value | number): Node {
    this.#read(field);
    return super.getAt(field, index);
  }
  override setAt(field: StateField, index: Value | number, value: Value): void {
    this.#write(field);
    super.setAt(field, index, value);
  }
  override getGpr(index: number, type: 8 | 16 | 32 | 64): Node {
    this.#note({ reads: true });
    return super.getGpr(index, type);
  }
  override setGpr(index: number, value: Value): void {
    this.#note({ writes: true });
    super.setGpr(index, value);
  }
  override getXmm(register: number | Operand): Node {
    this.#note({ reads: true });
    return super.getXmm(register);
  }
  override setXmm(register: number | Operand, value: Value): void {
    this.#note({ writes: true });
    super.setXmm(register, value);
  }

  /** A fault is not part of what a routine has done. */
  override raise(): void {
    this.leaveWithFault();
  }

  protected override beforeStore(): void {
    this.#note({ effects: true });
  }
  override storeSystem(linear: Value, value: Value): void {
    this.#note({ effects: true });
    super.storeSystem(linear, value);
  }
  override storePhysical(address: Value, value: Value): void {
    this.#note({ effects: true });
    super.storePhysical(address, value);
  }
  override machineCopy(to: Value, from: Value, bytes: Value): void {
    this.#note({ effects: true });
    super.machineCopy(to, from, bytes);
  }
  override machineFill(to: Value, byte: Value, bytes: Value): void {
    this.#note({ effects: true });
    super.machineFill(to, byte, bytes);
  }

  /** The monitor may look at anything. */
  override host(call: HostCall, ...args: Value[]): Node {
    this.#note({ reads: true, writes: true, effects: true });
    return super.host(call, ...args);
  }

  protected override invoke(routine: Routine): Node[] {
    this.#note(this.#touches.touchOf(routine));
    const results = routine.results.map((type) => this.b.constant(type, type === 64 || type === 128 ? 0n : 0));
    return routine.faults ? [...results, this.i32(0)] : results;
  }
}
