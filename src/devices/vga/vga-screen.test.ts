import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { beforeEach, test } from 'node:test';
import { pictureHash, type ScreenRecord } from './test-screens.ts';
import { TestVga } from './test-vga.ts';

const { modes, palettes }: ScreenRecord = JSON.parse(
  readFileSync(new URL('qemu-screens.json', import.meta.url), 'utf8'),
);
let rig: TestVga;

function setMode(wanted: string): void {
  const recorded = modes.find(({ name }) => name.startsWith(wanted));
  assert.ok(recorded);
  rig.setMode(recorded, palettes[recorded.palette] as string);
}

function pixel(x: number, y: number): number[] {
  const { pixels, width } = rig.vga.screen.image();
  return [...pixels.subarray((y * width + x) * 4, (y * width + x) * 4 + 3)];
}

beforeEach(() => {
  rig = new TestVga();
});

test('a screen nothing was done to keeps its generation and its picture', () => {
  for (const mode of ['mode 13h', 'VBE 111h']) {
    setMode(mode);
    const { generation } = rig.vga.screen;
    const image = rig.vga.screen.image();
    rig.clock.advance(1e9);
    assert.equal(rig.vga.screen.generation, generation);
    assert.equal(rig.vga.screen.image(), image);
  }
});

test('a text screen without blinking keeps its generation', () => {
  setMode('mode 3h');
  rig.set(0x3d4, 0x0a, 0x20);
  const { generation } = rig.vga.screen;
  rig.clock.advance(1e9);
  assert.equal(rig.vga.screen.generation, generation);
});

test('writes through the window, through mappings and to registers make a new generation, each once', () => {
  setMode('VBE 101h');
  rig.vga.screen.image();
  const { screen } = rig.vga;
  const changes = [
    () => rig.poke(0xa_0000, 1),
    () => rig.memory.write(640 * 479, [1]),
    () => rig.setColour(1, 63, 63, 63),
    () => rig.setDispi(9, 1),
  ];
  for (const change of changes) {
    const before = screen.generation;
    change();
    const after = screen.generation;
    assert.ok(after > before, String(change));
    assert.equal(screen.generation, after);
  }
});

test('registers that only say how memory is written make none', () => {
  setMode('mode 12h');
  const { generation } = rig.vga.screen;
  rig.set(0x3c4, 2, 0x01);
  rig.set(0x3ce, 8, 0x80);
  rig.set(0x3ce, 5, 0x02);
  rig.set(0x3ce, 0, 0x0f);
  assert.equal(rig.vga.screen.generation, generation);
});

test('lines written through mappings are drawn again, and new colours everywhere', () => {
  setMode('VBE 101h');
  rig.setColour(1, 63, 0, 0);
  assert.deepEqual(pixel(0, 0), [0, 0, 0]);
  rig.memory.write(640 * 100 + 5, [1]);
  assert.deepEqual(pixel(5, 100), [255, 0, 0]);
  rig.setColour(1, 0, 63, 0);
  assert.deepEqual(pixel(5, 100), [0, 255, 0]);
});

test('the screen is blank while the palette is the processor’s or the sequencer says so, and of its last size', () => {
  setMode('mode 12h');
  rig.set(0x3c4, 2, 0x0f);
  rig.poke(0xa_0000, 0xff);
  assert.deepEqual(pixel(0, 0), [255, 255, 255]);
  const blankings = [
    [() => [rig.in(0x3da), rig.out(0x3c0, 0)], () => rig.out(0x3c0, 0)],
    [() => rig.set(0x3c4, 1, 0x21), () => rig.set(0x3c4, 1, 0x01)],
  ] as const;
  for (const [off, on] of blankings) {
    off();
    assert.equal(rig.vga.screen.mode, 'blank');
    assert.equal(rig.vga.screen.text(), undefined);
    assert.deepEqual(pixel(0, 0), [0, 0, 0]);
    assert.equal(rig.vga.screen.image().height, 480);
    on();
    rig.in(0x3da);
    rig.out(0x3c0, 0x20);
    assert.deepEqual(pixel(0, 0), [255, 255, 255]);
  }
});

test('at power-on there is a black screen', () => {
  const { width, height, pixels } = rig.vga.screen.image();
  assert.equal(rig.vga.screen.mode, 'blank');
  assert.equal(pixels.length, width * height * 4);
  assert.deepEqual(pixel(0, 0), [0, 0, 0]);
});

test('the colour select register replaces the upper bits of colours', () => {
  setMode('mode 12h');
  rig.set(0x3c4, 2, 0x01);
  rig.poke(0xa_0000, 0x80);
  rig.setColour(0xc1, 63, 0, 0);
  rig.setColour(0xf1, 0, 0, 63);
  rig.setAttribute(0x14, 0x0f);
  assert.deepEqual(pixel(0, 0), [255, 0, 0]);
  rig.setAttribute(0x10, 0x81);
  assert.deepEqual(pixel(0, 0), [0, 0, 255]);
});

test('the palette mask takes part in the choice of a colour', () => {
  setMode('mode 13h');
  rig.poke(0xa_0000, 0xf3);
  rig.setColour(3, 63, 0, 0);
  rig.out(0x3c6, 0x0f);
  assert.deepEqual(pixel(0, 0), [255, 0, 0]);
});

test('pictures move left by single dots', () => {
  setMode('mode 12h');
  rig.poke(0xa_0000, 0x10);
  rig.setAttribute(0x13, 3);
  assert.notDeepEqual(pixel(0, 0), [0, 0, 0]);
  assert.deepEqual(pixel(1, 0), [0, 0, 0]);
  setMode('mode 13h');
  rig.poke(0xa_0003, 0x0f);
  rig.setAttribute(0x13, 6);
  assert.notDeepEqual(pixel(0, 0), [0, 0, 0]);
  assert.deepEqual(pixel(2, 0), [0, 0, 0]);
});

test('a restored screen shows what the saved one did', () => {
  setMode('VBE 110h');
  for (let i = 0; i < 100_000; i += 4) rig.memory.write(i, [i & 0xff, i >> 8]);
  const hash = pictureHash(rig.vga.screen.image(), 0);
  const saved = rig.vga.save();
  const memory = rig.memory.bytes.slice();
  rig = new TestVga();
  rig.vga.screen.image();
  rig.memory.bytes.set(memory);
  rig.vga.restore(saved);
  assert.equal(pictureHash(rig.vga.screen.image(), 0), hash);
});

test('memory that moves is drawn from where it is', () => {
  setMode('VBE 142h');
  rig.memory.write(0, [1, 2, 3]);
  assert.deepEqual(pixel(0, 0), [3, 2, 1]);
  rig.memory.move();
  rig.memory.write(4, [4, 5, 6]);
  assert.deepEqual(pixel(1, 0), [6, 5, 4]);
});
