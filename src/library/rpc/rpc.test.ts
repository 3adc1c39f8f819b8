import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { VivariumError } from '../../base/errors.ts';
import { endOf, type PostsMessages } from '../../base/message-end.ts';
import { givable, given, Rpc } from './rpc.ts';

interface Near {
  told(text: string): void;
}
interface Far {
  add(a: number, b: number): number;
  bytes(length: number): Uint8Array;
  fail(kind: 'ours' | 'other'): void;
  never(): void;
  tell(text: string): void;
}

const { port1, port2 } = new MessageChannel();
after(() => {
  port1.close();
  port2.close();
});
const heard: string[] = [];
const told: string[] = [];
const far: Rpc<Near, Far> = new Rpc<Near, Far>(endOf(port2 as unknown as PostsMessages), {
  add: (a, b) => a + b,
  bytes: async (length) => given(new Uint8Array(length).fill(7)),
  fail(kind) {
    if (kind === 'ours') throw new VivariumError({ kind: 'bad-option', option: 'x' }, 'No.');
    throw new RangeError('Too far.');
  },
  never: () => new Promise(() => {}),
  tell(text) {
    heard.push(text);
    far.tell('told', [text]);
    throw new Error('Nobody hears this.');
  },
});
const near = new Rpc<Far, Near>(endOf(port1 as unknown as PostsMessages), {
  told: (text) => {
    told.push(text);
  },
});

test('a call has the result of the other side', async () => {
  assert.equal(await near.call('add', [2, 3]), 5);
  const bytes = await near.call('bytes', [3]);
  assert.deepEqual([...bytes], [7, 7, 7]);
});

test('what is thrown there is thrown here, with its class', async () => {
  await assert.rejects(near.call('fail', ['ours']), (error: Error) => {
    assert.ok(error instanceof VivariumError);
    assert.deepEqual(error.fault, { kind: 'bad-option', option: 'x' });
    assert.equal(error.message, 'No.');
    return true;
  });
  await assert.rejects(near.call('fail', ['other']), { name: 'RangeError', message: 'Too far.' });
});

test('what cannot be cloned is refused where it is sent', async () => {
  await assert.rejects(near.call('add', [1, (() => 2) as unknown as number]), { name: 'DataCloneError' });
});

test('who tells learns of no error', async () => {
  near.tell('tell', ['hello']);
  await near.call('add', [0, 0]);
  assert.deepEqual([heard, told], [['hello'], ['hello']]);
});

test('bytes are given away whole, or copied', () => {
  const whole = new Uint8Array(8);
  assert.equal(givable(whole).buffer, whole.buffer);
  const part = whole.subarray(2, 4);
  assert.notEqual(givable(part).buffer, whole.buffer);
  assert.equal(givable(part).length, 2);
  assert.ok(givable(new Uint8Array(new SharedArrayBuffer(4))).buffer instanceof ArrayBuffer);
});

test('who waits when it is closed, or calls later, is told why', async () => {
  const waiting = near.call('never', []);
  near.close(new Error('Over.'));
  await assert.rejects(waiting, { message: 'Over.' });
  await assert.rejects(near.call('add', [1, 1]), { message: 'Over.' });
});
