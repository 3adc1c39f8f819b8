/** What each message of 9P2000.L does, by its number. Fields of requests and answers: the protocol's, in their order. */

import { type DirectoryEntry, type FileAttributes, FileError, type FileTree, type OpenOptions } from '../file-tree.ts';
import { ENTRY_TYPES, fileOffset, QID_BYTES, readChanges, writeAttributes, writeQid } from './attributes.ts';
import type { Fid, Fids } from './fids.ts';
import type { Listings } from './listings.ts';
import type { Place } from './places.ts';
import * as p9 from './protocol.ts';
import { type MessageReader, type MessageWriter, textBytes } from './wire.ts';

export interface Session {
  readonly tree: FileTree;
  readonly fids: Fids;
  readonly listings: Listings;
}

type Handler = (session: Session, from: MessageReader, to: MessageWriter) => Promise<void>;

/** f_type of statfs(2) for 9P. */
const FILE_SYSTEM_TYPE = 0x0102_1997;
const LONGEST_NAME_BYTES = 255;
/** Of a READDIR: each costs a look at its attributes. */
const MOST_ENTRIES = 512;
const ENTRY_BYTES = QID_BYTES + 8 + 1;

const LOCK_GRANTED = 0;
const NOT_LOCKED = 2;

async function attach({ tree, fids }: Session, from: MessageReader, to: MessageWriter): Promise<void> {
  const number = from.u32();
  if (from.u32() !== p9.NO_FID) throw new FileError('EOPNOTSUPP');
  writeQid(to, await tree.stat([]));
  fids.add(number, fids.places.use(fids.places.root));
}

/** As far as there are such files; only who comes to the end has a new fid. */
async function walk({ tree, fids }: Session, from: MessageReader, to: MessageWriter): Promise<void> {
  const fid = fids.get(from.u32());
  const newNumber = from.u32();
  const count = from.u16();
  if (count > p9.MOST_NAMES) throw new FileError('EINVAL');
  const names = Array.from({ length: count }, () => from.step());
  if (newNumber !== fid.number && fids.has(newNumber)) throw new FileError('EBADF');
  let place = fids.places.use(fid.place);
  const found: FileAttributes[] = [];
  try {
    for (const name of names) {
      const next = step(fids, place, name);
      fids.places.leave(place);
      place = next;
      found.push(await tree.stat(place.path()));
    }
  } catch (error) {
    fids.places.leave(place);
    if (found.length === 0) throw error;
    answerWalk(to, found);
    return;
  }
  answerWalk(to, found);
  if (newNumber === fid.number) fids.move(fid, place);
  else fids.add(newNumber, place);
}

/** One name further on: `..` is a step back, but not out of the root. */
function step({ places }: Fids, place: Place, name: string): Place {
  if (name === '..') return places.use(place.parent ?? place);
  return places.enter(place, name);
}

function answerWalk(to: MessageWriter, found: readonly FileAttributes[]): void {
  to.u16(found.length);
  for (const attributes of found) writeQid(to, attributes);
}

function openOptions(flags: number): OpenOptions {
  const access = flags & p9.OPEN_ACCESS;
  const write = access === p9.OPEN_WRITE_ONLY || access === p9.OPEN_READ_WRITE;
  return {
    read: access !== p9.OPEN_WRITE_ONLY,
    write,
    append: write && (flags & p9.OPEN_APPEND) !== 0,
    truncate: write && (flags & p9.OPEN_TRUNCATE) !== 0,
  };
}

async function open({ tree, fids }: Session, from: MessageReader, to: MessageWriter): Promise<void> {
  const fid = fids.get(from.u32());
  const options = openOptions(from.u32());
  fids.checkOpen(fid);
  const path = fid.place.path();
  const attributes = await tree.stat(path);
  if (attributes.kind === 'directory') {
    if (options.write) throw new FileError('EISDIR');
    fid.isListing = true;
  } else {
    fids.opened(fid, options, await tree.open(path, options));
  }
  writeQid(to, attributes);
  to.u32(0); // as much at a time as fits into a message
}

/** The directory's fid becomes the new file's. */
async function create({ tree, fids }: Session, from: MessageReader, to: MessageWriter): Promise<void> {
  const fid = fids.get(from.u32());
  const name = from.name();
  const flags = from.u32();
  const mode = from.u32() & 0o7777;
  const options = openOptions(flags);
  fids.checkOpen(fid);
  const path = [...fid.place.path(), name];
  const place = fids.places.enter(fid.place, name);
  try {
    const file = await tree.create(path, mode, options).catch((error: unknown) => {
      const mayExist = (flags & p9.OPEN_EXCLUSIVE) === 0;
      if (mayExist && error instanceof FileError && error.code === 'EEXIST') return tree.open(path, options);
      throw error;
    });
    fids.move(fid, place);
    fids.opened(fid, options, file);
    writeQid(to, await file.stat());
    to.u32(0);
  } catch (error) {
    if (fid.place !== place) fids.places.leave(place);
    throw error;
  }
}

