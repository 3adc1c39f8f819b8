/** Firmware boots from a floppy disk, and its services read, write and format it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import { bootDrives } from './boot-drives.ts';
import { assembled, skipWithoutNasm } from './boot-images.ts';

const skip = skipWithoutNasm;
const PASSED = { kind: 'exit-code', value: 0x10 };
const TEXT = 'the last sector of the floppy\n';
const CYLINDER_BYTES = 36 * 512;
/** What is written and formatted: sector 40/1/9 and track 50/0. */
const WRITTEN = 40 * CYLINDER_BYTES + (18 + 8) * 512;
const FORMATTED = 50 * CYLINDER_BYTES;

const lines = (write: string, back: string, format: string): string =>
  [
    'screen INT 10h writes on screen',
    'geometry 4F',
    '12',
    `01\n${TEXT}sum 08`,
    'verify 00',
    'missing 01',
    `write ${write}`,
    `back ${back}`,
    `format ${format}\n`,
  ].join('\n');

/** 1.44M: the boot sector and what it loads, ones in cylinder 20, a text in the last sector. */
function floppyDisk(): Uint8Array {
  const image = new Uint8Array(80 * CYLINDER_BYTES);
  image.set(assembled('floppy'));
  image.fill(1, 20 * CYLINDER_BYTES, 21 * CYLINDER_BYTES);
  image[21 * CYLINDER_BYTES - 1] = 9;
  image.fill(0x33, FORMATTED - 512, FORMATTED + CYLINDER_BYTES);
  image.set(new TextEncoder().encode(TEXT), image.length - 512);
  return image;
}

class WriteProtected extends MemoryDisk {
  override readonly readOnly = true;
}

const floppy = (backend: MemoryDisk) => ({ bus: 'floppy', unit: 0, kind: 'floppy', backend }) as const;

for (const time of ['real', 'deterministic'] as const) {
  test(`a floppy disk boots, is read, written and formatted, in ${time} time`, { skip }, async () => {
    const disk = new MemoryDisk(floppyDisk());
    const { console, end } = await bootDrives([floppy(disk)], time);
    assert.deepEqual([console, end], [lines('00', 'A5', '00'), PASSED]);
    const expected = floppyDisk();
    expected.fill(0xa5, WRITTEN, WRITTEN + 512);
    expected.fill(0xf6, FORMATTED, FORMATTED + 18 * 512);
    assert.ok(expected.every((byte, at) => byte === disk.bytes[at]));
  });
}

test('a write-protected floppy disk boots and stays as it is', { skip }, async () => {
  const disk = new WriteProtected(floppyDisk());
  const { console, end } = await bootDrives([floppy(disk)]);
  assert.deepEqual([console, end], [lines('03', '00', '03'), PASSED]);
  assert.ok(floppyDisk().every((byte, at) => byte === disk.bytes[at]));
});

test('the boot sector alone, as an image, is the beginning of a disk', { skip }, async () => {
  const disk = new MemoryDisk(floppyDisk().slice(0, 2048));
  const { console } = await bootDrives([floppy(disk)]);
  assert.match(
    console,
    /^screen INT 10h writes on screen\ngeometry 4F\n12\n01\nsum 00\nverify 00\nmissing 01\nwrite 20/,
  );
});
