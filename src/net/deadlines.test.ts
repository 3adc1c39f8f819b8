import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deadlines } from './deadlines.ts';
import { TestClock } from './test-network.ts';

function bench() {
  const clock = new TestClock();
  const log: string[] = [];
  const deadlines = new Deadlines(clock);
  const add = (name: string) => deadlines.add(() => log.push(`${name} ${clock.now()}`));
  return { clock, log, deadlines, add };
}

test('each expires once, at its time', () => {
  const { clock, log, add } = bench();
  add('b').set(20);
  add('a').set(10);
  clock.advance(100);
  assert.deepEqual(log, ['a 10', 'b 20']);
});

test('one that is moved expires at its new time only, sooner or later', () => {
  const { clock, log, add } = bench();
  const later = add('later');
  later.set(10);
  later.set(50);
  const sooner = add('sooner');
  sooner.set(90);
  sooner.set(5);
  clock.advance(100);
  assert.deepEqual(log, ['sooner 5', 'later 50']);
});

test('one that is cleared or removed does not expire, not even when that happens at its own time', () => {
  const { clock, log, deadlines, add } = bench();
  deadlines
    .add(() => {
      cleared.clear();
      removed.remove();
    })
    .set(10);
  const cleared = add('cleared');
  const removed = add('removed');
  for (const deadline of [cleared, removed]) deadline.set(10);
  clock.advance(100);
  assert.deepEqual(log, []);
  assert.equal(deadlines.size, 2);
});

test('one that sets itself again to a time already past does not stop the clock', () => {
  const { clock, deadlines } = bench();
  let count = 0;
  const own = deadlines.add(() => {
    count++;
    own.set(0);
  });
  own.set(10);
  clock.advance(100);
  assert(count > 1 && count <= 101);
  assert.equal(clock.now(), 100);
});
