/** What a benchmark is, and how its rounds are run. */

import type { MachineName } from './machines.ts';

export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly better: 'less' | 'more';
  /** Of Vivarium's median, or of the median ratio to QEMU. */
  readonly target?: { readonly of: 'value' | 'ratio'; readonly limit: number };
}

export interface Benchmark {
  readonly name: string;
  readonly figures: readonly Figure[];
  /** Where one more round tells nothing new. */
  readonly maxRounds?: number;
  /** One round: a value for each figure; undefined where that machine, or this host, has none. */
  measure(machine: MachineName): Promise<readonly (number | undefined)[]>;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface Result extends Figure {
  readonly benchmark: string;
  readonly rounds: number;
  readonly vivarium?: Spread;
  readonly qemu?: Spread;
  /** How many times QEMU's time Vivarium takes, or its memory: less is better. Median of the rounds' ratios. */
  readonly ratio?: number;
  readonly met?: boolean;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function spread(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/**
 * Runs the rounds, the machines by turns, so that a host which is slow for a while is slow for both. A machine that
 * fails is told to `failed` and left out from then on.
 */
export async function runBenchmark(
  benchmark: Benchmark,
  machines: readonly MachineName[],
  rounds: number,
  failed: (machine: MachineName, reason: string) => void,
): Promise<Result[]> {
  const count = Math.min(rounds, benchmark.maxRounds ?? rounds);
  const taking = new Set(machines);
  const values = benchmark.figures.map(() => ({ vivarium: [] as number[], qemu: [] as number[] }));
  for (let round = 0; round < count; round++) {
    for (const machine of taking) {
      try {
        const measured = await benchmark.measure(machine);
        measured.forEach((value, i) => {
          if (value !== undefined) values[i][machine].push(value);
        });
      } catch (error) {
        failed(machine, error instanceof Error ? error.message : String(error));
        taking.delete(machine);
        for (const figure of values) figure[machine] = [];
      }
    }
  }
  return benchmark.figures.map((figure, i) => resultOf(benchmark.name, figure, count, values[i]));
}

function resultOf(
  benchmark: string,
  figure: Figure,
  rounds: number,
  values: Readonly<Record<MachineName, readonly number[]>>,
): Result {
  const vivarium = spread(values.vivarium);
  const qemu = spread(values.qemu);
  const ratio =
    vivarium && qemu
      ? median(values.vivarium.map((v, i) => (figure.better === 'less' ? v / values.qemu[i] : values.qemu[i] / v)))
      : undefined;
  const value = figure.target?.of === 'ratio' ? ratio : vivarium?.median;
  const met =
    figure.target === undefined || value === undefined
      ? undefined
      : figure.better === 'less' || figure.target.of === 'ratio'
        ? value <= figure.target.limit
        : value >= figure.target.limit;
  return {
    benchmark,
    ...figure,
    rounds,
    ...(vivarium && { vivarium }),
    ...(qemu && { qemu }),
    ...(ratio !== undefined && { ratio }),
    ...(met !== undefined && { met }),
  };
}
