/** What 9P says of a file: qids, and the attributes of GETATTR and SETATTR. */

import { type FileAttributes, type FileChanges, FileError, type FileKind } from '../file-tree.ts';
import * as p9 from './protocol.ts';
import type { MessageReader, MessageWriter } from './wire.ts';

const NS = 1_000_000_000n;
const STORED_UNIT_BYTES = 512;
/** What a guest is told to read and write at a time. */
const BLOCK_BYTES = 4096;
const UNCHANGED = 0xffff_ffff;

/** S_IFMT of stat(2). What cannot be opened is a socket to guests. */
const TYPE_BITS: Record<FileKind, number> = { file: 0o100000, directory: 0o040000, link: 0o120000, other: 0o140000 };
/** QTDIR, QTSYMLINK, QTFILE. */
const QID_TYPES: Record<FileKind, number> = { file: 0, directory: 0x80, link: 0x02, other: 0 };
/** DT_REG, DT_DIR, DT_LNK, DT_SOCK of readdir(3). */
export const ENTRY_TYPES: Record<FileKind, number> = { file: 8, directory: 4, link: 10, other: 12 };

export const QID_BYTES = 13;

/** type u8, version u32, path u64: the same path is the same file, the same version the same contents. */
export function writeQid(to: MessageWriter, { kind, id, modifiedNs }: FileAttributes): void {
  to.u8(QID_TYPES[kind]);
  to.u32(Number(BigInt.asUintN(32, modifiedNs ^ (modifiedNs >> 32n))));
  to.u64(BigInt.asUintN(64, id));
}

export function writeAttributes(to: MessageWriter, attributes: FileAttributes): void {
  const { kind, mode, uid, gid, links, sizeBytes, storedBytes, accessedNs, modifiedNs, changedNs } = attributes;
  to.u64(p9.ATTRIBUTES_BASIC);
  writeQid(to, attributes);
  to.u32(TYPE_BITS[kind] | (mode & 0o7777));
  to.u32(uid);
  to.u32(gid);
  to.u64(BigInt(links));
  to.u64(0n); // number of the device that it is
  to.u64(BigInt(sizeBytes));
  to.u64(BigInt(BLOCK_BYTES));
  to.u64(BigInt(Math.ceil(storedBytes / STORED_UNIT_BYTES)));
  for (const time of [accessedNs, modifiedNs, changedNs, 0n]) {
    // Before 1970 the seconds are negative, nanoseconds never.
    const nanoseconds = ((time % NS) + NS) % NS;
    to.u64(BigInt.asUintN(64, (time - nanoseconds) / NS));
    to.u64(nanoseconds);
  }
  to.u64(0n); // generation
  to.u64(0n); // version of the data
}

export function readChanges(from: MessageReader): FileChanges {
  const valid = from.u32();
  const mode = from.u32();
  const uid = from.u32();
  const gid = from.u32();
  const size = from.u64();
  const accessedNs = readTime(from);
  const modifiedNs = readTime(from);
  const has = (bit: number): boolean => (valid & bit) !== 0;
  return {
    ...(has(p9.SET_MODE) && { mode: mode & 0o7777 }),
    ...(has(p9.SET_UID) && uid !== UNCHANGED && { uid }),
    ...(has(p9.SET_GID) && gid !== UNCHANGED && { gid }),
    ...(has(p9.SET_SIZE) && { sizeBytes: fileOffset(size) }),
    ...(has(p9.SET_ACCESSED) && { accessedNs: has(p9.SET_ACCESSED_TO) ? accessedNs : ('now' as const) }),
    ...(has(p9.SET_MODIFIED) && { modifiedNs: has(p9.SET_MODIFIED_TO) ? modifiedNs : ('now' as const) }),
  };
}

function readTime(from: MessageReader): bigint {
  const seconds = BigInt.asIntN(64, from.u64());
  const nanoseconds = from.u64();
  // As far as a double of seconds is exact enough for whatever keeps it: some 35,000 years either way.
  const bounded = seconds > 1n << 40n ? 1n << 40n : seconds < -(1n << 40n) ? -(1n << 40n) : seconds;
  return bounded * NS + (nanoseconds < NS ? nanoseconds : 0n);
}

/** A place in a file as a number. Nothing is longer than what numbers are exact for. */
export function fileOffset(offset: bigint): number {
  if (offset > BigInt(Number.MAX_SAFE_INTEGER - 2 ** 32)) throw new FileError('EFBIG');
  return Number(offset);
}
