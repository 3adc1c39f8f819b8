/** Rectangles as bytes: Raw (RFC 6143 §7.7.1) and Hextile (§7.7.4). Others are not offered. */

import { type Rectangle, TILE } from './framebuffer.ts';
import type { PixelWriter } from './pixel-format.ts';

export const ENCODING_RAW = 0;
export const ENCODING_HEXTILE = 5;

/** Writes the pixels of a rectangle (values of the client's format) to `into` from `at` on; gives the place behind. */
export type Encode = (
  pixels: Uint32Array,
  size: Rectangle,
  writer: PixelWriter,
  into: Uint8Array,
  at: number,
) => number;

const HEXTILE_RAW = 1;
const HEXTILE_BACKGROUND = 2;
const HEXTILE_FOREGROUND = 4;
const HEXTILE_RECTANGLES = 8;
const HEXTILE_COLOURED = 16;
const MOST_RECTANGLES = 255;

/** No encoding here takes more than a byte for each tile besides its pixels. */
export function largestEncoding({ width, height }: Rectangle, bytesPerPixel: number): number {
  return width * height * bytesPerPixel + Math.ceil(width / TILE) * Math.ceil(height / TILE);
}

export const encodeRaw: Encode = (pixels, _size, writer, into, at) => {
  let end = at;
  for (const value of pixels) end = writer.write(value, into, end);
  return end;
};

export const encodeHextile: Encode = (pixels, { width, height }, writer, into, at) => {
  let end = at;
  for (let y = 0; y < height; y += TILE) {
    for (let x = 0; x < width; x += TILE) {
      const tile = new Tile(pixels, width, x, y, Math.min(TILE, width - x), Math.min(TILE, height - y));
      end = tile.write(writer, into, end);
    }
  }
  return end;
};

class Tile {
  readonly #values: Uint32Array;
  readonly #width: number;
  readonly #height: number;

  constructor(pixels: Uint32Array, stride: number, x: number, y: number, width: number, height: number) {
    this.#width = width;
    this.#height = height;
    this.#values = new Uint32Array(width * height);
    for (let row = 0; row < height; row++) {
      const from = (y + row) * stride + x;
      this.#values.set(pixels.subarray(from, from + width), row * width);
    }
  }

  /** In rectangles on a background, unless its pixels as they are take less. */
  write(writer: PixelWriter, into: Uint8Array, at: number): number {
    const counts = this.#count();
    const [background] = [...counts].reduce((most, colour) => (colour[1] > most[1] ? colour : most));
    counts.delete(background);
    if (counts.size === 0) {
      into[at] = HEXTILE_BACKGROUND;
      return writer.write(background, into, at + 1);
    }
    const isColoured = counts.size > 1;
    const rectangleBytes = 2 + (isColoured ? writer.bytesPerPixel : 0);
    const coloursBytes = isColoured ? writer.bytesPerPixel : 2 * writer.bytesPerPixel;
    const budget = this.#values.length * writer.bytesPerPixel - coloursBytes - 1;
    const most = Math.min(MOST_RECTANGLES, Math.floor(budget / rectangleBytes));
    const rectangles = counts.size > most ? undefined : this.#rectangles(background, most);
    if (rectangles === undefined) return this.#writeRaw(writer, into, at);

    into[at] = HEXTILE_BACKGROUND | HEXTILE_RECTANGLES | (isColoured ? HEXTILE_COLOURED : HEXTILE_FOREGROUND);
    let end = writer.write(background, into, at + 1);
    for (const foreground of isColoured ? [] : counts.keys()) end = writer.write(foreground, into, end);
    into[end++] = rectangles.length;
    for (const { x, y, width, height, value } of rectangles) {
      if (isColoured) end = writer.write(value, into, end);
      into[end++] = (x << 4) | y;
      into[end++] = ((width - 1) << 4) | (height - 1);
    }
    return end;
  }

  #writeRaw(writer: PixelWriter, into: Uint8Array, at: number): number {
    into[at] = HEXTILE_RAW;
    let end = at + 1;
    for (const value of this.#values) end = writer.write(value, into, end);
    return end;
  }

  /** How many pixels each colour has. */
  #count(): Map<number, number> {
    const counts = new Map<number, number>();
    const values = this.#values;
    for (let from = 0, to = 0; from < values.length; from = to) {
      const value = values[from] as number;
      while (values[to] === value) to++;
      counts.set(value, (counts.get(value) ?? 0) + to - from);
    }
    return counts;
  }

  /** Covers all but the background; undefined if that takes more than `most`. */
  #rectangles(background: number, most: number): (Rectangle & { readonly value: number })[] | undefined {
    const left = this.#values.slice();
    const [columns, rows] = [this.#width, this.#height];
    const found: (Rectangle & { readonly value: number })[] = [];
    for (let at = 0; at < left.length; at++) {
      const value = left[at] as number;
      if (value === background) continue;
      if (found.length === most) return undefined;
      const [x, y] = [at % columns, Math.floor(at / columns)];
      let width = 1;
      while (x + width < columns && left[at + width] === value) width++;
      let height = 1;
      while (y + height < rows && isFilled(left, at + height * columns, width, value)) height++;
      for (let row = 0; row < height; row++) left.fill(background, at + row * columns, at + row * columns + width);
      found.push({ x, y, width, height, value });
    }
    return found;
  }
}

function isFilled(values: Uint32Array, from: number, count: number, value: number): boolean {
  for (let at = from; at < from + count; at++) if (values[at] !== value) return false;
  return true;
}
