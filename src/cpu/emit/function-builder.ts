/**
 * The body of one WebAssembly function under construction: expressions as a graph of nodes, effects in order, both in
 * nested lists that follow the structured control flow. `finish` lowers it: results nobody uses disappear, a node used
 * once is computed where it is used, one used several times is kept in a local.
 *
 * Order is kept by epochs. Every effect (store, assignment, call, branch) begins a new epoch; a node that reads
 * memory or a variable may only move to its single use within its own epoch and list.
 */

import { ByteWriter, F32, F64, I32, I64, V128, type ValueType } from '../../wasm/encoder.ts';
import { MISC_PREFIX, type Operation, SIMD_PREFIX } from '../../wasm/operations.ts';
import type { Type, Value, Variable } from '../algebra.ts';

export function wasmType(type: Type): ValueType {
  if (type === 64) return I64;
  if (type === 128) return V128;
  if (type === 'f32') return F32;
  if (type === 'f64') return F64;
  return I32;
}

const CONSTANT = -1;
const LOCAL = -2;
const VARIABLE = -3;
const ALIAS = -4;

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
    place: { list: List; epoch: number },
    extra: {
      immediate?: number;
      lanes?: readonly number[] | undefined;
      constant?: number | bigint;
      impure?: boolean;
    } = {},
  ) {
    this.type = type;
    this.code = code;
    this.args = args;
    this.immediate = extra.immediate ?? 0;
    this.lanes = extra.lanes;
    this.constant = extra.constant;
    this.impure = extra.impure ?? false;
    this.list = place.list;
    this.epoch = place.epoch;
  }
}

interface Local extends Variable {
  readonly index: number;
}

type Effect =
  | { kind: 'store'; code: number; base: Node; value: Node; offset: number; epoch: number }
  | { kind: 'assign'; local: number; value: Node; epoch: number }
  | { kind: 'if'; condition: Node; whenTrue: List; whenFalse: List | undefined; epoch: number }
  | { kind: 'while'; test: List; condition: Node; testEpoch: number; body: List; epoch: number }
  | { kind: 'call'; target: FunctionRef; args: readonly Node[]; results: readonly number[]; epoch: number }
  | { kind: 'return'; args: readonly Node[]; epoch: number }
  | { kind: 'tail'; target: FunctionRef; args: readonly Node[]; epoch: number }
  | { kind: 'tailAt'; type: number; args: readonly Node[]; epoch: number }
  | { kind: 'bulk'; code: number; args: readonly Node[]; epoch: number };

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

interface List {
  readonly items: (Node | Effect)[];
  readonly loopDepth: number;
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

const loadCodes: Record<string, number> = {
  8: LOAD32_8U,
  16: LOAD32_16U,
  32: LOAD32,
  64: LOAD64,
  128: LOAD128,
  f32: 0x2a,
  f64: 0x2b,
};
const storeCodes: Record<string, number> = {
  8: STORE32_8,
  16: STORE32_16,
  32: STORE32,
  64: STORE64,
  128: STORE128,
  f32: 0x38,
  f64: 0x39,
};

export class FunctionBuilder {
  readonly #params: readonly ValueType[];
  readonly #locals: ValueType[] = [];
  readonly #root: List = { items: [], loopDepth: 0 };
  #list = this.#root;
  #epoch = 0;
  readonly #paramNodes: readonly Node[];

  readonly #linkage: Linkage;

  constructor(params: readonly Type[], linkage: Linkage) {
    this.#linkage = linkage;
    this.#params = params.map(wasmType);
    this.#paramNodes = params.map((type, index) => this.#local(type, index));
  }

  param(index: number): Node {
    return this.#paramNodes[index] as Node;
  }

  // ---- Values ------------------------------------------------------------------------------------------------------

