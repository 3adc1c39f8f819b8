import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Algebra, Flag } from '../algebra.ts';
import { algebraCases, applyCase, conditionCases, flagCases, registerCases } from '../algebra-cases.ts';
import { RAX, vcpu } from '../state.ts';
import { machine } from './test-machine.ts';
import { bitsOf, DefinitionError, make, ReferenceValues } from './values.ts';

const FLAGS: readonly Flag[] = ['CF', 'PF', 'AF', 'ZF', 'SF', 'OF'];

/** Runs `body` as an instruction. */
function run(body: (m: Algebra) => void): void {
  const { fault } = machine(body, [0x90]).engine.step();
  assert.equal(fault, undefined);
}

test('pure operations give what the table says', () => {
  const m = new ReferenceValues();
  for (const row of algebraCases) {
    const args = row.args.map(([type, bits]) => m.const(type, bits));
    const results = applyCase(m, row, args).map((value) => [value.type, bitsOf(value)]);
    const call = `${row.operation}(${args.map((arg) => `${arg.type}:0x${arg.bits.toString(16)}`)}, ${row.number}) ${row.to}`;
    assert.deepEqual(results, row.expected, call);
  }
});

function setAll(m: Algebra, flags: readonly Flag[]): void {
  m.setFlags(Object.fromEntries(FLAGS.map((flag) => [flag, m.const(1, flags.includes(flag) ? 1 : 0)])));
}

test('flags are written as the table says', () => {
  for (const { before, writes, expected } of flagCases) {
    run((m) => {
      setAll(m, before === 'set' ? FLAGS : []);
      const { result, ...flags } = writes;
      const values = Object.entries(flags).map(([flag, on]) => [flag, m.const(1, on ? 1 : 0)]);
      m.setFlags({ ...Object.fromEntries(values), ...(result && { result: m.const(result[0], result[1]) }) });
      const set = FLAGS.filter((flag) => bitsOf(m.getFlag(flag)) === 1n);
      assert.deepEqual(set, expected, `${before} ${Object.keys(writes)}`);
    });
  }
});

test('conditions hold as the table says', () => {
  for (const { flags, holds } of conditionCases) {
    run((m) => {
      setAll(m, flags);
      const codes = Array.from({ length: 16 }, (_, code) => code);
      assert.deepEqual(
        codes.filter((code) => bitsOf(m.condition(code)) === 1n),
        holds,
        flags.join(),
      );
    });
  }
});

test('register writes keep what the table says', () => {
  for (const { before, write, after } of registerCases) {
    run((m) => {
      m.set(vcpu.gpr, m.const(64, before));
      m.setGpr(RAX, m.const(...write));
      assert.equal(bitsOf(m.getGpr(RAX, 64)), after);
    });
  }
});

test('operations on types that do not go together are mistakes', () => {
  const m = new ReferenceValues();
  const [byte, word, wide] = [make(8, 1n), make(32, 1n), make(64, 1n)];
  for (const mistake of [
    () => m.add(byte, word),
    () => m.add(make('f32', 0n), make('f32', 0n)),
    () => m.eq(word, wide),
    () => m.select(byte, word, word),
    () => m.select(make(1, 1n), word, wide),
    () => m.clz(byte),
    () => m.rotl(byte, 1),
    () => m.divU(byte, byte),
    () => m.divU(word, make(32, 0n)),
    () => m.divS(make(32, 0x8000_0000n), make(32, 0xffff_ffffn)),
    () => m.zext(wide, 32),
    () => m.trunc(byte, 32),
    () => m.bit(byte, 8),
    () => m.mulWide(word, word),
    () => m.join(word, word),
  ]) {
    assert.throws(mistake, DefinitionError, String(mistake));
  }
});

test('a shift by the width or more gives nothing to rely on', () => {
  const m = new ReferenceValues();
  assert.notEqual(bitsOf(m.shl(make(32, 1n), 32)), 1n);
  assert.notEqual(bitsOf(m.shr(make(32, 1n), make(8, 33n))), 0n);
});
