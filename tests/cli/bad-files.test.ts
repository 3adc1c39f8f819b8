import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { runWith, VIVARIUM } from './spawn.ts';

const builtIn = (name: string): Promise<Buffer> =>
  readFile(fileURLToPath(new URL(`../../guests/builtin/${name}`, import.meta.url)));

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vivarium-bad-files-'));
});
after(() => rm(folder, { recursive: true }));

async function file(name: string, contents: Uint8Array | string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, contents);
  return path;
}

/** One sentence on standard error that says why, nothing else, and status 2. */
async function assertRefused(words: string[], says: string): Promise<void> {
  const { status, stdout, stderr } = await runWith('', VIVARIUM, 'run', ...words);
  assert.equal(stdout, '');
  assert.equal(stderr, `vivarium: ${says}\n`);
  assert.equal(status, 2);
}

test('a kernel that is not there is refused', () => {
  const path = join(folder, 'missing');
  return assertRefused(['--kernel', path], `The kernel ${path} cannot be read: there is no such file.`);
});

test('a folder is no kernel', () =>
  assertRefused(['--kernel', folder], `The kernel ${folder} cannot be read: it is a directory.`));

test('a kernel without permission is refused', { skip: process.getuid?.() === 0 && 'root may read all' }, async () => {
  const path = await file('secret', 'x');
  await chmod(path, 0);
  await assertRefused(['--kernel', path], `The kernel ${path} cannot be read: permission is denied.`);
});

test('an initrd that is not there is refused', () => {
  const path = join(folder, 'missing');
  return assertRefused(['--initrd', path], `The initrd ${path} cannot be read: there is no such file.`);
});

test('a module that is not there is refused', () => {
  const path = join(folder, 'missing');
  return assertRefused(['--module', `${path},a=b`], `The module ${path} cannot be read: there is no such file.`);
});

test('a kernel that is refused leaves no trace file', async () => {
  const trace = join(folder, 'trace');
  const kernel = join(folder, 'missing');
  await assertRefused(
    ['--kernel', kernel, '--trace', `exits=${trace}`],
    `The kernel ${kernel} cannot be read: there is no such file.`,
  );
  await assert.rejects(readFile(trace), { code: 'ENOENT' });
});

const NO_KERNEL = 'This file is not a kernel Vivarium can boot: it is no Linux bzImage, PVH or Multiboot kernel.';

test('a file that is no kernel is refused', async () => {
  await assertRefused(['--kernel', await file('text', 'This is a text.\n')], NO_KERNEL);
  await assertRefused(['--kernel', await file('noise', randomBytes(100_000))], NO_KERNEL);
  await assertRefused(['--kernel', await file('empty', '')], 'The kernel file is empty.');
});

test('a program is no kernel', () =>
  assertRefused(
    ['--kernel', process.execPath],
    'This ELF file is not a kernel Vivarium can boot: it has neither a PVH note nor a Multiboot header.',
  ));

test('a truncated kernel is refused, wherever it ends', async () => {
  const whole = await builtIn('vmlinuz');
  for (const length of [600, 10_000, whole.length - 100]) {
    const path = await file('truncated', whole.subarray(0, length));
    const says = 'This kernel is truncated: the file ends before what its header promises.';
    await assertRefused(['--kernel', path], says);
  }
});

test('a damaged kernel is refused', async () => {
  const damaged = await builtIn('vmlinuz');
  damaged.fill(0, damaged.length >> 1);
  const says = 'This kernel is damaged: its compressed part does not decompress.';
  await assertRefused(['--kernel', await file('damaged', damaged)], says);
});

test('a truncated initrd is refused, compressed or not', async () => {
  const compressed = await builtIn('initramfs.cpio.gz');
  for (const whole of [compressed, gunzipSync(compressed)]) {
    const path = await file('half', whole.subarray(0, whole.length >> 1));
    const says = 'The initrd is truncated or damaged: an archive in it does not end.';
    await assertRefused(['--initrd', path], says);
  }
  await assertRefused(['--initrd', await file('empty', '')], 'The initrd file is empty.');
});

test('an initrd larger than the memory is refused', async () => {
  const path = await file('large', '');
  await truncate(path, 200 * 2 ** 20);
  const says = "The initrd (200 MiB) is larger than the guest's memory (128 MiB).";
  await assertRefused(['--initrd', path, '--memory', '128M'], says);
});

test('an initrd that leaves no room for the kernel is refused', async () => {
  const path = await file('large', '');
  await truncate(path, 120 * 2 ** 20);
  const { status, stdout, stderr } = await runWith('', VIVARIUM, 'run', '--initrd', path, '--memory', '128M');
  assert.equal(stdout, '');
  assert.match(stderr, /^vivarium: [^\n]+ memory[^\n]*\.\n$/);
  assert.equal(status, 2);
});

for (const [size, says] of [
  ['0', 'Guest memory must be at least 2 MiB, not 0 bytes.'],
  ['1M', 'Guest memory must be at least 2 MiB, not 1 MiB.'],
  ['4M', 'This kernel needs at least 34 MiB of memory, but the guest has 4 MiB.'],
  ['5000', 'Guest memory must be a multiple of 4096 bytes, but 5000 was asked for.'],
  ['64G', 'A guest can have 3584 MiB of memory at most.'],
  ['9000G', 'Guest memory can be at most 1024 GiB, not 9000 GiB.'],
] as const) {
  test(`${size} of memory is refused`, () => assertRefused(['--memory', size], says));
}

test('a command line longer than the kernel takes is refused', () =>
  assertRefused(
    ['--kernel', fileURLToPath(new URL('../../guests/builtin/vmlinuz', import.meta.url)), '--append', 'x'.repeat(3000)],
    'The kernel command line is 3000 bytes long, but this kernel takes at most 2047.',
  ));

test('modules for a kernel that takes none are refused', async () => {
  const says = 'A Linux kernel takes an initrd, not modules.';
  await assertRefused(['--module', await file('module', 'x')], says);
});

test('a trace where no file can be is refused', () => {
  const path = join(folder, 'missing', 'trace');
  return assertRefused(['--trace', `exits=${path}`], `The trace ${path} cannot be written: there is no such file.`);
});
