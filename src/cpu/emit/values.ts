/**
 * The pure part of the algebra as WebAssembly expressions. Values of 1, 8 and 16 bits live in an i32; those of 8 and 16
 * bits may have set bits above their width ("dirty") until an operation needs them clean.
 */

import { I64, type ValueType } from '../../wasm/encoder.ts';
import { type Operation, operation } from '../../wasm/operations.ts';
import type { Type, Value } from '../algebra.ts';
import type { FunctionBuilder } from './function-builder.ts';
import { type Node, wasmType } from './nodes.ts';

const cache = new Map<string, Operation>();

function op(name: string): Operation {
  let found = cache.get(name);
  if (found === undefined) {
    found = operation(name);
    cache.set(name, found);
  }
  return found;
}

const typeOf: Record<ValueType, Type> = { 127: 32, 126: 64, 125: 'f32', 124: 'f64', 123: 128 };

function prefix(type: Type): 'i32' | 'i64' {
  if (typeof type === 'string' || type === 128) throw new Error(`an integer operation on type ${type}`);
  return type === 64 ? 'i64' : 'i32';
}

function narrow(type: Type): boolean {
  return type === 8 || type === 16;
}

export class Values {
  protected readonly b: FunctionBuilder;

  constructor(builder: FunctionBuilder) {
    this.b = builder;
  }

  const(type: Type, value: number | bigint): Node {
    if (type === 8 || type === 16) return this.b.constant(type, Number(BigInt.asUintN(type, BigInt(value))));
    return this.b.constant(type, value);
  }

  protected i32(value: number): Node {
    return this.b.constant(32, value);
  }

  /** Upper bits of an 8- or 16-bit value cleared. */
  protected clean(value: Value): Node {
    const node = value as Node;
    if (!node.dirty) return node;
    return this.#raw('i32.and', node.type, [node, this.b.constant(32, node.type === 8 ? 0xff : 0xffff)]);
  }

