import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from './virtual-clock.ts';

const MS = 1e6;

function setup(deterministic: boolean) {
  const source = { ms: 123.456, retired: 0 };
  const clock = new VirtualClock(deterministic, {
    instructions: () => source.retired,
    hostMs: () => source.ms,
  });
  return { source, clock };
}

test('real time begins at zero, and only once the guest runs', () => {
  const { source, clock } = setup(false);
  source.ms += 50;
  assert.equal(clock.now(), 0);
  clock.resume();
  assert.equal(clock.now(), 0);
  source.ms += 7;
  assert.equal(clock.now(), 7 * MS);
});

test('real time does not depend on instructions', () => {
  const { source, clock } = setup(false);
  clock.resume();
  source.retired = 1e9;
  assert.equal(clock.now(), 0);
});

test('real time stands still while paused and goes on without a jump, however often', () => {
  const { source, clock } = setup(false);
  clock.resume();
  let ran = 0;
  for (let i = 0; i < 1000; i++) {
    source.ms += 0.25;
    ran += 0.25;
    clock.pause();
    const stopped = clock.now();
    source.ms += 17.3;
    assert.equal(clock.now(), stopped);
    clock.resume();
    assert.ok(clock.now() >= stopped && clock.now() - stopped <= 1);
  }
  // A nanosecond at each end of a pause is all that rounding may take.
  assert.ok(Math.abs(clock.now() - ran * MS) <= 2000, `${clock.now()} after ${ran} ms`);
});

test('pausing twice or resuming twice is pausing or resuming once', () => {
  const { source, clock } = setup(false);
  clock.resume();
  source.ms += 5;
  clock.resume();
  assert.equal(clock.now(), 5 * MS);
  clock.pause();
  source.ms += 5;
  clock.pause();
  clock.resume();
  assert.equal(clock.now(), 5 * MS);
});

test('deterministic time is a function of the instructions retired, whatever the host does', () => {
  const { source, clock } = setup(true);
  clock.resume();
  source.retired = 1_000_000;
  const before = clock.now();
  source.ms += 1e6;
  clock.pause();
  source.ms += 1e6;
  clock.resume();
  assert.equal(clock.now(), before);
  source.retired = 2_000_000;
  assert.equal(clock.now(), 2 * before);
});

test('skipping takes deterministic time to the deadline exactly, and never back', () => {
  const { source, clock } = setup(true);
  source.retired = 500;
  clock.skipTo(10_000);
  assert.equal(clock.now(), 10_000);
  clock.skipTo(4_000);
  assert.equal(clock.now(), 10_000);
  source.retired += 100;
  assert.equal(clock.now(), 10_100);
});

test('so many instructions later the deadline has come, and not one earlier', () => {
  const { source, clock } = setup(true);
  source.retired = 77;
  clock.skipTo(1_000.25);
  for (const deadline of [1_000.5, 1_001, 5_000, 5_000.75]) {
    const count = clock.instructionsUntil(deadline);
    source.retired += count;
    assert.ok(clock.now() >= deadline);
    source.retired -= 1;
    assert.ok(clock.now() < deadline);
    source.retired += 1;
  }
  assert.equal(clock.instructionsUntil(1), 0);
});

test('timers come from the queue that the run loop looks at', () => {
  const { clock } = setup(true);
  let expired = 0;
  const timer = clock.timer(() => expired++);
  timer.arm(300);
  assert.equal(clock.queue.nextDeadlineNs(), 300);
  clock.skipTo(300);
  clock.queue.runExpired(clock.now());
  assert.equal(expired, 1);
});
