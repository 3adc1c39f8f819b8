import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checksum, get16, get32, onesSum, put16, put32 } from './bytes.ts';

test('numbers are written and read with their big end first', () => {
  const bytes = new Uint8Array(6);
  put16(bytes, 0, 0x1234);
  put32(bytes, 2, 0xfedc_ba98);
  assert.deepEqual([...bytes], [0x12, 0x34, 0xfe, 0xdc, 0xba, 0x98]);
  assert.equal(get16(bytes, 0), 0x1234);
  assert.equal(get32(bytes, 2), 0xfedc_ba98);
});

test('the sum is that of the example in RFC 1071 §3', () => {
  assert.equal(onesSum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7)), 0xddf2);
});

test('an odd byte counts as the high one', () => {
  assert.equal(onesSum(Uint8Array.of(0x01, 0x02, 0x03)), 0x0402);
});

test('what has its checksum sums up to all ones, however long', () => {
  const bytes = new Uint8Array(65_534).fill(0xff);
  put16(bytes, 10, 0);
  put16(bytes, 10, checksum(bytes));
  assert.equal(onesSum(bytes), 0xffff);
});
