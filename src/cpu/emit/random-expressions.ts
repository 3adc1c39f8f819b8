/**
 * Random straight-line programs in the algebra, for tests that run them on two engines. They are made so that little is
 * needed for values to meet: few leaves, used often, and constants at the edges of types.
 */

import { I32, I64 } from '../../wasm/encoder.ts';
import { operations } from '../../wasm/operations.ts';
import type { Algebra, Flag, FlagWrites, Type, Value } from '../algebra.ts';
import { type AlgebraCase, applyCase } from '../algebra-cases.ts';
import { addFlags, logicFlags, subFlags } from '../isa/flag-writes.ts';

/** One value, from those of the steps before it; `args` are their numbers. */
export type Step =
  | { readonly kind: 'leaf'; readonly type: Type; readonly leaf: number }
  | { readonly kind: 'constant'; readonly type: Type; readonly bits: bigint }
  | { readonly kind: 'case'; readonly row: AlgebraCase; readonly args: readonly number[] }
  | { readonly kind: 'op'; readonly name: string; readonly args: readonly number[]; readonly lanes: readonly number[] }
  | { readonly kind: 'arithmetic'; readonly name: 'add' | 'sub' | 'and'; readonly args: readonly number[] }
  | { readonly kind: 'flags'; readonly args: readonly number[] }
  | { readonly kind: 'flag'; readonly flag: Flag }
  | { readonly kind: 'condition'; readonly code: number };

/** Leaves of any program: their types, by number. Of narrow types there are some that come from wider ones. */
export const leafTypes: readonly Type[] = [8, 8, 16, 16, 32, 32, 64, 64, 128, 128];

/** Of integers, and none that trap. */
const namedOperations = [...operations.values()].filter(
  ({ name, params, result, lanes }) =>
    lanes === 0 && [...params, result].every((type) => type === I32 || type === I64) && !/div|rem/.test(name),
);

const FLAGS: readonly Flag[] = ['CF', 'PF', 'AF', 'ZF', 'SF', 'OF'];

/** Runs one step; what it gives is a value of the type it was made with. */
export function applyStep(m: Algebra, step: Step, values: readonly Value[], leaf: (number: number) => Value): Value {
  const arg = (i: number): Value => values[(step as { args: readonly number[] }).args[i] as number] as Value;
  switch (step.kind) {
    case 'leaf':
      return leaf(step.leaf);
    case 'constant':
      return m.const(step.type, step.bits);
    case 'case':
      return applyCase(
        m,
        step.row,
        step.args.map((_, i) => arg(i)),
      )[0] as Value;
    case 'op':
      return m.op(
        step.name,
        step.args.map((_, i) => arg(i)),
        step.lanes,
      );
    case 'arithmetic': {
      const result = m[step.name](arg(0), arg(1));
      m.setFlags(flagsOf(m, step.name, arg(0), arg(1), result));
      return result;
    }
    case 'flags':
      m.setFlags(Object.fromEntries(FLAGS.map((flag, i) => [flag, arg(i)])));
      return m.const(1, 0);
    case 'flag':
      return m.getFlag(step.flag);
    case 'condition':
      return m.condition(step.code);
  }
}

function flagsOf(m: Algebra, name: 'add' | 'sub' | 'and', a: Value, b: Value, result: Value): FlagWrites {
  if (name === 'and') return logicFlags(m, result);
  return name === 'add' ? addFlags(m, a, b, result) : subFlags(m, a, b, result);
}

type Integer = 8 | 16 | 32 | 64;

const INTEGERS: readonly Integer[] = [8, 16, 32, 64];
const WORDS: readonly Integer[] = [32, 64];
const COUNTS: readonly number[] = [0, 1, 2, 4, 7, 8, 12, 15, 16, 24, 31, 32, 40, 48, 56, 63];

export class Programs {
  readonly #random: () => bigint;
  #steps: Step[] = [];
  #types: Type[] = [];

  constructor(random: () => bigint) {
    this.#random = random;
  }

  /** A program that begins with the leaves. */
  next(length: number): readonly Step[] {
    this.#steps = [];
    this.#types = [];
    for (const [leaf, type] of leafTypes.entries()) this.#add(type, { kind: 'leaf', type, leaf });
    this.#case('add', 32, [4, 5]);
    this.#setFlags();
    while (this.#steps.length < length) this.#any();
    return this.#steps;
  }

  #below(limit: number): number {
    return Number(this.#random() % BigInt(limit));
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#below(from.length)] as T;
  }

  #add(type: Type, step: Step): number {
    this.#types.push(type);
    return this.#steps.push(step) - 1;
  }

