/**
 * `npm run bench`: Vivarium against QEMU's TCG, in one run and by turns. docs/performance.md says how to read it.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Result, runBenchmark } from './benchmark.ts';
import { benchmarks, DEBIAN_NAMES, NAMES } from './benchmarks.ts';
import { fetchDebianKernel } from './debian.ts';
import { qemuVersion } from './machines.ts';
import { describe, describeSetup, json, table } from './report.ts';

const HELP = `Usage: npm run bench -- [options]

  --rounds N    rounds of each benchmark, Vivarium and QEMU by turns (default 5)
  --only NAMES  only these, separated by commas: ${NAMES.join(', ')}
  --quick       one round, and shorter loops
  --json        write the results to docs/bench.json; for whole runs only
  --cache DIR   where Debian's kernel is kept (default node_modules/.cache/vivarium)
  --help        show this help

The exit status is 1 when Vivarium could not run a benchmark, 2 for wrong options; missing a target is no failure.`;

const JSON_FILE = 'docs/bench.json';

function usage(message: string): never {
  console.error(`bench: ${message}\n\n${HELP}`);
  process.exit(2);
}

function understand() {
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: 'string', default: '5' },
        only: { type: 'string', multiple: true, default: [] },
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        cache: { type: 'string', default: 'node_modules/.cache/vivarium' },
        help: { type: 'boolean', default: false },
      },
    });
    return values;
  } catch (error) {
    return usage((error as Error).message);
  }
}

const options = understand();
if (options.help) {
  console.log(HELP);
  process.exit(0);
}
const rounds = options.quick ? 1 : Number(options.rounds);
if (!Number.isInteger(rounds) || rounds < 1) usage('--rounds takes a whole number from 1.');
const names = options.only.flatMap((list) => list.split(','));
const unknown = names.find((name) => !NAMES.includes(name));
if (unknown !== undefined) usage(`there is no benchmark called ${unknown}.`);
if (options.json && (options.quick || names.length > 0))
  usage('--json writes whole runs only, without --only and --quick.');
const wanted = (name: string): boolean => names.length === 0 || names.includes(name);

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
await import('../scripts/build.ts');

const qemu = qemuVersion();
if (qemu === undefined) console.log('qemu-system-x86_64 is not installed: Vivarium runs alone, without ratios.');
const debian = DEBIAN_NAMES.some(wanted) ? fetchDebianKernel(options.cache) : undefined;
if (debian && 'missing' in debian) console.log(`Debian's kernel is left out: ${debian.missing}`);
const kernel = debian && 'kernel' in debian ? debian : undefined;

const setup = describeSetup(qemu, kernel?.version);
console.log(`${describe(setup)}\n`);

const directory = mkdtempSync(join(tmpdir(), 'vivarium-bench-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));

const results: Result[] = [];
const loopSeconds = options.quick ? 0.1 : 0.5;
for (const benchmark of benchmarks({ directory, debianKernel: kernel?.kernel, loopSeconds })) {
  if (!wanted(benchmark.name)) continue;
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${benchmark.name} ...\r`);
  const machines = qemu === undefined ? (['vivarium'] as const) : (['vivarium', 'qemu'] as const);
  const measured = await runBenchmark(benchmark, machines, rounds, (machine, reason) => {
    console.log(`${benchmark.name}: ${machine} failed: ${reason}`);
    if (machine === 'vivarium') process.exitCode = 1;
  });
  results.push(...measured);
}
if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');

console.log(table(results));
if (options.json) {
  writeFileSync(JSON_FILE, json(setup, results));
  console.log(`\nwritten: ${JSON_FILE}`);
}
