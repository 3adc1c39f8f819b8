/**
 * What a monitor connected to the VGA shows, made when somebody looks. What was drawn is kept, so looking again at an
 * unchanged screen draws nothing.
 */

import type { Clock } from '../../base/clock.ts';
import type { Screen, ScreenImage, TextScreen } from '../../base/screen.ts';
import type { Dac } from './dac.ts';
import type { DirtyPages } from './dirty-pages.ts';
import type { Dispi, DispiGeometry } from './dispi.ts';
import type { Planes } from './planes.ts';
import { drawPacked } from './render-packed.ts';
import { byteDrawer, interleavedDrawer, planarDrawer } from './render-planar.ts';
import { hasBlinking, textDrawer, textScreen } from './render-text.ts';
import { type DotShape, drawScan, type LineDrawer, type Scan, scanOf } from './scan.ts';
import { blinkCount, blinkPhase, type Timing } from './timing.ts';
import type { VgaState } from './vga-state.ts';
import * as vga from './vga-state.ts';

/** What is shown before any mode was set. */
const FIRST_WIDTH = 720;
const FIRST_HEIGHT = 400;
const BLACK = 0xff00_0000;

export interface VgaScreenParts {
  readonly state: VgaState;
  readonly clock: Clock;
  readonly planes: Planes;
  readonly dispi: Dispi;
  readonly dac: Dac;
  readonly dirty: DirtyPages;
  beam(): Timing;
}

export class VgaScreen implements Screen {
  readonly #parts: VgaScreenParts;
  readonly #colours = new Uint32Array(256);
  readonly #colours16 = new Uint32Array(16);
  #generation = 0;
  /** Registers that all of the picture depends on were written since it was drawn. */
  #isStale = true;
  #hasChanged = true;
  /** The blinking phase as last seen, while something blinks. */
  #blinks = false;
  #blinkCount = 0;
  /** The generation that `#image` shows. */
  #drawn = -1;
  #image: ScreenImage = blackImage(FIRST_WIDTH, FIRST_HEIGHT);

  constructor(parts: VgaScreenParts) {
    this.#parts = parts;
  }

  /** Registers that a picture depends on were written. */
  changed(): void {
    this.#isStale = true;
    this.#hasChanged = true;
  }

  get mode(): 'text' | 'graphics' | 'blank' {
    const { state, dispi } = this.#parts;
    if ((state.attributeIndex & vga.PALETTE_SOURCE) === 0) return 'blank';
    if (dispi.isEnabled) return 'graphics';
    if (((state.sequencer[vga.SEQ_CLOCKING_MODE] as number) & vga.CLOCKING_SCREEN_OFF) !== 0) return 'blank';
    return ((state.graphics[vga.GFX_MISC] as number) & vga.MISC_GRAPHICS) !== 0 ? 'graphics' : 'text';
  }

  get generation(): number {
    const { dirty, clock, beam } = this.#parts;
    dirty.collect();
    // Both are to be taken, whatever the other says.
    const isWritten = dirty.takeChange();
    const hasBlinked = this.#blinks && blinkCount(beam(), clock.now()) !== this.#blinkCount;
    if (isWritten || hasBlinked || this.#hasChanged) {
      this.#hasChanged = false;
      this.#generation++;
      this.#noteBlinking();
    }
    return this.#generation;
  }

  text(): TextScreen | undefined {
    if (this.mode !== 'text') return undefined;
    const { state, planes } = this.#parts;
    this.#findColours();
    const rgb = this.#colours16.map((c) => ((c & 0xff) << 16) | (c & 0xff00) | ((c >>> 16) & 0xff));
    return textScreen(state, planes.words, scanOf(state, 8), rgb);
  }

  image(): ScreenImage {
    const { generation } = this;
    if (generation !== this.#drawn) {
      this.#draw();
      this.#drawn = generation;
      this.#isStale = false;
      this.#parts.dirty.clear();
    }
    return this.#image;
  }

