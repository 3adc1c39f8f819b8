/**
 * VBE modes of packed pixels (VESA VBE 3.0, "Memory models" and direct-colour layouts): 8 bits through the palette; 15
 * (1:5:5:5), 16 (5:6:5), 24 and 32 bits with blue lowest. Lines that were not written since are not drawn again.
 */

import type { DispiGeometry } from './dispi.ts';

type LineDrawer = (bytes: Uint8Array, from: number, pixels: Uint32Array, to: number, width: number) => void;

const OPAQUE = 0xff00_0000;

/** 5 and 6 bits as 8, white being white. */
const LEVELS_5 = Uint8Array.from({ length: 32 }, (_, value) => (value << 3) | (value >> 2));
const LEVELS_6 = Uint8Array.from({ length: 64 }, (_, value) => (value << 2) | (value >> 4));

function rgba(red: number, green: number, blue: number): number {
  return OPAQUE | (blue << 16) | (green << 8) | red;
}

const draw15: LineDrawer = (bytes, from, pixels, to, width) => {
  for (let i = 0, at = from; i < width; i++, at += 2) {
    const value = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
    pixels[to + i] = rgba(
      LEVELS_5[(value >> 10) & 31] as number,
      LEVELS_5[(value >> 5) & 31] as number,
      LEVELS_5[value & 31] as number,
    );
  }
};

const draw16: LineDrawer = (bytes, from, pixels, to, width) => {
  for (let i = 0, at = from; i < width; i++, at += 2) {
    const value = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
    pixels[to + i] = rgba(
      LEVELS_5[value >> 11] as number,
      LEVELS_6[(value >> 5) & 63] as number,
      LEVELS_5[value & 31] as number,
    );
  }
};

const draw24: LineDrawer = (bytes, from, pixels, to, width) => {
  for (let i = 0, at = from; i < width; i++, at += 3) {
    pixels[to + i] = rgba(bytes[at + 2] as number, bytes[at + 1] as number, bytes[at] as number);
  }
};

const draw32: LineDrawer = (bytes, from, pixels, to, width) => {
  for (let i = 0, at = from; i < width; i++, at += 4) {
    pixels[to + i] = rgba(bytes[at + 2] as number, bytes[at + 1] as number, bytes[at] as number);
  }
};

function paletteDrawer(colours: Uint32Array): LineDrawer {
  return (bytes, from, pixels, to, width) => {
    for (let i = 0; i < width; i++) pixels[to + i] = colours[bytes[from + i] as number] as number;
  };
}

/** `colours`: all 256, for 8 bits; `needsDrawing`: asked for each line, by its bytes. */
export function drawPacked(
  geometry: DispiGeometry,
  bytes: Uint8Array,
  colours: Uint32Array,
  needsDrawing: (from: number, length: number) => boolean,
  pixels: Uint32Array,
): void {
  const { bpp, width, height, lineBytes, x, y } = geometry;
  const pixelBytes = (bpp + 7) >> 3;
  const draw = { 15: draw15, 16: draw16, 24: draw24, 32: draw32 }[bpp] ?? paletteDrawer(colours);
  for (let line = 0; line < height; line++) {
    const from = (y + line) * lineBytes + x * pixelBytes;
    if (needsDrawing(from, width * pixelBytes)) draw(bytes, from, pixels, line * width, width);
  }
}
