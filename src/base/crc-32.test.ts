import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from './crc-32.ts';

test('the check value of the catalogues comes out', () => {
  assert.equal(crc32(new TextEncoder().encode('123456789')), 0xcbf4_3926);
});

test('lengths and alignments make no difference to what a byte at a time gives', () => {
  const slow = (bytes: Uint8Array): number => {
    let crc = 0xffff_ffff;
    for (const byte of bytes) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ 0xedb8_8320 : crc >>> 1;
    }
    return ~crc >>> 0;
  };
  const bytes = Uint8Array.from({ length: 100 }, (_, i) => i * i * 31);
  for (let start = 0; start < 9; start++) {
    for (let end = start; end < 60; end += 3) {
      assert.equal(crc32(bytes.subarray(start, end)), slow(bytes.subarray(start, end)), `${start} to ${end}`);
    }
  }
});
