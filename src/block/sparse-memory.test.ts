import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SparseMemory } from './sparse-memory.ts';

test('what was written is read again, across pieces, and the rest is zeros', async () => {
  const memory = new SparseMemory();
  const expected = new Uint8Array(300_000);
  for (const [offset, length] of [
    [65_000, 1000],
    [131_072, 65_536],
    [0, 512],
    [65_500, 140_000],
  ]) {
    const bytes = Uint8Array.from({ length }, (_, i) => i % 251);
    await memory.write(offset, bytes);
    expected.set(bytes, offset);
  }
  const all = new Uint8Array(expected.length).fill(0xee);
  await memory.read(0, all);
  assert.deepEqual(all, expected);
  const far = new Uint8Array(512).fill(0xee);
  await memory.read(2 ** 40, far);
  assert.deepEqual(far, new Uint8Array(512));
});
