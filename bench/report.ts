/** The results as tables, for a terminal and for docs/bench.md, and as JSON. */

import type { Result } from './benchmark.ts';
import { PASSES } from './rounds.ts';
import { describe, type Setup } from './setup.ts';
import type { Spread } from './statistics.ts';
import { meanSpeed, type ProgramResult, type Target } from './summary.ts';

export interface Report {
  readonly setup: Setup;
  readonly rounds: number;
  readonly programs: readonly ProgramResult[];
  readonly figures: readonly Result[];
  readonly targets: readonly Target[];
}

interface Table {
  readonly headings: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Three significant digits are what a noisy machine gives. */
function digits(value: number): string {
  const text = Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
  return text.replace(/\B(?=(\d{3})+$)/g, text.includes('.') ? '' : ',');
}

function withSpread(value: Spread | undefined, rounds: number): string {
  if (value === undefined) return '-';
  return rounds > 1 ? `${digits(value.median)} (${digits(value.min)}-${digits(value.max)})` : digits(value.median);
}

function times(value: number | undefined): string {
  return value === undefined ? '-' : `${digits(value)} x`;
}

function programTable({ programs, rounds }: Report): Table {
  const rows = programs.map(({ name, title, seconds, speed, firstSpeed }) => [
    name,
    title,
    ...[seconds.vivarium, seconds.qemu, seconds.v86].map((value) => withSpread(value, rounds)),
    ...[speed.qemu, speed.v86, firstSpeed.qemu].map(times),
  ]);
  const mean = (title: string, kind: 'compute' | 'system' | undefined): string[] => [
    ...['', title, '', '', ''],
    times(meanSpeed(programs, kind, 'qemu')),
    times(meanSpeed(programs, kind, 'v86')),
    times(meanSpeed(programs, kind, 'qemu', 'firstSpeed')),
  ];
  const means = [
    mean('geometric mean, computing', 'compute'),
    mean('geometric mean, system-heavy', 'system'),
    mean('geometric mean, all programs', undefined),
  ];
  const seconds = ['Vivarium, s', 'QEMU TCG, s', 'v86, s'];
  const headings = ['program', 'work', ...seconds, 'times TCG', 'times v86', 'first pass, times TCG'];
  return { headings, rows: [...rows, ...means] };
}

function figureTable({ figures }: Pick<Report, 'figures'>): Table {
  const rows = figures.map(({ name, unit, vivarium, qemu, ratio, rounds }) => [
    name,
    unit,
    withSpread(vivarium, rounds),
    withSpread(qemu, rounds),
    times(ratio),
  ]);
  return { headings: ['', 'unit', 'Vivarium', 'QEMU TCG', 'of QEMU'], rows };
}

function targetTable({ targets }: Report): Table {
  const rows = targets.map(({ name, value, unit, limit, met, program }) => [
    program === undefined ? name : `${name} (${program})`,
    `${digits(value)} ${unit}`,
    'atLeast' in limit ? `at least ${limit.atLeast} ${unit}` : `at most ${limit.atMost} ${unit}`,
    met ? 'met' : 'missed',
  ]);
  return { headings: ['target', 'measured', 'wanted', ''], rows };
}

function asText({ headings, rows }: Table): string {
  const widths = headings.map((heading, i) => Math.max(heading.length, ...rows.map((row) => row[i].length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => cell.padEnd(widths[i]))
      .join('  ')
      .trimEnd();
  return [headings, ...rows].map(line).join('\n');
}

function asMarkdown({ headings, rows }: Table): string {
  const line = (row: readonly string[]): string => `| ${row.join(' | ')} |`;
  return [line(headings), line(headings.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Tables that have something to show, each with an empty line after it. */
export function text(report: Report): string {
  return [programTable, figureTable, targetTable]
    .filter((_, i) => [report.programs, report.figures, report.targets][i].length > 0)
    .map((table) => `${asText(table(report))}\n`)
    .join('\n');
}

function rounds(count: number): string {
  return count === 1 ? 'One round.' : `Medians of ${count} rounds, with the lowest and the highest.`;
}

export function markdown(report: Report): string {
  return `# Benchmark results

One whole run of \`npm run bench\`, which writes this file. [performance.md](performance.md#the-benchmark) says what is
measured and how to read it; [bench.json](bench.json) has the figures.

Measured on: ${describe(report.setup)}. ${rounds(report.rounds)}

## Targets

${asMarkdown(targetTable(report))}

## Programs

Seconds are of ${PASSES} passes, one after the other. "Times TCG" and "times v86" say how many times as fast Vivarium is:
above 1 it is faster. The last column is of the first passes alone, in which translating weighs most.

![Speed of each program in Vivarium and v86, relative to QEMU TCG](bench.svg)

${asMarkdown(programTable(report))}

## The machine

"Of QEMU": how many times QEMU's time or memory Vivarium takes. Below 1 it takes less.

${asMarkdown(figureTable(report))}
`;
}

/** Rounded, so that the file shows what was measured and no more. */
export function json({ setup, rounds, targets, programs, figures }: Report): string {
  const round = (_: string, value: unknown): unknown =>
    typeof value === 'number' ? Number(value.toPrecision(4)) : value;
  return `${JSON.stringify({ setup, rounds, targets, programs, figures }, round, 2)}\n`;
}
