import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fanOut, type IrqLine, OrGate, pulse } from './irq.ts';

function probe(): IrqLine & { levels: boolean[] } {
  const levels: boolean[] = [];
  return { levels, set: (level) => levels.push(level) };
}

test('a shared line is high while any input is', () => {
  const out = probe();
  const gate = new OrGate(out);
  const [a, b] = [gate.input(), gate.input()];
  a.set(true);
  b.set(true);
  b.set(true);
  a.set(false);
  assert.equal(out.levels.at(-1), true);
  b.set(false);
  b.set(false);
  assert.equal(out.levels.at(-1), false);
  a.set(true);
  assert.equal(out.levels.at(-1), true);
});

test('a fan-out drives every line and a pulse is high, then low', () => {
  const [a, b] = [probe(), probe()];
  pulse(fanOut(a, b));
  assert.deepEqual(a.levels, [true, false]);
  assert.deepEqual(b.levels, [true, false]);
});
