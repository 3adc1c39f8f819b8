/**
 * Decodes .xz as the kernel's build writes it: one stream of blocks, LZMA2 with or without the x86 branch filter
 * (tukaani.org, "The .xz File Format" 1.2).
 *
 * Not read: the index and the checks, which repeat what the decoder finds out anyway; other filters.
 */

import { decodeBcjX86 } from './bcj-x86.ts';
import { decodeLzma2 } from './lzma2.ts';

const MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];
const STREAM_HEADER_BYTES = 12;
/** Bytes of check after each block, by the check type in the stream flags. */
const CHECK_BYTES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
const FILTER_X86 = 0x04;
const FILTER_LZMA2 = 0x21;

export function isXz(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, i) => bytes[i] === byte);
}

/** Decodes `stream` to exactly `plainBytes`; undefined when it is damaged or uses what we do not read. */
export function decodeXz(stream: Uint8Array, plainBytes: number): Uint8Array | undefined {
  if (!isXz(stream) || stream.length < STREAM_HEADER_BYTES) return undefined;
  const checkBytes = CHECK_BYTES[stream[7] & 0xf];
  const plain = new Uint8Array(plainBytes);
  let read = STREAM_HEADER_BYTES;
  let written = 0;
  // A zero where a block header would give its size begins the index.
  while (read < stream.length && stream[read] !== 0) {
    const header = readBlockHeader(stream, read);
    if (!header) return undefined;
    const decoded = decodeLzma2(stream.subarray(header.end), plain, written);
    if (!decoded) return undefined;
    if (header.branchFilter) decodeBcjX86(plain, written, decoded.written);
    written = decoded.written;
    // Blocks are padded to four bytes, as are their headers.
    read = header.end + Math.ceil(decoded.read / 4) * 4 + checkBytes;
  }
  return written === plainBytes ? plain : undefined;
}

interface BlockHeader {
  readonly end: number;
  readonly branchFilter: boolean;
}

function readBlockHeader(stream: Uint8Array, start: number): BlockHeader | undefined {
  const end = start + (stream[start] + 1) * 4;
  if (end > stream.length) return undefined;
  const fields = new FieldReader(stream.subarray(start + 1, end - 4));
  const flags = fields.byte();
  const filterCount = (flags & 3) + 1;
  if (flags & 0x40) fields.variable(); // compressed size
  if (flags & 0x80) fields.variable(); // plain size
  const filters: number[] = [];
  for (let i = 0; i < filterCount; i++) {
    const id = fields.variable();
    const properties = fields.take(fields.variable());
    // The branch filter may start at another address; nobody does that.
    if (id === FILTER_X86 && properties.some((byte) => byte !== 0)) return undefined;
    filters.push(id);
  }
  if (filters.at(-1) !== FILTER_LZMA2) return undefined;
  const others = filters.slice(0, -1);
  if (others.length > 1 || others.some((id) => id !== FILTER_X86)) return undefined;
  return { end, branchFilter: others.length === 1 };
}

/** Reads past the end give zeros, which no filter list accepts. */
class FieldReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  byte(): number {
    return this.#bytes[this.#at++] ?? 0;
  }

  /** A variable-length integer (§1.2): seven bits a byte, lowest first. */
  variable(): number {
    let value = 0;
    for (let shift = 0; shift < 49; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    return value;
  }

  take(count: number): Uint8Array {
    const taken = this.#bytes.subarray(this.#at, this.#at + count);
    this.#at += count;
    return taken;
  }
}
