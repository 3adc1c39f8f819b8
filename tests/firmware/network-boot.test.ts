/**
 * PCs without a disk that start from the network: SeaBIOS runs the card's boot ROM, iPXE as Debian's package has it, which
 * loads what DHCP tells it to from a folder that is offered by TFTP.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import { MemoryTree } from '../../src/files/memory-tree.ts';
import { bootFiles } from '../../src/host/boot-files.ts';
import { NodeSockets } from '../../src/host/node/sockets.ts';
import { NIC_MODELS } from '../../src/machine/pc-firmware.ts';
import { NIC_MODELS as MODELS, type NicModel } from '../../src/net/options.ts';
import { UserNetwork } from '../../src/net/user-network.ts';
import type { GuestFirmware, GuestNic, GuestVirtio } from '../../src/vmm/guest-options.ts';
import { builtInInitrd, builtInKernel } from '../boot/booted.ts';
import { debianPackage } from './debian-package.ts';
import { typeKeys } from './keys.ts';
import { archive } from './linux-disc.ts';
import { type RunningPc, startPc } from './pc.ts';

const romPath = (model: NicModel): string => `usr/lib/ipxe/qemu/pxe-${model}.rom`;
const roms = debianPackage('ipxe-qemu', MODELS.map(romPath));
const skip = 'missing' in roms && `cannot be had: ${roms.missing}`;
const MIB = 2 ** 20;

interface Offer {
  readonly files: Readonly<Record<string, Uint8Array | string>>;
  readonly bootFile?: string;
}

/** A PC with this card, and what is to be had from the network. */
async function netPc(
  model: NicModel,
  { files, bootFile }: Offer,
  memoryBytes: number,
  firmware: Partial<GuestFirmware> = {},
): Promise<RunningPc> {
  assert('folder' in roms);
  const tree = bootFiles(await MemoryTree.of(files));
  const nic: Omit<GuestNic, 'model'> = {
    mac: Uint8Array.of(0x52, 0x54, 0, 0, 0, 1),
    rom: readFileSync(join(roms.folder, romPath(model))),
    connect: ({ clock, wake }) =>
      new UserNetwork({
        clock,
        sockets: new NodeSockets(),
        random: () => Math.floor(Math.random() * 2 ** 32),
        delivered: wake,
        boot: { file: bootFile, files: tree },
      }),
  };
  const own = NIC_MODELS.find((one) => one === model);
  const virtio: GuestVirtio[] = own === undefined ? [{ kind: 'net', nic }] : [];
  const nics: GuestNic[] = own === undefined ? [] : [{ ...nic, model: own }];
  return startPc([], { memoryBytes, virtio }, { bootOrder: 'n', nics, ...firmware });
}

const shows = (pc: RunningPc, text: string): boolean => pc.screen().some((row) => row.includes(text));

/** As a boot sector, at 0x7c00: sends a text to COM1 and has the debug exit end the guest. */
function program(text: string): Uint8Array {
  // xor bx, bx; mov ds, bx; mov dx, 0x3f8; mov si, text; cld; next: lodsb; out dx, al; test al, al; jnz next
  // mov al, 8; out 0xf4, al; hlt
  const code = [0x31, 0xdb, 0x8e, 0xdb, 0xba, 0xf8, 0x03, 0xbe, 0x18, 0x7c, 0xfc, 0xac, 0xee, 0x84, 0xc0];
  const end = [0x75, 0xfa, 0xb0, 0x08, 0xe6, 0xf4, 0xf4, 0x90, 0x90];
  return Uint8Array.of(...code, ...end, ...Buffer.from(text), 0);
}

for (const model of MODELS) {
  test(`a PC with a card of model ${model} and no disk runs a program from the network`, { skip }, async () => {
    const text = `started over ${model}`;
    // Longer than a block or two.
    const image = Buffer.concat([program(text), new Uint8Array(20_000)]);
    const offer = { files: { 'boot/first.0': image }, bootFile: 'boot/first.0' };
    const pc = await netPc(model, offer, 64 * MIB);
    await pc.until(() => pc.console().includes(`${text}\0`));
    pc.guest.stop();
    await pc.end;
  });
}

