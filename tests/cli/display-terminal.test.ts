/** `--display terminal`, at a terminal and where there is none. */

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { TestTerminal } from '../../src/host/ansi/test-terminal.ts';
import { atTerminal, terminalOptions as options, type Step } from './at-terminal.ts';
import { runWith, VIVARIUM } from './spawn.ts';

const ALTERNATE_SCREEN = '\x1b[?1049h';
const MAIN_SCREEN = '\x1b[?1049l';

let folder: string;
let disk: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vivarium-display-'));
  process.env.XDG_RUNTIME_DIR = folder;
  process.env.TERM = 'xterm';
  disk = join(folder, 'disk.img');
  await writeFile(disk, new Uint8Array(2 ** 20));
});
after(() => rm(folder, { recursive: true }));

/** The screen as drawn in the terminal has `text`. */
function screen(text: string): (shown: string) => boolean {
  return (shown) => {
    const start = shown.indexOf(ALTERNATE_SCREEN);
    if (start < 0) return false;
    let drawn = Buffer.from(shown.slice(start), 'latin1').toString();
    const last = drawn.lastIndexOf('\x1b');
    // What has come of a sequence so far.
    if (!/[A-Za-z]/.test(drawn.slice(last))) drawn = drawn.slice(0, last);
    const terminal = new TestTerminal(90, 30);
    terminal.write(drawn);
    return terminal.text.some((row) => row.includes(text));
  };
}

/** A PC with nothing to boot, at a terminal. */
function pc(words: readonly string[], ...steps: readonly Step[]) {
  const run = [...VIVARIUM, 'run', '--disk', disk, '--memory', '64M', '--boot-menu', '10m', ...words];
  return atTerminal(run, ...steps);
}

test('at a terminal the screen is shown in it, its keys are the guest’s, and it is given back', options, async () => {
  const { after, before, shown, status } = await pc(
    [],
    [screen('Press ESC'), '\x1b'],
    [screen('Select boot device'), '1'],
    [screen('not a bootable disk'), '\x01h'],
    [screen('Press a key to see'), 'x'],
    [screen('not a bootable disk'), '\x01x'],
  );
  assert.equal(after, before);
  assert.equal(status, 'status 0');
  const [enter, leave] = [shown.indexOf(ALTERNATE_SCREEN), shown.indexOf(MAIN_SCREEN)];
  assert(enter >= 0 && enter < shown.indexOf('SeaBIOS'));
  assert.equal(shown.slice(leave), `${MAIN_SCREEN}\nvivarium: You left the guest; it was stopped.`);
});

test('SIGTERM gives the terminal back', options, async () => {
  const { after, before, shown, status } = await pc(
    ['--display', 'terminal'],
    [screen('Press ESC'), ({ pid }) => process.kill(pid, 'SIGTERM')],
  );
  assert.equal(after, before);
  assert.equal(status, 'status 143');
  assert(shown.endsWith(MAIN_SCREEN));
});

test('with --display none the terminal is the serial line', options, async () => {
  const { shown } = await pc(['--display', 'none', '--device', 'isa-debugcon'], ['SeaBIOS', '\x01x']);
  assert(!shown.includes(ALTERNATE_SCREEN));
});

test('where the screen is in the terminal, what the serial line says is in the file of --serial', options, async () => {
  const serial = join(folder, 'serial.txt');
  const { shown } = await pc(['--serial', serial, '--device', 'isa-debugcon'], [screen('Press ESC'), '\x01x']);
  assert(!shown.includes('enter handle_post'));
  assert.match(await readFile(serial, 'latin1'), /SeaBIOS \(version .*\n/);
  const again = await runWith('', VIVARIUM, 'run', '--disk', disk, '--serial', serial);
  const says = `vivarium: The log of the serial port ${serial} cannot be written: it exists already.\n`;
  assert.deepEqual([again.stderr, again.status], [says, 2]);
});

test('asked for where there is no terminal, it is refused in a sentence', async () => {
  const result = await runWith('', VIVARIUM, 'run', '--disk', disk, '--display', 'terminal');
  const stderr = 'vivarium: --display terminal needs a terminal as standard input and output.\n';
  assert.deepEqual(result, { status: 2, signal: null, stdout: '', stderr });
});
