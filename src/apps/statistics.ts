/** What `--stats` and Ctrl-A s show: how much the guest did, and each kind of exit to the monitor. */

import type { EngineChoice, TranslatorStats } from '../cpu/translator/statistics.ts';
import type { GuestStats } from '../vmm/guest-options.ts';
import { formatBytes, formatCount, formatSeconds } from './units.ts';

export interface Measured {
  readonly guest: GuestStats;
  readonly engine: EngineChoice;
  readonly wallMs: number;
  readonly memoryBytes: number;
  /** Where it means something: deterministic runs that have ended. */
  readonly stateHash?: string | undefined;
}

type Row = readonly [name: string, value: string];

export function statisticsTable({ guest, engine, wallMs, memoryBytes, stateHash }: Measured): string {
  const mips = wallMs > 0 ? guest.instructions / wallMs / 1000 : 0;
  const lookups = guest.tlbHits + guest.tlbMisses;
  const exits = Object.entries(guest.exits).sort(([, a], [, b]) => b - a);
  const exitTotal = exits.reduce((sum, [, count]) => sum + count, 0);

  const rows: Row[] = [
    ['instructions retired', formatCount(guest.instructions)],
    ['speed', `${mips.toFixed(1)} MIPS`],
    ['wall time', formatSeconds(wallMs)],
    ['virtual time', formatSeconds(guest.virtualNs / 1e6)],
    ['memory touched', `${formatBytes(guest.memoryTouchedBytes)} of ${formatBytes(memoryBytes)}`],
  ];
  // Hits are counted only with --stats.
  if (lookups > 0) {
    const missPercent = ((100 * guest.tlbMisses) / lookups).toFixed(3);
    rows.push(['TLB hits', formatCount(guest.tlbHits)]);
    rows.push(['TLB misses', `${formatCount(guest.tlbMisses)} (${missPercent} %)`]);
  }
  rows.push(...translatorRows(guest.translator, engine));
  rows.push(['exits to the monitor', formatCount(exitTotal)]);
  for (const [cause, count] of exits) rows.push([`  ${cause}`, formatCount(count)]);
  if (stateHash !== undefined) rows.push(['final state', stateHash]);

  const nameWidth = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(nameWidth)}  ${value}\n`).join('');
}

/** Nothing translated is nothing to tell but the tier that ran. */
function translatorRows(translator: TranslatorStats, engine: EngineChoice): Row[] {
  const { translations, regions, instructions, links, invalidations, evictions, modules } = translator;
  if (translations === 0) return [['tiers', 'interpreter']];
  return [
    ['tiers', engine === 'translator' ? 'translator' : 'interpreter, translator'],
    ['regions translated', formatCount(translations)],
    ['  in use', formatCount(regions)],
    ['  instructions', formatCount(instructions)],
    ['  links', formatCount(links)],
    ['  invalidations', formatCount(invalidations)],
    ['  evictions', formatCount(evictions)],
    ['  modules', formatCount(modules)],
    ['  code memory', formatBytes(translator.codeBytes)],
    ['  time', formatSeconds(translator.milliseconds)],
  ];
}
