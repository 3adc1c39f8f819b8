import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testRandom } from '../test-network.ts';
import { TcpReassembly } from './reassembly.ts';
import { plus } from './sequence.ts';

/** What byte `i` of the stream is. */
const byteAt = (i: number): number => (i * 7) & 0xff;
const bytes = (start: number, length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => byteAt(start + i));

test('pieces in any order, overlapping anyhow, around the end of the numbers, give the stream', () => {
  const random = testRandom(1);
  const base = 0xffff_ff80;
  for (let round = 0; round < 200; round++) {
    const queue = new TcpReassembly();
    const missing = new Set(Array.from({ length: 256 }, (_, i) => i));
    while (missing.size > 0) {
      const start = random() % 256;
      const length = Math.min(256 - start, 1 + (random() % 40));
      queue.add(plus(base, start), bytes(start, length));
      for (let i = start; i < start + length; i++) missing.delete(i);
      assert.equal(queue.length, 256 - missing.size, 'nothing is kept twice');
    }
    let next = 0;
    for (let part = queue.take(base); part; part = queue.take(plus(base, next))) {
      assert.deepEqual(part, bytes(next, part.length));
      next += part.length;
    }
    assert.equal(next, 256);
    assert.equal(queue.length, 0);
  }
});

test('nothing is given out before its turn, and nothing old', () => {
  const queue = new TcpReassembly();
  queue.add(10, bytes(10, 5));
  assert.equal(queue.take(9), undefined);
  assert.deepEqual(queue.take(12), bytes(12, 3));
  queue.add(10, bytes(10, 5));
  assert.equal(queue.take(15), undefined);
  assert.equal(queue.length, 0);
});

test('a flood of single bytes is bounded; the first ones stay', () => {
  const queue = new TcpReassembly();
  for (let i = 1; i < 10_000; i++) queue.add(2 * i, bytes(2 * i, 1));
  assert.equal(queue.length, 128);
  assert.deepEqual(queue.take(2), bytes(2, 1));
});