  #raw(name: string, type: Type, args: readonly Node[], dirty = false): Node {
    const node = this.b.operation(op(name), type, args);
    node.dirty = dirty;
    return node;
  }

  #same(a: Value, b: Value): Type {
    if (a.type !== b.type) throw new Error(`types differ: ${a.type} and ${b.type}`);
    return a.type;
  }

  /** A binary operation whose low bits do not depend on upper ones. */
  #ring(name: string, a: Value, b: Value, keepsClean: boolean): Node {
    const type = this.#same(a, b);
    const [x, y] = [a as Node, b as Node];
    return this.#raw(`${prefix(type)}.${name}`, type, [x, y], narrow(type) && !(keepsClean && !x.dirty && !y.dirty));
  }

  add(a: Value, b: Value): Node {
    return this.#ring('add', a, b, false);
  }
  sub(a: Value, b: Value): Node {
    return this.#ring('sub', a, b, false);
  }
  mul(a: Value, b: Value): Node {
    return this.#ring('mul', a, b, false);
  }
  and(a: Value, b: Value): Node {
    return this.#ring('and', a, b, true);
  }
  or(a: Value, b: Value): Node {
    return this.#ring('or', a, b, true);
  }
  xor(a: Value, b: Value): Node {
    return this.#ring('xor', a, b, true);
  }
  not(a: Value): Node {
    if (a.type === 1) return this.isZero(a);
    return this.#ring('xor', a, this.b.constant(a.type, a.type === 64 ? -1n : -1), false);
  }
  neg(a: Value): Node {
    return this.sub(this.b.constant(a.type, 0), a);
  }

  #count(type: Type, count: Value | number): Node {
    if (typeof count === 'number') return this.b.constant(type === 64 ? 64 : 32, count);
    return type === 64 ? this.zext(count, 64) : this.trunc(this.zext(count, count.type === 64 ? 64 : 32), 32);
  }

  shl(a: Value, count: Value | number): Node {
    return this.#raw(`${prefix(a.type)}.shl`, a.type, [a as Node, this.#count(a.type, count)], narrow(a.type));
  }
  shr(a: Value, count: Value | number): Node {
    return this.#raw(`${prefix(a.type)}.shr_u`, a.type, [this.clean(a), this.#count(a.type, count)]);
  }
  sar(a: Value, count: Value | number): Node {
    const wide = narrow(a.type) ? this.sext(a, 32) : (a as Node);
    return this.#raw(`${prefix(a.type)}.shr_s`, a.type, [wide, this.#count(a.type, count)], narrow(a.type));
  }
  rotl(a: Value, count: Value | number): Node {
    return this.#raw(`${prefix(a.type)}.rotl`, a.type, [a as Node, this.#count(a.type, count)]);
  }
  rotr(a: Value, count: Value | number): Node {
    return this.#raw(`${prefix(a.type)}.rotr`, a.type, [a as Node, this.#count(a.type, count)]);
  }

  /** Schoolbook multiplication from 32-bit halves. */
  mulWide(a: Value, b: Value): [Node, Node] {
    const mask = this.const(64, 0xffffffffn);
    const [aLow, aHigh] = [this.and(a, mask), this.shr(a, 32)];
    const [bLow, bHigh] = [this.and(b, mask), this.shr(b, 32)];
    const low = this.mul(aLow, bLow);
    const middle = this.add(this.mul(aHigh, bLow), this.shr(low, 32));
    const middle2 = this.add(this.mul(aLow, bHigh), this.and(middle, mask));
    const high = this.add(this.add(this.mul(aHigh, bHigh), this.shr(middle, 32)), this.shr(middle2, 32));
    return [this.mul(a, b), high];
  }

  divU(a: Value, b: Value): Node {
    return this.#raw(`${prefix(this.#same(a, b))}.div_u`, a.type, [this.clean(a), this.clean(b)]);
  }
  divS(a: Value, b: Value): Node {
    return this.#raw(`${prefix(this.#same(a, b))}.div_s`, a.type, [a as Node, b as Node]);
  }
  remU(a: Value, b: Value): Node {
    return this.#raw(`${prefix(this.#same(a, b))}.rem_u`, a.type, [this.clean(a), this.clean(b)]);
  }
  remS(a: Value, b: Value): Node {
    return this.#raw(`${prefix(this.#same(a, b))}.rem_s`, a.type, [a as Node, b as Node]);
  }
  clz(a: Value): Node {
    return this.#raw(`${prefix(a.type)}.clz`, a.type, [a as Node]);
  }
  ctz(a: Value): Node {
    return this.#raw(`${prefix(a.type)}.ctz`, a.type, [a as Node]);
  }
  popcnt(a: Value): Node {
    return this.#raw(`${prefix(a.type)}.popcnt`, a.type, [this.clean(a)]);
  }

  #compare(name: string, a: Value, b: Value, signed: boolean): Node {
    const type = this.#same(a, b);
    const side = (v: Value): Node => (signed && narrow(type) ? this.sext(v, 32) : this.clean(v));
    return this.#raw(`${prefix(type)}.${name}`, 1, [side(a), side(b)]);
  }

  eq(a: Value, b: Value): Node {
    return this.#compare('eq', a, b, false);
  }
  ne(a: Value, b: Value): Node {
    return this.#compare('ne', a, b, false);
  }
  ltU(a: Value, b: Value): Node {
    return this.#compare('lt_u', a, b, false);
  }
  ltS(a: Value, b: Value): Node {
    return this.#compare('lt_s', a, b, true);
  }
  leU(a: Value, b: Value): Node {
    return this.#compare('le_u', a, b, false);
  }
  leS(a: Value, b: Value): Node {
    return this.#compare('le_s', a, b, true);
  }
  isZero(a: Value): Node {
    return this.#raw(`${prefix(a.type)}.eqz`, 1, [this.clean(a)]);
  }

  bit(a: Value, index: number): Node {
    const shifted = index === 0 ? (a as Node) : this.shr(a, index);
    const low = wasmType(a.type) === I64 ? this.#raw('i32.wrap_i64', 32, [shifted]) : shifted;
    const node = this.#raw('i32.and', 1, [low, this.i32(1)]);
    this.bitSources.set(node, { value: a as Node, index });
    return node;
  }

  /** Which bit of which value a type-1 node is, where it is one: lets flags be stored unextracted. */
  protected readonly bitSources = new Map<Value, { value: Node; index: number }>();

  msb(a: Value): Node {
    return this.bit(a, (a.type as number) - 1);
  }

  zext(a: Value, type: Type): Node {
    if (a.type === type) return a as Node;
    const value = this.clean(a);
    if (type === 64) return this.#raw('i64.extend_i32_u', 64, [value]);
    if (type === 128) return this.join(this.zext(a, 64), this.const(64, 0n));
    return this.#retype(value, type, false);
  }

  sext(a: Value, type: Type): Node {
    if (a.type === type) return a as Node;
    const node = a as Node;
    if (a.type === 1) return this.neg(this.zext(a, type));
    if (a.type === 32) return this.#raw('i64.extend_i32_s', 64, [node]);
    const extend = a.type === 8 ? 'i32.extend8_s' : 'i32.extend16_s';
    const wide = this.#raw(extend, 32, [node]);
    if (type === 64) return this.#raw('i64.extend_i32_s', 64, [wide]);
    return type === 32 ? wide : this.#retype(wide, type, true);
  }

  trunc(a: Value, type: Type): Node {
    if (a.type === type) return a as Node;
    if (a.type === 128) return this.trunc(this.op('i64x2.extract_lane', [a], [0]), type);
    const low = wasmType(a.type) === I64 ? this.#raw('i32.wrap_i64', 32, [a as Node]) : (a as Node);
    if (type === 32) return low;
    if (type === 1) return this.#raw('i32.and', 1, [low, this.i32(1)]);
    return this.#retype(low, type, true);
  }

  /** The same i32 seen as another integer type. */
  #retype(node: Node, type: Type, dirty: boolean): Node {
    if (node.constant !== undefined) return this.const(type, node.constant);
    const view = this.b.alias(type, node);
    view.dirty = dirty && narrow(type);
    return view;
  }

  select(condition: Value, a: Value, b: Value): Node {
    const type = this.#same(a, b);
    const [x, y] = [a as Node, b as Node];
    // Untyped select (0x1b) takes number and vector types alike.
    const node = this.b.operation({ code: 0x1b }, type, [x, y, condition as Node]);
    node.dirty = x.dirty || y.dirty;
    return node;
  }

  op(name: string, args: readonly Value[], immediates?: readonly number[]): Node {
    const found = op(name);
    const nodes = args.map((arg, i) => {
      const want = found.params[i];
      if (want !== wasmType(arg.type)) throw new Error(`${name}: argument ${i} has type ${arg.type}`);
      return this.clean(arg);
    });
    if (nodes.length !== found.params.length) throw new Error(`${name} takes ${found.params.length} arguments`);
    return this.b.operation(found, typeOf[found.result], nodes, found.lanes > 0 ? immediates : undefined);
  }

  join(low: Value, high: Value): Node {
    return this.op('i64x2.replace_lane', [this.op('i64x2.splat', [low]), high], [1]);
  }
}
