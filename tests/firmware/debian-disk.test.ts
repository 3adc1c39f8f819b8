/**
 * An installed Debian 12 on a partitioned disk, on either controller: SeaBIOS, GRUB, Debian's kernel, systemd, a login,
 * commands, apt-get by the network, power-off. Its file system is whole afterwards.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { VIVARIUM } from '../cli/spawn.ts';
import { DebianGuest } from '../debian/debian-guest.ts';
import { type DebianDisk, debianDisk } from '../debian/disk.ts';
import { copyOfDisk, faultsOfDisk, fileOnDisk } from '../debian/disk-contents.ts';
import { GREETING, PACKAGE, type PackageServer, PROGRAM, servePackage } from '../debian/package-server.ts';

let folder: string;
let disk: DebianDisk;
let server: PackageServer;
before(async () => {
  disk = debianDisk();
  folder = mkdtempSync(join(tmpdir(), 'vivarium-debian-'));
  server = await servePackage();
});
after(async () => {
  rmSync(folder, { recursive: true });
  await server.close();
});

interface Drive {
  readonly name: string;
  /** Behind the file's name on the command line. */
  readonly words: string;
  readonly slot: string;
  readonly driver: string;
}

const IDE: Drive = { name: 'ide.img', words: '', slot: '0000:00:01.1', driver: 'ata_piix' };
const AHCI: Drive = { name: 'ahci.img', words: ',bus=ahci', slot: '0000:00:04.0', driver: 'ahci' };

/** Starts Debian from a copy of the disk, has it write a file, and switches it off; `visit` is what it does besides. */
async function withDebian(drive: Drive, words: readonly string[], visit: (guest: DebianGuest) => Promise<void>) {
  assert('image' in disk);
  const image = join(folder, drive.name);
  copyOfDisk(disk.image, image);
  const guest = new DebianGuest([...VIVARIUM, 'run', '--disk', `${image}${drive.words}`, '--nic', 'user', ...words]);
  try {
    await guest.loginPrompt();
    await guest.logIn();
    assert.deepEqual(await guest.run('systemctl is-system-running --wait'), { status: 0, output: 'running' });
    const found = await guest.run(`readlink /sys/block/sda | grep -o ${drive.slot}`);
    assert.equal(found.output, drive.slot);
    const driver = await guest.run(`basename $(readlink /sys/bus/pci/devices/${drive.slot}/driver)`);
    assert.equal(driver.output, drive.driver);
    assert.equal((await guest.run('seq 200000 >/root/written && sync')).status, 0);
    await visit(guest);
    const trouble = await guest.run(
      "dmesg | grep -iE 'ata[0-9.]+: (exception|failed|error|limiting)|i/o error|ext4-fs error'",
    );
    assert.equal(trouble.output, '');
    await guest.powerOff();
    assert.equal(guest.complaints, '');
  } finally {
    await guest.kill();
  }
  const numbers = Array.from({ length: 200_000 }, (_, i) => `${i + 1}\n`).join('');
  assert.ok(fileOnDisk(image, '/root/written') === numbers, 'the file is not as it was written');
  assert.equal(faultsOfDisk(image), '');
}

/** apt-get knows no other repository than ours. */
const chooseRepository = (port: number): string =>
  `echo 'deb [trusted=yes] http://10.0.2.2:${port} ./' >/etc/apt/sources.list`;

test('Debian from an IDE disk installs a package from a service that was opened to it', async (t) => {
  if ('missing' in disk) return t.skip(`cannot be had: ${disk.missing}`);
  await withDebian(IDE, ['--open', `tcp:${server.port}`], async (guest) => {
    await guest.run(chooseRepository(server.port));
    const installed = await guest.run(`apt-get -q update --error-on=any && apt-get -q -y install ${PACKAGE}`);
    assert.equal(installed.status, 0, installed.output);
    assert.deepEqual(await guest.run(PROGRAM), { status: 0, output: GREETING });
    assert.ok(server.requests.some((path) => path.endsWith('.deb')));
  });
});

test('Debian from an AHCI disk does not reach a service that was not opened to it', async (t) => {
  if ('missing' in disk) return t.skip(`cannot be had: ${disk.missing}`);
  const before = server.requests.length;
  await withDebian(AHCI, [], async (guest) => {
    await guest.run(chooseRepository(server.port));
    const updated = await guest.run('apt-get -q update --error-on=any');
    assert.notEqual(updated.status, 0);
    assert.match(updated.output, /connect/i);
    assert.equal(server.requests.length, before);
  });
});