test('iPXE runs a script from the network, and Linux with an initramfs in two parts', { skip }, async () => {
  const init = '#!/bin/sh\nmount -t proc proc /proc\nsed "s/.*says=/says /" /proc/cmdline\npoweroff -f\n';
  const script = `#!ipxe
kernel vmlinuz console=ttyS0 quiet rdinit=/check says=\${net0/ip}
initrd initrd
initrd extra
boot
`;
  const files = {
    'linux/start.ipxe': script,
    'linux/vmlinuz': builtInKernel(),
    'linux/initrd': builtInInitrd(),
    'linux/extra': archive([{ name: 'check', mode: 0o100755, content: Buffer.from(init) }]),
  };
  const pc = await netPc('e1000', { files, bootFile: 'linux/start.ipxe' }, 128 * MIB);
  assert.deepEqual(await pc.end, { kind: 'powered-off' });
  assert.match(pc.console(), /^says 10\.0\.2\.15$/m);
});

const PXE_MODULES = ['pxe', 'tftp', 'net', 'serial', 'terminal', 'normal', 'configfile', 'echo', 'halt', 'cat', 'test'];
const hasGrub = spawnSync('grub-mkimage', ['--version']).error === undefined;

/** GRUB for PXE, with all its modules in it. */
function grubCore(): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'vivarium-grub-'));
  try {
    const output = join(folder, 'core.0');
    const words = ['-O', 'i386-pc-pxe', '-p', '(tftp)/grub', '-o', output, ...PXE_MODULES];
    const made = spawnSync('grub-mkimage', words, { encoding: 'utf8' });
    assert.equal(made.status, 0, made.stderr);
    return readFileSync(output);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

for (const model of ['e1000', 'rtl8139'] as const) {
  const skipGrub = skip || (!hasGrub && 'not installed: grub-mkimage');
  test(`GRUB starts over ${model} and reads its menu and a file by TFTP`, { skip: skipGrub }, async () => {
    const config = `serial --unit=0
terminal_output serial
echo $net_default_ip
cat (tftp)/texts/large
halt
`;
    const large = `${'Some text of no particular length. '.repeat(300)}\nand its end\n`;
    const files = { 'core.0': grubCore(), 'grub/grub.cfg': config, 'texts/large': large };
    const pc = await netPc(model, { files, bootFile: 'core.0' }, 64 * MIB);
    assert.deepEqual(await pc.end, { kind: 'powered-off' });
    assert.match(pc.console(), /10\.0\.2\.15/);
    assert.match(pc.console(), /and its end/);
  });
}

test('SeaBIOS lists the card in its boot menu, and starts from it when it is chosen there', { skip }, async () => {
  const offer = { files: { first: program('chosen') }, bootFile: 'first' };
  const pc = await netPc('pcnet', offer, 64 * MIB, { bootOrder: 'c', bootMenuMs: 60_000 });
  await pc.until(() => shows(pc, 'Press ESC for boot menu'));
  await typeKeys(pc.guest.keyboard, '\x1b');
  await pc.until(() => shows(pc, 'iPXE (PCI 00:03.0)'));
  const row = pc.screen().find((line) => line.includes('iPXE (PCI'));
  await typeKeys(pc.guest.keyboard, row?.trim()[0] ?? '');
  await pc.until(() => pc.console().includes('chosen'));
  pc.guest.stop();
  await pc.end;
});

for (const [bootOrder, says] of [
  ['nc', 'network'],
  ['cn', 'disk'],
] as const) {
  test(`with the boot order ${bootOrder}, the ${says} is started from`, { skip }, async () => {
    const image = new Uint8Array(MIB);
    image.set(program('disk'));
    image.set([0x55, 0xaa], 510);
    const drive = { bus: 'ide', unit: 0, kind: 'disk', backend: new MemoryDisk(image) } as const;
    const offer = { files: { first: program('network') }, bootFile: 'first' };
    const pc = await netPc('rtl8139', offer, 64 * MIB, { bootOrder, drives: [drive] });
    await pc.until(() => pc.console().includes('\0'));
    assert.match(pc.console(), new RegExp(`${says}\0`));
    pc.guest.stop();
    await pc.end;
  });
}

test('a boot file that is not there is said so, and firmware goes on', { skip }, async () => {
  const pc = await netPc('e1000', { files: {}, bootFile: '../../etc/passwd' }, 64 * MIB);
  await pc.until(() => shows(pc, 'No bootable device.'));
  assert.ok(shows(pc, 'etc/passwd... '), pc.screen().join('\n'));
  pc.guest.stop();
  await pc.end;
});
