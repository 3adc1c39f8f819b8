import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Congestion } from './congestion.ts';

const MSS = 1000;

test('it doubles in slow start, and grows by a segment a round trip after a loss', () => {
  const congestion = new Congestion(MSS);
  for (let i = 0; i < 10; i++) congestion.acknowledged(MSS, true);
  assert.equal(congestion.windowBytes, 20 * MSS);
  congestion.timedOut(20 * MSS);
  assert.equal(congestion.windowBytes, MSS);
  for (let i = 0; i < 9; i++) congestion.acknowledged(MSS, true);
  assert.equal(congestion.windowBytes, 10 * MSS);
  for (let i = 0; i < 10; i++) congestion.acknowledged(MSS, true);
  assert(congestion.windowBytes > 10.9 * MSS && congestion.windowBytes <= 11 * MSS);
});

test('the third duplicate halves it, once, and recovery ends with the last that was on its way', () => {
  const congestion = new Congestion(MSS);
  const flight = 10 * MSS;
  assert.deepEqual(
    [1, 2, 3, 4].map(() => congestion.duplicate(flight)),
    [false, false, true, false],
  );
  assert.equal(congestion.windowBytes, (5 + 3 + 1) * MSS);
  congestion.acknowledged(2 * MSS, false);
  assert(congestion.isRecovering);
  assert.equal(congestion.windowBytes, (9 - 2 + 1) * MSS);
  congestion.acknowledged(8 * MSS, true);
  assert(!congestion.isRecovering);
  assert.equal(congestion.windowBytes, 5 * MSS);
});

test('it never falls below a segment', () => {
  const congestion = new Congestion(MSS);
  for (let i = 0; i < 3; i++) congestion.duplicate(MSS);
  congestion.acknowledged(100 * MSS, false);
  assert.equal(congestion.windowBytes, MSS);
});
