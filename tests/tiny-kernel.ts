/** Kernels of a few bytes for tests: 32-bit ELF with a Multiboot header, loaded and entered at 1 MiB. */

import { StructWriter } from '../src/machine/struct-writer.ts';
import { buildElf } from '../src/machine/test-elf.ts';

const MAGIC = 0x1bad_b002;
/** Modules on page boundaries, and memory sizes, please. */
const FLAGS = 3;
const HEADER_BYTES = 12;
const LOAD_ADDRESS = 0x10_0000;

/** Its first instruction is `code`'s. There is a page for data at 0x101000 and a stack's worth of room behind. */
export function tinyKernel(code: readonly number[]): Uint8Array {
  const header = new StructWriter().u32(MAGIC, FLAGS, -(MAGIC + FLAGS) >>> 0).finish();
  const data = Uint8Array.from([...header, ...code]);
  const segment = { physicalAddress: LOAD_ADDRESS, data, memoryBytes: 0x5000 };
  return buildElf({ bits: 32, entry: LOAD_ADDRESS + HEADER_BYTES, segments: [segment] });
}
