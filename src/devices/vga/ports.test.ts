import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { MMIO, TestVga } from './test-vga.ts';

let rig: TestVga;

beforeEach(() => {
  rig = new TestVga();
  rig.out(0x3c2, 0x63);
});

test('registers keep the bits that exist', () => {
  rig.set(0x3c4, 4, 0xff);
  assert.equal(rig.get(0x3c4, 4), 0x0e);
  rig.set(0x3ce, 5, 0xff);
  assert.equal(rig.get(0x3ce, 5), 0x7b);
  rig.set(0x3d4, 0x0c, 0xff);
  assert.equal(rig.get(0x3d4, 0x0c), 0xff);
  rig.set(0x3d4, 0x30, 0xff);
  assert.equal(rig.in(0x3cc), 0x63);
});

test('the attribute port takes index and data in turn, from the index on after a read of Status 1', () => {
  rig.in(0x3da);
  rig.out(0x3c0, 0x11);
  rig.out(0x3c0, 0x2a);
  rig.out(0x3c0, 0x12);
  rig.in(0x3da);
  rig.out(0x3c0, 0x31);
  assert.equal(rig.in(0x3c1), 0x2a);
  rig.in(0x3da);
  assert.equal(rig.in(0x3c0), 0x31);
});

test('the CRT controller is where Miscellaneous Output puts it, and nowhere else', () => {
  rig.set(0x3d4, 0x0f, 0x12);
  assert.equal(rig.in(0x3b5), 0xff);
  rig.out(0x3c2, 0x62);
  assert.equal(rig.in(0x3d5), 0xff);
  assert.equal(rig.get(0x3b4, 0x0f), 0x12);
  rig.out(0x3d5, 0x55);
  assert.equal(rig.in(0x3b5), 0x12);
});

test('protected CRT controller registers keep their values, but for bit 8 of line compare', () => {
  rig.set(0x3d4, 0x11, 0x00);
  rig.set(0x3d4, 0x00, 0x5f);
  rig.set(0x3d4, 0x07, 0x0f);
  rig.set(0x3d4, 0x11, 0x80);
  rig.set(0x3d4, 0x00, 0x11);
  rig.set(0x3d4, 0x07, 0xf0);
  rig.set(0x3d4, 0x08, 0x11);
  assert.deepEqual([rig.get(0x3d4, 0), rig.get(0x3d4, 7), rig.get(0x3d4, 8)], [0x5f, 0x1f, 0x11]);
});

test('colours are written and read three parts at a time, one colour after the other', () => {
  rig.out(0x3c8, 254);
  for (const value of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) rig.out(0x3c9, value);
  assert.equal(rig.in(0x3c7), 0);
  rig.out(0x3c7, 255);
  assert.equal(rig.in(0x3c7), 3);
  assert.deepEqual(
    Array.from({ length: 6 }, () => rig.in(0x3c9)),
    [4, 5, 6, 7, 8, 9],
  );
});

test('colours have 6 bits, or 8 where VBE asks for them', () => {
  rig.setColour(0, 0xff, 0xc0, 0x41);
  rig.out(0x3c7, 0);
  assert.deepEqual([rig.in(0x3c9), rig.in(0x3c9), rig.in(0x3c9)], [0x3f, 0, 1]);
  rig.setDispi(4, 0x20);
  rig.setColour(0, 0xff, 0xc0, 0x41);
  rig.out(0x3c7, 0);
  assert.deepEqual([rig.in(0x3c9), rig.in(0x3c9), rig.in(0x3c9)], [0xff, 0xc0, 0x41]);
});

test('the MMIO page has the ports and the DISPI registers', () => {
  rig.poke(MMIO + 0x404, 0x0a02, 2);
  assert.equal(rig.get(0x3c4, 2), 0x0a);
  rig.poke(MMIO + 0x502, 1024, 2);
  assert.equal(rig.getDispi(1), 1024);
  assert.equal(rig.peek(MMIO + 0x500, 2), 0xb0c5);
  assert.equal(rig.peek(MMIO + 0x514, 2), 256);
  assert.equal(rig.peek(MMIO + 0x600, 4), 0);
});
