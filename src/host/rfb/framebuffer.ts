/** What RFB clients are shown: the screen as it was last looked at, and when each of its tiles last changed. */

import type { Screen } from '../../base/screen.ts';

/** Tiles are squares of this many pixels: those of the Hextile encoding. */
export const TILE = 16;
/** Opaque black, in memory order. */
const BLACK = 0xff00_0000;

export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export const tilesAcross = (pixels: number): number => Math.ceil(pixels / TILE);

export class Framebuffer {
  readonly #screen: Screen;
  #generation: number | undefined;
  #width = 0;
  #height = 0;
  #pixels = new Uint32Array(0);
  #columns = 0;
  /** By tile: the look that found it changed. */
  #changed = new Uint32Array(0);
  #looks = 0;
  #sizes = 0;

  constructor(screen: Screen) {
    this.#screen = screen;
    this.look();
  }

  get width(): number {
    return this.#width;
  }

  get height(): number {
    return this.#height;
  }

  /** How often it was looked at and found changed. */
  get looks(): number {
    return this.#looks;
  }

  /** Counts up when the size changes. */
  get sizes(): number {
    return this.#sizes;
  }

  /** Takes in what the screen shows now. Costs nothing while that stays as it is. */
  look(): void {
    const { generation } = this.#screen;
    if (generation === this.#generation) return;
    this.#generation = generation;
    const { width, height, pixels } = this.#screen.image();
    this.#looks++;
    const now = new Uint32Array(pixels.buffer, pixels.byteOffset, width * height);
    if (width === this.#width && height === this.#height) this.#compare(now);
    else this.#resize(width, height, now);
  }

  #resize(width: number, height: number, pixels: Uint32Array): void {
    this.#width = width;
    this.#height = height;
    this.#pixels = pixels.slice();
    this.#columns = tilesAcross(width);
    this.#changed = new Uint32Array(this.#columns * tilesAcross(height)).fill(this.#looks);
    this.#sizes++;
  }

  #compare(now: Uint32Array): void {
    const before = this.#pixels;
    const width = this.#width;
    for (let y = 0, at = 0; y < this.#height; y++) {
      const tiles = Math.floor(y / TILE) * this.#columns;
      for (let x = 0; x < width; x++, at++) {
        if (now[at] !== before[at]) this.#changed[tiles + Math.floor(x / TILE)] = this.#looks;
      }
    }
    before.set(now);
  }

  /** The look that found a tile changed. What lies outside is black, and always was. */
  changedAt(column: number, row: number): number {
    if (column >= this.#columns) return 1;
    return this.#changed[row * this.#columns + column] ?? 1;
  }

  /** The pixels of a rectangle, row by row; black outside of the picture. */
  copy({ x, y, width, height }: Rectangle): Uint32Array {
    const part = new Uint32Array(width * height);
    const inside = Math.max(0, Math.min(width, this.#width - x));
    for (let row = 0; row < height; row++) {
      const from = (y + row) * this.#width + x;
      const shown = y + row < this.#height ? inside : 0;
      if (shown > 0) part.set(this.#pixels.subarray(from, from + shown), row * width);
      part.fill(BLACK, row * width + shown, (row + 1) * width);
    }
    return part;
  }
}
