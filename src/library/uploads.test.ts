import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Arrivals, Uploads } from './uploads.ts';

test('large bytes arrive in pieces, with turns in between', async () => {
  const bytes = Uint8Array.from({ length: 5_000_000 }, (_, i) => (i * 31) >> 3);
  const uploads = new Uploads();
  const arrivals = new Arrivals();
  const packed = uploads.pack(bytes);
  assert.ok('upload' in packed);
  let pieces = 0;
  await uploads.send((number, sizeBytes, offset, piece) => {
    pieces++;
    arrivals.add(number, sizeBytes, offset, structuredClone(piece));
  });
  assert.equal(pieces, 5);
  assert.deepEqual(arrivals.take(packed), bytes);
  assert.equal(bytes.length, 5_000_000);
});

test('few bytes go as they are', () => {
  const bytes = new Uint8Array(1000);
  assert.equal(new Uploads().pack(bytes), bytes);
});
