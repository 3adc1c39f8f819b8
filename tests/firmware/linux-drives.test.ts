/** Linux's drivers for AHCI and for the floppy controller find the drives that there are, read and write them. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import { bootDrives } from './boot-drives.ts';
import { debianKernel, linuxDisc } from './linux-disc.ts';

const MODULES = [
  ...['crct10dif_common', 'crc-t10dif', 'crc64', 'crc64-rocksoft', 't10-pi', 'scsi_common', 'scsi_mod', 'libata'],
  ...['libahci', 'ahci', 'sd_mod', 'cdrom', 'sr_mod', 'crc16', 'mbcache', 'crc32c_generic', 'jbd2', 'ext4', 'floppy'],
];
/** Of the first disk, the first 4 MiB are compared, the next written; the second one gets a file system. */
const DISK_BYTES = 64 << 20;
const PART_BYTES = 4 << 20;
const SECOND_BYTES = 16 << 20;
const FLOPPY_BYTES = 1440 << 10;
/** What is written of the floppy disk: sectors 100 to 103. */
const FLOPPY_PART = [100 * 512, 104 * 512] as const;

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
umount /disk
echo "driver for $(cat /sys/bus/acpi/devices/PNP0700:00/modalias)"
echo "floppy $(dd if=/dev/fd0 bs=18k 2>/dev/null | md5sum | cut -c 1-32), $(dmesg | grep -o '82077')"
head -c 2048 /dev/zero | tr '\\0' Q | dd of=/dev/fd0 bs=512 seek=100 2>/dev/null
sync
dmesg | grep -ciE '^.{16}ata[0-9.]+: (exception|failed|status|error|limiting|hard resetting)'
`;

/** Sectors differ from those around them. */
function patterned(length: number): Uint8Array {
  return new Uint8Array(length).map((_, i) => (i * 7) ^ (i >> 9) ^ (i >> 17));
}

test("Linux's drivers read and write disks, queueing commands, discs and floppy disks", async (t) => {
  const kernel = debianKernel(MODULES);
  if ('missing' in kernel) return t.skip(`cannot be had: ${kernel.missing}`);
  const pattern = patterned(DISK_BYTES);
  const floppyPattern = patterned(FLOPPY_BYTES);
  const [backend, second] = [new MemoryDisk(pattern.slice()), new MemoryDisk(new Uint8Array(SECOND_BYTES))];
  const floppy = new MemoryDisk(floppyPattern.slice());
  const disc = linuxDisc(kernel, SCRIPT);
  const { console, end } = await bootDrives(
    [
      { bus: 'ahci', unit: 0, kind: 'disk', backend },
      { bus: 'ahci', unit: 1, kind: 'cdrom', backend: new MemoryDisk(disc) },
      { bus: 'ahci', unit: 4, kind: 'disk', backend: second },
      { bus: 'floppy', unit: 0, kind: 'floppy', backend: floppy },
    ],
    'real',
    'd',
    256 << 20,
  );
  assert.deepEqual(end, { kind: 'powered-off' }, console);
  const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');
  const expected = [
    'depth 32, 1 interrupt',
    `read ${md5(pattern.subarray(0, PART_BYTES))}`,
    `disc ${md5(disc.subarray(0, 64 * 2048))}`,
    'files are as they were',
    'driver for acpi:PNP0700:',
    `floppy ${md5(floppyPattern)}, 82077`,
    '0',
    '',
  ];
  assert.ok(console.endsWith(expected.join('\r\n')), console);
  pattern.fill(0x5a, PART_BYTES, 2 * PART_BYTES);
  assert.ok(pattern.every((byte, at) => byte === backend.bytes[at]));
  floppyPattern.fill(0x51, ...FLOPPY_PART);
  assert.ok(floppyPattern.every((byte, at) => byte === floppy.bytes[at]));
});
