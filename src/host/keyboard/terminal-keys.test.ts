import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Stroke } from './strokes.ts';
import { TerminalKeys } from './terminal-keys.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Strokes as `Control+Alt+Shift+Code`. */
function names(strokes: readonly Stroke[]): string {
  const name = ({ code, shift, control, alt }: Stroke): string =>
    `${control ? 'Control+' : ''}${alt ? 'Alt+' : ''}${shift ? 'Shift+' : ''}${code}`;
  return strokes.map(name).join(' ');
}

/** All that was typed, in one piece and with time after it. */
function typed(text: string): string {
  const keys = new TerminalKeys();
  return names([...keys.feed(encode(text)), ...keys.flush()]);
}

const CASES: readonly (readonly [sent: string, keys: string])[] = [
  ['aB1!', 'KeyA Shift+KeyB Digit1 Shift+Digit1'],
  ['\r\n\t\x7f\b', 'Enter Enter Tab Backspace Backspace'],
  ['\x01\x03\x1a', 'Control+KeyA Control+KeyC Control+KeyZ'],
  ['\x00\x1c\x1d\x1e\x1f', 'Control+Space Control+Backslash Control+BracketRight Control+Digit6 Control+Minus'],
  ['aéb', 'KeyA KeyB'],
  ['\x1b[A\x1b[B\x1b[C\x1b[D', 'ArrowUp ArrowDown ArrowRight ArrowLeft'],
  ['\x1bOA\x1bOB\x1bOC\x1bOD', 'ArrowUp ArrowDown ArrowRight ArrowLeft'],
  ['\x1b[H\x1b[F\x1bOH\x1bOF\x1b[1~\x1b[4~\x1b[7~\x1b[8~', 'Home End Home End Home End Home End'],
  ['\x1b[2~\x1b[3~\x1b[5~\x1b[6~', 'Insert Delete PageUp PageDown'],
  ['\x1bOP\x1bOQ\x1bOR\x1bOS', 'F1 F2 F3 F4'],
  ['\x1b[11~\x1b[15~\x1b[17~\x1b[21~\x1b[23~\x1b[24~', 'F1 F5 F6 F10 F11 F12'],
  ['\x1b[[A\x1b[[E', 'F1 F5'],
  ['\x1b[1;2A\x1b[1;3P\x1b[3;7~\x1b[1;8D', 'Shift+ArrowUp Alt+F1 Control+Alt+Delete Control+Alt+Shift+ArrowLeft'],
  ['\x1b[Z', 'Shift+Tab'],
  ['\x1bx\x1bX\x1b\x7f', 'Alt+KeyX Alt+Shift+KeyX Alt+Backspace'],
  ['\x1b\x1b[A', 'Alt+ArrowUp'],
  ['\x1b', 'Escape'],
  ['\x1b\x1b', 'Escape Escape'],
  ['\x1b\x1bx', 'Escape Alt+KeyX'],
  ['\x1b\x1b\x1b[A', 'Escape Alt+ArrowUp'],
  ['\x1b[', 'Alt+BracketLeft'],
  ['\x1bO', 'Alt+Shift+KeyO'],
];
for (const [sent, keys] of CASES) {
  test(`${JSON.stringify(sent)} is ${keys}`, () => assert.equal(typed(sent), keys));
}

test('sequences that no key has are dropped, and what follows is not', () => {
  for (const sent of ['\x1b[99~', '\x1b[?1;2c', '\x1b[<0;1;1M', '\x1b[200~', '\x1bOz']) {
    assert.equal(typed(`${sent}a`), 'KeyA', JSON.stringify(sent));
  }
});

test('a sequence may come in pieces', () => {
  const keys = new TerminalKeys();
  const pieces = ['\x1b', '[', '1;', '5', 'Cx'].map((piece) => names(keys.feed(encode(piece))));
  assert.deepEqual(pieces, ['', '', '', '', 'Control+ArrowRight KeyX']);
  assert.equal(keys.isPending, false);
});

test('Escape waits for what may follow it, until nothing has', () => {
  const keys = new TerminalKeys();
  assert.deepEqual(keys.feed(encode('\x1b')), []);
  assert.equal(keys.isPending, true);
  assert.equal(names(keys.flush()), 'Escape');
  assert.equal(keys.isPending, false);
  assert.equal(names(keys.feed(encode('['))), 'BracketLeft');
});

test('what waits for its end is bounded', () => {
  const keys = new TerminalKeys();
  keys.feed(encode(`\x1b[${';'.repeat(1000)}`));
  assert.equal(keys.isPending, false);
  assert.equal(names(keys.feed(encode('\x1b'.repeat(1000)))).split(' ').length, 998);
});
