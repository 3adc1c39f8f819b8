/**
 * Ways to what is inside a folder, and nowhere else.
 *
 * Node has no openat(2), and a path is looked up anew by every call: whoever can put a symbolic link where a directory was,
 * between a check and a use, leads us out of the folder. On Linux that does not work here: each directory on the way is
 * opened by its own name, without following links, and the next name is looked up through the descriptor
 * (/proc/self/fd/N/name), which leads to that very directory whatever has become of its name.
 *
 * Elsewhere (ByChecking) the way is checked by lstat(2) and then used. All of it happens in one synchronous piece, so the
 * guest itself, or another guest of this process, has no time for such a trick; a program of the host, or a guest of another
 * process with the same folder, has.
 */

import { type BigIntStats, closeSync, constants, fstatSync, lstatSync, openSync, realpathSync } from 'node:fs';
import { FileError, isName, type Path } from '../../files/file-tree.ts';

/** Linux's; Node has no name for it. Such a descriptor stands for a file without giving access to it. */
const O_PATH = 0x20_0000;
const DIRECTORY = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const ENTRY = O_PATH | constants.O_NOFOLLOW;
const DESCRIPTORS = '/proc/self/fd';

export interface Entry {
  readonly stats: BigIntStats;
  /** A path that leads to it while `use` runs; not for symbolic links. */
  readonly location: string;
}

export interface FolderPlaces {
  /** To be given besides when the location of an entry is opened. */
  readonly openFlags: number;
  /** `use` gets a path, below which the entries of the directory are. ENOTDIR for what is none, links among them. */
  inDirectory<T>(directory: Path, use: (location: string) => T): T;
  onEntry<T>(path: Path, use: (entry: Entry) => T): T;
  close(): void;
}

/** The best that there is for a folder of this platform. Throws what Node does for a folder that is not there. */
export function folderPlaces(folder: string): FolderPlaces {
  if (process.platform !== 'linux') return new ByChecking(folder);
  const places = new ByDescriptor(folder);
  try {
    // There may be no /proc, or not for us.
    places.inDirectory([], (location) => lstatSync(`${location}/.`));
    return places;
  } catch {
    places.close();
    return new ByChecking(folder);
  }
}

export class ByDescriptor implements FolderPlaces {
  readonly openFlags = 0;
  /** Stays the folder that it was, even if that is moved. -1 once closed: the number is another file's then. */
  #root: number;

  constructor(folder: string) {
    this.#root = openSync(folder, O_PATH | constants.O_DIRECTORY);
  }

  get #folder(): number {
    if (this.#root < 0) throw new FileError('ENODEV');
    return this.#root;
  }

  inDirectory<T>(directory: Path, use: (location: string) => T): T {
    return this.#descend(directory, directory.length, (fd) => use(`${DESCRIPTORS}/${fd}`));
  }

  onEntry<T>(path: Path, use: (entry: Entry) => T): T {
    const look = (fd: number): T => use({ stats: fstatSync(fd, { bigint: true }), location: `${DESCRIPTORS}/${fd}` });
    const name = path.at(-1);
    if (name === undefined) return look(this.#folder);
    return this.#descend(path, path.length - 1, (directory) => {
      const fd = openSync(`${DESCRIPTORS}/${directory}/${name}`, ENTRY);
      try {
        return look(fd);
      } finally {
        closeSync(fd);
      }
    });
  }

  /** Through the first `count` names, each a directory. */
  #descend<T>(path: Path, count: number, use: (fd: number) => T): T {
    checkNames(path);
    const root = this.#folder;
    let fd = root;
    try {
      for (let i = 0; i < count; i++) {
        const next = openSync(`${DESCRIPTORS}/${fd}/${path[i]}`, DIRECTORY);
        if (fd !== root) closeSync(fd);
        fd = next;
      }
      return use(fd);
    } finally {
      if (fd !== root) closeSync(fd);
    }
  }

  close(): void {
    if (this.#root >= 0) closeSync(this.#root);
    this.#root = -1;
  }
}

export class ByChecking implements FolderPlaces {
  readonly openFlags = constants.O_NOFOLLOW;
  readonly #root: string;

  constructor(folder: string) {
    this.#root = realpathSync(folder);
    if (!lstatSync(this.#root).isDirectory()) throw new FileError('ENOTDIR');
  }

  inDirectory<T>(directory: Path, use: (location: string) => T): T {
    return use(this.#check(directory));
  }

  onEntry<T>(path: Path, use: (entry: Entry) => T): T {
    checkNames(path);
    const name = path.at(-1);
    const location = name === undefined ? this.#root : `${this.#check(path.slice(0, -1))}/${name}`;
    return use({ stats: lstatSync(location, { bigint: true }), location });
  }

  #check(directory: Path): string {
    checkNames(directory);
    let location = this.#root;
    for (const name of directory) {
      location += `/${name}`;
      if (!lstatSync(location).isDirectory()) throw new FileError('ENOTDIR');
    }
    return location;
  }

  close(): void {}
}

/** Servers see to it; everything here stands on it. */
function checkNames(path: Path): void {
  for (const name of path) if (!isName(name)) throw new FileError('EINVAL');
}
