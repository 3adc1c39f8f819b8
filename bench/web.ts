/**
 * The page in Chromium, measured: how soon it is of use, what it transfers, its frames and its memory while a guest is
 * busy, and programs of bench/programs beside the same in Node.
 *
 *     node --import tsx bench/web.ts [--opens 5] [--busy SECONDS] [--programs sieve,sort,...] [--passes 3] [--node PATH]
 */

import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import type { Page } from 'playwright-core';
import { skipWithoutChromium, startWebTest, untilPrompt, type WebTest } from '../tests/web/browser.ts';
import { buildInitramfs } from './initramfs.ts';
import { PROGRAMS } from './programs.ts';

const KERNEL = 'guests/builtin/vmlinuz';
const COMMAND_LINE = 'console=ttyS0 quiet';
const SAMPLE = 'integer,calls,sieve,sha256,sort,nbody,vector-integer,compress,syscall,fault,fork,pipe';
const LOOK_MS = 20;
const LOOK_MEMORY_S = 20;
const TRACED_MS = 10_000;
/** A guest that computes, starts programs, and writes to its console. */
const BUSY = `while :; do seq 400; seq 3000 | sort -n | md5sum; dmesg | gzip | wc -c
awk 'BEGIN { for (i = 0; i < 50000; i++) s += i % 7; print s }'
i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done; done
`;

const { opens, busy, programs, passes, node } = new Command()
  .option('--opens <count>', 'pages to open', Number, 5)
  .option('--busy <seconds>', 'how long to watch a busy guest', Number, 60)
  .option('--programs <names>', 'of bench/programs', SAMPLE)
  // The first of them still meets cold code.
  .option('--passes <count>', 'of each program', Number, 3)
  .option('--node <path>', 'the Node to compare with', process.execPath)
  .parse()
  .opts<{ opens: number; busy: number; programs: string; passes: number; node: string }>();

async function measureOpening(web: WebTest): Promise<void> {
  const times: number[] = [];
  let bytes = 0;
  for (let i = 0; i < opens; i++) {
    const before = web.sentBytes;
    const page = await web.open();
    await page.waitForFunction(() => globalThis.vivarium?.consoleText.includes('vivarium:~#'), undefined, {
      polling: LOOK_MS,
    });
    // From the start of navigation, by the page's own clock.
    times.push(await page.evaluate(() => performance.now()));
    bytes = web.sentBytes - before;
    await page.context().close();
  }
  times.sort((a, b) => a - b);
  const text = times.map((ms) => ms.toFixed(0)).join(', ');
  console.log(`open to prompt: ${text} ms; ${(bytes / 2 ** 20).toFixed(1)} MB fetched`);
}

/** Resident bytes of the renderers below this process. */
function residentBytes(): number {
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const status = readFileSync(`/proc/${name}/status`, 'utf8');
        const field = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
        const isRenderer = readFileSync(`/proc/${name}/cmdline`, 'utf8').includes('--type=renderer');
        return [{ pid: Number(name), parent: field('PPid'), bytes: field('VmRSS') * 1024, isRenderer }];
      } catch {
        return []; // it has ended meanwhile
      }
    });
  const ours = new Set([process.pid]);
  for (let size = 0; size !== ours.size; ) {
    size = ours.size;
    for (const { pid, parent } of processes) if (ours.has(parent)) ours.add(pid);
  }
  return processes
    .filter(({ pid, isRenderer }) => ours.has(pid) && isRenderer)
    .reduce((sum, { bytes }) => sum + bytes, 0);
}

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds: as clocks have it, and of the processor's time. */
  readonly dur?: number;
  readonly tdur?: number;
  readonly args: { readonly name?: string };
}

/** What the page's main thread had to do at a time: a host with other work makes it wait, too. */
async function longestTask(page: Page): Promise<string> {
  const browser = page.context().browser();
  await browser?.startTracing(page, { categories: ['toplevel'] });
  await page.waitForTimeout(TRACED_MS);
  const { traceEvents } = JSON.parse(String(await browser?.stopTracing())) as { traceEvents: TraceEvent[] };
  const mains = new Set(
    traceEvents
      .filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain')
      .map(({ pid, tid }) => `${pid} ${tid}`),
  );
  let [longest, most] = [0, 0];
  for (const { name, pid, tid, dur = 0, tdur = 0 } of traceEvents) {
    if (name !== 'ThreadControllerImpl::RunTask' || !mains.has(`${pid} ${tid}`)) continue;
    longest = Math.max(longest, dur / 1000);
    most = Math.max(most, tdur / 1000);
  }
  return `the longest took ${longest.toFixed(0)} ms, and the one that had most to do ${most.toFixed(0)} ms of processor`;
}

