/**
 * The pure part of the algebra over BigInt. A value is its bits as an unsigned integer, floating point included, so
 * that the payload of a NaN survives being moved.
 *
 * What the algebra leaves open is made visible: a shift by the width or more gives a striking pattern. What would trap
 * in WebAssembly (division by zero), and operations on types that do not go together, are mistakes in a definition and
 * throw.
 */

import { F32, F64, I32, I64, V128, type ValueType } from '../../wasm/encoder.ts';
import { type Operation, operations } from '../../wasm/operations.ts';
import type { Type, Value } from '../algebra.ts';
import { scalarOperation } from './scalar-operations.ts';
import { vectorOperation } from './vector-operations.ts';

export class ReferenceValue implements Value {
  readonly type: Type;
  /** Unsigned, below 2^width. */
  readonly bits: bigint;

  constructor(type: Type, bits: bigint) {
    this.type = type;
    this.bits = bits;
  }
}

/** A mistake in a definition, not a guest's fault. */
export class DefinitionError extends Error {
  override readonly name = 'DefinitionError';
}

export function widthOf(type: Type): number {
  return type === 'f32' ? 32 : type === 'f64' ? 64 : type;
}

const MASKS = new Map<Type, bigint>(
  ([1, 8, 16, 32, 64, 128, 'f32', 'f64'] as const).map((type) => [type, (1n << BigInt(widthOf(type))) - 1n]),
);

const wasmTypes: { readonly [type in Type]: ValueType } = {
  1: I32,
  8: I32,
  16: I32,
  32: I32,
  64: I64,
  128: V128,
  f32: F32,
  f64: F64,
};

const resultTypes: { readonly [type in ValueType]: Type } = {
  [I32]: 32,
  [I64]: 64,
  [F32]: 'f32',
  [F64]: 'f64',
  [V128]: 128,
};

const TRUE = new ReferenceValue(1, 1n);
const FALSE = new ReferenceValue(1, 0n);
const ARBITRARY = 0xa5a5_a5a5_a5a5_a5a5n;

export function bitsOf(value: Value): bigint {
  return (value as ReferenceValue).bits;
}

export function signedBitsOf(value: Value): bigint {
  return BigInt.asIntN(widthOf(value.type), bitsOf(value));
}

/** The value of that type whose low bits are those of `bits`. */
export function make(type: Type, bits: bigint): ReferenceValue {
  return new ReferenceValue(type, bits & (MASKS.get(type) as bigint));
}

function truth(condition: boolean): ReferenceValue {
  return condition ? TRUE : FALSE;
}

function same(a: Value, b: Value): Type {
  if (a.type !== b.type) throw new DefinitionError(`types differ: ${a.type} and ${b.type}`);
  return integer(a);
}

function integer(a: Value): Type {
  if (typeof a.type === 'string' || a.type === 128) throw new DefinitionError(`an integer operation on type ${a.type}`);
  return a.type;
}

/** Operations that WebAssembly has for whole words only. */
function word(a: Value, b: Value = a): 32 | 64 {
  const type = same(a, b);
  if (type !== 32 && type !== 64) throw new DefinitionError(`an operation of 32 or 64 bits on type ${type}`);
  return type;
}

export class ReferenceValues {
  const(type: Type, value: number | bigint): ReferenceValue {
    if (type === 'f32' || type === 'f64') return floatConstant(type, Number(value));
    return make(type, BigInt(value));
  }

  add(a: Value, b: Value): ReferenceValue {
    return make(same(a, b), bitsOf(a) + bitsOf(b));
  }
  sub(a: Value, b: Value): ReferenceValue {
    return make(same(a, b), bitsOf(a) - bitsOf(b));
  }
  mul(a: Value, b: Value): ReferenceValue {
    return make(same(a, b), bitsOf(a) * bitsOf(b));
  }
  and(a: Value, b: Value): ReferenceValue {
    return make(same(a, b), bitsOf(a) & bitsOf(b));
  }
  or(a: Value, b: Value): ReferenceValue {
    return make(same(a, b), bitsOf(a) | bitsOf(b));
  }
  xor(a: Value, b: Value): ReferenceValue {
    return make(same(a, b), bitsOf(a) ^ bitsOf(b));
  }
  not(a: Value): ReferenceValue {
    return make(integer(a), ~bitsOf(a));
  }
  neg(a: Value): ReferenceValue {
    return make(integer(a), -bitsOf(a));
  }

