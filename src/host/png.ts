/**
 * Pictures as PNG files (W3C "Portable Network Graphics (PNG) Specification (Third Edition)", §5 "Datastream structure",
 * §11 "Chunk specifications"): 8 bits each of red, green and blue, for screens are opaque.
 *
 * Compression is the platform's: `deflate` gives a zlib stream, as node:zlib's deflateSync does.
 */

import type { ScreenImage } from '../base/screen.ts';

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const BIT_DEPTH = 8;
const TRUECOLOUR = 2;
/** Each byte less the one above: screens repeat from line to line. */
const FILTER_UP = 2;
/** Of the length, the type and the check of a chunk. */
const CHUNK_OVERHEAD_BYTES = 12;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let i = 0; i < 8; i++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ 0xedb8_8320 : crc >>> 1;
  return crc;
});

/** PNG §5.5 "CRC algorithm". */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ byte) & 0xff] as number);
  return ~crc >>> 0;
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(CHUNK_OVERHEAD_BYTES + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

function header(width: number, height: number): Uint8Array {
  const bytes = new Uint8Array(13);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  bytes.set([BIT_DEPTH, TRUECOLOUR], 8);
  return bytes;
}

/** What of a picture is compressed: its lines, filtered. */
export function pngLines({ width, height, pixels }: ScreenImage): Uint8Array {
  const lines = new Uint8Array(height * (1 + width * 3));
  const lineBytes = width * 4;
  for (let y = 0, from = 0, to = 0; y < height; y++) {
    lines[to++] = FILTER_UP;
    for (let x = 0; x < width; x++, from += 4) {
      for (let part = from; part < from + 3; part++) {
        const above = y === 0 ? 0 : (pixels[part - lineBytes] as number);
        lines[to++] = (pixels[part] as number) - above;
      }
    }
  }
  return lines;
}

export function encodePng(image: ScreenImage, deflate: (bytes: Uint8Array) => Uint8Array): Uint8Array {
  return pngFile(image, deflate(pngLines(image)));
}

/** `lines` are those of `pngLines`, compressed: where the platform takes its time for that. */
export function pngFile({ width, height }: Pick<ScreenImage, 'width' | 'height'>, lines: Uint8Array): Uint8Array {
  const parts = [
    Uint8Array.from(SIGNATURE),
    chunk('IHDR', header(width, height)),
    chunk('IDAT', lines),
    chunk('IEND', new Uint8Array(0)),
  ];
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
