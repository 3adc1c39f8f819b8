import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TextScreen } from '../base/screen.ts';
import { CODE_PAGE_437 } from './code-page-437.ts';
import { screenText } from './screen-text.ts';

function screen(...rows: readonly number[][]): TextScreen {
  return {
    columns: 4,
    rows: rows.length,
    cells: Uint16Array.from(rows.flat()),
    cursor: { column: 0, row: 0, visible: false },
    palette: new Uint32Array(16),
    isBlinking: false,
  };
}

test('lines end where their text does, and so does the screen', () => {
  const empty = [0x0720, 0x0720, 0, 0xff];
  assert.equal(screenText(screen([0x0748, 0x4f69, 0x20, 0], empty, [0x20, 0xb3, 0xc4, 0x01], empty)), 'Hi\n\n │─☺\n');
  assert.equal(screenText(screen(empty, empty)), '');
});

test('there is a character for every code, ASCII where that is one', () => {
  assert.equal(CODE_PAGE_437.length, 256);
  for (let code = 0x20; code < 0x7f; code++) assert.equal(CODE_PAGE_437[code], String.fromCharCode(code));
  assert.equal(CODE_PAGE_437[0xdb], '█');
  assert.equal(CODE_PAGE_437[0xe1], 'ß');
});
