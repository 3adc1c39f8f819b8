import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ConsoleOutput } from './console-output.ts';

function sink(options: { write: (bytes: Buffer, done: (error?: Error) => void) => void; highWaterMark?: number }) {
  const seen: string[] = [];
  const stream = new Writable({
    highWaterMark: options.highWaterMark ?? 65536,
    write: (chunk: Buffer, _encoding, done) => options.write(chunk, done),
  });
  const output = new ConsoleOutput(stream, {
    full: () => seen.push('full'),
    drained: () => seen.push('drained'),
    closed: () => seen.push('closed'),
    failed: (reason) => seen.push(reason),
  });
  return { output, seen };
}

test('bytes written singly arrive unchanged and in few writes', async () => {
  const writes: Buffer[] = [];
  const { output } = sink({
    write: (bytes, done) => {
      writes.push(bytes);
      done();
    },
  });
  const scratch = new Uint8Array(1);
  for (let i = 0; i < 256; i++) {
    scratch[0] = i;
    output.write(scratch);
  }
  await nextTurn();
  await output.flush();
  assert.deepEqual(
    [...Buffer.concat(writes)],
    Array.from({ length: 256 }, (_, i) => i),
  );
  assert.equal(writes.filter((bytes) => bytes.length > 0).length, 1);
});

test('a slow reader pauses the guest until it has caught up', async () => {
  let finish = (): void => {};
  const { output, seen } = sink({
    highWaterMark: 10,
    write: (_bytes, done) => {
      finish = done;
    },
  });
  output.write(new Uint8Array(20));
  await nextTurn();
  assert.deepEqual(seen, ['full']);
  finish();
  await nextTurn();
  assert.deepEqual(seen, ['full', 'drained']);
});

test('a reader that has gone is told apart from a failure, and told once', async () => {
  for (const [code, says] of [
    ['EPIPE', 'closed'],
    ['ENOSPC', 'the disk is full'],
  ]) {
    const { output, seen } = sink({
      write: (_bytes, done) => done(Object.assign(new Error(code), { code })),
    });
    output.write(Uint8Array.of(1));
    await nextTurn();
    output.write(Uint8Array.of(2));
    await output.flush();
    assert.deepEqual(seen, [says]);
  }
});
