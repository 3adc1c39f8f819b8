/** What a machine does in a second, from what it has done altogether. */

import type { VmStats } from '../library/types/index.ts';

export interface Rates {
  /** Millions of instructions a second. */
  readonly mips: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Exits by cause, the most frequent first. */
  readonly exits: readonly { readonly cause: string; readonly count: number }[];
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** Rates of `ms` milliseconds, between two looks at the same machine. Counts that have begun anew count from 0. */
export function ratesBetween(before: VmStats, after: VmStats, ms: number): Rates {
  const perSecond = (from: number, to: number): number => ((to >= from ? to - from : to) * 1000) / ms;
  const drives = (key: 'readBytes' | 'writtenBytes'): number =>
    perSecond(sum(before.drives.map((drive) => drive[key])), sum(after.drives.map((drive) => drive[key])));
  const exits = Object.entries(after.exits)
    .map(([cause, count]) => ({ cause, count: perSecond(before.exits[cause] ?? 0, count) }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count);
  return {
    mips: perSecond(before.instructions, after.instructions) / 1e6,
    readBytes: drives('readBytes'),
    writtenBytes: drives('writtenBytes'),
    sentBytes: perSecond(before.network.sentBytes, after.network.sentBytes),
    receivedBytes: perSecond(before.network.receivedBytes, after.network.receivedBytes),
    exits,
  };
}

/** Three digits, and a point where they have room for it. */
export function formatMips(mips: number): string {
  return mips >= 100 || mips < 0.05 ? String(Math.round(mips)) : mips.toFixed(1);
}

/** Bytes in a unit that leaves three digits or fewer before the point. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let number = bytes;
  while (number >= 1000 && unit < units.length - 1) {
    number /= 1024;
    unit++;
  }
  return `${number >= 10 || unit === 0 ? Math.round(number) : number.toFixed(1)} ${units[unit]}`;
}
