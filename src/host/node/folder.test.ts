import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { FileError, FileTree } from '../../files/file-tree.ts';
import { openFolder } from './folder.ts';
import { ByChecking, ByDescriptor } from './folder-places.ts';

const READ = { read: true, write: false, append: false, truncate: false };
const WRITE = { read: true, write: true, append: false, truncate: false };

const base = fs.mkdtempSync(join(tmpdir(), 'vivarium-folder-'));
after(() => fs.rmSync(base, { recursive: true, force: true }));
let count = 0;

/** A folder to share, beside a file and a folder that are secret. */
function scene() {
  const outside = join(base, String(count++));
  const folder = join(outside, 'shared');
  fs.mkdirSync(join(folder, 'd'), { recursive: true });
  fs.mkdirSync(join(outside, 'secrets'));
  fs.writeFileSync(join(outside, 'secret'), 'secret');
  fs.writeFileSync(join(outside, 'secrets', 'key'), 'secret');
  fs.writeFileSync(join(folder, 'd', 'f'), 'text');
  return { outside, folder };
}

/** All that is outside the folder, to be compared. */
const secrets = (outside: string): unknown =>
  [join(outside, 'secret'), join(outside, 'secrets', 'key'), join(outside, 'secrets')].map((path) => {
    const { mode, size, mtimeMs, nlink } = fs.statSync(path);
    return { mode, size, mtimeMs, nlink };
  });

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'done',
    (error: FileError) => error.code,
  );
}

const text = (bytes: string): Uint8Array => new TextEncoder().encode(bytes);

const ways = process.platform === 'linux' ? { ByDescriptor, ByChecking } : { ByChecking };

