/** The fids of a session: numbers that a guest has given to files, and what it has open. */

import type { OpenFile, OpenOptions } from '../file-tree.ts';
import { FileError, type FileTree } from '../file-tree.ts';
import { type Place, Places } from './places.ts';
import { NO_FID } from './protocol.ts';

const MOST_FIDS = 1 << 17;
/** Each is a descriptor of the host, who has others to serve. */
const MOST_OPEN = 2048;

export interface Fid {
  readonly number: number;
  place: Place;
  /** A file that is open. */
  open: OpenFid | undefined;
  /** A directory that is open. */
  isListing: boolean;
}

/** Opened again when first used, if it comes from a snapshot. */
export interface OpenFid {
  readonly options: OpenOptions;
  file: OpenFile | undefined;
}

export class Fids {
  readonly tree: FileTree;
  readonly places = new Places();
  readonly #fids = new Map<number, Fid>();
  #open = 0;

  constructor(tree: FileTree) {
    this.tree = tree;
  }

  get(number: number): Fid {
    const fid = this.#fids.get(number);
    if (fid === undefined) throw new FileError('EBADF');
    return fid;
  }

  has(number: number): boolean {
    return this.#fids.has(number);
  }

  all(): Iterable<Fid> {
    return this.#fids.values();
  }

  /** A new one at a place, which it is counted at already. */
  add(number: number, place: Place): Fid {
    try {
      if (number === NO_FID || this.#fids.has(number)) throw new FileError('EBADF');
      if (this.#fids.size >= MOST_FIDS) throw new FileError('ENFILE');
    } catch (error) {
      this.places.leave(place);
      throw error;
    }
    const fid: Fid = { number, place, open: undefined, isListing: false };
    this.#fids.set(number, fid);
    return fid;
  }

  /** Moves one to a place, which it is counted at already. */
  move(fid: Fid, place: Place): void {
    this.places.leave(fid.place);
    fid.place = place;
  }

  /** Throws while there are as many as there can be. */
  checkOpen(fid: Fid): void {
    if (fid.open !== undefined || fid.isListing) throw new FileError('EBADF');
    if (this.#open >= MOST_OPEN) throw new FileError('EMFILE');
  }

  opened(fid: Fid, options: OpenOptions, file: OpenFile | undefined): void {
    fid.open = { options, file };
    fid.place.open.add(fid.open);
    this.#open++;
  }

  /** The file that a fid has open. */
  async file(fid: Fid): Promise<OpenFile> {
    const { open, place } = fid;
    if (open === undefined) throw new FileError('EBADF');
    // Gone before the snapshot was taken: nothing leads there any more.
    if (open.file === undefined && place.isGone) throw new FileError('ESTALE');
    open.file ??= await this.tree.open(place.path(), { ...open.options, truncate: false });
    return open.file;
  }

  /** A file that is at `fid`'s place and open: by which it can be reached even if its name is gone. */
  fileAt(fid: Fid): OpenFile | undefined {
    if (fid.open?.file !== undefined) return fid.open.file;
    if (!fid.place.isGone) return undefined;
    for (const { file } of fid.place.open) if (file !== undefined) return file;
    return undefined;
  }

  async remove(fid: Fid): Promise<void> {
    const { open, place } = fid;
    this.#fids.delete(fid.number);
    this.places.leave(place);
    if (open === undefined) return;
    place.open.delete(open);
    this.#open--;
    await open.file?.close();
  }

  async removeAll(): Promise<void> {
    for (const fid of [...this.#fids.values()]) await this.remove(fid).catch(() => {});
  }
}
