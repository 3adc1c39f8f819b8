/**
 * Other systems, as Debian's packages have them, byte for byte: on the screen or on the serial line, with keys where they
 * want some. docs/guests.md has what is known to run.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { builtInInitrd } from '../boot/booted.ts';
import { debianPackage, type Package } from './debian-package.ts';
import { grubDisc, skipWithoutGrub } from './grub-disc.ts';
import { typeKeys } from './keys.ts';
import { debianKernel } from './linux-disc.ts';
import { disc, type RunningPc, startPc } from './pc.ts';

const MODULES = 'usr/lib/syslinux/modules/bios';
const INVADERS = 'boot/invaders.exec';
const MACH = 'boot/gnumach-1.8-486.gz';
const XEN = 'boot/xen-4.17-amd64.gz';
const RESCUE_FLOPPY = 'usr/lib/grub-rescue/grub-rescue-floppy.img';
const ISOLINUX = 'usr/lib/ISOLINUX/isolinux.bin';

const skipWithout = (...packages: readonly Package[]): string | false => {
  const missing = packages.flatMap((one) => ('missing' in one ? [one.missing] : []));
  return missing.length > 0 && `cannot be had: ${missing.join(', ')}`;
};

function fileOf(from: Package, path: string): Uint8Array {
  assert('folder' in from);
  return readFileSync(join(from.folder, path));
}

const shows = (pc: RunningPc, text: string): boolean => pc.screen().some((row) => row.includes(text));

async function stop(pc: RunningPc): Promise<void> {
  pc.guest.stop();
  await pc.end;
}

const invaders = skipWithoutGrub === false ? debianPackage('grub-invaders', [INVADERS]) : { missing: skipWithoutGrub };
test('GRUB Invaders plays on the screen, with keys', { skip: skipWithout(invaders) }, async () => {
  const image = grubDisc('multiboot /boot/game\nboot\n', { game: fileOf(invaders, INVADERS) });
  const pc = await startPc([disc(image)], { memoryBytes: 32 << 20 });
  const ship = (): number =>
    pc
      .screen()
      .findLast((row) => row.includes('/ \\'))
      ?.indexOf('/ \\') ?? -1;
  await pc.until(() => shows(pc, '-*-') && ship() >= 0);
  const start = ship();
  pc.guest.keyboard.key('ArrowLeft', true);
  await pc.until(() => ship() >= 0 && ship() < start);
  pc.guest.keyboard.key('ArrowLeft', false);
  await stop(pc);
});

const mach = skipWithoutGrub === false ? debianPackage('gnumach-image-1.8-486', [MACH]) : { missing: skipWithoutGrub };
test('GNU Mach finds its memory and devices, and asks for the Hurd', { skip: skipWithout(mach) }, async () => {
  const image = grubDisc('multiboot /boot/mach console=com0\nboot\n', { mach: fileOf(mach, MACH) });
  const pc = await startPc([disc(image)], { memoryBytes: 64 << 20 });
  await pc.until(() => pc.console().includes('No bootstrap code loaded with the kernel!'));
  assert.match(pc.console(), /^GNU Mach 1\.8\S*-486$/m);
  assert.match(pc.console(), /^biosmem: 0+100000:0+3ffe000, available$/m);
  assert.match(pc.console(), /^RTC time is \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/m);
  await stop(pc);
});

/** A disc that ISOLINUX starts, with a menu of what else is on it. */
function isolinuxDisc(files: Readonly<Record<string, Uint8Array | string>>): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'vivarium-isolinux-'));
  try {
    const content = join(folder, 'disc');
    mkdirSync(join(content, 'isolinux'), { recursive: true });
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(content, 'isolinux', name), bytes);
    const image = join(folder, 'disc.iso');
    const boot = ['-b', 'isolinux/isolinux.bin', '-c', 'isolinux/boot.cat', '-no-emul-boot', '-boot-load-size', '4'];
    const words = ['-as', 'mkisofs', '-o', image, ...boot, '-boot-info-table', content];
    const made = spawnSync('xorriso', words, { encoding: 'utf8' });
    assert.equal(made.status, 0, made.stderr);
    return readFileSync(image);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const MENU = `UI menu.c32
MENU TITLE Discs
LABEL hdt
  COM32 hdt.c32
LABEL memdisk
  KERNEL memdisk
  INITRD floppy.img
`;
const COM32 = ['ldlinux', 'libcom32', 'libutil', 'libmenu', 'libgpl', 'menu', 'hdt'].map((name) => `${name}.c32`);
const isolinux = debianPackage('isolinux', [ISOLINUX]);
const syslinux = debianPackage('syslinux-common', [MODULES, 'usr/lib/syslinux/memdisk']);
const rescue = debianPackage('grub-rescue-pc', [RESCUE_FLOPPY]);
const skipIsolinux = skipWithoutGrub || skipWithout(isolinux, syslinux, rescue);

