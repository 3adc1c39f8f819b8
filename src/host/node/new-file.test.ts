import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ResultFile } from './new-file.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vivarium-new-file-'));
});
after(() => rm(folder, { recursive: true }));

test('a result is written to a new file', async () => {
  const path = join(folder, 'new');
  const file = await ResultFile.create(path, 'result');
  await file.write('the result', ({ message }) => assert.fail(message));
  assert.equal(await readFile(path, 'utf8'), 'the result');
});

test('a file that exists is refused and keeps its contents', async () => {
  const path = join(folder, 'precious');
  await writeFile(path, 'precious');
  await assert.rejects(ResultFile.create(path, 'result'), {
    message: `The result ${path} cannot be written: it exists already.`,
    fault: { kind: 'bad-file', path },
  });
  assert.equal(await readFile(path, 'utf8'), 'precious');
});

test('a file that is discarded is gone, a device is not', async () => {
  const path = join(folder, 'discarded');
  await (await ResultFile.create(path, 'result')).discard();
  assert.equal(existsSync(path), false);
  await (await ResultFile.create('/dev/null', 'result')).discard();
  assert.equal(existsSync('/dev/null'), true);
});

test('a full disk is told in one sentence', { skip: !existsSync('/dev/full') }, async () => {
  const seen: string[] = [];
  const file = await ResultFile.create('/dev/full', 'result');
  await file.write('too much', ({ message }) => seen.push(message));
  assert.deepEqual(seen, ['The result /dev/full cannot be written: the disk is full.']);
});
