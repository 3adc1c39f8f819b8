/**
 * Where two deterministic runs of the same guest part: compares the vCPU at the end of every slice, then looks into
 * the slice in which they part, by bisection, until the instruction is known.
 *
 *     both:   ---------+---------+---------+---------+----     compared where both ended a slice
 *                                     good      bad
 *     again:  ---------+---------+---------+--x                one more cut, at the place that is looked at
 *
 * All slices before the place looked at fall as they did before, so that a translator which compiles between slices
 * does what it did before. For that the guest needs a host clock that goes by what it does: `countingClock`.
 *
 * What only memory shows is looked for the same way, by hash. It may part earlier than the first difference that lasts.
 */

import { createHash } from 'node:crypto';
import type { Guest } from '../../src/vmm/guest.ts';
import { stopAfter } from '../boot/booted.ts';

/** Boots the guest and runs it to its end; `prepare` gets it before that. */
export type Boot = (prepare: (guest: Guest) => void) => Promise<unknown>;

/** A guest as it was after so many instructions. */
export interface Snapshot {
  readonly instructions: number;
  readonly state: Uint8Array;
}

export interface Divergence {
  /** 'memory': the vCPUs are alike up to the end, or part later. */
  readonly where: 'vcpu' | 'memory';
  /** Instructions after which the runs are last known to be alike, and after which they are not. */
  readonly alike: number;
  readonly apart: number;
  /** Both vCPUs when they are last alike, and when they are apart. */
  readonly before: readonly Snapshot[];
  readonly after: readonly Snapshot[];
  /** Guest-physical addresses at which memory differs, at most a few. */
  readonly memory: readonly number[];
}

export interface SearchOptions {
  /** The runs are compared after so many instructions, up to so many. */
  readonly from: number;
  readonly to: number;
  /** Is told how the search gets on. */
  report?(line: string): void;
}

/** What a run showed: hashes of the vCPU by instruction count, and the guest as it was left. */
interface Course {
  readonly hashes: ReadonlyMap<number, string>;
  readonly last: Snapshot;
  readonly guest: Guest;
}

const MOST_ADDRESSES = 8;
const PAGE_BYTES = 4096;

/** Runs a guest to `cut` instructions at most, where a slice is made to end. */
async function follow(boot: Boot, cut: number): Promise<Course> {
  const hashes = new Map<number, string>();
  let guest: Guest | undefined;
  let last: Snapshot | undefined;
  await boot((created) => {
    guest = created;
    const { cpu } = created.debug;
    stopAfter(created, cut, () => {
      last = { instructions: cpu.instructions, state: cpu.stateBytes() };
      hashes.set(last.instructions, createHash('sha1').update(last.state).digest('hex'));
    });
  });
  if (guest === undefined || last === undefined) throw new Error('the guest did not run');
  return { hashes, last, guest };
}

class Search {
  readonly #boots: readonly [Boot, Boot];
  readonly #options: SearchOptions;

  constructor(boots: readonly [Boot, Boot], options: SearchOptions) {
    this.#boots = boots;
    this.#options = options;
  }

  async find(): Promise<Divergence | undefined> {
    const { from, to, report } = this.#options;
    const courses = await this.#both(to);
    const [a, b] = courses;
    const compared = [...a.hashes.keys()].filter((count) => count >= from && b.hashes.has(count));
    const at = compared.findIndex((count) => a.hashes.get(count) !== b.hashes.get(count));
    const [endA, endB] = [a.last.instructions, b.last.instructions];
    report?.(`compared at ${compared.length} places; the runs ended after ${endA} and ${endB} instructions`);
    const alike = compared.at(at < 0 ? -1 : Math.max(0, at - 1)) ?? from;
    if (at >= 0) return this.#narrow('vcpu', at === 0 ? Math.max(0, from - 1) : alike, compared[at] as number);
    if (endA !== endB) return this.#narrow('vcpu', alike, Math.max(endA, endB));
    if (a.guest.stateHash() === b.guest.stateHash()) return undefined;
    return this.#narrow('memory', from, endA);
  }

  async #both(cut: number): Promise<[Course, Course]> {
    return [await follow(this.#boots[0], cut), await follow(this.#boots[1], cut)];
  }

  #differ(where: Divergence['where'], [a, b]: [Course, Course]): boolean {
    if (where === 'memory') return a.guest.stateHash() !== b.guest.stateHash();
    return a.hashes.get(a.last.instructions) !== b.hashes.get(b.last.instructions);
  }

  async #narrow(where: Divergence['where'], alikeAfter: number, apartAfter: number): Promise<Divergence> {
    let [alike, apart] = [alikeAfter, apartAfter];
    while (apart - alike > 1) {
      const middle = Math.floor((alike + apart) / 2);
      const differ = this.#differ(where, await this.#both(middle));
      this.#options.report?.(`${differ ? 'apart' : 'alike'} after ${middle}`);
      if (differ) apart = middle;
      else alike = middle;
    }
    const before = alike > 0 ? (await this.#both(alike)).map(({ last }) => last) : [];
    const ends = await this.#both(apart);
    return { where, alike, apart, before, after: ends.map(({ last }) => last), memory: differingMemory(ends) };
  }
}

function differingMemory(courses: readonly [Course, Course]): number[] {
  const [a, b] = courses.map(
    ({ guest }) => new Map(Array.from(guest.debug.frames.contents(), ({ page, bytes }) => [page, bytes])),
  ) as [Map<number, Uint8Array>, Map<number, Uint8Array>];
  const blank = new Uint8Array(PAGE_BYTES);
  const found: number[] = [];
  for (const page of [...new Set([...a.keys(), ...b.keys()])].sort((x, y) => x - y)) {
    const [x, y] = [a.get(page) ?? blank, b.get(page) ?? blank];
    const at = x.findIndex((byte, i) => byte !== y[i]);
    if (at >= 0) found.push(page * PAGE_BYTES + at);
    if (found.length === MOST_ADDRESSES) break;
  }
  return found;
}

/** Where the runs part; undefined when they end alike. */
export function findDivergence(
  boots: readonly [Boot, Boot],
  options: Partial<SearchOptions> = {},
): Promise<Divergence | undefined> {
  return new Search(boots, { from: 0, to: Number.POSITIVE_INFINITY, ...options }).find();
}
