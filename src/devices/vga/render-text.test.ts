import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { beforeEach, test } from 'node:test';
import type { ScreenRecord } from './test-screens.ts';
import { TestVga } from './test-vga.ts';

const { modes, palettes }: ScreenRecord = JSON.parse(
  readFileSync(new URL('qemu-screens.json', import.meta.url), 'utf8'),
);
const TEXT = 0xb_8000;
const PLANE_FONT = 2;
const A = 0x41;
const CORNER = 0xda;
let rig: TestVga;

/** A line of a character's pattern, put into the font at `offset` of plane 2. */
function setGlyph(character: number, line: number, pattern: number, offset = 0): void {
  rig.memory.bytes[(offset + character * 32 + line) * 4 + PLANE_FONT] = pattern;
}

function put(column: number, row: number, character: number, attribute: number): void {
  rig.poke(TEXT + (row * 80 + column) * 2, (attribute << 8) | character, 2);
}

/** A line of dots as letters: '.' for the colour at the picture's corner, '#' for any other. */
function dots(x: number, y: number, count: number): string {
  const { pixels, width } = rig.vga.screen.image();
  const words = new Uint32Array(pixels.buffer);
  return Array.from({ length: count }, (_, i) => (words[y * width + x + i] === words[0] ? '.' : '#')).join('');
}

/** 0xRRGGBB. */
function colour(x: number, y: number): number {
  const { pixels, width } = rig.vga.screen.image();
  const at = (y * width + x) * 4;
  return ((pixels[at] as number) << 16) | ((pixels[at + 1] as number) << 8) | (pixels[at + 2] as number);
}

beforeEach(() => {
  rig = new TestVga();
  const recorded = modes.find(({ name }) => name === 'mode 3h');
  assert.ok(recorded);
  rig.setMode(recorded, palettes[recorded.palette] as string);
  rig.set(0x3d4, 0x0a, 0x20);
});

test('80 by 25 characters of 9 by 16 dots', () => {
  const { width, height } = rig.vga.screen.image();
  assert.equal(rig.vga.screen.mode, 'text');
  assert.deepEqual([width, height], [720, 400]);
});

test('a character has its font’s dots, in the colours of its attribute', () => {
  setGlyph(A, 3, 0b10100001);
  put(2, 1, A, 0x1e);
  assert.equal(dots(17, 19, 11), '.#########.');
  const [yellow, blue] = [0xffff55, 0x0000aa];
  assert.deepEqual(
    [0, 1, 2, 7, 8].map((i) => colour(18 + i, 19)),
    [yellow, blue, yellow, yellow, blue],
  );
});

test('line graphics go on into the ninth dot, where that is on', () => {
  setGlyph(CORNER, 0, 0x0f);
  setGlyph(A, 0, 0x0f);
  put(0, 1, CORNER, 7);
  put(1, 1, A, 7);
  assert.equal(dots(0, 16, 18), '....#####....####.');
  rig.setAttribute(0x10, 0x08);
  assert.equal(dots(0, 16, 18), '....####.....####.');
});

test('columns of 8 dots, and dots twice as wide', () => {
  setGlyph(A, 0, 0x81);
  put(1, 0, A, 7);
  rig.set(0x3c4, 1, 0x01);
  assert.equal(rig.vga.screen.image().width, 640);
  assert.equal(dots(8, 0, 8), '#......#');
  rig.set(0x3c4, 1, 0x09);
  assert.equal(rig.vga.screen.image().width, 1280);
  assert.equal(dots(16, 0, 16), '##............##');
});

test('with bit 3 of their attribute characters are of another font', () => {
  setGlyph(A, 0, 0xff, 0x4000);
  put(1, 0, A, 0x0f);
  put(2, 0, A, 0x07);
  rig.set(0x3c4, 3, 0x04);
  assert.equal(dots(9, 0, 18), '########..........');
});

