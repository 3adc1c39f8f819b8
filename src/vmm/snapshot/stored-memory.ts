/**
 * Memory that stays in its snapshot until it is wanted, so that a restored guest goes on at once: a page comes when the
 * guest or a device first reaches for it, and all others of its section with it.
 *
 * That the snapshot is whole is known before the guest runs, by the checks of its sections. Whether they make sense is
 * seen when they are wanted: for a forged one the guest ends with a SnapshotError.
 */

import { SnapshotError } from './error.ts';
import type { SnapshotFile } from './format.ts';
import { checkSizeOfPages, type FillPages, PAGE_BYTES, runsIn, sectionNames } from './pages.ts';

/** Sections that are unpacked at a time while the guest runs. */
const AT_A_TIME = 2;

export class StoredMemory {
  readonly #file: SnapshotFile;
  readonly #sections: readonly string[];
  /** Page that each section begins with, and the end of all pages. */
  readonly #bounds: readonly number[];
  /** Where pages go; unknown until there is a machine. */
  #fill: FillPages | undefined;
  readonly #isHere: boolean[];

  private constructor(file: SnapshotFile, sections: readonly string[], bounds: readonly number[]) {
    this.#file = file;
    this.#sections = sections;
    this.#bounds = bounds;
    this.#isHere = sections.map(() => false);
  }

  /**
   * The sections `name/0` and on. Undefined where they do not say which pages they have, or cannot be unpacked at once.
   * Throws a SnapshotError for what no memory of this size has.
   */
  static of(file: SnapshotFile, name: string, sizeBytes: number): StoredMemory | undefined {
    const sections = sectionNames(file, name);
    const firsts = sections.flatMap((section) => file.firstPageOf(section) ?? []);
    if (!file.readsNow || firsts.length < sections.length) return undefined;
    checkSizeOfPages(file, name, sizeBytes / PAGE_BYTES);
    const bounds = [...firsts, Number.POSITIVE_INFINITY];
    for (const [i, section] of sections.entries()) {
      if ((bounds[i] as number) >= (bounds[i + 1] as number)) throw new SnapshotError(section, 'makes no sense');
    }
    return new StoredMemory(file, sections, bounds);
  }

  /** Says where pages go. Throws a SnapshotError for a section that is damaged. */
  fillInto(fill: FillPages): void {
    for (const section of this.#sections) this.#file.check(section);
    this.#fill = fill;
  }

  /** Fills the pages of the section that would have this one. False if there is nothing to be filled. */
  bring(page: number): boolean {
    const at = this.#sectionOf(page);
    const section = this.#sections[at];
    if (section === undefined || this.#isHere[at]) return false;
    this.#put(at, this.#file.readNow(section));
    return true;
  }

  bringAll(): void {
    for (let at = 0; at < this.#sections.length; at++) this.bring(this.#bounds[at] as number);
  }

  /** The same beside other work, for as long as it is wanted: the platform's threads unpack. Rejects with a SnapshotError. */
  async bringAllAside(isWanted: () => boolean): Promise<void> {
    const waiting = this.#sections.entries();
    const unpacker = async (): Promise<void> => {
      for (const [at, section] of waiting) {
        if (this.#isHere[at]) continue;
        if (!isWanted()) return;
        const bytes = await this.#file.read(section);
        if (!this.#isHere[at]) this.#put(at, bytes);
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, unpacker));
  }

  /** The last that does not begin behind the page; -1 before the first. */
  #sectionOf(page: number): number {
    let [low, high] = [0, this.#sections.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#bounds[middle] as number) <= page) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** What makes no sense, or finds no room, does so whenever it is asked for. */
  #put(at: number, bytes: Uint8Array): void {
    const section = this.#sections[at] as string;
    const end = this.#bounds[at + 1] as number;
    const runs = runsIn(section, bytes, this.#bounds[at] as number);
    // Filling asks for the page's frame, and so for the page.
    this.#isHere[at] = true;
    try {
      for (const { first, pages, bytes: contents } of runs) {
        if (first + pages <= end && this.#fill?.(first, pages, contents)) continue;
        throw new SnapshotError(section, `has pages from ${first} on, which are not its own`);
      }
    } catch (error) {
      this.#isHere[at] = false;
      throw error;
    }
  }
}
