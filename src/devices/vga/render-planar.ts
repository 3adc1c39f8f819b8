/**
 * Graphics modes out of four planes (IBM "VGA Function", "Graphics Mode" register, shift modes): 16 colours of a bit in
 * each plane, the CGA's four colours of two bits in a row, and 256 colours of a byte in each plane.
 */

import type { LineDrawer, Scan } from './scan.ts';

/** The eight bits of a byte as the lowest bits of eight nibbles, the leftmost dot (bit 7) lowest. */
const SPREAD = Uint32Array.from({ length: 256 }, (_, byte) => {
  let nibbles = 0;
  for (let dot = 0; dot < 8; dot++) if ((byte >> (7 - dot)) & 1) nibbles += 2 ** (dot * 4);
  return nibbles;
});

function planeBits(planes: number): number {
  let mask = 0;
  for (let plane = 0; plane < 4; plane++) if ((planes >> plane) & 1) mask |= 0xff << (plane * 8);
  return mask;
}

/** Eight dots a column, of 16 colours; `planes`: those that take part. */
export function planarDrawer(words: Uint32Array, scan: Scan, planes: number, colours: Uint32Array): LineDrawer {
  const enabled = planeBits(planes);
  return (dots, address, _rowLine, columns) => {
    let dot = 0;
    for (let column = 0; column < columns; column++) {
      const data = (words[(address + column) & scan.addressMask] as number) & enabled;
      const even = (SPREAD[data & 0xff] as number) | ((SPREAD[(data >>> 8) & 0xff] as number) << 1);
      const odd = (SPREAD[(data >>> 16) & 0xff] as number) | ((SPREAD[data >>> 24] as number) << 1);
      let nibbles = even | (odd << 2);
      for (let i = 0; i < 8; i++) {
        dots[dot++] = colours[nibbles & 15] as number;
        nibbles >>>= 4;
      }
    }
  };
}

/** Eight dots a column: four of plane 0, then four of plane 1; planes 2 and 3 have the two bits above. */
export function interleavedDrawer(words: Uint32Array, scan: Scan, planes: number, colours: Uint32Array): LineDrawer {
  return (dots, address, _rowLine, columns) => {
    let dot = 0;
    for (let column = 0; column < columns; column++) {
      const data = words[(address + column) & scan.addressMask] as number;
      for (let plane = 0; plane < 16; plane += 8) {
        for (let shift = 6; shift >= 0; shift -= 2) {
          const low = (data >>> (plane + shift)) & 3;
          const high = (data >>> (plane + 16 + shift)) & 3;
          dots[dot++] = colours[(low | (high << 2)) & planes] as number;
        }
      }
    }
  };
}

/** Four dots a column, one of each plane; `colours`: all 256. */
export function byteDrawer(words: Uint32Array, scan: Scan, colours: Uint32Array): LineDrawer {
  return (dots, address, _rowLine, columns) => {
    let dot = 0;
    for (let column = 0; column < columns; column++) {
      const data = words[(address + column) & scan.addressMask] as number;
      dots[dot++] = colours[data & 0xff] as number;
      dots[dot++] = colours[(data >>> 8) & 0xff] as number;
      dots[dot++] = colours[(data >>> 16) & 0xff] as number;
      dots[dot++] = colours[data >>> 24] as number;
    }
  };
}
