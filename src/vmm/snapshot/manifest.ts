/** What a snapshot says of its machine, and what of that can be believed. */

import { SECTOR_BYTES } from '../../base/block.ts';
import { OPTIONAL_DEVICES } from '../../machine/pc.ts';
import { NIC_MODELS, type NicModel } from '../../machine/pc-firmware.ts';
import { MOST_VIRTIO_DEVICES } from '../../machine/pci-root.ts';
import { isImageName, type MediumManifest } from './disks.ts';
import { SnapshotError } from './error.ts';

export interface DriveManifest {
  readonly bus: 'ide' | 'ahci' | 'floppy';
  readonly unit: number;
  readonly kind: 'disk' | 'cdrom' | 'floppy';
  /** Of the medium; undefined where none is in it. */
  readonly sizeBytes?: number;
}

export interface NicManifest {
  readonly model: NicModel;
  /** Six numbers. */
  readonly mac: readonly number[];
}

/** Of a whole PC: what is on the board. */
export interface PcManifest {
  readonly drives: readonly DriveManifest[];
  readonly nics: readonly NicManifest[];
  readonly bootOrder: string;
  readonly bootMenuMs?: number;
  readonly resetEnds?: boolean;
}

export interface Manifest {
  /** What wrote it; for people. */
  readonly program: string;
  readonly memoryBytes: number;
  readonly time: 'real' | 'deterministic';
  readonly seed: number;
  readonly optionalDevices: readonly string[];
  /** What was booted; for people. */
  readonly kernel?: { readonly bytes: number; readonly sha256: string; readonly commandLine: string };
  readonly pc?: PcManifest;
  /** Virtio devices in the order of their slots, as `describeVirtio` has them. */
  readonly virtio?: readonly string[];
  /** What lies in the drives, in their order, and then of the virtio disks. Not in snapshots of before there was this. */
  readonly media?: readonly MediumManifest[];
  /** The guest's wall clock at power-on, in milliseconds since 1970. */
  readonly bootMs: number;
  /** `VirtualClock.savedNs`. */
  readonly clockNs: number;
  /** State of the random numbers: two of 64 bits, in hexadecimal. */
  readonly random: readonly [string, string];
  /** Numbers of the timers that were armed, the next to expire first. */
  readonly timers: readonly number[];
  /** Digest of the snapshot that this one says the differences to. */
  readonly base?: string;
  /** Of the program that saved it, for itself. */
  readonly notes?: Readonly<Record<string, string>>;
}

/** A disk, disc or floppy disk of the machine that was saved. */
export interface SavedDisk {
  readonly bus: DriveManifest['bus'] | 'virtio';
  /** Of virtio disks, which one. */
  readonly unit: number;
  readonly kind: DriveManifest['kind'];
  readonly medium: MediumManifest;
}

/** All of them. Throws a SnapshotError where the manifest contradicts itself. */
export function savedDisks({ pc, virtio = [], media }: Manifest): SavedDisk[] {
  const drives = pc?.drives.filter(({ sizeBytes }) => sizeBytes !== undefined) ?? [];
  const onVirtio = virtio.filter((text) => text.startsWith('block '));
  const places = [
    ...drives.map(({ bus, unit, kind }) => ({ bus, unit, kind })),
    ...onVirtio.map((_, unit) => ({ bus: 'virtio', unit, kind: 'disk' }) as const),
  ];
  // Before there was `media`, all of them could only be read.
  const old = [
    ...drives.map(({ sizeBytes = 0 }): MediumManifest => ({ sizeBytes, writes: 'none' })),
    ...onVirtio.map((text): MediumManifest => ({ sizeBytes: blockBytes(text), writes: 'none' })),
  ];
  const all = media ?? old;
  if (all.length !== places.length) throw new SnapshotError(undefined, 'has a "media" that makes no sense');
  return places.map((place, i) => ({ ...place, medium: all[i] as MediumManifest }));
}

/** As `describeVirtio` wrote it. */
function blockBytes(text: string): number {
  return Number(/^block of (\d+) bytes/.exec(text)?.[1] ?? Number.NaN);
}

/** For people. */
export function nameOfDisk({ bus, unit, kind }: Omit<SavedDisk, 'medium'>): string {
  return bus === 'virtio' ? `virtio disk ${unit}` : `${kind} ${unit} on ${bus}`;
}

const MOST_TIMERS = 100_000;
const MOST_DRIVES = 16;
/** What pages with numbers of 32 bits can make up. */
const LARGEST_DISK_BYTES = 2 ** 44;
const MOST_NICS = 16;
const MOST_NOTES = 32;
const LONGEST_TEXT = 65_536;
/** The range of Date. */
const LATEST_MS = 8.64e15;
const LONGEST_BOOT_MENU_MS = 3_600_000;

type Test<T> = (value: unknown) => value is T;
type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
const isText = (value: unknown): value is string => typeof value === 'string' && value.length <= LONGEST_TEXT;
const isFlag = (value: unknown): value is boolean => typeof value === 'boolean';
const isNumber =
  (least: number, most: number): Test<number> =>
  (value): value is number =>
    typeof value === 'number' && value >= least && value <= most;