const menuDisc = (): Uint8Array =>
  isolinuxDisc({
    'isolinux.bin': fileOf(isolinux, ISOLINUX),
    'isolinux.cfg': MENU,
    ...Object.fromEntries(COM32.map((name) => [name, fileOf(syslinux, `${MODULES}/${name}`)])),
    memdisk: fileOf(syslinux, 'usr/lib/syslinux/memdisk'),
    'floppy.img': fileOf(rescue, RESCUE_FLOPPY),
  });

test('ISOLINUX starts the Hardware Detection Tool, which names the board', { skip: skipIsolinux }, async () => {
  const pc = await startPc([disc(menuDisc())], { memoryBytes: 64 << 20 });
  await pc.until(() => shows(pc, 'memdisk'));
  await typeKeys(pc.guest.keyboard, '\r');
  await pc.until(() => shows(pc, 'Main Menu') && shows(pc, 'PCI Devices'));
  assert.ok(shows(pc, 'Hardware Detection Tool'));
  await typeKeys(pc.guest.keyboard, '\x1b[B\x1b[B\r');
  await pc.until(() => shows(pc, 'Vivarium'));
  await stop(pc);
});

test('MEMDISK makes a floppy of memory, from which GRUB starts', { skip: skipIsolinux }, async () => {
  const pc = await startPc([disc(menuDisc())], { memoryBytes: 64 << 20 });
  await pc.until(() => shows(pc, 'memdisk'));
  await typeKeys(pc.guest.keyboard, '\x1b[B\r');
  await pc.until(() => shows(pc, 'Change the colors'));
  await typeKeys(pc.guest.keyboard, 'c');
  await pc.until(() => shows(pc, 'grub>'));
  await typeKeys(pc.guest.keyboard, 'echo $root\r');
  await pc.until(() => pc.screen().some((row) => row === 'memdisk' || row === 'fd0'));
  await typeKeys(pc.guest.keyboard, 'halt\r');
  assert.deepEqual(await pc.end, { kind: 'powered-off' });
});

const U_BOOT = ['x86', 'x86_64'].map((kind) => `usr/lib/u-boot/qemu-${kind}/u-boot.rom`);
const uBoot = debianPackage('u-boot-qemu', U_BOOT);
for (const rom of U_BOOT) {
  test(`U-Boot (${rom}) is the firmware, finds the board and takes commands`, {
    skip: skipWithout(uBoot),
  }, async () => {
    const pc = await startPc([], { memoryBytes: 256 << 20 }, { bios: fileOf(uBoot, rom) });
    await pc.until(() => pc.console().includes('Hit any key to stop autoboot'));
    pc.type(' ');
    await pc.until(() => pc.console().includes('=> '));
    assert.match(pc.console(), /^DRAM: +256 MiB$/m);
    assert.match(pc.console(), /^Model: QEMU x86 \(I440FX\)$/m);
    pc.type('pci\n');
    await pc.until(() => /^00\.02\.00 +0x1234 +0x1111 +Display controller/m.test(pc.console()));
    await stop(pc);
  });
}

const xen =
  skipWithoutGrub === false ? debianPackage('xen-hypervisor-4.17-amd64', [XEN]) : { missing: skipWithoutGrub };
const dom0 = debianKernel([]);
const skipXen = skipWithout(xen, dom0 as Package);
test('Xen starts Debian’s kernel as its first domain', { skip: skipXen }, async () => {
  assert('image' in dom0);
  const script = `multiboot2 /boot/xen placeholder console=com1 com1=115200 noreboot
module2 /boot/vmlinuz placeholder console=hvc0 loglevel=3
module2 --nounzip /boot/initrd
boot
`;
  const files = { xen: fileOf(xen, XEN), vmlinuz: readFileSync(dom0.image), initrd: builtInInitrd() };
  const pc = await startPc([disc(grubDisc(script, files))], { memoryBytes: 512 << 20 });
  await pc.until(() => pc.console().includes(':~#'));
  assert.match(pc.console(), /^\(XEN\) Xen version 4\.17/m);
  pc.type('cat /sys/hypervisor/type; poweroff\n');
  await pc.until(() => pc.console().includes('\nxen\n'));
  assert.deepEqual(await pc.end, { kind: 'powered-off' });
});
