/**
 * Operations one upon the other, for tests: every block that takes a type upon every block that gives it. They have
 * constants where folding looks at them, so that rules meet their edges.
 */

import type { Type } from '../algebra.ts';
import type { AlgebraCase } from '../algebra-cases.ts';
import { leafTypes, type Step } from './random-expressions.ts';

type Integer = 1 | 8 | 16 | 32 | 64;

/** From a value of one type to one of another. */
interface Block {
  readonly from: Integer;
  readonly to: Integer;
  /** Appends to the program; the number of the result is returned. */
  build(program: Program, value: number): number;
}

/** Steps under construction; the leaves come first. */
export class Program {
  readonly steps: Step[] = leafTypes.map((type, leaf) => ({ kind: 'leaf', type, leaf }));

  #add(step: Step): number {
    return this.steps.push(step) - 1;
  }

  constant(type: Type, bits: bigint): number {
    return this.#add({ kind: 'constant', type, bits: BigInt.asUintN(type as number, bits) });
  }

  case(
    operation: AlgebraCase['operation'],
    args: readonly number[],
    more: { to?: Type; number?: number } = {},
  ): number {
    return this.#add({ kind: 'case', row: { operation, args: [], expected: [], ...more }, args });
  }
}

const INTEGERS: readonly Integer[] = [1, 8, 16, 32, 64];

function distinct(type: number, all: readonly bigint[]): bigint[] {
  return [...new Set(all.map((bits) => BigInt.asUintN(type, bits)))];
}

const MASKS: readonly bigint[] = [
  ...[1n, 3n, 0x7fn, 0x80n, 0xffn, 0xff00n, 0xffffn, ~0xffn, ~0xff00n, ~0xffffn, ~1n],
  ...[31n, 32n, 63n].flatMap((width) => [1n << width, (1n << width) - 1n, ~0n << width]),
];

/** The ends of types as signed and as unsigned numbers, and what is beside them. */
function ends(type: number): bigint[] {
  const all = [0n, 1n, 2n, -1n, 0x80n, 0xffn, 0x100n, 0x7fff_ffffn, -0x8000_0000n, 0xffff_ffffn];
  return distinct(type, [...all, 1n << BigInt(type - 1)]);
}

function leafOf(type: Type): number {
  return leafTypes.indexOf(type);
}

function unaryBlocks(type: 8 | 16 | 32 | 64): Block[] {
  const blocks: Block[] = [];
  const add = (to: Integer, build: Block['build']): unknown => blocks.push({ from: type, to, build });
  for (const operation of ['shl', 'shr', 'sar'] as const) {
    for (const number of [1, 4, 7, 8, 16, 24, 31, 32, 48, 56, 63]) {
      if (number < type) add(type, (p, x) => p.case(operation, [x], { number }));
    }
  }
  for (const index of [0, 1, 7, 8, 15, 31, 32, 40, 63]) {
    if (index < type) add(1, (p, x) => p.case('bit', [x], { number: index }));
  }
  for (const to of INTEGERS) {
    if (to < type) add(to, (p, x) => p.case('trunc', [x], { to }));
    if (to > type) add(to, (p, x) => p.case('zext', [x], { to }));
    if (to > type) add(to, (p, x) => p.case('sext', [x], { to }));
  }
  add(1, (p, x) => p.case('isZero', [x]));
  add(type, (p, x) => p.case('not', [x]));
  add(type, (p, x) => p.case('neg', [x]));
  return blocks;
}

function constantBlocks(type: 8 | 16 | 32 | 64): Block[] {
  const blocks: Block[] = [];
  const add = (operation: 'and' | 'or' | 'xor' | 'add' | 'eq' | 'ltU' | 'leU' | 'ltS' | 'leS', bits: bigint): unknown =>
    blocks.push({
      from: type,
      to: ['and', 'or', 'xor', 'add'].includes(operation) ? type : 1,
      build: (p, x) => p.case(operation, [x, p.constant(type, bits)]),
    });
  for (const bits of distinct(type, MASKS)) add('and', bits);
  for (const bits of ends(type))
    for (const operation of ['eq', 'ltU', 'leU', 'ltS', 'leS'] as const) add(operation, bits);
  for (const bits of distinct(type, [1n, 2n, -8n, 0xffn, 1n << BigInt(type - 1)])) {
    for (const operation of ['add', 'or', 'xor'] as const) add(operation, bits);
    blocks.push({ from: type, to: type, build: (p, x) => p.case('sub', [p.constant(type, bits), x]) });
  }
  return blocks;
}