  #noteBlinking(): void {
    const { state, planes, clock, beam } = this.#parts;
    this.#blinks = this.mode === 'text' && hasBlinking(state, planes.words, scanOf(state, 8));
    this.#blinkCount = blinkCount(beam(), clock.now());
  }

  #draw(): void {
    const { mode } = this;
    if (mode === 'blank') {
      new Uint32Array(this.#image.pixels.buffer).fill(BLACK);
      return;
    }
    this.#findColours();
    const { dispi } = this.#parts;
    if (!dispi.isEnabled) {
      if (mode === 'text') this.#drawText();
      else this.#drawGraphics();
      return;
    }
    const geometry = dispi.geometry();
    if (geometry.bpp === 4) this.#drawDispiPlanes(geometry);
    else this.#drawPacked(geometry);
  }

  #drawText(): void {
    const { state, planes } = this.#parts;
    const clocking = state.sequencer[vga.SEQ_CLOCKING_MODE] as number;
    const perColumn = (clocking & vga.CLOCKING_8_DOTS) !== 0 ? 8 : 9;
    const scan = scanOf(state, perColumn);
    const phase = blinkPhase(this.#blinkCount);
    const draw = textDrawer(state, planes.words, scan, perColumn, this.#colours16, phase);
    this.#drawLines(scan, { perColumn, repeat: this.#clockRepeat() }, draw);
  }

  #drawGraphics(): void {
    const { state, planes } = this.#parts;
    const mode = state.graphics[vga.GFX_MODE] as number;
    const enabled = (state.attributes[vga.ATTR_PLANE_ENABLE] as number) & 15;
    if ((mode & vga.MODE_256_COLOURS) !== 0) {
      const scan = scanOf(state, 4);
      // The attribute controller puts two nibbles together, so each pixel is two dots wide.
      const shape = { perColumn: 4, repeat: 2 * this.#clockRepeat() };
      return this.#drawLines(scan, shape, byteDrawer(planes.words, scan, this.#colours));
    }
    const scan = scanOf(state, 8);
    const drawer = (mode & vga.MODE_INTERLEAVE) !== 0 ? interleavedDrawer : planarDrawer;
    const shape = { perColumn: 8, repeat: this.#clockRepeat() };
    this.#drawLines(scan, shape, drawer(planes.words, scan, enabled, this.#colours16));
  }

  #drawDispiPlanes(geometry: DispiGeometry): void {
    const { words } = this.#parts.planes;
    const scan: Scan = {
      columns: geometry.width >> 3,
      lines: geometry.height,
      start: geometry.y * geometry.lineBytes + (geometry.x >> 3),
      rowBytes: geometry.lineBytes,
      rowLines: 1,
      firstRowLine: 0,
      isDoubled: false,
      splitLine: -1,
      panning: geometry.x & 7,
      panningEndsAtSplit: false,
      bankBit0: 0,
      bankBit1: 0,
      addressMask: words.length - 1,
    };
    this.#drawLines(scan, { perColumn: 8, repeat: 1 }, planarDrawer(words, scan, 15, this.#colours16));
  }

  #drawPacked(geometry: DispiGeometry): void {
    const { planes, dirty } = this.#parts;
    const pixels = this.#pixels(geometry.width, geometry.height);
    const needs = this.#isStale ? () => true : (from: number, length: number) => dirty.has(from, length);
    drawPacked(geometry, planes.bytes, this.#colours, needs, pixels);
  }

  #drawLines(scan: Scan, shape: DotShape, draw: LineDrawer): void {
    drawScan(scan, shape, draw, this.#pixels(scan.columns * shape.perColumn * shape.repeat, scan.lines));
  }

  /** The pixels to draw into, of an image of this size. */
  #pixels(width: number, height: number): Uint32Array {
    if (this.#image.width !== width || this.#image.height !== height) {
      this.#image = blackImage(width, height);
      this.#isStale = true;
    }
    return new Uint32Array(this.#image.pixels.buffer);
  }

  #clockRepeat(): number {
    return ((this.#parts.state.sequencer[vga.SEQ_CLOCKING_MODE] as number) & vga.CLOCKING_HALF) !== 0 ? 2 : 1;
  }

  #findColours(): void {
    const { dac, state } = this.#parts;
    dac.pixels(this.#colours);
    const { attributes } = state;
    const select = attributes[vga.ATTR_COLOUR_SELECT] as number;
    const selectsLow = ((attributes[vga.ATTR_MODE] as number) & vga.ATTR_SELECT_LOW) !== 0;
    for (let i = 0; i < 16; i++) {
      const colour = (attributes[i] as number) & 0x3f;
      const index = selectsLow ? ((select & 15) << 4) | (colour & 15) : ((select & 12) << 4) | colour;
      this.#colours16[i] = this.#colours[index] as number;
    }
  }
}

function blackImage(width: number, height: number): ScreenImage {
  const pixels = new Uint32Array(width * height).fill(BLACK);
  return { width, height, pixels: new Uint8ClampedArray(pixels.buffer) };
}
