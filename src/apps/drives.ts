/** The drives of a PC, from images that are named: of a new machine, or of one that is restored. */

import type { BlockBackend } from '../base/block.ts';
import { BlankDisk } from '../block/blank-disk.ts';
import { type DiskFileOptions, openDiskFile } from '../host/node/disk-file.ts';
import { throwAway } from '../host/node/scratch-file.ts';
import { CDROM_UNIT, GivenImages, IDE_DISK_UNITS, isInSnapshot } from '../vmm/drive-places.ts';
import type { GuestDrive } from '../vmm/guest-options.ts';
import { SnapshotError } from '../vmm/snapshot/error.ts';
import type { SavedDisk } from '../vmm/snapshot/manifest.ts';
import type { PcOptions } from './pc-options.ts';

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
  const floppies = options.floppies.map((file) => ({ file }));
  const given = new GivenImages(
    options.disks,
    options.cdrom === undefined ? undefined : { file: options.cdrom },
    floppies,
  );
  const drives: GuestDrive[] = [];
  const virtioDisks: BlockBackend[] = [];
  for (const disk of saved) {
    const { bus, unit, kind, medium } = disk;
    let backend: BlockBackend;
    if (isInSnapshot(disk)) {
      backend = await throwAway(new BlankDisk(medium.sizeBytes));
      opened.push({ file: 'a disk of the snapshot', backend });
    } else {
      const image = given.take(disk);
      // Who restores says which one is missing.
      if (image === undefined) continue;
      const writes = medium.writes === 'image' && !options.snapshot ? 'image' : 'thrown away';
      backend = await open(image.file, ROLES[kind], medium.writes === 'none' ? 'none' : writes, opened);
    }
    if (bus === 'virtio') virtioDisks.push(backend);
    else drives.push({ bus, unit, kind, backend });
  }
  const [unwanted] = given.left;
  if (unwanted !== undefined) throw new SnapshotError(undefined, `has no drive for ${unwanted.file}`);
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