/** With a leaf: of the same type, and a narrower one put into a part. */
function leafBlocks(type: 8 | 16 | 32 | 64): Block[] {
  const leaf = leafOf(type);
  const blocks: Block[] = [];
  for (const operation of ['add', 'sub', 'and', 'or', 'xor', 'mul', 'eq', 'ltS'] as const) {
    const to = operation === 'eq' || operation === 'ltS' ? 1 : type;
    blocks.push({ from: type, to, build: (p, x) => p.case(operation, [x, leaf]) });
  }
  for (const narrow of [8, 16, 32] as const) {
    if (narrow >= type) continue;
    for (const number of [0, 8, 32]) {
      if (number >= type) continue;
      for (const operation of ['or', 'xor'] as const) {
        const part = (p: Program): number => {
          const wide = p.case('zext', [leafOf(narrow)], { to: type });
          return number === 0 ? wide : p.case('shl', [wide], { number });
        };
        blocks.push({ from: type, to: type, build: (p, x) => p.case(operation, [x, part(p)]) });
        blocks.push({ from: type, to: type, build: (p, x) => p.case(operation, [part(p), x]) });
      }
    }
  }
  if (type >= 32) {
    for (const mask of [1n, 7n, 15n, 31n, 63n]) {
      const count = (p: Program): number => p.case('and', [leaf, p.constant(type, mask & BigInt(type - 1))]);
      blocks.push({ from: type, to: type, build: (p, x) => p.case('shr', [x, count(p)]) });
    }
  }
  return blocks;
}

function conditionBlocks(): Block[] {
  const blocks: Block[] = [{ from: 1, to: 1, build: (p, x) => p.case('not', [x]) }];
  for (const to of [8, 16, 32, 64] as const) {
    blocks.push({ from: 1, to, build: (p, x) => p.case('zext', [x], { to }) });
    blocks.push({ from: 1, to, build: (p, x) => p.case('sext', [x], { to }) });
    for (const [a, b] of [
      [1n, 0n],
      [0n, 1n],
      [-1n, 0n],
      [0n, -1n],
      [5n, 0n],
      [-1n, 5n],
      [0n, 5n],
      [5n, 1n],
    ] as const) {
      blocks.push({ from: 1, to, build: (p, x) => p.case('select', [x, p.constant(to, a), p.constant(to, b)]) });
    }
    blocks.push({ from: 1, to, build: (p, x) => p.case('select', [x, leafOf(to), p.constant(to, 3n)]) });
  }
  return blocks;
}

const blocks: readonly Block[] = [
  ...([8, 16, 32, 64] as const).flatMap((type) => [...unaryBlocks(type), ...constantBlocks(type), ...leafBlocks(type)]),
  ...conditionBlocks(),
];

const byType = new Map(INTEGERS.map((type) => [type, blocks.filter(({ from }) => from === type)]));

/** A program for each block upon a leaf, with every block upon that. */
export function* pairs(): Generator<Program> {
  for (const first of blocks) {
    if (first.from === 1) continue;
    const program = new Program();
    const value = first.build(program, leafOf(first.from));
    for (const second of byType.get(first.to) as Block[]) second.build(program, value);
    yield program;
  }
}

/** A program of towers of blocks, drawn with `below`. */
export function towers(count: number, height: number, below: (limit: number) => number): Program {
  const program = new Program();
  for (let i = 0; i < count; i++) {
    let type = ([8, 16, 32, 64] as const)[below(4)] as Integer;
    let value = leafOf(type);
    for (let level = 0; level < height; level++) {
      const fitting = byType.get(type) as Block[];
      const block = fitting[below(fitting.length)] as Block;
      value = block.build(program, value);
      type = block.to;
    }
  }
  return program;
}
