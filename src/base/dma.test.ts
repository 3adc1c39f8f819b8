import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as dma from './dma.ts';

const bytes = new Uint8Array(16);
const memory: dma.GuestMemory = {
  sizeBytes: 16,
  read(address, into) {
    if (address + into.length > 16) return false;
    into.set(bytes.subarray(address, address + into.length));
    return true;
  },
  write(address, from) {
    if (address + from.length > 16) return false;
    bytes.set(from, address);
    return true;
  },
};

test('values are little endian in guest memory', () => {
  assert.equal(dma.writeU64(memory, 0, 0x8877_6655_4433_2211n), true);
  assert.equal(dma.readU8(memory, 7), 0x88);
  assert.equal(dma.readU16(memory, 6), 0x8877);
  assert.equal(dma.readU32(memory, 4), 0x8877_6655);
  assert.equal(dma.readU64(memory, 0), 0x8877_6655_4433_2211n);
  dma.writeU8(memory, 8, 0x1ff);
  dma.writeU16(memory, 9, 0xabcd);
  dma.writeU32(memory, 11, 0xffff_fffe);
  assert.deepEqual([...bytes.subarray(8, 15)], [0xff, 0xcd, 0xab, 0xfe, 0xff, 0xff, 0xff]);
});

test('what is not RAM is told by the value, not by an exception', () => {
  assert.equal(dma.readU32(memory, 13), undefined);
  assert.equal(dma.writeU32(memory, 13, 1), false);
});
