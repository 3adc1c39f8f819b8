import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteQueue } from './byte-queue.ts';
import { testRandom } from './test-network.ts';

test('copies anywhere and discards of any length see the bytes that were pushed', () => {
  const random = testRandom(1);
  const queue = new ByteQueue();
  let all: number[] = [];
  for (let i = 0; i < 5000; i++) {
    const chunk = Uint8Array.from({ length: i % 100 === 0 ? 2000 : random() % 20 }, () => random());
    queue.push(chunk);
    all.push(...chunk);
    const offset = random() % (all.length + 1);
    const count = random() % 30;
    assert.deepEqual([...queue.copy(offset, count)], all.slice(offset, offset + count));
    const gone = random() % Math.min(all.length + 1, 60);
    queue.discard(gone);
    all = all.slice(gone);
    assert.equal(queue.length, all.length);
  }
});

test('single bytes do not cost a piece each', () => {
  const queue = new ByteQueue();
  for (let i = 0; i < 500_000; i++) queue.push(Uint8Array.of(i));
  assert.equal(queue.length, 500_000);
  assert(queue.pieces <= 31);
  assert.deepEqual([...queue.copy(400_000, 3)], [0x80, 0x81, 0x82]);
});
