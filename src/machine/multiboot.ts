/**
 * Starts Multiboot kernels (Multiboot Specification 0.6.96): ELF files, 32- or 64-bit, and flat files that state their
 * addresses in the header. Entry is in 32-bit protected mode without paging, EAX holding the magic number and EBX
 * pointing to the information structure.
 *
 * As with QEMU's -kernel, the command line begins with a name for the kernel, and modules go above the kernel.
 * Not provided: boot device, symbols, drives, ROM configuration, APM, a video mode (asking for one is not an error).
 */

import { type CpuStart, GDT_BYTES, protectedStart } from './cpu-start.ts';
import { isElf, readElf } from './elf.ts';
import { claimForKernel, loadElfSegments, physicalEntry } from './load-elf.ts';
import { allModules, badKernel, cString, doesNotFit, type LoadOptions, lowPut } from './load-options.ts';
import { E820_RAM, HIGH_MEMORY_START, HIGH_RAM_START, LOW_MEMORY_END } from './memory-map.ts';
import { Placement } from './placement.ts';
import { StructWriter } from './struct-writer.ts';

const HEADER_MAGIC = 0x1bad_b002;
const LOADER_MAGIC = 0x2bad_b002;
/** The header lies, aligned to four bytes, within this much of the start of the file. */
const SEARCH_BYTES = 8192;

// Header flags. Of the low sixteen, a loader must know all that are set.
const KNOWN_REQUIREMENTS = 0x0007; // page-aligned modules, memory information, video mode
const HAS_ADDRESSES = 1 << 16;

// Information flags.
const INFO_MEMORY = 1 << 0;
const INFO_COMMAND_LINE = 1 << 2;
const INFO_MODULES = 1 << 3;
const INFO_MEMORY_MAP = 1 << 6;
const INFO_LOADER_NAME = 1 << 9;

const CODE_SELECTOR = 0x08;
const DATA_SELECTOR = 0x10;
const KERNEL_NAME = 'kernel';
const LOADER_NAME = 'Vivarium';

interface Addresses {
  readonly header: number;
  readonly loadStart: number;
  /** 0: load to the end of the file. */
  readonly loadEnd: number;
  /** 0: no .bss. */
  readonly bssEnd: number;
  readonly entry: number;
}

interface MultibootHeader {
  readonly offset: number;
  readonly flags: number;
  readonly addresses: Addresses | undefined;
}

export function isMultiboot(image: Uint8Array): boolean {
  return findHeader(image) !== undefined;
}

export function loadMultiboot(image: Uint8Array, options: LoadOptions): CpuStart {
  const header = findHeader(image);
  if (!header) throw badKernel('This file has no Multiboot header.');
  if (header.flags & 0xffff & ~KNOWN_REQUIREMENTS) {
    throw badKernel('This Multiboot kernel requires a feature that Vivarium does not provide.');
  }
  const { memory } = options;
  const placement = new Placement(options.map);
  const { entry, end } = header.addresses
    ? loadFlat(image, header.offset, header.addresses, options, placement)
    : loadElf(image, options, placement);
  const modules = placeModules(end, options, placement);

  const put = lowPut(memory, placement);
  const moduleList = new StructWriter();
  for (const { start, length, commandLine } of modules) {
    moduleList.u32(start, start + length, put(cString(commandLine)), 0);
  }
  const memoryMap = new StructWriter();
  for (const { base, length, type } of options.map.e820) memoryMap.u32(20).u64(base, length).u32(type);
  const commandLine = options.commandLine === '' ? KERNEL_NAME : `${KERNEL_NAME} ${options.commandLine}`;

  const info = new StructWriter()
    .u32(INFO_MEMORY | INFO_COMMAND_LINE | INFO_MODULES | INFO_MEMORY_MAP | INFO_LOADER_NAME)
    .u32(LOW_MEMORY_END / 1024, upperKib(options))
    .u32(0) // boot device
    .u32(put(cString(commandLine)))
    .u32(modules.length, modules.length > 0 ? put(moduleList.finish()) : 0)
    .zeros(16) // symbols
    .u32(memoryMap.length, put(memoryMap.finish()))
    .zeros(12) // drives, ROM configuration
    .u32(put(cString(LOADER_NAME)))
    .zeros(48); // APM, VBE, framebuffer
  return protectedStart(memory, {
    rip: entry,
    general: { rax: LOADER_MAGIC, rbx: put(info.finish()) },
    codeSelector: CODE_SELECTOR,
    dataSelector: DATA_SELECTOR,
    gdt: put(new Uint8Array(GDT_BYTES)),
  });
}

