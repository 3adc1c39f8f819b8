import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Screen, ScreenImage, TextScreen } from '../../base/screen.ts';
import type { ColourDepth } from './colours.ts';
import { TerminalFrame } from './frame.ts';
import { TestTerminal } from './test-terminal.ts';

const PALETTE = Uint32Array.of(
  ...[0x000000, 0x0000aa, 0x00aa00, 0x00aaaa, 0xaa0000, 0xaa00aa, 0xaa5500, 0xaaaaaa],
  ...[0x555555, 0x5555ff, 0x55ff55, 0x55ffff, 0xff5555, 0xff55ff, 0xffff55, 0xffffff],
);

/** A screen to be written on; what is written is seen at the next look. */
class TestScreen implements Screen {
  mode: Screen['mode'] = 'text';
  generation = 1;
  readonly columns: number;
  readonly rows: number;
  readonly cells: Uint16Array;
  cursor = { column: 0, row: 0, visible: true };
  palette = PALETTE;
  isBlinking = true;
  picture: ScreenImage = { width: 1, height: 1, pixels: new Uint8ClampedArray(4) };

  constructor(columns = 80, rows = 25) {
    this.columns = columns;
    this.rows = rows;
    this.cells = new Uint16Array(columns * rows).fill(0x0720);
  }

  text(): TextScreen | undefined {
    return this.mode === 'text' ? this : undefined;
  }

  image(): ScreenImage {
    return this.picture;
  }

  write(column: number, row: number, text: string, attribute = 7): void {
    for (let i = 0; i < text.length; i++) {
      this.cells[row * this.columns + column + i] = (attribute << 8) | text.charCodeAt(i);
    }
    this.generation++;
  }
}

/** A screen at a terminal. */
function shown(screen: TestScreen, columns = 80, rows = 25, depth: ColourDepth = 4) {
  const frame = new TerminalFrame(depth);
  const terminal = new TestTerminal(columns, rows);
  frame.resize(columns, rows);
  const look = (): string => {
    const written = frame.show(screen);
    terminal.write(written);
    return written;
  };
  look();
  return { frame, terminal, look };
}

test('text is where it is on the screen, and nothing else is there', () => {
  const screen = new TestScreen();
  screen.write(0, 0, 'upper left');
  screen.write(68, 24, 'lower right');
  screen.write(79, 24, '.');
  const { terminal } = shown(screen, 100, 30);
  const lines = Array.from({ length: 30 }, () => '');
  lines[0] = 'upper left';
  lines[24] = `${' '.repeat(68)}lower right.`;
  assert.deepEqual(terminal.text, lines);
});

test('codes have the glyphs of code page 437', () => {
  const screen = new TestScreen();
  screen.write(0, 0, '\xc9\xcd\xbb\xb0\xdb\x01\x00\xff\x82.');
  assert.equal(shown(screen).terminal.text[0], '╔═╗░█☺  é.');
});

test('attributes are the colours of a PC, or those of the palette', () => {
  const screen = new TestScreen();
  screen.write(0, 0, 'A', 0x1e);
  screen.write(1, 0, 'B', 0x46);
  screen.write(2, 0, 'C', 0x97);
  for (const [depth, colours] of [
    [4, ['93/44', '33/41', '37/44 blink']],
    [8, ['227/19', '130/124', '248/19 blink']],
    [24, ['255,255,85/0,0,170', '170,85,0/170,0,0', '170,170,170/0,0,170 blink']],
  ] as const) {
    const { terminal } = shown(screen, 80, 25, depth);
    const attributes = [0, 1, 2].map((column) => terminal.attribute(column, 0));
    assert.deepEqual(attributes, colours);
  }
});

test('bit 7 is a bright background where nothing blinks', () => {
  const screen = new TestScreen();
  screen.isBlinking = false;
  screen.write(0, 0, 'A', 0x97);
  assert.equal(shown(screen).terminal.attribute(0, 0), '37/104');
});

test('only what has changed is written', () => {
  const screen = new TestScreen();
  const { look } = shown(screen);
  assert.equal(look(), '');
  screen.write(10, 5, 'x');
  assert.equal(look(), '\x1b[6;11H\x1b[0;37;40mx\x1b[1;1H');
  screen.generation++;
  assert.equal(look(), '');
  screen.cursor = { column: 3, row: 2, visible: true };
  screen.generation++;
  assert.equal(look(), '\x1b[3;4H');
  screen.write(0, 9, 'one two');
  screen.write(20, 9, 'three');
  assert.equal(look(), '\x1b[10;1H\x1b[0;37;40mone two\x1b[10;21Hthree\x1b[3;4H');
});

