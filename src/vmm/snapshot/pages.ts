/**
 * Memory in snapshots: pages that are not all zeros, in sections of up to 4 MiB.
 *
 *     u32 number of runs, then for each: u32 first page, u32 pages; then the pages of all runs
 *
 * Runs ascend, within a section and from one to the next. In a snapshot against a base, pages that are as in the base are
 * left out, and a run with bit 31 of its length set is of pages that have become zeros, and has no bytes.
 */

import { SnapshotError } from './error.ts';
import type { Section, SnapshotFile } from './format.ts';

export const PAGE_BYTES = 4096;
const PAGES_PER_SECTION = 1024;
const RUN_BYTES = 8;
/** Room for the most runs that a section can have, in front of its pages. */
const HEAD_BYTES = 4 + PAGES_PER_SECTION * RUN_BYTES;
const ZEROS = 0x8000_0000;
/** Sections that are unpacked ahead. */
const AHEAD = 4;

export interface Page {
  readonly page: number;
  readonly bytes: Uint8Array;
}

function isZero(bytes: Uint8Array): boolean {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
}

/** Pages collected for sections: copies, so that the guest can run on. */
export class PageList {
  readonly #pages: number[] = [];
  readonly #chunks: Uint8Array[] = [];

  /** Those of `pages` that are not all zeros. They ascend. */
  static of(pages: Iterable<Page>): PageList {
    const list = new PageList();
    for (const { page, bytes } of pages) if (!isZero(bytes)) list.#add(page, bytes);
    return list;
  }

  #add(page: number, bytes: Uint8Array): void {
    const at = this.#pages.length % PAGES_PER_SECTION;
    if (at === 0) this.#chunks.push(new Uint8Array(HEAD_BYTES + PAGES_PER_SECTION * PAGE_BYTES));
    (this.#chunks.at(-1) as Uint8Array).set(bytes, HEAD_BYTES + at * PAGE_BYTES);
    this.#pages.push(page);
  }

  *[Symbol.iterator](): Generator<Page> {
    for (const [i, page] of this.#pages.entries()) {
      const chunk = this.#chunks[Math.floor(i / PAGES_PER_SECTION)] as Uint8Array;
      const at = HEAD_BYTES + (i % PAGES_PER_SECTION) * PAGE_BYTES;
      yield { page, bytes: chunk.subarray(at, at + PAGE_BYTES) };
    }
  }

  /** `memory/0` and on. `base`: what is left out where it is the same, by page. */
  sections(name: string, base?: ReadonlyMap<number, Uint8Array>): Section[] {
    if (base === undefined) {
      // Fast path: the pages lie as they are to, and need no second copy.
      return this.#chunks.map((chunk, i) => ({ name: `${name}/${i}`, bytes: this.#withHead(chunk, i) }));
    }
    const changes = [...this.#changes(base)];
    const sections: Section[] = [];
    for (let i = 0; i < changes.length; i += PAGES_PER_SECTION) {
      const bytes = sectionOf(changes.slice(i, i + PAGES_PER_SECTION));
      sections.push({ name: `${name}/${sections.length}`, bytes });
    }
    return sections;
  }

  #withHead(chunk: Uint8Array, index: number): Uint8Array {
    const pages = this.#pages.slice(index * PAGES_PER_SECTION, (index + 1) * PAGES_PER_SECTION);
    const head = headOf(pages.map((page) => ({ page, bytes: chunk })));
    chunk.set(head, HEAD_BYTES - head.length);
    return chunk.subarray(HEAD_BYTES - head.length, HEAD_BYTES + pages.length * PAGE_BYTES);
  }

  *#changes(base: ReadonlyMap<number, Uint8Array>): Generator<Change> {
    const gone = [...base.keys()].filter((page) => !this.#has(page)).sort((a, b) => a - b);
    let next = 0;
    for (const one of this) {
      for (; next < gone.length && (gone[next] as number) < one.page; next++) yield zeros(gone[next] as number);
      const before = base.get(one.page);
      if (before === undefined || !isEqual(before, one.bytes)) yield one;
    }
    for (; next < gone.length; next++) yield zeros(gone[next] as number);
  }

  #has(page: number): boolean {
    let low = 0;
    for (let high = this.#pages.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if ((this.#pages[middle] as number) < page) low = middle + 1;
      else high = middle;
    }
    return this.#pages[low] === page;
  }
}

