/**
 * A folder of the host as a tree of files for guests. Nothing outside it can be reached (folder-places.ts says how):
 * symbolic links are made and read as text, and followed by nobody here.
 *
 * Owners and rights: on the host everything belongs to the user who runs Vivarium, and a guest can do what that user can.
 * In the guest everything belongs to one user, `owner`, root if not said; changing owners succeeds and does nothing.
 * Rights are the host's own; set-user-ID and set-group-ID are not given, for they would be that user's. New files get the
 * rights that the guest asks for, less the host's umask.
 *
 * Pipes, sockets and devices that are in the folder can be seen and removed, not opened, and none are made. Names that are
 * not UTF-8 are not shown.
 *
 * Calls are made while the guest waits: a call to a file of the host takes less time than handing it to a thread, and
 * nothing of ours comes between its parts.
 */

import * as fs from 'node:fs';
import { VivariumError } from '../../base/errors.ts';
import { ERROR_NUMBERS } from '../../files/errors.ts';
import {
  type DirectoryEntry,
  type ErrorName,
  type FileAttributes,
  type FileChanges,
  FileError,
  type FileKind,
  type FileTree,
  isName,
  type OpenFile,
  type OpenOptions,
  type Path,
  type TreeSizes,
} from '../../files/file-tree.ts';
import { readOnly } from '../../files/read-only.ts';
import { reasonOf } from './files.ts';
import { type FolderPlaces, folderPlaces } from './folder-places.ts';

export interface FolderOptions {
  readonly readOnly?: boolean;
  /** To whom files belong, as the guest sees it. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** For tests. */
  readonly places?: FolderPlaces;
}

/** Rights and the sticky bit. */
const GIVEN_MODE = 0o1777;
const STORED_UNIT_BYTES = 512;
const {
  O_APPEND,
  O_CREAT,
  O_EXCL,
  O_NOCTTY = 0,
  O_NOFOLLOW,
  O_NONBLOCK = 0,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
} = fs.constants;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Throws a `bad-file` VivariumError for what is no folder that can be opened. */
export function openFolder(path: string, options: FolderOptions = {}): FileTree {
  if (process.platform === 'win32') {
    throw new VivariumError({ kind: 'bad-file', path }, 'Folders cannot be shared from Windows.');
  }
  try {
    const folder = new Folder(options.places ?? folderPlaces(path), options);
    return options.readOnly ? readOnly(folder) : folder;
  } catch (error) {
    const { code } = error as { readonly code?: string };
    const reason =
      code === 'ENOTDIR' ? 'it is not a folder' : code === 'ENOENT' ? 'there is no such folder' : reasonOf(error);
    throw new VivariumError({ kind: 'bad-file', path }, `The folder ${path} cannot be shared: ${reason}.`, {
      cause: error,
    });
  }
}

class Folder implements FileTree {
  readonly #places: FolderPlaces;
  readonly #owner: { readonly uid: number; readonly gid: number };
  /** Numbers for devices of the host, in the order in which they were met. */
  readonly #devices = new Map<bigint, bigint>();

  constructor(places: FolderPlaces, { owner }: FolderOptions) {
    this.#places = places;
    this.#owner = owner ?? { uid: 0, gid: 0 };
  }

  // ---- Ways --------------------------------------------------------------------------------------------------------