  shl(a: Value, count: Value | number): ReferenceValue {
    return this.#shift(a, count, (by) => bitsOf(a) << by);
  }
  shr(a: Value, count: Value | number): ReferenceValue {
    return this.#shift(a, count, (by) => bitsOf(a) >> by);
  }
  sar(a: Value, count: Value | number): ReferenceValue {
    return this.#shift(a, count, (by) => signedBitsOf(a) >> by);
  }

  #shift(a: Value, count: Value | number, shifted: (by: bigint) => bigint): ReferenceValue {
    const type = integer(a);
    const by = typeof count === 'number' ? BigInt(count) : bitsOf(count);
    return make(type, by < BigInt(widthOf(type)) ? shifted(by) : ARBITRARY);
  }

  rotl(a: Value, count: Value | number): ReferenceValue {
    const type = word(a);
    const by = (typeof count === 'number' ? BigInt(count) : bitsOf(count)) & BigInt(type - 1);
    return make(type, (bitsOf(a) << by) | (bitsOf(a) >> (BigInt(type) - by)));
  }
  rotr(a: Value, count: Value | number): ReferenceValue {
    const type = word(a);
    const by = (typeof count === 'number' ? BigInt(count) : bitsOf(count)) & BigInt(type - 1);
    return make(type, (bitsOf(a) >> by) | (bitsOf(a) << (BigInt(type) - by)));
  }

  mulWide(a: Value, b: Value): [ReferenceValue, ReferenceValue] {
    if (word(a, b) !== 64) throw new DefinitionError('mulWide of other than 64 bits');
    const product = bitsOf(a) * bitsOf(b);
    return [make(64, product), make(64, product >> 64n)];
  }

  divU(a: Value, b: Value): ReferenceValue {
    return this.#divide(a, b, bitsOf, (x, y) => x / y);
  }
  divS(a: Value, b: Value): ReferenceValue {
    if (signedBitsOf(b) === -1n && bitsOf(a) === 1n << BigInt(word(a, b) - 1)) {
      throw new DefinitionError('the quotient of a signed division does not fit');
    }
    return this.#divide(a, b, signedBitsOf, (x, y) => x / y);
  }
  remU(a: Value, b: Value): ReferenceValue {
    return this.#divide(a, b, bitsOf, (x, y) => x % y);
  }
  remS(a: Value, b: Value): ReferenceValue {
    return this.#divide(a, b, signedBitsOf, (x, y) => x % y);
  }

  #divide(
    a: Value,
    b: Value,
    number: (value: Value) => bigint,
    result: (x: bigint, y: bigint) => bigint,
  ): ReferenceValue {
    const type = word(a, b);
    if (bitsOf(b) === 0n) throw new DefinitionError('a division by zero');
    return make(type, result(number(a), number(b)));
  }

  clz(a: Value): ReferenceValue {
    const type = word(a);
    const length = bitsOf(a) === 0n ? 0 : bitsOf(a).toString(2).length;
    return make(type, BigInt(type - length));
  }
  ctz(a: Value): ReferenceValue {
    const type = word(a);
    const lowest = bitsOf(a) & -bitsOf(a);
    return make(type, BigInt(lowest === 0n ? type : lowest.toString(2).length - 1));
  }
  popcnt(a: Value): ReferenceValue {
    return make(word(a), BigInt(bitsOf(a).toString(2).replaceAll('0', '').length));
  }

  eq(a: Value, b: Value): ReferenceValue {
    same(a, b);
    return truth(bitsOf(a) === bitsOf(b));
  }
  ne(a: Value, b: Value): ReferenceValue {
    same(a, b);
    return truth(bitsOf(a) !== bitsOf(b));
  }
  ltU(a: Value, b: Value): ReferenceValue {
    same(a, b);
    return truth(bitsOf(a) < bitsOf(b));
  }
  ltS(a: Value, b: Value): ReferenceValue {
    same(a, b);
    return truth(signedBitsOf(a) < signedBitsOf(b));
  }
  leU(a: Value, b: Value): ReferenceValue {
    same(a, b);
    return truth(bitsOf(a) <= bitsOf(b));
  }
  leS(a: Value, b: Value): ReferenceValue {
    same(a, b);
    return truth(signedBitsOf(a) <= signedBitsOf(b));
  }
  isZero(a: Value): ReferenceValue {
    integer(a);
    return truth(bitsOf(a) === 0n);
  }
  bit(a: Value, index: number): ReferenceValue {
    if (index >= widthOf(integer(a))) throw new DefinitionError(`bit ${index} of a value of type ${a.type}`);
    return make(1, bitsOf(a) >> BigInt(index));
  }
  msb(a: Value): ReferenceValue {
    return this.bit(a, widthOf(a.type) - 1);
  }

  zext(a: Value, type: Type): ReferenceValue {
    return make(this.#wider(a, type), bitsOf(a));
  }
  sext(a: Value, type: Type): ReferenceValue {
    return make(this.#wider(a, type), signedBitsOf(a));
  }
  trunc(a: Value, type: Type): ReferenceValue {
    if (a.type !== type && (typeof a.type === 'string' || typeof type === 'string' || type > a.type)) {
      throw new DefinitionError(`a value of type ${a.type} truncated to ${type}`);
    }
    return make(type, bitsOf(a));
  }

  #wider(a: Value, type: Type): Type {
    if (a.type !== type && (typeof a.type === 'string' || typeof type === 'string' || type < a.type)) {
      throw new DefinitionError(`a value of type ${a.type} extended to ${type}`);
    }
    return type;
  }

  select(condition: Value, a: Value, b: Value): ReferenceValue {
    if (condition.type !== 1) throw new DefinitionError(`a condition of type ${condition.type}`);
    if (a.type !== b.type) throw new DefinitionError(`types differ: ${a.type} and ${b.type}`);
    return (bitsOf(condition) !== 0n ? a : b) as ReferenceValue;
  }

  op(name: string, args: readonly Value[], immediates: readonly number[] = []): ReferenceValue {
    const operation = operations.get(name);
    if (operation === undefined) throw new DefinitionError(`no WebAssembly operation is called ${name}`);
    checkOperation(operation, args, immediates);
    const bits = args.map(bitsOf);
    const result = scalarOperation(name, bits) ?? vectorOperation(name, bits, immediates);
    if (result === undefined) throw new DefinitionError(`${name} is missing in the reference`);
    return make(resultTypes[operation.result], result);
  }

  join(low: Value, high: Value): ReferenceValue {
    if (low.type !== 64 || high.type !== 64) throw new DefinitionError('join takes two values of type 64');
    return make(128, (bitsOf(high) << 64n) | bitsOf(low));
  }
}

function checkOperation(operation: Operation, args: readonly Value[], immediates: readonly number[]): void {
  const { name, params, lanes } = operation;
  if (args.length !== params.length) throw new DefinitionError(`${name} takes ${params.length} arguments`);
  for (let i = 0; i < args.length; i++) {
    if (wasmTypes[args[i].type] !== params[i]) {
      throw new DefinitionError(`${name}: argument ${i} has type ${args[i].type}`);
    }
  }
  if (immediates.length !== lanes) throw new DefinitionError(`${name} takes ${lanes} immediates`);
}

function floatConstant(type: 'f32' | 'f64', value: number): ReferenceValue {
  const view = new DataView(new ArrayBuffer(8));
  if (type === 'f64') {
    view.setFloat64(0, value);
    return make(type, view.getBigUint64(0));
  }
  view.setFloat32(0, value);
  return make(type, BigInt(view.getUint32(0)));
}
