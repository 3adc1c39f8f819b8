import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, type FileHandle, mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, mock, test } from 'node:test';
import { VivariumError } from '../../base/errors.ts';
import { DiskFile, openDiskFile } from './disk-file.ts';
import { throwAway } from './scratch-file.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vivarium-disk-'));
});
after(() => rm(folder, { recursive: true }));

const writable = { role: 'disk image', readOnly: false } as const;
const readable = { role: 'disk image', readOnly: true } as const;

async function image(name: string, contents = new Uint8Array(64 * 512)): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, contents);
  return path;
}

async function assertRefused(path: string, says: string, options: Parameters<typeof openDiskFile>[1] = writable) {
  await assert.rejects(openDiskFile(path, options), (error) => {
    assert(error instanceof VivariumError);
    assert.deepEqual(error.fault, { kind: 'bad-file', path });
    assert.equal(error.message, `The ${options.role} ${path} cannot be used: ${says}.`);
    return true;
  });
}

test('what is written is in the file, and read back', async () => {
  const path = await image('plain');
  const disk = await openDiskFile(path, writable);
  await disk.write(512, new Uint8Array(1024).fill(0xab));
  const into = new Uint8Array(1536);
  await disk.read(512, into);
  await disk.close();
  const expected = [0xab, 0xab, 0];
  assert.deepEqual([into[0], into[1023], into[1024]], expected);
  const bytes = await readFile(path);
  assert.deepEqual([bytes[512], bytes[1535], bytes[1536]], expected);
  assert.equal(bytes.length, 64 * 512);
});

test('what is waited for is read and written alike', async () => {
  const path = await image('waited-for');
  const disk = await openDiskFile(path, writable);
  disk.writeNow?.(512, new Uint8Array(1024).fill(0xab));
  const into = new Uint8Array(1536);
  disk.readNow?.(512, into);
  assert.deepEqual([into[0], into[1023], into[1024]], [0xab, 0xab, 0]);
  await truncate(path, 512);
  assert.throws(() => disk.readNow?.(0, into), { name: 'BlockError', problem: 'io' });
  await disk.close();
  assert.throws(() => disk.readNow?.(0, into), { name: 'BlockError', problem: 'io' });
});

test('a flush of the guest is a flush on the host, and so is closing', async () => {
  const file = await open(await image('flushed'), 'r+');
  const prototype = Object.getPrototypeOf(file) as FileHandle;
  const sync = mock.method(prototype, 'sync');
  try {
    const disk = new DiskFile(file, 64 * 512, false);
    await disk.flush();
    assert.equal(sync.mock.callCount(), 1);
    await disk.close();
    assert.equal(sync.mock.callCount(), 2);
  } finally {
    sync.mock.restore();
  }
});

test('images that cannot be used are refused in one sentence', async () => {
  await assertRefused(join(folder, 'missing'), 'there is no such file');
  await assertRefused(await image('empty', new Uint8Array()), 'it is empty');
  await assertRefused(folder, 'it is a directory');
  await assertRefused(folder, 'it is a directory', readable);
  await assertRefused('/dev/null', 'it is not a file');
  const odd = await image('odd', new Uint8Array(1000));
  await assertRefused(odd, 'its 1000 bytes are not a whole number of sectors of 512 bytes');
});

test('an image shorter than its partition table says is refused, as a CD-ROM it is not', async () => {
  const sector = new Uint8Array(1024);
  const view = new DataView(sector.buffer);
  view.setUint16(510, 0xaa55, true);
  view.setUint8(450, 0x83);
  view.setUint32(454, 1, true);
  view.setUint32(458, 9, true);
  const path = await image('short', sector);
  await assertRefused(path, 'it has 1024 bytes, but its partition table speaks of 5120');
  await (await openDiskFile(path, { role: 'CD-ROM image', readOnly: true })).close();
});

test('an image without write permission can be read only', { skip: process.getuid?.() === 0 }, async () => {
  const path = await image('unwritable');
  await chmod(path, 0o444);
  await assertRefused(path, 'permission is denied');
  await (await openDiskFile(path, readable)).close();
});

test('one writes or several read, this process or another', async () => {
  const path = await image('locked');
  const writer = await openDiskFile(path, writable);
  await assertRefused(path, 'another process has locked it');
  await assertRefused(path, 'another process has locked it', readable);
  assert.equal(spawnSync('flock', ['--nonblock', '--shared', path, 'true']).status, 1);
  await writer.close();
  const readers = await Promise.all([openDiskFile(path, readable), openDiskFile(path, readable)]);
  await assertRefused(path, 'another process has locked it');
  for (const reader of readers) await reader.close();
  await (await openDiskFile(path, writable)).close();
});

test('a file that becomes shorter gives I/O errors', async () => {
  const path = await image('shrunk');
  const disk = await openDiskFile(path, readable);
  await truncate(path, 512);
  await disk.read(0, new Uint8Array(512));
  await assert.rejects(disk.read(0, new Uint8Array(1024)), { name: 'BlockError', problem: 'io' });
  await disk.close();
});

test('a full disk is told as such', { skip: !existsSync('/dev/full') }, async () => {
  const disk = new DiskFile(await open('/dev/full', 'r+'), 512, true);
  await assert.rejects(disk.write(0, new Uint8Array(512)), { name: 'BlockError', problem: 'full' });
  assert.throws(() => disk.writeNow(0, new Uint8Array(512)), { name: 'BlockError', problem: 'full' });
  await disk.close();
});

test('a snapshot takes writes, leaves the image as it was and no file behind', async () => {
  const path = await image('snapshot');
  const scratch = await mkdtemp(join(folder, 'scratch-'));
  const disk = await throwAway(await openDiskFile(path, readable), scratch);
  await disk.write(1024, new Uint8Array(512).fill(0xcd));
  const into = new Uint8Array(1024);
  await disk.read(1024, into);
  assert.deepEqual([into[0], into[512]], [0xcd, 0]);
  assert.deepEqual(readdirSync(scratch), []);
  await disk.close();
  assert.ok((await readFile(path)).every((byte) => byte === 0));
});

test('a snapshot without a place for its writes is refused', async () => {
  const disk = await openDiskFile(await image('placeless'), readable);
  await assert.rejects(throwAway(disk, join(folder, 'nowhere')), {
    message: `Writes to a snapshot cannot be kept in ${join(folder, 'nowhere')}: there is no such file.`,
  });
  await disk.close();
});
