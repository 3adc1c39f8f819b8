/**
 * A tree of files that a guest can be given: a folder of the host, files in memory, or an embedder's own. What a file
 * server asks of it, and nothing more; the server asks one thing at a time.
 *
 * Paths are names from the root of the tree; none is empty, `.` or `..`, or has a slash or a NUL in it. Nothing here follows
 * symbolic links: that is the guest's to do, inside the guest. What goes wrong is a FileError; any other rejection is EIO
 * to the guest.
 */

export { type ErrorName, FileError } from './errors.ts';

/** `[]` is the root. */
export type Path = readonly string[];

export function isName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !name.includes('/') && !name.includes('\0');
}

/** `other` is what can be looked at, renamed and removed, but not opened: devices, pipes, sockets. */
export type FileKind = 'file' | 'directory' | 'link' | 'other';

export interface FileAttributes {
  readonly kind: FileKind;
  /** Tells files of the tree apart: two names of one file have the same. 64 bits. */
  readonly id: bigint;
  /** The lowest twelve bits: rights, set-user-ID, set-group-ID, sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly sizeBytes: number;
  /** What it takes on the disk. */
  readonly storedBytes: number;
  /** Nanoseconds since 1970. */
  readonly accessedNs: bigint;
  readonly modifiedNs: bigint;
  readonly changedNs: bigint;
}

/** What is absent stays as it is. */
export interface FileChanges {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly sizeBytes?: number;
  readonly accessedNs?: bigint | 'now';
  readonly modifiedNs?: bigint | 'now';
}

export interface OpenOptions {
  readonly read: boolean;
  readonly write: boolean;
  /** Every write goes to the end, wherever it says. */
  readonly append: boolean;
  readonly truncate: boolean;
}

export interface DirectoryEntry {
  readonly name: string;
  readonly kind: FileKind;
}

/** A file that is open: it stays reachable when its name is gone. */
export interface OpenFile {
  /** How many bytes there were; 0 at the end of the file. */
  read(offset: number, into: Uint8Array): Promise<number>;
  /** How many bytes were taken; fewer than given when there is no room for more. */
  write(offset: number, from: Uint8Array): Promise<number>;
  stat(): Promise<FileAttributes>;
  change(changes: FileChanges): Promise<void>;
  /** What was written is on stable storage when this resolves. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface TreeSizes {
  readonly blockBytes: number;
  readonly blocks: number;
  readonly freeBlocks: number;
  readonly files: number;
  readonly freeFiles: number;
}

export interface FileTree {
  stat(path: Path): Promise<FileAttributes>;
  /** Without `.` and `..`, in any order. */
  list(directory: Path): Promise<readonly DirectoryEntry[]>;
  /** `stat` of some names of a directory; undefined for those that are not there any more. */
  statEntries(directory: Path, names: readonly string[]): Promise<readonly (FileAttributes | undefined)[]>;
  readLink(path: Path): Promise<string>;
  /** Of files only: EISDIR for a directory, ELOOP for a link, ENXIO for others. */
  open(path: Path, options: OpenOptions): Promise<OpenFile>;
  /** A new file, with nothing in it; EEXIST if there is anything of that name. */
  create(path: Path, mode: number, options: OpenOptions): Promise<OpenFile>;
  makeDirectory(path: Path, mode: number): Promise<void>;
  makeLink(path: Path, target: string): Promise<void>;
  /** A second name for a file. */
  hardLink(existing: Path, path: Path): Promise<void>;
  /** Takes the place of a file, or of an empty directory, that has the name already. */
  rename(from: Path, to: Path): Promise<void>;
  /** Anything but a directory: EISDIR. */
  removeFile(path: Path): Promise<void>;
  /** An empty one. */
  removeDirectory(path: Path): Promise<void>;
  change(path: Path, changes: FileChanges): Promise<void>;
  /** Of what there is room for; `at` is asked about, where not all of the tree is in one place. */
  sizes(at?: Path): Promise<TreeSizes>;
  /** By whoever has made it: nothing is asked any more. */
  close?(): Promise<void>;
}
