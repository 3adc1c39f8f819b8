/**
 * What a terminal shows, cell by cell, and the shortest simple way from what it shows to what it should (ECMA-48: CUP,
 * SGR). Glyphs are characters of one column.
 */

import type { TerminalColours } from './colours.ts';

const SPACE = 0x20;
/** Fewer characters than moving the cursor over as many cells takes. */
const SHORT_GAP = 4;
/** In a foreground: the character blinks. */
export const BLINKING = 1 << 24;
const RGB = 0xffffff;

export interface Place {
  readonly column: number;
  readonly row: number;
}

class Grid {
  readonly glyphs: Uint16Array;
  readonly foregrounds: Uint32Array;
  readonly backgrounds: Uint32Array;

  constructor(size: number) {
    this.glyphs = new Uint16Array(size);
    this.foregrounds = new Uint32Array(size);
    this.backgrounds = new Uint32Array(size);
  }
}

export class Cells {
  readonly #colours: TerminalColours;
  #columns = 0;
  #rows = 0;
  /** A glyph of 0 is not known to be there. */
  #shown = new Grid(0);
  #wanted = new Grid(0);

  constructor(colours: TerminalColours) {
    this.#colours = colours;
  }

  get columns(): number {
    return this.#columns;
  }

  get rows(): number {
    return this.#rows;
  }

  /** The terminal has this size, and nothing is known of what it shows. */
  resize(columns: number, rows: number): void {
    this.#columns = columns;
    this.#rows = rows;
    this.#shown = new Grid(columns * rows);
    this.#wanted = new Grid(columns * rows);
  }

  /** Everything is to be black. */
  clear(): void {
    this.#wanted.glyphs.fill(SPACE);
    this.#wanted.foregrounds.fill(0);
    this.#wanted.backgrounds.fill(0);
  }

  /** `glyph` is a UTF-16 code; colours are 0xRRGGBB. */
  put(column: number, row: number, glyph: number, foreground: number, background: number): void {
    const at = row * this.#columns + column;
    this.#wanted.glyphs[at] = glyph;
    // A blank has no colour of its own.
    this.#wanted.foregrounds[at] = glyph === SPACE ? 0 : foreground;
    this.#wanted.backgrounds[at] = background;
  }

  /** What to write so that the terminal shows what was put; empty where it does. The cursor may be anywhere then. */
  update(): string {
    const { glyphs, foregrounds, backgrounds } = this.#wanted;
    const shown = this.#shown;
    let text = '';
    let next = -1;
    let foreground: number | undefined;
    let background: number | undefined;
    for (let at = 0; at < glyphs.length; at++) {
      const glyph = glyphs[at] as number;
      const wantedForeground = foregrounds[at] as number;
      const wantedBackground = backgrounds[at] as number;
      if (
        glyph === shown.glyphs[at] &&
        wantedForeground === shown.foregrounds[at] &&
        wantedBackground === shown.backgrounds[at]
      )
        continue;
      // Behind the last column the terminal's cursor waits at the margin.
      const isOtherRow = Math.floor((next - 1) / this.#columns) !== Math.floor(at / this.#columns);
      if (next < 0 || isOtherRow || !this.#looksAlike(next, at, foreground, background)) {
        text += this.moveTo(this.#placeOf(at));
      } else {
        text += String.fromCharCode(...glyphs.subarray(next, at));
      }
      const sgr: string[] = [];
      if (foreground === undefined) sgr.push('0');
      if (wantedForeground !== foreground && (glyph !== SPACE || foreground === undefined)) {
        const isBlinking = (wantedForeground & BLINKING) !== 0;
        if (isBlinking !== (((foreground ?? 0) & BLINKING) !== 0)) sgr.push(isBlinking ? '5' : '25');
        sgr.push(this.#colours.foreground(wantedForeground & RGB));
        foreground = wantedForeground;
      }
      if (wantedBackground !== background) {
        sgr.push(this.#colours.background(wantedBackground));
        background = wantedBackground;
      }
      if (sgr.length > 0) text += `\x1b[${sgr.join(';')}m`;
      text += String.fromCharCode(glyph);
      next = at + 1;
    }
    this.#shown.glyphs.set(glyphs);
    this.#shown.foregrounds.set(foregrounds);
    this.#shown.backgrounds.set(backgrounds);
    return text;
  }

  moveTo({ column, row }: Place): string {
    return `\x1b[${row + 1};${column + 1}H`;
  }

  /** There are few cells from `start` up to `end`, and they can be written again in these colours. */
  #looksAlike(start: number, end: number, foreground: number | undefined, background: number | undefined): boolean {
    if (end - start > SHORT_GAP) return false;
    const { glyphs, foregrounds, backgrounds } = this.#wanted;
    for (let at = start; at < end; at++) {
      if (backgrounds[at] !== background || (foregrounds[at] !== foreground && glyphs[at] !== SPACE)) return false;
    }
    return true;
  }

  #placeOf(at: number): Place {
    return { column: at % this.#columns, row: Math.floor(at / this.#columns) };
  }
}
