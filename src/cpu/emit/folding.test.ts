import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Algebra, Type, Value } from '../algebra.ts';
import { randomNumbers } from '../isa/fp/test-algebra.ts';
import { MAXIMUM_PAGES, MachineMemory } from '../machine-memory.ts';
import { CODE, machine } from '../reference/test-machine.ts';
import { bitsOf } from '../reference/values.ts';
import { type StateField, vcpu } from '../state.ts';
import { CodeSpace } from './code-space.ts';
import { pairs, towers } from './composed-expressions.ts';
import { CoreFunctions } from './core-functions.ts';
import type { EmitterContext } from './emitter.ts';
import type { FunctionBuilder } from './function-builder.ts';
import type { Node } from './nodes.ts';
import { applyStep, leafTypes, Programs, type Step } from './random-expressions.ts';
import { RoutineEmitter } from './routine.ts';

const SEED = 0x1234_5678_9abc_def1n;
const PROGRAMS = 400;
const LENGTH = 100;
const TOWERS = 150;
/** Sets of leaves that each program is run with. */
const RUNS = 6;

const BASE = 0x1000;
const memory = new MachineMemory(1 << 17);
const space = new CodeSpace(memory.memory, { maximumPages: MAXIMUM_PAGES, shared: false, named: false });
const context: EmitterContext = {
  core: new CoreFunctions(space),
  routine: () => assert.fail('no routine is called'),
  reserve: (params, results) => space.reserve(params, results),
  countHits: false,
  traceEvents: false,
};

/** Beyond the vCPU's fields: results and leaves, 16 bytes each. */
const RESULTS: StateField = { name: 'results', type: 128, count: 1024, offset: 0x8000 };
const LEAVES_OFFSET = 0xd000;

/** Flags stay values, as they do where code is translated, so that conditions are folded with what they came from. */
class ForwardingEmitter extends RoutineEmitter {
  readonly #values = new Map<StateField, Node>();

  constructor(builder: FunctionBuilder) {
    super(builder, context, { name: 'test', results: [], faults: false });
  }

  override get(field: StateField): Node {
    return this.#values.get(field) ?? super.get(field);
  }

  override set(field: StateField, value: Value): void {
    this.#values.set(field, value as Node);
  }
}

/** Even leaves of narrow types are loaded as such, odd ones have other bits above them. */
function loadLeaf(m: Algebra, number: number): Value {
  const type = leafTypes[number] as 8 | 16 | 32 | 64 | 128;
  const wide = type < 32 && number % 2 === 1;
  const field: StateField = { name: 'leaf', type: wide ? 64 : type, count: 1, offset: LEAVES_OFFSET + 16 * number };
  return m.trunc(m.getAt(field, 0), type);
}

function whole(m: Algebra, value: Value): Value {
  if (value.type === 'f32') return m.zext(m.op('i32.reinterpret_f32', [value]), 128);
  if (value.type === 'f64') return m.zext(m.op('i64.reinterpret_f64', [value]), 128);
  return m.zext(value, 128);
}

interface Compiled {
  run(leaves: readonly bigint[]): bigint[];
}

function compile(program: readonly Step[]): Compiled {
  assert.ok(program.length <= RESULTS.count);
  const ref = space.reserve([], []);
  const module = space.module();
  module.define(ref, 'test', (builder) => {
    const m = new ForwardingEmitter(builder);
    const values: Value[] = [];
    for (const [i, step] of program.entries()) {
      const value = applyStep(m, step, values, (number) => loadLeaf(m, number));
      values.push(value);
      m.setAt(RESULTS, i, whole(m, value));
    }
    builder.return([]);
  });
  module.instantiate();
  const entry = space.table.get(ref.slot) as (cpu: number, operation: number) => void;
  const { view } = memory;
  return {
    run(leaves) {
      for (const [i, bits] of leaves.entries()) {
        view.setBigUint64(BASE + LEAVES_OFFSET + 16 * i, bits & 0xffff_ffff_ffff_ffffn, true);
        view.setBigUint64(BASE + LEAVES_OFFSET + 16 * i + 8, bits >> 64n, true);
      }
      entry(BASE, 0);
      return program.map((_, i) => {
        const at = BASE + RESULTS.offset + 16 * i;
        return view.getBigUint64(at, true) | (view.getBigUint64(at + 8, true) << 64n);
      });
    },
  };
}

let body: (m: Algebra) => void = () => {};
const { engine, state } = machine((m) => body(m), [0x90]);

/** What the reference says. */
function expected(program: readonly Step[], leaves: readonly bigint[]): bigint[] {
  const values: Value[] = [];
  body = (m) => {
    for (const step of program) {
      const leaf = (number: number): Value => {
        const type = leafTypes[number] as Type;
        return m.trunc(m.const(128, leaves[number] as bigint), type);
      };
      values.push(applyStep(m, step, values, leaf));
    }
  };
  state.set(vcpu.rip, CODE);
  assert.equal(engine.step().fault, undefined);
  return values.map(bitsOf);
}

