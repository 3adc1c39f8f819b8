/** `run --share`: folders of the host, mounted by the built-in guest. */

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { atTerminal, terminalOptions } from './at-terminal.ts';
import { runWith, VIVARIUM } from './spawn.ts';

const folder = await mkdtemp(join(tmpdir(), 'vivarium-cli-share-'));
after(() => rm(folder, { recursive: true }));

const run = (script: string, ...words: string[]) => runWith(script, VIVARIUM, 'run', ...words);

test('folders are mounted where they are wanted, to be written or only to be read', async () => {
  const [drafts, data] = [join(folder, 'drafts'), join(folder, 'data')];
  await mkdir(drafts);
  await mkdir(data);
  await writeFile(join(data, 'in'), '3\n1\n2\n');
  const { status, stdout, stderr } = await run(
    'sort /data/in >/mnt/drafts/out; cat /mnt/drafts/out; touch /data/new 2>&1\n',
    ...['--share', drafts, '--share', `${data}:/data,ro`],
  );
  assert.equal(stderr, '');
  assert.equal(stdout, '1\n2\n3\ntouch: /data/new: Read-only file system\n');
  assert.equal(await readFile(join(drafts, 'out'), 'utf8'), '1\n2\n3\n');
  assert.equal(status, 0);
});

test('at a terminal, too, where the guest starts from its snapshot', terminalOptions, async () => {
  const [notes, data] = [join(folder, 'notes'), join(folder, 'more')];
  await mkdir(notes);
  await mkdir(data);
  const words = ['run', '--share', notes, '--share', `${data}:/data,ro`];
  const { shown, status } = await atTerminal(
    [...VIVARIUM, ...words],
    ['vivarium:~# ', 'echo kept >/mnt/notes/new; touch /data/new; cat /proc/cmdline; poweroff\r'],
  );
  assert.equal(await readFile(join(notes, 'new'), 'utf8'), 'kept\n');
  assert.match(shown, /touch: \/data\/new: Read-only file system/);
  // What a guest that boots at a terminal is told of it.
  assert.doesNotMatch(shown, /vivarium\.rows/);
  assert.equal(status, 'status 0');
});

test('a folder that is not there is said to be missing, before anything starts', async () => {
  const { status, stdout, stderr } = await run('echo started\n', '--share', join(folder, 'none'));
  assert.equal(stdout, '');
  assert.match(stderr, /^vivarium: The folder .*none cannot be shared: there is no such folder\.\n$/);
  assert.notEqual(status, 0);
});
