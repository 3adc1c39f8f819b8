/** Benchmarks of the machine itself: the built-in guest's boot, the start of the process, memory; and the loops. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Benchmark, Contender } from './benchmark.ts';
import { DEBIAN_DISK, debianDiskBenchmark } from './debian-disk.ts';
import { BEGIN_MARK, END_MARK, shortestImage } from './kernel.ts';
import { LOOPS, type Loop } from './loops.ts';
import { type GuestFiles, type Start, startAtTerminal } from './machines.ts';
import { observe } from './process.ts';

const BOOT_TIMEOUT_MS = 120_000;
const LOOP_TIMEOUT_MS = 120_000;
const START_TIMEOUT_MS = 10_000;

// Relative: given so, these are files as any other, and the command line for them is ours.
const BUILT_IN_KERNEL = 'guests/builtin/vmlinuz';
const BUILT_IN_INITRD = 'guests/builtin/initramfs.cpio.gz';

const TO_PROMPT = 'console=ttyS0 quiet';
const PROMPT = { shows: /vivarium:~# / };

/** From the start of the process to the shell's prompt: a whole boot, and as somebody at a terminal has it. */
function prompt({ starts }: Setting): Benchmark {
  const guest: GuestFiles = { kernel: BUILT_IN_KERNEL, initrd: BUILT_IN_INITRD, commandLine: TO_PROMPT };
  return {
    name: 'builtin',
    figures: [
      { name: 'built-in guest to its prompt, whole boot', unit: 's', better: 'less', atMost: 1 },
      { name: 'built-in guest to its prompt, as it starts at a terminal', unit: 's', better: 'less', atMost: 1 },
    ],
    async measure(machine) {
      const watch = { marks: [PROMPT], afterwards: 'kill', timeoutMs: BOOT_TIMEOUT_MS } as const;
      const { marksMs } = await observe(starts[machine](guest), watch);
      const atTerminal = machine === 'vivarium' ? startAtTerminal() : undefined;
      const usual = atTerminal && (await observe(atTerminal, watch)).marksMs[0];
      return [marksMs[0] / 1000, usual && usual / 1000];
    },
  };
}

/** Peak resident memory of a boot to the prompt and a poweroff. */
function memory(name: string, title: string, kernel: string, { starts }: Setting): Benchmark {
  return {
    name,
    figures: [
      { name: `${title}: peak resident memory`, unit: 'MB', better: 'less' },
      { name: `${title}: of it, not touched by the guest`, unit: 'MB', better: 'less', atMost: 200 },
    ],
    maxRounds: 2,
    async measure(machine) {
      const guest = { kernel, initrd: BUILT_IN_INITRD, commandLine: TO_PROMPT, statistics: true };
      const { peakBytes, stderr } = await observe(starts[machine](guest), {
        marks: [{ ...PROMPT, send: 'poweroff\n' }],
        afterwards: 'wait',
        timeoutMs: BOOT_TIMEOUT_MS,
      });
      if (peakBytes === undefined) return [undefined, undefined];
      const touched = machine === 'vivarium' ? touchedBytes(stderr) : undefined;
      return [peakBytes / 1e6, touched === undefined ? undefined : (peakBytes - touched) / 1e6];
    },
  };
}

/** From the line of `--stats`: "memory touched   57.3 MiB of 512 MiB". */
function touchedBytes(statistics: string): number {
  const match = /^memory touched +([\d.]+) (KiB|MiB|GiB) of/m.exec(statistics);
  if (match === null) throw new Error('the statistics do not tell the memory touched');
  return Number(match[1]) * { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }[match[2] as 'KiB' | 'MiB' | 'GiB'];
}

