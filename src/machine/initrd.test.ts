import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { VivariumError } from '../base/errors.ts';
import { checkInitrd } from './initrd.ts';

const ascii = (text: string) => [...new TextEncoder().encode(text)];
const hex = (value: number) => value.toString(16).padStart(8, '0');

function cpioEntry(name: string, contents: number[]): number[] {
  const fields = [0, 0o100644, 0, 0, 1, 0, contents.length, 0, 0, 0, 0, name.length + 1, 0];
  const header = [...ascii(`070701${fields.map(hex).join('')}${name}`), 0];
  const pad = (bytes: number[]) => [...bytes, ...new Array((4 - (bytes.length % 4)) % 4).fill(0)];
  return [...pad(header), ...pad(contents)];
}

const CPIO = [...cpioEntry('init', ascii('#!/bin/sh\n')), ...cpioEntry('TRAILER!!!', [])];
const XZ = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 1, ...new Array(24).fill(9), 0, 1, 0x59, 0x5a];
const LZ4 = [0x02, 0x21, 0x4c, 0x18, 3, 0, 0, 0, 0x20, 97, 98];
/** Single segment, one-byte content size; a raw block of two bytes, then the last, a run of one. */
const ZSTD = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 7, 0x10, 0, 0, 1, 2, 0x2b, 0, 0, 5];

const check = (bytes: ArrayLike<number>) => checkInitrd(Uint8Array.from(bytes), (data) => gunzipSync(data));

function isTruncated(error: unknown): boolean {
  return error instanceof VivariumError && error.fault.kind === 'bad-initrd' && /truncated/.test(error.message);
}

const WHOLE: Record<string, ArrayLike<number>> = {
  cpio: CPIO,
  xz: XZ,
  lz4: LZ4,
  zstd: ZSTD,
  gzip: gzipSync(Uint8Array.from(CPIO)),
};

for (const [name, bytes] of Object.entries(WHOLE)) {
  test(`${name}: a whole archive passes, also padded with zeros and after another`, async () => {
    await check(bytes);
    await check([...Array.from(bytes), ...new Array(600).fill(0)]);
    await check([...CPIO, ...new Array(60).fill(0), ...Array.from(bytes)]);
  });

  test(`${name}: one that lacks its end is refused`, async () => {
    for (let missing = 1; missing < bytes.length - 6; missing++) {
      const cut = Array.from(bytes).slice(0, -missing);
      await assert.rejects(check(cut), isTruncated, `${missing} missing`);
      await assert.rejects(check([...CPIO, 0, 0, 0, 0, ...cut]), isTruncated, `${missing} missing after another`);
    }
  });
}

test('a cpio archive with senseless sizes is refused', async () => {
  const bytes = [...CPIO];
  bytes[6 + 6 * 8] = 'x'.charCodeAt(0);
  await assert.rejects(check(bytes), isTruncated);
});

test('what we do not recognise passes, an empty file does not', async () => {
  await check(ascii('some file system image'));
  await check(new Uint8Array(100));
  await assert.rejects(check([]), (error) => error instanceof VivariumError && /empty/.test(error.message));
});

test('gzip passes unchecked where the platform cannot decode it', async () => {
  await checkInitrd(Uint8Array.of(0x1f, 0x8b, 8, 0), undefined);
});
