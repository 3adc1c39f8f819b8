/** The drives of a PC, from images that are named: of a new machine, or of one that is restored. */

import type { BlockBackend } from '../base/block.ts';
import { BlankDisk } from '../block/blank-disk.ts';
import { type DiskFileOptions, openDiskFile } from '../host/node/disk-file.ts';
import { throwAway } from '../host/node/scratch-file.ts';
import type { GuestDrive } from '../vmm/guest-options.ts';
import { SnapshotError } from '../vmm/snapshot/error.ts';
import type { SavedDisk } from '../vmm/snapshot/manifest.ts';
import type { DiskOption, PcOptions } from './pc-options.ts';

/** The CD-ROM drive is master of the secondary channel, where operating systems of old look for it. */
const CDROM_UNIT = 2;
const IDE_DISK_UNITS = [0, 1, 3, 2] as const;

/** An image in use. */
export interface OpenImage {
  readonly file: string;
  readonly backend: BlockBackend;
}

type DriveOptions = Pick<PcOptions, 'disks' | 'cdrom' | 'floppies' | 'snapshot'>;
type Role = DiskFileOptions['role'];
type Writes = 'none' | 'image' | 'thrown away';

interface Drives {
  readonly drives: GuestDrive[];
  readonly virtioDisks: BlockBackend[];
}

/** What it has opened is in `opened`, also where it throws the VivariumError of an image that cannot be used. */
export async function openDrives(options: DriveOptions, opened: OpenImage[]): Promise<Drives> {
  const { disks, cdrom, floppies, snapshot } = options;
  const writes = snapshot ? 'thrown away' : 'image';
  const drives: GuestDrive[] = [];
  const virtioDisks: BlockBackend[] = [];
  if (cdrom !== undefined) {
    const backend = await open(cdrom, 'CD-ROM image', 'none', opened);
    drives.push({ bus: 'ide', unit: CDROM_UNIT, kind: 'cdrom', backend });
  }
  const next = { ide: 0, ahci: 0 };
  for (const { file, bus } of disks) {
    const backend = await open(file, 'disk image', writes, opened);
    if (bus === 'virtio') {
      virtioDisks.push(backend);
      continue;
    }
    const index = next[bus]++;
    const unit = bus === 'ide' ? (IDE_DISK_UNITS[index] as number) : index;
    drives.push({ bus, unit, kind: 'disk', backend });
  }
  for (const [unit, file] of floppies.entries()) {
    drives.push({ bus: 'floppy', unit, kind: 'floppy', backend: await open(file, 'floppy image', writes, opened) });
  }
  return { drives, virtioDisks };
}

/** The same for a machine that had `saved`: images are named in its order, but for those that are in the snapshot. */
export async function openSavedDrives(
  options: DriveOptions,
  saved: readonly SavedDisk[],
  opened: OpenImage[],
): Promise<Drives> {
  const disks = [...options.disks];
  const discs = options.cdrom === undefined ? [] : [options.cdrom];
  const floppies = [...options.floppies];
  const drives: GuestDrive[] = [];
  const virtioDisks: BlockBackend[] = [];
  for (const { bus, unit, kind, medium } of saved) {
    let backend: BlockBackend;
    if (medium.image === undefined && medium.writes === 'snapshot') {
      backend = await throwAway(new BlankDisk(medium.sizeBytes));
      opened.push({ file: 'a disk of the snapshot', backend });
    } else {
      const disk = disks.find((one) => one.bus === bus);
      const file = kind === 'cdrom' ? discs.shift() : kind === 'floppy' ? floppies.shift() : disk?.file;
      // Who restores says which one is missing.
      if (file === undefined) continue;
      if (kind === 'disk') disks.splice(disks.indexOf(disk as DiskOption), 1);
      const writes = medium.writes === 'image' && !options.snapshot ? 'image' : 'thrown away';
      backend = await open(file, ROLES[kind], medium.writes === 'none' ? 'none' : writes, opened);
    }
    if (bus === 'virtio') virtioDisks.push(backend);
    else drives.push({ bus, unit, kind, backend });
  }
  const [unwanted] = [...disks.map(({ file }) => file), ...discs, ...floppies];
  if (unwanted !== undefined) throw new SnapshotError(undefined, `has no drive for ${unwanted}`);
  return { drives, virtioDisks };
}

const ROLES = { disk: 'disk image', cdrom: 'CD-ROM image', floppy: 'floppy image' } as const;

async function open(file: string, role: Role, writes: Writes, opened: OpenImage[]): Promise<BlockBackend> {
  const image = await openDiskFile(file, { role, readOnly: writes !== 'image' });
  opened.push({ file, backend: image });
  if (writes !== 'thrown away') return image;
  const backend = await throwAway(image);
  // It closes what is below it.
  opened[opened.length - 1] = { file, backend };
  return backend;
}
