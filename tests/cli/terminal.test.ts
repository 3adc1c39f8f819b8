/** The run command at a terminal, around a guest that does as it is told. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { atTerminal, terminalOptions as options, type Step } from './at-terminal.ts';
import { FAKE } from './spawn.ts';

async function assertRestored(keys: Step[], status: string): Promise<void> {
  const result = await atTerminal(FAKE, ...keys);
  assert.match(result.before, /^[0-9a-f:]+$/);
  assert.equal(result.after, result.before);
  assert.equal(result.status, status);
}

test('Ctrl-A x leaves with status 0 and the terminal as it was', options, () =>
  assertRestored([['ready', '\x01x']], 'status 0'),
);

for (const [end, status] of [
  ['poweroff', 0],
  ['panic', 4],
  ['kill SIGTERM', 143],
  ['kill SIGHUP', 129],
  ['bug', 8],
] as const) {
  test(`the terminal is as it was after "${end}"`, options, () =>
    assertRestored([['ready', `${end}\r`]], `status ${status}`),
  );
}

test('while the guest runs, the terminal changes no byte and keys are no signals', options, async () => {
  const { shown } = await atTerminal(FAKE, ['ready', 'stty -a\r'], ['-opost', 'a\x03\x1a\x13b\r'], ['b]', '\x01x']);
  for (const setting of ['-icanon', '-echo', '-isig', '-opost', '-icrnl', '-ixon']) {
    assert(shown.includes(` ${setting} `) || shown.includes(`\n${setting} `), setting);
  }
  assert(shown.includes('[a\x03\x1a\x13b]'));
});

test('Ctrl-A has keys for help and statistics, and sends itself', options, async () => {
  const { shown } = await atTerminal(
    FAKE,
    ['ready', '\x01h'],
    ['show these keys', '\x01s'],
    ['instructions retired', 'x\x01\x01y\r'],
    ['y]', '\x01x'],
  );
  assert.match(shown, /Ctrl-A x +leave/);
  assert.match(shown, /instructions retired +1,000/);
  assert(shown.includes('[x\x01y]'));
});

test('the guest learns when the size of the terminal changes', options, async () => {
  const { shown } = await atTerminal(FAKE, ['ready', 'stty rows 40 cols 100\r'], ['second serial: 40 100', '\x01x']);
  assert.match(shown, /second serial: 40 100/);
});

test('a stopped run gives the terminal back, and takes it again when it goes on', options, async () => {
  const { after, before, shown } = await atTerminal(
    FAKE,
    ['ready', 'suspend\r'],
    ['woken', 'stty -a\r'],
    ['-opost', '\x01x'],
  );
  assert.match(shown, /stopped with icanon/);
  assert.equal(after, before);
});