async function read({ fids }: Session, from: MessageReader, to: MessageWriter): Promise<void> {
  const fid = fids.get(from.u32());
  const offset = from.u64();
  const count = Math.min(from.u32(), Math.max(0, to.remaining - 4));
  if (fid.open?.options.read === false) throw new FileError('EBADF');
  const file = await fids.file(fid);
  await to.counted(count, (into) => file.read(fileOffset(offset), into));
}

async function write({ fids }: Session, from: MessageReader, to: MessageWriter): Promise<void> {
  const fid = fids.get(from.u32());
  const offset = from.u64();
  const bytes = from.bytes(from.u32());
  if (fid.open?.options.write === false) throw new FileError('EBADF');
  const file = await fids.file(fid);
  to.u32(await file.write(fileOffset(offset), bytes));
}

/** Places in a directory: 0 is the start, 1 behind `.`, 2 behind `..`, and so on. */
async function readDirectory({ tree, fids, listings }: Session, from: MessageReader, to: MessageWriter): Promise<void> {
  const fid = fids.get(from.u32());
  const offset = from.u64();
  const room = Math.min(from.u32(), Math.max(0, to.remaining - 4));
  if (!fid.isListing) throw new FileError('EBADF');
  const path = fid.place.path();
  const listing = await listings.from(fid, fids, offset === 0n);
  const first = offset < BigInt(listing.length + 2) ? Number(offset) : listing.length + 2;

  const entries: { readonly place: number; readonly entry: DirectoryEntry }[] = [];
  let bytes = 0;
  for (let place = first; place < listing.length + 2 && entries.length < MOST_ENTRIES; place++) {
    const entry = place < 2 ? { name: ['.', '..'][place] as string, kind: 'directory' as const } : listing[place - 2]!;
    bytes += ENTRY_BYTES + textBytes(entry.name);
    if (bytes > room) break;
    entries.push({ place, entry });
  }
  // Nothing would mean that the directory is at its end.
  if (entries.length === 0 && first < listing.length + 2) throw new FileError('EINVAL');

  const named = entries.filter(({ place }) => place >= 2).map(({ entry }) => entry.name);
  const found = [...(await tree.statEntries(path, named))];
  const dots = [path, path.slice(0, -1)];
  const countAt = to.mark();
  for (const { place, entry } of entries) {
    const attributes = place < 2 ? await tree.stat(dots[place] as string[]) : found.shift();
    // Gone meanwhile, but for its name: which the next look shows.
    if (attributes === undefined) to.bytes(new Uint8Array(QID_BYTES));
    else writeQid(to, attributes);
    to.u64(BigInt(place + 1));
    to.u8(ENTRY_TYPES[attributes?.kind ?? entry.kind]);
    to.text(entry.name);
  }
  to.count(countAt);
}

async function getAttributes({ tree, fids }: Session, from: MessageReader, to: MessageWriter): Promise<void> {
  const fid = fids.get(from.u32());
  const file = fids.fileAt(fid);
  writeAttributes(to, file ? await file.stat() : await tree.stat(fid.place.path()));
}

async function setAttributes({ tree, fids }: Session, from: MessageReader): Promise<void> {
  const fid = fids.get(from.u32());
  const changes = readChanges(from);
  const file = fids.fileAt(fid);
  if (file && (fid.place.isGone || (changes.sizeBytes !== undefined && fid.open?.options.write))) {
    await file.change(changes);
  } else {
    await tree.change(fid.place.path(), changes);
  }
}

async function makeDirectory({ tree, fids }: Session, from: MessageReader, to: MessageWriter): Promise<void> {
  const path = [...fids.get(from.u32()).place.path(), from.name()];
  await tree.makeDirectory(path, from.u32() & 0o7777);
  writeQid(to, await tree.stat(path));
}

async function makeLink({ tree, fids }: Session, from: MessageReader, to: MessageWriter): Promise<void> {
  const path = [...fids.get(from.u32()).place.path(), from.name()];
  await tree.makeLink(path, from.target());
  writeQid(to, await tree.stat(path));
}

async function readLink({ tree, fids }: Session, from: MessageReader, to: MessageWriter): Promise<void> {
  to.text(await tree.readLink(fids.get(from.u32()).place.path()));
}

async function link({ tree, fids }: Session, from: MessageReader): Promise<void> {
  const directory = fids.get(from.u32());
  const existing = fids.get(from.u32());
  await tree.hardLink(existing.place.path(), [...directory.place.path(), from.name()]);
}

async function rename(session: Session, from: MessageReader): Promise<void> {
  const { place } = session.fids.get(from.u32());
  const directory = session.fids.get(from.u32());
  if (place.parent === undefined) throw new FileError('EBUSY');
  await move(session, place.parent, place.name, directory.place, from.name());
}