  /** The entry's path, to be used by calls that do not follow links. The root has no name to be called by. */
  #atName<T>(path: Path, use: (location: string) => T): T {
    const name = path.at(-1);
    if (name === undefined) throw new FileError('EBUSY');
    if (!isName(name)) throw new FileError('EINVAL');
    return this.#places.inDirectory(path.slice(0, -1), (location) => use(`${location}/${name}`));
  }

  #attributes(stats: fs.BigIntStats): FileAttributes {
    const kind = kindOf(stats);
    let device = this.#devices.get(stats.dev);
    if (device === undefined) {
      device = BigInt(this.#devices.size);
      this.#devices.set(stats.dev, device);
    }
    return {
      kind,
      // File systems below the folder have inodes with numbers of their own.
      id: BigInt.asUintN(64, stats.ino ^ (device << 48n)),
      mode: Number(stats.mode) & 0o7777,
      ...this.#owner,
      links: Number(stats.nlink),
      sizeBytes: kind === 'other' ? 0 : Number(stats.size),
      storedBytes: Number(stats.blocks) * STORED_UNIT_BYTES,
      accessedNs: stats.atimeNs,
      modifiedNs: stats.mtimeNs,
      changedNs: stats.ctimeNs,
    };
  }

  #openFile(fd: number, append: boolean): OpenFile {
    return {
      read: (offset, into) => attempt(() => fs.readSync(fd, into, 0, into.length, offset)),
      write: (offset, from) => attempt(() => fs.writeSync(fd, from, 0, from.length, append ? null : offset)),
      stat: () => attempt(() => this.#attributes(fs.fstatSync(fd, { bigint: true }))),
      change: (changes) =>
        attempt(() => {
          if (changes.sizeBytes !== undefined) fs.ftruncateSync(fd, changes.sizeBytes);
          if (changes.mode !== undefined) fs.fchmodSync(fd, changes.mode & GIVEN_MODE);
          const times = timesOf(changes, () => fs.fstatSync(fd, { bigint: true }));
          if (times) fs.futimesSync(fd, times.accessed, times.modified);
        }),
      // Takes milliseconds: a thread's work.
      sync: () =>
        new Promise((resolve, reject) => fs.fsync(fd, (error) => (error ? reject(fileError(error)) : resolve()))),
      close: () => attempt(() => fs.closeSync(fd)),
    };
  }

  // ---- FileTree ----------------------------------------------------------------------------------------------------

  stat(path: Path): Promise<FileAttributes> {
    return attempt(() => {
      if (path.length === 0) return this.#places.onEntry(path, ({ stats }) => this.#attributes(stats));
      return this.#atName(path, (location) => this.#attributes(fs.lstatSync(location, { bigint: true })));
    });
  }

  list(directory: Path): Promise<readonly DirectoryEntry[]> {
    return attempt(() =>
      this.#places.inDirectory(directory, (location) => {
        const entries = fs.readdirSync(location, { withFileTypes: true, encoding: 'buffer' });
        return entries.flatMap((entry) => {
          const name = decoded(entry.name as unknown as Uint8Array);
          return name === undefined ? [] : [{ name, kind: kindOf(entry) }];
        });
      }),
    );
  }

  statEntries(directory: Path, names: readonly string[]): Promise<readonly (FileAttributes | undefined)[]> {
    return attempt(() =>
      this.#places.inDirectory(directory, (location) =>
        names.map((name) => {
          const stats = fs.lstatSync(`${location}/${name}`, { bigint: true, throwIfNoEntry: false });
          return stats && this.#attributes(stats);
        }),
      ),
    );
  }

  readLink(path: Path): Promise<string> {
    return attempt(() => {
      const target = decoded(this.#atName(path, (location) => fs.readlinkSync(location, 'buffer')));
      if (target === undefined) throw new FileError('EILSEQ');
      return target;
    });
  }

  open(path: Path, options: OpenOptions): Promise<OpenFile> {
    return attempt(() => this.#openFile(this.#openEntry(path, flagsOf(options)), options.append));
  }

  /** Looks what it is first: opening a pipe would wait, and a device might do something. */
  #openEntry(path: Path, flags: number): number {
    return this.#places.onEntry(path, ({ stats, location }) => {
      const kind = kindOf(stats);
      if (kind !== 'file') throw new FileError(({ directory: 'EISDIR', link: 'ELOOP', other: 'ENXIO' } as const)[kind]);
      const fd = fs.openSync(location, flags | O_NONBLOCK | this.#places.openFlags);
      const opened = fs.fstatSync(fd, { bigint: true });
      if (opened.ino === stats.ino && opened.dev === stats.dev) return fd;
      fs.closeSync(fd);
      throw new FileError('ENOENT');
    });
  }

  create(path: Path, mode: number, options: OpenOptions): Promise<OpenFile> {
    return attempt(() => {
      const flags = flagsOf(options) | O_CREAT | O_EXCL | O_NOFOLLOW;
      const fd = this.#atName(path, (location) => fs.openSync(location, flags, mode & GIVEN_MODE));
      return this.#openFile(fd, options.append);
    });
  }

  makeDirectory(path: Path, mode: number): Promise<void> {
    return attempt(() => this.#atName(path, (location) => fs.mkdirSync(location, mode & GIVEN_MODE)));
  }

  makeLink(path: Path, target: string): Promise<void> {
    return attempt(() => this.#atName(path, (location) => fs.symlinkSync(target, location)));
  }

  hardLink(existing: Path, path: Path): Promise<void> {
    return attempt(() =>
      this.#atName(existing, (from) => {
        // Other systems than Linux give the second name to what a link points to.
        if (fs.lstatSync(from).isSymbolicLink() && process.platform !== 'linux') throw new FileError('EPERM');
        this.#atName(path, (to) => fs.linkSync(from, to));
      }),
    );
  }

  rename(from: Path, to: Path): Promise<void> {
    return attempt(() => this.#atName(from, (source) => this.#atName(to, (target) => fs.renameSync(source, target))));
  }

  removeFile(path: Path): Promise<void> {
    return attempt(() =>
      this.#atName(path, (location) => {
        if (fs.lstatSync(location).isDirectory()) throw new FileError('EISDIR');
        fs.unlinkSync(location);
      }),
    );
  }

  removeDirectory(path: Path): Promise<void> {
    return attempt(() => this.#atName(path, (location) => fs.rmdirSync(location)));
  }

  change(path: Path, changes: FileChanges): Promise<void> {
    return attempt(() => {
      if (changes.sizeBytes !== undefined) {
        const fd = this.#openEntry(path, O_WRONLY | O_NOCTTY);
        try {
          fs.ftruncateSync(fd, changes.sizeBytes);
        } finally {
          fs.closeSync(fd);
        }
      }
      if (changes.mode !== undefined) {
        const mode = changes.mode & GIVEN_MODE;
        this.#places.onEntry(path, ({ stats, location }) => {
          if (stats.isSymbolicLink()) throw new FileError('EOPNOTSUPP');
          fs.chmodSync(location, mode);
        });
      }
      this.#changeTimes(path, changes);
    });
  }

  #changeTimes(path: Path, changes: FileChanges): void {
    if (changes.accessedNs === undefined && changes.modifiedNs === undefined) return;
    const change = (location: string, call: typeof fs.utimesSync): void => {
      const times = timesOf(changes, () => fs.lstatSync(location, { bigint: true }));
      if (times) call(location, times.accessed, times.modified);
    };
    if (path.length > 0) this.#atName(path, (location) => change(location, fs.lutimesSync));
    else this.#places.onEntry(path, ({ location }) => change(`${location}/.`, fs.utimesSync));
  }

  close(): Promise<void> {
    return attempt(() => this.#places.close());
  }

  sizes(): Promise<TreeSizes> {
    return attempt(() =>
      this.#places.inDirectory([], (location) => {
        const { bsize, blocks, bavail, files, ffree } = fs.statfsSync(location);
        return { blockBytes: bsize, blocks, freeBlocks: bavail, files, freeFiles: ffree };
      }),
    );
  }
}

