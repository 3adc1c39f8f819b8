/**
 * `npm run bench`: Vivarium against QEMU's TCG and against v86, in one run and by turns. docs/performance.md says how
 * to read it.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { debianDisk } from '../tests/debian/disk.ts';
import { type Benchmark, type Contender, type Result, runBenchmark } from './benchmark.ts';
import { figureBenchmarks, loopBenchmarks } from './benchmarks.ts';
import { chart } from './chart.ts';
import { fetch32BitKernel, fetchCloudKernel } from './debian.ts';
import { DEBIAN_DISK } from './debian-disk.ts';
import { buildInitramfs } from './initramfs.ts';
import { findPeer, type GuestFiles, PEERS, type PeerName, pcStartsWith, startsWith } from './machines.ts';
import { understand } from './options.ts';
import { PROGRAMS } from './programs.ts';
import { json, markdown, type Report, text } from './report.ts';
import { BOOT, type Machine, runRounds } from './rounds.ts';
import { describe, setupWith, type Versions } from './setup.ts';
import { disagreements, programResults, targets } from './summary.ts';

const options = understand();
process.chdir(fileURLToPath(new URL('..', import.meta.url)));
await import('../scripts/build.ts');
await import('../scripts/builtin-snapshot.ts');

const directory = mkdtempSync(join(tmpdir(), 'vivarium-bench-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));

const starts = startsWith(options.engine);
const versions: Versions = options.engine === undefined ? {} : { engine: options.engine };

/** The peers that are here; of each other one a line says what it lacks. */
const peers = new Set<PeerName>(options.peers);
function leaveOut(peer: PeerName, reason: string): void {
  console.log(`${peer} is left out: ${reason}`);
  peers.delete(peer);
  delete versions[peer];
}
for (const peer of peers) {
  const found = findPeer[peer]();
  if ('missing' in found) leaveOut(peer, found.missing);
  else versions[peer] = found.version;
}

const programs = options.loops ? [] : PROGRAMS.filter(({ name }) => options.wants(name));
const runsPrograms = !options.loops && (programs.length > 0 || options.wants(BOOT));
const cloud = options.loops ? undefined : fetchCloudKernel(options.cache);
if (cloud && 'missing' in cloud) console.log(`what needs Debian's kernel is left out: ${cloud.missing}`);
const debianKernel = cloud && 'kernel' in cloud ? cloud.kernel : undefined;
if (cloud && 'version' in cloud) versions.debianKernel = cloud.version;

/** Made when it is first wanted: that takes a minute or two. */
const disk = !options.loops && options.wants(DEBIAN_DISK) ? debianDisk() : undefined;
if (disk && 'missing' in disk) console.log(`what needs Debian on a disk is left out: ${disk.missing}`);

const machines = runsPrograms && debianKernel !== undefined ? machinesWith(debianKernel) : [];
const setup = setupWith(versions);
console.log(`${describe(setup)}\n`);

function machinesWith(kernel: string): Machine[] {
  const commandLine = 'console=ttyS0 quiet panic=-1';
  const built = buildInitramfs(directory, 64);
  if ('missing' in built) {
    console.log(`the programs are left out, they could not be built: ${built.missing}`);
    return [];
  }
  const guest: GuestFiles = { kernel, initrd: built.initramfs, commandLine };
  const found: Machine[] = [{ name: 'vivarium', start: starts.vivarium, guest }];
  if (peers.has('qemu')) found.push({ name: 'qemu', start: starts.qemu, guest });
  if (peers.has('v86')) {
    const built32 = buildInitramfs(directory, 32);
    const kernel32 = fetch32BitKernel(options.cache);
    if ('missing' in built32) leaveOut('v86', `programs of 32 bits could not be built: ${built32.missing}`);
    else if ('missing' in kernel32) leaveOut('v86', `Debian's 32-bit kernel: ${kernel32.missing}`);
    else {
      versions.debian32BitKernel = kernel32.version;
      found.push({
        name: 'v86',
        start: starts.v86,
        guest: { kernel: kernel32.kernel, initrd: built32.initramfs, commandLine },
      });
    }
  }
  return found;
}

function running(what: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${what}\r`);
}
function failed(machine: string, what: string, reason: string): void {
  console.log(`${what}: ${machine} failed: ${reason}`);
  if (machine === 'vivarium') process.exitCode = 1;
}

const amounts = programs.map((program) =>
  options.quick ? { ...program, amount: Math.ceil(program.amount / 4) } : program,
);
const measured = machines.length > 0 ? await runRounds(amounts, machines, options.rounds, { running, failed }) : [];
const results = programResults(new Map(measured));

const setting = {
  directory,
  debianKernel,
  debianDisk: disk && 'image' in disk ? disk.image : undefined,
  loopSeconds: options.quick ? 0.1 : 0.5,
  starts,
  pcStarts: pcStartsWith(options.engine),
};
const contenders: Contender[] = peers.has('qemu') ? ['vivarium', 'qemu'] : ['vivarium'];
const benchmarks: Benchmark[] = options.loops ? loopBenchmarks(setting) : figureBenchmarks(setting);
const figures: Result[] = [];
for (const benchmark of benchmarks.filter(({ name }) => options.wants(name))) {
  running(benchmark.name);
  figures.push(
    ...(await runBenchmark(benchmark, contenders, options.rounds, (machine, reason) =>
      failed(machine, benchmark.name, reason),
    )),
  );
}
running('');

const report: Report = {
  setup,
  rounds: options.rounds,
  programs: results,
  figures,
  targets: targets(results, figures),
};
console.log(text(report));

for (const { name, checksums } of disagreements(results)) {
  console.log(`WRONG: ${name} computed different things: ${JSON.stringify(checksums)}`);
  process.exitCode = 1;
}

const complete = options.whole && PEERS.every((peer) => peers.has(peer)) && process.exitCode === undefined;
if (options.whole && !complete && options.out === undefined) {
  console.log('docs is left as it was: not everything could be measured.');
}
const out = options.out ?? (complete ? 'docs' : undefined);
if (out !== undefined) {
  const written = { 'bench.md': markdown(report), 'bench.json': json(report), 'bench.svg': chart(results) };
  mkdirSync(out, { recursive: true });
  for (const [name, content] of Object.entries(written)) writeFileSync(join(out, name), content);
  console.log(`written to ${out}: ${Object.keys(written).join(', ')}`);
}
