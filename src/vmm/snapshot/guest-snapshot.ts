/**
 * A guest as a snapshot, and a guest made anew from one. What is declared as state is saved; everything else follows
 * from it, or is given again: the platform, what output goes to, disc images, networks.
 *
 *     vcpu0, msrs, kvm-clock          the processor
 *     part/NAME                       a part of the board, as its state is declared
 *     input/com1, input/com2          what was sent to a port and has not arrived
 *     rom, vga-bios                   firmware
 *     memory/0 ..., video/0 ...       pages (pages.ts)
 *     disk/0/0 ..., disk/1/0 ...      what disks have that their images have not (disks.ts)
 *
 * Order matters in restoring. Memory and time are there before devices look at them; interrupt controllers have their
 * lines before devices drive them; the local APIC comes last, for what others drive must not add to what it was.
 */

import { sha256 } from '@noble/hashes/sha2';
import { bytesToHex } from '@noble/hashes/utils';
import type { BlockBackend } from '../../base/block.ts';
import { VivariumError } from '../../base/errors.ts';
import type { PcBoard } from '../../machine/pc.ts';
import type { FrozenMemory } from '../frozen-memory.ts';
import type { GuestCpu } from '../guest-cpu.ts';
import type { FrameTable, MemoryBlock } from '../guest-memory.ts';
import type {
  GuestDrive,
  GuestNic,
  GuestOptions,
  GuestVirtio,
  HostPlatform,
  RestoreOptions,
} from '../guest-options.ts';
import { describeVirtio } from '../guest-virtio.ts';
import type { Random } from '../random.ts';
import type { VirtualClock } from '../virtual-clock.ts';
import {
  checkImages,
  checkPlace,
  diskSections,
  mediaOf,
  type Place,
  diskPages as pagesOfDisk,
  restorePages,
  type SavedMedium,
  saveMedium,
} from './disks.ts';
import { SnapshotError } from './error.ts';
import { type Packing, packSnapshot, type Section, SnapshotFile } from './format.ts';
import {
  checkedManifest,
  type DriveManifest,
  type Manifest,
  nameOfDisk,
  type SavedDisk,
  savedDisks,
} from './manifest.ts';
import {
  type BasePages,
  copiedPages,
  type FillPages,
  PAGE_BYTES,
  type PageSource,
  pageSections,
  readPages,
  readPagesAhead,
  sectionNames,
  sizeOfPages,
} from './pages.ts';
import { StoredMemory } from './stored-memory.ts';

/** What a guest consists of. */
export interface GuestParts {
  readonly options: GuestOptions;
  readonly bootMs: number;
  readonly clock: VirtualClock;
  readonly board: PcBoard;
  readonly frames: FrameTable;
  readonly video: MemoryBlock | undefined;
  readonly cpu: GuestCpu;
  readonly random: Random;
}

export interface SnapshotOptions {
  /**
   * A snapshot of the same guest: only what differs from it is saved, and it is needed again to restore. Where it has a
   * base itself, that too, and so on: in whatever order.
   */
  readonly base?: Uint8Array | readonly Uint8Array[];
  /** For whoever restores. */
  readonly notes?: Readonly<Record<string, string>>;
  /** All that disks have which the guest can write to, so that their images are not needed again. */
  readonly copyDisks?: boolean;
}

/** The state of a moment. */
export interface Capture {
  readonly manifest: Manifest;
  readonly sections: readonly Section[];
  /** Memory goes on being copied, while the guest runs. */
  readonly memory: FrozenMemory;
  readonly video: PageSource;
  /** So do disks. */
  readonly media: readonly SavedMedium[];
}

/** What a digest is made of before others get their turn. */
const DIGEST_STEP_BYTES = 2 ** 18;
const MOST_BASES = 64;

// ---- Saving --------------------------------------------------------------------------------------------------------

/**
 * Between slices. In real time the guest waits for what is not memory to be copied. In deterministic mode all is copied at
 * once: how often frozen pages come to be written would show in accessed bits.
 */
