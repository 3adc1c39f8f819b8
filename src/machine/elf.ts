/**
 * Reads ELF executables, 32- and 64-bit, little-endian x86: the header, the program headers and the notes
 * (System V ABI, "Object Files" and "Program Loading"; gABI 4.1). An image is hostile: every offset is checked before
 * it is used, and what is wrong with it comes back as one `bad-kernel` sentence.
 *
 * Not read: sections, symbols, dynamic linking, relocations.
 */

import { VivariumError } from '../base/errors.ts';

const PT_LOAD = 1;
const PT_NOTE = 4;
const ET_REL = 1;
const EM_386 = 3;
const EM_X86_64 = 62;

export interface ElfSegment {
  /** Where it is linked to run: up to 64 bits. */
  readonly virtualAddress: bigint;
  readonly physicalAddress: number;
  readonly data: Uint8Array;
  /** At least `data.length`; the rest is zero. */
  readonly memoryBytes: number;
}

export interface ElfNote {
  readonly name: string;
  readonly type: number;
  readonly description: Uint8Array;
}

export interface Elf {
  readonly bits: 32 | 64;
  readonly entry: bigint;
  /** Segments to load, those that occupy memory only, in file order. */
  readonly segments: readonly ElfSegment[];
  readonly notes: readonly ElfNote[];
}

export function isElf(image: Uint8Array): boolean {
  return image.length >= 4 && image[0] === 0x7f && image[1] === 0x45 && image[2] === 0x4c && image[3] === 0x46;
}

interface ProgramHeader {
  readonly type: number;
  readonly offset: number;
  readonly virtualAddress: bigint;
  readonly physicalAddress: number;
  readonly fileBytes: number;
  readonly memoryBytes: number;
  readonly alignment: number;
}

export function readElf(image: Uint8Array): Elf {
  if (!isElf(image)) throw bad('This file is not an ELF executable.');
  const bits = image[4] === 1 ? 32 : image[4] === 2 ? 64 : undefined;
  if (bits === undefined || image[5] !== 1)
    throw bad('This ELF file is not for a little-endian 32- or 64-bit machine.');
  const headerBytes = bits === 32 ? 52 : 64;
  if (image.length < headerBytes) throw truncated();

  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const machine = view.getUint16(18, true);
  if (machine !== EM_386 && machine !== EM_X86_64) throw bad('This ELF file is not for an x86 machine.');
  if (view.getUint16(16, true) === ET_REL) throw bad('This ELF file is an object file that was never linked.');

  const headers = readProgramHeaders(view, bits);
  const segments = headers
    .filter((header) => header.type === PT_LOAD && header.memoryBytes > 0)
    .map((header) => ({
      virtualAddress: header.virtualAddress,
      physicalAddress: header.physicalAddress,
      data: contents(image, header),
      memoryBytes: header.memoryBytes,
    }));
  if (segments.length === 0) throw bad('This ELF file has nothing to load.');
  return {
    bits,
    entry: bits === 32 ? BigInt(view.getUint32(24, true)) : view.getBigUint64(24, true),
    segments,
    notes: headers
      .filter((header) => header.type === PT_NOTE)
      .flatMap((header) => readNotes(contents(image, header), header.alignment)),
  };
}

function readProgramHeaders(view: DataView, bits: 32 | 64): ProgramHeader[] {
  const tableOffset = bits === 32 ? view.getUint32(28, true) : number(view.getBigUint64(32, true));
  const entryBytes = view.getUint16(bits === 32 ? 42 : 54, true);
  const count = view.getUint16(bits === 32 ? 44 : 56, true);
  if (entryBytes < (bits === 32 ? 32 : 56)) throw damaged();
  if (tableOffset + count * entryBytes > view.byteLength) throw truncated();
  return Array.from({ length: count }, (_, i) => {
    const at = tableOffset + i * entryBytes;
    const header = bits === 32 ? programHeader32(view, at) : programHeader64(view, at);
    if (header.type === PT_LOAD && header.fileBytes > header.memoryBytes) throw damaged();
    return header;
  });
}

function programHeader32(view: DataView, at: number): ProgramHeader {
  return {
    type: view.getUint32(at, true),
    offset: view.getUint32(at + 4, true),
    virtualAddress: BigInt(view.getUint32(at + 8, true)),
    physicalAddress: view.getUint32(at + 12, true),
    fileBytes: view.getUint32(at + 16, true),
    memoryBytes: view.getUint32(at + 20, true),
    alignment: view.getUint32(at + 28, true),
  };
}

function programHeader64(view: DataView, at: number): ProgramHeader {
  return {
    type: view.getUint32(at, true),
    offset: number(view.getBigUint64(at + 8, true)),
    virtualAddress: view.getBigUint64(at + 16, true),
    physicalAddress: number(view.getBigUint64(at + 24, true)),
    fileBytes: number(view.getBigUint64(at + 32, true)),
    memoryBytes: number(view.getBigUint64(at + 40, true)),
    alignment: number(view.getBigUint64(at + 48, true)),
  };
}

function contents(image: Uint8Array, header: ProgramHeader): Uint8Array {
  if (header.offset + header.fileBytes > image.length) throw truncated();
  return image.subarray(header.offset, header.offset + header.fileBytes);
}

/** Notes that run over the end of their segment are not notes; the reading stops there. */
function readNotes(bytes: Uint8Array, alignment: number): ElfNote[] {
  const unit = alignment === 8 ? 8 : 4;
  const align = (offset: number) => Math.ceil(offset / unit) * unit;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const notes: ElfNote[] = [];
  for (let at = 0; at + 12 <= bytes.length; ) {
    const nameEnd = at + 12 + view.getUint32(at, true);
    const start = align(nameEnd);
    const end = start + view.getUint32(at + 4, true);
    if (end > bytes.length) break;
    notes.push({
      name: String.fromCharCode(...bytes.subarray(at + 12, Math.min(nameEnd, at + 12 + 64))).replace(/\0.*$/s, ''),
      type: view.getUint32(at + 8, true),
      description: bytes.subarray(start, end),
    });
    at = align(end);
  }
  return notes;
}

/** A file offset, size or physical address: beyond 2^52 there is none that could be right. */
function number(value: bigint): number {
  if (value > 1n << 52n) throw damaged();
  return Number(value);
}

function bad(message: string): VivariumError {
  return new VivariumError({ kind: 'bad-kernel' }, message);
}

function truncated(): VivariumError {
  return bad('This ELF file is truncated: it ends before what its headers promise.');
}

function damaged(): VivariumError {
  return bad('This ELF file is damaged: its program headers contradict themselves.');
}
