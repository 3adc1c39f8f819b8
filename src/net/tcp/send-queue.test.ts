import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testRandom } from '../test-network.ts';
import { SendQueue } from './send-queue.ts';

test('copies anywhere and discards of any length see the bytes that were pushed', () => {
  const random = testRandom(1);
  const queue = new SendQueue();
  let all: number[] = [];
  for (let i = 0; i < 5000; i++) {
    const chunk = Uint8Array.from({ length: random() % 20 }, () => random());
    queue.push(chunk);
    all.push(...chunk);
    const offset = random() % (all.length + 1);
    const count = random() % 30;
    assert.deepEqual([...queue.copy(offset, count)], all.slice(offset, offset + count));
    const gone = random() % Math.min(all.length + 1, 22);
    queue.discard(gone);
    all = all.slice(gone);
    assert.equal(queue.length, all.length);
  }
});
