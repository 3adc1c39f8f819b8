/** The vCPU's state as generated code reaches it: fields, general-purpose registers, and flags (`state.ts`). */

import type { Flag, FlagWrites, Routine, Type, Value } from '../algebra.ts';
import { type StateField, sseSources, vcpu } from '../state.ts';
import type { CoreFunctions } from './core-functions.ts';
import type { FunctionBuilder } from './function-builder.ts';
import type { FunctionRef, Node } from './nodes.ts';
import { Values } from './values.ts';

export interface EmitterContext {
  readonly core: CoreFunctions;
  /** The function generated for a routine. */
  routine(routine: Routine): FunctionRef;
  /** A new function, to be defined in some module. */
  reserve(params: readonly Type[], results: readonly Type[]): FunctionRef;
  /** Emit code that counts TLB hits. */
  readonly countHits: boolean;
  /** Emit code that tells the monitor of every exception and interrupt delivered. */
  readonly traceEvents: boolean;
}

export class StateEmitter extends Values {
  /** Generated functions' first two parameters: the vCPU block and the decoded operation. */
  protected readonly cpu: Node;
  protected operationNode: Node;
  protected readonly context: EmitterContext;

  constructor(builder: FunctionBuilder, context: EmitterContext) {
    super(builder);
    this.context = context;
    this.cpu = builder.param(0);
    this.operationNode = builder.param(1);
  }

  get(field: StateField): Node {
    return this.b.load(field.type, this.cpu, field.offset);
  }

  set(field: StateField, value: Value): void {
    if (value.type !== field.type) throw new Error(`${field.name} has type ${field.type}, not ${value.type}`);
    this.b.store(field.type, this.cpu, field.offset, value as Node);
    if (sseSources.has(field)) this.set(vcpu.sse, this.i32(0));
  }

  #element(field: StateField, index: Value): Node {
    const shift = Math.log2(field.type / 8);
    return this.add(this.cpu, this.shl(this.zext(index, 32), shift));
  }

  getAt(field: StateField, index: Value | number): Node {
    if (typeof index !== 'number') return this.b.load(field.type, this.#element(field, index), field.offset);
    return this.b.load(field.type, this.cpu, field.offset + (index * field.type) / 8);
  }

  setAt(field: StateField, index: Value | number, value: Value): void {
    if (value.type !== field.type) throw new Error(`${field.name} has type ${field.type}, not ${value.type}`);
    if (typeof index !== 'number') this.b.store(field.type, this.#element(field, index), field.offset, value as Node);
    else this.b.store(field.type, this.cpu, field.offset + (index * field.type) / 8, value as Node);
  }

  getGpr(index: number, type: 8 | 16 | 32 | 64): Node {
    return this.b.load(type, this.cpu, vcpu.gpr.offset + 8 * index);
  }

  setGpr(index: number, value: Value): void {
    this.storeGpr(this.cpu, vcpu.gpr.offset + 8 * index, value);
  }

  protected storeGpr(base: Node, offset: number, value: Value): void {
    if (value.type === 32) this.b.store(64, base, offset, this.zext(value, 64));
    else this.b.store(value.type, base, offset, value as Node);
  }

  getFlag(flag: Flag): Node {
    switch (flag) {
      case 'CF':
        return this.b.alias(1, this.get(vcpu.flagCarry));
      case 'PF':
        return this.#parity(this.get(vcpu.flagResult));
      case 'AF':
        return this.bit(this.get(vcpu.flagAdjust), 4);
      case 'ZF':
        return this.isZero(this.get(vcpu.flagZero));
      case 'SF':
        return this.msb(this.get(vcpu.flagResult));
      case 'OF':
        return this.b.alias(1, this.shr(this.get(vcpu.flagOverflow), 31));
    }
  }

  condition(code: number): Node {
    const base = ((): Node => {
      switch (code >> 1) {
        case 0:
          return this.getFlag('OF');
        case 1:
          return this.getFlag('CF');
        case 2:
          return this.getFlag('ZF');
        case 3:
          return this.or(this.getFlag('CF'), this.getFlag('ZF'));
        case 4:
          return this.getFlag('SF');
        case 5:
          return this.getFlag('PF');
        case 6:
          return this.xor(this.getFlag('SF'), this.getFlag('OF'));
        default:
          return this.or(this.xor(this.getFlag('SF'), this.getFlag('OF')), this.getFlag('ZF'));
      }
    })();
    return (code & 1) === 1 ? this.isZero(base) : base;
  }

  setFlags(flags: FlagWrites): void {
    const { result, CF, PF, AF, ZF, SF, OF } = flags;
    if (result !== undefined) {
      const wide = this.sext(result, 64);
      if (ZF === undefined) this.set(vcpu.flagZero, wide);
      if (SF === undefined && PF === undefined) this.set(vcpu.flagResult, wide);
      else this.#setResultFlags(SF ?? this.msb(wide), PF ?? this.#parity(wide));
    } else if (SF !== undefined || PF !== undefined) {
      this.#setResultFlags(SF ?? this.getFlag('SF'), PF ?? this.getFlag('PF'));
    }
    if (ZF !== undefined) this.set(vcpu.flagZero, this.zext(this.not(ZF), 64));
    if (CF !== undefined) this.set(vcpu.flagCarry, this.zext(CF, 32));
    if (OF !== undefined) this.set(vcpu.flagOverflow, this.#atBit(OF, 31));
    if (AF !== undefined) this.set(vcpu.flagAdjust, this.#atBit(AF, 4));
  }

  #parity(result: Node): Node {
    return this.isZero(this.and(this.popcnt(this.and(this.trunc(result, 32), this.i32(0xff))), this.i32(1)));
  }

  #setResultFlags(sign: Value, parity: Value): void {
    const low = this.zext(this.not(parity), 64);
    this.set(vcpu.flagResult, this.or(this.shl(this.zext(sign, 64), 63), low));
  }

  /** An i32 whose bit `position` is the flag; the other bits do not matter. */
  #atBit(flag: Value, position: number): Node {
    const source = this.bitSources.get(flag);
    if (source === undefined) return this.shl(this.zext(flag, 32), position);
    const { value, index } = source;
    if (value.type === 64) {
      if (index >= position) return this.trunc(index === position ? value : this.shr(value, index - position), 32);
      return this.trunc(this.shl(value, position - index), 32);
    }
    const word = this.b.alias(32, value);
    if (index === position) return word;
    return index > position ? this.shr(word, index - position) : this.shl(word, position - index);
  }
}
