import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RoundTrip } from './round-trip.ts';

const MS = 1_000_000;

test('before anything is known the timeout is a second', () => {
  assert.equal(new RoundTrip().timeoutNs, 1000 * MS);
});

test('the timeout follows what is measured, and how much it varies', () => {
  const trip = new RoundTrip();
  trip.measured(400 * MS);
  assert.equal(trip.timeoutNs, 1200 * MS, 'R + 4 * R/2');
  trip.measured(400 * MS);
  assert.equal(trip.timeoutNs, 1000 * MS, 'a quarter less variation');
});

test('it is never below a fifth of a second, nor above a minute', () => {
  const trip = new RoundTrip();
  trip.measured(0);
  assert.equal(trip.timeoutNs, 200 * MS);
  for (let i = 0; i < 100; i++) trip.backOff();
  assert.equal(trip.timeoutNs, 60_000 * MS);
  trip.settle();
  assert.equal(trip.timeoutNs, 200 * MS);
});
