/**
 * The container of snapshots: named sections, and at its beginning a table of them, with what they are about, in JSON.
 *
 *     +0   8 bytes   89 56 49 56 0d 0a 1a 0a: shows transfers that change line ends or the eighth bit
 *     +8   u32       version of the format
 *     +12  u32       length of the table
 *     +16  u32       CRC-32 of the table
 *     +20            the table: {"manifest": {...}, "sections": [{"name", "size", "stored", "crc", "packing", "first"}, ...]}
 *     ...            the sections' stored bytes, in the order of the table, one after the other, to the end
 *
 * Numbers are little endian. `size` is the length of what is in the section, `stored` that of its bytes here, of which
 * `crc` is the CRC-32; `packing` is "deflate" (a zlib stream, RFC 1950) or "none". `first`, which not all have, is the
 * number of the first page in a section of pages. Whoever meets a section with a name it does not know must refuse the
 * whole: a part of the machine would be missing.
 */

import { sha256 } from '@noble/hashes/sha2';
import { bytesToHex } from '@noble/hashes/utils';
import { crc32 } from '../../base/crc-32.ts';
import { VivariumError } from '../../base/errors.ts';
import { SnapshotError } from './error.ts';

export const FORMAT_VERSION = 1;

const MAGIC = Uint8Array.of(0x89, 0x56, 0x49, 0x56, 0x0d, 0x0a, 0x1a, 0x0a);
const HEADER_BYTES = 20;
const LARGEST_TABLE_BYTES = 4 * 2 ** 20;
const MOST_SECTIONS = 32_768;
const NAME = /^[a-z0-9][a-z0-9/-]{0,63}$/;
/** Of what is in a section. ROMs are the largest. */
const LARGEST_SECTION_BYTES = 16 * 2 ** 20;
/** Packing less than this saves nothing. */
const LEAST_PACKED_BYTES = 256;
/** Of a section, what packing must leave at most to be worth the time of unpacking. */
const WORTHWHILE = 0.8;
/** Sections that are packed at a time: platforms have threads for it. */
const AT_A_TIME = 4;

/** The platform's deflate, as zlib streams. */
export interface Packing {
  deflate(bytes: Uint8Array): Promise<Uint8Array>;
  /** Rejects for what is no whole zlib stream of exactly `sizeBytes`; never holds much more than that. */
  inflate(packed: Uint8Array, sizeBytes: number): Promise<Uint8Array>;
  /** The same at once, if the platform can: throws. */
  inflateNow?(packed: Uint8Array, sizeBytes: number): Uint8Array;
  /** As `base/crc-32.ts`, if the platform has it faster. */
  crc32?(bytes: Uint8Array): number;
  /** SHA-256, if the platform has it faster. */
  sha256?(bytes: Uint8Array): Promise<Uint8Array> | Uint8Array;
}

export interface Section {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Number of its first page. */
  readonly first?: number;
}

interface Entry {
  readonly name: string;
  readonly size: number;
  readonly stored: number;
  readonly crc: number;
  readonly packing: 'none' | 'deflate';
  readonly first?: number;
}

// ---- Writing -------------------------------------------------------------------------------------------------------

/**
 * The whole file. Without `packing`, or where it would save little, sections are stored as they are. Where `sections`
 * gives `undefined`, and after each, `turn` lets others go on.
 */
export async function packSnapshot(
  manifest: object | Promise<object>,
  sections: Iterable<Section | undefined> | AsyncIterable<Section | undefined>,
  packing?: Packing,
  turn: () => Promise<void> = async () => {},
): Promise<Uint8Array> {
  const packed: { readonly entry: Entry; readonly stored: Uint8Array }[] = [];
  const waiting = Symbol.asyncIterator in sections ? sections[Symbol.asyncIterator]() : sections[Symbol.iterator]();
  let next = 0;
  const packer = async (): Promise<void> => {
    for (let { value, done } = await waiting.next(); !done; { value, done } = await waiting.next()) {
      const place = value === undefined ? -1 : next++;
      if (value !== undefined) packed[place] = await pack(value, packing);
      await turn();
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, packer));
  const entries = packed.map(({ entry }) => entry);
  const table = new TextEncoder().encode(JSON.stringify({ manifest: await manifest, sections: entries }));
  const total = packed.reduce((sum, { stored }) => sum + stored.length, HEADER_BYTES + table.length);
  if (entries.length > MOST_SECTIONS || table.length > LARGEST_TABLE_BYTES) throw tooLarge(total);
  const file = allocate(total);
  file.set(MAGIC);
  const view = new DataView(file.buffer);
  view.setUint32(8, FORMAT_VERSION, true);
  view.setUint32(12, table.length, true);
  view.setUint32(16, crc32(table), true);
  file.set(table, HEADER_BYTES);
  let at = HEADER_BYTES + table.length;
  for (const { stored } of packed) {
    file.set(stored, at);
    at += stored.length;
    await turn();
  }
  return file;
}

