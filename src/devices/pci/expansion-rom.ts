/**
 * A function's expansion ROM: code for the firmware to copy to memory and run, such as a card's boot ROM (PCI Local Bus
 * Specification 3.0 §6.2.5.2 "Expansion ROM Base Address Register", §6.3 "PCI Expansion ROMs").
 *
 *     31 ............ 11 | 10 ... 1 | 0         It is read at the address where the function decodes memory (command
 *     base address       | reserved | enable    register) and bit 0 is set. The size is a power of two, 2 KiB or more.
 *
 * What is in the ROM is not looked at: whether it holds an image for this processor is for the firmware to find out.
 */

import type { AccessSize, IoHandler } from '../../base/bus.ts';
import type { PciBar } from './pci-config.ts';

export const ROM_ENABLE = 1;
export const ROM_ADDRESS = ~0x7ff;
/** "The maximum size" of §6.2.5.2. */
export const LARGEST_ROM_BYTES = 16 * 2 ** 20;
const SMALLEST_ROM_BYTES = 0x800;
/** In double words from BAR 0. */
const ROM_INDEX = 8;
/** As flash that nothing was written to. */
const ERASED = 0xff;

class ExpansionRom implements IoHandler {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  read(offset: number, size: AccessSize): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= (this.#bytes[offset + i] ?? ERASED) << (8 * i);
    return value >>> 0;
  }

  write(): void {}
}

/** Throws a RangeError for a ROM that is too large. */
export function expansionRomBar(rom: Uint8Array): PciBar {
  if (rom.length > LARGEST_ROM_BYTES) throw new RangeError(`An expansion ROM of ${rom.length} bytes is too large`);
  let sizeBytes = SMALLEST_ROM_BYTES;
  while (sizeBytes < rom.length) sizeBytes *= 2;
  return { index: ROM_INDEX, space: 'rom', sizeBytes, handler: new ExpansionRom(rom) };
}
