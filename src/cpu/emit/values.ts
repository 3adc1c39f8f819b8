/**
 * The pure part of the algebra as WebAssembly expressions, folded as they are made (`folding.ts`). Values of 1, 8 and
 * 16 bits live in an i32; those of 8 and 16 bits may have set bits above their width ("dirty") until an operation needs
 * them clean.
 */

import type { ValueType } from '../../wasm/encoder.ts';
import { type Operation, operation } from '../../wasm/operations.ts';
import type { Type, Value } from '../algebra.ts';
import { bitSource } from './bit-fields.ts';
import { Folding } from './folding.ts';
import type { FunctionBuilder } from './function-builder.ts';
import { isNarrow } from './known-bits.ts';
import { type Node, wasmType } from './nodes.ts';
import {
  ADD,
  AND,
  CLZ,
  CTZ,
  DIV_S,
  DIV_U,
  EQ,
  LE_S,
  LE_U,
  LT_S,
  LT_U,
  MUL,
  NE,
  OR,
  POPCNT,
  REM_S,
  REM_U,
  ROTL,
  ROTR,
  SHL,
  SHR_S,
  SHR_U,
  SUB,
  XOR,
} from './opcodes.ts';

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

function integer(value: Value): Type {
  const { type } = value;
  if (typeof type === 'string' || type === 128) throw new Error(`an integer operation on type ${type}`);
  return type;
}

function same(a: Value, b: Value): Type {
  if (a.type !== b.type) throw new Error(`types differ: ${a.type} and ${b.type}`);
  return a.type;
}

export class Values {
  protected readonly b: FunctionBuilder;
  protected readonly fold: Folding;

  constructor(builder: FunctionBuilder) {
    this.b = builder;
    this.fold = new Folding(builder);
  }

  const(type: Type, value: number | bigint): Node {
    return this.fold.constant(type, value);
  }

  protected i32(value: number): Node {
    return this.b.constant(32, value);
  }

  /** Upper bits of an 8- or 16-bit value cleared. */
  protected clean(value: Value): Node {
    return this.fold.clean(value as Node);
  }

