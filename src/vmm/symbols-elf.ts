/**
 * Symbols of an ELF file, 32- or 64-bit, little-endian x86: its .symtab (gABI 4.1 "Sections" and "Symbol Table").
 * Every offset is checked before it is used.
 *
 * Not read: .dynsym, separate debug files, more sections than the header can count.
 */

import { type CodeSymbol, nameRank } from './symbols.ts';
import type { Refuse } from './symbols-file.ts';

const EM_386 = 3;
const EM_X86_64 = 62;
const SHT_SYMTAB = 2;
const SHF_EXECINSTR = 4;
const STT_NOTYPE = 0;
const STT_FUNC = 2;
const STT_GNU_IFUNC = 10;
/** Labels in assembly code come behind functions at the same address. */
const NOTYPE_RANK = 16;
/** C++ has longer ones, but nobody reads them. */
const LONGEST_NAME = 512;

interface Section {
  readonly type: number;
  readonly isCode: boolean;
  readonly end: bigint;
  readonly offset: number;
  readonly bytes: number;
  readonly link: number;
  readonly entryBytes: number;
}

/** Undefined if there is no symbol table. */
export function elfSymbols(file: Uint8Array, refuse: Refuse): Iterable<CodeSymbol> | undefined {
  const bits = file[4] === 1 ? 32 : 64;
  if (file.length < (bits === 32 ? 52 : 64)) return refuse('it is truncated');
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const machine = view.getUint16(18, true);
  if (file[5] !== 1 || (machine !== EM_386 && machine !== EM_X86_64)) return refuse('it is not for an x86 machine');

  const sections = readSections(view, bits, refuse);
  const table = sections.find(({ type }) => type === SHT_SYMTAB);
  if (table === undefined) return undefined;
  const strings = sections[table.link];
  if (strings === undefined || table.entryBytes < (bits === 32 ? 16 : 24)) return refuse('its symbol table is damaged');
  for (const { offset, bytes } of [table, strings]) {
    if (offset + bytes > file.length) return refuse('it is truncated: it ends before its symbol table does');
  }
  const names = file.subarray(strings.offset, strings.offset + strings.bytes);
  return symbolsOf(view, bits, sections, table, names);
}

function readSections(view: DataView, bits: 32 | 64, refuse: Refuse): Section[] {
  const start = bits === 32 ? view.getUint32(32, true) : Number(view.getBigUint64(40, true));
  const headerBytes = view.getUint16(bits === 32 ? 46 : 58, true);
  const count = view.getUint16(bits === 32 ? 48 : 60, true);
  if (start === 0 || count === 0) return [];
  if (headerBytes < (bits === 32 ? 40 : 64)) return refuse('its section headers are damaged');
  if (start + count * headerBytes > view.byteLength) {
    return refuse('it is truncated: it ends before its section headers do');
  }
  const read = bits === 32 ? section32 : section64;
  return Array.from({ length: count }, (_, i) => read(view, start + i * headerBytes));
}

function section32(view: DataView, at: number): Section {
  const bytes = view.getUint32(at + 20, true);
  return {
    type: view.getUint32(at + 4, true),
    isCode: (view.getUint32(at + 8, true) & SHF_EXECINSTR) !== 0,
    end: BigInt(view.getUint32(at + 12, true) + bytes),
    offset: view.getUint32(at + 16, true),
    bytes,
    link: view.getUint32(at + 24, true),
    entryBytes: view.getUint32(at + 36, true),
  };
}

function section64(view: DataView, at: number): Section {
  const bytes = view.getBigUint64(at + 32, true);
  return {
    type: view.getUint32(at + 4, true),
    isCode: (view.getUint32(at + 8, true) & SHF_EXECINSTR) !== 0,
    end: view.getBigUint64(at + 16, true) + bytes,
    offset: Number(view.getBigUint64(at + 24, true)),
    bytes: Number(bytes),
    link: view.getUint32(at + 40, true),
    entryBytes: Number(view.getBigUint64(at + 56, true)),
  };
}

function* symbolsOf(
  view: DataView,
  bits: 32 | 64,
  sections: readonly Section[],
  { offset, bytes, entryBytes }: Section,
  names: Uint8Array,
): Generator<CodeSymbol> {
  const decoder = new TextDecoder();
  for (let at = offset; at + entryBytes <= offset + bytes; at += entryBytes) {
    const type = view.getUint8(at + (bits === 32 ? 12 : 4)) & 0xf;
    const section = sections[view.getUint16(at + (bits === 32 ? 14 : 6), true)];
    if (!section?.isCode || (type !== STT_FUNC && type !== STT_NOTYPE && type !== STT_GNU_IFUNC)) continue;
    const nameStart = view.getUint32(at, true);
    const longest = names.subarray(nameStart, nameStart + LONGEST_NAME);
    const nameEnd = longest.indexOf(0);
    const name = decoder.decode(nameEnd < 0 ? longest : longest.subarray(0, nameEnd));
    if (name === '') continue;
    const address = bits === 32 ? BigInt(view.getUint32(at + 4, true)) : view.getBigUint64(at + 8, true);
    const size = bits === 32 ? BigInt(view.getUint32(at + 8, true)) : view.getBigUint64(at + 16, true);
    const end = size === 0n ? section.end : address + size;
    yield { name, address, end, rank: nameRank(name) + (type === STT_NOTYPE ? NOTYPE_RANK : 0) };
  }
}
