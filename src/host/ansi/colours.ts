/**
 * Colours as terminals take them: parameters of SGR (ECMA-48 §8.3.117; the direct and indexed ones ISO 8613-6 §13.1.8,
 * with semicolons, as terminals understand them).
 */

/** Bits: 4 are the 16 colours of a PC, 8 xterm's palette of 256, 24 any. */
export type ColourDepth = 4 | 8 | 24;

/** The colours of a PC's text modes, in the order of SGR: red is the lowest bit. */
const PC_COLOURS = [
  0x000000, 0xaa0000, 0x00aa00, 0xaa5500, 0x0000aa, 0xaa00aa, 0x00aaaa, 0xaaaaaa, 0x555555, 0xff5555, 0x55ff55,
  0xffff55, 0x5555ff, 0xff55ff, 0x55ffff, 0xffffff,
];

/** Of xterm's 256 colours, the cube from 16 on and the greys behind it; the first 16 are as the user likes them. */
const CUBE_LEVELS = [0x00, 0x5f, 0x87, 0xaf, 0xd7, 0xff];
const FIRST_GREY = 0x08;
const GREY_STEP = 0x0a;
const GREYS = 24;
const XTERM_COLOURS = [
  ...Array.from({ length: 216 }, (_, i) => {
    const level = (digit: number): number => CUBE_LEVELS[Math.floor(i / digit) % 6] as number;
    return (level(36) << 16) | (level(6) << 8) | level(1);
  }),
  ...Array.from({ length: GREYS }, (_, i) => (FIRST_GREY + GREY_STEP * i) * 0x010101),
];
const FIRST_XTERM_COLOUR = 16;

/** Pictures have many colours: those looked up last are kept. */
const MOST_REMEMBERED = 4096;

export class TerminalColours {
  readonly #depth: ColourDepth;
  #nearest = new Map<number, number>();

  constructor(depth: ColourDepth) {
    this.#depth = depth;
  }

  /** Parameters for a colour 0xRRGGBB of what is written. */
  foreground(rgb: number): string {
    return this.#parameters(rgb, 0);
  }

  /** Parameters for a colour 0xRRGGBB behind what is written. */
  background(rgb: number): string {
    return this.#parameters(rgb, 10);
  }

  #parameters(rgb: number, offset: number): string {
    if (this.#depth === 24) return `${38 + offset};2;${rgb >> 16};${(rgb >> 8) & 0xff};${rgb & 0xff}`;
    if (this.#depth === 8) return `${38 + offset};5;${this.#nearestOf(XTERM_COLOURS, rgb) + FIRST_XTERM_COLOUR}`;
    const index = this.#nearestOf(PC_COLOURS, rgb);
    return String(offset + (index < 8 ? 30 + index : 90 + index - 8));
  }

  #nearestOf(colours: readonly number[], rgb: number): number {
    const known = this.#nearest.get(rgb);
    if (known !== undefined) return known;
    let best = 0;
    for (let i = 1; i < colours.length; i++) {
      if (distance(colours[i] as number, rgb) < distance(colours[best] as number, rgb)) best = i;
    }
    if (this.#nearest.size >= MOST_REMEMBERED) this.#nearest = new Map();
    this.#nearest.set(rgb, best);
    return best;
  }
}

function distance(a: number, b: number): number {
  const red = (a >> 16) - (b >> 16);
  const green = ((a >> 8) & 0xff) - ((b >> 8) & 0xff);
  const blue = (a & 0xff) - (b & 0xff);
  return red * red + green * green + blue * blue;
}
