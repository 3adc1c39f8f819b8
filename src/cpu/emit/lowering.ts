/**
 * From the nodes and effects of a function to WebAssembly code: results nobody uses disappear, a node used once is
 * computed where it is used, one used several times is kept in a local.
 */

import { type BranchHint, ByteWriter, F32, F64, I64, V128, type ValueType } from '../../wasm/encoder.ts';
import { MISC_PREFIX, SIMD_PREFIX } from '../../wasm/operations.ts';
import {
  ALIAS,
  CONSTANT,
  type Effect,
  type FunctionRef,
  type Linkage,
  type List,
  LOCAL,
  Node,
  reaches,
  VARIABLE,
  wasmType,
} from './nodes.ts';

export interface LoweredFunction {
  readonly locals: readonly ValueType[];
  readonly code: Uint8Array;
  /** Branches that nearly always go one way, by their places in the code. */
  readonly hints: readonly BranchHint[];
}

/** `locals` are those the builder made; more are added. */
export function lower(root: List, paramCount: number, locals: ValueType[], linkage: Linkage): LoweredFunction {
  analyse(root);
  const out = new ByteWriter();
  const lowering = new Lowering(paramCount, locals, linkage);
  lowering.emitList(root, out);
  out.u8(0x00); // unreachable: every body leaves explicitly
  return { locals, code: out.finish(), hints: lowering.hints };
}

/** Backwards over the list, so that a node's uses are all known when it is reached. */
function analyse(list: List): void {
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
        if (item.whenFalse !== undefined) analyse(item.whenFalse);
        analyse(item.whenTrue);
        markUse(item.condition, list, item.epoch);
        break;
      case 'sequence':
      case 'block':
      case 'loop':
        analyse(item.body);
        break;
      case 'while':
        analyse(item.body);
        markUse(item.condition, item.test, item.testEpoch);
        analyse(item.test);
        break;
      default:
        for (const arg of item.args) markUse(arg, list, item.epoch);
    }
  }
}

class Lowering {
  readonly #paramCount: number;
  readonly #locals: ValueType[];
  readonly #linkage: Linkage;
  /** Constructs open around the place at hand. */
  #depth = 0;
  readonly #free = new Map<ValueType, number[]>();
  readonly hints: BranchHint[] = [];

  constructor(paramCount: number, locals: ValueType[], linkage: Linkage) {
    this.#paramCount = paramCount;
    this.#locals = locals;
    this.#linkage = linkage;
  }

  #newLocal(type: ValueType): number {
    return this.#free.get(type)?.pop() ?? this.#paramCount + this.#locals.push(type) - 1;
  }

  /** What is computed in a list is of no use behind it, so its locals are used again. */
  emitList(list: List, out: ByteWriter): void {
    this.#release(this.#emitItems(list, out));
  }

  /** Returns the nodes that have locals now. */
  #emitItems(list: List, out: ByteWriter): Node[] {
    const computed: Node[] = [];
    for (const item of list.items) {
      if (item instanceof Node) {
        if (item.uses === 0 || item.inlined) continue;
        this.#emitNode(item, out);
        item.local = this.#newLocal(wasmType(item.type));
        localOperation(out, 0x21, item.local);
        computed.push(item);
      } else {
        this.#emitEffect(item, out);
      }
    }
    return computed;
  }

  #release(computed: readonly Node[]): void {
    for (const { local, type } of computed) {
      const free = this.#free.get(wasmType(type));
      if (free === undefined) this.#free.set(wasmType(type), [local]);
      else free.push(local);
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
        if (effect.hint !== undefined) this.hints.push({ offset: out.length, likely: effect.hint });
        out.u8(0x04);
        out.u8(0x40);
        this.#depth++;
        this.emitList(effect.whenTrue, out);
        if (effect.whenFalse !== undefined) {
          out.u8(0x05);
          this.emitList(effect.whenFalse, out);
        }
        this.#depth--;
        out.u8(0x0b);
        return;
      case 'assignAll':
        for (const arg of effect.args) this.#emitNode(arg, out);
        for (let i = effect.locals.length - 1; i >= 0; i--) localOperation(out, 0x21, effect.locals[i] as number);
        return;
      case 'sequence':
        this.emitList(effect.body, out);
        return;
      case 'block':
      case 'loop':
        out.u8(effect.kind === 'block' ? 0x02 : 0x03);
        out.u8(0x40);
        effect.label.depth = ++this.#depth;
        this.emitList(effect.body, out);
        this.#depth--;
        out.u8(0x0b);
        return;
      case 'br':
        out.u8(0x0c);
        out.u32(this.#depth - effect.label.depth);
        return;
      case 'while': {
        out.u8(0x02);
        out.u8(0x40);
        out.u8(0x03);
        out.u8(0x40);
        this.#depth += 2;
        const tested = this.#emitItems(effect.test, out);
        this.#emitNode(effect.condition, out);
        out.u8(0x45); // i32.eqz
        out.u8(0x0d); // br_if out of the block
        out.u32(1);
        this.emitList(effect.body, out);
        out.u8(0x0c);
        out.u32(0);
        this.#release(tested);
        this.#depth -= 2;
        out.u8(0x0b);
        out.u8(0x0b);
        return;
      }
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
  // What is in the outermost list is there for all that follow.
  if (node.code !== CONSTANT && node.list.outer !== undefined && !reaches(node.list, list)) {
    throw new Error('a value is used where it may not have been computed: keep it in a variable');
  }
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
