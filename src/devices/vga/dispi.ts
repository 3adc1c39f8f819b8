/**
 * The "DISPI" registers behind VESA modes (Bochs "VBE Display API"; QEMU docs/specs/standard-vga for their places): what
 * a video BIOS, or an operating system's driver, sets instead of a chip's own registers.
 *
 * Sizes that cannot be are cut to what video memory and MAX_* allow when they are used; the registers keep what was
 * written. Depths: 4 (planes), 8, 15, 16, 24, 32.
 */

import type { VgaState } from './vga-state.ts';

export const DISPI_ID = 0;
export const DISPI_XRES = 1;
export const DISPI_YRES = 2;
export const DISPI_BPP = 3;
export const DISPI_ENABLE = 4;
export const DISPI_BANK = 5;
export const DISPI_VIRT_WIDTH = 6;
export const DISPI_VIRT_HEIGHT = 7;
export const DISPI_X_OFFSET = 8;
export const DISPI_Y_OFFSET = 9;
export const DISPI_MEMORY_64K = 10;
/** As the MMIO BAR has them. */
export const DISPI_REGISTERS = 11;

export const ENABLED = 0x01;
export const GET_CAPABILITIES = 0x02;
export const DAC_8_BITS = 0x20;
export const NO_CLEAR = 0x80;

const OLDEST_ID = 0xb0c0;
const NEWEST_ID = 0xb0c5;
const MAX_WIDTH = 2560;
const MAX_HEIGHT = 1600;
const MAX_BPP = 32;
const DEPTHS = [4, 8, 15, 16, 24, 32];

export interface DispiGeometry {
  readonly bpp: number;
  readonly width: number;
  readonly height: number;
  /** Bytes from line to line; in the planes of depth 4, bytes of one plane. */
  readonly lineBytes: number;
  /** Lines that fit into video memory. */
  readonly virtualHeight: number;
  /** Where the picture begins, within the virtual screen. */
  readonly x: number;
  readonly y: number;
}

export interface DispiHost {
  readonly memoryBytes: number;
  clear(length: number): void;
  /** Window and picture follow. */
  changed(): void;
}

export class Dispi {
  readonly #state: VgaState;
  readonly #host: DispiHost;

  constructor(state: VgaState, host: DispiHost) {
    this.#state = state;
    this.#host = host;
    this.powerOn();
  }

  powerOn(): void {
    this.#state.dispi[DISPI_ID] = NEWEST_ID;
  }

  get isEnabled(): boolean {
    return (this.#register(DISPI_ENABLE) & ENABLED) !== 0;
  }

  /** Memory is bytes of packed pixels, not planes. */
  get isLinear(): boolean {
    return this.isEnabled && this.#bpp() !== 4;
  }

  get isDac8Bits(): boolean {
    return (this.#register(DISPI_ENABLE) & DAC_8_BITS) !== 0;
  }

  get bank(): number {
    return this.#register(DISPI_BANK);
  }

  geometry(): DispiGeometry {
    const bpp = this.#bpp();
    const { memoryBytes } = this.#host;
    const width = Math.min(Math.max(this.#register(DISPI_XRES) & ~7, 8), MAX_WIDTH);
    const virtualWidth = Math.max(this.#register(DISPI_VIRT_WIDTH) & ~7, width);
    const lineBytes = bpp === 4 ? virtualWidth >> 3 : virtualWidth * ((bpp + 7) >> 3);
    const virtualHeight = Math.floor((bpp === 4 ? memoryBytes / 4 : memoryBytes) / lineBytes);
    const height = Math.min(Math.max(this.#register(DISPI_YRES), 1), MAX_HEIGHT, virtualHeight);
    const x = Math.min(this.#register(DISPI_X_OFFSET), virtualWidth - width);
    const y = Math.min(this.#register(DISPI_Y_OFFSET), virtualHeight - height);
    return { bpp, width, height, lineBytes, virtualHeight, x, y };
  }

  read(index: number): number {
    if ((this.#register(DISPI_ENABLE) & GET_CAPABILITIES) !== 0) {
      if (index === DISPI_XRES) return MAX_WIDTH;
      if (index === DISPI_YRES) return MAX_HEIGHT;
      if (index === DISPI_BPP) return MAX_BPP;
    }
    if (index === DISPI_MEMORY_64K) return this.#host.memoryBytes >>> 16;
    if (this.isEnabled) {
      const { lineBytes, bpp, virtualHeight } = this.geometry();
      if (index === DISPI_VIRT_WIDTH) return bpp === 4 ? lineBytes << 3 : lineBytes / ((bpp + 7) >> 3);
      if (index === DISPI_VIRT_HEIGHT) return Math.min(virtualHeight, 0xffff);
    }
    return this.#register(index);
  }

  write(index: number, value: number): void {
    const registers = this.#state.dispi;
    if (index === DISPI_ID) {
      if (value >= OLDEST_ID && value <= NEWEST_ID) registers[DISPI_ID] = value;
      return;
    }
    if (index >= registers.length || index === DISPI_VIRT_HEIGHT) return;
    const wasEnabled = this.isEnabled;
    registers[index] = value;
    if (index === DISPI_ENABLE && this.isEnabled !== wasEnabled) {
      registers[DISPI_BANK] = 0;
      if (this.isEnabled) this.#start((value & NO_CLEAR) === 0);
    }
    this.#host.changed();
  }

  /** A mode begins at the start of memory, with a virtual screen of its own size. */
  #start(clears: boolean): void {
    const registers = this.#state.dispi;
    registers[DISPI_VIRT_WIDTH] = registers[DISPI_XRES] as number;
    registers[DISPI_X_OFFSET] = 0;
    registers[DISPI_Y_OFFSET] = 0;
    const { lineBytes, height, bpp } = this.geometry();
    if (clears) this.#host.clear(lineBytes * height * (bpp === 4 ? 4 : 1));
  }

  #bpp(): number {
    const bpp = this.#register(DISPI_BPP);
    return DEPTHS.includes(bpp) ? bpp : 8;
  }

  #register(index: number): number {
    return this.#state.dispi[index] ?? 0;
  }
}
