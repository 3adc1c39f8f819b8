/**
 * Guest-physical memory of the board "pc", and the E820 map that tells a kernel about it
 * (ACPI 6.5 §15 "System Address Map Interfaces").
 *
 *   0x0000_0000  +---------------------------+
 *                | RAM                       |
 *   0x000A_0000  +---------------------------+
 *                | RAM that no map gives out | video and option ROM space on other boards
 *   0x000E_0000  +---------------------------+
 *                | ACPI tables               | where a BIOS leaves them: the RSDP is found by scanning
 *   0x0010_0000  +---------------------------+
 *                | RAM                       |
 *    min(size,   +---------------------------+
 *      3 GiB)    | devices: IOAPIC at 0xFEC0_0000, LAPIC at 0xFEE0_0000
 *   0x1_0000_0000+---------------------------+
 *                | the rest of RAM           |
 *                +---------------------------+
 */

import { VivariumError } from '../base/errors.ts';

export const PAGE_BYTES = 0x1000;
const MIB = 0x10_0000;
const GIB = 0x4000_0000;

/** End of the memory that a PC gives to real mode ("640 KiB"). */
export const LOW_MEMORY_END = 0xa_0000;
/** Start of extended memory, where kernels begin. */
export const HIGH_MEMORY_START = 0x10_0000;
export const ACPI_AREA_START = 0xe_0000;
export const ACPI_AREA_BYTES = HIGH_MEMORY_START - ACPI_AREA_START;
/** RAM beyond this continues at 4 GiB, which leaves 1 GiB of 32-bit addresses to devices. */
export const LOW_RAM_LIMIT = 3 * GIB;
export const HIGH_RAM_START = 4 * GIB;

/** Enough for the first megabyte and one after it; nothing boots in less. */
const MINIMUM_BYTES = 2 * MIB;
/** 1 TiB: far above any host's, and well inside the physical addresses the CPU reports. */
const MAXIMUM_BYTES = 1024 * GIB;

export const E820_RAM = 1;
export const E820_RESERVED = 2;

export interface MemoryRange {
  readonly base: number;
  readonly length: number;
}

export interface E820Entry extends MemoryRange {
  readonly type: number;
}

export interface MemoryMap {
  readonly sizeBytes: number;
  /** Where there is RAM, lowest first. */
  readonly ram: readonly MemoryRange[];
  /** What a kernel is told, lowest first, without overlaps. */
  readonly e820: readonly E820Entry[];
}

/** Lays out `sizeBytes` of RAM. Throws `bad-memory` for a size no guest can have. */
export function memoryMap(sizeBytes: number): MemoryMap {
  if (!Number.isInteger(sizeBytes) || sizeBytes % PAGE_BYTES !== 0) {
    throw badSize(`Guest memory must be a multiple of ${PAGE_BYTES} bytes, but ${sizeBytes} was asked for.`);
  }
  if (sizeBytes < MINIMUM_BYTES) {
    throw badSize(`Guest memory must be at least ${formatSize(MINIMUM_BYTES)}, not ${formatSize(sizeBytes)}.`);
  }
  if (sizeBytes > MAXIMUM_BYTES) {
    throw badSize(`Guest memory can be at most ${formatSize(MAXIMUM_BYTES)}, not ${formatSize(sizeBytes)}.`);
  }
  const low = Math.min(sizeBytes, LOW_RAM_LIMIT);
  const high = sizeBytes > low ? [{ base: HIGH_RAM_START, length: sizeBytes - low }] : [];
  return {
    sizeBytes,
    ram: [{ base: 0, length: low }, ...high],
    e820: [
      { base: 0, length: LOW_MEMORY_END, type: E820_RAM },
      { base: LOW_MEMORY_END, length: HIGH_MEMORY_START - LOW_MEMORY_END, type: E820_RESERVED },
      { base: HIGH_MEMORY_START, length: low - HIGH_MEMORY_START, type: E820_RAM },
      ...high.map((range) => ({ ...range, type: E820_RAM })),
    ],
  };
}

/** A size for a message, in the largest unit that says it exactly or to a tenth. */
export function formatSize(bytes: number): string {
  const units: readonly (readonly [string, number])[] = [
    ['GiB', GIB],
    ['MiB', MIB],
    ['KiB', 1024],
  ];
  const exact = units.find(([, unit]) => bytes >= unit && bytes % unit === 0);
  if (exact) return `${bytes / exact[1]} ${exact[0]}`;
  const nearest = units.find(([, unit]) => bytes >= unit);
  return nearest ? `${Math.round((bytes / nearest[1]) * 10) / 10} ${nearest[0]}` : `${bytes} bytes`;
}

function badSize(message: string): VivariumError {
  return new VivariumError({ kind: 'bad-memory' }, message);
}
