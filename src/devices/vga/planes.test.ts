import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { TestVga } from './test-vga.ts';

const WINDOW = 0xa_0000;
let rig: TestVga;

/** Four bytes of planes 0 to 3 at an offset. */
function planes(offset: number): number[] {
  return [...rig.memory.bytes.subarray(offset * 4, offset * 4 + 4)];
}

function setPlanes(offset: number, ...bytes: number[]): void {
  rig.memory.bytes.set(bytes, offset * 4);
}

function graphics(index: number, value: number): void {
  rig.set(0x3ce, index, value);
}

beforeEach(() => {
  rig = new TestVga();
  rig.out(0x3c2, 0x03);
  rig.set(0x3c4, 2, 0x0f);
  rig.set(0x3c4, 4, 0x06);
  graphics(6, 0x05);
  graphics(8, 0xff);
});

test('a byte goes to the planes of the map mask', () => {
  rig.set(0x3c4, 2, 0x05);
  rig.poke(WINDOW + 3, 0xa5);
  assert.deepEqual(planes(3), [0xa5, 0, 0xa5, 0]);
});

test('words and doublewords are bytes one after the other', () => {
  rig.poke(WINDOW + 8, 0x4433_2211, 4);
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => planes(8 + i)[0]),
    [0x11, 0x22, 0x33, 0x44],
  );
  assert.equal(rig.peek(WINDOW + 8, 4), 0x4433_2211);
  assert.equal(rig.peek(WINDOW + 9, 2), 0x3322);
});

test('read map select chooses the plane that is read', () => {
  setPlanes(5, 1, 2, 3, 4);
  for (let plane = 0; plane < 4; plane++) {
    graphics(4, plane);
    assert.equal(rig.peek(WINDOW + 5), plane + 1);
  }
});

test('write mode 0 rotates, replaces by set/reset, combines with the latches and keeps masked bits', () => {
  setPlanes(0, 0x0f, 0xf0, 0xaa, 0x55);
  rig.peek(WINDOW);
  graphics(0, 0x02); // set/reset: plane 1 ones
  graphics(1, 0x03); // for planes 0 and 1
  graphics(3, 0x18 | 4); // rotated by 4, XOR
  graphics(8, 0xfc);
  rig.poke(WINDOW + 1, 0x1e);
  // Planes 0 and 1: 0x00 and 0xFF; 2 and 3: 0xE1. XOR with latches; bits 0 and 1 are the latches'.
  assert.deepEqual(planes(1), [0x0f, 0x0c, 0x4a, 0xb5]);
});

test('write mode 0 ANDs and ORs with the latches', () => {
  setPlanes(0, 0x0f, 0xf0, 0xaa, 0x55);
  rig.peek(WINDOW);
  graphics(3, 0x08);
  rig.poke(WINDOW + 1, 0x3c);
  assert.deepEqual(planes(1), [0x0c, 0x30, 0x28, 0x14]);
  graphics(3, 0x10);
  rig.poke(WINDOW + 1, 0x3c);
  assert.deepEqual(planes(1), [0x3f, 0xfc, 0xbe, 0x7d]);
});

test('write mode 1 copies the latches, whatever is written', () => {
  setPlanes(7, 1, 2, 3, 4);
  rig.peek(WINDOW + 7);
  graphics(5, 1);
  graphics(8, 0x0f);
  rig.set(0x3c4, 2, 0x0e);
  rig.poke(WINDOW + 9, 0xff);
  assert.deepEqual(planes(9), [0, 2, 3, 4]);
});

test('the latches are of the last byte of a word', () => {
  setPlanes(4, 1, 1, 1, 1);
  setPlanes(7, 7, 7, 7, 7);
  rig.peek(WINDOW + 4, 4);
  graphics(5, 1);
  rig.poke(WINDOW, 0);
  assert.deepEqual(planes(0), [7, 7, 7, 7]);
});

test('write mode 2 writes a colour where the bit mask lets it', () => {
  setPlanes(0, 0xff, 0xff, 0, 0);
  rig.peek(WINDOW);
  graphics(5, 2);
  graphics(8, 0x81);
  rig.poke(WINDOW, 0x0a);
  assert.deepEqual(planes(0), [0x7e, 0xff, 0x00, 0x81]);
});

