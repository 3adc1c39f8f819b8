/** How guests end, and what the command line says and returns then. */

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { tinyKernel } from '../tiny-kernel.ts';
import { runWith, start, VIVARIUM } from './spawn.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vivarium-endings-'));
});
after(() => rm(folder, { recursive: true }));

const shell = (script: string, ...words: string[]) => runWith(script, VIVARIUM, 'run', ...words);

async function runTiny(code: readonly number[], ...words: string[]) {
  const path = join(folder, 'kernel.elf');
  await writeFile(path, tinyKernel(code));
  return runWith('', VIVARIUM, 'run', '--kernel', path, ...words);
}

const EXIT = ['--device', 'isa-debug-exit'];

test('a shell that fails tells by the debug-exit port, where there is one', async () => {
  assert.equal((await shell('exit 3\n', ...EXIT)).status, 7);
  assert.equal((await shell('true\n', ...EXIT)).status, 0);
  assert.equal((await shell('exit 3\n')).status, 0);
});

test('a program of the guest ends the run with a code', async () => {
  const { status, stdout } = await shell('vivarium-exit 42; echo never\n', ...EXIT);
  assert.equal(stdout, '');
  assert.equal(status, 85);
});

test('a guest that resets itself gives status 10', async () => {
  const { status, stderr } = await shell('reboot\n');
  assert.equal(stderr, 'vivarium: The guest reset itself.\n');
  assert.equal(status, 10);
});

test('a guest that panics gives status 4, and its last words', async () => {
  const { status, stdout, stderr } = await shell('echo c >/proc/sysrq-trigger\n');
  assert.match(stdout, /Kernel panic - not syncing: sysrq triggered crash/);
  assert.equal(stderr, 'vivarium: The guest panicked.\n');
  assert.equal(status, 4);
});

test('a guest that cannot find its init gives status 4', async () => {
  const { status, stdout, stderr } = await shell('', '--append', 'rdinit=/missing panic=-1');
  assert.match(stdout, /Kernel panic/);
  assert.equal(stderr, 'vivarium: The guest panicked.\n');
  assert.equal(status, 4);
});

test('a guest that jumps into nowhere gives status 4, and where', async () => {
  // mov eax, 0xd0000000; jmp eax
  const { status, stdout, stderr } = await runTiny([0xb8, 0x00, 0x00, 0x00, 0xd0, 0xff, 0xe0]);
  assert.equal(stdout, '');
  assert.equal(stderr, 'vivarium: The guest triple-faulted at instruction pointer 0xd0000000.\n');
  assert.equal(status, 4);
});

test('a guest with a fault and no handler gives status 4, and where', async () => {
  const { status, stderr } = await runTiny([0x0f, 0x0b]); // ud2
  assert.equal(stderr, 'vivarium: The guest triple-faulted at instruction pointer 0x10000c.\n');
  assert.equal(status, 4);
});

test('a guest that asks for a reset by port CF9h gives status 10', async () => {
  // mov dx, 0xcf9; mov al, 6; out dx, al; hlt
  const { status } = await runTiny([0x66, 0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee, 0xf4]);
  assert.equal(status, 10);
});

test('the debug-exit port is there only when it is asked for', async () => {
  const code = [0xb0, 0x15, 0xe6, 0xf4, 0xfa, 0xf4]; // mov al, 0x15; out 0xf4, al; cli; hlt
  assert.equal((await runTiny(code, ...EXIT)).status, 0x2b);
  assert.equal((await runTiny(code, '--timeout', '500ms')).status, 6);
});

test('a guest that halts or spins for ever is stopped when its time runs out', async () => {
  for (const code of [
    [0xfa, 0xf4, 0xeb, 0xfd], // cli; hlt
    [0xeb, 0xfe], // jmp to itself
  ]) {
    const { status, stderr } = await runTiny(code, '--timeout', '400ms');
    assert.equal(stderr, 'vivarium: The guest was stopped: its time of 0.4 s ran out.\n');
    assert.equal(status, 6);
  }
});

for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`${signal} ends the run with status ${status}, whatever the guest does`, async () => {
    const running = start(VIVARIUM, 'run', '--stats');
    running.process.stdin.write('echo started; while :; do :; done\n');
    await running.shows('started');
    running.process.kill(signal);
    const result = await running.result;
    assert.match(result.stderr, /^instructions retired +[\d,]{8,}$/m);
    assert.equal(result.status, status);
  });
}
