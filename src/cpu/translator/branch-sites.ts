/**
 * Where indirect branches have led: a ring of targets in machine memory for each, which regions write and planning
 * reads.
 *
 *     +0   u32 offset of the target to be written next, from the first one
 *     +8   u64[16] instruction pointers; 0 where there is none yet
 */

import type { MachineMemory } from '../machine-memory.ts';
import type { OperationPool } from './operation-pool.ts';

export const SITE_LENGTH = 16;
export const SITE_TARGETS = 8;
const SITE_BYTES = SITE_TARGETS + 8 * SITE_LENGTH;
/** How far from a region's first page code in it can be, in bytes. */
const FARTHEST = 2 ** 31;

/** Rings by machine address of the branch, kept as long as a region writes to them. */
export class BranchSites {
  readonly #memory: MachineMemory;
  readonly #pool: OperationPool;
  readonly #sites = new Map<number, { readonly address: number; users: number }>();

  constructor(memory: MachineMemory, pool: OperationPool) {
    this.#memory = memory;
    this.#pool = pool;
  }

  /** Machine address of the branch's ring, for one more user. */
  use(branch: number): number {
    let site = this.#sites.get(branch);
    if (site === undefined) {
      site = { address: this.#pool.allocate(SITE_BYTES), users: 0 };
      this.#memory.u8.fill(0, site.address, site.address + SITE_BYTES);
      this.#sites.set(branch, site);
    }
    site.users++;
    return site.address;
  }

  release(branch: number): void {
    const site = this.#sites.get(branch);
    if (site === undefined || --site.users > 0) return;
    this.#sites.delete(branch);
    this.#pool.release(site.address, SITE_BYTES);
  }

  /** The branch's targets, relative to `base`, most often first. */
  targets(branch: number, base: bigint): number[] {
    const site = this.#sites.get(branch);
    if (site === undefined) return [];
    const counts = new Map<number, number>();
    for (let i = 0; i < SITE_LENGTH; i++) {
      const target = this.#memory.view.getBigUint64(site.address + SITE_TARGETS + 8 * i, true);
      if (target === 0n) continue;
      const offset = Number(BigInt.asIntN(64, target - base));
      if (Math.abs(offset) < FARTHEST) counts.set(offset, (counts.get(offset) ?? 0) + 1);
    }
    return [...counts].sort((a, b) => b[1] - a[1]).map(([offset]) => offset);
  }
}
