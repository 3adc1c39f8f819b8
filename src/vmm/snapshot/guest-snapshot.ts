/**
 * A guest as a snapshot, and a guest made anew from one. What is declared as state is saved; everything else follows
 * from it, or is given again: the platform, what output goes to, disc images, networks.
 *
 *     vcpu0, msrs, kvm-clock          the processor
 *     part/NAME                       a part of the board, as its state is declared
 *     input/com1, input/com2          what was sent to a port and has not arrived
 *     rom, vga-bios                   firmware
 *     memory/0 ..., video/0 ...       pages (pages.ts)
 *
 * Order matters in restoring. Memory and time are there before devices look at them; interrupt controllers have their
 * lines before devices drive them; the local APIC comes last, for what others drive must not add to what it was.
 */

import { sha256 } from '@noble/hashes/sha2';
import { bytesToHex } from '@noble/hashes/utils';
import { VivariumError } from '../../base/errors.ts';
import type { PcBoard } from '../../machine/pc.ts';
import type { GuestCpu } from '../guest-cpu.ts';
import type { FrameTable, MemoryBlock } from '../guest-memory.ts';
import type { GuestDrive, GuestNic, GuestOptions, GuestVirtio, RestoreOptions } from '../guest-options.ts';
import { describeVirtio } from '../guest-virtio.ts';
import type { Random } from '../random.ts';
import type { VirtualClock } from '../virtual-clock.ts';
import { SnapshotError } from './error.ts';
import { type Packing, packSnapshot, type Section, SnapshotFile } from './format.ts';
import { checkedManifest, type DriveManifest, type Manifest } from './manifest.ts';
import { PAGE_BYTES, PageList, readPages } from './pages.ts';

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
  /** A snapshot of the same guest: only what differs from it is saved, and it is needed again to restore. */
  readonly base?: Uint8Array;
  /** For whoever restores. */
  readonly notes?: Readonly<Record<string, string>>;
}

/** The state of a moment, copied. */
export interface Capture {
  readonly manifest: Manifest;
  readonly sections: readonly Section[];
  readonly memory: PageList;
  readonly video: PageList;
}

const ZERO_PAGE: Uint8Array = new Uint8Array(PAGE_BYTES);

// ---- Saving --------------------------------------------------------------------------------------------------------

function isWritable({ kind, backend }: GuestDrive): boolean {
  return kind !== 'cdrom' && backend !== undefined && !backend.readOnly;
}

/** Throws a VivariumError for a guest that cannot be saved. */
export function checkSavable({ firmware, virtio = [] }: GuestOptions): void {
  const disks = virtio.filter((one) => one.kind === 'block');
  if (!firmware?.drives.some(isWritable) && disks.every(({ backend }) => backend.readOnly)) return;
  const message =
    'A guest with a disk that it can write to cannot be saved: the snapshot would not have what is on it.';
  throw new VivariumError({ kind: 'bad-option' }, message);
}

