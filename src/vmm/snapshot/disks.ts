/**
 * Disks in snapshots. What lies in a drive is told by its image, which is needed again, or is in the snapshot:
 *
 *     read-only               the image's identity (block/image-identity.ts)
 *     a layer on an image     the identity of what is below, and what was written, page by page
 *     written in place        the image's identity at this moment: one that has been written since is refused
 *     any of these, copied    all that is not zeros
 *
 * Pages are in sections `disk/N/0` and on, as those of memory (pages.ts); N counts the media.
 */

import { type BlockBackend, BlockError, LAYER_PAGE_BYTES } from '../../base/block.ts';
import { VivariumError } from '../../base/errors.ts';
import { type Digest, differenceTo, type ImageIdentity, identify } from '../../block/image-identity.ts';
import type { GuestOptions } from '../guest-options.ts';
import { type FrozenDisk, Medium } from '../medium.ts';
import { SnapshotError } from './error.ts';
import type { Section, SnapshotFile } from './format.ts';
import { type BasePages, isEqual, pageRuns, SectionWriter } from './pages.ts';

/** Of a medium, in a manifest. */
export interface MediumManifest {
  readonly sizeBytes: number;
  /** Where what the guest writes is: in the image itself, or in the snapshot. */
  readonly writes: 'none' | 'image' | 'snapshot';
  /** Absent where all is in the snapshot. `name`: for people. */
  readonly image?: ImageIdentity & { readonly name?: string };
}

/** A medium of a machine that is being restored. */
export interface Place {
  /** For people: "disk 0 on ide (an.img)". */
  readonly name: string;
  readonly medium: MediumManifest;
  /** What was given for it. */
  readonly backend: BlockBackend;
}

/** Pages are numbered in 32 bits. */
const LARGEST_DISK_BYTES = 2 ** 32 * LAYER_PAGE_BYTES;
/** Pages that are read at a time. */
const PAGES_AT_A_TIME = 64;
const ZEROS = new Uint8Array(LAYER_PAGE_BYTES);

// ---- Saving --------------------------------------------------------------------------------------------------------

/** A guest's media, from options that `withMedia` has seen. */
export function mediaOf({ firmware, virtio = [] }: Pick<GuestOptions, 'firmware' | 'virtio'>): Medium[] {
  const all = [
    ...(firmware?.drives ?? []).map(({ backend }) => backend),
    ...virtio.map((one) => (one.kind === 'block' ? one.backend : undefined)),
  ];
  return all.filter((backend) => backend instanceof Medium);
}

/** The same options, whose disks can be saved. */
export function withMedia(options: GuestOptions): GuestOptions {
  const { firmware, virtio } = options;
  return {
    ...options,
    ...(firmware && {
      firmware: {
        ...firmware,
        drives: firmware.drives.map((drive) => ({
          ...drive,
          backend: drive.backend && new Medium(drive.backend, drive.kind === 'cdrom'),
        })),
      },
    }),
    ...(virtio && {
      virtio: virtio.map((one) => (one.kind === 'block' ? { ...one, backend: new Medium(one.backend, false) } : one)),
    }),
  };
}

/** A medium at a moment. */
export interface SavedMedium {
  /** Rejects with a VivariumError. */
  readonly manifest: Promise<MediumManifest>;
  /** What of it goes into the snapshot. */
  readonly pages: FrozenDisk | undefined;
  release(): void;
}

/** Between requests. `copied`: all of a disk that the guest can write to. */
export function saveMedium(medium: Medium, copied: boolean, digest: Digest | undefined): SavedMedium {
  const { sizeBytes, backend } = medium;
  const { layer } = backend;
  if (!medium.readOnly && copied) {
    const pages = medium.freeze(true);
    return { manifest: Promise.resolve({ sizeBytes, writes: 'snapshot' }), pages, release: pages.release };
  }
  const writes = medium.readOnly ? 'none' : layer ? 'snapshot' : 'image';
  const pages = writes === 'snapshot' ? medium.freeze(false) : undefined;
  const image = identityOf(medium, layer?.below ?? backend, writes === 'image', digest);
  const manifest = image.then((identity): MediumManifest => {
    const name = nameOf(layer?.below ?? backend);
    return { sizeBytes, writes, image: { ...identity, ...(name !== undefined && { name }) } };
  });
  // Whoever packs is told.
  manifest.catch(() => {});
  return { manifest, pages, release: () => pages?.release() };
}

