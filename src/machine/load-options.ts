/** What every kernel loader is given, and the errors they share. */

import type { GuestMemory } from '../base/dma.ts';
import { VivariumError } from '../base/errors.ts';
import { formatSize, HIGH_RAM_START, type MemoryMap } from './memory-map.ts';
import type { Placement } from './placement.ts';

export interface BootModule {
  readonly data: Uint8Array;
  /** Its name and arguments, as the kernel is to see them. */
  readonly commandLine: string;
}

export interface LoadOptions {
  /** The guest's RAM, all zero but for the ACPI tables: loaders do not clear what a kernel takes to be clear. */
  readonly memory: GuestMemory;
  readonly map: MemoryMap;
  readonly commandLine: string;
  readonly initrd?: Uint8Array;
  /** For kernels that take modules (PVH and Multiboot); the initrd, if any, comes first. */
  readonly modules?: readonly BootModule[];
  /** Physical address of the ACPI root pointer; 0 when there is none. */
  readonly rsdp: number;
  /** Linux only: entropy for its random number generator, so that it need not wait for any. */
  readonly rngSeed?: Uint8Array;
  /** Linux only: the platform's gzip decoder, which lets gzip kernels start as fast as the others. */
  readonly gunzip?: (compressed: Uint8Array) => Uint8Array | Promise<Uint8Array>;
  /** Linux only: leave decompression, and with it address randomisation, to the kernel's own stub. */
  readonly decompressInGuest?: boolean;
}

export function badKernel(message: string, cause?: unknown): VivariumError {
  return new VivariumError({ kind: 'bad-kernel' }, message, { cause });
}

export function badMemory(message: string): VivariumError {
  return new VivariumError({ kind: 'bad-memory' }, message);
}

/** The error for an initrd or module for which there is no room. */
export function doesNotFit(what: string, lengthBytes: number, map: MemoryMap): VivariumError {
  const [size, memory] = [formatSize(lengthBytes), formatSize(map.sizeBytes)];
  const message =
    lengthBytes >= map.sizeBytes
      ? `The ${what} (${size}) is larger than the guest's memory (${memory}).`
      : `The ${what} (${size}) does not fit beside the kernel in the guest's memory (${memory}).`;
  return new VivariumError({ kind: 'bad-initrd' }, message);
}

/** The initrd and the modules as one list, for protocols that make no difference. */
export function allModules({ initrd, modules = [] }: LoadOptions): readonly BootModule[] {
  return initrd ? [{ data: initrd, commandLine: '' }, ...modules] : modules;
}

/** A string as C wants it. */
export function cString(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

/** Puts something small where there is room below 4 GiB, as low as possible; gives its address. */
export type Put = (bytes: Uint8Array) => number;

export function lowPut(memory: GuestMemory, placement: Placement): Put {
  return (bytes) => {
    const address = placement.lowest(bytes.length, { below: HIGH_RAM_START });
    if (address === undefined) throw badMemory('There is no room in memory for what this kernel is told at its start.');
    memory.write(address, bytes);
    return address;
  };
}
