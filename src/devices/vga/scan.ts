/**
 * From registers to scan lines (IBM "VGA Function", "CRT Controller Registers" and "Attribute Controller Registers"):
 * the sequence of addresses that the CRT controller goes through in a frame, and the dots that each line shows, whatever
 * makes dots of what is at an address.
 *
 * Not modelled: the border, cursor and display-enable skew, interlacing, lines that count only every second retrace.
 */

import * as vga from './vga-state.ts';
import { displayLines, type VgaState } from './vga-state.ts';

/** Offsets count bytes of a plane. */
export interface Scan {
  /** Characters, or groups of dots as wide as one. */
  readonly columns: number;
  readonly lines: number;
  readonly start: number;
  readonly rowBytes: number;
  /** Lines of a row, without those shown twice. */
  readonly rowLines: number;
  readonly firstRowLine: number;
  readonly isDoubled: boolean;
  /** The line after which the picture goes on from the start of memory. */
  readonly splitLine: number;
  /** Dots that the picture is moved left by. */
  readonly panning: number;
  readonly panningEndsAtSplit: boolean;
  /** The bits of an address that the line within the row replaces: banks of the CGA and the like. */
  readonly bankBit0: number;
  readonly bankBit1: number;
  readonly addressMask: number;
}

const VGA_ADDRESS_MASK = 0xffff;

/** Pel panning counts from 8 in columns of 9 dots, and half dots where a column has four. */
function dotPanning(value: number, perColumn: number): number {
  if (perColumn === 9) return value >= 8 ? 0 : value + 1;
  return perColumn === 4 ? (value & 7) >> 1 : value & 7;
}

/** As the CRT controller's registers have it, with columns of `perColumn` dots. */
export function scanOf(state: VgaState, perColumn: number): Scan {
  const { crtc, attributes } = state;
  const overflow = crtc[vga.CRTC_OVERFLOW] as number;
  const maxScan = crtc[vga.CRTC_MAX_SCAN] as number;
  const presetRow = crtc[vga.CRTC_PRESET_ROW] as number;
  const mode = crtc[vga.CRTC_MODE] as number;
  const isDoubleword = ((crtc[vga.CRTC_UNDERLINE] as number) & vga.UNDERLINE_DOUBLEWORD) !== 0;
  // Deviation: addresses are packed (planes.ts), so what word and doubleword modes shift is taken off here.
  const packing = isDoubleword ? 2 : (mode & vga.CRTC_MODE_BYTES) !== 0 ? 0 : 1;
  const start = ((crtc[vga.CRTC_START_HIGH] as number) << 8) | (crtc[vga.CRTC_START_LOW] as number);
  const attributeMode = attributes[vga.ATTR_MODE] as number;
  return {
    columns: (crtc[vga.CRTC_H_DISPLAY_END] as number) + 1,
    lines: displayLines(crtc),
    start: start + ((presetRow >> 5) & 3),
    rowBytes: (crtc[vga.CRTC_OFFSET] as number) * 2,
    rowLines: (maxScan & 0x1f) + 1,
    firstRowLine: presetRow & 0x1f,
    isDoubled: (maxScan & vga.MAX_SCAN_DOUBLE) !== 0,
    splitLine: (crtc[vga.CRTC_LINE_COMPARE] as number) | ((overflow & 0x10) << 4) | ((maxScan & 0x40) << 3),
    panning: dotPanning((attributes[vga.ATTR_PANNING] as number) & 15, perColumn),
    panningEndsAtSplit: (attributeMode & vga.ATTR_PANNING_RESETS) !== 0,
    bankBit0: (mode & vga.CRTC_MODE_ROW_IS_13) === 0 ? 0x2000 >> packing : 0,
    bankBit1: (mode & vga.CRTC_MODE_ROW_IS_14) === 0 ? 0x4000 >> packing : 0,
    addressMask: VGA_ADDRESS_MASK,
  };
}

/** Puts the dots of `columns` columns from `address` on, of line `rowLine` of their row, into `dots`. */
export type LineDrawer = (dots: Uint32Array, address: number, rowLine: number, columns: number) => void;

/** How wide what a drawer draws becomes. */
export interface DotShape {
  readonly perColumn: number;
  /** Times each is shown. */
  readonly repeat: number;
}

/** Draws all lines of a picture of `scan.columns * perColumn * repeat` by `scan.lines` pixels. */
export function drawScan(scan: Scan, shape: DotShape, draw: LineDrawer, pixels: Uint32Array): void {
  const { perColumn, repeat } = shape;
  const width = scan.columns * perColumn * repeat;
  // Room for panning, which ends within the column that follows, or the one after that.
  const dots = new Uint32Array((scan.columns + 2) * perColumn);
  let { start: address, firstRowLine: rowLine, panning } = scan;
  let isRepeated = false;
  for (let line = 0; line < scan.lines; line++) {
    const to = line * width;
    if (isRepeated) pixels.copyWithin(to, to - width, to);
    else {
      draw(dots, banked(scan, address, rowLine), rowLine, scan.columns + (panning > 0 ? 2 : 0));
      if (repeat === 1) pixels.set(dots.subarray(panning, panning + width), to);
      else stretch(dots, panning, repeat, pixels, to, width);
    }
    if (line === scan.splitLine) {
      address = 0;
      rowLine = 0;
      isRepeated = false;
      if (scan.panningEndsAtSplit) panning = 0;
      continue;
    }
    isRepeated = scan.isDoubled && !isRepeated;
    if (isRepeated) continue;
    rowLine = (rowLine + 1) & 0x1f;
    if (rowLine === (scan.rowLines & 0x1f)) {
      rowLine = 0;
      address += scan.rowBytes;
    }
  }
}

function banked(scan: Scan, address: number, rowLine: number): number {
  let at = address;
  if (scan.bankBit0 !== 0) at = (rowLine & 1) !== 0 ? at | scan.bankBit0 : at & ~scan.bankBit0;
  if (scan.bankBit1 !== 0) at = (rowLine & 2) !== 0 ? at | scan.bankBit1 : at & ~scan.bankBit1;
  return at;
}

function stretch(dots: Uint32Array, from: number, repeat: number, to: Uint32Array, at: number, width: number): void {
  const end = at + width;
  for (let place = at, dot = from; place < end; dot++) {
    const colour = dots[dot] as number;
    for (let i = 0; i < repeat; i++) to[place++] = colour;
  }
}
