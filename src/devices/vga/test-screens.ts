/**
 * For tests: the guest tests/firmware/draw.asm in the video modes that it is run in, and what a picture is reduced to where two machines are
 * compared.
 *
 * The machines need not agree on the last bits of a colour (how 5 or 6 bits become 8), nor on the ninth dot of text, nor
 * on how wide 40 columns of text are: of text, the eight dots of each character's cell count, each once.
 */

import { sha256 } from '@noble/hashes/sha2';
import { bytesToHex } from '@noble/hashes/utils';
import type { ScreenImage } from '../../base/screen.ts';

export interface ScreenMode {
  readonly name: string;
  readonly mode: number;
  /** Banks of 64 KiB to be drawn. */
  readonly banks: number;
  readonly extra: number;
}

/** What QEMU's VGA held and showed when draw.asm was done. Bytes are hexadecimal. */
export interface RecordedMode extends ScreenMode {
  readonly miscOutput: number;
  readonly sequencer: string;
  readonly graphics: string;
  readonly crtc: string;
  readonly attributes: string;
  /** Number of the palette in the record. */
  readonly palette: number;
  /** Words, separated by spaces. */
  readonly dispi: string;
  readonly width: number;
  readonly height: number;
  readonly hash: string;
}

export interface ScreenRecord {
  readonly qemu: string;
  readonly palettes: readonly string[];
  readonly modes: readonly RecordedMode[];
}

function bios(mode: number, extra = 0): ScreenMode {
  return { name: `mode ${mode.toString(16).toUpperCase()}h${extra ? ' and more' : ''}`, mode, banks: 0, extra };
}

function vbe(mode: number, size: string, banks: number, extra = 0): ScreenMode {
  return { name: `VBE ${mode.toString(16)}h, ${size}${extra ? ', panned' : ''}`, mode, banks, extra };
}

/** Not VBE 102h, 800x600x4: QEMU 7.2 does not heed the map mask there. */
export const SCREEN_MODES: readonly ScreenMode[] = [
  ...[0, 1, 2, 3, 4, 5, 6, 7, 0xd, 0xe, 0xf, 0x10, 0x11, 0x12, 0x13].map((mode) => bios(mode)),
  bios(0x03, 1),
  bios(0x10, 1),
  bios(0x13, 1),
  vbe(0x101, '640x480x8', 5),
  vbe(0x10d, '320x200x15', 2),
  vbe(0x111, '640x480x16', 10),
  vbe(0x112, '640x480x24', 15),
  vbe(0x142, '640x480x32', 19),
  vbe(0x103, '800x600x8', 10, 1),
  vbe(0x110, '640x480x15', 16, 1),
  vbe(0x112, '640x480x24', 24, 1),
];

/** The boot sector with its parameters. */
export function parametrised(bootSector: Uint8Array, { mode, banks, extra }: ScreenMode): Uint8Array {
  const image = Uint8Array.from(bootSector);
  const view = new DataView(image.buffer);
  view.setUint16(504, mode, true);
  view.setUint16(506, banks, true);
  view.setUint16(508, extra, true);
  return image;
}

/** Columns of text; 0 of graphics modes. */
export function textColumns(mode: number): number {
  if (mode < 2) return 40;
  return mode < 4 || mode === 7 ? 80 : 0;
}

export function pictureHash(image: ScreenImage, columns: number): string {
  const { width, height, pixels } = image;
  const cell = columns === 0 ? 8 : width / columns;
  const step = cell >= 16 ? 2 : 1;
  const reduced = new Uint8Array(width * height * 3);
  let length = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const inCell = x % cell;
      if (inCell % step !== 0 || inCell >= 8 * step) continue;
      const at = (y * width + x) * 4;
      for (let part = 0; part < 3; part++) reduced[length++] = (pixels[at + part] as number) >> 3;
    }
  }
  return bytesToHex(sha256(reduced.subarray(0, length)));
}
