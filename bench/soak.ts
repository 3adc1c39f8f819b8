/**
 * npm run soak -- [--minutes N] [--engine auto] [--out FILE]: the built-in guest at work that keeps producing new code,
 * under watch: are its results right, does it go on, does the host's memory stay bounded. Status 1 if not.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { ENGINE_CHOICES } from '../src/cpu/translator/statistics.ts';
import { gunzip, nodePlatform } from '../src/host/node/platform.ts';
import { startRegionThread } from '../src/host/node/region-thread.ts';
import { Guest } from '../src/vmm/guest.ts';

import { buildChurn, expected, guestScript } from './soak/work.ts';

const SAMPLE_MS = 10_000;
/** A round takes seconds, and so does the boot. Counted in the processor time that a loaded host gives this process. */
const STALLED_MS = 120_000;
/** How much higher the resident memory may be later than by the time that regions have stopped to become more. */
const GROWTH_BYTES = 128 << 20;
/** They have when there are so many of the most there ever are; a run must go on for as long again. */
const SETTLED_REGIONS = 0.95;
const GUEST_MEMORY_BYTES = 128 << 20;
/** As it is built. */
const REGION_WORKER = new URL('../dist/library/node/region-worker.js', import.meta.url);

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    engine: { type: 'string', default: 'auto' },
    out: { type: 'string', default: 'docs/soak.json' },
  },
});
const minutes = Number(values.minutes);
if (!(minutes > 0)) throw new Error(`--minutes takes a number above 0, not ${values.minutes}.`);
const engine = ENGINE_CHOICES.find((choice) => choice === values.engine);
if (!engine) throw new Error(`--engine takes ${ENGINE_CHOICES.join(', ')}, not ${values.engine}.`);

type Sample = Record<string, number>;

const directory = mkdtempSync(join(tmpdir(), 'vivarium-soak-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
const program = buildChurn(directory);
const folder = new URL('../guests/builtin/', import.meta.url);

const samples: Sample[] = [];
const faults: string[] = [];
const startedAt = performance.now();
let heardAt = processorMs();
let rounds = 0;
let checks = 0;
let sent = false;
let unread = '';
let stray = '';

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function heard(line: string): void {
  const match = /^=(\w+) (\d+) (.*)$/.exec(line);
  if (!match) {
    stray = `${stray}${line}\n`.slice(-2000);
    return;
  }
  const [, work, number, result] = match;
  heardAt = processorMs();
  const right = expected(program, work, Number(number));
  checks++;
  if (work === 'churn') rounds = Number(number);
  if (result !== right) fail(`${work} of round ${number} is ${result}, should be ${right}`);
}

function fail(message: string): void {
  faults.push(message);
  guest.stop();
}

const guest = await Guest.create({
  memoryBytes: GUEST_MEMORY_BYTES,
  time: 'real',
  seed: 0,
  optionalDevices: [],
  gunzip,
  host: { ...nodePlatform, regionThread: () => startRegionThread(REGION_WORKER) },
  engine,
  kernel: {
    image: readFileSync(new URL('vmlinuz', folder)),
    initrd: gunzipSync(readFileSync(new URL('initramfs.cpio.gz', folder))),
    commandLine: 'console=ttyS0 loglevel=3 vivarium.filter=ttyS1',
  },
  onConsole(bytes) {
    const lines = (unread + Buffer.from(bytes).toString('latin1').replaceAll('\r', '')).split('\n');
    unread = lines.pop() ?? '';
    lines.forEach(heard);
  },
  onSecondSerial() {
    if (!sent) guest.sendSecondSerial(new TextEncoder().encode(guestScript(program)));
    sent = true;
  },
});

function sample(): void {
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
  const { instructions, translator } = guest.stats();
  const { instructions: translatedInstructions, milliseconds: translatingMs, ...others } = translator;
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  const memory = { rss, heapUsed, external, arrayBuffers };
  samples.push({ seconds, rounds, checks, instructions, ...memory, translatedInstructions, translatingMs, ...others });
  const mib = Math.round(rss / 2 ** 20);
  console.log(`${seconds} s: ${rounds} rounds, ${mib} MiB, ${others.regions} of ${others.translations} regions`);
  if (processorMs() - heardAt > STALLED_MS)
    fail(`nothing came from the guest in ${STALLED_MS / 1000} s of processor time`);
}

const sampling = setInterval(sample, SAMPLE_MS);
const ending = setTimeout(() => guest.stop(), minutes * 60_000);
const end = await guest.run();
clearInterval(sampling);
clearTimeout(ending);
sample();

if (end.kind !== 'stopped') faults.push(`the guest ended: ${JSON.stringify(end)}\n${stray}`);
if (rounds === 0) faults.push(`no round was finished\n${stray}`);
const { seconds } = samples[samples.length - 1];
const peak = (of: readonly Sample[]): number => Math.max(...of.map(({ rss }) => rss));
const most = Math.max(...samples.map(({ regions }) => regions));
const settled = samples.findIndex(({ regions }) => regions >= SETTLED_REGIONS * most);
const settledAt = Math.max(samples[settled].seconds, seconds / 4);
const early = samples.filter((one) => one.seconds <= settledAt);
const late = samples.filter((one) => one.seconds > settledAt);
const growth = late.length > 0 ? peak(late) - peak(early) : null;
if (settledAt > seconds / 2)
  faults.push(`regions became more until ${settledAt} s: too late to tell whether memory grows`);
if (growth !== null && growth > GROWTH_BYTES) faults.push(`resident memory grew by ${growth} bytes`);

const figures = Object.fromEntries(
  Object.keys(samples[0]).map((name) => {
    const all = samples.map((one) => Math.round(one[name]));
    return [name, { first: all[0], last: all[all.length - 1], max: Math.max(...all) }];
  }),
);
console.table(figures);
const growthOnceSettled = { seconds: settledAt, bytes: growth, bound: GROWTH_BYTES };
const host = { node: process.version, processor: cpus()[0]?.model, processors: cpus().length };
const report = { seconds, engine, host, faults, growthOnceSettled, figures };
writeFileSync(values.out, `${JSON.stringify(report, null, 2)}\n`);
for (const fault of faults) console.error(`FAILED: ${fault}`);
process.exitCode = faults.length > 0 ? 1 : 0;
