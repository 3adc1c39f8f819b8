/** What `--stats` and `--trace` show of a real guest. */

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runWith, VIVARIUM } from './spawn.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vivarium-observation-'));
});
after(() => rm(folder, { recursive: true }));

const SCRIPT = 'sleep 0.1; poweroff\n';

/** Rows of the statistics by name, numbers without their commas. */
function rows(stderr: string): Map<string, string> {
  const lines = stderr.trimEnd().split('\n');
  return new Map(lines.map((line) => line.split(/ {2,}(?=\S+)/).slice(-2) as [string, string]));
}
const count = (text: string | undefined): number => Number(text?.replaceAll(',', '').split(' ')[0]);

/** Rows that every table has; causes of exits are indented below theirs. */
const TOTALS = ['instructions retired', 'speed', 'wall time', 'virtual time', 'memory touched', 'tiers'];
const TLB = ['TLB hits', 'TLB misses', 'exits to the monitor'];
const CAUSES = ['I/O port', 'MMIO', 'interrupt', 'page fault', 'CPUID', 'MSR read', 'MSR write', 'HLT'];

test('--stats has every row, and rows that fit each other', async () => {
  const { status, stderr } = await runWith(SCRIPT, VIVARIUM, 'run', '--stats');
  assert.equal(status, 0);
  const table = rows(stderr);
  for (const name of [...TOTALS, ...TLB, ...CAUSES]) assert(table.has(name), `${name} is missing:\n${stderr}`);
  for (const name of [...TLB, ...CAUSES]) assert(count(table.get(name)) > 0, `${name}: ${table.get(name)}`);
  const instructions = count(table.get('instructions retired'));
  assert(instructions > 10_000_000 && instructions < 1_000_000_000);
  assert.match(table.get('speed') ?? '', /^\d+\.\d MIPS$/);
  assert.match(table.get('wall time') ?? '', /^\d+\.\d{3} s$/);
  assert.match(table.get('virtual time') ?? '', /^\d+\.\d{3} s$/);
  assert.match(table.get('memory touched') ?? '', /^\d+(\.\d)? MiB of 256 MiB$/);
  let exits = 0;
  const causes = stderr.slice(stderr.indexOf('exits to the monitor')).split('\n').slice(1);
  for (const line of causes) if (line.startsWith('  ')) exits += count(rows(line).values().next().value);
  assert.equal(exits, count(table.get('exits to the monitor')));
});

test('--trace writes every exit and interrupt in order, with its instruction count', async () => {
  const path = join(folder, 'trace');
  const { status, stderr } = await runWith(SCRIPT, VIVARIUM, 'run', '--stats', '--trace', `exits,irq=${path}`);
  assert.equal(status, 0);
  const lines = (await readFile(path, 'utf8')).split('\n');
  assert.equal(lines.pop(), '');
  let last = 0;
  const seen = new Map<string, number>();
  const levels = new Map<string, string>();
  for (const line of lines) {
    const match = /^(\d+) (irq (\d+) (high|low)|.*)$/.exec(line);
    assert(match, line);
    assert(Number(match[1]) >= last, `${line} after ${last}`);
    last = Number(match[1]);
    if (match[3] === undefined) {
      const cause = [...rows(stderr).keys()].find((name) => `${match[2]} `.startsWith(`${name} `));
      assert(cause, line);
      seen.set(cause, (seen.get(cause) ?? 0) + 1);
    } else {
      assert.notEqual(match[4], levels.get(match[3]) ?? 'low', line);
      levels.set(match[3], match[4]);
    }
  }
  assert(levels.has('3') && levels.has('4'), 'the serial ports interrupt');
  // Each is both counted and traced.
  for (const cause of CAUSES) assert.equal(seen.get(cause), count(rows(stderr).get(cause)), cause);
});

test('--trace writes only what was asked for', async () => {
  const path = join(folder, 'irq');
  await runWith(SCRIPT, VIVARIUM, 'run', '--trace', `irq=${path}`);
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  assert(lines.every((line) => /^\d+ irq \d+ (high|low)$/.test(line)));
});

test('a trace of a deterministic run is the same each time', async () => {
  const traces = await Promise.all(
    ['a', 'b'].map(async (name) => {
      const path = join(folder, name);
      await runWith(SCRIPT, VIVARIUM, 'run', '--deterministic', '--trace', `exits,irq=${path}`);
      return readFile(path, 'utf8');
    }),
  );
  assert(traces[0].length > 100_000);
  assert(traces[0] === traces[1]);
});

test('a disk that fills up while tracing ends the run', { skip: !existsSync('/dev/full') }, async () => {
  const { status, stderr } = await runWith('sleep 60\n', VIVARIUM, 'run', '--trace', 'exits=/dev/full');
  assert.equal(stderr, 'vivarium: The trace /dev/full cannot be written any further: the disk is full.\n');
  assert.equal(status, 8);
});

test('a full disk under the output of the guest ends the run', { skip: !existsSync('/dev/full') }, async () => {
  const toFull = ['/bin/sh', '-c', '"$@" >/dev/full', 'sh', ...VIVARIUM];
  const { status, stderr } = await runWith('echo hello; sleep 60\n', toFull, 'run');
  assert.equal(stderr, "vivarium: The guest's output cannot be written: the disk is full.\n");
  assert.equal(status, 8);
});
