import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import * as dispi from './dispi.ts';
import { TEST_MEMORY_BYTES, TestVga } from './test-vga.ts';

let rig: TestVga;

function setMode(width: number, height: number, bpp: number, flags = 0): void {
  rig.setDispi(dispi.DISPI_ENABLE, 0);
  rig.setDispi(dispi.DISPI_XRES, width);
  rig.setDispi(dispi.DISPI_YRES, height);
  rig.setDispi(dispi.DISPI_BPP, bpp);
  rig.setDispi(dispi.DISPI_ENABLE, dispi.ENABLED | flags);
}

beforeEach(() => {
  rig = new TestVga();
  rig.in(0x3da);
  rig.out(0x3c0, 0x20);
});

test('the identity takes the versions there are, and no others', () => {
  assert.equal(rig.getDispi(dispi.DISPI_ID), 0xb0c5);
  rig.setDispi(dispi.DISPI_ID, 0xb0c2);
  assert.equal(rig.getDispi(dispi.DISPI_ID), 0xb0c2);
  rig.setDispi(dispi.DISPI_ID, 0xb0c6);
  assert.equal(rig.getDispi(dispi.DISPI_ID), 0xb0c2);
});

test('capabilities and the size of memory can be asked for', () => {
  rig.setDispi(dispi.DISPI_ENABLE, dispi.GET_CAPABILITIES);
  assert.deepEqual(
    [1, 2, 3].map((index) => rig.getDispi(index)),
    [2560, 1600, 32],
  );
  assert.equal(rig.getDispi(dispi.DISPI_MEMORY_64K), TEST_MEMORY_BYTES / 65536);
});

test('a mode begins with its own virtual screen, at its corner, cleared', () => {
  rig.memory.bytes.fill(0xee);
  setMode(640, 480, 16);
  assert.equal(rig.getDispi(dispi.DISPI_VIRT_WIDTH), 640);
  assert.equal(rig.getDispi(dispi.DISPI_VIRT_HEIGHT), Math.floor(TEST_MEMORY_BYTES / 1280));
  assert.equal(rig.memory.bytes[640 * 480 * 2 - 1], 0);
  assert.equal(rig.memory.bytes[640 * 480 * 2], 0xee);
  const { width, height } = rig.vga.screen.image();
  assert.deepEqual([width, height], [640, 480]);
});

test('memory stays as it is where that is asked for', () => {
  rig.memory.bytes.fill(0xee);
  setMode(640, 480, 16, dispi.NO_CLEAR);
  assert.equal(rig.memory.bytes[0], 0xee);
});

test('pixels come from where the offsets say, in lines of the virtual width', () => {
  setMode(320, 200, 32);
  rig.setDispi(dispi.DISPI_VIRT_WIDTH, 512);
  rig.setDispi(dispi.DISPI_X_OFFSET, 7);
  rig.setDispi(dispi.DISPI_Y_OFFSET, 9);
  rig.memory.write(((9 + 1) * 512 + 7 + 2) * 4, [0x30, 0x20, 0x10, 0]);
  const { pixels } = rig.vga.screen.image();
  const at = (1 * 320 + 2) * 4;
  assert.deepEqual([...pixels.subarray(at, at + 4)], [0x10, 0x20, 0x30, 0xff]);
  assert.equal(pixels[at + 4], 0);
});

test('white is white in every depth of direct colour', () => {
  for (const bpp of [15, 16, 24, 32]) {
    setMode(64, 8, bpp);
    rig.memory.write(0, [0xff, 0xff, 0xff, 0xff]);
    assert.deepEqual([...rig.vga.screen.image().pixels.subarray(0, 4)], [255, 255, 255, 255], `${bpp}`);
  }
});

test('depth 4 is planes of any size, moved by single dots', () => {
  setMode(800, 600, 4);
  rig.set(0x3ce, 6, 0x05);
  rig.set(0x3ce, 8, 0xff);
  rig.set(0x3c4, 4, 0x06);
  rig.set(0x3c4, 2, 0x05);
  rig.out(0x3c2, 0x63);
  rig.setAttribute(5, 5);
  rig.setColour(5, 63, 0, 63);
  rig.poke(0xa_0000 + 599 * 100 + 99, 0x01);
  const { width, height, pixels } = rig.vga.screen.image();
  assert.deepEqual([width, height], [800, 600]);
  assert.deepEqual([...pixels.subarray(-8)], [0, 0, 0, 255, 255, 0, 255, 255]);
  rig.setDispi(dispi.DISPI_VIRT_WIDTH, 808);
  rig.setDispi(dispi.DISPI_X_OFFSET, 3);
  rig.poke(0xa_0000 + 101, 0x10);
  assert.deepEqual([...rig.vga.screen.image().pixels.subarray(800 * 4, 800 * 4 + 8)], [255, 0, 255, 255, 0, 0, 0, 255]);
});

test('whatever the registers say, the picture lies within memory', () => {
  for (const bpp of [0, 4, 8, 15, 16, 24, 32, 33, 0xffff]) {
    for (const width of [0, 7, 640, 0xffff]) {
      for (const height of [0, 1, 0xffff]) {
        for (const virtual of [0, 1000, 0xffff]) {
          setMode(width, height, bpp, dispi.NO_CLEAR);
          rig.setDispi(dispi.DISPI_VIRT_WIDTH, virtual);
          rig.setDispi(dispi.DISPI_X_OFFSET, 0xffff);
          rig.setDispi(dispi.DISPI_Y_OFFSET, 0xffff);
          const geometry = new dispi.Dispi(rig.vga.state, {
            memoryBytes: TEST_MEMORY_BYTES,
            clear: () => {},
            changed: () => {},
          }).geometry();
          const planes = geometry.bpp === 4 ? 4 : 1;
          const bytes = (geometry.y + geometry.height) * geometry.lineBytes * planes;
          assert.ok(geometry.width >= 8 && geometry.width <= 2560 && geometry.height >= 1);
          assert.ok(geometry.height <= 1600 && bytes <= TEST_MEMORY_BYTES && geometry.x >= 0 && geometry.y >= 0);
        }
      }
    }
  }
});

test('DISPI ports take words only', () => {
  rig.out(0x1ce, 1, 2);
  rig.out(0x1cf, 0x34, 1);
  assert.equal(rig.in(0x1cf, 1), 0xff);
  assert.equal(rig.getDispi(1), 0);
});

test('index and data can be written at once', () => {
  rig.out(0x1ce, (1280 << 16) | dispi.DISPI_XRES, 4);
  assert.equal(rig.getDispi(dispi.DISPI_XRES), 1280);
});
