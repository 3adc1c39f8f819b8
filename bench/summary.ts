/** What the rounds come to: ratios, means, and whether the targets are met. */

import type { Result } from './benchmark.ts';
import { type MachineName, PEERS, type PeerName } from './machines.ts';
import { PROGRAMS, type Program } from './programs.ts';
import { BOOT, type Measured, type Round, type Timing } from './rounds.ts';
import { geometricMean, median, type Spread, spread } from './statistics.ts';

export interface ProgramResult {
  readonly name: string;
  readonly title: string;
  readonly kind: Program['kind'] | 'boot';
  readonly seconds: Readonly<Partial<Record<MachineName, Spread>>>;
  /** How many times as fast as the peer Vivarium is: the median of the rounds' ratios. */
  readonly speed: Readonly<Partial<Record<PeerName, number>>>;
  /** The same of first passes alone. */
  readonly firstSpeed: Readonly<Partial<Record<PeerName, number>>>;
  readonly checksums: Measured['checksums'];
}

const BOOT_TITLE = 'Debian kernel, from process start to init';

export function programResults(measured: ReadonlyMap<string, Measured>): ProgramResult[] {
  return [...measured].map(([name, { rounds, checksums }]) => {
    const program = PROGRAMS.find((each) => each.name === name);
    return {
      name,
      title: program?.title ?? BOOT_TITLE,
      kind: program?.kind ?? 'boot',
      seconds: eachOf(['vivarium', ...PEERS], (machine) =>
        spread(rounds.flatMap((round) => round[machine]?.whole ?? [])),
      ),
      speed: eachOf(PEERS, (peer) => speedAgainst(rounds, peer, 'whole')),
      firstSpeed: eachOf(PEERS, (peer) => speedAgainst(rounds, peer, 'first')),
      checksums,
    };
  });
}

function eachOf<Name extends string, Value>(
  names: readonly Name[],
  of: (name: Name) => Value | undefined,
): Partial<Record<Name, Value>> {
  const values = names.map((name) => [name, of(name)]).filter(([, value]) => value !== undefined);
  return Object.fromEntries(values) as Partial<Record<Name, Value>>;
}

function speedAgainst(rounds: readonly Round[], peer: PeerName, part: keyof Timing): number | undefined {
  const ratios = rounds.flatMap(({ vivarium, [peer]: other }) =>
    vivarium && other ? [other[part] / vivarium[part]] : [],
  );
  return ratios.length > 0 ? median(ratios) : undefined;
}

/** Programs that did not compute the same everywhere. */
export function disagreements(results: readonly ProgramResult[]): ProgramResult[] {
  return results.filter(({ checksums }) => new Set(Object.values(checksums)).size > 1);
}

export interface Target {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly limit: { readonly atLeast: number } | { readonly atMost: number };
  readonly met: boolean;
  /** The program that decides. */
  readonly program?: string;
}

/** Those that can be judged by what was measured. */
export function targets(results: readonly ProgramResult[], figures: readonly Result[]): Target[] {
  const programs = results.filter(({ kind }) => kind !== 'boot');
  const speeds = (peer: PeerName, among: readonly ProgramResult[]) =>
    among.flatMap(({ name, speed }) => (speed[peer] === undefined ? [] : [{ name, speed: speed[peer] }]));
  const found: Target[] = [];

  function mean(peer: PeerName, who: string, atLeast: number): void {
    const values = speeds(peer, programs).map(({ speed }) => speed);
    if (values.length === 0) return;
    const value = geometricMean(values);
    const name = `times as fast as ${who}, geometric mean of ${values.length} programs`;
    found.push({ name, value, unit: 'x', limit: { atLeast }, met: value >= atLeast });
  }
  /** By the slowest program: how many times TCG's time it takes. */
  function slowest(what: string, among: readonly ProgramResult[], atMost: number): void {
    const last = speeds('qemu', among).sort((a, b) => a.speed - b.speed)[0];
    if (last === undefined) return;
    const value = 1 / last.speed;
    found.push({
      name: `times TCG's time, ${what}`,
      value,
      unit: 'x',
      limit: { atMost },
      met: value <= atMost,
      program: last.name,
    });
  }

  mean('qemu', 'TCG', 1.5);
  slowest('slowest program', programs, 1.5);
  slowest(
    'slowest system-heavy program',
    programs.filter(({ kind }) => kind === 'system'),
    1,
  );
  mean('v86', 'v86', 4);
  slowest(
    'Debian cloud kernel to init',
    results.filter(({ name }) => name === BOOT),
    1.25,
  );
  for (const { name, ratio: value, atMostTimes: atMost } of figures) {
    if (atMost === undefined || value === undefined) continue;
    found.push({ name: `times TCG's time, ${name}`, value, unit: 'x', limit: { atMost }, met: value <= atMost });
  }
  for (const { name, unit, atMost, vivarium } of figures) {
    if (atMost === undefined || vivarium === undefined) continue;
    const value = vivarium.median;
    found.push({ name, value, unit, limit: { atMost }, met: value <= atMost });
  }
  return found;
}

/** Geometric means of one kind of program, for tables and the chart. */
export function meanSpeed(
  results: readonly ProgramResult[],
  kind: Program['kind'] | undefined,
  peer: PeerName,
  of: 'speed' | 'firstSpeed' = 'speed',
): number | undefined {
  const values = results
    .filter((result) => result.kind !== 'boot' && (kind === undefined || result.kind === kind))
    .flatMap(({ [of]: speed }) => speed[peer] ?? []);
  return values.length > 0 ? geometricMean(values) : undefined;
}
