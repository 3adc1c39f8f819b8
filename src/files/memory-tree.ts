/** A tree of files in memory, for any platform; made from paths and bytes, with a bound to what it takes. */

import {
  type DirectoryEntry,
  type FileAttributes,
  type FileChanges,
  FileError,
  type FileTree,
  type OpenFile,
  type OpenOptions,
  type Path,
  type TreeSizes,
} from './file-tree.ts';
import { MemoryContents } from './memory-contents.ts';

export interface MemoryTreeOptions {
  /** Of all files together, with what a file or directory takes besides its contents. 256 MiB if not given. */
  readonly limitBytes?: number;
  /** Milliseconds since 1970; Date.now if not given. For deterministic guests, one that does not move. */
  readonly nowMs?: () => number;
}

const DEFAULT_LIMIT_BYTES = 256 * 2 ** 20;
/** What a name costs, and what has the name. */
const NODE_BYTES = 512;
const BLOCK_BYTES = 4096;
/** Beyond that, offsets of pieces of a file are not exact. */
const LARGEST_FILE_BYTES = 2 ** 46;

interface Shared {
  readonly id: bigint;
  mode: number;
  uid: number;
  gid: number;
  links: number;
  accessedNs: bigint;
  modifiedNs: bigint;
  changedNs: bigint;
}
type Directory = Shared & { readonly kind: 'directory'; readonly children: Map<string, Node> };
type Regular = Shared & { readonly kind: 'file'; readonly contents: MemoryContents; openCount: number };
type Link = Shared & { readonly kind: 'link'; readonly target: string };
type Node = Directory | Regular | Link;

export class MemoryTree implements FileTree {
  readonly #root: Directory;
  readonly #limitBytes: number;
  readonly #nowMs: () => number;
  #usedBytes = 0;
  #nodes = 0;
  #nextId = 1n;

  constructor(options: MemoryTreeOptions = {}) {
    this.#limitBytes = options.limitBytes ?? DEFAULT_LIMIT_BYTES;
    this.#nowMs = options.nowMs ?? Date.now;
    this.#root = this.#directory(0o755);
  }

  /** With files of these contents, by their paths ('src/main.c'); directories are made as needed. Rejects with FileErrors. */
  static async of(
    files: Iterable<readonly [string, Uint8Array | string]> | Readonly<Record<string, Uint8Array | string>>,
    options: MemoryTreeOptions = {},
  ): Promise<MemoryTree> {
    const tree = new MemoryTree(options);
    const entries = Symbol.iterator in files ? files : Object.entries(files);
    for (const [text, contents] of entries) {
      const path = text.split('/').filter((name) => name !== '' && name !== '.');
      for (let depth = 1; depth < path.length; depth++) {
        await tree.makeDirectory(path.slice(0, depth), 0o755).catch((error: FileError) => {
          if (error.code !== 'EEXIST') throw error;
        });
      }
      const bytes = typeof contents === 'string' ? new TextEncoder().encode(contents) : contents;
      const file = await tree.create(path, 0o644, { read: false, write: true, append: false, truncate: false });
      const count = await file.write(0, bytes);
      await file.close();
      if (count < bytes.length) throw new FileError('ENOSPC');
    }
    return tree;
  }

  /** All of a file; for who has the tree outside the guest. */
  async readFile(path: Path): Promise<Uint8Array> {
    const file = await this.open(path, { read: true, write: false, append: false, truncate: false });
    const bytes = new Uint8Array((await file.stat()).sizeBytes);
    await file.read(0, bytes);
    await file.close();
    return bytes;
  }

  // ---- Nodes -------------------------------------------------------------------------------------------------------

  get #now(): bigint {
    return BigInt(Math.floor(this.#nowMs())) * 1_000_000n;
  }

  #take(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.#limitBytes) return false;
    this.#usedBytes += bytes;
    return true;
  }

  #shared(mode: number): Shared {
    if (!this.#take(NODE_BYTES)) throw new FileError('ENOSPC');
    this.#nodes++;
    const now = this.#now;
    return {
      id: this.#nextId++,
      mode: mode & 0o7777,
      uid: 0,
      gid: 0,
      links: 1,
      accessedNs: now,
      modifiedNs: now,
      changedNs: now,
    };
  }

