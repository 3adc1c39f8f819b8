/** Formats of pixels on their way to a client (RFC 6143 §7.4 "Pixel Format Data Structure"). */

export const PIXEL_FORMAT_BYTES = 16;

/** A colour: `max` is the largest value, `shift` its distance from the lowest bit. */
interface Channel {
  readonly max: number;
  readonly shift: number;
}

export interface PixelFormat {
  readonly bitsPerPixel: 8 | 16 | 32;
  readonly depth: number;
  readonly bigEndian: boolean;
  /** Otherwise pixels are entries of a colour map. */
  readonly trueColour: boolean;
  readonly red: Channel;
  readonly green: Channel;
  readonly blue: Channel;
}

const BYTE = 255;

/** What a client gets that does not ask for another: as pictures are in memory. */
export const NATIVE_FORMAT: PixelFormat = {
  bitsPerPixel: 32,
  depth: 24,
  bigEndian: false,
  trueColour: true,
  red: { max: BYTE, shift: 16 },
  green: { max: BYTE, shift: 8 },
  blue: { max: BYTE, shift: 0 },
};

/** The colour map of those who want one: three bits of red, three of green, two of blue. */
const MAPPED: Pick<PixelFormat, 'red' | 'green' | 'blue'> = {
  red: { max: 7, shift: 5 },
  green: { max: 7, shift: 2 },
  blue: { max: 3, shift: 0 },
};
const MAP_ENTRIES = 256;

/** Red, green and blue of each entry, of 16 bits. */
export function colourMap(): Uint16Array {
  const map = new Uint16Array(MAP_ENTRIES * 3);
  for (let entry = 0; entry < MAP_ENTRIES; entry++) {
    for (const [i, { max, shift }] of [MAPPED.red, MAPPED.green, MAPPED.blue].entries()) {
      map[entry * 3 + i] = Math.round((((entry >>> shift) & max) * 0xffff) / max);
    }
  }
  return map;
}

export function writePixelFormat(format: PixelFormat): Uint8Array {
  const bytes = new Uint8Array(PIXEL_FORMAT_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set([format.bitsPerPixel, format.depth, format.bigEndian ? 1 : 0, format.trueColour ? 1 : 0]);
  for (const [i, { max, shift }] of [format.red, format.green, format.blue].entries()) {
    view.setUint16(4 + 2 * i, max);
    bytes[10 + i] = shift;
  }
  return bytes;
}

/** Undefined for what no pixel can be written in. */
export function readPixelFormat(bytes: Uint8Array): PixelFormat | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [bitsPerPixel, depth, bigEndian, trueColour] = bytes as unknown as [number, number, number, number];
  if (bitsPerPixel !== 8 && bitsPerPixel !== 16 && bitsPerPixel !== 32) return undefined;
  const common = { bitsPerPixel, depth, bigEndian: bigEndian !== 0 } as const;
  if (trueColour === 0) return bitsPerPixel === 8 ? { ...common, trueColour: false, ...MAPPED } : undefined;
  const [red, green, blue] = [0, 1, 2].map((i) => ({ max: view.getUint16(4 + 2 * i), shift: bytes[10 + i] as number }));
  const format = { ...common, trueColour: true, red, green, blue } as PixelFormat;
  for (const { max, shift } of [format.red, format.green, format.blue]) {
    if (shift >= bitsPerPixel || max * 2 ** shift >= 2 ** bitsPerPixel) return undefined;
  }
  return format;
}

/**
 * Puts pixels into a format: from red, green, blue, alpha in memory order to values, and from values to bytes. Values of
 * big-endian formats have their bytes reversed already, so that the lowest always comes first.
 */
export class PixelWriter {
  readonly bytesPerPixel: number;
  readonly #red: Uint32Array;
  readonly #green: Uint32Array;
  readonly #blue: Uint32Array;

  constructor({ bitsPerPixel, bigEndian, red, green, blue }: PixelFormat) {
    this.bytesPerPixel = bitsPerPixel / 8;
    const table = ({ max, shift }: Channel): Uint32Array =>
      Uint32Array.from({ length: BYTE + 1 }, (_, value) => {
        const placed = Math.round((value * max) / BYTE) * 2 ** shift;
        return bigEndian ? reversed(placed, this.bytesPerPixel) : placed;
      });
    this.#red = table(red);
    this.#green = table(green);
    this.#blue = table(blue);
  }

  /** In place. */
  convert(pixels: Uint32Array): void {
    const [red, green, blue] = [this.#red, this.#green, this.#blue];
    for (let i = 0; i < pixels.length; i++) {
      const rgba = pixels[i] as number;
      pixels[i] =
        (red[rgba & BYTE] as number) | (green[(rgba >>> 8) & BYTE] as number) | (blue[(rgba >>> 16) & BYTE] as number);
    }
  }

  /** Writes a value that `convert` made; gives the place behind it. */
  write(value: number, into: Uint8Array, at: number): number {
    into[at] = value;
    if (this.bytesPerPixel === 1) return at + 1;
    into[at + 1] = value >>> 8;
    if (this.bytesPerPixel === 2) return at + 2;
    into[at + 2] = value >>> 16;
    into[at + 3] = value >>> 24;
    return at + 4;
  }
}

function reversed(value: number, bytes: number): number {
  let result = 0;
  for (let i = 0; i < bytes; i++) result = result * 256 + ((value >>> (8 * i)) & BYTE);
  return result;
}
