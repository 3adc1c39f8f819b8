/** A screen for tests, to be painted on. */

import type { Screen, ScreenImage } from '../../base/screen.ts';

export class TestScreen implements Screen {
  readonly mode = 'graphics';
  generation = 0;
  /** How often somebody had a picture made. */
  images = 0;
  #image: ScreenImage = { width: 0, height: 0, pixels: new Uint8ClampedArray(0) };

  constructor(width: number, height: number) {
    this.resize(width, height);
  }

  text(): undefined {
    return undefined;
  }

  image(): ScreenImage {
    this.images++;
    return this.#image;
  }

  /** Black, and of another size. */
  resize(width: number, height: number): void {
    this.#image = { width, height, pixels: new Uint8ClampedArray(width * height * 4) };
    this.fill(0, 0, 0, width, height);
  }

  /** In a colour 0xRRGGBB. */
  fill(colour: number, x: number, y: number, width: number, height: number): void {
    const { pixels, width: across } = this.#image;
    for (let row = y; row < y + height; row++) {
      for (let column = x; column < x + width; column++) {
        pixels.set([colour >>> 16, (colour >>> 8) & 255, colour & 255, 255], (row * across + column) * 4);
      }
    }
    this.generation++;
  }

  /** A pixel's colour from its place: every tile is different. */
  paint(colourAt: (x: number, y: number) => number): void {
    const { width, height } = this.#image;
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) this.fill(colourAt(x, y), x, y, 1, 1);
  }
}