/** A page, or one that has become zeros. */
interface Change {
  readonly page: number;
  readonly bytes: Uint8Array | undefined;
}

const zeros = (page: number): Change => ({ page, bytes: undefined });

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i]);
}

/** The runs that pages form. */
function headOf(changes: readonly Change[]): Uint8Array {
  const runs: { first: number; pages: number; isZeros: boolean }[] = [];
  for (const { page, bytes } of changes) {
    const last = runs.at(-1);
    const isZeros = bytes === undefined;
    if (last !== undefined && last.first + last.pages === page && last.isZeros === isZeros) last.pages++;
    else runs.push({ first: page, pages: 1, isZeros });
  }
  const out = new Uint8Array(4 + runs.length * RUN_BYTES);
  const view = new DataView(out.buffer);
  view.setUint32(0, runs.length, true);
  for (const [i, { first, pages, isZeros }] of runs.entries()) {
    view.setUint32(4 + i * RUN_BYTES, first, true);
    view.setUint32(8 + i * RUN_BYTES, (pages | (isZeros ? ZEROS : 0)) >>> 0, true);
  }
  return out;
}

function sectionOf(changes: readonly Change[]): Uint8Array {
  const head = headOf(changes);
  const data = changes.flatMap(({ bytes }) => bytes ?? []);
  const out = new Uint8Array(head.length + data.length * PAGE_BYTES);
  out.set(head);
  let at = head.length;
  for (const bytes of data) {
    out.set(bytes, at);
    at += PAGE_BYTES;
  }
  return out;
}

/**
 * Gives the pages of the sections `name/0` and on to `fill`, which is false for a page that is not there; `undefined` for
 * zeros. No more than `most` pages' worth of sections is unpacked. Rejects with a SnapshotError.
 */
export async function readPages(
  file: SnapshotFile,
  name: string,
  most: number,
  fill: (page: number, bytes: Uint8Array | undefined) => boolean,
): Promise<void> {
  const names: string[] = [];
  while (file.has(`${name}/${names.length}`)) names.push(`${name}/${names.length}`);
  const total = names.reduce((sum, section) => sum + file.sizeOf(section), 0);
  if (total > most * (PAGE_BYTES + RUN_BYTES) + names.length * 4) {
    throw new SnapshotError(names[0], 'has more pages than the machine');
  }
  const unpacked = names.slice(0, AHEAD).map((section) => file.read(section));
  // Whichever fails first is the one that is told of.
  for (const one of unpacked) one.catch(() => {});
  let next = 0;
  for (const [i, section] of names.entries()) {
    const bytes = await (unpacked[i] as Promise<Uint8Array>);
    const ahead = names[i + AHEAD];
    if (ahead !== undefined) {
      const read = file.read(ahead);
      read.catch(() => {});
      unpacked[i + AHEAD] = read;
    }
    next = readSection(section, bytes, next, fill);
  }
}

/** Gives the page behind the last one. */
function readSection(
  section: string,
  bytes: Uint8Array,
  from: number,
  fill: (page: number, bytes: Uint8Array | undefined) => boolean,
): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const senseless = (): SnapshotError => new SnapshotError(section, 'makes no sense');
  if (bytes.length < 4) throw senseless();
  const runs = view.getUint32(0, true);
  let at = 4 + runs * RUN_BYTES;
  if (at > bytes.length) throw senseless();
  let next = from;
  for (let i = 0; i < runs; i++) {
    const first = view.getUint32(4 + i * RUN_BYTES, true);
    const length = view.getUint32(8 + i * RUN_BYTES, true);
    const isZeros = length >= ZEROS;
    const pages = isZeros ? length - ZEROS : length;
    const data = isZeros ? 0 : pages * PAGE_BYTES;
    if (first < next || pages === 0 || at + data > bytes.length) throw senseless();
    for (let page = first; page < first + pages; page++) {
      const contents = isZeros ? undefined : bytes.subarray(at, at + PAGE_BYTES);
      if (!fill(page, contents)) throw new SnapshotError(section, `has page ${page}, which the machine has not`);
      if (!isZeros) at += PAGE_BYTES;
    }
    next = first + pages;
  }
  if (at !== bytes.length) throw senseless();
  return next;
}
