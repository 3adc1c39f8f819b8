/**
 * Builds boot_params, the "zero page" that tells Linux about its machine
 * (Linux, Documentation/arch/x86/zero-page.rst; the setup header in it is in boot.rst).
 *
 * Left zero: screen_info (there is no display, so no console is set up on one), APM, EDD, EFI.
 */

import { type MemoryMap, type MemoryRange, PAGE_BYTES } from './memory-map.ts';

const ACPI_RSDP_ADDRESS = 0x070;
const E820_ENTRIES = 0x1e8;
const SETUP_HEADER = 0x1f1;
const VID_MODE = 0x1fa;
const TYPE_OF_LOADER = 0x210;
const CODE32_START = 0x214;
const RAMDISK_IMAGE = 0x218;
const RAMDISK_SIZE = 0x21c;
const CMD_LINE_PTR = 0x228;
const SETUP_DATA = 0x250;
const SETUP_DATA_END = 0x258;
const E820_TABLE = 0x2d0;
const E820_ENTRY_BYTES = 20;

const VIDEO_MODE_NORMAL = 0xffff;
const UNREGISTERED_LOADER = 0xff;
const SETUP_RNG_SEED = 9;

export interface BootParameters {
  /** From the image, to be completed here. */
  readonly setupHeader: Uint8Array;
  readonly map: MemoryMap;
  readonly rsdp: number;
  readonly kernelAddress: number;
  readonly commandLineAddress: number;
  readonly initrd: MemoryRange | undefined;
  /** Physical address of the first setup_data node; 0 when there is none. */
  readonly setupData: number;
}

export function bootParams(parameters: BootParameters): Uint8Array {
  const page = new Uint8Array(PAGE_BYTES);
  const view = new DataView(page.buffer);
  page.set(parameters.setupHeader, SETUP_HEADER);
  view.setUint16(VID_MODE, VIDEO_MODE_NORMAL, true);
  view.setUint8(TYPE_OF_LOADER, UNREGISTERED_LOADER);
  view.setUint32(CODE32_START, parameters.kernelAddress, true);
  view.setUint32(RAMDISK_IMAGE, parameters.initrd?.base ?? 0, true);
  view.setUint32(RAMDISK_SIZE, parameters.initrd?.length ?? 0, true);
  view.setUint32(CMD_LINE_PTR, parameters.commandLineAddress, true);
  if (acceptsSetupData(parameters.setupHeader)) view.setBigUint64(SETUP_DATA, BigInt(parameters.setupData), true);
  view.setBigUint64(ACPI_RSDP_ADDRESS, BigInt(parameters.rsdp), true);

  const { e820 } = parameters.map;
  view.setUint8(E820_ENTRIES, e820.length);
  e820.forEach((entry, i) => {
    const at = E820_TABLE + i * E820_ENTRY_BYTES;
    view.setBigUint64(at, BigInt(entry.base), true);
    view.setBigUint64(at + 8, BigInt(entry.length), true);
    view.setUint32(at + 16, entry.type, true);
  });
  return page;
}

/** Protocol 2.09 and up: the image's own header reaches that far. */
export function acceptsSetupData(setupHeader: Uint8Array): boolean {
  return setupHeader.length >= SETUP_DATA_END - SETUP_HEADER;
}

/** A list of one setup_data node: entropy, which Linux 6.0 and later take and erase. */
export function rngSeedNode(seed: Uint8Array): Uint8Array {
  const node = new Uint8Array(16 + seed.length);
  const view = new DataView(node.buffer);
  view.setUint32(8, SETUP_RNG_SEED, true);
  view.setUint32(12, seed.length, true);
  node.set(seed, 16);
  return node;
}