function flagsOf({ read, write, append, truncate }: OpenOptions): number {
  const access = write ? (read ? O_RDWR : O_WRONLY) : O_RDONLY;
  return access | (append ? O_APPEND : 0) | (truncate ? O_TRUNC : 0) | O_NOCTTY;
}

function kindOf(stats: Pick<fs.BigIntStats, 'isFile' | 'isDirectory' | 'isSymbolicLink'>): FileKind {
  return stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : stats.isSymbolicLink() ? 'link' : 'other';
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** In seconds, as Node takes them: exact to a microsecond. Undefined when neither is to change. */
function timesOf({ accessedNs, modifiedNs }: FileChanges, stat: () => fs.BigIntStats) {
  if (accessedNs === undefined && modifiedNs === undefined) return undefined;
  const seconds = (time: bigint | 'now'): number =>
    time === 'now' ? Date.now() / 1000 : Number(time / 1_000_000_000n) + Number(time % 1_000_000_000n) / 1e9;
  const before = accessedNs === undefined || modifiedNs === undefined ? stat() : undefined;
  return {
    accessed: seconds(accessedNs ?? (before as fs.BigIntStats).atimeNs),
    modified: seconds(modifiedNs ?? (before as fs.BigIntStats).mtimeNs),
  };
}

async function attempt<T>(work: () => T): Promise<T> {
  try {
    return work();
  } catch (error) {
    throw fileError(error);
  }
}

/** Names of errors that are not Linux's, or of Node itself. */
const OTHER_NAMES: Readonly<Record<string, ErrorName>> = { ENOTSUP: 'EOPNOTSUPP', ERR_INVALID_ARG_VALUE: 'EINVAL' };

function fileError(error: unknown): FileError {
  if (error instanceof FileError) return error;
  const { code = '' } = error as NodeJS.ErrnoException;
  const name = OTHER_NAMES[code] ?? (code in ERROR_NUMBERS ? (code as ErrorName) : 'EIO');
  return new FileError(name, { cause: error });
}