  constant(type: Type, value: number | bigint): Node {
    return new Node(type, CONSTANT, [], this.#place, { constant: value });
  }

  operation(operation: Pick<Operation, 'code'>, type: Type, args: readonly Node[], lanes?: readonly number[]): Node {
    return this.#add(new Node(type, operation.code, args, this.#place, { lanes }));
  }

  /** The same bits seen as another type of the same WebAssembly type. */
  alias(type: Type, node: Node): Node {
    return this.#add(new Node(type, ALIAS, [node], this.#place));
  }

  /** Memory at `base` (i32) + `offset`, of the type's width. Values of 8 and 16 bits come zero-extended. */
  load(type: Type, base: Node, offset: number, code = loadCodes[type] as number): Node {
    return this.#add(new Node(type, code, [base], this.#place, { immediate: offset, impure: true }));
  }

  // ---- Effects -----------------------------------------------------------------------------------------------------

  store(type: Type, base: Node, offset: number, value: Node): void {
    this.#effect({ kind: 'store', code: storeCodes[type] as number, base, value, offset, epoch: this.#epoch });
  }

  /** memory.copy (to, from, bytes) */
  copy(to: Node, from: Node, bytes: Node): void {
    this.#effect({ kind: 'bulk', code: 0x0a, args: [to, from, bytes], epoch: this.#epoch });
  }

  /** memory.fill (to, byte, bytes) */
  fill(to: Node, byte: Node, bytes: Node): void {
    this.#effect({ kind: 'bulk', code: 0x0b, args: [to, byte, bytes], epoch: this.#epoch });
  }

  variable(type: Type, initial?: Node): Local {
    const variable = { type, index: this.#newLocal(wasmType(type)) };
    if (initial !== undefined) this.assign(variable, initial);
    return variable;
  }

  assign(variable: Variable, value: Node): void {
    this.#effect({ kind: 'assign', local: (variable as Local).index, value, epoch: this.#epoch });
  }

  use(variable: Variable): Node {
    const { type, index } = variable as Local;
    return this.#add(new Node(type, VARIABLE, [], this.#place, { immediate: index, impure: true }));
  }

  if(condition: Node, then: () => void, otherwise?: () => void): void {
    const epoch = this.#epoch;
    const whenTrue = this.#nested(this.#list.loopDepth, then);
    const whenFalse = otherwise && this.#nested(this.#list.loopDepth, otherwise);
    this.#epoch++;
    this.#list.items.push({ kind: 'if', condition, whenTrue, whenFalse, epoch });
  }

  while(condition: () => Node, body: () => void): void {
    const depth = this.#list.loopDepth + 1;
    const epoch = this.#epoch;
    let test: Node | undefined;
    let testEpoch = 0;
    const testList = this.#nested(depth, () => {
      test = condition();
      testEpoch = this.#epoch;
    });
    const bodyList = this.#nested(depth, body);
    this.#epoch++;
    this.#list.items.push({ kind: 'while', test: testList, condition: test as Node, testEpoch, body: bodyList, epoch });
  }

  call(target: FunctionRef, args: readonly Node[]): Node[] {
    const locals = target.results.map((type) => this.#newLocal(wasmType(type)));
    this.#effect({ kind: 'call', target, args, results: locals, epoch: this.#epoch });
    return target.results.map((type, i) => this.#local(type, locals[i] as number));
  }

  return(values: readonly Node[]): void {
    this.#effect({ kind: 'return', args: values, epoch: this.#epoch });
  }

  tailCall(target: FunctionRef, args: readonly Node[]): void {
    this.#effect({ kind: 'tail', target, args, epoch: this.#epoch });
  }

  /** Tail call of the function in table slot `slot`, of the signature given. */
  tailCallAt(slot: Node, signature: Pick<FunctionRef, 'params' | 'results'>, args: readonly Node[]): void {
    const type = this.#linkage.typeIndex(signature);
    this.#effect({ kind: 'tailAt', type, args: [...args, slot], epoch: this.#epoch });
  }

  // ---- Lowering ----------------------------------------------------------------------------------------------------

  finish(): { locals: readonly ValueType[]; code: Uint8Array } {
    this.#analyse(this.#root);
    const out = new ByteWriter();
    this.#emitList(this.#root, out);
    out.u8(0x00); // unreachable: every body leaves explicitly
    return { locals: this.#locals, code: out.finish() };
  }

  get #place(): { list: List; epoch: number } {
    return { list: this.#list, epoch: this.#epoch };
  }

  #local(type: Type, index: number): Node {
    return new Node(type, LOCAL, [], this.#place, { immediate: index });
  }

  #newLocal(type: ValueType): number {
    return this.#params.length + this.#locals.push(type) - 1;
  }

  #add(node: Node): Node {
    this.#list.items.push(node);
    return node;
  }

  #effect(effect: Effect): void {
    this.#list.items.push(effect);
    this.#epoch++;
  }

