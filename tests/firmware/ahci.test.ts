/** Firmware boots from drives on the AHCI adapter, and Linux's driver reads and writes them. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import { bootDrives } from './boot-drives.ts';
import { bootDisc, bootDisk, skipWithoutNasm } from './boot-images.ts';
import { debianKernel, linuxDisc } from './linux-disc.ts';

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

const MODULES = [
  ...['crct10dif_common', 'crc-t10dif', 'crc64', 'crc64-rocksoft', 't10-pi', 'scsi_common', 'scsi_mod', 'libata'],
  ...['libahci', 'ahci', 'sd_mod', 'cdrom', 'sr_mod', 'crc16', 'mbcache', 'crc32c_generic', 'jbd2', 'ext4'],
];
/** Of the first disk, the first 4 MiB are compared, the next written; the second one gets a file system. */
const DISK_BYTES = 64 << 20;
const PART_BYTES = 4 << 20;
const SECOND_BYTES = 16 << 20;

/** Disks get their names in the order in which they are ready: they are told by their sizes. */
const SCRIPT = `
named() { basename "$(dirname "$(grep -lx $1 /sys/block/sd*/size)")"; }
for i in $(seq 100); do [ -b /dev/sda ] && [ -b /dev/sdb ] && [ -b /dev/sr0 ] && break; usleep 100000; done
disk=$(named ${DISK_BYTES / 512}); second=$(named ${SECOND_BYTES / 512})
echo "depth $(cat /sys/block/$disk/device/queue_depth), $(grep -c ahci /proc/interrupts) interrupt"
echo "read $(dd if=/dev/$disk bs=64k count=64 2>/dev/null | md5sum | cut -c 1-32)"
tr '\\0' Z </dev/zero | dd of=/dev/$disk bs=4k seek=1024 count=1024 2>/dev/null
echo "disc $(dd if=/dev/sr0 bs=2k count=64 2>/dev/null | md5sum | cut -c 1-32)"
mkdir /disk
mke2fs -q /dev/$second >/dev/null && mount -t ext4 /dev/$second /disk
for i in 1 2 3 4; do dd if=/dev/urandom of=/disk/$i bs=64k count=32 2>/dev/null & done; wait
before=$(cat /disk/[1-4] | md5sum); umount /disk; mount -t ext4 /dev/$second /disk
[ "$before" = "$(cat /disk/[1-4] | md5sum)" ] && echo "files are as they were"
umount /disk; sync
dmesg | grep -ciE '^.{16}ata[0-9.]+: (exception|failed|status|error|limiting|hard resetting)'
`;

test("Linux's driver reads and writes disks and discs, queueing commands", async (t) => {
  const kernel = debianKernel(MODULES);
  if ('missing' in kernel) return t.skip(`cannot be had: ${kernel.missing}`);
  const pattern = new Uint8Array(DISK_BYTES);
  for (let i = 0; i < pattern.length; i++) pattern[i] = (i * 7) ^ (i >> 9) ^ (i >> 17);
  const backend = new MemoryDisk(pattern.slice());
  const disc = linuxDisc(kernel, SCRIPT);
  const drives = [
    disk(0, backend),
    cdrom(1, new MemoryDisk(disc)),
    disk(4, new MemoryDisk(new Uint8Array(SECOND_BYTES))),
  ];
  const { console, end } = await bootDrives(drives, 'real', 'd', 256 << 20);
  assert.deepEqual(end, { kind: 'powered-off' }, console);
  const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');
  const expected = [
    'depth 32, 1 interrupt',
    `read ${md5(pattern.subarray(0, PART_BYTES))}`,
    `disc ${md5(disc.subarray(0, 64 * 2048))}`,
    'files are as they were',
    '0',
    '',
  ];
  assert.ok(console.endsWith(expected.join('\r\n')), console);
  pattern.fill(0x5a, PART_BYTES, 2 * PART_BYTES);
  assert.ok(pattern.every((byte, at) => byte === backend.bytes[at]));
});
