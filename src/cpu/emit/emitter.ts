/**
 * The algebra as generated WebAssembly: what handlers (`interpreter/handler.ts`) and routines (`routine.ts`) share. Every
 * generated function takes (vCPU block, decoded operation) as its first two parameters; how a fault leaves and how
 * operands are reached differ and are left to the subclasses.
 */

import {
  type Address,
  type Algebra,
  CS,
  type FlagRecipe,
  GP,
  type HostCall,
  type Operand,
  type Routine,
  type Segment,
  SS,
  SS_FAULT,
  type Type,
  type Value,
  type Variable,
} from '../algebra.ts';
import { TLB_ADDEND, TLB_ENTRIES, TLB_ENTRY_BYTES, TLB_READ, TLB_WRITE } from '../layout.ts';
import { vcpu } from '../state.ts';
import type { Node } from './nodes.ts';
import { LOAD32_8U, LOAD32_16U } from './nodes.ts';
import { StateEmitter } from './state-emitter.ts';

export type { EmitterContext } from './state-emitter.ts';

/** No exception on its way. */
export const NO_FAULT = 0xffff;
/** In `faultVector`: an address that is not canonical, #GP(0) or (through SS) #SS(0). */
export const NON_CANONICAL = 0x10d;
/** In `faultVector`: not an exception; the instruction must run again alone, as the last of its block. */
export const REPLAY = 0x200;

/** A place in machine memory. */
export interface Straight {
  readonly base: Node;
  readonly offset: number;
}

export abstract class Emitter extends StateEmitter implements Algebra {
  abstract readonly mode: 16 | 32 | 64;
  abstract readonly operandSize: 16 | 32 | 64;
  abstract readonly addressSize: 16 | 32 | 64;
  abstract readonly stackSize: 16 | 32 | 64;
  abstract readonly repeat: 'none' | 'rep' | 'repne';
  abstract readonly lock: boolean;
  abstract readonly dataSegment: Segment;

  /** Leaves the function because `faultVector` says so. */
  protected abstract leaveWithFault(): void;

  abstract getXmm(register: number | Operand): Node;
  abstract setXmm(register: number | Operand, value: Value): void;
  abstract index(operand: Operand): Value;

  // ---- Operands ----------------------------------------------------------------------------------------------------

  abstract read(operand: Operand): Node;
  abstract readForWrite(operand: Operand): Node;
  abstract write(operand: Operand, value: Value): void;
  abstract memory(operand: Operand): Address;
  abstract push(value: Value): void;
  abstract pop(type: 16 | 32 | 64): Node;
  abstract ip(): Node;
  abstract nextIp(): Node;
  abstract jump(target: Value): void;
  abstract jumpFar(target: Value): void;
  abstract branch(condition: Value | undefined, target: Operand): void;
  abstract again(): void;
  abstract stop(reason: 'halt' | 'shutdown' | 'yield'): void;
  /** Linear address; an access of `bytes` is checked against the segment where there are checks. */
  abstract linear(address: Address, bytes: number, access: 'read' | 'write'): Node;

  at(segment: Segment, offset: Value): Address {
    return { segment, offset };
  }

  offset(address: Address, bytes: number | Value): Address {
    const { type } = address.offset;
    const step = typeof bytes === 'number' ? this.const(type, bytes) : this.#fit(bytes, type);
    return { segment: address.segment, offset: this.add(address.offset, step) };
  }

