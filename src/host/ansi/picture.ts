/** Screens as cells of a terminal: text as it is, graphics as half blocks of two pixels. */

import type { ScreenImage, TextScreen } from '../../base/screen.ts';
import { CODE_PAGE_437 } from '../code-page-437.ts';
import { BLINKING, type Cells, type Place } from './cells.ts';

const GLYPHS = Uint16Array.from(CODE_PAGE_437, (character) => character.charCodeAt(0));
/** ▀: the foreground above, the background below. */
const UPPER_HALF = 0x2580;
const PER_PIXEL = 4;

/**
 * Puts as much of a text screen as there is room for, from the left, and the rows down to its cursor if not all are.
 * Returns where the cursor is, if it can be seen.
 */
export function putText(cells: Cells, { columns, rows, cells: codes, ...text }: TextScreen): Place | undefined {
  const { cursor, palette, isBlinking } = text;
  const highest = Math.max(0, rows - cells.rows);
  const top = cursor.visible ? Math.min(highest, Math.max(0, cursor.row - cells.rows + 1)) : 0;
  const shownColumns = Math.min(columns, cells.columns);
  const shownRows = Math.min(rows, cells.rows);
  for (let row = 0; row < shownRows; row++) {
    for (let column = 0; column < shownColumns; column++) {
      const code = codes[(top + row) * columns + column] as number;
      const attribute = code >> 8;
      const background = palette[(attribute >> 4) & (isBlinking ? 7 : 15)] as number;
      const blinks = isBlinking && attribute > 0x7f;
      const foreground = (palette[attribute & 15] as number) | (blinks ? BLINKING : 0);
      cells.put(column, row, GLYPHS[code & 0xff] as number, foreground, background);
    }
  }
  const place = { column: cursor.column, row: cursor.row - top };
  return cursor.visible && place.column < shownColumns && place.row < shownRows ? place : undefined;
}

/** Puts a picture as large as there is room for, from the upper left. Half a cell is about as high as wide. */
export function putImage(cells: Cells, image: ScreenImage): void {
  const scale = Math.min(cells.columns / image.width, (2 * cells.rows) / image.height);
  const width = Math.max(1, Math.min(cells.columns, Math.round(image.width * scale)));
  const height = Math.max(1, Math.min(2 * cells.rows, Math.round(image.height * scale)));
  for (let row = 0; 2 * row < height; row++) {
    for (let column = 0; column < width; column++) {
      const above = average(image, column, 2 * row, width, height);
      const below = 2 * row + 1 < height ? average(image, column, 2 * row + 1, width, height) : 0;
      cells.put(column, row, UPPER_HALF, above, below);
    }
  }
}

/** What becomes of the pixel `x`, `y` of a picture shrunk, or stretched, to `width` by `height`. */
function average({ pixels, ...image }: ScreenImage, x: number, y: number, width: number, height: number): number {
  const left = Math.floor((x * image.width) / width);
  const right = Math.max(left + 1, Math.floor(((x + 1) * image.width) / width));
  const top = Math.floor((y * image.height) / height);
  const bottom = Math.max(top + 1, Math.floor(((y + 1) * image.height) / height));
  let red = 0;
  let green = 0;
  let blue = 0;
  for (let row = top; row < bottom; row++) {
    const end = (row * image.width + right) * PER_PIXEL;
    for (let at = (row * image.width + left) * PER_PIXEL; at < end; at += PER_PIXEL) {
      red += pixels[at] as number;
      green += pixels[at + 1] as number;
      blue += pixels[at + 2] as number;
    }
  }
  const count = (right - left) * (bottom - top);
  return (Math.round(red / count) << 16) | (Math.round(green / count) << 8) | Math.round(blue / count);
}
