import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StateError } from '../../base/state.ts';
import { ERROR_NUMBERS } from '../errors.ts';
import { MemoryTree } from '../memory-tree.ts';
import { readOnly } from '../read-only.ts';
import * as p9 from './protocol.ts';
import { Server9p } from './server.ts';
import { Answer, Client, message, u16, u32, u64 } from './test-client.ts';

const { EBADF, EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, EOPNOTSUPP, EPERM, EPROTO, EROFS, ESTALE } =
  ERROR_NUMBERS;

async function share(files: Record<string, string> = {}) {
  const tree = await MemoryTree.of(files);
  const server = new Server9p(tree);
  return { tree, server, client: await Client.attached(server) };
}

test('agrees on the smaller message and on 9P2000.L alone', async () => {
  const server = new Server9p(new MemoryTree());
  const client = new Client(server);
  const answer = await client.ask(p9.VERSION_MESSAGE, u32(8192), '9P2000.L');
  assert.deepEqual([answer.type, answer.u32(), answer.text()], [p9.VERSION_MESSAGE + 1, 8192, '9P2000.L']);
  const large = await client.ask(p9.VERSION_MESSAGE, u32(2 ** 31), '9P2000.L');
  assert.equal(large.u32(), 1 << 20);
  const old = await client.ask(p9.VERSION_MESSAGE, u32(8192), '9P2000.u');
  assert.deepEqual([old.u32(), old.text()], [8192, 'unknown']);
  assert.equal((await client.ask(p9.ATTACH, u32(0), u32(p9.NO_FID), '', '', u32(0))).error, EPROTO);
});

test('walks as far as there are files, and gives a fid to who arrives', async () => {
  const { client } = await share({ 'a/b/c': 'text' });
  const whole = await client.walk(0, 1, 'a', 'b', 'c');
  assert.equal(whole.u16(), 3);
  assert.deepEqual([whole.qid().type, whole.qid().type, whole.qid().type], [0x80, 0x80, 0]);
  const part = await client.walk(0, 2, 'a', 'none', 'c');
  assert.equal(part.u16(), 1);
  assert.equal((await client.clunk(2)).error, EBADF);
  assert.equal((await client.walk(0, 2, 'none')).error, ENOENT);
  assert.equal((await client.walk(1, 2, 'below')).error, ENOTDIR);
  assert.equal((await client.walk(0, 1, 'a')).error, EBADF);
});

test('nothing leads above the root', async () => {
  const { client } = await share({ 'a/b': '' });
  const root = await client.attributes(0);
  await client.walk(0, 1, '..', '..', 'a', '..', '..');
  assert.deepEqual(await client.attributes(1), root);
  for (const name of ['', '.', 'a/b', '/', 'a\0']) assert.equal((await client.walk(0, 2, name)).error, EINVAL, name);
  for (const name of ['', '.', '..', '../x', 'a/b']) assert.equal((await client.mkdir(0, name)).error, EINVAL, name);
});

test('creates, writes, reads, appends, truncates', async () => {
  const { client, tree } = await share();
  await client.walk(0, 1);
  assert.equal((await client.create(1, 'new')).type, p9.LCREATE + 1);
  assert.equal((await client.write(1, 0, 'hello')).u32(), 5);
  assert.equal((await client.write(1, 10, 'end')).u32(), 3);
  assert.equal(await client.read(1, 0, 100), 'hello\0\0\0\0\0end');
  assert.equal(await client.read(1, 100, 100), '');
  await client.clunk(1);
  await client.walk(0, 1, 'new');
  await client.open(1, p9.OPEN_WRITE_ONLY | p9.OPEN_APPEND);
  await client.write(1, 0, '!');
  assert.equal(await client.read(1, 0, 10), EBADF);
  assert.deepEqual(await tree.readFile(['new']), new TextEncoder().encode('hello\0\0\0\0\0end!'));
  await client.walk(0, 2, 'new');
  await client.open(2, p9.OPEN_READ_WRITE | p9.OPEN_TRUNCATE);
  assert.equal(await client.read(2, 0, 10), '');
  await client.walk(0, 3);
  assert.equal((await client.create(3, 'new', p9.OPEN_READ_WRITE | p9.OPEN_EXCLUSIVE)).error, EEXIST);
  assert.equal((await client.create(3, 'new', p9.OPEN_READ_WRITE)).error, undefined);
});

test('a file that is open outlives its name', async () => {
  const { client } = await share({ f: 'kept' });
  await client.walk(0, 1, 'f');
  await client.walk(0, 2, 'f');
  await client.open(1, p9.OPEN_READ_WRITE);
  await client.unlink(0, 'f');
  assert.equal(await client.read(1, 0, 10), 'kept');
  await client.write(1, 4, ' on');
  // By the fid that has it open, and by another that only knows where it was.
  for (const fid of [1, 2]) {
    const attributes = await client.attributes(fid);
    assert.ok(typeof attributes === 'object');
    assert.deepEqual([attributes.size, attributes.links], [7, 0]);
  }
  // Another file of that name is another file.
  await client.walk(0, 3);
  await client.create(3, 'f');
  assert.equal(((await client.attributes(2)) as { size: number }).size, 7);
  await client.clunk(1);
  assert.equal(await client.attributes(2), ENOENT);
});

