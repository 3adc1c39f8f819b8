/** `--profile` and `--symbols`. */

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { CpuProfile } from '../../src/vmm/profiler-cpuprofile.ts';
import { withSymbols } from '../../src/vmm/test-symbols.ts';
import { tinyKernel } from '../tiny-kernel.ts';
import { atTerminal, terminalOptions } from './at-terminal.ts';
import { assertConsistent, timesOf } from './cpuprofile.ts';
import { FAKE, runWith, start, VIVARIUM } from './spawn.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vivarium-profile-'));
});
after(() => rm(folder, { recursive: true }));

async function file(name: string, contents: Uint8Array | string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, contents);
  return path;
}

async function readProfile(path: string): Promise<CpuProfile> {
  const profile: CpuProfile = JSON.parse(await readFile(path, 'utf8'));
  assertConsistent(profile);
  return profile;
}

// ---- What it says ----------------------------------------------------------------------------------------------------

/** Where `tinyKernel` has its code, and what that is here: six million instructions, then two million. */
const FIRST = 0x10_000c;
const LOOPS = [
  ...[0xb9, 0xc0, 0xc6, 0x2d, 0x00, 0x49, 0x75, 0xfd], // mov ecx, 3000000; again: dec ecx; jnz again
  ...[0xb9, 0x40, 0x42, 0x0f, 0x00, 0x49, 0x75, 0xfd], // mov ecx, 1000000; again: dec ecx; jnz again
  ...[0xb0, 0x00, 0xe6, 0xf4], // mov al, 0; out 0xf4, al
];
const SYMBOLS = [
  { name: 'first_loop', address: FIRST, size: 8 },
  { name: 'second_loop', address: FIRST + 8, size: 16 },
];

async function profileLoops(name: string, kernel: Uint8Array, ...words: string[]): Promise<Record<string, number>> {
  const path = join(folder, name);
  const kernelPath = await file(`${name}.elf`, kernel);
  const { status, stderr } = await runWith(
    '',
    VIVARIUM,
    ...['run', '--kernel', kernelPath, '--deterministic', '--device', 'isa-debug-exit', '--profile', path, ...words],
  );
  assert.equal(stderr, '');
  assert.equal(status, 1);
  return timesOf(await readProfile(path));
}

/** Six and two milliseconds, but for chance. */
function assertShares(times: Record<string, number>, first: string, second: string): void {
  assert.deepEqual(Object.keys(times).sort(), [first, second].sort());
  assert.equal(times[first] + times[second], 8000);
  assert(times[first] > 5700 && times[first] < 6300, `${times[first]}`);
}

test('an ELF kernel has its functions told by its own symbols, with their shares of time', async () => {
  const times = await profileLoops('own', withSymbols(tinyKernel(LOOPS), 0x10_0000, SYMBOLS));
  assertShares(times, '(kernel) first_loop', '(kernel) second_loop');
});

test("files of symbols take the place of the kernel's own, and may be several", async () => {
  const map = await file('map', '0010000c T one\n');
  const elf = await file('symbols.elf', withSymbols(tinyKernel([]), 0x10_0000, [SYMBOLS[1]]));
  const kernel = withSymbols(tinyKernel(LOOPS), 0x10_0000, SYMBOLS);
  const times = await profileLoops('named', kernel, '--symbols', map, '--symbols', elf);
  assertShares(times, '(kernel) one', '(kernel) second_loop');
});

test('without symbols there are pages', async () => {
  const times = await profileLoops('pages', tinyKernel(LOOPS));
  assert.deepEqual(times, { '(kernel) kernel 0x100000': 8000 });
});

test('Linux is told by kernel, user and idle time, with names from its own kallsyms', async () => {
  const { stdout: kallsyms } = await runWith('cat /proc/kallsyms\n', VIVARIUM, 'run');
  const map = await file('kallsyms', kallsyms);
  const path = join(folder, 'linux');
  const { status } = await runWith('sleep 0.3\n', VIVARIUM, 'run', '--profile', path, '--symbols', map);
  assert.equal(status, 0);
  const times = Object.entries(timesOf(await readProfile(path)));
  const sum = (level: string): number =>
    times.filter(([name]) => name.startsWith(level)).reduce((total, [, time]) => total + time, 0);
  assert(sum('(idle)') > 200_000, 'asleep');
  assert(sum('(user) user 0x') > 0);
  assert(sum('(kernel)') > 0);
  assert(sum('(kernel) kernel 0x') < sum('(kernel)') / 5, 'most of the kernel has names');
  for (const name of ['memmap_init_range', 'entry_SYSCALL_64']) assert(kallsyms.includes(` ${name}\n`));
  assert(times.some(([name]) => name === '(kernel) memmap_init_range'));
});

test('a deterministic run is the same with and without a profile, and so is the profile', async () => {
  const run = async (...words: string[]): Promise<string | undefined> => {
    const { stderr } = await runWith('seq 1000 | wc\n', VIVARIUM, 'run', '--deterministic', '--stats', ...words);
    return /^final state +([0-9a-f]{64})$/m.exec(stderr)?.[1];
  };
  const paths = [join(folder, 'same-1'), join(folder, 'same-2')];
  const hash = await run();
  assert(hash !== undefined);
  for (const path of paths) assert.equal(await run('--profile', path), hash);
  assert.equal(await readFile(paths[0], 'utf8'), await readFile(paths[1], 'utf8'));
});

