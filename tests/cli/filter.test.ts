/** The command line in a pipe: the built-in guest's shell as a filter. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { runWith, start, VIVARIUM } from './spawn.ts';

const filter = (input: string | Uint8Array, ...words: string[]) => runWith(input, VIVARIUM, 'run', ...words);

/** The end of a printk line is all that tells a Linux of ours from another. */
const UNAME = /^Linux vivarium 6\.1\.[^\n]* x86_64 GNU\/Linux\n$/;

test("a command's output is all there is, and powering off is success", async () => {
  const { status, stdout, stderr } = await filter('uname -a; poweroff\n');
  assert.match(stdout, UNAME);
  assert.equal(stderr, '');
  assert.equal(status, 0);
});

test('the end of input is the end of the guest, with or without a last newline, or any input', async () => {
  for (const input of ['uname -a', 'uname -a\n']) {
    const { status, stdout } = await filter(input);
    assert.match(stdout, UNAME);
    assert.equal(status, 0);
  }
  assert.deepEqual(await filter(''), { status: 0, signal: null, stdout: '', stderr: '' });
});

test('standard error of the guest is part of its console', async () => {
  const { stdout, stderr } = await filter('echo to stderr >&2\n');
  assert.equal(stdout, 'to stderr\n');
  assert.equal(stderr, '');
});

test('output is byte for byte what the guest wrote', async () => {
  const folder = fileURLToPath(new URL('../../guests/builtin/', import.meta.url));
  const archive = gunzipSync(await readFile(`${folder}initramfs.cpio.gz`));
  const { stdout } = await filter('wc -c </bin/busybox; cat /bin/busybox\n');
  const line = stdout.indexOf('\n') + 1;
  const program = Buffer.from(stdout.slice(line), 'latin1');
  assert.equal(program.length, Number(stdout.slice(0, line)));
  assert(archive.includes(program), `${createHash('sha256').update(program).digest('hex')} is not that of busybox`);
});

test('input reaches the guest byte for byte, control characters too', async () => {
  // All but Ctrl-D, which ends it, and with lines of at most 4095 bytes.
  const bytes = Array.from({ length: 256 }, (_, i) => i).filter((byte) => byte !== 4);
  const binary = Buffer.from(Array.from({ length: 12 }, () => [...bytes, 0x0a]).flat());
  const sum = createHash('sha256').update(binary).digest('hex');
  const script = Buffer.concat([Buffer.from(`head -c ${binary.length} | sha256sum\n`), binary]);
  assert.equal((await filter(script)).stdout, `${sum}  -\n`);
});

test('a program in the guest reads the lines that follow its own', async () => {
  assert.equal((await filter('read line; echo "[$line]"\nhello\ncat\none\ntwo\n')).stdout, '[hello]\none\ntwo\n');
});

test('no line of a long script is lost, though the guest is slow to read', async () => {
  const lines = Array.from({ length: 3000 }, (_, i) => `line ${i} of a script that is longer than what a port buffers`);
  const { status, stdout } = await filter(`sleep 1\n${lines.map((line) => `echo ${line}\n`).join('')}`);
  assert.equal(stdout, lines.map((line) => `${line}\n`).join(''));
  assert.equal(status, 0);
});

test('a reader that has seen enough ends the run quietly', async () => {
  const running = start(VIVARIUM, 'run');
  running.process.stdin.end('echo first; seq 1 1000000\n');
  await running.shows('first\n');
  running.process.stdout.destroy();
  const { status, stderr } = await running.result;
  assert.equal(stderr, '');
  assert.equal(status, 141);
});

test('with --deterministic the same input gives the same machine, whenever it was typed', async () => {
  const script = 'date; cat /proc/uptime; od -An -N16 -tx1 /dev/urandom; cat\nsome more\n';
  const first = await filter(script, '--deterministic', '--stats');
  const slow = start(VIVARIUM, 'run', '--deterministic', '--stats');
  for (const byte of script.slice(0, 10)) {
    slow.process.stdin.write(byte);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  slow.process.stdin.end(script.slice(10));
  const second = await slow.result;
  assert.match(first.stdout, /^Mon Jan {2}1 00:00:00 UTC 2024\n0\.\d+ .*\n( [0-9a-f]{2}){16}\nsome more\n$/);
  assert.equal(second.stdout, first.stdout);
  const hash = /^final state +([0-9a-f]{64})$/m.exec(first.stderr)?.[1];
  assert.equal(/^final state +([0-9a-f]{64})$/m.exec(second.stderr)?.[1], hash ?? 'none');
  const other = await filter(script, '--deterministic', '--seed', '1');
  assert.notEqual(other.stdout, first.stdout);
});
