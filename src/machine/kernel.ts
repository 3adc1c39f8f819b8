/** Tells kernel images apart and hands each to its loader, in the order QEMU's -kernel tries them. */

import { unreachable } from '../base/errors.ts';
import { writeBiosData } from './bios-data.ts';
import type { CpuStart } from './cpu-start.ts';
import { isElf, readElf } from './elf.ts';
import { loadLinux } from './linux-boot.ts';
import { isLinuxImage } from './linux-image.ts';
import { badKernel, type LoadOptions } from './load-options.ts';
import { isMultiboot, loadMultiboot } from './multiboot.ts';
import { loadPvh, pvhEntry } from './pvh.ts';

export type KernelKind = 'linux' | 'multiboot' | 'pvh';

/** Throws `bad-kernel` for an image that is none of them. */
export function detectKernel(image: Uint8Array): KernelKind {
  if (isLinuxImage(image)) return 'linux';
  if (isMultiboot(image)) return 'multiboot';
  if (isElf(image)) {
    if (pvhEntry(readElf(image)) !== undefined) return 'pvh';
    throw badKernel(
      'This ELF file is not a kernel Vivarium can boot: it has neither a PVH note nor a Multiboot header.',
    );
  }
  if (image.length === 0) throw badKernel('The kernel file is empty.');
  throw badKernel('This file is not a kernel Vivarium can boot: it is no Linux bzImage, PVH or Multiboot kernel.');
}

/** Loads the kernel and all that goes with it into fresh memory. Throws a VivariumError that says what is wrong. */
export async function loadKernel(image: Uint8Array, options: LoadOptions): Promise<CpuStart> {
  const kind = detectKernel(image);
  writeBiosData(options.memory);
  switch (kind) {
    case 'linux':
      return loadLinux(image, options);
    case 'multiboot':
      return loadMultiboot(image, options);
    case 'pvh':
      return loadPvh(image, options);
    default:
      return unreachable(kind);
  }
}
