/** A guest's screen on a terminal: what to write to it, when something has changed. */

import type { Screen } from '../../base/screen.ts';
import { Cells, type Place } from './cells.ts';
import { type ColourDepth, TerminalColours } from './colours.ts';
import { putImage, putText } from './picture.ts';

const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';
const WHITE = 0xffffff;

export class TerminalFrame {
  readonly #cells: Cells;
  /** Of the screen that the terminal shows. */
  #generation: number | undefined;
  /** Where the cursor is; `hidden`, or undefined where nothing is known. */
  #cursor: Place | 'hidden' | undefined;

  constructor(depth: ColourDepth) {
    this.#cells = new Cells(new TerminalColours(depth));
  }

  /** The terminal has this size, and shows anything. */
  resize(columns: number, rows: number): void {
    this.#cells.resize(columns, rows);
    this.#generation = undefined;
    this.#cursor = undefined;
  }

  /** What to write so that the terminal shows the screen; empty where it does. */
  show(screen: Screen): string {
    const { generation } = screen;
    if (generation === this.#generation) return '';
    this.#generation = generation;
    this.#cells.clear();
    const text = screen.text();
    if (text !== undefined) return this.#update(putText(this.#cells, text));
    if (screen.mode === 'graphics') putImage(this.#cells, screen.image());
    return this.#update(undefined);
  }

  /** As `show`, of lines of ours, as many as there is room for, and those at the end in any case. */
  showLines(lines: readonly string[], end: readonly string[] = []): string {
    this.#generation = undefined;
    this.#cells.clear();
    const room = this.#cells.rows - end.length;
    const shown = room > 0 ? [...lines.slice(0, room), ...end] : lines.slice(0, this.#cells.rows);
    for (const [row, line] of shown.entries()) {
      for (let column = 0; column < Math.min(line.length, this.#cells.columns); column++) {
        this.#cells.put(column, row, line.charCodeAt(column), WHITE, 0);
      }
    }
    return this.#update(undefined);
  }

  #update(cursor: Place | undefined): string {
    const changes = this.#cells.update();
    const before = this.#cursor;
    this.#cursor = cursor ?? 'hidden';
    if (cursor === undefined) return before === 'hidden' ? changes : HIDE_CURSOR + changes;
    if (before === undefined || before === 'hidden') return changes + this.#cells.moveTo(cursor) + SHOW_CURSOR;
    const isThere = changes === '' && before.column === cursor.column && before.row === cursor.row;
    return isThere ? '' : changes + this.#cells.moveTo(cursor);
  }
}
