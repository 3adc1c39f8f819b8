/**
 * The algebra over BigInt, as far as it knows nothing of the instruction at hand: what routines may use. State, memory
 * by address, control.
 */

import {
  AC,
  type Address,
  type Algebra,
  type Flag,
  type FlagWrites,
  GP,
  type HostCall,
  type Operand,
  type Routine,
  type Segment,
  type Type,
  type Value,
  type Variable,
} from '../algebra.ts';
import type { DecodedOperand } from '../decode/decoded.ts';
import { type StateField, vcpu } from '../state.ts';
import { GuestFault, recordFault } from './fault.ts';
import { checkAccess, loadBits, PAGE_BYTES, type ReferenceMemory, storeBits } from './memory.ts';
import { isCanonical, linearAddress, uncheckedLinear } from './segmentation.ts';
import { codeMode, packedFlags, type StateBlock } from './state-block.ts';
import { bitsOf, DefinitionError, make, type ReferenceValue, ReferenceValues, widthOf } from './values.ts';

/** What the monitor does for an instruction. It may change the state; the result is the host call's. */
export type HostPart = (call: HostCall, args: readonly bigint[], state: StateBlock) => bigint;

const FLAG_BITS: { readonly [flag in Flag]: number } = { CF: 0, PF: 2, AF: 4, ZF: 6, SF: 7, OF: 11 };
const RFLAGS_AC = 1 << 18;
const CR0_AM = 1n << 18n;
const USER = 3;

interface ReferenceVariable extends Variable {
  value: Value;
}

export abstract class Context extends ReferenceValues {
  protected readonly state: StateBlock;
  /** The guest's memory; `memory` is the algebra's. */
  protected readonly ram: ReferenceMemory;
  readonly #host: HostPart;
  /** Routines being called, innermost last. */
  readonly #routines: Routine[] = [];

  constructor(state: StateBlock, memory: ReferenceMemory, host: HostPart) {
    super();
    this.state = state;
    this.ram = memory;
    this.#host = host;
  }

  /** The whole algebra, for the bodies of routines. */
  protected abstract readonly self: Algebra;

  /** Routines have no instruction to ask about. */
  protected requireInstruction(): void {
    const routine = this.#routines.at(-1);
    if (routine !== undefined) throw new DefinitionError(`routine ${routine.name} has no instruction to ask about`);
  }

  // ---- State -------------------------------------------------------------------------------------------------------

  get(field: StateField): ReferenceValue {
    return this.getAt(field, 0);
  }

  set(field: StateField, value: Value): void {
    this.setAt(field, 0, value);
  }

  getAt(field: StateField, index: Value | number): ReferenceValue {
    return make(field.type, this.state.get(field, typeof index === 'number' ? index : Number(bitsOf(index))));
  }

  setAt(field: StateField, index: Value | number, value: Value): void {
    if (value.type !== field.type) {
      throw new DefinitionError(`${field.name} has type ${field.type}, not ${value.type}`);
    }
    this.state.set(field, bitsOf(value), typeof index === 'number' ? index : Number(bitsOf(index)));
  }

  getGpr(index: number, type: 8 | 16 | 32 | 64): ReferenceValue {
    return make(type, this.state.get(vcpu.gpr, index));
  }

  setGpr(index: number, value: Value): void {
    // SDM Vol. 1 §3.4.1.1: 32-bit results are zero-extended, narrower ones leave the rest alone.
    const kept = value.type === 8 ? ~0xffn : value.type === 16 ? ~0xffffn : 0n;
    this.state.set(vcpu.gpr, (this.state.get(vcpu.gpr, index) & kept) | bitsOf(value), index);
  }

  getXmm(register: number | Operand): ReferenceValue {
    return this.getAt(vcpu.xmm, typeof register === 'number' ? register : registerOf(register));
  }

  setXmm(register: number | Operand, value: Value): void {
    this.setAt(vcpu.xmm, typeof register === 'number' ? register : registerOf(register), value);
  }

  getFlag(flag: Flag): ReferenceValue {
    return make(1, BigInt(packedFlags(this.state)) >> BigInt(FLAG_BITS[flag]));
  }

  condition(code: number): ReferenceValue {
    const flag = (name: Flag): boolean => bitsOf(this.getFlag(name)) === 1n;
    const base = [
      () => flag('OF'),
      () => flag('CF'),
      () => flag('ZF'),
      () => flag('CF') || flag('ZF'),
      () => flag('SF'),
      () => flag('PF'),
      () => flag('SF') !== flag('OF'),
      () => flag('ZF') || flag('SF') !== flag('OF'),
    ][code >> 1]();
    return make(1, base !== ((code & 1) === 1) ? 1n : 0n);
  }

