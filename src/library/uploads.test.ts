import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Arrivals, Uploads } from './uploads.ts';

const contents = (): Uint8Array<ArrayBuffer> => Uint8Array.from({ length: 5_000_000 }, (_, i) => (i * 31) >> 3);

test('large bytes arrive as a copy, which is made with turns in between', async () => {
  const bytes = contents();
  const uploads = new Uploads();
  const arrivals = new Arrivals();
  const packed = uploads.pack(bytes);
  assert.ok('upload' in packed);
  let turns = 0;
  const counted = setInterval(() => turns++, 0);
  await uploads.send((number, copy) => arrivals.add(number, structuredClone(copy, { transfer: [copy.buffer] })));
  clearInterval(counted);
  assert.ok(turns > 0);
  assert.deepEqual(arrivals.take(packed), bytes);
  assert.equal(bytes.length, 5_000_000);
});

test('bytes that are given are not copied, and none arrive where they are not to be had', async () => {
  const bytes = contents();
  const uploads = new Uploads();
  const arrivals = new Arrivals();
  const given = uploads.give(Promise.resolve(bytes));
  const missing = uploads.give(Promise.reject(new Error('not there')));
  await uploads.send((number, own) => arrivals.add(number, own));
  assert.equal(arrivals.take(given), bytes);
  assert.equal(arrivals.take(missing).length, 0);
});

test("a Buffer of Node's, whose slices are no copies, stays with its owner", async () => {
  const bytes = Buffer.from(contents());
  const uploads = new Uploads();
  const arrivals = new Arrivals();
  const packed = uploads.pack(bytes);
  assert.ok('upload' in packed);
  await uploads.send((number, copy) => arrivals.add(number, structuredClone(copy, { transfer: [copy.buffer] })));
  assert.deepEqual(arrivals.take(packed), contents());
  assert.deepEqual(new Uint8Array(bytes), contents());
});

test('few bytes go as they are', () => {
  const bytes = new Uint8Array(1000);
  assert.equal(new Uploads().pack(bytes), bytes);
});