  /** An operation whose low bits do not depend on upper ones. */
  #ring(code: number, a: Value, b: Value): Node {
    same(a, b);
    return this.fold.arithmetic(code, integer(a), a as Node, b as Node);
  }

  add(a: Value, b: Value): Node {
    return this.#ring(a.type === 1 ? XOR : ADD, a, b);
  }
  sub(a: Value, b: Value): Node {
    return this.#ring(a.type === 1 ? XOR : SUB, a, b);
  }
  mul(a: Value, b: Value): Node {
    return this.#ring(a.type === 1 ? AND : MUL, a, b);
  }
  and(a: Value, b: Value): Node {
    return this.#ring(AND, a, b);
  }
  or(a: Value, b: Value): Node {
    return this.#ring(OR, a, b);
  }
  xor(a: Value, b: Value): Node {
    return this.#ring(XOR, a, b);
  }
  not(a: Value): Node {
    return a.type === 1 ? this.isZero(a) : this.#ring(XOR, a, this.const(a.type, -1));
  }
  neg(a: Value): Node {
    return this.sub(this.const(a.type, 0), a);
  }

  #shift(code: number, a: Node, count: Value | number): Node {
    const type = integer(a);
    return this.fold.arithmetic(code, type, a, this.#count(type === 64 ? 64 : 32, count));
  }

  #count(type: 32 | 64, count: Value | number): Node {
    if (typeof count === 'number') return this.const(type, count);
    if (type === 64) return this.zext(count, 64);
    return count.type === 64 ? this.trunc(count, 32) : this.zext(count, 32);
  }

  shl(a: Value, count: Value | number): Node {
    return this.#shift(SHL, a as Node, count);
  }
  shr(a: Value, count: Value | number): Node {
    return this.#shift(SHR_U, this.clean(a), count);
  }
  sar(a: Value, count: Value | number): Node {
    if (!isNarrow(a.type)) return this.#shift(SHR_S, a as Node, count);
    return this.fold.arithmetic(SHR_S, a.type, this.sext(a, 32), this.#count(32, count));
  }
  rotl(a: Value, count: Value | number): Node {
    return this.#shift(ROTL, a as Node, count);
  }
  rotr(a: Value, count: Value | number): Node {
    return this.#shift(ROTR, a as Node, count);
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
    return this.#ring(DIV_U, this.clean(a), this.clean(b));
  }
  divS(a: Value, b: Value): Node {
    return this.#ring(DIV_S, a, b);
  }
  remU(a: Value, b: Value): Node {
    return this.#ring(REM_U, this.clean(a), this.clean(b));
  }
  remS(a: Value, b: Value): Node {
    return this.#ring(REM_S, a, b);
  }
  clz(a: Value): Node {
    return this.fold.count(CLZ, integer(a), a as Node);
  }
  ctz(a: Value): Node {
    return this.fold.count(CTZ, integer(a), a as Node);
  }
  popcnt(a: Value): Node {
    return this.fold.count(POPCNT, integer(a), this.clean(a));
  }

  #compare(code: number, a: Value, b: Value): Node {
    same(a, b);
    return this.fold.compare(code, integer(a) === 64, this.clean(a), this.clean(b));
  }

  #compareSigned(code: number, a: Value, b: Value): Node {
    same(a, b);
    if (integer(a) === 64) return this.fold.compare(code, true, a as Node, b as Node);
    return this.fold.compare(code, false, this.sext(a, 32), this.sext(b, 32));
  }

  eq(a: Value, b: Value): Node {
    return this.#compare(EQ, a, b);
  }
  ne(a: Value, b: Value): Node {
    return this.#compare(NE, a, b);
  }
  ltU(a: Value, b: Value): Node {
    return this.#compare(LT_U, a, b);
  }
  ltS(a: Value, b: Value): Node {
    return this.#compareSigned(LT_S, a, b);
  }
  leU(a: Value, b: Value): Node {
    return this.#compare(LE_U, a, b);
  }
  leS(a: Value, b: Value): Node {
    return this.#compareSigned(LE_S, a, b);
  }
  isZero(a: Value): Node {
    integer(a);
    return this.fold.isZero(this.clean(a));
  }

  bit(a: Value, index: number): Node {
    integer(a);
    return this.fold.bit(a as Node, index);
  }

  /** Which bit of which value a type-1 node is, where it is one: lets flags be stored unextracted. */
  protected readonly bitSources = {
    get(condition: Value): { readonly value: Node; readonly index: number } | undefined {
      const source = bitSource(condition as Node);
      return source && { value: source.node, index: source.low };
    },
  };

  msb(a: Value): Node {
    return this.bit(a, (a.type as number) - 1);
  }

  zext(a: Value, type: Type): Node {
    if (a.type === type) return a as Node;
    const value = this.clean(a);
    if (type === 64) return this.fold.extendUnsigned(value);
    if (type === 128) return this.join(this.zext(a, 64), this.const(64, 0));
    return this.fold.view(type, value);
  }

  sext(a: Value, type: Type): Node {
    if (a.type === type) return a as Node;
    const node = a as Node;
    if (a.type === 1) return this.neg(this.zext(a, type));
    const wide = isNarrow(a.type) ? this.fold.extendLow(a.type, node) : node;
    return type === 64 ? this.fold.extendSigned(wide) : this.fold.view(type, wide);
  }

  trunc(a: Value, type: Type): Node {
    if (a.type === type) return a as Node;
    if (a.type === 128) return this.trunc(this.op('i64x2.extract_lane', [a], [0]), type);
    if (type === 1) return this.bit(a, 0);
    return this.fold.truncate(a as Node, type as 8 | 16 | 32);
  }

  select(condition: Value, a: Value, b: Value): Node {
    same(a, b);
    return this.fold.select(condition as Node, a as Node, b as Node);
  }

  op(name: string, args: readonly Value[], immediates?: readonly number[]): Node {
    const found = op(name);
    const nodes = args.map((arg, i) => {
      const want = found.params[i];
      if (want !== wasmType(arg.type)) throw new Error(`${name}: argument ${i} has type ${arg.type}`);
      return this.clean(arg);
    });
    if (nodes.length !== found.params.length) throw new Error(`${name} takes ${found.params.length} arguments`);
    return this.fold.operation(found.code, typeOf[found.result], nodes, found.lanes > 0 ? immediates : undefined);
  }

  join(low: Value, high: Value): Node {
    return this.op('i64x2.replace_lane', [this.op('i64x2.splat', [low]), high], [1]);
  }
}
