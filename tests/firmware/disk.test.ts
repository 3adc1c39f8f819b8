/** Firmware boots from disks and discs, and what guests write to them is where it should be afterwards. */

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type BlockBackend, BlockError } from '../../src/base/block.ts';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import { openDiskFile } from '../../src/host/node/disk-file.ts';
import { throwAway } from '../../src/host/node/scratch-file.ts';
import { bootDrives } from './boot-drives.ts';
import { bootDisc, bootDisk, skipWithoutNasm } from './boot-images.ts';

const skip = skipWithoutNasm;
const TEXT = 'hello from the disk\n';
const READ = `${TEXT}sum 07\n`;
const ALL_WELL = `${READ}write 00\nflush 50\nback A5\n`;
const PASSED = { kind: 'exit-code', value: 0x10 };
/** Sectors 2 to 5: what the boot sector writes. */
const [WRITTEN, WRITTEN_END] = [2 * 512, 6 * 512];

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vivarium-firmware-'));
});
after(() => rm(folder, { recursive: true }));

const runDisk = (backend: BlockBackend, time?: 'real' | 'deterministic') =>
  bootDrives([{ bus: 'ide', unit: 0, kind: 'disk', backend }], time);

async function file(name: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bootDisk(TEXT));
  return path;
}

/** As `bootDisk`, with what the boot sector writes. */
function afterwards(): Uint8Array {
  return bootDisk(TEXT).fill(0xa5, WRITTEN, WRITTEN_END);
}

test('a disk boots, and what the guest writes is in the file', { skip }, async () => {
  const path = await file('written');
  const backend = await openDiskFile(path, { role: 'disk image', readOnly: false });
  const { console, end } = await runDisk(backend);
  await backend.close();
  assert.deepEqual([console, end], [ALL_WELL, PASSED]);
  assert.ok(Buffer.compare(await readFile(path), afterwards()) === 0);
});

test("a flush by the guest reaches the host's storage, after what was written before it", { skip }, async () => {
  const log: string[] = [];
  class Noted extends MemoryDisk {
    override async write(offset: number, from: Uint8Array): Promise<void> {
      log.push('write');
      await super.write(offset, from);
    }
    override async flush(): Promise<void> {
      log.push('flush');
    }
  }
  const { console } = await runDisk(new Noted(bootDisk(TEXT)));
  assert.equal(console, ALL_WELL);
  assert.equal(log.at(-1), 'flush');
  assert.ok(log.includes('write'));
});

test('a snapshot gives the guest a disk to write to, and leaves the file untouched', { skip }, async () => {
  const path = await file('snapshot');
  const backend = await throwAway(await openDiskFile(path, { role: 'disk image', readOnly: true }));
  const { console, end } = await runDisk(backend);
  await backend.close();
  assert.deepEqual([console, end], [ALL_WELL, PASSED]);
  assert.ok(Buffer.compare(await readFile(path), bootDisk(TEXT)) === 0);
});

test('a host without room is an I/O error of one write; what was there before is there still', { skip }, async () => {
  class Full extends MemoryDisk {
    override async write(offset: number, from: Uint8Array): Promise<void> {
      // In the middle of the request, as a file system does it.
      await super.write(offset, from.subarray(0, 512));
      throw new BlockError('full', 'No room.');
    }
  }
  const disk = new Full(bootDisk(TEXT));
  const { console, end } = await runDisk(disk);
  assert.match(console, new RegExp(`^${READ}write (?!00)..\nflush 50\nback 00\n$`));
  assert.deepEqual(end, PASSED);
  const expected = bootDisk(TEXT).fill(0xa5, WRITTEN, WRITTEN + 512);
  assert.ok(Buffer.compare(disk.bytes, expected) === 0);
});

test('a disk that cannot be written boots, and says so to who writes', { skip }, async () => {
  const path = await file('read-only');
  const backend = await openDiskFile(path, { role: 'disk image', readOnly: true });
  const { console } = await runDisk(backend);
  await backend.close();
  assert.match(console, new RegExp(`^${READ}write (?!00)..\n`));
});

test('a disk whose reads fail is told by the BIOS, and the guest goes on', { skip }, async () => {
  class Bad extends MemoryDisk {
    override async read(offset: number, into: Uint8Array): Promise<void> {
      if (offset >= 16 * 512 && offset < 80 * 512) throw new BlockError('io', 'Broken.');
      await super.read(offset, into);
    }
  }
  const { console, end } = await runDisk(new Bad(bootDisk(TEXT)));
  assert.match(console, new RegExp(`^${TEXT}failed (?!00)..\n$`));
  assert.deepEqual(end, { kind: 'exit-code', value: 0x11 });
});

test('a disc boots by El Torito', { skip }, async () => {
  const backend = new MemoryDisk(bootDisc('hello from the disc\n'));
  const { console, end } = await bootDrives([{ bus: 'ide', unit: 2, kind: 'cdrom', backend }]);
  assert.deepEqual([console, end], ['hello from the disc\nsum 07\n', PASSED]);
});

test('discs that are noise, or that say that they boot from beyond their end, start nothing', { skip }, async () => {
  const beyond = bootDisc('');
  new DataView(beyond.buffer).setUint32(19 * 2048 + 0x28, 0x7fff_ffff, true);
  const noise = Uint8Array.from({ length: 1 << 20 }, (_, i) => Math.imul(i, 0x9e37_79b1) >>> 24);
  for (const contents of [beyond, noise]) {
    const backend = new MemoryDisk(contents);
    const drives = [{ bus: 'ide', unit: 2, kind: 'cdrom', backend }] as const;
    const { console, end } = await bootDrives(drives, 'deterministic');
    // The firmware waits a minute of virtual time, and starts anew.
    assert.deepEqual([console, end], ['', { kind: 'reset' }]);
  }
});

test('a deterministic guest ends alike, however long the host takes', { skip }, async () => {
  class Slow extends MemoryDisk {
    override async read(offset: number, into: Uint8Array): Promise<void> {
      await new Promise((resolve) => setTimeout(resolve, offset === 512 ? 50 : 1));
      await super.read(offset, into);
    }
  }
  const disks = [new MemoryDisk(bootDisk(TEXT)), new Slow(bootDisk(TEXT))];
  const runs = [];
  for (const disk of disks) runs.push(await runDisk(disk, 'deterministic'));
  assert.equal(runs[0].console, ALL_WELL);
  assert.equal(runs[0].hash, runs[1].hash);
});
