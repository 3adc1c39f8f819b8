/** Builds ELF executables for tests: a header, program headers, and the bytes of each segment one after the other. */

import { StructWriter } from './struct-writer.ts';

export interface TestSegment {
  readonly type?: number;
  readonly virtualAddress?: number;
  readonly physicalAddress: number;
  readonly data: Uint8Array;
  readonly memoryBytes?: number;
}

export interface TestElf {
  readonly bits: 32 | 64;
  readonly entry: number;
  readonly segments: readonly TestSegment[];
  readonly machine?: number;
  readonly type?: number;
}

export function buildElf({ bits, entry, segments, machine, type = 2 }: TestElf): Uint8Array {
  const headerBytes = bits === 32 ? 52 : 64;
  const programHeaderBytes = bits === 32 ? 32 : 56;
  const elf = new StructWriter().u8(0x7f, 0x45, 0x4c, 0x46, bits === 32 ? 1 : 2, 1, 1).zeros(9);
  elf.u16(type, machine ?? (bits === 32 ? 3 : 62)).u32(1);
  const word = (...values: number[]) => (bits === 32 ? elf.u32(...values) : elf.u64(...values));
  word(entry, headerBytes, 0);
  elf.u32(0).u16(headerBytes, programHeaderBytes, segments.length, 0, 0, 0);

  let offset = headerBytes + segments.length * programHeaderBytes;
  for (const { type: kind = 1, virtualAddress, physicalAddress, data, memoryBytes } of segments) {
    elf.u32(kind);
    if (bits === 64) elf.u32(7);
    word(offset, virtualAddress ?? physicalAddress, physicalAddress, data.length, memoryBytes ?? data.length);
    if (bits === 32) elf.u32(7);
    word(4);
    offset += data.length;
  }
  for (const { data } of segments) elf.bytes(data);
  return elf.finish();
}

/** One ELF note. */
export function buildNote(name: string, type: number, description: Uint8Array): Uint8Array {
  const pad = (length: number) => Math.ceil(length / 4) * 4;
  return new StructWriter()
    .u32(name.length + 1, description.length, type)
    .ascii(name, pad(name.length + 1))
    .bytes(description)
    .zeros(pad(description.length) - description.length)
    .finish();
}

export const PT_NOTE = 4;
