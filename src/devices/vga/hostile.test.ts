/** What the VGA must stand, whatever a guest or saved state does, and its place among devices (reset, save, restore). */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { AccessSize } from '../../base/bus.ts';
import { StateError } from '../../base/state.ts';
import { generator, type Random } from '../../base/test-random.ts';
import type { ScreenRecord } from './test-screens.ts';
import { MMIO, TEST_MEMORY_BYTES, TestVga } from './test-vga.ts';

const { modes, palettes }: ScreenRecord = JSON.parse(
  readFileSync(new URL('qemu-screens.json', import.meta.url), 'utf8'),
);

const SIZES: readonly AccessSize[] = [1, 2, 4];

function value(random: Random, size: AccessSize): number {
  return random(3) ? random(2 ** (8 * size)) : random(32);
}

/** One access anywhere, of any width, over the edges of ranges too. */
function access(rig: TestVga, random: Random): void {
  const size = SIZES[random(3)];
  const choice = random(8);
  if (choice < 3) {
    const port = random(4) ? 0x3ae + random(52) : 0x1cb + random(10);
    if (random(2)) rig.out(port, value(random, size), size);
    else assert.ok(rig.in(port, size) < 2 ** (8 * size));
  } else if (choice < 6) {
    const address = 0xa_0000 - 3 + random(0x2_0004);
    if (random(2)) rig.poke(address, random(2 ** 32), size);
    else assert.ok(rig.peek(address, size) < 2 ** (8 * size));
  } else if (choice === 6) {
    const address = MMIO + (random(2) ? 0x3fd + random(0x126) : random(0x1000));
    if (random(2)) rig.poke(address, value(random, size), size);
    else assert.ok(rig.peek(address, size) < 2 ** (8 * size));
  } else {
    // Whole registers, for random ports alone would seldom make a mode.
    const index = random(0x20);
    if (random(3) === 0) rig.setAttribute(index, random(256));
    else if (random(2)) rig.set([0x3c4, 0x3ce, 0x3d4][random(3)], index, random(256));
    else if (index !== 4 || random(8) === 0) rig.setDispi(index % 11, value(random, 2) | (index === 4 ? 0x80 : 0));
  }
}

function look(rig: TestVga): void {
  const { width, height, pixels } = rig.vga.screen.image();
  assert.equal(pixels.length, width * height * 4);
  assert.ok(width * height > 0 && width * height <= 256 * 9 * 2 * 1024);
  const text = rig.vga.screen.text();
  assert.equal(text?.cells.length ?? 0, (text?.columns ?? 0) * (text?.rows ?? 0));
}

test('a million random accesses', () => {
  const rig = new TestVga();
  const random = generator(0x1234_5678);
  for (let i = 0; i < 1_000_000; i++) {
    access(rig, random);
    if (i % 64 === 0) rig.clock.advance(random(1e6));
    if (i % 10_000 === 0) {
      // The next accesses begin in a mode that makes sense.
      const mode = modes[random(modes.length)];
      rig.setMode(mode, palettes[mode.palette] as string);
    }
    if (i % 10_000 > 9_900 && random(10) === 0) look(rig);
  }
  rig.vga.restore(rig.vga.save());
  assert.equal(rig.memory.bytes.length, TEST_MEMORY_BYTES);
});

test('a reset brings back the state of power-on', () => {
  const rig = new TestVga();
  const random = generator(42);
  const fresh = structuredClone(rig.vga.state);
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 500; i++) access(rig, random);
    rig.vga.reset();
    assert.deepEqual(rig.vga.state, fresh);
    assert.equal(rig.vga.screen.mode, 'blank');
  }
});

test('saving, restoring and saving gives the same bytes', () => {
  const rig = new TestVga();
  const other = new TestVga();
  const random = generator(43);
  for (let round = 0; round < 30; round++) {
    for (let i = 0; i < 300; i++) access(rig, random);
    const saved = rig.vga.save();
    other.vga.restore(saved);
    assert.deepEqual(other.vga.save(), saved);
  }
});

test('hostile saved state is refused without a trace, or borne', () => {
  const rig = new TestVga();
  const random = generator(44);
  for (let i = 0; i < 500; i++) access(rig, random);
  const saved = rig.vga.save();
  for (let i = 0; i < 200; i++) {
    assert.throws(() => rig.vga.restore(saved.subarray(0, random(saved.length))), StateError);
  }
  assert.deepEqual(rig.vga.save(), saved);
  const header = 1 + saved[0] + 2;
  let borne = 0;
  for (let i = 0; i < 300; i++) {
    const damaged = saved.slice();
    for (let flips = random(200); flips >= 0; flips--) {
      damaged[header + random(saved.length - header)] = random(3) ? random(256) : 0xff;
    }
    try {
      rig.vga.restore(damaged);
    } catch (error) {
      assert.ok(error instanceof StateError, String(error));
      continue;
    }
    borne++;
    for (let j = 0; j < 100; j++) access(rig, random);
    if (i % 8 === 0) look(rig);
  }
  assert.ok(borne > 0);
});
