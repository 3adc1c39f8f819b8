/** `vivarium screen`, from another process than the guest's. */

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { FAKE, type Result, type Running, runWith, start, VIVARIUM } from './spawn.ts';

const PNG = Buffer.from('89504e470d0a1a0a', 'hex');
const POLL_MS = 200;

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vivarium-screen-'));
  // Guests of others are not ours to see.
  process.env.XDG_RUNTIME_DIR = folder;
  process.env.TMPDIR = folder;
});
after(() => rm(folder, { recursive: true }));

const screen = (...words: string[]): Promise<Result> => runWith('', VIVARIUM, 'screen', ...words);

async function assertRefused(words: readonly string[], says: string): Promise<void> {
  assert.deepEqual(await screen(...words), { status: 2, signal: null, stdout: '', stderr: `vivarium: ${says}\n` });
}

async function stop(...guests: readonly Running[]): Promise<void> {
  for (const guest of guests) guest.process.kill('SIGTERM');
  for (const guest of guests) await guest.result;
}

test('what a PC shows is had as text and as a picture, while it runs', async () => {
  const disk = join(folder, 'disk.img');
  await writeFile(disk, new Uint8Array(64 * 1024));
  const guest = start(VIVARIUM, 'run', '--disk', disk, '--memory', '64M');
  let text = '';
  while (!text.includes('No bootable device')) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    const { stdout, stderr, status } = await screen('--text');
    assert.ok(status === 0 || stderr === 'vivarium: There is no running guest.\n', stderr);
    text = stdout;
  }
  assert.match(text, /^SeaBIOS \(version .*\)\n/);
  const picture = join(folder, 'screen.png');
  for (const words of [[picture], ['disk.img', picture], [`${guest.process.pid}`, picture]]) {
    assert.deepEqual(await screen(...words), { status: 0, signal: null, stdout: '', stderr: '' });
    assert.deepEqual((await readFile(picture)).subarray(0, 8), PNG);
    await rm(picture);
  }
  await assertRefused(['web', picture], `There is no guest web: name one of ${guest.process.pid} (disk.img).`);
  const nowhere = join(folder, 'nowhere', 'a.png');
  await assertRefused([nowhere], `The screenshot ${nowhere} cannot be written: there is no such file.`);
  await stop(guest);
  assert.deepEqual(await readdir(join(folder, 'vivarium')), []);
});

test('without a guest there is nothing to see', async () => {
  await assertRefused(['--text'], 'There is no running guest.');
});

test('a guest that was started without firmware has no screen', async () => {
  const guest = start(FAKE, 'run');
  await guest.shows('ready');
  await assertRefused(['--text'], 'This guest has no screen: it was started without firmware.');
  await stop(guest);
});

test('several guests are told apart by their processes and names', async () => {
  const names = ['one', 'two', 'two'];
  const guests = names.map((name) => start(FAKE, 'run', '--name', name));
  for (const guest of guests) await guest.shows('ready');
  const listed = guests
    .map(({ process }, i) => ({ id: process.pid as number, text: `${process.pid} (${names[i]})`, name: names[i] }))
    .sort((a, b) => a.id - b.id);
  const all = listed.map(({ text }) => text).join(', ');
  const two = listed.filter(({ name }) => name === 'two').map(({ text }) => text);
  await assertRefused(['--text'], `Several guests are running: name one of ${all}.`);
  await assertRefused(['--text', 'two'], `Several guests have this name: say which process, of ${two.join(', ')}.`);
  const noScreen = 'This guest has no screen: it was started without firmware.';
  await assertRefused(['--text', 'one'], noScreen);
  await assertRefused(['--text', `${guests[1]?.process.pid}`], noScreen);
  await stop(...guests);
});

test('a guest runs on where there is no place for its socket, and says so', async () => {
  const elsewhere = join(folder, 'elsewhere');
  await mkdir(elsewhere);
  const taken = join(elsewhere, `vivarium-${process.getuid?.()}`);
  await writeFile(taken, '');
  const [runtime, temporary] = [process.env.XDG_RUNTIME_DIR, process.env.TMPDIR];
  process.env.XDG_RUNTIME_DIR = '';
  process.env.TMPDIR = elsewhere;
  const running = runWith('poweroff\n', FAKE, 'run');
  process.env.XDG_RUNTIME_DIR = runtime;
  process.env.TMPDIR = temporary;
  const { status, stderr } = await running;
  assert.equal(status, 0);
  assert.equal(stderr, `vivarium: Other commands cannot reach this guest: ${taken} cannot be used: it is no folder.\n`);
});
