/** Gives ELF files of the tests a symbol table. */

import { StructWriter } from '../machine/struct-writer.ts';

export interface TestSymbol {
  readonly name: string;
  readonly address: number | bigint;
  readonly size?: number;
  /** STT_FUNC if not said. */
  readonly type?: number;
  readonly section?: number;
}

export const STT_NOTYPE = 0;
export const STT_OBJECT = 1;
const STT_FUNC = 2;

/** Sections of the result. The first is for code, from `codeAddress` on, 0x1000 bytes long. */
export const TEXT = 1;
export const DATA = 2;
export const SYMTAB = 3;
export const STRTAB = 4;

/** Of an ELF header and of a section header: where fields are, by the file's bits. */
const PLACES = {
  32: { tableOffset: 32, entryBytes: 46, count: 48, headerBytes: 40 },
  64: { tableOffset: 40, entryBytes: 58, count: 60, headerBytes: 64 },
} as const;

/** `elf` with sections behind it. */
export function withSymbols(elf: Uint8Array, codeAddress: number | bigint, symbols: readonly TestSymbol[]): Uint8Array {
  const bits = elf[4] === 1 ? 32 : 64;
  const file = new StructWriter().bytes(elf);
  const word = (...values: (number | bigint)[]): void => {
    for (const value of values) {
      if (bits === 64) file.u32(Number(BigInt(value) & 0xffffffffn), Number(BigInt(value) >> 32n));
      else file.u32(Number(value));
    }
  };

  const strings = file.length;
  const nameOffsets: number[] = [];
  file.u8(0);
  for (const { name } of symbols) {
    nameOffsets.push(file.length - strings);
    file.bytes(new TextEncoder().encode(`${name}\0`));
  }
  const table = file.length;
  for (const [i, { address, size = 0, type = STT_FUNC, section = TEXT }] of symbols.entries()) {
    file.u32(nameOffsets[i]);
    if (bits === 64) file.u8(type, 0).u16(section);
    word(address, size);
    if (bits === 32) file.u8(type, 0).u16(section);
  }
  const headers = file.length;
  const header = (type: number, flags: number, address: number | bigint, at: number, bytes: number, link = 0): void => {
    file.u32(0, type);
    word(flags, address, at, bytes);
    file.u32(link, 0);
    word(0, link === 0 ? 0 : bits === 32 ? 16 : 24);
  };
  header(0, 0, 0, 0, 0);
  header(1, 6, codeAddress, 0, 0x1000);
  header(1, 3, 0, 0, 0x1000);
  header(2, 0, 0, table, headers - table, STRTAB);
  header(3, 0, 0, strings, table - strings);

  const result = file.finish();
  const view = new DataView(result.buffer);
  const { tableOffset, entryBytes, count, headerBytes } = PLACES[bits];
  view.setUint32(tableOffset, headers, true);
  view.setUint16(entryBytes, headerBytes, true);
  view.setUint16(count, 5, true);
  return result;
}

/** Where the header of a section begins, of a file that `withSymbols` made. */
export function sectionHeader(file: Uint8Array, section: number): number {
  const { tableOffset, headerBytes } = PLACES[file[4] === 1 ? 32 : 64];
  return new DataView(file.buffer, file.byteOffset).getUint32(tableOffset, true) + section * headerBytes;
}