function allocate(bytes: number): Uint8Array {
  try {
    return new Uint8Array(bytes);
  } catch (cause) {
    throw tooLarge(bytes, cause);
  }
}

function tooLarge(bytes: number, cause?: unknown): VivariumError {
  const message = `The snapshot would have ${bytes} bytes, which is more than one can have here.`;
  return new VivariumError({ kind: 'host' }, message, { cause });
}

async function pack({ name, bytes, first }: Section, packing: Packing | undefined) {
  const size = bytes.length;
  const check = packing?.crc32 ?? crc32;
  const pages = first === undefined ? {} : { first };
  if (packing !== undefined && size >= LEAST_PACKED_BYTES) {
    const stored = await packing.deflate(bytes);
    if (stored.length < size * WORTHWHILE) {
      const entry = { name, size, stored: stored.length, crc: check(stored), packing: 'deflate' as const, ...pages };
      return { entry, stored };
    }
  }
  return { entry: { name, size, stored: size, crc: check(bytes), packing: 'none' as const, ...pages }, stored: bytes };
}

// ---- Reading -------------------------------------------------------------------------------------------------------

/** A snapshot whose table has been read; sections are looked at when they are asked for. */
export class SnapshotFile {
  /** As it was written: nothing of it has been looked at. */
  readonly manifest: unknown;
  readonly #table: Uint8Array;
  #digest: string | undefined;
  readonly #sections = new Map<string, Entry & { readonly bytes: Uint8Array }>();
  readonly #packing: Packing | undefined;
  /** What is being unpacked, to be asked for once. */
  readonly #ahead = new Map<string, Promise<Uint8Array>>();

