/** A screen of text as lines, without the blanks at their ends and without the empty lines at the end. */

import type { TextScreen } from '../base/screen.ts';
import { CODE_PAGE_437 } from './code-page-437.ts';

export function screenText({ columns, rows, cells }: TextScreen): string {
  const lines = Array.from({ length: rows }, (_, row) => {
    const characters = Array.from(
      cells.subarray(row * columns, (row + 1) * columns),
      (cell) => CODE_PAGE_437[cell & 0xff],
    );
    return characters.join('').trimEnd();
  });
  while (lines.at(-1) === '') lines.pop();
  return lines.map((line) => `${line}\n`).join('');
}