test('the cursor is shown where the screen has one', () => {
  const screen = new TestScreen();
  screen.cursor = { column: 7, row: 3, visible: true };
  const { terminal, look } = shown(screen);
  assert.deepEqual([terminal.cursor, terminal.modes.has(25)], [{ column: 7, row: 3 }, true]);
  screen.cursor = { column: 7, row: 3, visible: false };
  screen.generation++;
  look();
  assert.equal(terminal.modes.has(25), false);
});

test('a smaller terminal shows the rows down to the cursor', () => {
  const screen = new TestScreen();
  for (let row = 0; row < 25; row++) screen.write(0, row, `row ${row}`);
  screen.write(60, 0, 'far right');
  const { terminal, look } = shown(screen, 40, 24);
  assert.deepEqual([terminal.text[0], terminal.text[23]], ['row 0', 'row 23']);
  screen.cursor = { column: 50, row: 24, visible: true };
  screen.generation++;
  look();
  assert.deepEqual([terminal.text[0], terminal.text[23]], ['row 1', 'row 24']);
  assert.equal(terminal.modes.has(25), false);
});

test('after any changes the terminal shows what a new one would', () => {
  let seed = 1;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return (seed >> 8) % below;
  };
  const screen = new TestScreen(20, 6);
  const { terminal, look } = shown(screen, 18, 7);
  for (let round = 0; round < 300; round++) {
    for (let i = random(8); i > 0; i--) screen.cells[random(120)] = (random(256) << 8) | (0x1f + random(4));
    screen.cursor = { column: random(20), row: random(6), visible: random(3) > 0 };
    screen.generation++;
    look();
    const other = shown(screen, 18, 7).terminal;
    assert.deepEqual(terminal.text, other.text);
    assert.equal(terminal.modes.has(25), other.modes.has(25));
    if (terminal.modes.has(25)) assert.deepEqual(terminal.cursor, other.cursor);
    for (let at = 0; at < 18 * 7; at++) {
      const [column, row] = [at % 18, Math.floor(at / 18)];
      // The colour of a blank is that behind it.
      const isBlank = (terminal.text[row]?.[column] ?? ' ') === ' ';
      const of = (it: TestTerminal): string =>
        it
          .attribute(column, row)
          .replace(isBlank ? /^\d*|blink/g : /$^/, '')
          .trim();
      assert.equal(of(terminal), of(other));
    }
  }
});

test('after a change of size everything is written again', () => {
  const screen = new TestScreen();
  screen.write(0, 0, 'here');
  const { frame } = shown(screen);
  frame.resize(60, 20);
  const terminal = new TestTerminal(60, 20);
  terminal.write(frame.show(screen));
  assert.equal(terminal.text[0], 'here');
  assert.ok(!terminal.text.join('').includes('?'));
});

test('a picture is half blocks, as large as there is room for', () => {
  const screen = new TestScreen();
  screen.mode = 'graphics';
  const pixels = new Uint8ClampedArray(4 * 8 * 4).fill(255);
  // The second row of the picture shrunk to half is red.
  for (let at = 2 * 8 * 4; at < pixels.length; at += 4) pixels.set([170, 0, 0], at);
  screen.picture = { width: 8, height: 4, pixels };
  const { terminal } = shown(screen, 4, 3);
  assert.deepEqual(terminal.text, ['▀▀▀▀', '', '']);
  assert.equal(terminal.attribute(3, 0), '97/41');
});

test('a blank screen is empty, and hides the cursor', () => {
  const screen = new TestScreen();
  screen.write(0, 0, 'text');
  const { terminal, look } = shown(screen);
  screen.mode = 'blank';
  screen.generation++;
  look();
  assert.equal(terminal.text.join(''), '');
  assert.equal(terminal.modes.has(25), false);
});

test('lines of ours stand in for the screen until it is shown again', () => {
  const screen = new TestScreen();
  screen.write(0, 0, 'screen');
  const { frame, terminal, look } = shown(screen);
  terminal.write(frame.showLines(['one', 'two', 'x'.repeat(100), ...new Array(50).fill('more')], ['end']));
  assert.deepEqual(terminal.text.slice(0, 3), ['one', 'two', 'x'.repeat(80)]);
  assert.deepEqual(terminal.text.slice(23), ['more', 'end']);
  look();
  assert.deepEqual([terminal.text[0], terminal.text[1]], ['screen', '']);
});
