/** A tree of files of the caller's: each method is a call to where it is. */

import type {
  DirectoryEntry,
  FileAttributes,
  FileChanges,
  FileTree,
  OpenFile,
  OpenOptions,
  Path,
  TreeSizes,
} from '../../files/file-tree.ts';
import type { ToCaller } from './to-caller.ts';

export class RemoteTree implements FileTree {
  readonly #remote: number;
  readonly #caller: ToCaller;

  constructor(remote: number, caller: ToCaller) {
    this.#remote = remote;
    this.#caller = caller;
  }

  async #call<T>(method: keyof FileTree, ...args: readonly unknown[]): Promise<T> {
    return (await this.#caller.call('treeCall', [this.#remote, method, args])) as T;
  }

  async #open(method: 'open' | 'create', ...args: readonly unknown[]): Promise<OpenFile> {
    return new RemoteFile(this.#remote, await this.#call<number>(method, ...args), this.#caller);
  }

  stat(path: Path): Promise<FileAttributes> {
    return this.#call('stat', path);
  }

  list(directory: Path): Promise<readonly DirectoryEntry[]> {
    return this.#call('list', directory);
  }

  statEntries(directory: Path, names: readonly string[]): Promise<readonly (FileAttributes | undefined)[]> {
    return this.#call('statEntries', directory, names);
  }

  readLink(path: Path): Promise<string> {
    return this.#call('readLink', path);
  }

  open(path: Path, options: OpenOptions): Promise<OpenFile> {
    return this.#open('open', path, options);
  }

  create(path: Path, mode: number, options: OpenOptions): Promise<OpenFile> {
    return this.#open('create', path, mode, options);
  }

  makeDirectory(path: Path, mode: number): Promise<void> {
    return this.#call('makeDirectory', path, mode);
  }

  makeLink(path: Path, target: string): Promise<void> {
    return this.#call('makeLink', path, target);
  }

  hardLink(existing: Path, path: Path): Promise<void> {
    return this.#call('hardLink', existing, path);
  }

  rename(from: Path, to: Path): Promise<void> {
    return this.#call('rename', from, to);
  }

  removeFile(path: Path): Promise<void> {
    return this.#call('removeFile', path);
  }

  removeDirectory(path: Path): Promise<void> {
    return this.#call('removeDirectory', path);
  }

  change(path: Path, changes: FileChanges): Promise<void> {
    return this.#call('change', path, changes);
  }

  sizes(at: Path = []): Promise<TreeSizes> {
    return this.#call('sizes', at);
  }
}

class RemoteFile implements OpenFile {
  readonly #remote: number;
  readonly #file: number;
  readonly #caller: ToCaller;

  constructor(remote: number, file: number, caller: ToCaller) {
    this.#remote = remote;
    this.#file = file;
    this.#caller = caller;
  }

  async #call<T>(method: keyof OpenFile, ...args: readonly unknown[]): Promise<T> {
    return (await this.#caller.call('treeFileCall', [this.#remote, this.#file, method, args])) as T;
  }

  async read(offset: number, into: Uint8Array): Promise<number> {
    const bytes = await this.#call<Uint8Array>('read', offset, into.length);
    into.set(bytes);
    return bytes.length;
  }

  write(offset: number, from: Uint8Array): Promise<number> {
    return this.#call('write', offset, from);
  }

  stat(): Promise<FileAttributes> {
    return this.#call('stat');
  }

  change(changes: FileChanges): Promise<void> {
    return this.#call('change', changes);
  }

  sync(): Promise<void> {
    return this.#call('sync');
  }

  close(): Promise<void> {
    return this.#call('close');
  }
}