for (const [way, Places] of Object.entries(ways)) {
  const opened = (folder: string): FileTree => openFolder(folder, { places: new Places(folder) });

  test(`${way}: files are made, written, read, listed, renamed and removed`, async () => {
    const { folder } = scene();
    const tree = opened(folder);
    await tree.makeDirectory(['new'], 0o750);
    const file = await tree.create(['new', 'f'], 0o640, WRITE);
    assert.equal(await file.write(0, text('hello')), 5);
    await file.sync();
    const into = new Uint8Array(10);
    assert.equal(await file.read(1, into), 4);
    const { kind, mode, sizeBytes, uid, gid } = await file.stat();
    assert.deepEqual([kind, mode, sizeBytes, uid, gid], ['file', 0o640, 5, 0, 0]);
    await file.close();
    assert.equal(fs.readFileSync(join(folder, 'new', 'f'), 'utf8'), 'hello');
    assert.equal(await codeOf(tree.create(['new', 'f'], 0o640, WRITE)), 'EEXIST');
    await tree.hardLink(['new', 'f'], ['second']);
    await tree.makeLink(['link'], '/etc/passwd');
    assert.equal(await tree.readLink(['link']), '/etc/passwd');
    await tree.rename(['new'], ['d', 'newer']);
    const names = (await tree.list([])).map((entry) => `${entry.name} ${entry.kind}`);
    assert.deepEqual(names.sort(), ['d directory', 'link link', 'second file']);
    assert.deepEqual(
      (await tree.statEntries([], ['second', 'none'])).map((entry) => entry?.links),
      [2, undefined],
    );
    assert.equal(await codeOf(tree.removeFile(['d'])), 'EISDIR');
    assert.equal(await codeOf(tree.removeDirectory(['d'])), 'ENOTEMPTY');
    await tree.removeFile(['d', 'newer', 'f']);
    await tree.removeDirectory(['d', 'newer']);
    assert.deepEqual(fs.readdirSync(join(folder, 'd')), ['f']);
    assert.ok((await tree.sizes()).blocks > 0);
  });

  test(`${way}: appending goes to the end, and truncating empties`, async () => {
    const { folder } = scene();
    const tree = opened(folder);
    const file = await tree.open(['d', 'f'], { ...WRITE, append: true });
    await file.write(0, text('!'));
    await file.close();
    assert.equal(fs.readFileSync(join(folder, 'd', 'f'), 'utf8'), 'text!');
    await (await tree.open(['d', 'f'], { ...WRITE, truncate: true })).close();
    assert.equal(fs.readFileSync(join(folder, 'd', 'f'), 'utf8'), '');
  });

  test(`${way}: rights and times change; owners, set-user-ID and set-group-ID do not`, async () => {
    const { folder } = scene();
    const tree = opened(folder);
    const before = fs.statSync(join(folder, 'd', 'f'));
    const time = 1_234_567_890_123_456_000n;
    await tree.change(['d', 'f'], { mode: 0o6751, uid: 12345, gid: 54321, modifiedNs: time, sizeBytes: 2 });
    const stats = fs.statSync(join(folder, 'd', 'f'), { bigint: true });
    assert.equal(Number(stats.mode) & 0o7777, 0o751);
    assert.deepEqual([Number(stats.uid), Number(stats.gid)], [before.uid, before.gid]);
    assert.equal(stats.mtimeNs / 1000n, time / 1000n);
    assert.equal(stats.size, 2n);
    await tree.change([], { accessedNs: 'now', modifiedNs: time });
    assert.equal(fs.statSync(folder, { bigint: true }).mtimeNs / 1000n, time / 1000n);
    const made = await tree.create(['setuid'], 0o6755, WRITE);
    await made.change({ mode: 0o4755 });
    assert.equal((await made.stat()).mode, 0o755);
    await made.close();
  });

  test(`${way}: no symbolic link is followed, whatever is asked for behind or at it`, async () => {
    const { outside, folder } = scene();
    const tree = opened(folder);
    const before = secrets(outside);
    await tree.makeLink(['file'], '../secret');
    await tree.makeLink(['absolute'], join(outside, 'secret'));
    await tree.makeLink(['directory'], '../secrets');
    await tree.makeLink(['chain'], 'directory');
    await tree.makeLink(['d', 'up'], '../..');
    for (const path of [['file'], ['absolute']]) {
      assert.equal(await codeOf(tree.open(path, READ)), 'ELOOP');
      assert.equal(await codeOf(tree.open(path, { ...WRITE, truncate: true })), 'ELOOP');
      assert.equal(await codeOf(tree.create(path, 0o600, WRITE)), 'EEXIST');
      assert.equal(await codeOf(tree.change(path, { sizeBytes: 0 })), 'ELOOP');
      assert.equal(await codeOf(tree.change(path, { mode: 0o777 })), 'EOPNOTSUPP');
      await tree.change(path, { modifiedNs: 0n });
      assert.equal((await tree.stat(path)).kind, 'link');
    }
    for (const at of [['directory'], ['chain'], ['d', 'up', 'secrets'], ['d', 'up']]) {
      const key = [...at, 'key'];
      assert.equal(await codeOf(tree.stat(key)), 'ENOTDIR');
      assert.equal(await codeOf(tree.open(key, READ)), 'ENOTDIR');
      assert.equal(await codeOf(tree.create([...at, 'new'], 0o600, WRITE)), 'ENOTDIR');
      assert.equal(await codeOf(tree.makeDirectory([...at, 'new'], 0o700)), 'ENOTDIR');
      assert.equal(await codeOf(tree.makeLink([...at, 'new'], 'x')), 'ENOTDIR');
      assert.equal(await codeOf(tree.list(at)), 'ENOTDIR');
      assert.equal(await codeOf(tree.statEntries(at, ['key'])), 'ENOTDIR');
      assert.equal(await codeOf(tree.removeFile(key)), 'ENOTDIR');
      assert.equal(await codeOf(tree.removeDirectory(at)), 'ENOTDIR');
      assert.equal(await codeOf(tree.rename(key, ['stolen'])), 'ENOTDIR');
      assert.equal(await codeOf(tree.rename(['d', 'f'], [...at, 'new'])), 'ENOTDIR');
      assert.equal(await codeOf(tree.hardLink(key, ['stolen'])), 'ENOTDIR');
      assert.equal(await codeOf(tree.hardLink(['d', 'f'], [...at, 'new'])), 'ENOTDIR');
      assert.equal(await codeOf(tree.change(key, { mode: 0 })), 'ENOTDIR');
    }
    // A second name of the link is a link, too.
    if ((await codeOf(tree.hardLink(['absolute'], ['second']))) === 'done') {
      assert.equal((await tree.stat(['second'])).kind, 'link');
    }
    assert.deepEqual(secrets(outside), before);
    assert.deepEqual(fs.readdirSync(join(outside, 'secrets')), ['key']);
  });

  test(`${way}: names that are ways are no names`, async () => {
    const { outside, folder } = scene();
    const tree = opened(folder);
    const before = secrets(outside);
    for (const name of ['..', '.', '', '../secret', 'd/f', '/etc/passwd', 'a\0b']) {
      for (const path of [[name], ['d', name], [name, 'secret'], ['d', name, 'secret']]) {
        assert.equal(await codeOf(tree.stat(path)), 'EINVAL', path.join(' '));
        assert.equal(await codeOf(tree.open(path, READ)), 'EINVAL');
        assert.equal(await codeOf(tree.create(path, 0o600, WRITE)), 'EINVAL');
        assert.equal(await codeOf(tree.removeFile(path)), 'EINVAL');
        assert.equal(await codeOf(tree.rename(['d', 'f'], path)), 'EINVAL');
      }
    }
    assert.deepEqual(secrets(outside), before);
  });

  test(`${way}: pipes, sockets and devices are neither opened nor waited for`, async () => {
    const { folder } = scene();
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    const tree = opened(folder);
    assert.equal((await tree.stat(['pipe'])).kind, 'other');
    assert.equal(await codeOf(tree.open(['pipe'], READ)), 'ENXIO');
    assert.equal(await codeOf(tree.open(['pipe'], WRITE)), 'ENXIO');
    assert.equal(await codeOf(tree.change(['pipe'], { sizeBytes: 0 })), 'ENXIO');
    await tree.removeFile(['pipe']);
    assert.equal(await codeOf(tree.stat(['pipe'])), 'ENOENT');
  });

  test(`${way}: what is open stays open when its name is gone, and none stays open that was closed`, async () => {
    const { folder } = scene();
    const tree = opened(folder);
    const descriptors = (): string[] =>
      (process.platform === 'linux' ? fs.readdirSync('/proc/self/fd') : []).flatMap((fd) => {
        try {
          const target = fs.readlinkSync(`/proc/self/fd/${fd}`);
          return target.startsWith(folder) ? [target] : [];
        } catch {
          return []; // it was that of the look
        }
      });
    const before = descriptors();
    const file = await tree.open(['d', 'f'], READ);
    await tree.removeFile(['d', 'f']);
    const into = new Uint8Array(4);
    assert.equal(await file.read(0, into), 4);
    await file.close();
    for (let i = 0; i < 50; i++) {
      await codeOf(tree.open(['d', 'none'], READ));
      await codeOf(tree.open(['d'], READ));
      await codeOf(tree.list(['d']));
      await codeOf(tree.stat(['d', 'none', 'x']));
      await codeOf(tree.rename(['d', 'none'], ['none', 'x']));
    }
    assert.deepEqual(descriptors(), before);
  });
}

