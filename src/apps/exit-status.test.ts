import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GuestEnd } from '../vmm/guest-options.ts';
import { type Ending, outcomeOf } from './exit-status.ts';

function statusOf(end: GuestEnd): number {
  return outcomeOf({ by: 'guest', end }).status;
}

test('the guest decides the status as documented', () => {
  assert.equal(statusOf({ kind: 'powered-off' }), 0);
  assert.equal(statusOf({ kind: 'panicked' }), 4);
  assert.equal(statusOf({ kind: 'triple-fault', detail: 'x' }), 4);
  assert.equal(statusOf({ kind: 'reset' }), 10);
});

test('a debug exit gives the status that QEMU gives', () => {
  for (const [value, status] of [
    [0, 1],
    [1, 3],
    [0x10, 33],
    [0x7f, 255],
    [0x80, 1],
    [0xffff_ffff, 255],
  ]) {
    assert.equal(statusOf({ kind: 'exit-code', value }), status);
  }
});

test('what the host decides has its own status', () => {
  const cases: [Ending, number][] = [
    [{ by: 'user' }, 0],
    [{ by: 'timeout', milliseconds: 1500 }, 6],
    [{ by: 'signal', number: 15 }, 143],
    [{ by: 'closed-output' }, 141],
    [{ by: 'host', message: 'x' }, 8],
  ];
  for (const [ending, status] of cases) assert.equal(outcomeOf(ending).status, status);
});
