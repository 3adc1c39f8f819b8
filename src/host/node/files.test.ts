import assert from 'node:assert/strict';
import { mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { VivariumError } from '../../base/errors.ts';
import { readImage } from './files.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vivarium-files-'));
});
after(() => rm(folder, { recursive: true }));

async function assertRefused(path: string, says: string): Promise<void> {
  await assert.rejects(readImage(path, 'kernel'), (error) => {
    assert(error instanceof VivariumError);
    assert.deepEqual(error.fault, { kind: 'bad-file', path });
    assert.equal(error.message, `The kernel ${path} cannot be read: ${says}.`);
    return true;
  });
}

test('a file is read whole', async () => {
  const path = join(folder, 'image');
  await writeFile(path, Uint8Array.of(0, 255, 10, 13));
  assert.deepEqual([...(await readImage(path, 'kernel'))], [0, 255, 10, 13]);
});

test('what cannot be read is refused in one sentence', async () => {
  await assertRefused(join(folder, 'missing'), 'there is no such file');
  await assertRefused(folder, 'it is a directory');
  await symlink('loop', join(folder, 'loop'));
  await assertRefused(join(folder, 'loop'), 'its symbolic links run in a circle');
});

test('a file longer than any guest is refused before it is read', async () => {
  const path = join(folder, 'huge');
  await writeFile(path, '');
  await truncate(path, 2 ** 33);
  await assertRefused(path, 'it is longer than 4 GiB');
});
