import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { checkInitrd } from './initrd.ts';

function cpioEntry(name: string, data: string): Buffer {
  const field = (value: number): string => value.toString(16).padStart(8, '0');
  const fields = [1, 0o100644, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0];
  const pad = (text: string): string => text.padEnd(Math.ceil(text.length / 4) * 4, '\0');
  return Buffer.from(pad(pad(`070701${fields.map(field).join('')}${name}\0`) + data), 'latin1');
}

const ARCHIVE = Buffer.concat([cpioEntry('a', 'hello'), cpioEntry('b', 'x'.repeat(5000)), cpioEntry('TRAILER!!!', '')]);

function check(...parts: Uint8Array[]): Promise<void> {
  return checkInitrd(Buffer.concat(parts), 'initrd.img');
}

test('whole archives pass: plain, packed, one after another, and padded', async () => {
  await check(ARCHIVE);
  await check(gzipSync(ARCHIVE));
  await check(ARCHIVE, new Uint8Array(512), gzipSync(ARCHIVE));
  await check(gzipSync(ARCHIVE), new Uint8Array(3));
});

test('what is packed in another way is left to the guest', async () => {
  await check(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3));
});

test('an empty file is refused', async () => {
  await assert.rejects(check(), { message: 'The initrd initrd.img is empty.' });
});

test('an archive cut short anywhere within a file is refused', async () => {
  const cutShort = { message: 'The initrd initrd.img is cut short.' };
  await assert.rejects(check(ARCHIVE.subarray(0, 50)), cutShort);
  await assert.rejects(check(ARCHIVE.subarray(0, 3000)), cutShort);
  await assert.rejects(check(gzipSync(ARCHIVE).subarray(0, -20)), cutShort);
});

test('a damaged gzip file is refused', async () => {
  const packed = gzipSync(ARCHIVE);
  packed[packed.length - 6] ^= 0xff;
  await assert.rejects(check(packed), { message: 'The initrd initrd.img is damaged.' });
});
