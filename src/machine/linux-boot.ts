/**
 * Starts Linux by the 64-bit boot protocol, or the 32-bit one for kernels without that entry
 * (Linux, Documentation/arch/x86/boot.rst, "64-bit Boot Protocol" and "32-bit Boot Protocol").
 *
 * A kernel we can decompress is entered at its ELF entry point instead of at its decompressor, with the same
 * boot_params: what Xen and Firecracker do with a vmlinux. It then runs where it was linked to run, which also means
 * without address randomisation, as with `nokaslr`.
 *
 * Not supported: the 16-bit entry, EFI.
 */

import { alignUp } from '../base/bits.ts';
import type { GuestMemory } from '../base/dma.ts';
import { VivariumError } from '../base/errors.ts';
import { acceptsSetupData, bootParams, rngSeedNode } from './boot-params.ts';
import {
  type CpuStart,
  GDT_BYTES,
  IDENTITY_MAP_BYTES,
  longStart,
  protectedStart,
  writeIdentityMap,
} from './cpu-start.ts';
import { type Elf, readElf } from './elf.ts';
import { checkInitrd } from './initrd.ts';
import { type LinuxImage, readLinuxImage } from './linux-image.ts';
import { unpackPayload } from './linux-payload.ts';
import { physicalEntry } from './load-elf.ts';
import { badMemory, cString, doesNotFit, type LoadOptions, lowPut } from './load-options.ts';
import { formatSize, HIGH_MEMORY_START, HIGH_RAM_START, type MemoryRange } from './memory-map.ts';
import { Placement } from './placement.ts';

/** __BOOT_CS and __BOOT_DS. */
const CODE_SELECTOR = 0x10;
const DATA_SELECTOR = 0x18;
/** Of the 64-bit entry, from the start of the protected-mode code. */
const ENTRY64_OFFSET = 0x200;

export async function loadLinux(file: Uint8Array, options: LoadOptions): Promise<CpuStart> {
  const { memory, map, commandLine, rngSeed } = options;
  const image = readLinuxImage(file);
  const commandLineBytes = cString(commandLine);
  checkOptions(image, commandLineBytes, options);
  if (options.initrd) await checkInitrd(options.initrd, options.gunzip);

  const placement = new Placement(map);
  const kernelAddress = placeKernel(image, placement, options);
  const initrd = options.initrd && placeInitrd(options.initrd, image, placement, options);
  const put = lowPut(memory, placement);
  const zeroPage = put(
    bootParams({
      setupHeader: image.header,
      map,
      rsdp: options.rsdp,
      kernelAddress,
      commandLineAddress: put(commandLineBytes),
      initrd,
      setupData: rngSeed && acceptsSetupData(image.header) ? put(rngSeedNode(rngSeed)) : 0,
    }),
  );

  const gdt = put(new Uint8Array(GDT_BYTES));
  const entry = { general: { rsi: zeroPage }, codeSelector: CODE_SELECTOR, dataSelector: DATA_SELECTOR, gdt };
  if (!image.entry64) {
    memory.write(kernelAddress, image.protectedMode);
    return protectedStart(memory, { ...entry, rip: kernelAddress });
  }
  const pageTables = put(new Uint8Array(IDENTITY_MAP_BYTES));
  writeIdentityMap(memory, pageTables);
  const rip = await writeKernel(image, kernelAddress, options);
  return longStart(memory, { ...entry, rip }, pageTables);
}

function checkOptions(image: LinuxImage, commandLine: Uint8Array, options: LoadOptions): void {
  const length = commandLine.length - 1;
  if (length > image.commandLineMaximum) {
    throw new VivariumError(
      { kind: 'bad-option', option: 'append' },
      `The kernel command line is ${length} bytes long, but this kernel takes at most ${image.commandLineMaximum}.`,
    );
  }
  if (options.modules?.length) {
    throw new VivariumError({ kind: 'bad-option', option: 'module' }, 'A Linux kernel takes an initrd, not modules.');
  }
}

/** Takes the memory the kernel starts in; gives the address of its protected-mode code. */
function placeKernel(image: LinuxImage, placement: Placement, { map }: LoadOptions): number {
  const preferred = image.preferredAddress ?? HIGH_MEMORY_START;
  if (placement.isUsable(preferred, image.initBytes) && preferred + image.initBytes <= HIGH_RAM_START) {
    placement.reserve(preferred, image.initBytes);
    return preferred;
  }
  // A relocatable kernel never runs below its preferred address, so there is no use in looking there.
  const limits = { alignment: image.alignment, from: preferred, below: HIGH_RAM_START };
  const address = image.relocatable ? placement.lowest(image.initBytes, limits) : undefined;
  if (address !== undefined) return address;
  throw badMemory(
    `This kernel needs at least ${formatSize(alignUp(preferred + image.initBytes, 0x10_0000))} of memory, ` +
      `but the guest has ${formatSize(map.sizeBytes)}.`,
  );
}

/** Puts the initrd as high as the kernel can reach, out of the way of what it allocates early. */
function placeInitrd(initrd: Uint8Array, image: LinuxImage, placement: Placement, options: LoadOptions): MemoryRange {
  const below = Math.min(image.initrdMaximum + 1, HIGH_RAM_START);
  const base = placement.highest(initrd.length, { from: HIGH_MEMORY_START, below });
  if (base === undefined) throw doesNotFit('initrd', initrd.length, options.map);
  options.memory.write(base, initrd);
  return { base, length: initrd.length };
}

/** Writes the kernel, decompressed when we can; gives its 64-bit entry point. */
async function writeKernel(image: LinuxImage, kernelAddress: number, options: LoadOptions): Promise<number> {
  if (image.payload && !options.decompressInGuest) {
    const vmlinux = await unpackPayload(image.payload, image.initBytes, options.gunzip);
    const elf = vmlinux && readElf(vmlinux);
    const entry = elf && kernelAddress === image.preferredAddress && writeVmlinux(elf, image, options.memory);
    if (entry) return entry;
  }
  options.memory.write(kernelAddress, image.protectedMode);
  return kernelAddress + ENTRY64_OFFSET;
}

/** Writes the segments, when all of them and the entry are where the bzImage said the kernel would run. */
function writeVmlinux(elf: Elf, image: LinuxImage, memory: GuestMemory): number | undefined {
  const start = image.preferredAddress ?? 0;
  const inside = (from: number, length: number) => from >= start && from + length <= start + image.initBytes;
  const entry = physicalEntry(elf);
  if (elf.bits !== 64 || !inside(entry, 1)) return undefined;
  if (!elf.segments.every((segment) => inside(segment.physicalAddress, segment.memoryBytes))) return undefined;
  for (const { physicalAddress, data } of elf.segments) memory.write(physicalAddress, withoutTrailingZeros(data));
  return entry;
}

/** A vmlinux from a bzImage spells out its .bss, which would only touch memory that is zero already. */
function withoutTrailingZeros(data: Uint8Array): Uint8Array {
  let end = data.length;
  while (end > 0 && data[end - 1] === 0) end--;
  return data.subarray(0, end);
}
