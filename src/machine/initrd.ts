/**
 * Checks that an initial RAM disk is whole, as far as its own structure tells without unpacking it. Linux would say so
 * only in passing, and then fail to find its init.
 *
 * An initrd is a sequence of cpio archives, plain or compressed, with zeros between them
 * (Linux, Documentation/driver-api/early-userspace/buffer-format.rst). What we do not recognise passes: it may be a
 * file system image.
 */

import { VivariumError } from '../base/errors.ts';
import { LZ4_LEGACY_MAGIC } from './decompress/lz4.ts';
import { isXz } from './decompress/xz.ts';
import type { LoadOptions } from './load-options.ts';

const CPIO_HEADER_BYTES = 110;
const CPIO_TRAILER = 'TRAILER!!!';
const ZSTD_MAGIC = 0xfd2f_b528;

/** What is wrong stops the walk; `end` is where an archive ends, `whole` that nothing more can be said. */
type Verdict = { readonly end: number } | 'whole' | 'truncated';

/** Throws `bad-initrd` for one that is empty, or ends before it says it does. */
export async function checkInitrd(initrd: Uint8Array, gunzip: LoadOptions['gunzip']): Promise<void> {
  if (initrd.length === 0) throw bad('The initrd file is empty.');
  let at = 0;
  for (;;) {
    while (at < initrd.length && initrd[at] === 0) at++;
    if (at === initrd.length) return;
    const verdict = await checkArchive(initrd.subarray(at), at, gunzip);
    if (verdict === 'whole') return;
    if (verdict === 'truncated') throw bad('The initrd is truncated or damaged: an archive in it does not end.');
    at = verdict.end;
  }
}

async function checkArchive(bytes: Uint8Array, start: number, gunzip: LoadOptions['gunzip']): Promise<Verdict> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = bytes.length >= 4 ? view.getUint32(0, true) : 0;
  if (isCpio(bytes, 0)) return checkCpio(bytes, start);
  if ((magic & 0xffff) === 0x8b1f) return checkGzip(bytes, gunzip);
  if (magic === LZ4_LEGACY_MAGIC) return checkLz4(view);
  if (magic === ZSTD_MAGIC) return checkZstd(view);
  if (isXz(bytes)) return checkXz(bytes);
  return 'whole';
}

function isCpio(bytes: Uint8Array, at: number): boolean {
  const magic = String.fromCharCode(...bytes.subarray(at, at + 6));
  return magic === '070701' || magic === '070702';
}

/** The "newc" format: headers of hexadecimal digits, names and contents padded to four bytes. */
function checkCpio(bytes: Uint8Array, start: number): Verdict {
  const field = (at: number, index: number): number =>
    Number.parseInt(String.fromCharCode(...bytes.subarray(at + 6 + index * 8, at + 14 + index * 8)), 16);
  const align = (at: number) => Math.ceil((at + (start % 4)) / 4) * 4 - (start % 4);
  for (let at = 0; ; ) {
    if (at + CPIO_HEADER_BYTES > bytes.length || !isCpio(bytes, at)) return 'truncated';
    const nameEnd = at + CPIO_HEADER_BYTES + field(at, 11);
    const end = align(nameEnd) + field(at, 6);
    if (!(end <= bytes.length)) return 'truncated';
    const name = String.fromCharCode(...bytes.subarray(at + CPIO_HEADER_BYTES, Math.min(nameEnd - 1, at + 200)));
    if (name === CPIO_TRAILER) return { end: start + end };
    at = align(end);
  }
}

async function checkGzip(bytes: Uint8Array, gunzip: LoadOptions['gunzip']): Promise<Verdict> {
  try {
    await gunzip?.(bytes);
    return 'whole';
  } catch {
    return 'truncated';
  }
}

/** Blocks with their size in front; a magic number in its place begins another frame, a zero is padding. */
function checkLz4(view: DataView): Verdict {
  for (let at = 4; at < view.byteLength; ) {
    if (at + 4 > view.byteLength) return 'truncated';
    const size = view.getUint32(at, true);
    if (size === 0) return 'whole';
    at += size === LZ4_LEGACY_MAGIC ? 4 : 4 + size;
    if (at > view.byteLength) return 'truncated';
  }
  return 'whole';
}

/** RFC 8878 §3.1.1 "Zstandard Frames": a header of variable length, then blocks up to the one marked as last. */
function checkZstd(view: DataView): Verdict {
  if (view.byteLength < 6) return 'truncated';
  const descriptor = view.getUint8(4);
  const single = (descriptor >> 5) & 1;
  const contentSizeBytes = [single, 2, 4, 8][descriptor >> 6];
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3];
  let at = 5 + (1 - single) + dictionaryBytes + contentSizeBytes;
  for (;;) {
    if (at + 3 > view.byteLength) return 'truncated';
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    const isRunLength = ((header >> 1) & 3) === 1;
    at += 3 + (isRunLength ? 1 : header >> 3);
    if (at > view.byteLength) return 'truncated';
    if (header & 1) return 'whole';
  }
}

/** The footer ends with the stream flags of the header and "YZ". */
function checkXz(bytes: Uint8Array): Verdict {
  for (let at = bytes.length - 4; at >= 12; at--) {
    const isFooter = bytes[at + 2] === 0x59 && bytes[at + 3] === 0x5a;
    if (isFooter && bytes[at] === bytes[6] && bytes[at + 1] === bytes[7]) return 'whole';
  }
  return 'truncated';
}

function bad(message: string): VivariumError {
  return new VivariumError({ kind: 'bad-initrd' }, message);
}
