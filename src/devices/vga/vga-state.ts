/**
 * What a VGA keeps, and the names of its registers (IBM "Personal System/2 and Personal Computer BIOS Interface" /
 * "XGA Video Subsystem Hardware User's Guide, VGA Function", register descriptions; Bochs "VBE_DISPI" interface for the
 * registers beyond). The contents of video memory are not in here: they belong to the machine's memory.
 */

import { bool, bytes, defineState, type StateOf, u8, u16, u16s, u32 } from '../../base/state.ts';

export const vgaState = defineState('vga', 1, {
  miscOutput: u8(),
  featureControl: u8(),
  sequencerIndex: u8(),
  sequencer: bytes(8),
  graphicsIndex: u8(),
  graphics: bytes(16),
  /** With PALETTE_SOURCE. */
  attributeIndex: u8(),
  /** The next byte for 0x3C0 is data, not an index. */
  isAttributeData: bool(),
  attributes: bytes(32),
  crtcIndex: u8(),
  crtc: bytes(32),
  dacMask: u8({ initial: 0xff }),
  dacReadIndex: u8(),
  dacWriteIndex: u8(),
  /** Which of red, green and blue is next. */
  dacPart: u8({ max: 2 }),
  isDacReading: bool(),
  /** Red and green of a colour that is complete with its blue. */
  dacRed: u8(),
  dacGreen: u8(),
  palette: bytes(768),
  /** A byte of each plane, as last read; plane 0 lowest. */
  latches: u32(),
  dispiIndex: u16(),
  dispi: u16s(10),
});

export type VgaState = StateOf<typeof vgaState>;

// Miscellaneous Output, written at 0x3C2.
export const MISC_COLOUR_PORTS = 0x01;
export const MISC_ENABLE_MEMORY = 0x02;

// Sequencer.
export const SEQ_CLOCKING_MODE = 1;
export const SEQ_MAP_MASK = 2;
export const SEQ_FONTS = 3;
export const SEQ_MEMORY_MODE = 4;
export const CLOCKING_8_DOTS = 0x01;
export const CLOCKING_HALF = 0x08;
export const CLOCKING_SCREEN_OFF = 0x20;
export const MEMORY_SEQUENTIAL = 0x04;
export const MEMORY_CHAIN_4 = 0x08;

// Graphics controller.
export const GFX_SET_RESET = 0;
export const GFX_ENABLE_SET_RESET = 1;
export const GFX_COLOUR_COMPARE = 2;
export const GFX_ROTATE = 3;
export const GFX_READ_MAP = 4;
export const GFX_MODE = 5;
export const GFX_MISC = 6;
export const GFX_COLOUR_CARE = 7;
export const GFX_BIT_MASK = 8;
export const MODE_READ_COMPARE = 0x08;
export const MODE_ODD_EVEN = 0x10;
export const MODE_INTERLEAVE = 0x20;
export const MODE_256_COLOURS = 0x40;
export const MISC_GRAPHICS = 0x01;

// Attribute controller; 0 to 15 are the palette.
export const ATTR_MODE = 0x10;
export const ATTR_PLANE_ENABLE = 0x12;
export const ATTR_PANNING = 0x13;
export const ATTR_COLOUR_SELECT = 0x14;
/** Bit of the index: the display has the palette, and shows something. */
export const PALETTE_SOURCE = 0x20;
export const ATTR_LINE_GRAPHICS = 0x04;
export const ATTR_BLINK = 0x08;
export const ATTR_PANNING_RESETS = 0x20;
export const ATTR_SELECT_LOW = 0x80;

// CRT controller.
export const CRTC_H_TOTAL = 0x00;
export const CRTC_H_DISPLAY_END = 0x01;
export const CRTC_V_TOTAL = 0x06;
export const CRTC_OVERFLOW = 0x07;
export const CRTC_PRESET_ROW = 0x08;
export const CRTC_MAX_SCAN = 0x09;
export const CRTC_CURSOR_START = 0x0a;
export const CRTC_CURSOR_END = 0x0b;
export const CRTC_START_HIGH = 0x0c;
export const CRTC_START_LOW = 0x0d;
export const CRTC_CURSOR_HIGH = 0x0e;
export const CRTC_CURSOR_LOW = 0x0f;
export const CRTC_V_RETRACE_START = 0x10;
export const CRTC_V_RETRACE_END = 0x11;
export const CRTC_V_DISPLAY_END = 0x12;
export const CRTC_OFFSET = 0x13;
export const CRTC_UNDERLINE = 0x14;
export const CRTC_MODE = 0x17;
export const CRTC_LINE_COMPARE = 0x18;
export const CRTC_REGISTERS = 0x19;
export const CURSOR_OFF = 0x20;
export const MAX_SCAN_DOUBLE = 0x80;
export const RETRACE_END_PROTECT = 0x80;
export const UNDERLINE_DOUBLEWORD = 0x40;
export const CRTC_MODE_ROW_IS_13 = 0x01;
export const CRTC_MODE_ROW_IS_14 = 0x02;
export const CRTC_MODE_BYTES = 0x40;

/** A vertical number of the CRT controller: 8 bits in a register of its own, bits 8 and 9 in the overflow register. */
export function vertical(crtc: Uint8Array, register: number, bit8: number, bit9: number): number {
  const overflow = crtc[CRTC_OVERFLOW] as number;
  return (crtc[register] as number) | (((overflow >> bit8) & 1) << 8) | (((overflow >> bit9) & 1) << 9);
}

/** Scan lines that are shown. */
export function displayLines(crtc: Uint8Array): number {
  return vertical(crtc, CRTC_V_DISPLAY_END, 1, 6) + 1;
}
