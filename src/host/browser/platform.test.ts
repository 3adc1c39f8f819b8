import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import { browserPacking, browserPlatform, gunzip } from './platform.ts';

const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) >> 7);

test('what was packed is there again, and Node understands it', async () => {
  const packed = await browserPacking.deflate(bytes);
  assert.ok(packed.length < bytes.length);
  assert.deepEqual(await browserPacking.inflate(packed, bytes.length), bytes);
  assert.deepEqual(await browserPacking.inflate(deflateSync(bytes), bytes.length), bytes);
  assert.deepEqual(await gunzip(gzipSync(bytes)), bytes);
});

test('what is no stream of the given length is refused', async () => {
  const packed = deflateSync(bytes);
  await assert.rejects(browserPacking.inflate(packed, bytes.length - 1));
  await assert.rejects(browserPacking.inflate(packed, bytes.length + 1));
  await assert.rejects(browserPacking.inflate(packed.subarray(0, packed.length >> 1), bytes.length));
  await assert.rejects(browserPacking.inflate(Uint8Array.of(1, 2, 3, 4), 4));
});

test('a sleeper is woken before its time', async () => {
  const { done, wake } = browserPlatform.sleep(3_600_000);
  wake();
  await done;
});
