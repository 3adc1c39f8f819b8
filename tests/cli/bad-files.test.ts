import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runWith, VIVARIUM } from './spawn.ts';

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
