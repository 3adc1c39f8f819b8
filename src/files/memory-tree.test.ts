import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FileError } from './file-tree.ts';
import { MemoryTree } from './memory-tree.ts';

const WRITE = { read: true, write: true, append: false, truncate: false };
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'done',
    (error: FileError) => error.code,
  );
}

test('is made from paths and contents', async () => {
  const tree = await MemoryTree.of({ 'a/b/c': 'text', '/a/d': Uint8Array.of(1), e: '' });
  assert.equal(text(await tree.readFile(['a', 'b', 'c'])), 'text');
  assert.deepEqual(await tree.list(['a']), [
    { name: 'b', kind: 'directory' },
    { name: 'd', kind: 'file' },
  ]);
  assert.deepEqual((await tree.stat([])).links, 3);
  const again = await MemoryTree.of(new Map([['x', 'y']]));
  assert.equal(text(await again.readFile(['x'])), 'y');
  assert.equal(await codeOf(MemoryTree.of({ a: 'file', 'a/b': 'below it' })), 'ENOTDIR');
});

test('contents with holes read as zeros, and what is cut off is gone', async () => {
  const tree = new MemoryTree();
  const file = await tree.create(['f'], 0o644, WRITE);
  await file.write(1_000_000, Uint8Array.of(1, 2, 3));
  const { sizeBytes, storedBytes } = await file.stat();
  assert.equal(sizeBytes, 1_000_003);
  assert.ok(storedBytes < 200_000);
  const into = new Uint8Array(10).fill(9);
  assert.equal(await file.read(999_996, into), 7);
  assert.deepEqual([...into], [0, 0, 0, 0, 1, 2, 3, 9, 9, 9]);
  await file.change({ sizeBytes: 1_000_001 });
  await file.change({ sizeBytes: 1_000_010 });
  await file.read(1_000_000, into);
  assert.deepEqual([...into], [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
});

test('takes no more than its limit, and gives back what is removed', async () => {
  const tree = new MemoryTree({ limitBytes: 2 ** 20 });
  const file = await tree.create(['f'], 0o644, WRITE);
  const taken = await file.write(0, new Uint8Array(2 ** 21));
  assert.ok(taken > 900_000 && taken < 2 ** 20);
  assert.equal(await codeOf(file.write(taken, new Uint8Array(100_000))), 'ENOSPC');
  let made = 0;
  while ((await codeOf(tree.makeDirectory([`d${made}`], 0o755))) === 'done') made++;
  assert.ok(made < 2048);
  await tree.removeFile(['f']);
  // It is still open.
  assert.equal(await codeOf(tree.makeDirectory(['more'], 0o755)), 'ENOSPC');
  await file.close();
  assert.equal(await codeOf(tree.makeDirectory(['more'], 0o755)), 'done');
  assert.equal(await codeOf((await tree.create(['g'], 0o644, WRITE)).write(2 ** 50, Uint8Array.of(1))), 'EFBIG');
});

test('renames as POSIX has it', async () => {
  const tree = await MemoryTree.of({ 'd/f': '1', 'e/f': '2', g: '3' });
  assert.equal(await codeOf(tree.rename(['d'], ['e'])), 'ENOTEMPTY');
  assert.equal(await codeOf(tree.rename(['g'], ['d'])), 'EISDIR');
  assert.equal(await codeOf(tree.rename(['d'], ['g'])), 'ENOTDIR');
  assert.equal(await codeOf(tree.rename(['d'], ['d', 'x'])), 'EINVAL');
  assert.equal(await codeOf(tree.rename(['none'], ['x'])), 'ENOENT');
  await tree.removeFile(['e', 'f']);
  await tree.rename(['d'], ['e']);
  assert.equal(text(await tree.readFile(['e', 'f'])), '1');
  await tree.hardLink(['g'], ['h']);
  await tree.rename(['g'], ['h']);
  assert.deepEqual((await tree.list([])).map(({ name }) => name).sort(), ['e', 'g', 'h']);
});
