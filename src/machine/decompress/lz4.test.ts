import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeLz4Legacy } from './lz4.ts';

/** A frame of the given blocks. */
function frame(...blocks: number[][]): Uint8Array {
  const size = (n: number) => [n & 0xff, (n >> 8) & 0xff, 0, 0];
  return Uint8Array.of(0x02, 0x21, 0x4c, 0x18, ...blocks.flatMap((block) => [...size(block.length), ...block]));
}

function ascii(text: string): number[] {
  return [...new TextEncoder().encode(text)];
}

function decode(bytes: Uint8Array, length: number): string | undefined {
  const plain = decodeLz4Legacy(bytes, length);
  return plain && new TextDecoder().decode(plain);
}

test('literals and matches decode, overlapping ones too', () => {
  const literalsOnly = [0x30, ...ascii('abc')];
  assert.equal(decode(frame(literalsOnly), 3), 'abc');
  // "ab", then 4 + 3 bytes from 2 back, then "!".
  const overlapping = [0x23, ...ascii('ab'), 2, 0, 0x10, ...ascii('!')];
  assert.equal(decode(frame(overlapping), 10), 'ababababa!');
});

test('long literals and long matches take further length bytes', () => {
  const text = 'x'.repeat(300);
  const literals = [0xf0, 255, 300 - 15 - 255, ...ascii(text)];
  assert.equal(decode(frame(literals), 300), text);
  const match = [0x1f, ...ascii('y'), 1, 0, 255, 26, 0x10, ...ascii('z')];
  assert.equal(decode(frame(match), 302), `${'y'.repeat(301)}z`);
  const distant = [0xff, 85, ...ascii('0123456789'.repeat(10)), 100, 0, 31, 0x00];
  assert.equal(decode(frame(distant), 150), '0123456789'.repeat(15));
});

test('blocks follow each other and do not share history', () => {
  assert.equal(decode(frame([0x20, ...ascii('ab')], [0x20, ...ascii('cd')]), 4), 'abcd');
  assert.equal(decode(frame([0x20, ...ascii('ab')], [0x10, ...ascii('c'), 2, 0, 0x00]), 7), undefined);
});

test('damage of any kind gives undefined', () => {
  const good = frame([0x23, ...ascii('ab'), 2, 0, 0x10, ...ascii('!')]);
  assert.equal(decode(good, 10)?.length, 10);
  for (let length = 1; length < good.length; length++) assert.equal(decode(good.subarray(0, length), 10), undefined);
  assert.equal(decode(good, 9), undefined);
  assert.equal(decode(good, 11), undefined);
  assert.equal(decode(frame([0x10, ...ascii('a'), 0, 0, 0x00]), 5), undefined, 'distance 0');
  assert.equal(decode(frame([0x10, ...ascii('a'), 9, 0, 0x00]), 5), undefined, 'distance out of the block');
  assert.equal(decode(frame([0xf0, 255]), 5), undefined, 'length that does not end');
  assert.equal(decode(frame([0x1f, ...ascii('a'), 1, 0, 255]), 5), undefined, 'match length that does not end');
  assert.equal(decode(Uint8Array.of(1, 2, 3, 4), 0), undefined, 'no magic number');
});
