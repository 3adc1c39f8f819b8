/**
 * Blocks of code that was decoded before, for guests that go on from a snapshot: as they are to be in machine memory, with
 * the bytes they were decoded from. To copy a block takes a tenth of what it takes to decode it, and a guest that is
 * restored, having nothing decoded, would do little else at first.
 *
 * A block is taken where the same bytes are, for the same code mode, at the same place of a page; which page of the guest
 * that was is only a hint of where to look. What is in a block relies on the generated code (generated-code.ts), of which
 * the file is therefore a part, as a custom section "vivarium.decoded": u32 length, then what follows, deflated.
 *
 *     u32 CRC of the facts of the generated code    u32 countdown of new blocks    u32 pages
 *     of each page: u32 number, u32 where its blocks are, u32 how many
 *     block: u32 key, u16 bytes of code, u16 bytes in machine memory; code; header and operations
 */

import { crc32 } from '../../base/crc-32.ts';
import { withCustomSection } from '../../wasm/custom-section.ts';
import { factsBytes } from './generated-code.ts';

const SECTION = 'vivarium.decoded';
const HEADER_BYTES = 12;
const PAGE_ENTRY_BYTES = 12;
const BLOCK_HEADER_BYTES = 8;

export interface DecodedBlock {
  /** Place in its page and code mode, as blocks.ts has it. */
  readonly key: number;
  readonly code: Uint8Array;
  /** Header and operations. */
  readonly image: Uint8Array;
}

/** What the blocks rely on besides their bytes. */
export interface DecodedFor {
  readonly code: WebAssembly.Module;
  readonly countdown: number;
}

function checkOf(code: WebAssembly.Module): number {
  return crc32(factsBytes(code) ?? new Uint8Array(0)) >>> 0;
}

export function packDecoded(pages: ReadonlyMap<number, readonly DecodedBlock[]>, made: DecodedFor): Uint8Array {
  const all = [...pages.values()].flat();
  const blockBytes = all.reduce((sum, { code, image }) => sum + BLOCK_HEADER_BYTES + code.length + image.length, 0);
  const bytes = new Uint8Array(HEADER_BYTES + PAGE_ENTRY_BYTES * pages.size + blockBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, checkOf(made.code), true);
  view.setUint32(4, made.countdown, true);
  view.setUint32(8, pages.size, true);
  let entry = HEADER_BYTES;
  let at = HEADER_BYTES + PAGE_ENTRY_BYTES * pages.size;
  for (const [page, blocks] of pages) {
    view.setUint32(entry, page, true);
    view.setUint32(entry + 4, at, true);
    view.setUint32(entry + 8, blocks.length, true);
    entry += PAGE_ENTRY_BYTES;
    for (const { key, code, image } of blocks) {
      view.setUint32(at, key, true);
      view.setUint16(at + 4, code.length, true);
      view.setUint16(at + 6, image.length, true);
      bytes.set(code, at + BLOCK_HEADER_BYTES);
      bytes.set(image, at + BLOCK_HEADER_BYTES + code.length);
      at += BLOCK_HEADER_BYTES + code.length + image.length;
    }
  }
  return bytes;
}

/** Finds blocks in what `packDecoded` made. */
export class DecodedCode {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #pageOf: (frame: number) => number | undefined;
  /** Entries by page of the guest; blocks by their keys, of frames that were looked at. */
  readonly #entries = new Map<number, number>();
  readonly #blocks = new Map<number, Map<number, number>>();

  private constructor(bytes: Uint8Array, pageOf: (frame: number) => number | undefined) {
    this.#bytes = bytes;
    this.#pageOf = pageOf;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Undefined for what is of another engine. `pageOf`: which page of the guest a frame of machine memory is. */
  static open(
    bytes: Uint8Array,
    { code, countdown }: DecodedFor,
    pageOf: (frame: number) => number | undefined,
  ): DecodedCode | undefined {
    const decoded = new DecodedCode(bytes, pageOf);
    const view = decoded.#view;
    if (bytes.length < HEADER_BYTES || view.getUint32(4, true) !== countdown) return undefined;
    if (view.getUint32(0, true) !== checkOf(code)) return undefined;
    const pages = view.getUint32(8, true);
    for (let i = 0; i < pages; i++) {
      const entry = HEADER_BYTES + PAGE_ENTRY_BYTES * i;
      decoded.#entries.set(view.getUint32(entry, true), entry);
    }
    return decoded;
  }

  /** What is to be put in machine memory for a block in this frame, if its bytes, at `at` of `memory`, are those it is of. */
  find(frame: number, key: number, memory: Uint8Array, at: number): Omit<DecodedBlock, 'key'> | undefined {
    let blocks = this.#blocks.get(frame);
    if (blocks === undefined) {
      const entry = this.#entries.get(this.#pageOf(frame) ?? -1);
      if (entry === undefined) return undefined;
      blocks = this.#listed(entry);
      this.#blocks.set(frame, blocks);
    }
    const place = blocks.get(key);
    if (place === undefined) return undefined;
    const codeBytes = this.#view.getUint16(place + 4, true);
    const start = place + BLOCK_HEADER_BYTES;
    const bytes = this.#bytes;
    for (let i = 0; i < codeBytes; i++) if (bytes[start + i] !== memory[at + i]) return undefined;
    const image = start + codeBytes;
    return {
      code: bytes.subarray(start, image),
      image: bytes.subarray(image, image + this.#view.getUint16(place + 6, true)),
    };
  }

  #listed(entry: number): Map<number, number> {
    const view = this.#view;
    const blocks = new Map<number, number>();
    const count = view.getUint32(entry + 8, true);
    let at = view.getUint32(entry + 4, true);
    for (let i = 0; i < count; i++) {
      blocks.set(view.getUint32(at, true), at);
      at += BLOCK_HEADER_BYTES + view.getUint16(at + 4, true) + view.getUint16(at + 6, true);
    }
    return blocks;
  }
}

/** The module with what was packed, deflated, as its last section. */
export function withDecoded(module: Uint8Array, decoded: Uint8Array, deflated: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + deflated.length);
  new DataView(bytes.buffer).setUint32(0, decoded.length, true);
  bytes.set(deflated, 4);
  return withCustomSection(module, SECTION, bytes);
}

const unpacked = new WeakMap<WebAssembly.Module, Promise<Uint8Array | undefined>>();

/** What the module has, unpacked once. Undefined where it has none, or what it has is damaged; never rejects. */
export function decodedOf(
  code: WebAssembly.Module,
  inflate: (packed: Uint8Array, sizeBytes: number) => Promise<Uint8Array>,
): Promise<Uint8Array | undefined> {
  const known = unpacked.get(code);
  if (known !== undefined) return known;
  const [section] = WebAssembly.Module.customSections(code, SECTION);
  const bytes = section && section.byteLength > 4 ? new Uint8Array(section) : undefined;
  const made =
    bytes === undefined
      ? Promise.resolve(undefined)
      : inflate(bytes.subarray(4), new DataView(bytes.buffer).getUint32(0, true)).catch(() => undefined);
  unpacked.set(code, made);
  return made;
}
