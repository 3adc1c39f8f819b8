/** Firmware boots from drives on the AHCI adapter. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import { bootDrives } from './boot-drives.ts';
import { bootDisc, bootDisk, skipWithoutNasm } from './boot-images.ts';

const skip = skipWithoutNasm;
const TEXT = 'hello from the disk\n';
const PASSED = { kind: 'exit-code', value: 0x10 };

const disk = (unit: number, backend: MemoryDisk) => ({ bus: 'ahci', unit, kind: 'disk', backend }) as const;
const cdrom = (unit: number, backend: MemoryDisk) => ({ bus: 'ahci', unit, kind: 'cdrom', backend }) as const;

for (const time of ['real', 'deterministic'] as const) {
  test(`a disk boots, and the firmware reads and writes it, in ${time} time`, { skip }, async () => {
    const backend = new MemoryDisk(bootDisk(TEXT, 'ahci'));
    const { console, end } = await bootDrives([disk(2, backend)], time);
    assert.deepEqual([console, end], [`${TEXT}sum 07\nwrite 00\nback A5\n`, PASSED]);
    const expected = bootDisk(TEXT, 'ahci').fill(0xa5, 2 * 512, 6 * 512);
    assert.ok(expected.every((byte, at) => byte === backend.bytes[at]));
  });
}

test('a disc boots, and the firmware reads it', { skip }, async () => {
  const { console, end } = await bootDrives([cdrom(0, new MemoryDisk(bootDisc(TEXT)))]);
  assert.deepEqual([console, end], [`${TEXT}sum 07\n`, PASSED]);
});