test('the cursor is where it was put, in its lines of the character, and comes and goes', () => {
  rig.set(0x3d4, 0x0a, 13);
  rig.set(0x3d4, 0x0b, 14);
  rig.set(0x3d4, 0x0e, 0);
  rig.set(0x3d4, 0x0f, 81);
  put(1, 1, A, 0x07);
  assert.equal(dots(8, 16 + 12, 11), '...........');
  assert.equal(dots(8, 16 + 13, 11), '.#########.');
  assert.equal(dots(8, 16 + 14, 11), '.#########.');
  assert.equal(dots(8, 16 + 15, 11), '...........');
  assert.deepEqual(rig.vga.screen.text()?.cursor, { column: 1, row: 1, visible: true });
  const { generation } = rig.vga.screen;
  rig.clock.advance(8.5e9 / 70);
  assert.notEqual(rig.vga.screen.generation, generation);
  assert.equal(dots(8, 16 + 13, 11), '...........');
  rig.clock.advance(8e9 / 70);
  assert.equal(dots(8, 16 + 13, 11), '.#########.');
  rig.set(0x3d4, 0x0a, 0x2d);
  assert.equal(dots(8, 16 + 13, 11), '...........');
  assert.equal(rig.vga.screen.text()?.cursor.visible, false);
});

test('characters blink, or have a bright background', () => {
  setGlyph(A, 0, 0xff);
  rig.setAttribute(0x10, 0x0c);
  put(1, 0, A, 0x87);
  assert.equal(dots(9, 0, 9), '########.');
  rig.clock.advance(17e9 / 70);
  assert.equal(dots(9, 0, 9), '.........');
  assert.equal(rig.vga.screen.text()?.isBlinking, true);
  rig.setAttribute(0x10, 0x04);
  assert.equal(dots(9, 0, 9), '#########');
  assert.equal(colour(17, 0), 0x555555);
});

test('underlined characters are, where the underline has a place', () => {
  rig.set(0x3d4, 0x14, 0x0d);
  put(1, 0, A, 0x01);
  put(2, 0, A, 0x07);
  assert.equal(dots(9, 13, 18), '########..........');
});

test('characters, attributes and colours can be read as such', () => {
  put(79, 24, A, 0x1e);
  rig.setColour(1, 0, 0, 63);
  const text = rig.vga.screen.text();
  assert.ok(text);
  assert.deepEqual([text.columns, text.rows], [80, 25]);
  assert.equal(text.cells[24 * 80 + 79], 0x1e41);
  assert.equal(text.palette[1], 0x0000ff);
  assert.equal(text.palette[14], 0xffff55);
});

test('the screen starts where the start address says, moved by lines and dots', () => {
  setGlyph(A, 2, 0x80);
  put(0, 1, A, 0x07);
  rig.set(0x3d4, 0x0d, 79);
  assert.equal(dots(9, 2, 9), '#........');
  assert.equal((rig.vga.screen.text()?.cells[1] as number) & 0xff, A);
  rig.set(0x3d4, 0x08, 2);
  assert.equal(dots(9, 0, 9), '#........');
  rig.setAttribute(0x13, 2); // three dots, in columns of nine
  assert.equal(dots(6, 0, 9), '#........');
});

test('after the line of comparison the screen goes on from the start of memory, without panning if so set', () => {
  setGlyph(A, 0, 0x80);
  put(1, 0, A, 0x07);
  rig.set(0x3d4, 0x0c, 0x10);
  rig.set(0x3d4, 0x11, 0x0e);
  rig.set(0x3d4, 0x07, 0x0f);
  rig.set(0x3d4, 0x09, 0x0f);
  rig.set(0x3d4, 0x18, 99);
  rig.setAttribute(0x13, 0);
  assert.equal(dots(8, 100, 9), '#........');
  rig.setAttribute(0x10, 0x2c);
  assert.equal(dots(9, 100, 9), '#........');
  assert.equal(dots(0, 99, 100).includes('#'), false);
});
