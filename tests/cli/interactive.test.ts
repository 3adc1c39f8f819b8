/** The built-in guest's shell at a terminal. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { atTerminal, terminalOptions as options } from './at-terminal.ts';
import { VIVARIUM } from './spawn.ts';

const PROMPT = 'vivarium:~# ';

test('a shell greets, answers, and powers off, and the terminal is as it was', options, async () => {
  const { after, before, shown, status } = await atTerminal(VIVARIUM, [
    PROMPT,
    'echo $((6 * 7)) $(id -un) $(tty); stty size; poweroff\r',
  ]);
  assert.match(shown, /^Linux 6\.1\.\S+ Leave the shell, or say poweroff, to switch the machine off\.$/m);
  assert.match(shown, /^42 root \/dev\/ttyS0$/m);
  assert.match(shown, /^30 90$/m);
  assert.equal(after, before);
  assert.equal(status, 'status 0');
});

test(
  'at a terminal the guest starts from its snapshot, and knows the time; another memory, or --cold, boots it',
  options,
  async () => {
    const asks =
      'echo at $(cut -d. -f1 /proc/uptime) $(date +%s) $(od -An -N8 -tx1 /dev/urandom | tr -d " "); poweroff\r';
    const ask = async (...words: string[]): Promise<string[]> => {
      const { shown } = await atTerminal([...VIVARIUM, 'run', ...words], [PROMPT, asks]);
      return /^at (\d+) (\d+) ([0-9a-f]{16})$/m.exec(shown)?.slice(1) ?? assert.fail(shown);
    };
    const started = await ask('--memory', '256M');
    const again = await ask();
    const now = Date.now() / 1000;
    for (const [, seconds] of [started, again]) assert.ok(Math.abs(Number(seconds) - now) < 300, seconds);
    assert.notEqual(started[2], again[2]);
    const kernelWord = async (...words: string[]): Promise<boolean> => {
      const { shown } = await atTerminal([...VIVARIUM, 'run', ...words], [PROMPT, 'cat /proc/cmdline; poweroff\r']);
      return /vivarium\.rows=30/.test(shown);
    };
    assert.deepEqual(
      [await kernelWord(), await kernelWord('--cold'), await kernelWord('--memory', '200M')],
      [false, true, true],
    );
  },
);

test('leaving the shell is leaving the guest', options, async () => {
  const { status } = await atTerminal(VIVARIUM, [PROMPT, 'exit 3\r']);
  assert.equal(status, 'status 0');
});

test('Ctrl-C and Ctrl-Z reach the program that the guest runs', options, async () => {
  const { shown, status } = await atTerminal(
    VIVARIUM,
    [PROMPT, 'sh -c "echo one\\ program; exec cat"\r'],
    ['one program\r\n', '\x03'],
    ['^C', 'sh -c "echo another\\ program; exec sleep 1000"\r'],
    ['another program\r\n', '\x1a'],
    ['Stopped', 'jobs; kill %1; poweroff\r'],
  );
  assert.match(shown, /\^C/);
  assert.match(shown, /\^Z\[1\]\+ +Stopped/);
  assert.equal(status, 'status 0');
});

test('the guest follows the size of the terminal', options, async () => {
  const { shown } = await atTerminal(
    VIVARIUM,
    [PROMPT, ({ tty }) => spawnSync('stty', ['-F', tty, 'rows', '40', 'cols', '120'])],
    [PROMPT, 'until stty size | grep -x "40 120"; do sleep 0.1; done; poweroff\r'],
  );
  assert.match(shown, /^40 120$/m);
});

test('Ctrl-A x leaves a guest that is busy', options, async () => {
  const { after, before, shown, status } = await atTerminal(
    VIVARIUM,
    [PROMPT, 'echo loo""ping; while :; do :; done\r'],
    ['looping\r\n', '\x01x'],
  );
  assert.match(shown, /^vivarium: You left the guest; it was stopped\.$/m);
  assert.equal(after, before);
  assert.equal(status, 'status 0');
});

test('SIGTERM ends the run and gives the terminal back', options, async () => {
  const { after, before, status } = await atTerminal(VIVARIUM, [PROMPT, ({ pid }) => process.kill(pid, 'SIGTERM')]);
  assert.equal(after, before);
  assert.equal(status, 'status 143');
});
