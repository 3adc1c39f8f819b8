import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as b from './bits.ts';

test('fields of a word are taken and set without sign', () => {
  assert.equal(b.bit(0x8000_0000, 31), 1);
  assert.equal(b.bits(0xdead_beef, 0, 32), 0xdead_beef);
  assert.equal(b.bits(0xdead_beef, 28, 4), 0xd);
  assert.equal(b.withBit(0, 31, true), 0x8000_0000);
  assert.equal(b.withBit(0xffff_ffff, 31, false), 0x7fff_ffff);
  assert.equal(b.truncate(-1, 4), 0xffff_ffff);
  assert.equal(b.truncate(0x1234_5678, 2), 0x5678);
  assert.equal(b.ones(0), 0);
  assert.equal(b.ones(32), 0xffff_ffff);
});

test('the lowest and highest set bits are found, -1 where there is none', () => {
  assert.equal(b.lowestSetBit(0x8000_0000), 31);
  assert.equal(b.lowestSetBit(0b1100), 2);
  assert.equal(b.highestSetBit(0b1100), 3);
  assert.equal(b.lowestSetBit(0), -1);
  assert.equal(b.highestSetBit(0), -1);
});

test('addresses beyond 32 bits are aligned, split and joined exactly', () => {
  assert.equal(b.alignUp(2 ** 40 + 1, 4096), 2 ** 40 + 4096);
  assert.equal(b.alignUp(2 ** 40, 4096), 2 ** 40);
  assert.equal(b.alignDown(2 ** 40 + 4095, 4096), 2 ** 40);
  const value = 2 ** 52 + 0x8765_4321;
  assert.equal(b.join32(b.high32(value), b.low32(value)), value);
  assert.equal(b.isPowerOfTwo(2 ** 40), true);
  assert.equal(b.isPowerOfTwo(12), false);
  assert.equal(b.isPowerOfTwo(0), false);
});
