/** A guest with firmware: where its ROM is in memory, and what the board is told of the machine. */

import { VivariumError } from '../base/errors.ts';
import { LOW_MEMORY_END, memoryMap } from '../machine/memory-map.ts';
import type { FirmwarePc } from '../machine/pc-firmware.ts';
import type { BlockQueue } from './block-queue.ts';
import type { FrameTable, MemoryBlock } from './guest-memory.ts';
import { type GuestFirmware, type GuestNetwork, isFirmwareSize } from './guest-options.ts';

const MIB = 2 ** 20;
export const VIDEO_MEMORY_BYTES = 16 * MIB;
/** Of the ROM's end, what appears below 1 MiB. */
const LOW_ROM_BYTES = 128 * 1024;

export interface FirmwareParts {
  readonly frames: FrameTable;
  readonly video: MemoryBlock;
  readonly blocks: BlockQueue;
  /** Of each card. */
  readonly networks: readonly GuestNetwork[];
}

export function firmwareBoard(
  { vgaBios, drives, nics, bootOrder, bootMenuMs }: GuestFirmware,
  { frames, video, blocks, networks }: FirmwareParts,
): FirmwarePc {
  return {
    memory: frames,
    e820: memoryMap(frames.sizeBytes).e820,
    videoMemory: video,
    vgaBios,
    drives: drives.map(({ backend, ...drive }) => ({ ...drive, medium: backend && blocks.port(backend) })),
    nics: nics.map(({ model, mac, rom }, i) => ({ model, mac, rom, port: networks[i] as GuestNetwork })),
    bootOrder,
    ...(bootMenuMs !== undefined && { bootMenuMs }),
    shadow: (ranges) => {
      for (const { base, length, ...shadowing } of ranges) frames.shadow(base, length, shadowing);
    },
    mapVideo: (block, base) => frames.mapBlock(block as MemoryBlock, base),
  };
}

/**
 * ROM below 4 GiB, and its end below 1 MiB; between that and conventional memory are video memory and option ROMs. Throws
 * a VivariumError for a size that no firmware has.
 */
export function placeRom(frames: FrameTable, { bios }: GuestFirmware): void {
  const bytes = bios.length;
  if (!isFirmwareSize(bytes)) {
    const message = `Firmware is a multiple of 64 KiB, up to 16 MiB: not ${bytes} bytes.`;
    throw new VivariumError({ kind: 'bad-kernel' }, message);
  }
  const rom = frames.block(bytes);
  rom.bytes.set(bios);
  frames.mapRom(rom, 0, 2 ** 32 - bytes, bytes);
  const low = Math.min(bytes, LOW_ROM_BYTES);
  showRom(frames);
  frames.mapRom(rom, bytes - low, MIB - low, low);
}

/** What lies behind the ROM below 1 MiB is not seen, as after power-on. */
export function showRom(frames: FrameTable): void {
  frames.shadow(LOW_MEMORY_END, MIB - LOW_MEMORY_END, { readsMemory: false, writesMemory: false });
}