test('write mode 3 writes set/reset where the rotated byte and the bit mask are set', () => {
  setPlanes(0, 0xff, 0, 0xff, 0);
  rig.peek(WINDOW);
  graphics(0, 0x06);
  graphics(3, 1);
  graphics(5, 3);
  graphics(8, 0x7f);
  rig.poke(WINDOW, 0x83); // rotated: 0xC1, masked: 0x41
  assert.deepEqual(planes(0), [0xbe, 0x41, 0xff, 0x00]);
});

test('read mode 1 tells which dots have the colour, without the planes one does not care about', () => {
  setPlanes(2, 0b1100, 0b1010, 0, 0xff);
  graphics(5, 0x08);
  graphics(2, 0x03);
  graphics(7, 0x07);
  assert.equal(rig.peek(WINDOW + 2), 0b1000);
  graphics(7, 0x0f);
  assert.equal(rig.peek(WINDOW + 2), 0);
  graphics(7, 0);
  assert.equal(rig.peek(WINDOW + 2), 0xff);
});

test('odd and even addresses are two planes', () => {
  rig.set(0x3c4, 4, 0x02);
  rig.set(0x3c4, 2, 0x03);
  graphics(5, 0x10);
  graphics(6, 0x0e);
  rig.poke(0xb_8000 + 6, 0x0741, 2);
  assert.deepEqual(planes(3), [0x41, 0x07, 0, 0]);
  assert.equal(rig.peek(0xb_8000 + 6, 2), 0x0741);
});

test('chain 4 makes linear memory of the planes, under the map mask', () => {
  rig.set(0x3c4, 4, 0x0e);
  rig.poke(WINDOW + 4, 0x4433_2211, 4);
  assert.deepEqual(planes(1), [0x11, 0x22, 0x33, 0x44]);
  assert.equal(rig.peek(WINDOW + 6), 0x33);
  rig.set(0x3c4, 2, 0x08);
  rig.poke(WINDOW + 4, 0xffff_ffff, 4);
  assert.deepEqual(planes(1), [0x11, 0x22, 0x33, 0xff]);
});

test('the memory map says where in the window memory answers', () => {
  const cases = [
    [0x00, 0xa_0000, 0xb_ffff],
    [0x04, 0xa_0000, 0xa_ffff],
    [0x08, 0xb_0000, 0xb_7fff],
    [0x0c, 0xb_8000, 0xb_ffff],
  ] as const;
  for (const [map, first, last] of cases) {
    graphics(6, map);
    for (const address of [0xa_0000, 0xa_ffff, 0xb_0000, 0xb_7fff, 0xb_8000, 0xb_ffff]) {
      rig.memory.bytes.fill(0);
      rig.poke(address, 0x5a);
      const isIn = address >= first && address <= last;
      assert.equal(rig.memory.bytes.includes(0x5a), isIn, `${map} ${address.toString(16)}`);
      assert.equal(rig.peek(address), isIn ? 0x5a : 0xff);
    }
  }
});

test('nothing answers while memory is off', () => {
  rig.out(0x3c2, 0x01);
  rig.poke(WINDOW, 1);
  assert.equal(rig.peek(WINDOW), 0xff);
  assert.ok(!rig.memory.bytes.includes(1));
});

test('a plane ends after 64 KiB, and begins again', () => {
  graphics(6, 0x01);
  rig.poke(WINDOW + 0x1_0004, 0x77);
  assert.deepEqual(planes(4), [0x77, 0x77, 0x77, 0x77]);
});

test('banks of VBE modes are linear memory, whatever the planes are set to; there is none behind its end', () => {
  rig.setDispi(1, 640);
  rig.setDispi(2, 480);
  rig.setDispi(3, 8);
  rig.setDispi(4, 1);
  rig.set(0x3c4, 2, 0);
  rig.setDispi(5, 3);
  rig.poke(WINDOW + 0x10, 0x0403_0201, 4);
  assert.deepEqual([...rig.memory.bytes.subarray(0x3_0010, 0x3_0014)], [1, 2, 3, 4]);
  assert.equal(rig.peek(WINDOW + 0x11), 2);
  rig.setDispi(5, 0x100);
  rig.poke(WINDOW, 1);
  assert.equal(rig.peek(WINDOW), 0xff);
});

test('memory that moves is found again', () => {
  rig.poke(WINDOW, 0x12);
  rig.memory.move();
  rig.poke(WINDOW + 1, 0x34);
  assert.equal(rig.peek(WINDOW, 2), 0x3412);
  assert.deepEqual(planes(1), [0x34, 0x34, 0x34, 0x34]);
});
