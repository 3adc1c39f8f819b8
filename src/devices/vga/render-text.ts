/**
 * Text modes (IBM "VGA Function", "Alphanumeric modes", "Character Map Select", "Cursor Start/End"): characters in plane
 * 0, attributes in plane 1, fonts of 32 bytes a character in plane 2. As dots for pictures, and as characters.
 */

import type { TextScreen } from '../../base/screen.ts';
import type { LineDrawer, Scan } from './scan.ts';
import type { BlinkPhase } from './timing.ts';
import type { VgaState } from './vga-state.ts';
import * as vga from './vga-state.ts';

const FONT_BYTES = 0x2000;
const BYTES_PER_CHARACTER = 32;
/** Characters whose eighth dot goes on into the ninth. */
const LINE_GRAPHICS_FIRST = 0xc0;
const LINE_GRAPHICS_LAST = 0xdf;
const ATTRIBUTE_FONT = 0x08;
const ATTRIBUTE_BLINK = 0x80;
/** Foreground 1, background 0: underlined, where the underline's place is within the character. */
const ATTRIBUTE_UNDERLINE_BITS = 0x77;
const ATTRIBUTE_UNDERLINE = 0x01;

interface Cursor {
  readonly address: number;
  readonly first: number;
  readonly last: number;
}

/** Undefined while it is off. */
function cursorOf(crtc: Uint8Array, addressMask: number): Cursor | undefined {
  const start = crtc[vga.CRTC_CURSOR_START] as number;
  const first = start & 0x1f;
  const last = (crtc[vga.CRTC_CURSOR_END] as number) & 0x1f;
  if ((start & vga.CURSOR_OFF) !== 0 || first > last) return undefined;
  const address = ((crtc[vga.CRTC_CURSOR_HIGH] as number) << 8) | (crtc[vga.CRTC_CURSOR_LOW] as number);
  return { address: address & addressMask, first, last };
}

/** Offsets in plane 2 of the fonts of characters without and with ATTRIBUTE_FONT. */
function fontOffsets(fonts: number): readonly [number, number] {
  const place = (high: number, low: number): number => (low * 2 + high) * FONT_BYTES;
  return [place((fonts >> 4) & 1, fonts & 3), place((fonts >> 5) & 1, (fonts >> 2) & 3)];
}

/** `colours`: of the 16 colours; `perColumn`: 8 or 9. */
export function textDrawer(
  state: VgaState,
  words: Uint32Array,
  scan: Scan,
  perColumn: number,
  colours: Uint32Array,
  phase: BlinkPhase,
): LineDrawer {
  const { crtc, attributes, sequencer } = state;
  const mode = attributes[vga.ATTR_MODE] as number;
  const blinks = (mode & vga.ATTR_BLINK) !== 0;
  const extendsLines = perColumn === 9 && (mode & vga.ATTR_LINE_GRAPHICS) !== 0;
  const planes = (attributes[vga.ATTR_PLANE_ENABLE] as number) & 15;
  const underline = (crtc[vga.CRTC_UNDERLINE] as number) & 0x1f;
  const fonts = fontOffsets(sequencer[vga.SEQ_FONTS] as number);
  const cursor = phase.isCursorShown ? cursorOf(crtc, scan.addressMask) : undefined;
  return (dots, address, rowLine, columns) => {
    const cursorAt = cursor && rowLine >= cursor.first && rowLine <= cursor.last ? cursor.address : -1;
    let dot = 0;
    for (let column = 0; column < columns; column++) {
      const at = (address + column) & scan.addressMask;
      const cell = words[at] as number;
      const character = cell & 0xff;
      const attribute = (cell >>> 8) & 0xff;
      const font = fonts[(attribute & ATTRIBUTE_FONT) >> 3] as number;
      let pattern = ((words[font + character * BYTES_PER_CHARACTER + rowLine] as number) >>> 16) & 0xff;
      if (rowLine === underline && (attribute & ATTRIBUTE_UNDERLINE_BITS) === ATTRIBUTE_UNDERLINE) pattern = 0xff;
      if (blinks && attribute >= ATTRIBUTE_BLINK && !phase.areCharactersShown) pattern = 0;
      if (at === cursorAt) pattern = 0xff;
      const foreground = colours[attribute & planes] as number;
      const background = colours[(attribute >> 4) & (blinks ? 7 : 15) & planes] as number;
      for (let i = 7; i >= 0; i--) dots[dot++] = (pattern >> i) & 1 ? foreground : background;
      if (perColumn === 9) {
        const isLine = extendsLines && character >= LINE_GRAPHICS_FIRST && character <= LINE_GRAPHICS_LAST;
        const isSet = at === cursorAt || (isLine && (pattern & 1) !== 0);
        dots[dot++] = isSet ? foreground : background;
      }
    }
  };
}

/** `rgb`: the 16 colours, 0xRRGGBB. */
export function textScreen(state: VgaState, words: Uint32Array, scan: Scan, rgb: Uint32Array): TextScreen {
  const { columns, addressMask, rowBytes } = scan;
  const rows = Math.max(1, Math.floor(scan.lines / (scan.rowLines * (scan.isDoubled ? 2 : 1))));
  const cells = new Uint16Array(columns * rows);
  const cursor = cursorOf(state.crtc, addressMask);
  let place = { column: 0, row: 0, visible: false };
  for (let row = 0, to = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const at = (scan.start + row * rowBytes + column) & addressMask;
      cells[to++] = words[at] as number;
      if (at === cursor?.address && !place.visible) place = { column, row, visible: true };
    }
  }
  const isBlinking = ((state.attributes[vga.ATTR_MODE] as number) & vga.ATTR_BLINK) !== 0;
  return { columns, rows, cells, cursor: place, palette: rgb, isBlinking };
}

/** Does the picture change with time alone? */
export function hasBlinking(state: VgaState, words: Uint32Array, scan: Scan): boolean {
  if (cursorOf(state.crtc, scan.addressMask)) return true;
  if (((state.attributes[vga.ATTR_MODE] as number) & vga.ATTR_BLINK) === 0) return false;
  const { cells } = textScreen(state, words, scan, new Uint32Array(0));
  return cells.some((cell) => cell >>> 8 >= ATTRIBUTE_BLINK);
}