  #directory(mode: number): Directory {
    return { ...this.#shared(mode), kind: 'directory', children: new Map() };
  }

  #find(path: Path): Node {
    let node: Node = this.#root;
    for (const name of path) {
      if (node.kind !== 'directory') throw new FileError('ENOTDIR');
      const child: Node | undefined = node.children.get(name);
      if (child === undefined) throw new FileError('ENOENT');
      node = child;
    }
    return node;
  }

  #findDirectory(path: Path): Directory {
    const node = this.#find(path);
    if (node.kind !== 'directory') throw new FileError('ENOTDIR');
    return node;
  }

  /** The directory that a path ends in, and its last name. The root has none. */
  #split(path: Path): { readonly directory: Directory; readonly name: string } {
    const name = path.at(-1);
    if (name === undefined) throw new FileError('EBUSY');
    return { directory: this.#findDirectory(path.slice(0, -1)), name };
  }

  /** Where there is nothing yet. */
  #splitNew(path: Path): { readonly directory: Directory; readonly name: string } {
    if (path.length === 0) throw new FileError('EEXIST');
    const found = this.#split(path);
    if (found.directory.children.has(found.name)) throw new FileError('EEXIST');
    return found;
  }

  #put(directory: Directory, name: string, node: Node): void {
    directory.children.set(name, node);
    directory.modifiedNs = directory.changedNs = this.#now;
  }

  #drop(directory: Directory, name: string, node: Node): void {
    directory.children.delete(name);
    directory.modifiedNs = directory.changedNs = node.changedNs = this.#now;
    node.links--;
    this.#release(node);
  }

  /** Frees what nothing leads to any more. */
  #release(node: Node): void {
    if (node.links > 0 || (node.kind === 'file' && node.openCount > 0)) return;
    if (node.kind === 'file') node.contents.resize(0);
    this.#take(-NODE_BYTES);
    this.#nodes--;
  }

  #attributes(node: Node): FileAttributes {
    const { kind, id, mode, uid, gid, links, accessedNs, modifiedNs, changedNs } = node;
    const shared = { kind, id, mode, uid, gid, links, accessedNs, modifiedNs, changedNs };
    if (kind === 'file') {
      return { ...shared, sizeBytes: node.contents.sizeBytes, storedBytes: node.contents.storedBytes };
    }
    if (kind === 'link') return { ...shared, sizeBytes: new TextEncoder().encode(node.target).length, storedBytes: 0 };
    const below = [...node.children.values()].filter((child) => child.kind === 'directory').length;
    return { ...shared, links: 2 + below, sizeBytes: 0, storedBytes: 0 };
  }

  #change(node: Node, changes: FileChanges): void {
    const now = this.#now;
    const time = (given: bigint | 'now'): bigint => (given === 'now' ? now : given);
    if (changes.sizeBytes !== undefined) {
      if (node.kind !== 'file') throw new FileError(node.kind === 'directory' ? 'EISDIR' : 'EINVAL');
      if (changes.sizeBytes > LARGEST_FILE_BYTES) throw new FileError('EFBIG');
      node.contents.resize(changes.sizeBytes);
      node.modifiedNs = now;
    }
    if (changes.mode !== undefined) node.mode = changes.mode & 0o7777;
    if (changes.uid !== undefined) node.uid = changes.uid;
    if (changes.gid !== undefined) node.gid = changes.gid;
    if (changes.accessedNs !== undefined) node.accessedNs = time(changes.accessedNs);
    if (changes.modifiedNs !== undefined) node.modifiedNs = time(changes.modifiedNs);
    node.changedNs = now;
  }

  #open(node: Regular, options: OpenOptions): OpenFile {
    if (options.truncate) this.#change(node, { sizeBytes: 0 });
    node.openCount++;
    let isClosed = false;
    return {
      read: async (offset, into) => {
        node.accessedNs = this.#now;
        return node.contents.read(offset, into);
      },
      write: async (offset, from) => {
        const at = options.append ? node.contents.sizeBytes : offset;
        if (at + from.length > LARGEST_FILE_BYTES) throw new FileError('EFBIG');
        const count = node.contents.write(at, from);
        if (count === 0 && from.length > 0) throw new FileError('ENOSPC');
        node.modifiedNs = node.changedNs = this.#now;
        return count;
      },
      stat: async () => this.#attributes(node),
      change: async (changes) => this.#change(node, changes),
      sync: async () => {},
      close: async () => {
        if (isClosed) return;
        isClosed = true;
        node.openCount--;
        this.#release(node);
      },
    };
  }

  // ---- FileTree ----------------------------------------------------------------------------------------------------

  async stat(path: Path): Promise<FileAttributes> {
    return this.#attributes(this.#find(path));
  }

  async list(directory: Path): Promise<readonly DirectoryEntry[]> {
    return [...this.#findDirectory(directory).children].map(([name, { kind }]) => ({ name, kind }));
  }

  async statEntries(directory: Path, names: readonly string[]): Promise<readonly (FileAttributes | undefined)[]> {
    const { children } = this.#findDirectory(directory);
    return names.map((name) => {
      const node = children.get(name);
      return node && this.#attributes(node);
    });
  }

  async readLink(path: Path): Promise<string> {
    const node = this.#find(path);
    if (node.kind !== 'link') throw new FileError('EINVAL');
    return node.target;
  }

  async open(path: Path, options: OpenOptions): Promise<OpenFile> {
    const node = this.#find(path);
    if (node.kind === 'directory') throw new FileError('EISDIR');
    if (node.kind === 'link') throw new FileError('ELOOP');
    return this.#open(node, options);
  }

  async create(path: Path, mode: number, options: OpenOptions): Promise<OpenFile> {
    const { directory, name } = this.#splitNew(path);
    const contents = new MemoryContents((bytes) => this.#take(bytes));
    const node: Regular = { ...this.#shared(mode), kind: 'file', contents, openCount: 0 };
    this.#put(directory, name, node);
    return this.#open(node, options);
  }

  async makeDirectory(path: Path, mode: number): Promise<void> {
    const { directory, name } = this.#splitNew(path);
    this.#put(directory, name, this.#directory(mode));
  }

  async makeLink(path: Path, target: string): Promise<void> {
    const { directory, name } = this.#splitNew(path);
    this.#put(directory, name, { ...this.#shared(0o777), kind: 'link', target });
  }

  async hardLink(existing: Path, path: Path): Promise<void> {
    const node = this.#find(existing);
    if (node.kind === 'directory') throw new FileError('EPERM');
    const { directory, name } = this.#splitNew(path);
    node.links++;
    node.changedNs = this.#now;
    this.#put(directory, name, node);
  }

  async rename(from: Path, to: Path): Promise<void> {
    const source = this.#split(from);
    const node = this.#find(from);
    const target = this.#split(to);
    const isInside = from.length < to.length && from.every((name, i) => name === to[i]);
    if (isInside) throw new FileError('EINVAL');
    const old = target.directory.children.get(target.name);
    if (old === node) return;
    if (old?.kind === 'directory') {
      if (node.kind !== 'directory') throw new FileError('EISDIR');
      if (old.children.size > 0) throw new FileError('ENOTEMPTY');
    } else if (old !== undefined && node.kind === 'directory') {
      throw new FileError('ENOTDIR');
    }
    if (old) this.#drop(target.directory, target.name, old);
    source.directory.children.delete(source.name);
    source.directory.modifiedNs = source.directory.changedNs = node.changedNs = this.#now;
    this.#put(target.directory, target.name, node);
  }

  async removeFile(path: Path): Promise<void> {
    const { directory, name } = this.#split(path);
    const node = this.#find(path);
    if (node.kind === 'directory') throw new FileError('EISDIR');
    this.#drop(directory, name, node);
  }

  async removeDirectory(path: Path): Promise<void> {
    const { directory, name } = this.#split(path);
    const node = this.#findDirectory(path);
    if (node.children.size > 0) throw new FileError('ENOTEMPTY');
    this.#drop(directory, name, node);
  }

  async change(path: Path, changes: FileChanges): Promise<void> {
    this.#change(this.#find(path), changes);
  }

  async sizes(): Promise<TreeSizes> {
    const freeBytes = this.#limitBytes - this.#usedBytes;
    return {
      blockBytes: BLOCK_BYTES,
      blocks: Math.floor(this.#limitBytes / BLOCK_BYTES),
      freeBlocks: Math.floor(freeBytes / BLOCK_BYTES),
      files: this.#nodes,
      freeFiles: Math.floor(freeBytes / NODE_BYTES),
    };
  }
}