// ---- When it is written ----------------------------------------------------------------------------------------------

test('a profile is written when the time runs out', async () => {
  const kernel = await file('spin.elf', tinyKernel([0xeb, 0xfe]));
  const path = join(folder, 'timeout');
  const { status } = await runWith('', VIVARIUM, 'run', '--kernel', kernel, '--timeout', '400ms', '--profile', path);
  assert.equal(status, 6);
  const profile = await readProfile(path);
  assert(profile.endTime - profile.startTime > 100_000);
  assert.deepEqual(Object.keys(timesOf(profile)), ['(kernel) kernel 0x100000']);
});

test('a profile is written when a signal ends the run', async () => {
  const path = join(folder, 'signal');
  const running = start(VIVARIUM, 'run', '--profile', path);
  running.process.stdin.write('echo started; while :; do :; done\n');
  await running.shows('started');
  running.process.kill('SIGTERM');
  assert.equal((await running.result).status, 143);
  const profile = await readProfile(path);
  assert(profile.nodes.length > 10);
});

test('a profile is written after Ctrl-A x', terminalOptions, async () => {
  const path = join(folder, 'left');
  const { status } = await atTerminal(['sh', '-c', `exec "$@" --profile ${path}`, 'sh', ...FAKE], ['ready', '\x01x']);
  assert.equal(status, 'status 0');
  await readProfile(path);
});

// ---- When it cannot be ------------------------------------------------------------------------------------------------

/** One sentence on standard error, status 2, and no profile. */
async function assertRefused(words: readonly string[], says: string): Promise<void> {
  const path = join(folder, 'refused');
  const { status, stdout, stderr } = await runWith('', VIVARIUM, 'run', '--profile', path, ...words);
  assert.deepEqual({ status, stdout, stderr }, { status: 2, stdout: '', stderr: `vivarium: ${says}\n` });
  assert.equal(existsSync(path), false);
}

test('symbol files that are none are refused', async () => {
  const refused = (path: string, reason: string): Promise<void> =>
    assertRefused(['--symbols', path], `The symbols of ${path} cannot be used: ${reason}.`);
  await refused(
    await file(
      'junk',
      Uint8Array.from({ length: 5000 }, (_, i) => (i * 7919) >> 3),
    ),
    'it is neither a System.map nor an ELF file',
  );
  await refused(await file('empty', ''), 'it is empty');
  await refused(await file('cut', 'ffffffff81000000 T a\nffffffff8100'), 'line 2 is not an address, a type and a name');
  const elf = withSymbols(tinyKernel([]), 0x10_0000, SYMBOLS);
  await refused(await file('cut.elf', elf.subarray(0, -10)), 'it is truncated: it ends before its section headers do');
  await refused(await file('stripped.elf', tinyKernel([])), 'it is an ELF file without a symbol table');
  const missing = join(folder, 'missing');
  await assertRefused(['--symbols', missing], `The symbol file ${missing} cannot be read: there is no such file.`);
});

test('a kernel whose own symbols are damaged runs with others, or without a profile', async () => {
  const kernel = withSymbols(tinyKernel(LOOPS), 0x10_0000, SYMBOLS).subarray(0, -10);
  const path = await file('damaged.elf', kernel);
  await assertRefused(
    ['--kernel', path],
    `The symbols of ${path} cannot be used: it is truncated: it ends before its section headers do.`,
  );
  const map = await file('other-map', '0010000c T one\n');
  assert.deepEqual(await profileLoops('damaged', kernel, '--symbols', map), { '(kernel) one': 8000 });
});

test('a kernel or a trace that is refused leaves no profile', async () => {
  const missing = join(folder, 'missing');
  await assertRefused(['--kernel', missing], `The kernel ${missing} cannot be read: there is no such file.`);
  const trace = await file('trace', 'precious');
  await assertRefused(['--trace', `exits=${trace}`], `The trace ${trace} cannot be written: it exists already.`);
});

test('a profile does not overwrite a file', async () => {
  const path = await file('precious', 'precious');
  const { status, stderr } = await runWith('', FAKE, 'run', '--profile', path);
  assert.equal(stderr, `vivarium: The profile ${path} cannot be written: it exists already.\n`);
  assert.equal(status, 2);
  assert.equal(await readFile(path, 'utf8'), 'precious');
});

test('a profile may go to a pipe', async () => {
  const toPipe = ['/bin/sh', '-c', '"$@" 2>&1 >/dev/null | cat', 'sh', ...FAKE];
  const { stdout } = await runWith('poweroff\n', toPipe, 'run', '--profile', '/dev/stderr');
  assertConsistent(JSON.parse(stdout));
});

test('a full disk under the profile fails the run', { skip: !existsSync('/dev/full') }, async () => {
  const { status, stderr } = await runWith('poweroff\n', FAKE, 'run', '--profile', '/dev/full');
  assert.equal(stderr, 'vivarium: The profile /dev/full cannot be written: the disk is full.\n');
  assert.equal(status, 8);
});
