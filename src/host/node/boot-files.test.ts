import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { MemoryTree } from '../../files/memory-tree.ts';
import { bootFiles } from '../boot-files.ts';
import { openFolder } from './folder.ts';

/** Files beside links of all kinds; `outside` is what must not be read. */
function folder(): { readonly path: string; remove(): void } {
  const top = mkdtempSync(join(tmpdir(), 'vivarium-boot-files-'));
  const path = join(top, 'folder');
  mkdirSync(join(path, 'boot', 'deep'), { recursive: true });
  writeFileSync(join(top, 'outside'), 'outside');
  writeFileSync(join(path, 'boot', 'loader'), 'loader');
  writeFileSync(join(path, 'boot', 'deep', 'etc'), 'inside');
  for (const [name, target] of [
    ['link', 'boot/loader'],
    ['boot/deep/up', '../../link'],
    ['dir', 'boot/deep'],
    ['out', '../outside'],
    ['absolute', '/boot/loader'],
    ['host', join(top, 'outside')],
    ['round', 'round'],
    ['a', 'b'],
    ['b', './a'],
    ['nothing', 'nowhere'],
  ] as const) {
    symlinkSync(target, join(path, name));
  }
  return { path, remove: () => rmSync(top, { recursive: true }) };
}

async function readAll(files: ReturnType<typeof bootFiles>, name: string): Promise<string> {
  const file = await files.open(name);
  if (typeof file === 'string') return file;
  const bytes = new Uint8Array(file.sizeBytes);
  const count = await file.read(0, bytes);
  file.close();
  return new TextDecoder().decode(bytes.subarray(0, count));
}

test('names lead to files in the folder, by links too, and by no way out of it', async () => {
  const { path, remove } = folder();
  const tree = openFolder(path, { readOnly: true });
  try {
    const files = bootFiles(tree);
    for (const [name, content] of [
      ['boot/loader', 'loader'],
      ['/boot//./loader', 'loader'],
      ['boot\\loader', 'loader'],
      ['link', 'loader'],
      ['dir/etc', 'inside'],
      ['dir/up', 'loader'],
      ['boot/deep/../loader', 'loader'],
      ['absolute', 'loader'],
      ['out', 'denied'],
      ['../outside', 'denied'],
      ['/../outside', 'denied'],
      ['boot/../../outside', 'denied'],
      ['..\\outside', 'denied'],
      ['host', 'not-found'],
      ['round', 'denied'],
      ['a', 'denied'],
      ['nothing', 'not-found'],
      ['none', 'not-found'],
      ['boot', 'not-found'],
      ['boot/loader/x', 'not-found'],
      ['', 'not-found'],
      ['/', 'not-found'],
      ['x'.repeat(5000), 'not-found'],
      ['./'.repeat(2000), 'denied'],
    ] as const) {
      assert.equal(await readAll(files, name), content, name.slice(0, 40));
    }
  } finally {
    await tree.close?.();
    remove();
  }
});

test('a file that may not be read is denied', {
  skip: process.getuid?.() === 0 && 'root may read anything',
}, async () => {
  const { path, remove } = folder();
  const tree = openFolder(path, { readOnly: true });
  try {
    chmodSync(join(path, 'boot', 'loader'), 0);
    assert.equal(await bootFiles(tree).open('boot/loader'), 'denied');
  } finally {
    await tree.close?.();
    remove();
  }
});

test('files in memory are served, too', async () => {
  const files = bootFiles(await MemoryTree.of({ 'grub/core.0': 'core' }));
  assert.equal(await readAll(files, 'grub/core.0'), 'core');
});
