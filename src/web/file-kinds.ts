/** What a file is, by its first bytes and its size: something that a machine can be started with, or why not. */

import { formatBytes } from './rates.ts';

export type FileKind = 'snapshot' | 'kernel' | 'initrd' | 'cdrom' | 'floppy' | 'disk';

/** So much of a file is looked at: an ISO shows itself at 32 KiB (ECMA-119 §8). */
export const HEAD_BYTES = 0x9000;

const SECTOR_BYTES = 512;
const FLOPPY_BYTES = new Set([160, 180, 320, 360, 720, 1200, 1440, 2880].map((kib) => kib * 1024));

interface Signature {
  readonly at: number;
  readonly bytes: string;
}
const has = (head: Uint8Array, { at, bytes }: Signature): boolean =>
  [...bytes].every((character, i) => head[at + i] === character.charCodeAt(0));

const SNAPSHOT = { at: 0, bytes: '\x89VIV\r\n\x1a\n' };
const ELF = { at: 0, bytes: '\x7fELF' };
/** Linux's boot protocol, "The Real-Mode Kernel Header". */
const LINUX = { at: 0x202, bytes: 'HdrS' };
const ISO = { at: 0x8001, bytes: 'CD001' };
const BOOT_SECTOR = { at: 510, bytes: '\x55\xaa' };
/** The superblock of ext2 to ext4 begins at 1024. */
const EXT = { at: 1024 + 56, bytes: '\x53\xef' };
const INITRDS: readonly Signature[] = [
  { at: 0, bytes: '070701' },
  { at: 0, bytes: '\x1f\x8b' },
  { at: 0, bytes: '\xfd7zXZ\0' },
  { at: 0, bytes: '\x28\xb5\x2f\xfd' },
  { at: 0, bytes: '\x02\x21\x4c\x18' },
];
/** Formats of disk images that are met often, and not read here. */
const FOREIGN: readonly (Signature & { readonly name: string })[] = [
  { at: 0, bytes: 'QFI\xfb', name: 'QCOW2' },
  { at: 0, bytes: 'KDMV', name: 'VMDK' },
  { at: 0, bytes: 'vhdxfile', name: 'VHDX' },
  { at: 0x40, bytes: '\x7f\x10\xda\xbe', name: 'VDI' },
];

/** Throws an Error with a sentence for what is none of them. `head` has the first HEAD_BYTES, or all there is. */
export function kindOf(name: string, sizeBytes: number, head: Uint8Array): FileKind {
  const foreign = FOREIGN.find((format) => has(head, format));
  if (foreign) throw new Error(`${name} is a ${foreign.name} image, and only raw disk images can be used.`);
  if (has(head, SNAPSHOT)) return 'snapshot';
  if (has(head, LINUX) || has(head, ELF)) return 'kernel';
  if (INITRDS.some((signature) => has(head, signature))) return 'initrd';
  if (has(head, ISO)) return 'cdrom';
  if (sizeBytes > 0 && sizeBytes % SECTOR_BYTES === 0) {
    if (FLOPPY_BYTES.has(sizeBytes)) return 'floppy';
    if (has(head, BOOT_SECTOR) || has(head, EXT)) return 'disk';
  }
  const what = sizeBytes === 0 ? 'is empty' : `(${formatBytes(sizeBytes)}) is no ISO, disk image, kernel or snapshot`;
  throw new Error(`${name} ${what}, so there is nothing to start.`);
}

export async function kindOfFile(file: File): Promise<FileKind> {
  let head: Uint8Array;
  try {
    head = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  } catch (cause) {
    throw new Error(`${file.name} cannot be read: it may be a folder, or not be yours to read.`, { cause });
  }
  return kindOf(file.name, file.size, head);
}

/** Files by what they are. */
export type Chosen = Readonly<Partial<Record<FileKind, File>>>;

/** What files that were chosen together make; throws an Error with a sentence where they make nothing. */
export async function chosenOf(files: readonly File[]): Promise<Chosen> {
  const chosen: Partial<Record<FileKind, File>> = {};
  for (const file of files) {
    const kind = await kindOfFile(file);
    const other = chosen[kind];
    if (other) throw new Error(`${other.name} and ${file.name} are both ${NAMES[kind]}: choose one.`);
    chosen[kind] = file;
  }
  if (chosen.initrd && !chosen.kernel) {
    throw new Error(
      `${chosen.initrd.name} is packed, or an initial RAM disk: unpack it, or choose its kernel as well.`,
    );
  }
  if (chosen.snapshot && (chosen.kernel || chosen.initrd)) {
    throw new Error('A snapshot has its own kernel: choose one of them.');
  }
  return chosen;
}

const NAMES: Readonly<Record<FileKind, string>> = {
  snapshot: 'snapshots',
  kernel: 'kernels',
  initrd: 'initial RAM disks',
  cdrom: 'ISO images',
  floppy: 'floppy images',
  disk: 'disk images',
};
