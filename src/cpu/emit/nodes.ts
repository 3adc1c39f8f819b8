/**
 * What a generated function is made of before it is lowered: nodes (values) and effects, in lists that nest as the
 * structured control flow does.
 */

import { F32, F64, I32, I64, V128, type ValueType } from '../../wasm/encoder.ts';
import { SIMD_PREFIX } from '../../wasm/operations.ts';
import type { Type, Value, Variable } from '../algebra.ts';

export function wasmType(type: Type): ValueType {
  if (type === 64) return I64;
  if (type === 128) return V128;
  if (type === 'f32') return F32;
  if (type === 'f64') return F64;
  return I32;
}

/** Codes of nodes that are no operation. */
export const CONSTANT = -1;
export const LOCAL = -2;
export const VARIABLE = -3;
export const ALIAS = -4;

/** A value of generated code. */
export class Node implements Value {
  readonly type: Type;
  /** Opcode as in `wasm/operations.ts`, a load opcode, or one of the kinds above. */
  readonly code: number;
  readonly args: readonly Node[];
  /** Memory offset, local index, or 0. */
  readonly immediate: number;
  readonly lanes: readonly number[] | undefined;
  readonly constant: number | bigint | undefined;
  /** Reads memory or a variable: its place in the order of effects matters. */
  readonly impure: boolean;
  readonly list: List;
  readonly epoch: number;
  /** For types 8 and 16: bits above the type's width may be set. */
  dirty = false;
  uses = 0;
  sinkList: List | undefined;
  sinkEpoch = 0;
  /** Local that holds the value, once computed. */
  local = -1;
  inlined = false;

  constructor(
    type: Type,
    code: number,
    args: readonly Node[],
    list: List,
    epoch: number,
    immediate: number,
    lanes: readonly number[] | undefined,
    constant: number | bigint | undefined,
    impure: boolean,
  ) {
    this.type = type;
    this.code = code;
    this.args = args;
    this.immediate = immediate;
    this.lanes = lanes;
    this.constant = constant;
    this.impure = impure;
    this.list = list;
    this.epoch = epoch;
  }
}

export interface Local extends Variable {
  readonly index: number;
}

export type Effect =
  | { kind: 'store'; code: number; base: Node; value: Node; offset: number; epoch: number }
  | { kind: 'assign'; local: number; value: Node; epoch: number }
  | { kind: 'if'; condition: Node; whenTrue: List; whenFalse: List | undefined; hint: Hint; epoch: number }
  | { kind: 'while'; test: List; condition: Node; testEpoch: number; body: List; epoch: number }
  | { kind: 'call'; target: FunctionRef; args: readonly Node[]; results: readonly number[]; epoch: number }
  | { kind: 'return'; args: readonly Node[]; epoch: number }
  | { kind: 'tail'; target: FunctionRef; args: readonly Node[]; epoch: number }
  | { kind: 'tailAt'; type: number; args: readonly Node[]; epoch: number }
  | { kind: 'bulk'; code: number; args: readonly Node[]; epoch: number }
  /** All values are computed before the first local is assigned. */
  | { kind: 'assignAll'; locals: readonly number[]; args: readonly Node[]; epoch: number }
  /** A list in its place among the others, for what is known later. */
  | { kind: 'sequence'; body: List; epoch: number }
  /** `br` to the label goes behind a block's body, and to the start of a loop's. */
  | { kind: 'block' | 'loop'; label: Label; body: List; epoch: number }
  | { kind: 'br'; label: Label; args: readonly Node[]; epoch: number };

/** What the condition of an `if` nearly always is, if it is known. */
export type Hint = boolean | undefined;

/** Where `br` leads: of a block its end, of a loop its start. */
export interface Label {
  /** Nesting depth of the construct, set when it is lowered. */
  depth: number;
}

/** A generated function: its place in the function table and its signature. */
export interface FunctionRef {
  readonly slot: number;
  readonly params: readonly Type[];
  readonly results: readonly Type[];
}

/** How the module under construction reaches functions. */
export interface Linkage {
  /** Index of the function if it is in this very module. */
  direct(target: FunctionRef): number | undefined;
  typeIndex(target: Pick<FunctionRef, 'params' | 'results'>): number;
}

export interface List {
  readonly items: (Node | Effect)[];
  readonly loopDepth: number;
  /** The list whose values can be used in this one too; of a loop's body its test. */
  readonly outer: List | undefined;
}

/** Whether what is computed in the list `from` is there in `list`. */
export function reaches(from: List, list: List): boolean {
  for (let at: List | undefined = list; at !== undefined; at = at.outer) if (at === from) return true;
  return false;
}

export const LOAD32 = 0x28;
export const LOAD64 = 0x29;
export const LOAD32_8U = 0x2d;
export const LOAD32_16U = 0x2f;
export const LOAD64_32S = 0x34;
export const LOAD128 = SIMD_PREFIX;
export const STORE32 = 0x36;
export const STORE64 = 0x37;
export const STORE32_8 = 0x3a;
export const STORE32_16 = 0x3b;
export const STORE128 = SIMD_PREFIX + 0x0b;