test('fids go along when a directory above them is renamed', async () => {
  const { client } = await share({ 'a/b/c': 'text', 'x/y': '' });
  await client.walk(0, 1, 'a', 'b', 'c');
  await client.walk(0, 2, 'x');
  assert.equal((await client.rename(0, 'a', 2, 'z')).error, undefined);
  await client.open(1);
  assert.equal(await client.read(1, 0, 10), 'text');
  await client.walk(0, 3, 'x', 'z');
  await client.walk(3, 4, 'b');
  assert.equal((await client.rename(2, 'z', 4, 'in itself')).error, EINVAL);
  assert.equal((await client.ask(p9.RENAME, u32(4), u32(0), 'moved')).error, undefined);
  assert.equal((await client.walk(0, 5, 'moved', 'c')).u16(), 2);
  assert.equal((await client.ask(p9.RENAME, u32(0), u32(4), 'root')).error, ERROR_NUMBERS.EBUSY);
});

test('what is renamed over is gone for its fids', async () => {
  const { client } = await share({ old: 'old', new: 'new' });
  await client.walk(0, 1, 'old');
  await client.rename(0, 'new', 0, 'old');
  assert.equal(await client.attributes(1), ENOENT);
  await client.walk(0, 2, 'old');
  await client.open(2);
  assert.equal(await client.read(2, 0, 10), 'new');
});

test('reads a large directory piece by piece, whatever is removed meanwhile', async () => {
  const files = Object.fromEntries(Array.from({ length: 1500 }, (_, i) => [`file-${i}`, '']));
  const { client } = await share(files);
  await client.walk(0, 1);
  await client.open(1);
  const seen: string[] = [];
  for (let offset = 0n; ; ) {
    const { names, next } = await client.names(1, offset, 4000);
    if (names.length === 0) break;
    for (const name of names) if (name.startsWith('file')) await client.unlink(0, name);
    seen.push(...names);
    offset = next;
  }
  assert.deepEqual(seen.sort(), ['.', '..', ...Object.keys(files)].sort());
  assert.deepEqual((await client.names(1, 0n, 4000)).names, ['.', '..']);
  await assert.rejects(client.names(1, 0n, 5), { message: `error ${EINVAL}` });
});

test('links, rights, sizes and times are kept', async () => {
  const { client, tree } = await share({ f: 'text' });
  await client.symlink(0, 'l', '/etc/passwd');
  await client.walk(0, 1, 'l');
  assert.equal((await client.ask(p9.READLINK, u32(1))).text(), '/etc/passwd');
  assert.equal((await client.open(1)).error, ERROR_NUMBERS.ELOOP);
  await client.walk(0, 2, 'f');
  await client.ask(p9.LINK, u32(0), u32(2), 'second');
  assert.equal((await tree.stat(['second'])).links, 2);
  const set = (valid: number, mode: number, size: number, seconds: number) =>
    client.ask(
      p9.SETATTR,
      u32(2),
      u32(valid),
      u32(mode),
      u32(1),
      u32(2),
      u64(size),
      u64(0),
      u64(0),
      u64(seconds),
      u64(5),
    );
  await set(p9.SET_MODE | p9.SET_SIZE | p9.SET_MODIFIED | p9.SET_MODIFIED_TO | p9.SET_GID, 0o4711, 2, 1000);
  const attributes = await tree.stat(['f']);
  assert.deepEqual(
    [attributes.mode, attributes.sizeBytes, attributes.uid, attributes.gid, attributes.modifiedNs],
    [0o4711, 2, 0, 2, 1_000_000_000_005n],
  );
});

test('directories are removed as directories, files as files', async () => {
  const { client } = await share({ 'd/f': '' });
  assert.equal((await client.unlink(0, 'd')).error, EISDIR);
  assert.equal((await client.unlink(0, 'd', p9.AT_REMOVE_DIRECTORY)).error, ENOTEMPTY);
  await client.walk(0, 1, 'd', 'f');
  assert.equal((await client.ask(p9.REMOVE, u32(1))).error, undefined);
  assert.equal((await client.clunk(1)).error, EBADF);
  assert.equal((await client.unlink(0, 'd', p9.AT_REMOVE_DIRECTORY)).error, undefined);
});

test('refuses what it does not have, in words that Linux knows', async () => {
  const { client } = await share({ f: '' });
  await client.walk(0, 1, 'f');
  assert.equal((await client.ask(p9.XATTRWALK, u32(1), u32(9), 'user.x')).error, EOPNOTSUPP);
  assert.equal((await client.ask(p9.MKNOD, u32(0), 'dev', u32(0o20666), u32(1), u32(3), u32(0))).error, EPERM);
  assert.equal((await client.ask(250)).error, EOPNOTSUPP);
  assert.equal((await client.ask(p9.FLUSH, u16(7))).type, p9.FLUSH + 1);
});

