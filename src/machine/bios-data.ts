/**
 * The BIOS data area at 0x400, as far as kernels look at it without a BIOS
 * (IBM PC AT Technical Reference, "ROM BIOS: Data Area"): where the serial ports are, and how much memory there is
 * below 640 KiB, which Xen and others put their start-up code for further CPUs under.
 *
 * Left zero: the extended BIOS data area (there is none), the keyboard, the display, disks.
 */

import { type GuestMemory, writeU16 } from '../base/dma.ts';
import { LOW_MEMORY_END } from './memory-map.ts';
import { COM1_PORT, COM2_PORT } from './pc-layout.ts';

const SERIAL_PORTS = 0x400;
const EQUIPMENT = 0x410;
const BASE_MEMORY_KIB = 0x413;

/** Serial ports are counted in bits 11:9. */
const TWO_SERIAL_PORTS = 2 << 9;

export function writeBiosData(memory: GuestMemory): void {
  writeU16(memory, SERIAL_PORTS, COM1_PORT);
  writeU16(memory, SERIAL_PORTS + 2, COM2_PORT);
  writeU16(memory, EQUIPMENT, TWO_SERIAL_PORTS);
  writeU16(memory, BASE_MEMORY_KIB, LOW_MEMORY_END / 1024);
}
