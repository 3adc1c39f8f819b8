import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TimerQueue } from './timer-queue.ts';

function recording() {
  const queue = new TimerQueue();
  const log: string[] = [];
  return { queue, log, timer: (name: string) => queue.timer(() => log.push(name)) };
}

test('timers expire by deadline, equal ones in the order of arming', () => {
  const { queue, log, timer } = recording();
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(timer);
  b.arm(20);
  d.arm(10);
  c.arm(20);
  a.arm(20);
  assert.equal(queue.nextDeadlineNs(), 10);
  queue.runExpired(19);
  assert.deepEqual(log, ['d']);
  queue.runExpired(20);
  assert.deepEqual(log, ['d', 'b', 'c', 'a']);
  assert.equal(queue.nextDeadlineNs(), Number.POSITIVE_INFINITY);
});

test('moving a timer forgets its old deadline, disarming all of it', () => {
  const { queue, log, timer } = recording();
  const a = timer('a');
  const b = timer('b');
  a.arm(5);
  b.arm(6);
  a.arm(50);
  b.disarm();
  assert.equal(b.deadlineNs, Number.POSITIVE_INFINITY);
  assert.equal(queue.nextDeadlineNs(), 50);
  queue.runExpired(49);
  assert.deepEqual(log, []);
});

test('a timer may arm itself and others while it expires', () => {
  const queue = new TimerQueue();
  const times: number[] = [];
  const tick = queue.timer(() => {
    times.push(times.length * 10);
    tick.arm(times.length * 10);
  });
  tick.arm(0);
  queue.runExpired(35);
  assert.deepEqual(times, [0, 10, 20, 30]);
  assert.equal(tick.deadlineNs, 40);
});

test('a deadline that is not a number never comes', () => {
  const { queue, log, timer } = recording();
  timer('a').arm(Number.NaN);
  queue.runExpired(1e15);
  assert.deepEqual(log, []);
});