  #fit(value: Value, type: Type): Node {
    return (value.type as number) < (type as number) ? this.sext(value, type) : this.trunc(value, type);
  }

  load(type: Type, address: Address): Node {
    return this.loadLinear(type, this.linear(address, bytesOf(type), 'read'), address.segment === SS);
  }

  store(address: Address, value: Value): void {
    this.storeLinear(this.linear(address, bytesOf(value.type), 'write'), value, address.segment === SS);
  }

  probeWrite(address: Address, bytes: number): void {
    const linear = this.linear(address, bytes, 'write');
    this.beforeSlowPath();
    this.b.call(this.context.core.probeRange, [this.cpu, this.operationNode, linear, this.i32(bytes)]);
    this.checkFault(address.segment === SS);
  }

  // ---- Memory by linear address: the TLB in line, everything else out of line ------------------------------------------

  /** Address of the TLB entry of `linear` in the TLB of the current privilege. */
  protected tlbEntry(linear: Node): Node {
    const shift = Math.log2(TLB_ENTRY_BYTES);
    const index = this.and(this.trunc(this.shr(linear, 12 - shift), 32), this.i32((TLB_ENTRIES - 1) << shift));
    return this.add(this.tlbBase(), index);
  }

  /** Machine address of the TLB of the current privilege, and the address-space tag in its entries now. */
  protected tlbBase(): Node {
    return this.get(vcpu.tlbBase);
  }

  protected tlbTag(): Node {
    return this.get(vcpu.tlbTag);
  }

  /** Something is written to memory. */
  protected beforeStore(): void {}

  /** Before the call of a slow path for an access of the program: it may lead to the monitor. */
  protected beforeSlowPath(): void {}

  /** Machine memory that a check before has shown to be there for the access: base (i32) and offset. */
  protected straight(_linear: Node, _bytes: number, _access: 'read' | 'write'): Straight | undefined {
    return undefined;
  }

  /** Whether all `bytes` from `linear` on may be accessed straight: one compare also rules out page crossing. */
  protected hits(linear: Node, entry: Node, bytes: number, tag: number): Node {
    const last = bytes === 1 ? linear : this.add(linear, this.const(64, bytes - 1));
    const hit = this.eq(this.b.load(64, entry, tag), this.or(this.shr(last, 12), this.tlbTag()));
    return hit;
  }

  protected countHit(): void {
    if (!this.context.countHits) return;
    this.set(vcpu.tlbHits, this.add(this.get(vcpu.tlbHits), this.const(64, 1)));
  }

  #machine(linear: Node, entry: Node): Node {
    return this.add(this.trunc(linear, 32), this.b.load(32, entry, TLB_ADDEND));
  }

  protected loadLinear(type: Type, linear: Node, throughStack: boolean): Node {
    const straight = this.straight(linear, bytesOf(type), 'read');
    if (straight !== undefined) return this.b.load(type, straight.base, straight.offset);
    const result = this.b.variable(type);
    const entry = this.tlbEntry(linear);
    this.b.if(
      this.hits(linear, entry, bytesOf(type), TLB_READ),
      () => {
        this.b.assign(result, this.b.load(type, this.#machine(linear, entry), 0));
        this.countHit();
      },
      () => {
        this.beforeSlowPath();
        const slow = this.context.core.load(type);
        const [value] = this.b.call(slow, [this.cpu, this.operationNode, linear]);
        this.b.assign(result, value as Node);
        this.checkFault(throughStack);
      },
      true,
    );
    return this.b.settled(result);
  }

  protected storeLinear(linear: Node, value: Value, throughStack: boolean): void {
    const straight = this.straight(linear, bytesOf(value.type), 'write');
    this.beforeStore();
    if (straight !== undefined) {
      this.b.store(value.type, straight.base, straight.offset, value as Node);
      return;
    }
    const entry = this.tlbEntry(linear);
    this.b.if(
      this.hits(linear, entry, bytesOf(value.type), TLB_WRITE),
      () => {
        this.b.store(value.type, this.#machine(linear, entry), 0, value as Node);
        this.countHit();
      },
      () => {
        this.beforeSlowPath();
        this.b.call(this.context.core.store(value.type), [this.cpu, this.operationNode, linear, value as Node]);
        this.checkFault(throughStack);
      },
      true,
    );
  }

  /** For read-modify-write: machine address where the bytes can be read and written straight, else 0. */
  protected writableAddress(linear: Node, bytes: number, throughStack: boolean): Variable {
    const address = this.b.variable(32);
    const entry = this.tlbEntry(linear);
    this.b.if(
      this.hits(linear, entry, bytes, TLB_WRITE),
      () => {
        this.b.assign(address, this.#machine(linear, entry));
        this.countHit();
      },
      () => {
        this.beforeSlowPath();
        const [found] = this.b.call(this.context.core.probe, [this.cpu, this.operationNode, linear, this.i32(bytes)]);
        this.b.assign(address, found as Node);
        this.checkFault(throughStack);
      },
      true,
    );
    return address;
  }

  loadSystem(type: Type, linear: Value): Node {
    const [value] = this.b.call(this.context.core.loadSystem(type), [this.cpu, this.operationNode, linear as Node]);
    this.checkFault(false);
    return value as Node;
  }

  storeSystem(linear: Value, value: Value): void {
    this.b.call(this.context.core.storeSystem(value.type), [
      this.cpu,
      this.operationNode,
      linear as Node,
      value as Node,
    ]);
    this.checkFault(false);
  }

  loadPhysical(type: 32 | 64, address: Value): Node {
    const [value] = this.b.call(this.context.core.loadPhysical, [this.cpu, this.operationNode, address as Node]);
    return this.trunc(value as Node, type);
  }

  storePhysical(address: Value, value: Value): void {
    const target = value.type === 64 ? this.context.core.storePhysical64 : this.context.core.storePhysical32;
    this.b.call(target, [this.cpu, this.operationNode, address as Node, value as Node]);
  }

  machineAddress(linear: Value, access: 'read' | 'write'): Node {
    const node = linear as Node;
    const entry = this.tlbEntry(node);
    const hit = this.hits(node, entry, 1, access === 'read' ? TLB_READ : TLB_WRITE);
    return this.select(hit, this.#machine(node, entry), this.i32(0));
  }

  machineCopy(to: Value, from: Value, bytes: Value): void {
    this.b.copy(to as Node, from as Node, bytes as Node);
  }

  machineFill(to: Value, byte: Value, bytes: Value): void {
    this.b.fill(to as Node, this.zext(byte, 32), bytes as Node);
  }

  /** After a call of a slow path. */
  protected checkFault(throughStack: boolean): void {
    const vector = this.get(vcpu.faultVector);
    this.b.if(this.ne(vector, this.i32(NO_FAULT)), () => {
      if (throughStack) {
        this.b.if(this.eq(this.get(vcpu.faultVector), this.i32(NON_CANONICAL)), () =>
          this.set(vcpu.faultVector, this.i32(SS_FAULT)),
        );
      }
      this.leaveWithFault();
    });
  }

  setFlagsBy(recipe: FlagRecipe, ...inputs: Value[]): void {
    this.setFlags(recipe.compute(this, ...inputs));
  }

  setFlagsByIf(condition: Value, recipe: FlagRecipe, ...inputs: Value[]): void {
    this.if(condition, () => this.setFlagsBy(recipe, ...inputs));
  }

  // ---- Control -----------------------------------------------------------------------------------------------------

  once(check: (m: Algebra) => void): void {
    check(this);
  }

  if(condition: Value, then: () => void, otherwise?: () => void): void {
    this.b.if(condition as Node, then, otherwise);
  }

  while(condition: () => Value, body: () => void): void {
    this.b.while(condition as () => Node, body);
  }

  variable(initial: Value): Variable {
    return this.b.variable(initial.type, this.clean(initial));
  }

  assign(variable: Variable, value: Value): void {
    if (variable.type !== value.type) throw new Error(`variable of type ${variable.type} assigned a ${value.type}`);
    this.b.assign(variable, this.clean(value));
  }

  use(variable: Variable): Node {
    return this.b.use(variable);
  }

  /** Calls a routine; the last result of one that faults says whether it did. */
  protected invoke(routine: Routine, args: readonly Value[]): Node[] {
    const target = this.context.routine(routine);
    const clean = args.map((arg, i) => {
      if (arg.type !== routine.params[i]) throw new Error(`${routine.name}: argument ${i} has type ${arg.type}`);
      return this.clean(arg);
    });
    return this.b.call(target, [this.cpu, this.operationNode, ...clean]);
  }

  attempt(routine: Routine, ...args: Value[]): Node {
    return this.b.alias(1, this.invoke(routine, args)[0] as Node);
  }

  call(routine: Routine, ...args: Value[]): Node[] {
    const results = this.invoke(routine, args);
    if (!routine.faults) return results;
    this.b.if(results.pop() as Node, () => this.leaveWithFault());
    return results;
  }

  host(call: HostCall, ...args: Value[]): Node {
    const [result] = this.b.call(this.context.core.host(call), [this.cpu, this.operationNode, ...(args as Node[])]);
    return result ?? this.i32(0);
  }

  contextChanged(): void {
    this.b.call(this.context.core.contextChanged, [this.cpu, this.operationNode]);
  }

  raise(vector: number, errorCode?: Value | number): void {
    this.set(vcpu.faultVector, this.i32(vector));
    this.set(vcpu.faultHasCode, this.i32(errorCode === undefined ? 0 : 1));
    const code = typeof errorCode === 'number' ? this.i32(errorCode) : errorCode && this.zext(errorCode, 32);
    this.set(vcpu.faultCode, code ?? this.i32(0));
    this.leaveWithFault();
  }

  /** #GP(0) unless `target` is an offset that instructions can be fetched from. */
  protected checkTarget(target: Node): void {
    if (this.mode === 64) {
      this.if(this.ne(this.sar(this.shl(target, 16), 16), target), () => this.raise(GP, 0));
    } else {
      const limit = this.zext(this.getAt(vcpu.segmentLimit, CS), 64);
      this.if(this.ltU(limit, target), () => this.raise(GP, 0));
    }
  }

  /** Unsigned 16-bit and 8-bit fields of the decoded operation, as i32. */
  protected operationField16(offset: number): Node {
    return this.b.load(32, this.operationNode, offset, LOAD32_16U);
  }

  protected operationField8(offset: number): Node {
    return this.b.load(32, this.operationNode, offset, LOAD32_8U);
  }
}

export function bytesOf(type: Type): number {
  if (type === 'f32') return 4;
  if (type === 'f64') return 8;
  return type / 8;
}