export function capture(parts: GuestParts, { copyDisks = false }: SnapshotOptions): Capture {
  const { options, board, frames, video, cpu, clock, random } = parts;
  const { firmware } = options;
  const processor = Object.entries(cpu.saveState()).map(([name, bytes]) => ({ name, bytes }));
  const devices = [...board.parts].map(([name, part]) => ({ name: `part/${name}`, bytes: part.save() }));
  const [a, b] = random.state;
  const digest = options.packing?.sha256;
  const media = mediaOf(options).map((medium) => saveMedium(medium, copyDisks, digest));
  const memory = frames.freeze();
  if (options.time === 'deterministic') {
    memory.finish();
    frames.settle();
  }
  return {
    sections: [
      ...processor,
      ...devices,
      { name: 'input/com1', bytes: board.com1.waitingInput() },
      { name: 'input/com2', bytes: board.com2.waitingInput() },
      ...(firmware === undefined
        ? []
        : [
            { name: 'rom', bytes: firmware.bios },
            { name: 'vga-bios', bytes: firmware.vgaBios },
          ]),
    ],
    memory,
    media,
    video: copiedPages(video?.bytes ?? new Uint8Array(0)),
    manifest: {
      program: 'Vivarium',
      memoryBytes: options.memoryBytes,
      time: options.time,
      seed: options.seed,
      optionalDevices: options.optionalDevices,
      ...(firmware && { pc: pcOf(firmware) }),
      ...(options.virtio?.length && { virtio: options.virtio.map(describeVirtio) }),
      bootMs: parts.bootMs,
      clockNs: clock.savedNs,
      random: [a.toString(16), b.toString(16)],
      timers: clock.queue.armed().map(({ number }) => number),
    },
  };
}

function pcOf({ drives, nics, bootOrder, bootMenuMs, resetEnds }: NonNullable<GuestOptions['firmware']>) {
  return {
    drives: drives.map(({ bus, unit, kind, backend }) => ({
      bus,
      unit,
      kind,
      ...(backend && { sizeBytes: backend.sizeBytes }),
    })),
    nics: nics.map(({ model, mac }) => ({ model, mac: [...mac] })),
    bootOrder,
    ...(bootMenuMs !== undefined && { bootMenuMs }),
    ...(resetEnds !== undefined && { resetEnds }),
  };
}

/** The file. Takes its time, while the guest runs on. Rejects with a VivariumError for a base that is none. */
export async function pack(
  { manifest, sections, memory, video, media }: Capture,
  { kernel, packing, host }: Pick<GuestOptions, 'kernel' | 'packing' | 'host'>,
  { base, notes }: SnapshotOptions,
): Promise<Uint8Array> {
  try {
    const pageCounts = media.map(({ pages }) => pages?.pages ?? 0);
    const before = base === undefined ? undefined : await baseOf(base, packing, pageCounts);
    const about = async () => ({
      ...manifest,
      ...(media.length > 0 && { media: await Promise.all(media.map((one) => one.manifest)) }),
      ...(kernel && {
        kernel: {
          bytes: kernel.image.length,
          sha256: await digestOf(kernel.image, host),
          commandLine: kernel.commandLine,
        },
      }),
      ...(before && { base: before.digest }),
      ...(notes && { notes }),
    });
    async function* all(): AsyncGenerator<Section | undefined> {
      yield* sections;
      yield* pageSections('memory', memory, before?.memory);
      yield* pageSections('video', video, before?.video);
      for (const [i, { pages }] of media.entries()) {
        if (pages !== undefined) yield* diskSections(`disk/${i}`, pages, before?.disks[i]);
      }
    }
    return await packSnapshot(about(), all(), packing, () => host.yield());
  } finally {
    memory.release();
    for (const one of media) one.release();
  }
}

/** SHA-256, in hexadecimal. */
async function digestOf(bytes: Uint8Array, host: HostPlatform): Promise<string> {
  const hash = sha256.create();
  for (let at = 0; at < bytes.length; at += DIGEST_STEP_BYTES) {
    hash.update(bytes.subarray(at, at + DIGEST_STEP_BYTES));
    await host.yield();
  }
  return bytesToHex(hash.digest());
}

/** `diskPages`: how many pages each medium has. */
async function baseOf(
  given: NonNullable<SnapshotOptions['base']>,
  packing: Packing | undefined,
  diskPages: readonly number[],
) {
  const files = filesOf(given, packing);
  // The one that no other is against.
  const newest = files.find(({ digest }) => files.every(({ manifest }) => checkedManifest(manifest).base !== digest));
  if (newest === undefined) throw new SnapshotError(undefined, 'is among its own bases');
  const { memoryBytes } = checkedManifest(newest.manifest);
  const chain = [...basesOf(newest, files), newest];
  const collect = async (name: string): Promise<Map<number, Uint8Array>> => {
    const pages = new Map<number, Uint8Array>();
    for (const file of chain) {
      await readPages(file, name, memoryBytes / PAGE_BYTES, (first, count, bytes) => {
        for (let i = 0; i < count; i++) {
          if (bytes === undefined) pages.delete(first + i);
          else pages.set(first + i, bytes.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES));
        }
        return true;
      });
    }
    return pages;
  };
  const disks: BasePages[] = [];
  for (const [i, most] of diskPages.entries()) disks.push(await pagesOfDisk(chain, `disk/${i}`, most));
  return { digest: newest.digest, memory: await collect('memory'), video: await collect('video'), disks };
}

