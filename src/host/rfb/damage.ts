/** What of the framebuffer one client has not been sent yet, tile by tile. Regions are within the client's picture. */

import { type Framebuffer, type Rectangle, TILE, tilesAcross } from './framebuffer.ts';

/** Tiles from `left` up to, but not including, `right`. */
interface Run {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  bottom: number;
}

export class Damage {
  readonly #framebuffer: Framebuffer;
  #width = 0;
  #height = 0;
  #columns = 0;
  #rows = 0;
  /** By tile: the look from which the client has it. */
  #sent = new Uint32Array(0);

  constructor(framebuffer: Framebuffer) {
    this.#framebuffer = framebuffer;
    this.resize(framebuffer.width, framebuffer.height);
  }

  /** The client has a picture of this size, and nothing in it. */
  resize(width: number, height: number): void {
    this.#width = width;
    this.#height = height;
    this.#columns = tilesAcross(width);
    this.#rows = tilesAcross(height);
    this.#sent = new Uint32Array(this.#columns * this.#rows);
  }

  get size(): { readonly width: number; readonly height: number } {
    return { width: this.#width, height: this.#height };
  }

  /** The client wants these again, or the whole of them for the first time. */
  add(region: Rectangle): void {
    const { left, top, right, bottom } = this.#tiles(region);
    for (let row = top; row < bottom; row++) {
      this.#sent.fill(0, row * this.#columns + left, row * this.#columns + right);
    }
  }

  /** Rectangles of whole tiles in `region` that are to be sent; they count as sent. */
  take(region: Rectangle): Rectangle[] {
    const { left, top, right, bottom } = this.#tiles(region);
    const taken: Run[] = [];
    /** Of the row above, by their left end: those that can grow downwards. */
    let above = new Map<number, Run>();
    for (let row = top; row < bottom; row++) {
      const here = new Map<number, Run>();
      for (let column = left; column < right; column++) {
        if (!this.#takeTile(column, row)) continue;
        const start = column++;
        while (column < right && this.#takeTile(column, row)) column++;
        const same = above.get(start);
        const run = same?.right === column ? same : { left: start, right: column, top: row, bottom: row };
        run.bottom = row + 1;
        if (run !== same) taken.push(run);
        here.set(start, run);
      }
      above = here;
    }
    return taken.map((run) => this.#rectangle(run));
  }

  #takeTile(column: number, row: number): boolean {
    const at = row * this.#columns + column;
    if ((this.#sent[at] as number) >= this.#framebuffer.changedAt(column, row)) return false;
    this.#sent[at] = this.#framebuffer.looks;
    return true;
  }

  /** The tiles that a region touches. */
  #tiles({ x, y, width, height }: Rectangle): Run {
    return {
      left: Math.floor(x / TILE),
      top: Math.floor(y / TILE),
      right: tilesAcross(x + width),
      bottom: tilesAcross(y + height),
    };
  }

  #rectangle({ left, top, right, bottom }: Run): Rectangle {
    const x = left * TILE;
    const y = top * TILE;
    return { x, y, width: Math.min(right * TILE, this.#width) - x, height: Math.min(bottom * TILE, this.#height) - y };
  }
}
