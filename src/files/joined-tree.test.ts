import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FileError } from './file-tree.ts';
import { joinedTree } from './joined-tree.ts';
import { MemoryTree } from './memory-tree.ts';
import { readOnly } from './read-only.ts';

const WRITE = { read: true, write: true, append: false, truncate: false };

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'done',
    (error: FileError) => error.code,
  );
}

async function joined() {
  const one = await MemoryTree.of({ f: 'first', 'd/e': 'deep' });
  const two = await MemoryTree.of({ f: 'second' });
  const tree = joinedTree(
    new Map([
      ['one', one],
      ['two', readOnly(two)],
    ]),
  );
  return { one, two, tree };
}

test('each tree is below its name', async () => {
  const { one, tree } = await joined();
  assert.deepEqual(await tree.list([]), [
    { name: 'one', kind: 'directory' },
    { name: 'two', kind: 'directory' },
  ]);
  assert.deepEqual(await tree.list(['one', 'd']), [{ name: 'e', kind: 'file' }]);
  assert.equal((await tree.stat(['two', 'f'])).sizeBytes, 6);
  const file = await tree.create(['one', 'new'], 0o644, WRITE);
  await file.write(0, Uint8Array.of(7));
  await file.close();
  assert.deepEqual(await one.readFile(['new']), Uint8Array.of(7));
  await tree.rename(['one', 'new'], ['one', 'd', 'new']);
  assert.equal((await one.stat(['d', 'new'])).sizeBytes, 1);
  assert.equal(await codeOf(tree.stat(['three'])), 'ENOENT');
});

test('files of two trees are told apart', async () => {
  const { tree } = await joined();
  const paths = [[], ['one'], ['two'], ['one', 'f'], ['two', 'f'], ['one', 'd'], ['one', 'd', 'e']];
  const ids = await Promise.all(paths.map(async (path) => (await tree.stat(path)).id));
  assert.equal(new Set(ids).size, paths.length);
  const [entry] = await tree.statEntries(['two'], ['f']);
  const file = await tree.open(['two', 'f'], { ...WRITE, write: false });
  assert.equal(entry?.id, ids[4]);
  assert.equal((await file.stat()).id, ids[4]);
});

test('nothing is made or removed beside the trees, and nothing goes from one to another', async () => {
  const { tree } = await joined();
  assert.equal(await codeOf(tree.makeDirectory(['three'], 0o755)), 'EROFS');
  assert.equal(await codeOf(tree.removeDirectory(['one'])), 'EROFS');
  assert.equal(await codeOf(tree.rename(['one'], ['three'])), 'EROFS');
  assert.equal(await codeOf(tree.create(['f'], 0o644, WRITE)), 'EROFS');
  assert.equal(await codeOf(tree.rename(['one', 'f'], ['two', 'g'])), 'EXDEV');
  assert.equal(await codeOf(tree.hardLink(['one', 'f'], ['two', 'g'])), 'EXDEV');
  assert.equal(await codeOf(tree.change([], { mode: 0 })), 'EROFS');
});

test('a tree that is only to be read stays so, and each says what room it has', async () => {
  const { tree } = await joined();
  assert.equal(await codeOf(tree.create(['two', 'g'], 0o644, WRITE)), 'EROFS');
  assert.equal(await codeOf(tree.open(['two', 'f'], WRITE)), 'EROFS');
  assert.ok((await tree.sizes(['one'])).freeBlocks > 0);
  assert.deepEqual(await tree.sizes(), await tree.sizes(['one']));
  assert.equal(await codeOf(joinedTree(new Map()).sizes()), 'ENOENT');
});
