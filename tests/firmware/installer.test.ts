/**
 * Debian's installer, from a disc that GRUB starts: its dialogues on the screen, answered with keys, until it has brought
 * up the network card by DHCP and asks where Debian's archive is, which no test can reach.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { NodeSockets } from '../../src/host/node/sockets.ts';
import { UserNetwork } from '../../src/net/user-network.ts';
import type { GuestNic } from '../../src/vmm/guest-options.ts';
import { debianPackage, type Package } from './debian-package.ts';
import { grubDisc, skipWithoutGrub } from './grub-disc.ts';
import { typeKeys } from './keys.ts';
import { disc, startPc } from './pc.ts';

const IMAGES = 'usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64';
const KERNEL = `${IMAGES}/linux`;
const INITRD = `${IMAGES}/initrd.gz`;

/** In text mode: the installer's own choice is a frame buffer, with a font for every language. */
const SCRIPT = `linux /boot/linux vga=normal nomodeset fb=false ---
initrd /boot/initrd
boot
`;

let network: UserNetwork | undefined;
const nic: GuestNic = {
  model: 'e1000',
  mac: Uint8Array.of(0x52, 0x54, 0, 0, 0, 1),
  connect: ({ clock, wake }) => {
    const random = (): number => Math.floor(Math.random() * 2 ** 32);
    network = new UserNetwork({ clock, sockets: new NodeSockets(), random, opened: [], delivered: wake });
    return network;
  },
};

const installer: Package =
  skipWithoutGrub === false
    ? debianPackage('debian-installer-12-netboot-amd64', [KERNEL, INITRD])
    : { missing: skipWithoutGrub };
const skip = 'missing' in installer && `cannot be had: ${installer.missing}`;

test('Debian’s installer asks its questions, and finds the network', { skip }, async () => {
  assert('folder' in installer);
  const fileOf = (path: string): Uint8Array => readFileSync(join(installer.folder, path));
  const image = grubDisc(SCRIPT, { linux: fileOf(KERNEL), initrd: fileOf(INITRD) });
  const pc = await startPc([disc(image)], { memoryBytes: 1024 << 20 }, { bootOrder: 'd', nics: [nic] });
  const asks = (title: string): Promise<void> =>
    pc.until(() => pc.screen().some((row) => row.includes(title)) && pc.screen().some((row) => row.includes('<Tab>')));
  const answers: readonly (readonly [title: string, keys: string])[] = [
    ['Select a language', '\r'],
    ['Select your location', '\r'],
    ['Configure the keyboard', '\r'],
    ['Please enter the hostname for this system', '\x7f\x7f\x7f\x7f\x7f\x7fvivarium\r'],
    ['Domain name:', 'test\r'],
  ];
  try {
    for (const [title, keys] of answers) {
      await asks(title);
      await typeKeys(pc.guest.keyboard, keys);
    }
    await asks('Debian archive mirror country');
    // A shell on another console: Alt-F2, Enter.
    await typeKeys(pc.guest.keyboard, '\x1b[1;3Q');
    await pc.until(() => pc.screen().some((row) => row.includes('Please press Enter to activate this console')));
    await typeKeys(pc.guest.keyboard, '\r');
    await pc.until(() => pc.screen().some((row) => row.startsWith('~ #')));
    await typeKeys(pc.guest.keyboard, 'hostname; ip -4 addr show\r');
    await pc.until(() => pc.screen().some((row) => row.includes('inet 10.0.2.15')));
    assert.ok(pc.screen().includes('vivarium'));
  } finally {
    pc.guest.stop();
    await pc.end;
    network?.close();
  }
});
