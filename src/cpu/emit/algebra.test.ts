import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Algebra, Flag, Type, Value } from '../algebra.ts';
import { algebraCases, applyCase, conditionCases, flagCases, registerCases } from '../algebra-cases.ts';
import { MAXIMUM_PAGES, MachineMemory } from '../machine-memory.ts';
import { RAX, type StateField, vcpu } from '../state.ts';
import { CodeSpace } from './code-space.ts';
import { CoreFunctions } from './core-functions.ts';
import type { EmitterContext } from './emitter.ts';
import { RoutineEmitter } from './routine.ts';

/** The table that the reference passes too, here on generated code. */

const FLAGS: readonly Flag[] = ['CF', 'PF', 'AF', 'ZF', 'SF', 'OF'];
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

/** Where results are left: 16 bytes each, beyond the vCPU's fields. */
const RESULTS: StateField = { name: 'results', type: 128, count: 64, offset: 0x8000 };
/** Where arguments come from, so that the WebAssembly engine cannot know them. */
const ARGUMENTS: StateField = { name: 'arguments', type: 128, count: 4, offset: 0x9000 };

/** Emits `body` as a routine and runs it; gives the bits of the values it returned. */
function run(args: readonly (readonly [Type, bigint])[], body: (m: Algebra, args: Value[]) => Value[]): bigint[] {
  const ref = space.reserve([], []);
  const module = space.module();
  let types: Type[] = [];
  args.forEach(([, bits], i) => {
    memory.view.setBigUint64(BASE + ARGUMENTS.offset + 16 * i, bits & 0xffff_ffff_ffff_ffffn, true);
    memory.view.setBigUint64(BASE + ARGUMENTS.offset + 16 * i + 8, bits >> 64n, true);
  });
  module.define(ref, 'test', (builder) => {
    RoutineEmitter.emit(builder, context, {
      name: 'test',
      params: [],
      results: [],
      faults: false,
      body(m) {
        const values = args.map(([type], i) => m.trunc(m.getAt(ARGUMENTS, i), type));
        const results = body(m, values);
        types = results.map(({ type }) => type);
        for (const [i, value] of results.entries()) m.setAt(RESULTS, i, m.zext(value, 128));
        return [];
      },
    });
  });
  module.instantiate();
  (space.table.get(ref.slot) as (cpu: number, operation: number) => void)(BASE, 0);
  return types.map((type, i) => {
    const low = memory.view.getBigUint64(BASE + RESULTS.offset + 16 * i, true);
    const high = memory.view.getBigUint64(BASE + RESULTS.offset + 16 * i + 8, true);
    return BigInt.asUintN(type as number, low | (high << 64n));
  });
}

test('pure operations give what the table says', () => {
  for (const row of algebraCases) {
    const results = run(row.args, (m, args) => applyCase(m, row, args));
    const expected = row.expected.map(([, bits]) => bits);
    assert.deepEqual(results, expected, `${row.operation}(${row.args.join('; ')}, ${row.number}) ${row.to}`);
  }
});

function setAll(m: Algebra, flags: readonly Flag[]): void {
  m.setFlags(Object.fromEntries(FLAGS.map((flag) => [flag, m.const(1, flags.includes(flag) ? 1 : 0)])));
}

test('flags are written as the table says', () => {
  for (const { before, writes, expected } of flagCases) {
    const results = run([], (m) => {
      setAll(m, before === 'set' ? FLAGS : []);
      const { result, ...flags } = writes;
      const values = Object.entries(flags).map(([flag, on]) => [flag, m.const(1, on ? 1 : 0)]);
      m.setFlags({ ...Object.fromEntries(values), ...(result && { result: m.const(result[0], result[1]) }) });
      return FLAGS.map((flag) => m.getFlag(flag));
    });
    const set = FLAGS.filter((_, i) => results[i] === 1n);
    assert.deepEqual(set, expected, `${before} ${Object.keys(writes)}`);
  }
});

test('conditions hold as the table says', () => {
  for (const { flags, holds } of conditionCases) {
    const codes = Array.from({ length: 16 }, (_, code) => code);
    const results = run([], (m) => {
      setAll(m, flags);
      return codes.map((code) => m.condition(code));
    });
    assert.deepEqual(
      codes.filter((code) => results[code] === 1n),
      holds,
      flags.join(),
    );
  }
});

test('register writes keep what the table says', () => {
  for (const { before, write, after } of registerCases) {
    const [result] = run([], (m) => {
      m.set({ ...vcpu.gpr, count: 1 }, m.const(64, before));
      m.setGpr(RAX, m.const(...write));
      return [m.getGpr(RAX, 64)];
    });
    assert.equal(result, after);
  }
});