const isWhole =
  (least: number, most: number): Test<number> =>
  (value): value is number =>
    Number.isInteger(value) && isNumber(least, most)(value);
const isOneOf =
  <T extends string>(...choices: readonly T[]): Test<T> =>
  (value): value is T =>
    (choices as readonly unknown[]).includes(value);
const isMatch =
  (pattern: RegExp): Test<string> =>
  (value): value is string =>
    typeof value === 'string' && pattern.test(value);
const isList =
  <T>(most: number, test: Test<T>): Test<readonly T[]> =>
  (value): value is readonly T[] =>
    Array.isArray(value) && value.length <= most && value.every(test);

/** Undefined if it may be absent, and is. */
type Shape<T> = {
  readonly [K in keyof T]-?: undefined extends T[K] ? readonly ['may be absent', Test<NonNullable<T[K]>>] : Test<T[K]>;
};

function isShaped<T>(shape: Shape<T>): Test<T> {
  return (value): value is T =>
    isObject(value) &&
    Object.entries(shape).every(([key, rule]) => {
      const [, test] = Array.isArray(rule) ? (rule as [string, Test<unknown>]) : ['', rule as Test<unknown>];
      return (Array.isArray(rule) && value[key] === undefined) || test(value[key]);
    });
}

const isNotes = (value: unknown): value is Readonly<Record<string, string>> =>
  isObject(value) && Object.keys(value).length <= MOST_NOTES && Object.values(value).every(isText);

const isPc = isShaped<PcManifest>({
  drives: isList(
    MOST_DRIVES,
    isShaped<DriveManifest>({
      bus: isOneOf('ide', 'ahci', 'floppy'),
      unit: isWhole(0, 5),
      kind: isOneOf('disk', 'cdrom', 'floppy'),
      sizeBytes: ['may be absent', isWhole(0, Number.MAX_SAFE_INTEGER)],
    }),
  ),
  nics: isList(
    MOST_NICS,
    isShaped<NicManifest>({
      model: isOneOf(...NIC_MODELS),
      mac: (value): value is readonly number[] => isList(6, isWhole(0, 255))(value) && value.length === 6,
    }),
  ),
  bootOrder: isMatch(/^[a-z]{0,8}$/),
  bootMenuMs: ['may be absent', isWhole(0, LONGEST_BOOT_MENU_MS)],
  resetEnds: ['may be absent', isFlag],
});

const isImage = isShaped<NonNullable<MediumManifest['image']>>({
  of: isOneOf('all', 'samples'),
  sha256: isMatch(/^[0-9a-f]{64}$/),
  version: ['may be absent', isText],
  name: ['may be absent', isImageName],
});

const isMedium = isShaped<MediumManifest>({
  sizeBytes: (value): value is number => isWhole(0, LARGEST_DISK_BYTES)(value) && value % SECTOR_BYTES === 0,
  writes: isOneOf('none', 'image', 'snapshot'),
  image: ['may be absent', isImage],
});

const shape: Shape<Manifest> = {
  program: isText,
  memoryBytes: isWhole(0, Number.MAX_SAFE_INTEGER),
  time: isOneOf('real', 'deterministic'),
  seed: isNumber(0, Number.MAX_SAFE_INTEGER),
  optionalDevices: isList(OPTIONAL_DEVICES.length, isOneOf(...OPTIONAL_DEVICES)),
  kernel: [
    'may be absent',
    isShaped({ bytes: isWhole(0, 2 ** 32), sha256: isMatch(/^[0-9a-f]{64}$/), commandLine: isText }),
  ],
  pc: ['may be absent', isPc],
  virtio: ['may be absent', isList(MOST_VIRTIO_DEVICES, isText)],
  media: ['may be absent', isList(MOST_DRIVES + MOST_VIRTIO_DEVICES, isMedium)],
  bootMs: isNumber(-LATEST_MS, LATEST_MS),
  clockNs: isNumber(0, Number.MAX_SAFE_INTEGER),
  random: (value): value is readonly [string, string] =>
    isList(2, isMatch(/^[0-9a-f]{1,16}$/))(value) && value.length === 2,
  timers: isList(MOST_TIMERS, isWhole(0, Number.MAX_SAFE_INTEGER)),
  base: ['may be absent', isMatch(/^[0-9a-f]{64}$/)],
  notes: ['may be absent', isNotes],
};

/** Throws a SnapshotError for what no version of this program writes. */
export function checkedManifest(value: unknown): Manifest {
  if (!isObject(value)) throw new SnapshotError(undefined, 'does not say of what machine it is');
  for (const [key, rule] of Object.entries(shape)) {
    const isFine = isShaped({ [key]: rule } as unknown as Shape<Fields>)(value);
    if (!isFine) throw new SnapshotError(undefined, `has a "${key}" that makes no sense`);
  }
  return value as unknown as Manifest;
}
