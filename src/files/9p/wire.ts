/** Reading and writing the fields of 9P messages, within their bounds: what does not fit is a FileError. */

import { FileError, isName } from '../file-tree.ts';
import { HEADER_BYTES } from './protocol.ts';

const LONGEST_NAME_BYTES = 255;
/** What Linux has room for in a path. */
const LONGEST_TARGET_BYTES = 4095;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

export class MessageReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = HEADER_BYTES;

  /** Of a message that has a header at least. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get type(): number {
    return this.#view.getUint8(4);
  }

  get tag(): number {
    return this.#view.getUint16(5, true);
  }

  #advance(length: number): number {
    const at = this.#at;
    if (at + length > this.#bytes.length) throw new FileError('EPROTO');
    this.#at += length;
    return at;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#advance(8), true);
  }

  bytes(length: number): Uint8Array {
    const at = this.#advance(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** EILSEQ for what is not UTF-8. */
  text(): string {
    return decode(this.bytes(this.u16()));
  }

  /** Of a directory's entry. */
  name(): string {
    const name = this.step();
    if (name === '..') throw new FileError('EINVAL');
    return name;
  }

  /** A name, or `..`. */
  step(): string {
    const bytes = this.bytes(this.u16());
    if (bytes.length > LONGEST_NAME_BYTES) throw new FileError('ENAMETOOLONG');
    const name = decode(bytes);
    if (name !== '..' && !isName(name)) throw new FileError('EINVAL');
    return name;
  }

  /** Where a symbolic link points to, which is text of the guest's choice. */
  target(): string {
    const bytes = this.bytes(this.u16());
    if (bytes.length > LONGEST_TARGET_BYTES) throw new FileError('ENAMETOOLONG');
    if (bytes.length === 0) throw new FileError('ENOENT');
    const target = decode(bytes);
    if (target.includes('\0')) throw new FileError('EINVAL');
    return target;
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new FileError('EILSEQ', { cause });
  }
}

/** An answer, whose header comes last. */
export class MessageWriter {
  /** How long it can become. */
  readonly #roomBytes: number;
  #bytes: Uint8Array;
  #view: DataView;
  #at = HEADER_BYTES;

  constructor(roomBytes: number) {
    this.#roomBytes = roomBytes;
    this.#bytes = new Uint8Array(Math.max(HEADER_BYTES, Math.min(roomBytes, 160)));
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** How much can be written yet. */
  get remaining(): number {
    return Math.max(0, this.#roomBytes - this.#at);
  }

  /** The place of the next so many bytes. */
  #advance(length: number): number {
    const at = this.#at;
    const end = at + length;
    if (end > this.#roomBytes) throw new FileError('EMSGSIZE');
    if (end > this.#bytes.length) {
      const bytes = new Uint8Array(Math.min(this.#roomBytes, Math.max(end, 2 * this.#bytes.length)));
      bytes.set(this.#bytes.subarray(0, at));
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer);
    }
    this.#at = end;
    return at;
  }

  u8(value: number): void {
    const at = this.#advance(1);
    this.#view.setUint8(at, value);
  }

  u16(value: number): void {
    const at = this.#advance(2);
    this.#view.setUint16(at, value, true);
  }

  u32(value: number): void {
    const at = this.#advance(4);
    this.#view.setUint32(at, value, true);
  }

  u64(value: bigint): void {
    const at = this.#advance(8);
    this.#view.setBigUint64(at, value, true);
  }

  bytes(bytes: Uint8Array): void {
    const at = this.#advance(bytes.length);
    this.#bytes.set(bytes, at);
  }

  text(text: string): void {
    const bytes = encoder.encode(text);
    if (bytes.length > 0xffff) throw new FileError('ENAMETOOLONG');
    this.u16(bytes.length);
    this.bytes(bytes);
  }

  /** A count, and as many bytes as `fill` says it has put there: `length` at most. */
  async counted(length: number, fill: (into: Uint8Array) => Promise<number>): Promise<void> {
    const at = this.#advance(4 + length);
    const count = await fill(this.#bytes.subarray(at + 4, at + 4 + length));
    this.#view.setUint32(at, count, true);
    this.#at = at + 4 + count;
  }

  /** Leaves room for a count of what follows; `count` fills it in. */
  mark(): number {
    return this.#advance(4);
  }

  count(mark: number): void {
    this.#view.setUint32(mark, this.#at - mark - 4, true);
  }

  finish(type: number, tag: number): Uint8Array {
    this.#view.setUint32(0, this.#at, true);
    this.#view.setUint8(4, type);
    this.#view.setUint16(5, tag, true);
    return this.#bytes.subarray(0, this.#at);
  }
}

/** Bytes of a string in a message. */
export function textBytes(text: string): number {
  return 2 + encoder.encode(text).length;
}