  setFlags(flags: FlagWrites): void {
    const { result, CF, PF, AF, ZF, SF, OF } = flags;
    for (const flag of [CF, PF, AF, ZF, SF, OF]) {
      if (flag !== undefined && flag.type !== 1) throw new DefinitionError(`a flag of type ${flag.type}`);
    }
    if (result !== undefined) {
      const wide = bitsOf(this.sext(result, 64));
      this.state.set(vcpu.flagZero, wide);
      this.state.set(vcpu.flagResult, wide);
    }
    if (SF !== undefined || PF !== undefined) {
      const [sign, parity] = [SF ?? this.getFlag('SF'), PF ?? this.getFlag('PF')];
      this.state.set(vcpu.flagResult, (bitsOf(sign) << 63n) | (1n - bitsOf(parity)));
    }
    if (ZF !== undefined) this.state.set(vcpu.flagZero, 1n - bitsOf(ZF));
    if (CF !== undefined) this.state.set(vcpu.flagCarry, bitsOf(CF));
    if (OF !== undefined) this.state.set(vcpu.flagOverflow, bitsOf(OF) << 31n);
    if (AF !== undefined) this.state.set(vcpu.flagAdjust, bitsOf(AF) << 4n);
  }

  // ---- Memory ------------------------------------------------------------------------------------------------------

  at(segment: Segment, offset: Value): Address {
    return { segment, offset };
  }

  offset(address: Address, bytes: number | Value): Address {
    const { type } = address.offset;
    const step = typeof bytes === 'number' ? BigInt(bytes) : BigInt.asIntN(widthOf(bytes.type), bitsOf(bytes));
    return { segment: address.segment, offset: make(type, bitsOf(address.offset) + step) };
  }

  load(type: Type, address: Address): ReferenceValue {
    return this.loadLinearAt(type, this.linearAt(address, bytesOf(type), 'read'));
  }

  store(address: Address, value: Value): void {
    this.storeLinearAt(this.linearAt(address, bytesOf(value.type), 'write'), value);
  }

  probeWrite(address: Address, bytes: number): void {
    const linear = this.linearAt(address, bytes, 'write');
    this.checkAlignmentAt(linear, bytes);
    this.checkAt(linear, bytes, 'write');
  }

  loadSystem(type: Type, linear: Value): ReferenceValue {
    this.#requireFaults();
    return make(type, loadBits(this.ram, this.#canonical(linear), bytesOf(type), false));
  }

  storeSystem(linear: Value, value: Value): void {
    this.#requireFaults();
    storeBits(this.ram, this.#canonical(linear), bytesOf(value.type), bitsOf(value), false);
  }

  loadPhysical(type: 32 | 64, address: Value): ReferenceValue {
    const page = this.ram.physicalPage(bitsOf(address));
    if (page === undefined) return make(type, -1n);
    const at = Number(bitsOf(address) & BigInt(PAGE_BYTES - 1));
    const bytes = page.slice(at, at + bytesOf(type)).reverse();
    return make(
      type,
      bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n),
    );
  }

  storePhysical(address: Value, value: Value): void {
    const page = this.ram.physicalPage(bitsOf(address));
    const at = Number(bitsOf(address) & BigInt(PAGE_BYTES - 1));
    for (let i = 0; page !== undefined && i < bytesOf(value.type); i++) {
      page[at + i] = Number((bitsOf(value) >> BigInt(8 * i)) & 0xffn);
    }
  }

  linear(address: Address, bytes: number, access: 'read' | 'write'): ReferenceValue {
    if (codeMode(this.state) !== 64) return make(64, this.linearAt(address, bytes, access));
    this.#requireFaults();
    return make(64, uncheckedLinear(this.state, segmentNumber(address), bitsOf(address.offset)));
  }

  machineAddress(_linear: Value, _access: 'read' | 'write'): ReferenceValue {
    return make(32, 0n);
  }

  machineCopy(): void {
    throw new DefinitionError('machineCopy without a machine address');
  }

  machineFill(): void {
    throw new DefinitionError('machineFill without a machine address');
  }

  protected linearAt(address: Address, bytes: number, access: 'read' | 'write'): bigint {
    this.#requireFaults();
    return linearAddress(this.state, segmentNumber(address), bitsOf(address.offset), bytes, access);
  }

  #canonical(linear: Value): bigint {
    if (!isCanonical(this.state, bitsOf(linear))) throw new GuestFault(GP, 0);
    return bitsOf(linear);
  }

  get #isUser(): boolean {
    return this.state.number(vcpu.cpl) === USER;
  }

