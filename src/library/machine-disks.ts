/** The disks of a machine of the library: of a new one, or of one that is restored. They outlive a reset. */

import { type BlockBackend, SECTOR_BYTES } from '../base/block.ts';
import { VivariumError } from '../base/errors.ts';
import { BlankDisk } from '../block/blank-disk.ts';
import { MemoryDisk } from '../block/memory-disk.ts';
import { Overlay } from '../block/overlay.ts';
import { SparseMemory } from '../block/sparse-memory.ts';
import { CDROM_UNIT, GivenImages, IDE_DISK_UNITS, isInSnapshot } from '../vmm/drive-places.ts';
import type { GuestDrive } from '../vmm/guest-options.ts';
import { SnapshotError } from '../vmm/snapshot/error.ts';
import type { SavedDisk } from '../vmm/snapshot/manifest.ts';
import { CountedDisk } from './counted.ts';
import type { MachineOptions, PackedDisk, PackedSource } from './machine-calls.ts';
import type { DiskRole, MachinePlatform } from './platform.ts';
import { RemoteDisk } from './remote/remote-disk.ts';
import type { ToCaller } from './remote/to-caller.ts';
import type { DriveStats } from './types/vm.ts';

const ROLES = { disk: 'disk image', cdrom: 'CD-ROM image', floppy: 'floppy image' } as const;

type Given = Pick<MachineOptions, 'disks' | 'cdrom' | 'floppy'>;

export interface DiskSources {
  readonly platform: MachinePlatform;
  readonly caller: ToCaller;
  read(source: PackedSource, role: string): Promise<Uint8Array>;
}

export class MachineDisks {
  readonly drives: GuestDrive[] = [];
  /** In the order of their slots. */
  readonly virtio: BlockBackend[] = [];
  readonly #sources: DiskSources;
  readonly #open: CountedDisk[] = [];

  constructor(sources: DiskSources) {
    this.#sources = sources;
  }

  get stats(): readonly DriveStats[] {
    return this.#open.map(({ stats }) => ({ ...stats }));
  }

  /** Rejects with a VivariumError for what cannot be used; to be closed also then. */
  async openNew({ disks, cdrom, floppy }: Given): Promise<void> {
    const next = { ide: 0, ahci: 0 };
    for (const disk of disks) {
      const backend = await this.#openDisk(disk, 'disk image');
      if (disk.bus === 'virtio') {
        this.virtio.push(backend);
        continue;
      }
      const index = next[disk.bus]++;
      const unit = disk.bus === 'ide' ? IDE_DISK_UNITS[index] : index;
      const isTooMany = disk.bus === 'ide' ? index >= (cdrom ? 3 : 4) : index >= 6;
      if (unit === undefined || isTooMany) throw badDisk(`There is no room for so many ${disk.bus} disks.`);
      this.drives.push({ bus: disk.bus, unit, kind: 'disk', backend });
    }
    if (cdrom !== undefined) {
      const backend = await this.#openDisk(cdrom, 'CD-ROM image');
      this.drives.push({ bus: 'ide', unit: CDROM_UNIT, kind: 'cdrom', backend });
    }
    if (floppy !== undefined) {
      const backend = await this.#openDisk(floppy, 'floppy image');
      this.drives.push({ bus: 'floppy', unit: 0, kind: 'floppy', backend });
    }
  }

  /** The same for a machine that had `saved`: they are given in its order, but for those that are in the snapshot. */
  async openSaved(given: Given, saved: readonly SavedDisk[]): Promise<void> {
    const images = new GivenImages(given.disks, given.cdrom, given.floppy === undefined ? [] : [given.floppy]);
    for (const place of saved) {
      const { bus, unit, kind, medium } = place;
      let backend: BlockBackend;
      if (isInSnapshot(place)) {
        backend = this.#counted(await this.#sources.platform.throwAway(new BlankDisk(medium.sizeBytes)), false);
      } else {
        const disk = images.take(place);
        // Who restores says which one is missing.
        if (disk === undefined) continue;
        const readOnly = medium.writes === 'none';
        const forget = disk.forget || medium.writes === 'snapshot';
        backend = await this.#openDisk({ ...disk, readOnly, forget }, ROLES[kind]);
      }
      if (bus === 'virtio') this.virtio.push(backend);
      else this.drives.push({ bus, unit, kind, backend });
    }
    if (images.left.length > 0) {
      throw new SnapshotError(undefined, 'is of a machine with fewer drives');
    }
  }

  async #openDisk({ source, readOnly, forget }: PackedDisk, role: DiskRole): Promise<BlockBackend> {
    const isReadOnly = readOnly || role === 'CD-ROM image';
    const disk = await this.#storage(source, role, isReadOnly || forget);
    if (isReadOnly || !(forget || disk.readOnly)) return this.#counted(disk, isReadOnly);
    const isInMemory = disk instanceof MemoryDisk;
    const layered = isInMemory ? new Overlay(disk, new SparseMemory()) : await this.#sources.platform.throwAway(disk);
    return this.#counted(layered, false);
  }

  #counted(disk: BlockBackend, readOnly: boolean): BlockBackend {
    const counted = new CountedDisk(disk, readOnly);
    this.#open.push(counted);
    return counted;
  }

  async #storage(source: PackedDisk['source'], role: DiskRole, readOnly: boolean): Promise<BlockBackend> {
    const { platform, caller } = this.#sources;
    if ('remote' in source) return new RemoteDisk(source, caller);
    if (source instanceof Uint8Array || 'upload' in source || 'url' in source) {
      return memoryDisk(await this.#sources.read(source, role), role);
    }
    return platform.openDisk(source, { role, readOnly });
  }

  /** Rejects with the first problem of a disk whose last writes may be lost. */
  async close(): Promise<void> {
    const closed = await Promise.allSettled(this.#open.map((disk) => disk.close()));
    const failed = closed.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}

function memoryDisk(bytes: Uint8Array, role: DiskRole): BlockBackend {
  if (bytes.length === 0 || bytes.length % SECTOR_BYTES !== 0) {
    const message = `The ${role} cannot be used: its ${bytes.length} bytes are not a whole number of sectors of ${SECTOR_BYTES} bytes.`;
    throw new VivariumError({ kind: 'bad-option' }, message);
  }
  return new MemoryDisk(bytes, true);
}

function badDisk(message: string): VivariumError {
  return new VivariumError({ kind: 'bad-option', option: 'disks' }, message);
}