async function measureBusy(web: WebTest): Promise<void> {
  const page = await web.open();
  await untilPrompt(page);
  await page.evaluate((line) => globalThis.vivarium.vm?.console.write(line), BUSY);
  await page.waitForTimeout(5000);
  // As text, for what compiles this file would add calls that the page does not know.
  await page.evaluate(`{
    globalThis.frames = [];
    globalThis.tasks = [];
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) tasks.push(duration);
    }).observe({ type: 'longtask' });
    let last = performance.now();
    const frame = (now) => {
      frames.push(now - last);
      last = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }`);
  const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
  console.log(
    'seconds: MB of the renderer; of what the guest has touched; regions, MB of code in them; million instructions',
  );
  const begun = performance.now();
  for (let second = 0; second <= busy; second = (performance.now() - begun) / 1000) {
    const stats = await page.evaluate(() => globalThis.vivarium.vm?.stats());
    if (stats === undefined) throw new Error('The machine is gone.');
    const { memoryTouchedBytes, translator, instructions } = stats;
    const code = `${translator.regions}, ${mib(translator.codeBytes)}`;
    const work = (instructions / 1e6).toFixed(0);
    console.log(`${second.toFixed(0)}: ${mib(residentBytes())}; ${mib(memoryTouchedBytes)}; ${code}; ${work}`);
    await page.waitForTimeout(LOOK_MEMORY_S * 1000);
  }
  const { frames, tasks } = await page.evaluate(() => {
    const { frames, tasks } = globalThis as unknown as Record<'frames' | 'tasks', number[]>;
    return { frames, tasks };
  });
  frames.sort((a, b) => a - b);
  const quantile = (q: number): string => (frames[Math.floor(q * (frames.length - 1))] as number).toFixed(0);
  const late = frames.filter((ms) => ms > 50).length;
  console.log(
    `busy for ${busy} s: ${frames.length} frames, median ${quantile(0.5)} ms, 99.9 % within ${quantile(0.999)} ms, ` +
      `longest ${quantile(1)} ms, ${late} over 50 ms`,
  );
  console.log(`tasks of the page over 50 ms: ${tasks.length}, the longest ${Math.max(0, ...tasks).toFixed(0)} ms`);
  console.log(`of ${TRACED_MS / 1000} s more, traced: ${await longestTask(page)}`);
  await page.context().close();
}

/** Seconds of each pass, by the guest's clock. */
type Run = (name: string, amount: number) => Promise<number>;

async function inChromium(page: Page, initramfs: string): Promise<Run> {
  await page.setInputFiles('#files', [KERNEL, initramfs]);
  await page.fill('#start-command', COMMAND_LINE);
  await page.selectOption('#start-memory', '512M');
  await page.click('#start-dialog button[value=start]');
  await page.getByText('vmlinuz', { exact: true }).waitFor();
  let runs = 0;
  return async (name, amount) => {
    await page.evaluate((line) => globalThis.vivarium.vm?.console.write(line), `${name} ${amount}\n`);
    runs++;
    const found = await page.waitForFunction((count) => {
      const ends = [...globalThis.vivarium.consoleText.matchAll(/^(?:end \S+ \S+ ([\d.]+)|failed .*)$/gm)];
      return ends.length >= count && (ends[count - 1]?.[1] ?? 'nothing');
    }, runs);
    return Number(await found.jsonValue());
  };
}

function inNode(initramfs: string): Run & { stop(): void } {
  const args = ['dist/vivarium.js', 'run', '--kernel', KERNEL, '--initrd', initramfs, '--append', COMMAND_LINE];
  const vivarium = spawn(node, [...args, '--memory', '512M'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  let told = (): void => {};
  vivarium.stdout.on('data', (piece: Buffer) => {
    text += piece.toString('latin1').replaceAll('\r', '');
    told();
  });
  const run: Run = async (name, amount) => {
    vivarium.stdin.write(`${name} ${amount}\n`);
    for (;;) {
      const end = /^(?:end \S+ \S+ ([\d.]+)|failed .*)\n/m.exec(text);
      if (end) {
        text = text.slice(end.index + end[0].length);
        return Number(end[1] ?? 'nothing');
      }
      await new Promise<void>((resolve) => {
        told = resolve;
      });
    }
  };
  return Object.assign(run, { stop: () => void vivarium.kill() });
}

async function comparePrograms(web: WebTest, names: readonly string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'vivarium-bench-'));
  const built = buildInitramfs(folder, 64);
  if ('missing' in built) throw new Error(`The programs cannot be built: ${built.missing}`);
  const page = await web.open();
  await untilPrompt(page);
  const chromium = await inChromium(page, built.initramfs);
  const other = inNode(built.initramfs);
  const ratios: number[] = [];
  for (const name of names) {
    const amount = PROGRAMS.find((program) => program.name === name)?.amount;
    if (amount === undefined) throw new Error(`There is no program ${name}.`);
    const times = { chromium: [] as number[], node: [] as number[] };
    // By turns, so that both meet the same host.
    for (let i = 0; i < passes; i++) {
      times.node.push(await other(name, amount));
      times.chromium.push(await chromium(name, amount));
    }
    const best = { chromium: Math.min(...times.chromium), node: Math.min(...times.node) };
    ratios.push(best.chromium / best.node);
    console.log(
      `${name.padEnd(16)} Node ${best.node.toFixed(3)} s  Chromium ${best.chromium.toFixed(3)} s  ` +
        `ratio ${(best.chromium / best.node).toFixed(2)}`,
    );
  }
  const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
  console.log(`geometric mean ${mean.toFixed(2)}`);
  other.stop();
  await page.context().close();
  rmSync(folder, { recursive: true });
}

if (skipWithoutChromium) throw new Error('Chromium is not installed.');
const web = await startWebTest();
try {
  if (opens > 0) await measureOpening(web);
  if (busy > 0) await measureBusy(web);
  if (programs) await comparePrograms(web, programs.split(','));
} finally {
  await web.close();
}
