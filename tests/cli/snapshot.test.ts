/** Guests saved and restored from the command line. */

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Result, runWith, start, VIVARIUM } from './spawn.ts';

const folder = mkdtempSync(join(tmpdir(), 'vivarium-snapshot-'));
after(() => rmSync(folder, { recursive: true }));
// Guests of others are not ours to see.
process.env.XDG_RUNTIME_DIR = folder;
process.env.TMPDIR = folder;
const file = (name: string): string => join(folder, name);

const run = (...words: string[]): Promise<Result> => runWith('', VIVARIUM, 'run', ...words);

test('a guest is saved while it runs and when a signal ends it, and goes on from both', async () => {
  const guest = start(VIVARIUM, 'run', '--memory', '128M', '--save', file('end.snap'));
  guest.process.stdin.write('echo one; read x; echo two $x; poweroff\n');
  await guest.shows('one');
  const asked = await runWith('', VIVARIUM, 'snapshot', file('middle.snap'));
  assert.deepEqual(asked, { status: 0, signal: null, stdout: '', stderr: '' });
  guest.process.kill('SIGTERM');
  assert.deepEqual(await guest.result, { status: 143, signal: null, stdout: 'one\n', stderr: '' });
  for (const name of ['middle.snap', 'end.snap']) {
    const restored = await runWith('three\n', VIVARIUM, 'run', '--restore', file(name));
    assert.deepEqual(restored, { status: 0, signal: null, stdout: 'two three\n', stderr: '' }, name);
  }

  for (const [words, says] of [
    [['--memory', '1G'], '--memory contradicts --restore: the snapshot says what the guest is.'],
    [['--kernel', 'a'], '--kernel contradicts --restore: the snapshot says what the guest is.'],
    [
      ['--cdrom', 'a'],
      `The snapshot ${file('end.snap')} is of a guest without firmware: leave out the options of PCs.`,
    ],
  ] as const) {
    const refused = await run('--restore', file('end.snap'), ...words);
    assert.deepEqual(refused, { status: 2, signal: null, stdout: '', stderr: `vivarium: ${says}\n` });
  }

  const bytes = readFileSync(file('end.snap'));
  bytes[bytes.length - 1000] = (bytes[bytes.length - 1000] as number) ^ 1;
  writeFileSync(file('damaged.snap'), bytes);
  const damaged = await run('--restore', file('damaged.snap'));
  assert.match(damaged.stderr, /^vivarium: The snapshot cannot be restored: its section "memory\/\d+" is damaged\.\n$/);
  assert.equal(damaged.status, 2);
});

test('snapshots say the differences to others, which are named again to restore them', async () => {
  const guest = start(VIVARIUM, 'run');
  guest.process.stdin.write('echo one; read x; echo two $x; poweroff\n');
  await guest.shows('one');
  for (const [name, ...bases] of [
    ['first.snap'],
    ['second.snap', 'first.snap'],
    ['third.snap', 'second.snap', 'first.snap'],
  ]) {
    const words = bases.flatMap((base) => ['--base', file(base)]);
    const asked = await runWith('', VIVARIUM, 'snapshot', ...words, file(name as string));
    assert.deepEqual(asked, { status: 0, signal: null, stdout: '', stderr: '' }, name);
  }
  guest.process.kill('SIGKILL');
  const size = (name: string): number => readFileSync(file(name)).length;
  assert.ok(size('third.snap') < size('first.snap') / 4);
  const bases = ['--base', file('first.snap'), '--base', file('second.snap')];
  const restored = await runWith('three\n', VIVARIUM, 'run', '--restore', file('third.snap'), ...bases);
  assert.deepEqual(restored, { status: 0, signal: null, stdout: 'two three\n', stderr: '' });
  const refused = await run('--restore', file('third.snap'), '--base', file('second.snap'));
  const says = 'it has a base that is against another snapshot, which is not given';
  assert.equal(refused.stderr, `vivarium: The snapshot cannot be restored: ${says}.\n`);
  assert.equal(refused.status, 2);
});

test('a guest that ends by itself is not saved', async () => {
  const result = await runWith('poweroff\n', VIVARIUM, 'run', '--save', file('gone.snap'));
  const stderr = 'vivarium: There is no snapshot: the guest ended by itself.\n';
  assert.deepEqual(result, { status: 8, signal: null, stdout: '', stderr });
  assert.ok(!existsSync(file('gone.snap')));
});

test('what is no snapshot is refused, and one that is there is not overwritten', async () => {
  writeFileSync(file('text'), 'This is no snapshot, however long it may be.');
  const refused = await run('--restore', file('text'));
  const stderr = 'vivarium: The snapshot cannot be restored: it is no snapshot of Vivarium.\n';
  assert.deepEqual(refused, { status: 2, signal: null, stdout: '', stderr });
  const kept = await run('--save', file('text'));
  assert.equal(kept.stderr, `vivarium: The snapshot ${file('text')} cannot be written: it exists already.\n`);
  assert.equal(kept.status, 2);
});
