/** A benchmark of the machine itself, Vivarium's or QEMU's, and how its rounds are run. */

import { median, type Spread, spread } from './statistics.ts';

export type Contender = 'vivarium' | 'qemu';

export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly better: 'less' | 'more';
  /** Of Vivarium's median. */
  readonly atMost?: number;
  /** Of the ratio: how many times QEMU's time. */
  readonly atMostTimes?: number;
}

export interface Benchmark {
  readonly name: string;
  readonly figures: readonly Figure[];
  /** Where one more round tells nothing new. */
  readonly maxRounds?: number;
  /** One round: a value for each figure; undefined where that machine, or this host, has none. */
  measure(machine: Contender): Promise<readonly (number | undefined)[]>;
}

export interface Result extends Figure {
  readonly benchmark: string;
  readonly rounds: number;
  readonly vivarium?: Spread;
  readonly qemu?: Spread;
  /** How many times QEMU's time Vivarium takes, or its memory: less is better. Median of the rounds' ratios. */
  readonly ratio?: number;
}

/**
 * Runs the rounds, the machines by turns, so that a host which is slow for a while is slow for both. A machine that
 * fails is told to `failed` and left out from then on.
 */
export async function runBenchmark(
  benchmark: Benchmark,
  machines: readonly Contender[],
  rounds: number,
  failed: (machine: Contender, reason: string) => void,
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
  values: Readonly<Record<Contender, readonly number[]>>,
): Result {
  const vivarium = spread(values.vivarium);
  const qemu = spread(values.qemu);
  const ratio =
    vivarium && qemu
      ? median(values.vivarium.map((v, i) => (figure.better === 'less' ? v / values.qemu[i] : values.qemu[i] / v)))
      : undefined;
  return {
    benchmark,
    ...figure,
    rounds,
    ...(vivarium && { vivarium }),
    ...(qemu && { qemu }),
    ...(ratio !== undefined && { ratio }),
  };
}