/** What does not change is looked at once. */
const known = new WeakMap<BlockBackend, ImageIdentity>();

async function identityOf(
  medium: Medium,
  image: BlockBackend,
  canChange: boolean,
  digest: Digest | undefined,
): Promise<ImageIdentity> {
  const before = known.get(image);
  if (before !== undefined) return before;
  const { sizeBytes } = image;
  const version = image.version && (() => (image.version as () => Promise<string>)());
  try {
    if (canChange) {
      // As it is at this moment: what the guest writes now waits.
      return await medium.hold(
        medium.inOrder(async () => {
          await image.flush();
          return identify(image, { canChange, digest });
        }),
      );
    }
    const read = (offset: number, into: Uint8Array): Promise<void> => medium.inOrder(() => image.read(offset, into));
    const inOrder = { sizeBytes, read, ...(version && { version }) };
    const identity = await medium.hold(identify(inOrder, { canChange, digest }));
    known.set(image, identity);
    return identity;
  } catch (error) {
    throw unreadable(error);
  }
}

function unreadable(error: unknown): unknown {
  if (!(error instanceof BlockError)) return error;
  const message = `A disk of the guest cannot be saved: ${error.message}`;
  return new VivariumError({ kind: 'host' }, message, { cause: error });
}

const LONGEST_NAME = 255;

/** Printable, and not too long. */
export function isImageName(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= LONGEST_NAME && !/\p{C}/u.test(value);
}

function nameOf({ name }: BlockBackend): string | undefined {
  return isImageName(name) ? name : undefined;
}

/** `name/0` and on, of what a disk had. Throws a VivariumError where it cannot be read. */
export async function* diskSections(name: string, disk: FrozenDisk, base?: BasePages): AsyncGenerator<Section> {
  if (disk.sizeBytes > LARGEST_DISK_BYTES) {
    throw new VivariumError({ kind: 'bad-option' }, `A disk of ${disk.sizeBytes} bytes is too large to be saved.`);
  }
  const writer = new SectionWriter();
  let written = 0;
  const next = (): Section => ({ name: `${name}/${written++}`, ...writer.finish() });
  for (const [first, count] of runsOf(disk, base)) {
    const bytes = await disk.take(first, count).catch((error: unknown): never => {
      throw unreadable(error);
    });
    for (let i = 0; i < count; i++) {
      const page = bytes.subarray(i * LAYER_PAGE_BYTES, (i + 1) * LAYER_PAGE_BYTES);
      const before = base?.get(first + i);
      const isZero = isEqual(page, ZEROS);
      // Of a disk that lies on nothing, zeros are what is not there.
      if (before === undefined ? isZero && disk.written === undefined : isEqual(page, before)) continue;
      if (!isZero) writer.bytes.set(page, writer.end);
      writer.add(first + i, !isZero);
      if (writer.isFull) yield next();
    }
  }
  if (!writer.isEmpty) yield next();
}

/** Pages that may have to be saved: ascending, a run at a time of what is all written or not. */
function* runsOf(disk: FrozenDisk, base: BasePages | undefined): Generator<readonly [first: number, count: number]> {
  const { written } = disk;
  if (written === undefined) {
    for (let page = 0; page < disk.pages; page += PAGES_AT_A_TIME) {
      yield [page, Math.min(PAGES_AT_A_TIME, disk.pages - page)];
    }
    return;
  }
  const ofBase = base === undefined ? [] : [...base.keys()].filter((page) => !written.has(page) && page < disk.pages);
  let first = 0;
  let count = 0;
  for (const page of merged(
    written,
    ofBase.sort((a, b) => a - b),
  )) {
    if (count > 0 && page === first + count && count < PAGES_AT_A_TIME && written.has(page) === written.has(first)) {
      count++;
      continue;
    }
    if (count > 0) yield [first, count];
    [first, count] = [page, 1];
  }
  if (count > 0) yield [first, count];
}