function listing(program: readonly Step[], last: number, leaves: readonly bigint[]): string {
  const lines: string[] = [];
  const seen = new Set<number>();
  const visit = (i: number): void => {
    if (seen.has(i)) return;
    seen.add(i);
    const step = program[i] as Step;
    if ('args' in step) step.args.forEach(visit);
    lines.push(
      `${i}: ${JSON.stringify(step, (_, value) => (typeof value === 'bigint' ? `0x${value.toString(16)}` : value))}`,
    );
  };
  // A flag comes from the flags written last.
  for (let i = 0; i < last; i++) if (['arithmetic', 'flags'].includes((program[i] as Step).kind)) visit(i);
  visit(last);
  return `${lines.join('\n')}\nleaves ${leaves.map((bits) => `0x${bits.toString(16)}`).join(' ')}`;
}

/** Runs a program on both sides. */
function compare(what: string, program: readonly Step[], runs: readonly (readonly bigint[])[]): void {
  const compiled = compile(program);
  for (const leaves of runs) {
    const wanted = expected(program, leaves);
    const results = compiled.run(leaves);
    const wrong = wanted.findIndex((bits, i) => bits !== results[i]);
    if (wrong < 0) continue;
    assert.equal(
      (results[wrong] as bigint).toString(16),
      (wanted[wrong] as bigint).toString(16),
      `${what}, step ${wrong}\n${listing(program, wrong, leaves)}`,
    );
  }
}

test('random expressions have the values that the reference gives them', () => {
  const programs = new Programs(randomNumbers(SEED));
  for (let n = 0; n < PROGRAMS; n++) {
    const program = programs.next(LENGTH);
    compare(
      `program ${n}`,
      program,
      Array.from({ length: RUNS }, () => leafTypes.map(() => programs.bits(128))),
    );
  }
});

/** Leaves at the edges of types, and some others. */
const edges = [0n, 1n, -1n, 0x7fn, 0x80n, 0xff80n, 0x7fff_ffffn, 0x8000_0000n, 1n << 63n, 0x8123_4567_89ab_cdefn];
const edgeRuns = edges.map((bits) => leafTypes.map(() => BigInt.asUintN(128, bits)));

test('every operation upon every other has the value that the reference gives it', () => {
  const random = randomNumbers(SEED);
  const mixed = Array.from({ length: 2 }, () => leafTypes.map(() => random() | (random() << 64n)));
  for (const { steps } of pairs()) compare('pairs', steps, [...edgeRuns, ...mixed]);
});

test('towers of operations have the values that the reference gives them', () => {
  const random = randomNumbers(SEED);
  const below = (limit: number): number => Number(random() % BigInt(limit));
  const mixed = Array.from({ length: 4 }, () => leafTypes.map(() => random() | (random() << 64n)));
  for (let i = 0; i < TOWERS; i++) compare('towers', towers(40, 4, below).steps, [...edgeRuns, ...mixed]);
});

const comparisons = ['eq', 'ne', 'lt_s', 'lt_u', 'gt_s', 'gt_u', 'le_s', 'le_u', 'ge_s', 'ge_u'];

test('comparisons with constants, and their opposites, hold where the reference says', () => {
  for (const type of [32, 64] as const) {
    const top = 1n << BigInt(type - 1);
    const around = [0n, 1n, 2n, 0x7fn, 0xffn, top - 1n, top, top + 1n, 2n * top - 2n, 2n * top - 1n];
    const prefix = type === 32 ? 'i32' : 'i64';
    const leaf = leafTypes.indexOf(type);
    for (const name of comparisons) {
      // The leaf itself, and with its upper or all but its lowest bits cleared.
      const program: Step[] = [{ kind: 'leaf', type, leaf }];
      const add = (step: Step): number => program.push(step) - 1;
      const op = (of: string, ...args: number[]): number => add({ kind: 'op', name: of, args, lanes: [] });
      const byte = op(`${prefix}.and`, 0, add({ kind: 'constant', type, bits: 0xffn }));
      const lowest = op(`${prefix}.and`, 0, add({ kind: 'constant', type, bits: 1n }));
      for (const value of [0, byte, lowest]) {
        for (const edge of around) {
          const bits = add({ kind: 'constant', type, bits: edge });
          op('i32.eqz', op(`${prefix}.${name}`, value, bits));
          op('i32.eqz', op(`${prefix}.${name}`, bits, value));
        }
      }
      compare(
        `${prefix}.${name}`,
        program,
        around.map((edge) => leafTypes.map(() => edge)),
      );
    }
  }
});
