/**
 * UEFI firmware (OVMF, Debian's package) in place of SeaBIOS: its shell runs a script from a disk, which starts Linux by
 * its EFI stub with an initramfs that the stub reads from there.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import { builtInInitrd } from '../boot/booted.ts';
import { debianPackage, type Package } from './debian-package.ts';
import { debianKernel } from './linux-disc.ts';
import { startPc } from './pc.ts';

const OVMF = 'usr/share/ovmf/OVMF.fd';
const DISK_BYTES = 64 << 20;
const SCRIPT = 'fs0:\r\nvmlinuz.efi console=ttyS0 loglevel=3 initrd=\\initrd\r\n';

/** One FAT file system, without partitions. */
function fatDisk(files: Readonly<Record<string, Uint8Array>>): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'vivarium-uefi-'));
  try {
    const image = join(folder, 'disk.img');
    const run = (command: string, ...words: string[]): void => {
      const { status, stderr } = spawnSync(command, words, { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
    };
    writeFileSync(image, new Uint8Array(DISK_BYTES));
    run('mformat', '-i', image, '-F', '::');
    for (const [name, bytes] of Object.entries(files)) {
      writeFileSync(join(folder, name), bytes);
      run('mcopy', '-i', image, join(folder, name), '::');
    }
    return new Uint8Array(readFileSync(image));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const ovmf: Package = debianPackage('ovmf', [OVMF]);
const kernel = debianKernel([]);
const missing = [ovmf, kernel].flatMap((one) => ('missing' in one ? [one.missing] : []));
const skip = missing.length > 0 && `cannot be had: ${missing.join(', ')}`;

test('OVMF comes to its shell, and Linux starts from there', { skip }, async () => {
  assert('folder' in ovmf && 'image' in kernel);
  const disk = fatDisk({
    'vmlinuz.efi': readFileSync(kernel.image),
    initrd: builtInInitrd(),
    'startup.nsh': new TextEncoder().encode(SCRIPT),
  });
  const drives = [{ bus: 'ide', unit: 0, kind: 'disk', backend: new MemoryDisk(disk) }] as const;
  const pc = await startPc(drives, { memoryBytes: 512 << 20 }, { bios: readFileSync(join(ovmf.folder, OVMF)) });
  await pc.until(() => pc.console().includes('UEFI Interactive Shell'));
  await pc.until(() => pc.console().includes(':~#'));
  pc.type('ls -d /sys/firmware/efi/runtime; poweroff\n');
  assert.deepEqual(await pc.end, { kind: 'powered-off' });
  assert.match(pc.console(), /^\/sys\/firmware\/efi\/runtime$/m);
});