/** Of two that ascend. */
function* merged(one: Iterable<number>, other: readonly number[]): Generator<number> {
  let i = 0;
  for (const page of one) {
    while (i < other.length && (other[i] as number) < page) yield other[i++] as number;
    yield page;
  }
  yield* other.slice(i);
}

/** What a chain of snapshots, the one that is whole first, has in its sections `name/0` and on. Zeros are there, too. */
export async function diskPages(chain: readonly SnapshotFile[], name: string, most: number): Promise<BasePages> {
  const all = new Map<number, Uint8Array>();
  for (const file of chain) {
    for await (const runs of pageRuns(file, name, most)) {
      for (const { first, pages, bytes } of runs) {
        // What is no page of this disk is of another one.
        for (let i = 0; i < pages && first + i < most; i++) {
          all.set(first + i, bytes?.subarray(i * LAYER_PAGE_BYTES, (i + 1) * LAYER_PAGE_BYTES) ?? ZEROS);
        }
      }
    }
  }
  return all;
}

// ---- Restoring -----------------------------------------------------------------------------------------------------

/** Throws a SnapshotError for media that cannot be those that were saved. */
export function checkPlace({ name, medium: { sizeBytes, writes }, backend }: Place): void {
  if (backend.sizeBytes !== sizeBytes) {
    throw new SnapshotError(undefined, `is of a machine with ${name} that has ${sizeBytes} bytes in it`);
  }
  if (writes === 'snapshot' && backend.layer === undefined) {
    throw new SnapshotError(undefined, `wants ${name} with a layer for what is written`);
  }
}

/** Rejects with a SnapshotError for the first image that is not the one that was there. Nobody else may use them meanwhile. */
export async function checkImages(places: readonly Place[], digest: Digest | undefined): Promise<void> {
  const checks = places.map((place) => checkImage(place, digest));
  for (const check of checks) check.catch(() => {});
  for (const check of checks) await check;
}

async function checkImage({ name, medium, backend }: Place, digest: Digest | undefined): Promise<void> {
  const { image, writes } = medium;
  if (image === undefined) return;
  const canChange = writes === 'image';
  const wants = `wants ${name} as it was: the image that is given `;
  try {
    const difference = await differenceTo(image, backend.layer?.below ?? backend, { canChange, digest });
    if (difference === 'other contents') throw new SnapshotError(undefined, `${wants}has other contents`);
    if (difference !== undefined) {
      throw new SnapshotError(undefined, `${wants}has been written since, or is a copy without its time of change`);
    }
  } catch (cause) {
    if (!(cause instanceof BlockError)) throw cause;
    throw new SnapshotError(undefined, `${wants}cannot be read`, { cause });
  }
}

/** Gives a layer what was written. `chain`: the snapshot that is whole first. Rejects with a SnapshotError. */
export async function restorePages({ backend }: Place, chain: readonly SnapshotFile[], name: string): Promise<void> {
  const { layer, sizeBytes } = backend;
  if (layer === undefined) return;
  await layer.clear();
  const most = Math.ceil(sizeBytes / LAYER_PAGE_BYTES);
  // What is there already is newer.
  for (const file of chain.toReversed()) {
    for await (const runs of pageRuns(file, name, most)) {
      for (const { section, first, pages, bytes } of runs) {
        if (first + pages > most)
          throw new SnapshotError(section, `has pages from ${first} on, which the disk has not`);
        await layer.fill(first, pages, bytes).catch((cause: unknown) => {
          throw new VivariumError({ kind: 'host' }, 'What a disk had cannot be written.', { cause });
        });
      }
    }
  }
}
