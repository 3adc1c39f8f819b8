/** For tests: a VGA on buses, with memory of its own, and a driver that sets the modes that QEMU was recorded in. */

import { type AccessSize, Bus } from '../../base/bus.ts';
import type { VideoMemory } from '../../base/screen.ts';
import { TestClock } from '../test-clock.ts';
import { DISPI_ENABLE, NO_CLEAR } from './dispi.ts';
import type { RecordedMode } from './test-screens.ts';
import { VGA_MMIO_BYTES, VGA_WINDOW, VGA_WINDOW_BYTES, Vga } from './vga.ts';

export const TEST_MEMORY_BYTES = 16 << 20;
export const MMIO = 0xfebf_0000;

export class TestVideoMemory implements VideoMemory {
  bytes = new Uint8Array(TEST_MEMORY_BYTES);
  #dirty: number[] = [];

  get sizeBytes(): number {
    return this.bytes.length;
  }

  takeDirtyPages(): readonly number[] {
    return this.#dirty.splice(0);
  }

  /** As the guest does through a mapping. */
  write(address: number, bytes: readonly number[]): void {
    this.bytes.set(bytes, address);
    this.#dirty.push(address >> 12);
  }

  /** As a plain WebAssembly memory does when it grows: earlier views are detached. */
  move(): void {
    this.bytes = new Uint8Array(structuredClone(this.bytes.buffer, { transfer: [this.bytes.buffer] }));
  }
}

function parsed(hexadecimal: string): number[] {
  return (hexadecimal.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16));
}

export class TestVga {
  readonly clock = new TestClock();
  readonly memory = new TestVideoMemory();
  readonly vga = new Vga({ clock: this.clock, memory: this.memory });
  readonly io = new Bus();
  readonly physical = new Bus();

  constructor() {
    for (const { base, length, handler } of this.vga.ports) this.io.map(base, length, handler);
    this.physical.map(VGA_WINDOW, VGA_WINDOW_BYTES, this.vga.window);
    this.physical.map(MMIO, VGA_MMIO_BYTES, this.vga.mmio);
  }

  out(port: number, value: number, size: AccessSize = 1): void {
    this.io.write(port, value, size);
  }

  in(port: number, size: AccessSize = 1): number {
    return this.io.read(port, size);
  }

  /** Index and value in one word, as most programs do. */
  set(port: number, index: number, value: number): void {
    this.out(port, (value << 8) | index, 2);
  }

  get(port: number, index: number): number {
    this.out(port, index);
    return this.in(port + 1);
  }

  setAttribute(index: number, value: number): void {
    this.in(0x3da);
    this.out(0x3c0, index);
    this.out(0x3c0, value);
    this.out(0x3c0, 0x20);
  }

  setColour(index: number, red: number, green: number, blue: number): void {
    this.out(0x3c8, index);
    for (const part of [red, green, blue]) this.out(0x3c9, part);
  }

  setDispi(index: number, value: number): void {
    this.out(0x1ce, index, 2);
    this.out(0x1cf, value, 2);
  }

  getDispi(index: number): number {
    this.out(0x1ce, index, 2);
    return this.in(0x1cf, 2);
  }

  poke(address: number, value: number, size: AccessSize = 1): void {
    this.physical.write(address, value, size);
  }

  peek(address: number, size: AccessSize = 1): number {
    return this.physical.read(address, size);
  }

  setMode(mode: RecordedMode, palette: string): void {
    this.out(0x3c2, mode.miscOutput);
    for (const [index, value] of parsed(mode.sequencer).entries()) this.set(0x3c4, index, value);
    for (const [index, value] of parsed(mode.graphics).entries()) this.set(0x3ce, index, value);
    const crtc = mode.miscOutput & 1 ? 0x3d4 : 0x3b4;
    this.set(crtc, 0x11, 0);
    for (const [index, value] of parsed(mode.crtc).entries()) this.set(crtc, index, value);
    this.in(crtc + 6);
    for (const [index, value] of parsed(mode.attributes).entries()) {
      this.out(0x3c0, index);
      this.out(0x3c0, value);
    }
    this.out(0x3c0, 0x20);
    this.out(0x3c6, 0xff);
    this.out(0x3c8, 0);
    for (const value of parsed(palette)) this.out(0x3c9, value);
    const dispi = mode.dispi.split(' ').map((word) => Number.parseInt(word, 16));
    for (const index of [1, 2, 3]) this.setDispi(index, dispi[index] as number);
    this.setDispi(DISPI_ENABLE, (dispi[DISPI_ENABLE] as number) | NO_CLEAR);
    for (const index of [6, 8, 9]) this.setDispi(index, dispi[index] as number);
  }

  /** What draw.asm draws in graphics modes. */
  draw({ mode, banks, extra }: RecordedMode): void {
    const fill = filler();
    if (mode < 7) return fill((offset, value) => this.poke(0xb_8000 + offset, value), 0x4000);
    const write = (offset: number, value: number): void => this.poke(VGA_WINDOW + offset, value);
    if (mode === 0x13 && extra === 0) return fill(write, 0x1_0000);
    if (mode > 0xff) {
      for (let bank = 0; bank < banks; bank++) {
        this.setDispi(5, bank);
        fill(write, 0x1_0000);
      }
      return;
    }
    for (let plane = 1; plane < 16; plane <<= 1) {
      this.set(0x3c4, 2, plane);
      fill(write, 0x1_0000);
    }
  }
}

/** draw.asm's `fill`. */
function filler(): (write: (offset: number, value: number) => void, length: number) => void {
  let seed = 1;
  return (write, length) => {
    for (let offset = 0; offset < length; offset++) {
      if ((offset & 3) === 0) seed = (seed * 25173 + 13849) & 0xffff;
      write(offset, seed >> 8);
    }
  };
}