/** From the start of the process to a byte that the kernel's first three instructions send, and to its end. */
function start({ directory, starts }: Setting): Benchmark {
  const kernel = join(directory, 'shortest');
  writeFileSync(kernel, shortestImage());
  return {
    name: 'start',
    figures: [
      { name: 'process start to first instructions', unit: 's', better: 'less', atMost: 0.3 },
      { name: 'process start to its end, with three instructions', unit: 's', better: 'less' },
      { name: 'process start to its end, Node alone', unit: 's', better: 'less' },
    ],
    async measure(machine) {
      const watch = {
        marks: [{ shows: new RegExp(END_MARK) }],
        afterwards: 'wait',
        timeoutMs: START_TIMEOUT_MS,
      } as const;
      const { marksMs, endMs } = await observe(starts[machine]({ kernel, debugExit: true }), watch);
      const node = machine === 'vivarium' ? await nodeAloneMs() : undefined;
      return [marksMs[0] / 1000, endMs / 1000, node === undefined ? undefined : node / 1000];
    },
  };
}

async function nodeAloneMs(): Promise<number> {
  const watch = { marks: [], afterwards: 'wait', timeoutMs: START_TIMEOUT_MS } as const;
  return (await observe([process.execPath, '--eval', '0'], watch)).endMs;
}

const RATES = {
  instructions: { unit: 'M instructions/s', per: 1e6 },
  events: { unit: 'k/s', per: 1e3 },
  bytes: { unit: 'MB/s', per: 1e6 },
} as const;

/** More rounds of the loop than this do not fit its counter. */
const MAX_ROUNDS = 0xffff_ffff;

/**
 * Time between the marks before and after the loop, so that neither machine's start counts. As the result is a rate,
 * each machine gets as many rounds as take it long enough to be timed well.
 */
function loop(
  { name, title, perRound, unit, rounds, image }: Loop,
  { directory, loopSeconds, starts }: Setting,
): Benchmark {
  const counts = { vivarium: rounds, qemu: rounds };
  const rate = RATES[unit];

  async function secondsFor(machine: Contender): Promise<number> {
    const kernel = join(directory, `${name}-${machine}`);
    writeFileSync(kernel, image(counts[machine]));
    const { marksMs } = await observe(starts[machine]({ kernel, debugExit: true }), {
      marks: [{ shows: new RegExp(`\\${BEGIN_MARK}`) }, { shows: new RegExp(END_MARK) }],
      afterwards: 'wait',
      timeoutMs: LOOP_TIMEOUT_MS,
    });
    return (marksMs[1] - marksMs[0]) / 1000;
  }

  return {
    name,
    figures: [{ name: title, unit: rate.unit, better: 'more' }],
    async measure(machine) {
      let seconds = await secondsFor(machine);
      while (seconds < loopSeconds && counts[machine] < MAX_ROUNDS) {
        const factor = Math.min(10, (1.5 * loopSeconds) / seconds);
        counts[machine] = Math.min(MAX_ROUNDS, Math.ceil(counts[machine] * factor));
        seconds = await secondsFor(machine);
      }
      return [(counts[machine] * perRound) / seconds / rate.per];
    },
  };
}

export interface Setting {
  /** For kernels made here. */
  readonly directory: string;
  /** Debian's cloud kernel, where there is one. */
  readonly debianKernel: string | undefined;
  /** A disk with Debian, where there is one. */
  readonly debianDisk: string | undefined;
  /** How long a loop takes at least. */
  readonly loopSeconds: number;
  readonly starts: Readonly<Record<Contender, Start>>;
  readonly pcStarts: Readonly<Record<Contender, (image: string) => string[]>>;
}

/** Names, for --only. */
export const DEBIAN_MEMORY = 'debian-memory';
export const FIGURE_NAMES: readonly string[] = ['builtin', 'start', 'memory', DEBIAN_MEMORY, DEBIAN_DISK];
export const LOOP_NAMES: readonly string[] = LOOPS.map(({ name }) => name);

export function figureBenchmarks(setting: Setting): Benchmark[] {
  const { debianKernel, debianDisk, pcStarts } = setting;
  return [
    prompt(setting),
    start(setting),
    memory('memory', 'built-in guest', BUILT_IN_KERNEL, setting),
    ...(debianKernel ? [memory(DEBIAN_MEMORY, 'Debian cloud kernel', debianKernel, setting)] : []),
    ...(debianDisk ? [debianDiskBenchmark(debianDisk, pcStarts)] : []),
  ];
}

export function loopBenchmarks(setting: Setting): Benchmark[] {
  return LOOPS.map((each) => loop(each, setting));
}