  #case(
    operation: AlgebraCase['operation'],
    type: Type,
    args: readonly number[],
    more: { to?: Type; number?: number } = {},
  ): number {
    return this.#add(type, { kind: 'case', row: { operation, args: [], expected: [], ...more }, args });
  }

  #op(name: string, type: Type, args: readonly number[], ...lanes: number[]): number {
    return this.#add(type, { kind: 'op', name, args, lanes });
  }

  /** Bits of a constant or of a leaf. */
  bits(type: Type): bigint {
    const width = type === 'f32' ? 32 : type === 'f64' ? 64 : type;
    const n = BigInt(this.#below(width));
    const some = [0n, 1n, -1n, 2n, -2n, 1n << n, -1n << n, (1n << n) - 1n, (1n << n) + 1n, 0xffn << n];
    const bits = this.#below(4) === 0 ? this.#random() | (this.#random() << 64n) : this.#pick(some);
    return BigInt.asUintN(width, this.#below(3) === 0 ? bits & (0xffn << n) : bits);
  }

  #constant(type: Type, bits = this.bits(type)): number {
    return this.#add(type, { kind: 'constant', type, bits });
  }

  /** A step of that type; rather a late one, so that expressions become deep. */
  #value(type: Type, constants = true): number {
    if (constants && type !== 'f32' && type !== 'f64' && this.#below(3) === 0) return this.#constant(type);
    const found: number[] = [];
    for (const [i, other] of this.#types.entries()) if (other === type) found.push(i);
    if (found.length === 0) return this.#made(type);
    return this.#below(2) === 0 ? (found.at(-1 - this.#below(Math.min(3, found.length))) as number) : this.#pick(found);
  }

  #made(type: Type): number {
    if (type === 'f32') return this.#op('f32.reinterpret_i32', type, [this.#value(32)]);
    if (type === 'f64') return this.#op('f64.reinterpret_i64', type, [this.#value(64)]);
    return this.#case('isZero', 1, [this.#value(32)]);
  }

  #any(): void {
    const type = this.#pick(INTEGERS);
    const kinds = [
      () => this.#binary(type),
      () => this.#binary(type),
      () => this.#shift(type),
      () => this.#shift(type),
      () => this.#constantsTwice(type),
      () => this.#unary(type),
      () => this.#comparison(type),
      () => this.#comparison(type),
      () => this.#conversion(),
      () => this.#conversion(),
      () => this.#partOfRegister(),
      () => this.#shiftedTwice(type),
      () => this.#extendedAndCompared(),
      () => this.#named(),
      () => this.#truth(),
      () => this.#select(),
      () => this.#division(),
      () => this.#vector(),
      () => this.#vector(),
      () => this.#setFlags(),
      () => this.#condition(),
    ];
    this.#pick(kinds)();
  }

  #binary(type: Type): void {
    const operation = this.#pick(['add', 'sub', 'mul', 'and', 'or', 'xor', 'and', 'add', 'sub'] as const);
    this.#case(operation, type, this.#pair(type));
  }

  /** Two values; often the same one, or one of which the other is made. */
  #pair(type: Type): [number, number] {
    const a = this.#value(type);
    if (this.#below(8) === 0) return [a, a];
    return this.#below(2) === 0 ? [a, this.#value(type)] : [this.#value(type), a];
  }

  #shift(type: Integer): void {
    const word = type >= 32 && this.#below(4) === 0;
    const operation = this.#pick(word ? (['rotl', 'rotr'] as const) : (['shl', 'shr', 'sar'] as const));
    const value = this.#value(type);
    if (this.#below(4) !== 0) {
      this.#case(operation, type, [value], { number: this.#pick(COUNTS.filter((count) => count < type)) });
      return;
    }
    const counted = this.#pick(INTEGERS);
    const mask = this.#constant(counted, this.#pick([BigInt(type - 1), BigInt(type / 2 - 1), 7n, 6n]));
    this.#case(operation, type, [value, this.#case('and', counted, [this.#value(counted), mask])]);
  }

  /** Two shifts of one value, the second often undoing the first but for bits that are lost. */
  #shiftedTwice(type: Integer): void {
    const counts = COUNTS.filter((count) => count < type);
    const number = this.#pick(counts);
    const twice = ['shl', 'shr', 'sar'] as const;
    let once = this.#case(this.#pick(twice), type, [this.#value(type)], { number });
    const between = this.#below(4);
    if (between === 0) once = this.#case('and', type, [once, this.#constant(type)]);
    if (between === 1)
      once = this.#case(this.#pick(['or', 'xor'] as const), type, this.#either(once, this.#value(type)));
    this.#case(this.#pick(twice), type, [once], { number: this.#below(2) === 0 ? number : this.#pick(counts) });
  }

  #either(a: number, b: number): [number, number] {
    return this.#below(2) === 0 ? [a, b] : [b, a];
  }

  /** Two values extended from the same type, or one and a constant. */
  #extendedAndCompared(): void {
    const from = this.#pick([1, 8, 16, 32] as const);
    const to = this.#pick([32, 64] as const);
    if (from === to) return;
    const extend = this.#pick(['zext', 'sext'] as const);
    const a = this.#case(extend, to, [this.#value(from)], { to });
    const b = this.#pick([
      () => this.#case(extend, to, [this.#value(from)], { to }),
      () => this.#constant(to),
      () => this.#constant(to, this.#pick([0n, 1n, BigInt.asUintN(to, -1n)])),
    ])();
    const operation = this.#pick(['eq', 'ne', 'ltU', 'ltS', 'leU', 'leS', 'sub', 'xor'] as const);
    if (operation === 'sub' || operation === 'xor')
      this.#case('isZero', 1, [this.#case(operation, to, this.#either(a, b))]);
    else this.#case(operation, 1, this.#either(a, b));
  }

  /** An operation of WebAssembly's by its name. */
  #named(): void {
    const { name, params, result } = this.#pick(namedOperations);
    const types: Record<number, Type> = { [I32]: 32, [I64]: 64 };
    this.#op(
      name,
      types[result] as Type,
      params.map((param) => this.#value(types[param] as Type)),
    );
  }

  /** The same operation twice with constants, where they can be put together. */
  #constantsTwice(type: Integer): void {
    const operation = this.#pick(['add', 'sub', 'and', 'or', 'xor'] as const);
    if (this.#below(4) === 0) {
      const value = this.#value(type, false);
      const sums = [value, value].map((base) => this.#case('add', type, [base, this.#constant(type)]));
      this.#case(
        'sub',
        type,
        this.#below(3) === 0 ? [sums[0] as number, value] : [sums[0] as number, sums[1] as number],
      );
      return;
    }
    const first = this.#pick([
      () => this.#case(operation, type, [this.#value(type), this.#constant(type)]),
      () => this.#case('sub', type, [this.#constant(type), this.#value(type)]),
    ])();
    this.#case(this.#below(3) === 0 ? 'sub' : operation, type, [first, this.#constant(type)]);
  }

  #unary(type: Integer): void {
    if (this.#below(2) === 0) {
      this.#case(this.#pick(['not', 'neg'] as const), type, [this.#value(type)]);
      return;
    }
    const word = this.#pick(WORDS);
    this.#case(this.#pick(['clz', 'ctz', 'popcnt'] as const), word, [this.#value(word)]);
  }

  #comparison(type: Integer): void {
    const kind = this.#below(4);
    if (kind === 0) this.#case(this.#pick(['isZero', 'msb'] as const), 1, [this.#value(type)]);
    else if (kind === 1) this.#case('bit', 1, [this.#value(type)], { number: this.#below(type) });
    else this.#case(this.#pick(['eq', 'ne', 'ltU', 'ltS', 'leU', 'leS'] as const), 1, this.#pair(type));
  }

  #conversion(): void {
    const types = [1, ...INTEGERS, 128] as const;
    const from = this.#below(types.length);
    const to = this.#below(types.length);
    const [a, b] = [types[from] as Type, types[to] as Type];
    const args = [this.#value(a)];
    if (to < from) this.#case('trunc', b, args, { to: b });
    else this.#case(b === 128 || this.#below(2) === 0 ? 'zext' : 'sext', b, args, { to: b });
  }

  /** A value put into part of a wider one, or taken out of it. */
  #partOfRegister(): void {
    const type = this.#pick([8, 16] as const);
    const low = type === 8 ? this.#pick([0, 8]) : 0;
    const wide = this.#value(64, false);
    if (this.#below(2) === 0) {
      const moved = low === 0 ? wide : this.#case('shr', 64, [wide], { number: low });
      this.#case('trunc', type, [moved], { to: type });
      return;
    }
    const hole = this.#constant(64, BigInt.asUintN(64, ~(((1n << BigInt(type)) - 1n) << BigInt(low))));
    const kept = this.#case('and', 64, [wide, hole]);
    const part = this.#case('zext', 64, [this.#value(type)], { to: 64 });
    const moved = low === 0 ? part : this.#case('shl', 64, [part], { number: low });
    this.#case('or', 64, [kept, moved]);
  }

  #truth(): void {
    const operation = this.#pick(['not', 'and', 'or', 'xor', 'xor'] as const);
    this.#case(operation, 1, operation === 'not' ? [this.#value(1)] : this.#pair(1));
  }

  #select(): void {
    if (this.#below(3) === 0) {
      const type = this.#pick([1, ...INTEGERS] as const);
      const bits = this.#pick([
        [1n, 0n],
        [0n, 1n],
        [-1n, 0n],
      ]);
      const [a, b] = bits.map((value) => this.#constant(type, BigInt.asUintN(type, value)));
      this.#case('select', type, [this.#value(1), a as number, b as number]);
      return;
    }
    const type = this.#pick([1, ...INTEGERS, 128, 'f64'] as const);
    const [a, b] = this.#pair(type);
    this.#case('select', type, [this.#value(1), a, b]);
  }

  #division(): void {
    const type = this.#pick(WORDS);
    const one = this.#constant(type, 1n);
    const positive = this.#constant(type, (1n << BigInt(type - 1)) - 1n);
    const odd = this.#case('or', type, [this.#value(type), one]);
    const divisor = this.#below(3) === 0 ? one : this.#case('and', type, [odd, positive]);
    this.#case(this.#pick(['divU', 'divS', 'remU', 'remS'] as const), type, [this.#value(type), divisor]);
  }

  #vector(): void {
    const vector = this.#value(128);
    const lane2 = this.#below(2);
    const lane4 = this.#below(4);
    const kinds: (() => void)[] = [
      () => this.#case('join', 128, this.#pair(64)),
      () => this.#op('i64x2.splat', 128, [this.#value(64)]),
      () => this.#op('f64x2.splat', 128, [this.#value('f64')]),
      () => this.#op('i32x4.splat', 128, [this.#value(32)]),
      () => this.#op('f32x4.splat', 128, [this.#value('f32')]),
      () => this.#op('i64x2.extract_lane', 64, [vector], lane2),
      () => this.#op('f64x2.extract_lane', 'f64', [vector], lane2),
      () => this.#op('i32x4.extract_lane', 32, [vector], lane4),
      () => this.#op('f32x4.extract_lane', 'f32', [vector], lane4),
      () => this.#op('i8x16.extract_lane_u', 32, [vector], lane4),
      () => this.#op('i16x8.extract_lane_u', 32, [vector], lane4),
      () => this.#op('i64x2.replace_lane', 128, [vector, this.#value(64)], lane2),
      () => this.#op('f64x2.replace_lane', 128, [vector, this.#value('f64')], lane2),
      () => this.#op('i32x4.replace_lane', 128, [vector, this.#value(32)], lane4),
      () => this.#op('f32x4.replace_lane', 128, [vector, this.#value('f32')], lane4),
      () => this.#op(this.#pick(['v128.and', 'v128.or', 'v128.xor', 'v128.andnot']), 128, this.#pair(128)),
      () => this.#op(this.#pick(['i8x16.eq', 'i16x8.eq', 'i32x4.eq', 'i64x2.eq']), 128, this.#pair(128)),
      () => this.#op(this.#pick(['i8x16.sub', 'i16x8.sub', 'i32x4.sub', 'i64x2.sub']), 128, this.#pair(128)),
      () => this.#op('i64.reinterpret_f64', 64, [this.#value('f64')]),
      () => this.#op('i32.reinterpret_f32', 32, [this.#value('f32')]),
      () => this.#op('f64.reinterpret_i64', 'f64', [this.#value(64)]),
      () => this.#op('f32.reinterpret_i32', 'f32', [this.#value(32)]),
      () => this.#op('i64.extend32_s', 64, [this.#value(64)]),
    ];
    this.#pick(kinds)();
  }

  #setFlags(): void {
    if (this.#below(6) === 0) {
      this.#add(1, { kind: 'flags', args: FLAGS.map(() => this.#value(1)) });
    } else {
      const type = this.#pick(INTEGERS);
      this.#add(type, {
        kind: 'arithmetic',
        name: this.#pick(['sub', 'sub', 'add', 'and'] as const),
        args: this.#pair(type),
      });
    }
    this.#condition();
    this.#condition();
  }

  #condition(): void {
    if (this.#below(4) === 0) this.#add(1, { kind: 'flag', flag: this.#pick(FLAGS) });
    else this.#add(1, { kind: 'condition', code: this.#below(16) });
  }
}
