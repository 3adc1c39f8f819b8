/** Puts the segments of an ELF executable at their physical addresses, for every boot protocol that starts with one. */

import type { GuestMemory } from '../base/dma.ts';
import { VivariumError } from '../base/errors.ts';
import type { Elf } from './elf.ts';
import { formatSize } from './memory-map.ts';
import type { Placement } from './placement.ts';

/** Loads all segments and takes their memory; gives the end of the highest. Free RAM must be zero. */
export function loadElfSegments(elf: Elf, memory: GuestMemory, placement: Placement): number {
  for (const { physicalAddress, data, memoryBytes } of elf.segments) {
    claimForKernel(physicalAddress, memoryBytes, memory, placement);
    memory.write(physicalAddress, data);
  }
  return Math.max(...elf.segments.map((segment) => segment.physicalAddress + segment.memoryBytes));
}

/** Takes memory at an address that the kernel insists on; throws `bad-memory` when it is not usable RAM. */
export function claimForKernel(base: number, length: number, memory: GuestMemory, placement: Placement): void {
  if (!placement.isUsable(base, length)) {
    throw new VivariumError(
      { kind: 'bad-memory' },
      `This kernel needs ${formatSize(length)} of memory at 0x${base.toString(16)}, ` +
        `which a guest with ${formatSize(memory.sizeBytes)} does not have.`,
    );
  }
  placement.reserve(base, length);
}

/** The entry point as a physical address: kernels often state it where they are linked to run. */
export function physicalEntry(elf: Elf): number {
  const home = elf.segments.find(
    ({ virtualAddress, memoryBytes }) =>
      elf.entry >= virtualAddress && elf.entry < virtualAddress + BigInt(memoryBytes),
  );
  const entry = home ? BigInt(home.physicalAddress) + (elf.entry - home.virtualAddress) : elf.entry;
  if (entry > 0xffff_ffffn) {
    throw new VivariumError({ kind: 'bad-kernel' }, 'This ELF file starts at an address beyond 4 GiB.');
  }
  return Number(entry);
}