  #nested(loopDepth: number, build: () => void): List {
    const outer = this.#list;
    const list: List = { items: [], loopDepth };
    this.#list = list;
    this.#epoch++;
    build();
    this.#list = outer;
    this.#epoch++;
    return list;
  }

  /** Backwards over the list, so that a node's uses are all known when it is reached. */
  #analyse(list: List): void {
    const { items } = list;
    for (let i = items.length - 1; i >= 0; i--) {
      const item = items[i] as Node | Effect;
      if (item instanceof Node) {
        if (item.uses === 0) continue;
        const sink = item.sinkList as List;
        item.inlined =
          item.uses === 1 &&
          sink.loopDepth === list.loopDepth &&
          (!item.impure || (sink === list && item.sinkEpoch === item.epoch));
        if (item.inlined) for (const arg of item.args) markUse(arg, sink, item.sinkEpoch);
        else for (const arg of item.args) markUse(arg, list, item.epoch);
        continue;
      }
      switch (item.kind) {
        case 'store':
          markUse(item.base, list, item.epoch);
          markUse(item.value, list, item.epoch);
          break;
        case 'assign':
          markUse(item.value, list, item.epoch);
          break;
        case 'if':
          if (item.whenFalse !== undefined) this.#analyse(item.whenFalse);
          this.#analyse(item.whenTrue);
          markUse(item.condition, list, item.epoch);
          break;
        case 'while':
          this.#analyse(item.body);
          markUse(item.condition, item.test, item.testEpoch);
          this.#analyse(item.test);
          break;
        default:
          for (const arg of item.args) markUse(arg, list, item.epoch);
      }
    }
  }

  #emitList(list: List, out: ByteWriter): void {
    for (const item of list.items) {
      if (item instanceof Node) {
        if (item.uses === 0 || item.inlined) continue;
        this.#emitNode(item, out);
        item.local = this.#newLocal(wasmType(item.type));
        localOperation(out, 0x21, item.local);
      } else {
        this.#emitEffect(item, out);
      }
    }
  }

  #emitEffect(effect: Effect, out: ByteWriter): void {
    switch (effect.kind) {
      case 'store':
        this.#emitNode(effect.base, out);
        this.#emitNode(effect.value, out);
        memoryOperation(out, effect.code, effect.offset);
        return;
      case 'assign':
        this.#emitNode(effect.value, out);
        localOperation(out, 0x21, effect.local);
        return;
      case 'if':
        this.#emitNode(effect.condition, out);
        out.u8(0x04);
        out.u8(0x40);
        this.#emitList(effect.whenTrue, out);
        if (effect.whenFalse !== undefined) {
          out.u8(0x05);
          this.#emitList(effect.whenFalse, out);
        }
        out.u8(0x0b);
        return;
      case 'while':
        out.u8(0x02);
        out.u8(0x40);
        out.u8(0x03);
        out.u8(0x40);
        this.#emitList(effect.test, out);
        this.#emitNode(effect.condition, out);
        out.u8(0x45); // i32.eqz
        out.u8(0x0d); // br_if out of the block
        out.u32(1);
        this.#emitList(effect.body, out);
        out.u8(0x0c);
        out.u32(0);
        out.u8(0x0b);
        out.u8(0x0b);
        return;
      case 'call': {
        this.#emitCall(effect.target, effect.args, 0x10, out);
        for (let i = effect.results.length - 1; i >= 0; i--) localOperation(out, 0x21, effect.results[i] as number);
        return;
      }
      case 'return':
        for (const arg of effect.args) this.#emitNode(arg, out);
        out.u8(0x0f);
        return;
      case 'tail':
        this.#emitCall(effect.target, effect.args, 0x12, out);
        return;
      case 'tailAt':
        for (const arg of effect.args) this.#emitNode(arg, out);
        out.u8(0x13);
        out.u32(effect.type);
        out.u8(0);
        return;
      case 'bulk':
        for (const arg of effect.args) this.#emitNode(arg, out);
        out.u8(0xfc);
        out.u32(effect.code);
        out.u8(0);
        if (effect.code === 0x0a) out.u8(0);
        return;
    }
  }

  /** `code` is `call` or `return_call`; the indirect forms follow each. */
  #emitCall(target: FunctionRef, args: readonly Node[], code: 0x10 | 0x12, out: ByteWriter): void {
    for (const arg of args) this.#emitNode(arg, out);
    const direct = this.#linkage.direct(target);
    if (direct !== undefined) {
      out.u8(code);
      out.u32(direct);
      return;
    }
    out.u8(0x41);
    out.s32(target.slot);
    out.u8(code + 1);
    out.u32(this.#linkage.typeIndex(target));
    out.u8(0);
  }

  #emitNode(node: Node, out: ByteWriter): void {
    if (node.local >= 0) {
      localOperation(out, 0x20, node.local);
      return;
    }
    switch (node.code) {
      case CONSTANT:
        emitConstant(node, out);
        return;
      case LOCAL:
      case VARIABLE:
        localOperation(out, 0x20, node.immediate);
        return;
    }
    for (const arg of node.args) this.#emitNode(arg, out);
    if (node.code === ALIAS) return;
    if (node.impure) {
      memoryOperation(out, node.code, node.immediate);
      return;
    }
    opcode(out, node.code);
    if (node.lanes !== undefined) for (const lane of node.lanes) out.u8(lane);
  }
}

