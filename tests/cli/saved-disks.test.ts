/** PCs with disks that they write to, saved and restored from the command line. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { bootDisk, skipWithoutNasm } from '../firmware/boot-images.ts';
import { type Running, runWith, start, VIVARIUM } from './spawn.ts';

const skip = skipWithoutNasm;
const folder = mkdtempSync(join(tmpdir(), 'vivarium-saved-disks-'));
after(() => rmSync(folder, { recursive: true }));
// Guests of others are not ours to see.
process.env.XDG_RUNTIME_DIR = folder;
process.env.TMPDIR = folder;
const file = (name: string): string => join(folder, name);
const DISK = file('disk.img');

const run = (...words: string[]): Running => start(VIVARIUM, 'run', ...words);

/** Sends a letter, and waits for what the guest says then. */
async function ask(guest: Running, letter: string, says: string): Promise<void> {
  const before = guest.shown().length;
  guest.process.stdin.write(letter);
  await guest.shows((stdout) => stdout.slice(before).endsWith('\n'));
  assert.equal(guest.shown().slice(before), `${says}\n`);
}

async function end(guest: Running): Promise<void> {
  guest.process.kill('SIGTERM');
  const { status, stderr } = await guest.result;
  assert.deepEqual([status, stderr], [143, '']);
}

async function refused(words: readonly string[], problem: string): Promise<void> {
  const result = await runWith('', VIVARIUM, 'run', ...words);
  assert.deepEqual(result, { status: 2, signal: null, stdout: '', stderr: `vivarium: ${problem}\n` });
}

test('what a guest writes with --snapshot goes on with it, and its image is needed again', { skip }, async () => {
  writeFileSync(DISK, bootDisk('', 'store'));
  const guest = run('--disk', `${DISK},bus=ahci`, '--snapshot', '--memory', '32M');
  await guest.shows('ready\n');
  await ask(guest, 'A', 'written');
  for (const [name, ...words] of [['layer.snap'], ['whole.snap', '--copy-disks']]) {
    const asked = await runWith('', VIVARIUM, 'snapshot', ...words, file(name as string));
    assert.deepEqual(asked, { status: 0, signal: null, stdout: '', stderr: '' });
  }
  await ask(guest, 'B', 'written');
  await end(guest);

  const again = run('--restore', file('layer.snap'), '--disk', `${DISK},bus=ahci`);
  await ask(again, '?', 'AA');
  await ask(again, 'C', 'written');
  await end(again);
  const alone = run('--restore', file('whole.snap'));
  await ask(alone, '?', 'AA');
  await end(alone);

  const missing =
    'The snapshot cannot be restored: it is of a machine with disk 0 on ahci (disk.img), which is not given.';
  await refused(['--restore', file('layer.snap')], missing);
  await refused(
    ['--restore', file('layer.snap'), '--disk', DISK],
    `The snapshot cannot be restored: it has no drive for ${DISK}.`,
  );
  writeFileSync(file('other.img'), bootDisk('another text', 'store'));
  await refused(
    ['--restore', file('layer.snap'), '--disk', `${file('other.img')},bus=ahci`],
    'The snapshot cannot be restored: it wants disk 0 on ahci (disk.img) as it was: the image that is given has other contents.',
  );
  await refused(['--copy-disks', '--disk', DISK], '--copy-disks needs --save.');
});

test('an image that is written in place is gone on with while nobody has written to it', { skip }, async () => {
  const path = file('in-place.img');
  writeFileSync(path, bootDisk('', 'store'));
  const guest = run('--disk', path, '--memory', '32M', '--save', file('saved.snap'));
  await guest.shows('ready\n');
  await ask(guest, 'A', 'written');
  await end(guest);
  const words = ['--restore', file('saved.snap'), '--disk', path];
  const layered = run(...words, '--snapshot');
  await ask(layered, '?', 'AA');
  await ask(layered, 'B', 'written');
  await end(layered);
  const again = run(...words);
  await ask(again, '?', 'AA');
  await ask(again, 'C', 'written');
  await end(again);
  await refused(
    words,
    'The snapshot cannot be restored: it wants disk 0 on ide (in-place.img) as it was: the image that is given has other contents.',
  );
});