/** The first header whose checksum is right. */
function findHeader(image: Uint8Array): MultibootHeader | undefined {
  const view = new DataView(image.buffer, image.byteOffset, Math.min(image.length, SEARCH_BYTES));
  for (let offset = 0; offset + 12 <= view.byteLength; offset += 4) {
    if (view.getUint32(offset, true) !== HEADER_MAGIC) continue;
    const flags = view.getUint32(offset + 4, true);
    if ((HEADER_MAGIC + flags + view.getUint32(offset + 8, true)) % 2 ** 32 !== 0) continue;
    if (!(flags & HAS_ADDRESSES)) return { offset, flags, addresses: undefined };
    if (offset + 32 > view.byteLength) continue;
    const field = (i: number) => view.getUint32(offset + 12 + i * 4, true);
    const addresses = { header: field(0), loadStart: field(1), loadEnd: field(2), bssEnd: field(3), entry: field(4) };
    return { offset, flags, addresses };
  }
  return undefined;
}

interface Loaded {
  readonly entry: number;
  /** End of the kernel in memory. */
  readonly end: number;
}

function loadElf(image: Uint8Array, { memory }: LoadOptions, placement: Placement): Loaded {
  if (!isElf(image)) throw badKernel('This Multiboot kernel is neither an ELF file nor states its load address.');
  const elf = readElf(image);
  return { entry: physicalEntry(elf), end: loadElfSegments(elf, memory, placement) };
}

/** §3.1.3 "The address fields of Multiboot header" */
function loadFlat(
  image: Uint8Array,
  headerOffset: number,
  { header, loadStart, loadEnd, bssEnd, entry }: Addresses,
  { memory }: LoadOptions,
  placement: Placement,
): Loaded {
  const fileStart = headerOffset - (header - loadStart);
  const length = loadEnd === 0 ? image.length - fileStart : loadEnd - loadStart;
  if (header < loadStart || fileStart < 0 || length <= 0 || (bssEnd !== 0 && bssEnd < loadStart + length)) {
    throw badKernel('This Multiboot kernel is damaged: the addresses in its header contradict each other.');
  }
  if (fileStart + length > image.length) throw badKernel('This Multiboot kernel is truncated.');
  const end = bssEnd === 0 ? loadStart + length : bssEnd;
  claimForKernel(loadStart, end - loadStart, memory, placement);
  memory.write(loadStart, image.subarray(fileStart, fileStart + length));
  return { entry, end };
}

function placeModules(kernelEnd: number, options: LoadOptions, placement: Placement) {
  return allModules(options).map(({ data, commandLine }, i) => {
    const from = Math.max(kernelEnd, HIGH_MEMORY_START);
    const start = placement.lowest(data.length, { from, below: HIGH_RAM_START });
    if (start === undefined) {
      throw doesNotFit(i === 0 && options.initrd ? 'initrd' : 'module', data.length, options.map);
    }
    options.memory.write(start, data);
    return { start, length: data.length, commandLine };
  });
}

/** Memory from 1 MiB up to the first hole. */
function upperKib({ map }: LoadOptions): number {
  const upper = map.e820.find(({ base, type }) => type === E820_RAM && base === HIGH_MEMORY_START);
  return (upper?.length ?? 0) / 1024;
}
