/**
 * Starts ELF kernels by the x86/HVM direct boot ABI, "PVH" (Xen, docs/misc/pvh.pandoc and
 * xen/include/public/arch-x86/hvm/start_info.h, version 1): 32-bit protected mode without paging, EBX pointing to
 * hvm_start_info.
 */

import { type CpuStart, GDT_BYTES, protectedStart } from './cpu-start.ts';
import { type Elf, readElf } from './elf.ts';
import { loadElfSegments } from './load-elf.ts';
import { allModules, badKernel, cString, doesNotFit, type LoadOptions, lowPut } from './load-options.ts';
import { HIGH_MEMORY_START, HIGH_RAM_START } from './memory-map.ts';
import { Placement } from './placement.ts';
import { StructWriter } from './struct-writer.ts';

const XEN_ELFNOTE_PHYS32_ENTRY = 18;
const START_MAGIC = 0x336e_c578;
const CODE_SELECTOR = 0x08;
const DATA_SELECTOR = 0x10;

/** The PVH entry point; undefined when the kernel has none. */
export function pvhEntry(elf: Elf): number | undefined {
  const note = elf.notes.find(({ name, type }) => name === 'Xen' && type === XEN_ELFNOTE_PHYS32_ENTRY);
  if (!note || note.description.length < 4) return undefined;
  const { buffer, byteOffset } = note.description;
  return new DataView(buffer, byteOffset, 4).getUint32(0, true);
}

export function loadPvh(image: Uint8Array, options: LoadOptions): CpuStart {
  const elf = readElf(image);
  const entry = pvhEntry(elf);
  if (entry === undefined) throw badKernel('This ELF kernel has no PVH entry point.');

  const { memory, map } = options;
  const placement = new Placement(map);
  loadElfSegments(elf, memory, placement);
  const modules = allModules(options).map(({ data, commandLine }, i) => {
    const address = placement.highest(data.length, { from: HIGH_MEMORY_START, below: HIGH_RAM_START });
    if (address === undefined) throw doesNotFit(i === 0 && options.initrd ? 'initrd' : 'module', data.length, map);
    memory.write(address, data);
    return { address, length: data.length, commandLine };
  });

  const put = lowPut(memory, placement);
  const moduleList = new StructWriter();
  for (const { address, length, commandLine } of modules) {
    moduleList.u64(address, length, commandLine === '' ? 0 : put(cString(commandLine)), 0);
  }
  const memoryList = new StructWriter();
  for (const { base, length, type } of map.e820) memoryList.u64(base, length).u32(type, 0);
  const startInfo = new StructWriter()
    .u32(START_MAGIC, 1, 0, modules.length)
    .u64(modules.length > 0 ? put(moduleList.finish()) : 0)
    .u64(put(cString(options.commandLine)), options.rsdp, put(memoryList.finish()))
    .u32(map.e820.length, 0);

  return protectedStart(memory, {
    rip: entry,
    general: { rbx: put(startInfo.finish()) },
    codeSelector: CODE_SELECTOR,
    dataSelector: DATA_SELECTOR,
    gdt: put(new Uint8Array(GDT_BYTES)),
  });
}
