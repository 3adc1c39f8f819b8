/** Where images go: the places of a new machine's drives, and which of those given is meant for a drive of a snapshot. */

import type { SavedDisk } from './snapshot/manifest.ts';

/** The CD-ROM drive is master of the secondary channel, where operating systems of old look for it. */
export const CDROM_UNIT = 2;
/** Of IDE disks, in the order in which they are given: the CD-ROM drive's place comes last. */
export const IDE_DISK_UNITS = [0, 1, 3, 2] as const;

/** Whether a drive of a snapshot wants no image: all that is in it is in the snapshot. */
export function isInSnapshot({ medium }: SavedDisk): boolean {
  return medium.image === undefined && medium.writes === 'snapshot';
}

/** Images that are given for a snapshot's drives: in their order, those of disks for each bus. */
export class GivenImages<Disk extends { readonly bus: string }, Other> {
  readonly #disks: Disk[];
  readonly #discs: Other[];
  readonly #floppies: Other[];

  constructor(disks: readonly Disk[], cdrom: Other | undefined, floppies: readonly Other[]) {
    this.#disks = [...disks];
    this.#discs = cdrom === undefined ? [] : [cdrom];
    this.#floppies = [...floppies];
  }

  /** Undefined where none is left for the drive. */
  take({ bus, kind }: SavedDisk): Disk | Other | undefined {
    if (kind === 'cdrom') return this.#discs.shift();
    if (kind === 'floppy') return this.#floppies.shift();
    const at = this.#disks.findIndex((disk) => disk.bus === bus);
    return at < 0 ? undefined : this.#disks.splice(at, 1)[0];
  }

  /** Those that no drive wanted. */
  get left(): readonly (Disk | Other)[] {
    return [...this.#disks, ...this.#discs, ...this.#floppies];
  }
}