  protected loadLinearAt(type: Type, linear: bigint): ReferenceValue {
    const bytes = bytesOf(type);
    this.checkAlignmentAt(linear, bytes);
    return make(type, loadBits(this.ram, linear, bytes, this.#isUser));
  }

  protected storeLinearAt(linear: bigint, value: Value): void {
    const bytes = bytesOf(value.type);
    this.checkAlignmentAt(linear, bytes);
    storeBits(this.ram, linear, bytes, bitsOf(value), this.#isUser);
  }

  protected checkAt(linear: bigint, bytes: number, access: 'read' | 'write'): void {
    checkAccess(this.ram, linear, bytes, access, this.#isUser);
  }

  /** SDM Vol. 3A §6.15 "Interrupt 17 - Alignment Check Exception (#AC)"; processors spare 128-bit accesses. */
  protected checkAlignmentAt(linear: bigint, bytes: number): void {
    const isChecked = bytes === 2 || bytes === 4 || bytes === 8;
    if (!isChecked || (linear & BigInt(bytes - 1)) === 0n || !this.#isUser) return;
    const asked = (this.state.number(vcpu.rflags) & RFLAGS_AC) !== 0 && (this.state.get(vcpu.cr0) & CR0_AM) !== 0n;
    if (asked) throw new GuestFault(AC, 0);
  }

  // ---- Control -----------------------------------------------------------------------------------------------------

  if(condition: Value, then: () => void, otherwise?: () => void): void {
    if (this.holds(condition)) then();
    else otherwise?.();
  }

  while(condition: () => Value, body: () => void): void {
    while (this.holds(condition())) body();
  }

  protected holds(condition: Value): boolean {
    if (condition.type !== 1) throw new DefinitionError(`a condition of type ${condition.type}`);
    return bitsOf(condition) === 1n;
  }

  variable(initial: Value): ReferenceVariable {
    return { type: initial.type, value: initial };
  }

  assign(variable: Variable, value: Value): void {
    if (variable.type !== value.type) {
      throw new DefinitionError(`a variable of type ${variable.type} assigned a ${value.type}`);
    }
    (variable as ReferenceVariable).value = value;
  }

  use(variable: Variable): ReferenceValue {
    return (variable as ReferenceVariable).value as ReferenceValue;
  }

  call(routine: Routine, ...args: Value[]): Value[] {
    if (routine.faults) this.#requireFaults();
    checkTypes(`arguments of ${routine.name}`, args, routine.params);
    this.#routines.push(routine);
    const results = routine.body(this.self, ...args);
    this.#routines.pop();
    checkTypes(`results of ${routine.name}`, results, routine.results);
    return results;
  }

  attempt(routine: Routine, ...args: Value[]): ReferenceValue {
    if (!routine.faults) throw new DefinitionError(`routine ${routine.name} cannot fault`);
    const depth = this.#routines.length;
    try {
      this.call(routine, ...args);
      return make(1, 0n);
    } catch (fault) {
      if (!(fault instanceof GuestFault)) throw fault;
      this.#routines.length = depth;
      recordFault(this.state, fault);
      return make(1, 1n);
    }
  }

  host(call: HostCall, ...args: Value[]): ReferenceValue {
    const wide = call === 'tsc' || call === 'random';
    return make(wide ? 64 : 32, this.#host(call, args.map(bitsOf), this.state));
  }

  /** The reference derives nothing from the state that could become stale. */
  contextChanged(): void {}

  raise(vector: number, errorCode?: Value | number): void {
    this.#requireFaults();
    throw new GuestFault(vector, typeof errorCode === 'object' ? Number(bitsOf(errorCode)) : errorCode);
  }

  /** In a routine only where it says that it can fault. */
  #requireFaults(): void {
    const routine = this.#routines.at(-1);
    if (routine !== undefined && !routine.faults) {
      throw new DefinitionError(`routine ${routine.name} can fault but does not say so`);
    }
  }
}

function segmentNumber({ segment }: Address): number {
  return typeof segment === 'number' ? segment : Number(bitsOf(segment));
}

export function typeOf(operand: Operand): Type {
  if (operand.type === undefined) throw new DefinitionError(`an operand of kind ${operand.kind} has no type`);
  return operand.type;
}

export function registerOf(operand: Operand): number {
  const { register, kind } = operand as DecodedOperand;
  if (register < 0) throw new DefinitionError(`an operand of kind ${kind} is no register`);
  return register;
}

export function bytesOf(type: Type): number {
  return widthOf(type) / 8;
}

function checkTypes(what: string, values: readonly Value[], types: readonly Type[]): void {
  if (values.length !== types.length || values.some((value, i) => value.type !== types[i])) {
    throw new DefinitionError(`${what} are ${values.map((value) => value.type)}, not ${types}`);
  }
}