async function renameAt(session: Session, from: MessageReader): Promise<void> {
  const oldDirectory = session.fids.get(from.u32());
  const oldName = from.name();
  const newDirectory = session.fids.get(from.u32());
  await move(session, oldDirectory.place, oldName, newDirectory.place, from.name());
}

async function move({ tree, fids }: Session, from: Place, name: string, to: Place, newName: string): Promise<void> {
  // A directory does not go into itself: whatever the tree would make of that, places would run in a circle.
  const moved = from.children.get(name);
  if (moved !== undefined && to.isInside(moved)) throw new FileError('EINVAL');
  await tree.rename([...from.path(), name], [...to.path(), newName]);
  fids.places.renamed(from, name, to, newName);
}

async function unlinkAt({ tree, fids }: Session, from: MessageReader): Promise<void> {
  const { place } = fids.get(from.u32());
  const name = from.name();
  const path = [...place.path(), name];
  if (from.u32() & p9.AT_REMOVE_DIRECTORY) await tree.removeDirectory(path);
  else await tree.removeFile(path);
  fids.places.removed(place, name);
}

/** The fid is gone, whether the file is or not. */
async function remove(session: Session, from: MessageReader): Promise<void> {
  const { tree, fids } = session;
  const fid = fids.get(from.u32());
  const { place } = fid;
  try {
    if (place.parent === undefined) throw new FileError('EBUSY');
    const path = place.path();
    const { kind } = await tree.stat(path);
    if (kind === 'directory') await tree.removeDirectory(path);
    else await tree.removeFile(path);
    fids.places.removed(place.parent, place.name);
  } finally {
    await clunkFid(session, fid);
  }
}

async function clunk(session: Session, from: MessageReader): Promise<void> {
  await clunkFid(session, session.fids.get(from.u32()));
}

async function clunkFid({ fids, listings }: Session, fid: Fid): Promise<void> {
  listings.drop(fid);
  await fids.remove(fid);
}

async function sync({ fids }: Session, from: MessageReader): Promise<void> {
  const fid = fids.get(from.u32());
  if (!fid.isListing) await (await fids.file(fid)).sync();
}

async function statFileSystem({ tree, fids }: Session, from: MessageReader, to: MessageWriter): Promise<void> {
  const { place } = fids.get(from.u32());
  const { blockBytes, blocks, freeBlocks, files, freeFiles } = await tree.sizes(place.path());
  to.u32(FILE_SYSTEM_TYPE);
  to.u32(blockBytes);
  for (const count of [blocks, freeBlocks, freeBlocks, files, freeFiles, 0]) to.u64(BigInt(count));
  to.u32(LONGEST_NAME_BYTES);
}

/** Locks are the guest's own affair: it keeps them among its processes, and nobody else sees them. */
async function lock({ fids }: Session, from: MessageReader, to: MessageWriter): Promise<void> {
  fids.get(from.u32());
  to.u8(LOCK_GRANTED);
}

async function getLock({ fids }: Session, from: MessageReader, to: MessageWriter): Promise<void> {
  fids.get(from.u32());
  from.u8();
  to.u8(NOT_LOCKED);
  to.u64(from.u64());
  to.u64(from.u64());
  to.u32(from.u32());
  to.text(from.text());
}

/** What was asked before has been answered: requests are served one after the other. */
async function flush(): Promise<void> {}

function refuse(code: 'EOPNOTSUPP' | 'EPERM'): Handler {
  return async () => {
    throw new FileError(code);
  };
}

export const HANDLERS: Readonly<Record<number, Handler>> = {
  [p9.ATTACH]: attach,
  [p9.AUTH]: refuse('EOPNOTSUPP'),
  [p9.CLUNK]: clunk,
  [p9.FLUSH]: flush,
  [p9.FSYNC]: sync,
  [p9.GETATTR]: getAttributes,
  [p9.GETLOCK]: getLock,
  [p9.LCREATE]: create,
  [p9.LINK]: link,
  [p9.LOCK]: lock,
  [p9.LOPEN]: open,
  [p9.MKDIR]: makeDirectory,
  // Devices, pipes and sockets would be the host's.
  [p9.MKNOD]: refuse('EPERM'),
  [p9.READ]: read,
  [p9.READDIR]: readDirectory,
  [p9.READLINK]: readLink,
  [p9.REMOVE]: remove,
  [p9.RENAME]: rename,
  [p9.RENAMEAT]: renameAt,
  [p9.SETATTR]: setAttributes,
  [p9.STATFS]: statFileSystem,
  [p9.SYMLINK]: makeLink,
  [p9.UNLINKAT]: unlinkAt,
  [p9.WALK]: walk,
  [p9.WRITE]: write,
  [p9.XATTRCREATE]: refuse('EOPNOTSUPP'),
  [p9.XATTRWALK]: refuse('EOPNOTSUPP'),
};
