/**
 * Directories as they were when a guest began to read them, so that what it removes meanwhile moves nothing. They are kept
 * for so many names at most; who comes back to one that was dropped gets the directory as it is now, in the same order.
 */

import type { DirectoryEntry } from '../file-tree.ts';
import type { Fid, Fids } from './fids.ts';

/** Names of all listings together, but for the latest. */
const MOST_NAMES = 1 << 19;

export class Listings {
  /** Oldest first. */
  readonly #listings = new Map<Fid, readonly DirectoryEntry[]>();
  #names = 0;

  async from(fid: Fid, fids: Fids, isStart: boolean): Promise<readonly DirectoryEntry[]> {
    const known = this.#listings.get(fid);
    if (known !== undefined && !isStart) return known;
    const found = await fids.tree.list(fid.place.path());
    const listing = found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    this.drop(fid);
    for (const old of this.#listings.keys()) {
      if (this.#names + listing.length <= MOST_NAMES) break;
      this.drop(old);
    }
    this.#listings.set(fid, listing);
    this.#names += listing.length;
    return listing;
  }

  drop(fid: Fid): void {
    this.#names -= this.#listings.get(fid)?.length ?? 0;
    this.#listings.delete(fid);
  }
}
