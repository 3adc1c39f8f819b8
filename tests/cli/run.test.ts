/** The run command around a guest that does as it is told. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { FAKE, runWith, start } from './spawn.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vivarium-run-'));
});
after(() => rm(folder, { recursive: true }));

const ENDS: readonly [line: string, status: number, message: string][] = [
  ['poweroff', 0, ''],
  ['exit 0', 1, ''],
  ['exit 3', 7, ''],
  ['exit 128', 1, ''],
  ['panic', 4, 'vivarium: The guest panicked.\n'],
  ['triple-fault', 4, 'vivarium: The guest triple-faulted at 0x1234.\n'],
  ['reset', 10, 'vivarium: The guest reset itself.\n'],
];

for (const [line, status, message] of ENDS) {
  test(`a guest that ends with "${line}" gives status ${status}`, async () => {
    const result = await runWith(`${line}\n`, FAKE, 'run');
    assert.equal(result.stderr, message);
    assert.equal(result.status, status);
  });
}

test('piped bytes reach the guest and its bytes come back, none changed or lost', async () => {
  const bytes = Array.from({ length: 256 }, (_, i) => i).filter((byte) => ![0x04, 0x0a, 0x0d].includes(byte));
  const text = Buffer.from(bytes).toString('latin1');
  const result = await runWith(Buffer.from(`one\n${text}\nwithout line end`, 'latin1'), FAKE, 'run');
  assert.equal(result.stdout, `ready\r\n[one]\r\n[${text}]\r\n[without line end]\r\n`);
  assert.equal(result.status, 0);
});

test('a long input arrives whole', async () => {
  const lines = Array.from({ length: 50_000 }, (_, i) => `line ${i}`);
  const result = await runWith(`${lines.join('\n')}\n`, FAKE, 'run');
  assert.equal(result.stdout, `ready\r\n${lines.map((line) => `[${line}]\r\n`).join('')}`);
  assert.equal(result.status, 0);
});

test('a deterministic run has all its input before it starts', async () => {
  const running = start(FAKE, 'run', '--deterministic');
  running.process.stdin.write('first\n');
  running.process.stdin.end('last');
  const result = await running.result;
  assert.equal(result.stdout, 'ready\r\n[first]\r\n[last]\r\n');
  assert.equal(result.status, 0);
});

test('the options reach the guest', async () => {
  const words = ['--memory', '64M', '--append', 'quiet x=y', '--device', 'isa-debug-exit', '--seed', '9'];
  words.push('--engine', 'translator');
  const { stdout } = await runWith('options\n', FAKE, 'run', '--deterministic', ...words);
  const options = JSON.parse(stdout.split('\r\n')[1]);
  assert.equal(options.memoryBytes, 64 * 2 ** 20);
  assert.equal(options.time, 'deterministic');
  assert.equal(options.seed, 9);
  assert.equal(options.engine, 'translator');
  assert.deepEqual(options.optionalDevices, ['isa-debug-exit']);
  assert.equal(options.countHits, false);
  assert.equal(options.trace, undefined);
  assert.match(options.kernel, /^console=ttyS0 .*vivarium\.filter=ttyS1 quiet x=y$/);
});

test('--stats ends with the statistics, and the state of a deterministic run', async () => {
  const result = await runWith('poweroff\n', FAKE, 'run', '--stats', '--deterministic');
  assert.match(result.stderr, /^instructions retired +1,000$/m);
  assert.match(result.stderr, /^ {2}HLT +3$/m);
  assert.match(result.stderr, /^final state +c0ffee$/m);
  assert.equal(result.stdout, 'ready\r\n');
});

test('what the guest refuses is told in one sentence', async () => {
  const trace = join(folder, 'refused');
  const result = await runWith('', FAKE, 'run', '--memory', '1K', '--trace', `exits=${trace}`);
  assert.deepEqual(result, { status: 2, signal: null, stdout: '', stderr: 'vivarium: The memory is too small.\n' });
  assert.equal(existsSync(trace), false);
});

test('a guest that takes too long is stopped', async () => {
  const result = await start(FAKE, 'run', '--timeout', '300ms').result;
  assert.equal(result.stderr, 'vivarium: The guest was stopped: its time of 0.3 s ran out.\n');
  assert.equal(result.status, 6);
});

for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  test(`${signal} ends the run with status ${status}, statistics included`, async () => {
    const running = start(FAKE, 'run', '--stats');
    await running.shows('ready');
    running.process.kill(signal);
    const result = await running.result;
    assert.match(result.stderr, /^instructions retired/);
    assert.equal(result.status, status);
  });
}

test('a reader that leaves ends the run quietly', async () => {
  const running = start(FAKE, 'run');
  running.process.stdin.write('spew\n');
  await running.shows('yyyy');
  running.process.stdout.destroy();
  const result = await running.result;
  // The fake guest says so when the pipe was full before its reader left.
  assert.equal(result.stderr.replaceAll('[paused]', ''), '');
  assert.equal(result.status, 141);
});

test('a reader that stops reading pauses the guest, and a signal still ends the run', async () => {
  const child = spawn(FAKE[0], [...FAKE.slice(1), 'run'], { stdio: 'pipe' });
  child.stdin.write('spew\n');
  // Nobody reads standard output: the pipe fills, and the guest has to wait.
  await new Promise((resolve) => child.stderr.once('data', resolve)).then((text) =>
    assert.equal(`${text}`, '[paused]'),
  );
  child.kill('SIGTERM');
  const status = await new Promise((resolve) => child.on('exit', resolve));
  child.stdout.destroy();
  assert.equal(status, 143);
});

test('a trace is written whole to a new file', async () => {
  const path = join(folder, 'new');
  const running = start(FAKE, 'run', '--trace', `exits,irq=${path}`, '--timeout', '500ms');
  running.process.stdin.write('trace\n');
  assert.equal((await running.result).status, 6);
  const lines = (await readFile(path, 'utf8')).split('\n');
  assert.equal(lines.pop(), '');
  assert(lines.length >= 1000);
  assert(lines.every((line) => line === '0 exit HLT'));
});

test('a trace does not overwrite a file', async () => {
  const path = join(folder, 'precious');
  await writeFile(path, 'precious');
  const result = await runWith('', FAKE, 'run', '--trace', `exits=${path}`);
  const stderr = `vivarium: The trace ${path} cannot be written: it exists already.\n`;
  assert.deepEqual(result, { status: 2, signal: null, stdout: '', stderr });
  assert.equal(await readFile(path, 'utf8'), 'precious');
});

test('a disk that fills up while tracing ends the run', { skip: !existsSync('/dev/full') }, async () => {
  const running = start(FAKE, 'run', '--trace', 'exits=/dev/full');
  running.process.stdin.write('trace\n');
  const result = await running.result;
  assert.equal(result.stderr, 'vivarium: The trace /dev/full cannot be written any further: the disk is full.\n');
  assert.equal(result.status, 8);
});

test('a full disk that shows only when the trace is closed fails the run', {
  skip: !existsSync('/dev/full'),
}, async () => {
  const running = start(FAKE, 'run', '--trace', 'exits=/dev/full');
  running.process.stdin.end('trace\npoweroff\n');
  assert.equal((await running.result).status, 8);
});

test('a full disk under the output fails the run', { skip: !existsSync('/dev/full') }, async () => {
  const shell = ['/bin/sh', '-c', '"$@" >/dev/full', 'sh', ...FAKE];
  const result = await runWith('poweroff\n', shell, 'run');
  assert.equal(result.stderr, "vivarium: The guest's output cannot be written: the disk is full.\n");
  assert.equal(result.status, 8);
});

test('closed standard input is an empty one', async () => {
  const result = await runWith('', ['/bin/sh', '-c', '"$@" <&-', 'sh', ...FAKE], 'run');
  assert.equal(result.stdout, 'ready\r\n');
  assert.equal(result.status, 0);
});

test('a bug of ours says so and gives status 8', async () => {
  const running = start(FAKE, 'run');
  running.process.stdin.write('bug\n');
  const result = await running.result;
  assert.match(result.stderr, /^vivarium: This is a bug in Vivarium. Error: planted\n/);
  assert.equal(result.status, 8);
});