function filesOf(given: NonNullable<SnapshotOptions['base']>, packing: Packing | undefined): SnapshotFile[] {
  const list: readonly Uint8Array[] = given instanceof Uint8Array ? [given] : given;
  if (list.length > MOST_BASES) throw new SnapshotError(undefined, `has more than ${MOST_BASES} bases`);
  return list.map((bytes) => new SnapshotFile(bytes, packing));
}

/** What a snapshot says the differences to: the one that is whole first. */
function basesOf(file: SnapshotFile, given: readonly SnapshotFile[]): SnapshotFile[] {
  const chain: SnapshotFile[] = [];
  for (let { base } = checkedManifest(file.manifest); base !== undefined; ) {
    const found = given.find(({ digest }) => digest === base);
    if (found === undefined) {
      const problem = given.length === 0 ? 'needs the snapshot that it is against' : notGiven(chain.length);
      throw new SnapshotError(undefined, problem);
    }
    if (chain.includes(found)) throw new SnapshotError(undefined, 'is among its own bases');
    chain.unshift(found);
    ({ base } = checkedManifest(found.manifest));
  }
  return chain;
}

function notGiven(found: number): string {
  if (found === 0) return 'is against another snapshot than the one given';
  return 'has a base that is against another snapshot, which is not given';
}

// ---- Restoring -----------------------------------------------------------------------------------------------------

/** A snapshot that has been opened, and the options of a guest that can become what it is of. */
export interface Opened {
  readonly file: SnapshotFile;
  /** What it says the differences to, the one that is whole first. */
  readonly bases: readonly SnapshotFile[];
  /** Memory, if the guest need not wait for it. */
  readonly stored: StoredMemory | undefined;
  readonly manifest: Manifest;
  readonly options: GuestOptions;
  /** Media of the machine, in their order. */
  readonly places: readonly Place[];
  /** Resolves when they have proved to be what they were. */
  readonly imagesChecked: Promise<unknown>;
}

/** Rejects with a VivariumError for what cannot be restored, or not with what is given. */
export async function open(bytes: Uint8Array, given: RestoreOptions): Promise<Opened> {
  const file = new SnapshotFile(bytes, given.packing);
  const manifest = checkedManifest(file.manifest);
  const { memoryBytes, time, seed, optionalDevices, pc } = manifest;
  const { drives = [], nics = [], base: baseBytes, ...rest } = given;
  const bases = basesOf(file, baseBytes === undefined ? [] : filesOf(baseBytes, given.packing));
  checkDrives(pc?.drives ?? [], drives);
  checkNics(pc?.nics ?? [], nics);
  const disks = savedDisks(manifest);
  const { virtio = [] } = given;
  const onVirtio = virtio.flatMap((one) => (one.kind === 'block' ? [one.backend] : []));
  const places = disks.map((disk) => placeOf(disk, drives, onVirtio));
  for (const place of places) checkPlace(place);
  checkVirtio(manifest.virtio ?? [], virtio);
  const firmware = pc && {
    bios: await file.read('rom'),
    vgaBios: await file.read('vga-bios'),
    drives,
    nics,
    bootOrder: pc.bootOrder,
    ...(pc.bootMenuMs !== undefined && { bootMenuMs: pc.bootMenuMs }),
    ...(pc.resetEnds !== undefined && { resetEnds: pc.resetEnds }),
  };
  const options = { ...rest, memoryBytes, time, seed, optionalDevices, ...(firmware && { firmware }) };
  // The platform's threads unpack while the machine is made.
  const stored = bases.length === 0 ? StoredMemory.of(file, 'memory', memoryBytes) : undefined;
  if (stored === undefined) readPagesAhead(bases[0] ?? file, 'memory');
  const imagesChecked = checkImages(places, given.packing?.sha256);
  // Whoever restores is told.
  imagesChecked.catch(() => {});
  return { file, bases, stored, manifest, options, places, imagesChecked };
}

function placeOf(disk: SavedDisk, drives: readonly GuestDrive[], onVirtio: readonly BlockBackend[]): Place {
  const { bus, unit, medium } = disk;
  const drive = drives.find((one) => one.bus === bus && one.unit === unit);
  const backend = bus === 'virtio' ? onVirtio[unit] : drive?.backend;
  const name = nameOfDisk(disk);
  const called = medium.image?.name === undefined ? '' : ` (${medium.image.name})`;
  if (backend === undefined) {
    throw new SnapshotError(undefined, `is of a machine with ${name}${called}, which is not given`);
  }
  const isReadOnly = backend.readOnly || disk.kind === 'cdrom';
  if (isReadOnly !== (medium.writes === 'none')) {
    throw new SnapshotError(undefined, `wants ${name}${called} to be ${isReadOnly ? 'writable' : 'read-only'}`);
  }
  return { name: `${name}${called}`, medium, backend };
}