  /** Throws a SnapshotError for what is no snapshot, or not all of one. */
  constructor(file: Uint8Array, packing?: Packing) {
    this.#packing = packing;
    if (file.length < HEADER_BYTES || MAGIC.some((byte, i) => file[i] !== byte)) {
      throw new SnapshotError(undefined, 'is no snapshot of Vivarium');
    }
    const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
    const version = view.getUint32(8, true);
    if (version < 1 || version > FORMAT_VERSION) {
      throw new SnapshotError(undefined, `has format ${version}, and this program knows ${FORMAT_VERSION}`);
    }
    const length = view.getUint32(12, true);
    if (length > LARGEST_TABLE_BYTES) throw new SnapshotError(undefined, 'has a table of contents that is too long');
    if (HEADER_BYTES + length > file.length) throw new SnapshotError(undefined, 'is cut off in its table of contents');
    const table = file.subarray(HEADER_BYTES, HEADER_BYTES + length);
    if (crc32(table) !== view.getUint32(16, true)) {
      throw new SnapshotError(undefined, 'has a damaged table of contents');
    }
    this.#table = table;
    const { manifest, sections } = tableIn(table);
    this.manifest = manifest;
    let at = HEADER_BYTES + length;
    for (const entry of sections) {
      if (this.#sections.has(entry.name)) throw new SnapshotError(entry.name, 'is there twice');
      if (at + entry.stored > file.length) throw new SnapshotError(entry.name, 'is cut off');
      this.#sections.set(entry.name, { ...entry, bytes: file.subarray(at, at + entry.stored) });
      at += entry.stored;
    }
    if (at !== file.length) throw new SnapshotError(undefined, `has ${file.length - at} bytes too many`);
  }

  /** SHA-256 of the table, in hexadecimal: by their checks, it stands for the sections, too. */
  get digest(): string {
    this.#digest ??= bytesToHex(sha256(this.#table));
    return this.#digest;
  }

  get names(): IterableIterator<string> {
    return this.#sections.keys();
  }

  has(name: string): boolean {
    return this.#sections.has(name);
  }

  /** Bytes that are in a section. */
  sizeOf(name: string): number {
    return this.#entry(name).size;
  }

  /** The page that a section of pages begins with, if it says so. */
  firstPageOf(name: string): number | undefined {
    return this.#entry(name).first;
  }

  /** Begins with what `read` will be asked for. */
  readAhead(name: string): void {
    const contents = this.read(name);
    // Whoever reads it is told.
    contents.catch(() => {});
    this.#ahead.set(name, contents);
  }

  /** What is in a section: possibly the file's own bytes. Rejects with a SnapshotError. */
  async read(name: string): Promise<Uint8Array> {
    const begun = this.#ahead.get(name);
    if (begun !== undefined) {
      this.#ahead.delete(name);
      return begun;
    }
    const { bytes, size, packing } = this.#entry(name);
    if (packing === 'deflate' && this.#packing === undefined) {
      throw new SnapshotError(name, 'is packed, and there is nothing to unpack it with');
    }
    // The platform's threads unpack while we check.
    const unpacked = packing === 'deflate' ? this.#packing?.inflate(bytes, size).catch(() => undefined) : undefined;
    const isWhole = this.#isWhole(name);
    const contents = packing === 'deflate' ? await unpacked : bytes;
    if (!isWhole || contents?.length !== size) throw damaged(name);
    return contents;
  }

  /** Whether `readNow` can be asked. */
  get readsNow(): boolean {
    return this.#packing?.inflateNow !== undefined;
  }

  /** What is in a section, at once: of one that `check` was asked for. Throws a SnapshotError. */
  readNow(name: string): Uint8Array {
    const { bytes, size, packing } = this.#entry(name);
    if (packing === 'none') return bytes;
    try {
      const contents = this.#packing?.inflateNow?.(bytes, size);
      if (contents?.length === size) return contents;
    } catch {
      // Whatever was wrong with it.
    }
    throw damaged(name);
  }

  /** Throws a SnapshotError for a section whose stored bytes are not those that were written. */
  check(name: string): void {
    if (!this.#isWhole(name)) throw damaged(name);
  }

  #isWhole(name: string): boolean {
    const { bytes, crc } = this.#entry(name);
    return (this.#packing?.crc32 ?? crc32)(bytes) === crc;
  }

  #entry(name: string): Entry & { readonly bytes: Uint8Array } {
    const entry = this.#sections.get(name);
    if (entry === undefined) throw new SnapshotError(name, 'is missing');
    return entry;
  }
}

function damaged(section: string): SnapshotError {
  return new SnapshotError(section, 'is damaged');
}

function tableIn(bytes: Uint8Array): { readonly manifest: unknown; readonly sections: readonly Entry[] } {
  let table: { readonly manifest?: unknown; readonly sections?: unknown } | undefined;
  try {
    table = JSON.parse(new TextDecoder().decode(bytes)) ?? {};
  } catch (cause) {
    throw new SnapshotError(undefined, 'has a table of contents that makes no sense', { cause });
  }
  const { manifest, sections } = table ?? {};
  if (!Array.isArray(sections) || sections.length > MOST_SECTIONS || !sections.every(isEntry)) {
    throw new SnapshotError(undefined, 'has a table of contents that makes no sense');
  }
  return { manifest, sections };
}

function isEntry(value: unknown): value is Entry {
  if (typeof value !== 'object' || value === null) return false;
  const { name, size, stored, crc, packing, first } = value as Readonly<Record<string, unknown>>;
  const isLength = (length: unknown): boolean =>
    Number.isInteger(length) && (length as number) >= 0 && (length as number) <= LARGEST_SECTION_BYTES;
  const isPage = (page: unknown): boolean => Number.isInteger(page) && (page as number) >= 0;
  return (
    typeof name === 'string' &&
    NAME.test(name) &&
    isLength(size) &&
    isLength(stored) &&
    Number.isInteger(crc) &&
    (first === undefined || isPage(first)) &&
    (packing === 'none' || packing === 'deflate') &&
    (packing === 'deflate' || size === stored)
  );
}
