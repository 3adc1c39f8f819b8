/** Results as a table and as JSON, with what they were measured on. */

import { cpus, totalmem, type } from 'node:os';
import type { Result, Spread } from './benchmark.ts';

export interface Setup {
  readonly processor: string;
  readonly processors: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  readonly v8: string;
  readonly qemu?: string;
  readonly debianKernel?: string;
}

export function describeSetup(qemu: string | undefined, debianKernel: string | undefined): Setup {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    processors: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${process.arch}`,
    node: process.versions.node,
    v8: process.versions.v8,
    ...(qemu !== undefined && { qemu }),
    ...(debianKernel !== undefined && { debianKernel }),
  };
}

export function describe(setup: Setup): string {
  const { processor, processors, memoryGiB, system, node, v8, qemu, debianKernel } = setup;
  const words = [`${processor}, ${processors} processors, ${memoryGiB} GiB, ${system}`, `Node ${node} (V8 ${v8})`];
  if (qemu !== undefined) words.push(`QEMU ${qemu} TCG`);
  if (debianKernel !== undefined) words.push(`Debian kernel ${debianKernel}`);
  return words.join('; ');
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

function target({ target, better, met }: Result): string {
  if (target === undefined) return '';
  const limit = `${target.of === 'value' && better === 'more' ? 'at least' : 'at most'} ${target.limit}${target.of === 'ratio' ? ' x' : ''}`;
  return met === undefined ? `${limit}: not measured` : `${limit}: ${met ? 'met' : 'missed'}`;
}

const HEADINGS = ['', 'unit', 'Vivarium', 'QEMU TCG', 'ratio', 'target'];

export function table(results: readonly Result[]): string {
  const rows = results.map((result) => [
    result.name,
    result.unit,
    withSpread(result.vivarium, result.rounds),
    withSpread(result.qemu, result.rounds),
    result.ratio === undefined ? '-' : `${digits(result.ratio)} x`,
    target(result),
  ]);
  const widths = HEADINGS.map((heading, i) => Math.max(heading.length, ...rows.map((row) => row[i].length)));
  return [HEADINGS, ...rows]
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Rounded, so that the file shows what was measured and no more. */
export function json(setup: Setup, results: readonly Result[]): string {
  const round = (_: string, value: unknown): unknown =>
    typeof value === 'number' ? Number(value.toPrecision(4)) : value;
  return `${JSON.stringify({ setup, results: results.map((r) => ({ ...r, name: r.name.trim() })) }, round, 2)}\n`;
}