test('a read-only tree stays as it is', async () => {
  const tree = await MemoryTree.of({ 'd/f': 'text' });
  const client = await Client.attached(new Server9p(readOnly(tree)));
  await client.walk(0, 1, 'd', 'f');
  await client.walk(0, 2);
  const refused = [
    await client.open(1, p9.OPEN_READ_WRITE),
    await client.create(2, 'new'),
    await client.mkdir(0, 'new'),
    await client.symlink(0, 'new', 'x'),
    await client.ask(p9.LINK, u32(0), u32(1), 'new'),
    await client.rename(0, 'd', 0, 'new'),
    await client.unlink(0, 'd', p9.AT_REMOVE_DIRECTORY),
    await client.ask(
      p9.SETATTR,
      u32(1),
      u32(p9.SET_MODE),
      ...Array.from({ length: 3 }, () => u32(0)),
      ...Array.from({ length: 5 }, () => u64(0)),
    ),
  ];
  assert.deepEqual(new Set(refused.map(({ error }) => error)), new Set([EROFS]));
  await client.open(1);
  assert.equal(await client.read(1, 0, 10), 'text');
  assert.deepEqual(
    (await tree.list([])).map(({ name }) => name),
    ['d'],
  );
});

test('answers no longer than there is room', async () => {
  const { client, server } = await share({ f: 'x'.repeat(1000) });
  await client.walk(0, 1, 'f');
  await client.open(1);
  const read = message(p9.READ, 1, u32(1), u64(0), u32(1000));
  assert.equal((await server.request(read, 111)).length, 111);
  const attributes = message(p9.GETATTR, 1, u32(1), u64(0));
  assert.equal(new Answer(await server.request(attributes, 100)).error, ERROR_NUMBERS.EMSGSIZE);
  assert.equal((await server.request(attributes, 10)).length, 0);
});

test('a session is saved by paths and goes on elsewhere', async () => {
  const { client, server, tree } = await share({ 'a/f': 'text', gone: 'gone' });
  await client.walk(0, 1, 'a', 'f');
  await client.open(1, p9.OPEN_READ_WRITE);
  await client.walk(0, 2, 'a');
  await client.open(2);
  await client.walk(0, 3, 'gone');
  await client.open(3);
  await client.unlink(0, 'gone');
  const other = new Server9p(tree);
  other.restore(server.save());
  assert.deepEqual(other.save(), server.save());
  const again = new Client(other);
  assert.equal((await again.write(1, 4, ' on')).u32(), 3);
  assert.equal(await again.read(1, 0, 10), 'text on');
  assert.deepEqual((await again.names(2, 0n, 1000)).names, ['.', '..', 'f']);
  assert.equal(await again.read(3, 0, 10), ESTALE);
  assert.equal((await again.clunk(3)).error, undefined);
  await again.rename(0, 'a', 0, 'b');
  assert.equal((await again.write(1, 0, 'T')).u32(), 1);
});

test('damaged sessions are refused, or borne', async () => {
  const { client, server, tree } = await share({ 'a/f': 'text' });
  await client.walk(0, 1, 'a', 'f');
  await client.open(1);
  const saved = server.save();
  let borne = 0;
  for (let i = 0; i < 20_000; i++) {
    const damaged = i % 3 === 0 ? saved.slice(0, i % saved.length) : saved.slice();
    if (damaged.length > 0) damaged[(i * 7919) % damaged.length] = (i * 31) & 0xff;
    const other = new Server9p(tree);
    try {
      other.restore(damaged);
      borne++;
    } catch (error) {
      assert.ok(error instanceof StateError, String(error));
      continue;
    }
    await new Client(other).read(1, 0, 10);
  }
  assert.ok(borne > 100);
});

test('a reset closes everything, and what was asked before has no answer', async () => {
  const { client, server, tree } = await share({ f: 'text' });
  await client.walk(0, 1, 'f');
  await client.open(1);
  const late = server.request(message(p9.READ, 1, u32(1), u64(0), u32(4)), 100);
  const later = server.request(message(p9.READ, 1, u32(1), u64(0), u32(4)), 100);
  server.reset();
  await late;
  assert.equal((await later).length, 0);
  const again = await Client.attached(server);
  assert.equal(await again.read(1, 0, 10), EBADF);
  await again.unlink(0, 'f');
  assert.equal((await tree.sizes()).files, 1);
});

test('fids and open files have bounds', async () => {
  const { client } = await share({ f: '' });
  const errors = new Set<number | undefined>();
  for (let i = 1; i < 2100; i++) {
    await client.walk(0, i, 'f');
    errors.add((await client.open(i)).error);
  }
  assert.deepEqual(errors, new Set([undefined, ERROR_NUMBERS.EMFILE]));
  let refused = 0;
  for (let i = 3000; i < 3000 + (1 << 17); i++) if ((await client.walk(0, i)).error === ERROR_NUMBERS.ENFILE) refused++;
  assert.ok(refused > 0 && refused < 3000);
});
