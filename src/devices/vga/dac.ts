/**
 * The palette of 256 colours, 0x3C6-0x3C9 (IBM "VGA Function", "Video Digital-to-Analog Converter"): 6 bits each of red,
 * green and blue, or 8 where a VBE mode asks for that.
 */

import type { Dispi } from './dispi.ts';
import type { VgaState } from './vga-state.ts';

export const DAC_MASK = 0;
export const DAC_READ_INDEX = 1;
export const DAC_WRITE_INDEX = 2;
export const DAC_DATA = 3;

export class Dac {
  readonly #state: VgaState;
  readonly #dispi: Dispi;
  readonly #changed: () => void;

  constructor(state: VgaState, dispi: Dispi, changed: () => void) {
    this.#state = state;
    this.#dispi = dispi;
    this.#changed = changed;
  }

  read(register: number): number {
    const state = this.#state;
    if (register === DAC_MASK) return state.dacMask;
    // The state register: 3 while colours are being read, 0 while they are being written.
    if (register === DAC_READ_INDEX) return state.isDacReading ? 3 : 0;
    if (register === DAC_WRITE_INDEX) return state.dacWriteIndex;
    const value = state.palette[state.dacReadIndex * 3 + state.dacPart] as number;
    state.dacPart = (state.dacPart + 1) % 3;
    if (state.dacPart === 0) state.dacReadIndex = (state.dacReadIndex + 1) & 0xff;
    return value;
  }

  write(register: number, value: number): void {
    const state = this.#state;
    if (register === DAC_MASK) {
      if (state.dacMask === value) return;
      state.dacMask = value;
      return this.#changed();
    }
    if (register !== DAC_DATA) {
      state.isDacReading = register === DAC_READ_INDEX;
      state.dacPart = 0;
      if (state.isDacReading) state.dacReadIndex = value;
      else state.dacWriteIndex = value;
      return;
    }
    const part = this.#dispi.isDac8Bits ? value : value & 0x3f;
    if (state.dacPart === 0) state.dacRed = part;
    else if (state.dacPart === 1) state.dacGreen = part;
    else {
      const at = state.dacWriteIndex * 3;
      state.palette[at] = state.dacRed;
      state.palette[at + 1] = state.dacGreen;
      state.palette[at + 2] = part;
      state.dacWriteIndex = (state.dacWriteIndex + 1) & 0xff;
      this.#changed();
    }
    state.dacPart = (state.dacPart + 1) % 3;
  }

  /** The colours of pixels of 8 bits, as words of RGBA bytes. */
  pixels(into: Uint32Array): void {
    const { palette, dacMask } = this.#state;
    const is8Bits = this.#dispi.isDac8Bits;
    const level = (value: number): number => (is8Bits ? value : ((value & 0x3f) << 2) | ((value & 0x3f) >> 4));
    for (let i = 0; i < 256; i++) {
      const at = (i & dacMask) * 3;
      const red = level(palette[at] as number);
      const green = level(palette[at + 1] as number);
      const blue = level(palette[at + 2] as number);
      into[i] = 0xff00_0000 | (blue << 16) | (green << 8) | red;
    }
  }
}