function checkDrives(wanted: readonly DriveManifest[], given: readonly GuestDrive[]): void {
  for (const { bus, unit, kind, sizeBytes } of wanted) {
    const drive = given.find((one) => one.bus === bus && one.unit === unit && one.kind === kind);
    if (sizeBytes === undefined && drive?.backend !== undefined) {
      throw new SnapshotError(undefined, `is of a machine with ${kind} ${unit} on ${bus} that has nothing in it`);
    }
  }
  if (given.length > wanted.length) throw new SnapshotError(undefined, 'is of a machine with fewer drives');
}

function checkNics(wanted: readonly { model: string; mac: readonly number[] }[], given: readonly GuestNic[]): void {
  const isSame = wanted.every(
    ({ model, mac }, i) => model === given[i]?.model && String(mac) === String(given[i]?.mac),
  );
  if (!isSame || wanted.length !== given.length) {
    throw new SnapshotError(undefined, 'is of a machine with other network cards');
  }
}

function checkVirtio(wanted: readonly string[], given: readonly GuestVirtio[]): void {
  const names = given.map(describeVirtio);
  if (names.join('\n') === wanted.join('\n')) return;
  const list = wanted.length === 0 ? 'none' : wanted.join(', ');
  throw new SnapshotError(undefined, `is of a machine with other virtio devices: ${list}`);
}

/** Makes a new guest, of the options that `open` gave, what was saved. Rejects with a VivariumError. */
export async function restore(parts: GuestParts, opened: Opened): Promise<void> {
  const { file, bases, stored, manifest, places } = opened;
  const { board, cpu, clock, frames, video, random } = parts;
  const known = new Set(['rom', 'vga-bios', 'input/com1', 'input/com2']);
  /** Errors of a part say which field of its state; this adds which section. */
  const apply = async (name: string, into: (bytes: Uint8Array) => void): Promise<void> => {
    known.add(name);
    const bytes = await file.read(name);
    try {
      into(bytes);
    } catch (cause) {
      if (!(cause instanceof VivariumError)) throw cause;
      throw new SnapshotError(name, `makes no sense: ${cause.message.replace(/\.$/, '')}`, { cause });
    }
  };
  // Ports first of all: what waits must be there when their state says that it does.
  board.com1.receive(await file.read('input/com1'));
  board.com2.receive(await file.read('input/com2'));
  const chain = [...bases, file];
  for (const name of ['memory', 'video']) for (const section of sectionNames(file, name)) known.add(section);
  const fill: FillPages = (...run) => frames.fillRam(...run);
  stored?.fillInto(fill);
  if (stored !== undefined) frames.fillLater(stored);
  else frames.expect(chain.reduce((sum, one) => sum + sizeOfPages(one, 'memory'), 0));
  for (const one of chain) {
    if (stored === undefined) await readPages(one, 'memory', frames.sizeBytes / PAGE_BYTES, fill);
    const videoPages = (video?.sizeBytes ?? 0) / PAGE_BYTES;
    await readPages(one, 'video', videoPages, (first, pages, bytes) => {
      if (video === undefined || first + pages > videoPages) return false;
      if (bytes === undefined) video.bytes.fill(0, first * PAGE_BYTES, (first + pages) * PAGE_BYTES);
      else video.bytes.set(bytes, first * PAGE_BYTES);
      return true;
    });
  }
  await opened.imagesChecked;
  for (const [i, place] of places.entries()) {
    if (place.medium.writes !== 'snapshot') {
      await place.backend.layer?.clear();
      continue;
    }
    await restorePages(place, chain, `disk/${i}`);
    for (const section of sectionNames(file, `disk/${i}`)) known.add(section);
  }
  await apply('vcpu0', (bytes) => cpu.restoreRegisters(bytes));
  clock.restore(manifest.clockNs);
  const [a, b] = manifest.random.map((half) => BigInt(`0x${half}`)) as [bigint, bigint];
  random.state = [a, b];
  for (const [name, part] of Object.entries(cpu.savedDevices)) await apply(name, (bytes) => part.restore(bytes));
  for (const [name, part] of board.parts) await apply(`part/${name}`, (bytes) => part.restore(bytes));
  clock.queue.arrange(manifest.timers);
  for (const name of file.names) {
    if (!known.has(name)) {
      throw new SnapshotError(name, 'is of a part that this program does not know');
    }
  }
}