function markUse(node: Node, list: List, epoch: number): void {
  node.uses++;
  node.sinkList = list;
  node.sinkEpoch = epoch;
}

function opcode(out: ByteWriter, code: number): void {
  if (code >= SIMD_PREFIX) {
    out.u8(0xfd);
    out.u32(code - SIMD_PREFIX);
  } else if (code >= MISC_PREFIX) {
    out.u8(0xfc);
    out.u32(code - MISC_PREFIX);
  } else {
    out.u8(code);
  }
}

/** Alignment hints are always 0: guest accesses may have any. */
function memoryOperation(out: ByteWriter, code: number, offset: number): void {
  opcode(out, code);
  out.u32(0);
  out.u32(offset);
}

function localOperation(out: ByteWriter, code: number, index: number): void {
  out.u8(code);
  out.u32(index);
}

function emitConstant(node: Node, out: ByteWriter): void {
  const value = node.constant as number | bigint;
  switch (wasmType(node.type)) {
    case I64:
      out.u8(0x42);
      out.s64(BigInt(value));
      return;
    case V128:
      out.u8(0xfd);
      out.u32(0x0c);
      out.raw(BigInt(value), 16);
      return;
    case F32:
    case F64: {
      const double = wasmType(node.type) === F64;
      const bytes = new Uint8Array(double ? 8 : 4);
      const view = new DataView(bytes.buffer);
      if (double) view.setFloat64(0, Number(value), true);
      else view.setFloat32(0, Number(value), true);
      out.u8(double ? 0x44 : 0x43);
      out.append(bytes);
      return;
    }
    default:
      out.u8(0x41);
      out.s32(typeof value === 'bigint' ? Number(BigInt.asIntN(32, value)) : value | 0);
  }
}
