/**
 * Memory in snapshots: pages that are not all zeros, in sections of up to 1 MiB.
 *
 *     u32 number of runs, then for each: u32 first page, u32 pages; then the pages of all runs
 *
 * Runs ascend, within a section and from one to the next. In a snapshot against a base, pages that are as in the base are
 * left out, and a run with bit 31 of its length set is of pages that have become zeros, and has no bytes.
 */

import { SnapshotError } from './error.ts';
import type { Section, SnapshotFile } from './format.ts';

export const PAGE_BYTES = 4096;
const PAGES_PER_SECTION = 256;
const RUN_BYTES = 8;
/** Room for the most runs that a section can have, in front of its pages. */
const HEAD_BYTES = 4 + PAGES_PER_SECTION * RUN_BYTES;
const ZEROS = 0x8000_0000;
/** Pages that a run has at most. */
const LONGEST_RUN = 2 ** 20;
/** Sections that are unpacked ahead. */
const AHEAD = 6;
/** The same before there is a machine to put them into. */
const BYTES_AHEAD = 32 * 2 ** 20;
/** So many pages may be looked at before others get their turn. */
const PAGES_PER_TURN = 2048;

/** Memory as it was at a moment. */
export interface PageSource {
  /** Numbers of all pages that may not be all zeros, ascending. */
  readonly pages: Uint32Array;
  /** Copies a page; false, and nothing copied, if it is all zeros or not among `pages`. To be asked once for a page. */
  take(page: number, into: Uint8Array, at: number): boolean;
}

/** By page, those that are not all zeros. */
export type BasePages = ReadonlyMap<number, Uint8Array>;

/**
 * `name/0` and on, made as they are asked for; `undefined` where others should get their turn. `base`: what is left out
 * where it is the same.
 */
export function* pageSections(name: string, source: PageSource, base?: BasePages): Generator<Section | undefined> {
  const section = new SectionWriter();
  let written = 0;
  let looked = 0;
  for (const page of base === undefined ? source.pages : merged(source.pages, base)) {
    if (++looked % PAGES_PER_TURN === 0) yield undefined;
    const before = base?.get(page);
    const isData = source.take(page, section.bytes, section.end);
    if (isData ? section.nextEquals(before) : before === undefined) continue;
    section.add(page, isData);
    if (!section.isFull) continue;
    yield { name: `${name}/${written++}`, ...section.finish() };
  }
  if (!section.isEmpty) yield { name: `${name}/${written}`, ...section.finish() };
}

function merged(pages: Uint32Array, base: BasePages): Uint32Array {
  return Uint32Array.from(new Set([...pages, ...base.keys()])).sort();
}

export class SectionWriter {
  bytes = new Uint8Array(HEAD_BYTES + PAGES_PER_SECTION * PAGE_BYTES);
  /** Where the next page is put, to be added or not. */
  end = HEAD_BYTES;
  /** First page and length of each run. */
  #runs: number[] = [];
  #next = -1;

  get isEmpty(): boolean {
    return this.#runs.length === 0;
  }

  get isFull(): boolean {
    return this.end === this.bytes.length || this.#runs.length === 2 * PAGES_PER_SECTION;
  }

  nextEquals(before: Uint8Array | undefined): boolean {
    return before !== undefined && isEqual(before, this.bytes.subarray(this.end, this.end + PAGE_BYTES));
  }