test('a folder that is closed is not looked at any more', async () => {
  const { folder } = scene();
  const tree = openFolder(folder, { readOnly: true });
  await tree.close?.();
  await tree.close?.();
  if (process.platform === 'linux') assert.equal(await codeOf(tree.stat(['d'])), 'ENODEV');
});

test('what is not UTF-8 is not shown', {
  skip: process.platform !== 'linux' && 'names are text elsewhere',
}, async () => {
  const { folder } = scene();
  fs.writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x66, 0xff])]), '');
  assert.deepEqual(await openFolder(folder).list([]), [{ name: 'd', kind: 'directory' }]);
});

test('a folder that is to be read stays as it is', async () => {
  const { folder } = scene();
  const tree = openFolder(folder, { readOnly: true });
  assert.equal(await codeOf(tree.open(['d', 'f'], WRITE)), 'EROFS');
  assert.equal(await codeOf(tree.create(['new'], 0o600, WRITE)), 'EROFS');
  assert.equal(await codeOf(tree.open(['d', 'f'], READ)), 'done');
});

test('says what is wrong with a folder that cannot be shared', () => {
  const { folder } = scene();
  assert.throws(() => openFolder(join(folder, 'none')), { message: /cannot be shared: there is no such folder\.$/ });
  assert.throws(() => openFolder(join(folder, 'd', 'f')), { message: /cannot be shared: it is not a folder\.$/ });
});

// A program of the host that is on the guest's side: directories become links, all the time.
test('directories that turn into links lead nowhere', {
  skip: process.platform !== 'linux' && 'needs descriptors',
}, async () => {
  const { outside, folder } = scene();
  const tree = openFolder(folder);
  const before = secrets(outside);
  fs.writeFileSync(join(outside, 'go'), '');
  fs.writeFileSync(join(folder, 'd', 'key'), 'mine');
  const turn = `const fs = require('node:fs');
    while (fs.existsSync('../go')) {
      fs.renameSync('d', 'e');
      fs.symlinkSync('../secrets', 'd');
      fs.unlinkSync('d');
      fs.renameSync('e', 'd');
    }`;
  const turning = spawn(process.execPath, ['-e', turn], { cwd: folder, stdio: 'inherit' });
  const ended = new Promise((resolve) => turning.once('exit', resolve));
  const met = new Map<string, number>();
  for (let i = 0; i < 8000; i++) {
    const found = await tree.open(['d', 'key'], READ).then(
      async (file) => {
        const into = new Uint8Array(6);
        const length = await file.read(0, into);
        await file.close();
        return new TextDecoder().decode(into.subarray(0, length));
      },
      (error: FileError) => error.code,
    );
    met.set(found, (met.get(found) ?? 0) + 1);
    await codeOf(tree.create(['d', `new-${i}`], 0o600, WRITE).then((file) => file.close()));
    await codeOf(tree.change(['d', 'key'], { mode: 0o601 }));
    if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  fs.rmSync(join(outside, 'go'));
  await ended;
  assert.equal(met.get('secret'), undefined);
  assert.deepEqual(fs.readdirSync(join(outside, 'secrets')), ['key']);
  assert.deepEqual(secrets(outside), before);
});
