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
/** With more, a tile is a photograph. */
const MOST_COLOURS = 32;

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
  const tile = new Tile(writer, into);
  let end = at;
  for (let y = 0; y < height; y += TILE) {
    for (let x = 0; x < width; x += TILE) {
      tile.read(pixels, y * width + x, width, Math.min(TILE, width - x), Math.min(TILE, height - y));
      end = tile.write(end);
    }
  }
  return end;
};

interface Colour {
  readonly value: number;
  count: number;
}

/** A tile at a time, so that thousands of them take no memory of their own. */
class Tile {
  readonly #writer: PixelWriter;
  readonly #into: Uint8Array;
  readonly #values = new Uint32Array(TILE * TILE);
  /** What no rectangle covers yet. */
  readonly #left = new Uint32Array(TILE * TILE);
  #width = 0;
  #height = 0;

  constructor(writer: PixelWriter, into: Uint8Array) {
    this.#writer = writer;
    this.#into = into;
  }

  read(pixels: Uint32Array, from: number, stride: number, width: number, height: number): void {
    this.#width = width;
    this.#height = height;
    for (let row = 0, to = 0; row < height; row++) {
      for (let at = from + row * stride, end = at + width; at < end; at++) this.#values[to++] = pixels[at] as number;
    }
  }

  get #length(): number {
    return this.#width * this.#height;
  }

  /** In rectangles on a background, unless its pixels as they are take less. */
  write(at: number): number {
    const colours = this.#colours();
    if (colours === undefined) return this.#writeRaw(at);
    const background = colours.reduce((most, colour) => (colour.count > most.count ? colour : most)).value;
    const others = colours.filter(({ value }) => value !== background);
    const writer = this.#writer;
    const into = this.#into;
    if (others.length === 0) {
      into[at] = HEXTILE_BACKGROUND;
      return writer.write(background, into, at + 1);
    }
    const isColoured = others.length > 1;
    let end = writer.write(background, into, at + 1);
    if (!isColoured) end = writer.write((others[0] as Colour).value, into, end);
    const rectanglesBytes = at + 1 + this.#length * writer.bytesPerPixel - (end + 1);
    const most = Math.floor(rectanglesBytes / (2 + (isColoured ? writer.bytesPerPixel : 0)));
    const rectangles = this.#rectangles(background, Math.min(MOST_RECTANGLES, most));
    if (rectangles === undefined) return this.#writeRaw(at);

    into[at] = HEXTILE_BACKGROUND | HEXTILE_RECTANGLES | (isColoured ? HEXTILE_COLOURED : HEXTILE_FOREGROUND);
    into[end++] = rectangles.length;
    for (const { x, y, width, height, value } of rectangles) {
      if (isColoured) end = writer.write(value, into, end);
      into[end++] = (x << 4) | y;
      into[end++] = ((width - 1) << 4) | (height - 1);
    }
    return end;
  }

  #writeRaw(at: number): number {
    this.#into[at] = HEXTILE_RAW;
    let end = at + 1;
    for (let i = 0; i < this.#length; i++) end = this.#writer.write(this.#values[i] as number, this.#into, end);
    return end;
  }

  /** How many pixels each colour has; undefined with more of them than rectangles are good for. */
  #colours(): Colour[] | undefined {
    const colours: Colour[] = [];
    const values = this.#values;
    const length = this.#length;
    for (let from = 0, to = 0; from < length; from = to) {
      const value = values[from] as number;
      while (to < length && values[to] === value) to++;
      let colour = colours.find((known) => known.value === value);
      if (colour === undefined) {
        if (colours.length === MOST_COLOURS) return undefined;
        colour = { value, count: 0 };
        colours.push(colour);
      }
      colour.count += to - from;
    }
    return colours;
  }

  /** Covers all but the background; undefined if that takes more than `most`. */
  #rectangles(background: number, most: number): (Rectangle & { readonly value: number })[] | undefined {
    const left = this.#left;
    left.set(this.#values);
    const [columns, rows] = [this.#width, this.#height];
    const found: (Rectangle & { readonly value: number })[] = [];
    for (let at = 0; at < this.#length; at++) {
      const value = left[at] as number;
      if (value === background) continue;
      if (found.length >= most) return undefined;
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
