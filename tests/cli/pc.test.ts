import assert from 'node:assert/strict';
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bootDisk, skipWithoutNasm } from '../firmware/boot-images.ts';
import { runWith, start, VIVARIUM } from './spawn.ts';

const skip = skipWithoutNasm;
const PNG = Buffer.from('89504e470d0a1a0a', 'hex');
/** Long enough for firmware to find out that there is nothing to boot. */
const TIMEOUT = ['--timeout', '4s', '--memory', '64M'];

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vivarium-pc-'));
});
after(() => rm(folder, { recursive: true }));

async function file(name: string, contents: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, contents);
  return path;
}

async function assertRefused(words: string[], says: string): Promise<void> {
  const { status, stdout, stderr } = await runWith('', VIVARIUM, 'run', ...words);
  assert.equal(stdout, '');
  assert.equal(stderr, `vivarium: ${says}\n`);
  assert.equal(status, 2);
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

test('images that cannot be used are refused, each for its reason', async () => {
  const missing = join(folder, 'missing');
  await assertRefused(['--disk', missing], `The disk image ${missing} cannot be used: there is no such file.`);
  await assertRefused(['--cdrom', folder], `The CD-ROM image ${folder} cannot be used: it is a directory.`);
  const empty = await file('empty', new Uint8Array(0));
  await assertRefused(['--floppy', empty], `The floppy image ${empty} cannot be used: it is empty.`);
  const odd = await file('odd', new Uint8Array(700));
  const says = `its 700 bytes are not a whole number of sectors of 512 bytes`;
  await assertRefused(['--disk', odd], `The disk image ${odd} cannot be used: ${says}.`);
});

test('a disk that is shorter than its partition table says is refused', async () => {
  const disk = new Uint8Array(1024);
  // One partition of 1000 sectors, from sector 1 on.
  disk.set([0x80, 0, 0, 0, 0x83, 0, 0, 0, 1, 0, 0, 0, 0xe8, 3, 0, 0], 446);
  disk.set([0x55, 0xaa], 510);
  const path = await file('short', disk);
  const says = 'it has 1024 bytes, but its partition table speaks of 512512';
  await assertRefused(['--disk', path], `The disk image ${path} cannot be used: ${says}.`);
});

test('firmware of a wrong size is refused, and leaves no capture', async () => {
  const bios = await file('bios', new Uint8Array(1000));
  const pcap = join(folder, 'none.pcap');
  const says = `The firmware ${bios} cannot be used: its 1000 bytes are no multiple of 64 KiB up to 16 MiB.`;
  await assertRefused(['--bios', bios, '--nic', 'user', '--pcap', pcap], says);
  assert.equal(await isThere(pcap), false);
});

test('a screenshot that has no place is refused before anything runs', async () => {
  const disk = await file('disk-a', new Uint8Array(1024));
  const path = join(folder, 'nowhere', 'a.png');
  await assertRefused(
    ['--disk', disk, '--screenshot', path],
    `The screenshot ${path} cannot be written: there is no such file.`,
  );
});

test('a port that is in use is refused, and leaves no capture', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const disk = await file('disk-b', new Uint8Array(1024));
  const pcap = join(folder, 'refused.pcap');
  const words = ['--disk', disk, '--nic', 'user', '--forward', `tcp:127.0.0.1:${port}-:22`, '--pcap', pcap];
  const { status, stderr } = await runWith('', VIVARIUM, 'run', ...words);
  server.close();
  assert.notEqual(status, 0);
  assert.match(stderr, new RegExp(`^vivarium: [^\\n]*${port}[^\\n]*\\n$`));
  assert.equal(await isThere(pcap), false);
});

test('a disc that is none boots nothing: the screen says so, and time runs out', async () => {
  const iso = await file('noise.iso', new Uint8Array(64 * 1024).fill(0x5a));
  const picture = join(folder, 'screen.png');
  const { status, stderr } = await runWith('', VIVARIUM, 'run', '--cdrom', iso, '--screenshot', picture, ...TIMEOUT);
  assert.equal(stderr, 'vivarium: The guest was stopped: its time of 4 s ran out.\n');
  assert.equal(status, 6);
  assert.deepEqual((await readFile(picture)).subarray(0, 8), PNG);
});

test('what a guest writes is on the disk; of a snapshot it is not', { skip }, async () => {
  const image = bootDisk('written by the guest');
  for (const [words, isWritten] of [
    [['--snapshot'], false],
    [[], true],
  ] as const) {
    const disk = await file('boot.img', image);
    const run = ['run', '--disk', disk, ...words, '--device', 'isa-debug-exit', '--timeout', '60s', '--memory', '64M'];
    const { stderr } = await runWith('', VIVARIUM, ...run);
    assert.equal(stderr, '');
    assert.equal(Buffer.from(image).equals(await readFile(disk)), !isWritten);
  }
});

test('a disk in use by one guest is refused to another', async () => {
  const disk = await file('shared.img', new Uint8Array(64 * 1024));
  const first = start(
    VIVARIUM,
    'run',
    '--disk',
    disk,
    '--device',
    'isa-debugcon',
    '--timeout',
    '20s',
    '--memory',
    '64M',
  );
  await first.shows('SeaBIOS');
  await assertRefused(['--disk', disk], `The disk image ${disk} cannot be used: another process has locked it.`);
  first.process.kill('SIGTERM');
  await first.result;
});