  /** The page that was put at `end`, or one that has become zeros. */
  add(page: number, isData: boolean): void {
    const last = this.#runs.length - 1;
    const length = this.#runs[last] ?? 0;
    const fits = length < ZEROS === isData && length % ZEROS < LONGEST_RUN;
    if (page === this.#next && fits) this.#runs[last] = length + 1;
    else this.#runs.push(page, isData ? 1 : ZEROS + 1);
    this.#next = page + 1;
    if (isData) this.end += PAGE_BYTES;
  }

  /** What has been added, and its first page. The next page begins another section. */
  finish(): Omit<Section, 'name'> {
    const first = this.#runs[0] as number;
    const start = HEAD_BYTES - 4 - this.#runs.length * 4;
    const view = new DataView(this.bytes.buffer);
    view.setUint32(start, this.#runs.length / 2, true);
    for (const [i, word] of this.#runs.entries()) view.setUint32(start + 4 + i * 4, word, true);
    const bytes = this.bytes.subarray(start, this.end);
    this.bytes = new Uint8Array(this.bytes.length);
    this.end = HEAD_BYTES;
    this.#runs = [];
    this.#next = -1;
    return { bytes, first };
  }
}

/** Of pages. Where they do not lie at multiples of four, byte by byte. */
export function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (((a.byteOffset | b.byteOffset) & 3) !== 0) return a.every((byte, i) => byte === b[i]);
  const left = new Int32Array(a.buffer, a.byteOffset, PAGE_BYTES / 4);
  const right = new Int32Array(b.buffer, b.byteOffset, PAGE_BYTES / 4);
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
  return true;
}

/** Pages of a block of memory, copied now. */
export function copiedPages(block: Uint8Array): PageSource {
  const pages: number[] = [];
  const copies = new Map<number, Uint8Array>();
  for (let at = 0; at < block.length; at += PAGE_BYTES) {
    const bytes = block.subarray(at, at + PAGE_BYTES);
    if (bytes.every((byte) => byte === 0)) continue;
    pages.push(at / PAGE_BYTES);
    copies.set(at / PAGE_BYTES, bytes.slice());
  }
  return {
    pages: Uint32Array.from(pages),
    take(page, into, at) {
      const bytes = copies.get(page);
      if (bytes !== undefined) into.set(bytes, at);
      return bytes !== undefined;
    },
  };
}

/** Takes pages from `first` on, or so many pages of zeros; false where a page is not there. */
export type FillPages = (first: number, pages: number, bytes: Uint8Array | undefined) => boolean;

/** Begins to unpack the sections `name/0` and on, for `readPages`. */
export function readPagesAhead(file: SnapshotFile, name: string): void {
  let bytes = 0;
  for (const section of sectionNames(file, name)) {
    bytes += file.sizeOf(section);
    if (bytes > BYTES_AHEAD) return;
    file.readAhead(section);
  }
}

/** Pages from `first` on, or so many pages of zeros. */
export interface PageRun {
  readonly section: string;
  readonly first: number;
  readonly pages: number;
  readonly bytes: Uint8Array | undefined;
}

/**
 * Gives the runs of the sections `name/0` and on to `fill`. No more than `most` pages' worth of sections is unpacked.
 * Rejects with a SnapshotError.
 */
export async function readPages(file: SnapshotFile, name: string, most: number, fill: FillPages): Promise<void> {
  for await (const runs of pageRuns(file, name, most)) {
    for (const { section, first, pages, bytes } of runs) {
      if (fill(first, pages, bytes)) continue;
      throw new SnapshotError(section, `has pages from ${first} on, which the machine has not`);
    }
  }
}

/** The same, a section at a time. */
export async function* pageRuns(file: SnapshotFile, name: string, most: number): AsyncGenerator<readonly PageRun[]> {
  const names = sectionNames(file, name);
  checkSizeOfPages(file, name, most);
  for (const section of names.slice(0, AHEAD)) file.readAhead(section);
  let next = 0;
  for (const [i, section] of names.entries()) {
    const bytes = await file.read(section);
    const ahead = names[i + AHEAD];
    if (ahead !== undefined) file.readAhead(ahead);
    const runs = runsIn(section, bytes, next);
    next = runs.reduce((_, { first, pages }) => first + pages, next);
    yield runs;
  }
}

/** Those sections that are there. */
export function sectionNames(file: SnapshotFile, name: string): string[] {
  const names: string[] = [];
  while (file.has(`${name}/${names.length}`)) names.push(`${name}/${names.length}`);
  return names;
}

/** Bytes of the sections `name/0` and on. */
export function sizeOfPages(file: SnapshotFile, name: string): number {
  return sectionNames(file, name).reduce((sum, section) => sum + file.sizeOf(section), 0);
}

/** Throws a SnapshotError for more than a machine of so many pages can have. */
export function checkSizeOfPages(file: SnapshotFile, name: string, most: number): void {
  const names = sectionNames(file, name);
  if (sizeOfPages(file, name) > most * (PAGE_BYTES + RUN_BYTES) + names.length * 4) {
    throw new SnapshotError(names[0], 'has more pages than the machine');
  }
}

/** In what a section has; its pages begin at `from` or later. Throws a SnapshotError. */
export function runsIn(section: string, bytes: Uint8Array, from: number): PageRun[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const senseless = (): SnapshotError => new SnapshotError(section, 'makes no sense');
  if (bytes.length < 4) throw senseless();
  const count = view.getUint32(0, true);
  let at = 4 + count * RUN_BYTES;
  if (at > bytes.length) throw senseless();
  const runs: PageRun[] = [];
  let next = from;
  for (let i = 0; i < count; i++) {
    const first = view.getUint32(4 + i * RUN_BYTES, true);
    const length = view.getUint32(8 + i * RUN_BYTES, true);
    const isZeros = length >= ZEROS;
    const pages = isZeros ? length - ZEROS : length;
    const data = isZeros ? 0 : pages * PAGE_BYTES;
    if (first < next || pages === 0 || pages > LONGEST_RUN || at + data > bytes.length) throw senseless();
    runs.push({ section, first, pages, bytes: isZeros ? undefined : bytes.subarray(at, at + data) });
    at += data;
    next = first + pages;
  }
  if (at !== bytes.length) throw senseless();
  return runs;
}