/** Between slices. Takes as long as copying the memory that the guest has touched. */
export function capture(parts: GuestParts): Capture {
  const { options, board, frames, video, cpu, clock, random } = parts;
  const { firmware } = options;
  const processor = Object.entries(cpu.saveState()).map(([name, bytes]) => ({ name, bytes }));
  const devices = [...board.parts].map(([name, part]) => ({ name: `part/${name}`, bytes: part.save() }));
  const [a, b] = random.state;
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
    memory: PageList.of(frames.ramPages()),
    video: PageList.of(video === undefined ? [] : pagesOf(video.bytes)),
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

function* pagesOf(bytes: Uint8Array) {
  for (let at = 0; at < bytes.length; at += PAGE_BYTES) {
    yield { page: at / PAGE_BYTES, bytes: bytes.subarray(at, at + PAGE_BYTES) };
  }
}

/** The file. Takes its time, while the guest runs on. Rejects with a VivariumError for a base that is none. */
export async function pack(
  { manifest, sections, memory, video }: Capture,
  { kernel, packing }: Pick<GuestOptions, 'kernel' | 'packing'>,
  { base, notes }: SnapshotOptions,
): Promise<Uint8Array> {
  const before = base === undefined ? undefined : await baseOf(base, packing);
  const { image, commandLine } = kernel ?? {};
  const about = {
    ...manifest,
    ...(image && { kernel: { bytes: image.length, sha256: bytesToHex(sha256(image)), commandLine } }),
    ...(before && { base: before.digest }),
    ...(notes && { notes }),
  };
  const pages = [...memory.sections('memory', before?.memory), ...video.sections('video', before?.video)];
  return packSnapshot(about, [...sections, ...pages], packing);
}

async function baseOf(bytes: Uint8Array, packing: Packing | undefined) {
  const file = new SnapshotFile(bytes, packing);
  const { base, memoryBytes } = checkedManifest(file.manifest);
  if (base !== undefined) throw new SnapshotError(undefined, 'is no base: it needs one itself');
  const collect = async (name: string): Promise<Map<number, Uint8Array>> => {
    const pages = new Map<number, Uint8Array>();
    const most = memoryBytes / PAGE_BYTES;
    await readPages(file, name, most, (page, contents) => pages.set(page, contents ?? ZERO_PAGE) !== undefined);
    return pages;
  };
  return { digest: file.digest, memory: await collect('memory'), video: await collect('video') };
}

// ---- Restoring -----------------------------------------------------------------------------------------------------

/** A snapshot that has been opened, and the options of a guest that can become what it is of. */
export interface Opened {
  readonly file: SnapshotFile;
  readonly base: SnapshotFile | undefined;
  readonly manifest: Manifest;
  readonly options: GuestOptions;
}

/** Rejects with a VivariumError for what cannot be restored, or not with what is given. */
export async function open(bytes: Uint8Array, given: RestoreOptions): Promise<Opened> {
  const file = new SnapshotFile(bytes, given.packing);
  const manifest = checkedManifest(file.manifest);
  const { memoryBytes, time, seed, optionalDevices, pc } = manifest;
  const { drives = [], nics = [], base: baseBytes, ...rest } = given;
  let base: SnapshotFile | undefined;
  if (manifest.base !== undefined) {
    if (baseBytes === undefined) throw new SnapshotError(undefined, 'needs the snapshot that it is against');
    base = new SnapshotFile(baseBytes, given.packing);
    if (base.digest !== manifest.base)
      throw new SnapshotError(undefined, 'is against another snapshot than the one given');
  }
  checkDrives(pc?.drives ?? [], drives);
  checkNics(pc?.nics ?? [], nics);
  checkVirtio(manifest.virtio ?? [], given.virtio ?? []);
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
  return { file, base, manifest, options };
}

function checkDrives(wanted: readonly DriveManifest[], given: readonly GuestDrive[]): void {
  for (const { bus, unit, kind, sizeBytes } of wanted) {
    const drive = given.find((one) => one.bus === bus && one.unit === unit && one.kind === kind);
    const name = `${kind} ${unit} on ${bus}`;
    if (drive === undefined) throw new SnapshotError(undefined, `is of a machine with ${name}, which is not given`);
    if (drive.backend?.sizeBytes !== sizeBytes) {
      const size = sizeBytes === undefined ? 'nothing in it' : `${sizeBytes} bytes in it`;
      throw new SnapshotError(undefined, `is of a machine with ${name} that has ${size}`);
    }
    if (isWritable(drive)) throw new SnapshotError(undefined, `wants ${name} to be read-only`);
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
export async function restore(parts: GuestParts, { file, base, manifest }: Opened): Promise<void> {
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
  for (const one of base === undefined ? [file] : [base, file]) {
    const fillRam = (page: number, bytes = ZERO_PAGE): boolean => frames.fillRam(page, bytes);
    await readPages(one, 'memory', frames.sizeBytes / PAGE_BYTES, fillRam);
    const fillVideo = (page: number, bytes = ZERO_PAGE): boolean => {
      if (video === undefined || (page + 1) * PAGE_BYTES > video.sizeBytes) return false;
      video.bytes.set(bytes, page * PAGE_BYTES);
      return true;
    };
    await readPages(one, 'video', (video?.sizeBytes ?? 0) / PAGE_BYTES, fillVideo);
  }
  await apply('vcpu0', (bytes) => cpu.restoreRegisters(bytes));
  clock.restore(manifest.clockNs);
  const [a, b] = manifest.random.map((half) => BigInt(`0x${half}`)) as [bigint, bigint];
  random.state = [a, b];
  for (const [name, part] of Object.entries(cpu.savedDevices)) await apply(name, (bytes) => part.restore(bytes));
  for (const [name, part] of board.parts) await apply(`part/${name}`, (bytes) => part.restore(bytes));
  clock.queue.arrange(manifest.timers);
  for (const name of file.names) {
    if (!known.has(name) && !/^(memory|video)\/\d+$/.test(name)) {
      throw new SnapshotError(name, 'is of a part that this program does not know');
    }
  }
}
