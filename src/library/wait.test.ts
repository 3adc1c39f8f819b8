import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VmTimeoutError } from './errors.ts';
import { patience, within } from './wait.ts';

const never = new Promise<never>(() => {});

test('what comes in time comes', async () => {
  assert.equal(await within(Promise.resolve(1), 'It', {}), 1);
  const signal = new AbortController().signal;
  assert.equal(await within(Promise.resolve(1), 'It', { timeoutMs: 60_000, signal }), 1);
  await assert.rejects(within(Promise.reject(new Error('no')), 'It', { timeoutMs: 60_000 }), { message: 'no' });
});

test('what does not come in time is given up', async () => {
  let abandoned = 0;
  const waiting = within(never, 'The snapshot', { timeoutMs: 5 }, () => abandoned++);
  await assert.rejects(waiting, (error: Error) => {
    assert.ok(error instanceof VmTimeoutError);
    assert.equal(error.message, 'The snapshot took longer than 5 ms.');
    assert.equal(error.timeoutMs, 5);
    return true;
  });
  assert.equal(abandoned, 1);
});

test("an aborted wait has the signal's reason, also when it was aborted before", async () => {
  const controller = new AbortController();
  const waiting = within(never, 'It', { signal: controller.signal });
  controller.abort(new RangeError('enough'));
  await assert.rejects(waiting, { name: 'RangeError', message: 'enough' });
  await assert.rejects(within(never, 'It', { signal: controller.signal }), { message: 'enough' });
});

test('patience is a signal that aborts with what ended it', async () => {
  const { signal, over } = patience('The command', { timeoutMs: 5 });
  await assert.rejects(over, VmTimeoutError);
  assert.ok(signal.aborted && signal.reason instanceof VmTimeoutError);
  const other = patience('The command', { timeoutMs: 5 });
  other.done();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(other.signal.aborted, false);
});
