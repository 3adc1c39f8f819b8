/** Firmware starts from the drive that is first in the boot order, on whatever bus it is. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import type { GuestDrive } from '../../src/vmm/guest-options.ts';
import { bootDrives } from './boot-drives.ts';

/** A boot sector that sends a letter to COM1 and ends the guest. */
function lettered(letter: string, bytes: number): MemoryDisk {
  const image = new Uint8Array(bytes);
  // mov al, letter; mov dx, 0x3f8; out dx, al; mov al, 8; out 0xf4, al; hlt
  image.set([0xb0, letter.charCodeAt(0), 0xba, 0xf8, 0x03, 0xee, 0xb0, 0x08, 0xe6, 0xf4, 0xf4]);
  image.set([0x55, 0xaa], 510);
  return new MemoryDisk(image);
}

const disk = (bus: 'ide' | 'ahci', unit: number, letter: string): GuestDrive => ({
  ...{ bus, unit, kind: 'disk' },
  backend: lettered(letter, 1 << 20),
});
const floppy = (unit: number, letter: string): GuestDrive => ({
  ...{ bus: 'floppy', unit, kind: 'floppy' },
  backend: lettered(letter, 1440 << 10),
});

const disks = [disk('ide', 0, 'A'), disk('ide', 1, 'B'), disk('ahci', 0, 'C'), disk('ahci', 3, 'D')];

for (const [i, letter] of ['A', 'B', 'C', 'D'].entries()) {
  test(`disk ${letter} is started from when it is named first`, async () => {
    const drives = [...disks.slice(i), ...disks.slice(0, i)];
    assert.equal((await bootDrives(drives, 'deterministic', 'c')).console, letter);
  });
}

test('floppy disks come before disks, or after, and the first of them first', async () => {
  const drives = [disk('ahci', 0, 'C'), floppy(0, 'E'), floppy(1, 'F')];
  const started = async (order: string): Promise<string> => (await bootDrives(drives, 'deterministic', order)).console;
  assert.deepEqual([await started('ca'), await started('ac'), await started('dac')], ['C', 'E', 'E']);
});
