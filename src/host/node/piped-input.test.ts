import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { test } from 'node:test';
import { gatherInput, passInput } from './piped-input.ts';

const END = '\x04'.repeat(16);
const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, i) => i));

function record(stream: Readable) {
  const seen = { bytes: '', failures: [] as string[] };
  passInput(stream, {
    input: (bytes) => {
      seen.bytes += Buffer.from(bytes).toString('latin1');
    },
    failed: (reason) => seen.failures.push(reason),
  });
  return seen;
}

test('every byte is passed on, followed by the end of file', async () => {
  const stream = Readable.from([ALL_BYTES, Buffer.from('no line end')], { objectMode: false });
  const seen = record(stream);
  await finished(stream);
  assert.equal(seen.bytes, `${ALL_BYTES.toString('latin1')}no line end${END}`);
  assert.deepEqual(seen.failures, []);
});

test('a failing read is told, and the guest gets its end of file', async () => {
  const stream = new Readable({ read: () => {} });
  const seen = record(stream);
  stream.destroy(Object.assign(new Error('EISDIR'), { code: 'EISDIR' }));
  await finished(stream).catch(() => {});
  assert.equal(seen.bytes, END);
  assert.deepEqual(seen.failures, ['it is a directory']);
});

test('input can be gathered whole', async () => {
  const bytes = await gatherInput(Readable.from([ALL_BYTES, ALL_BYTES], { objectMode: false }));
  assert.equal(Buffer.from(bytes).toString('latin1'), ALL_BYTES.toString('latin1').repeat(2) + END);
});
