/**
 * Disks in the origin's private file system (WHATWG "File System" §3), which are there again when the page is: read and
 * written in place by a sync access handle, as workers can have them. The handle locks its file: a disk in use by one
 * guest is refused to another, also in another tab.
 */

import { type BlockBackend, BlockError, type BlockProblem } from '../../base/block.ts';
import { VivariumError } from '../../base/errors.ts';
import { checkDiskSize } from './blob-disk.ts';

/** Of FileSystemSyncAccessHandle, what is used here. */
export interface SyncAccess {
  read(into: Uint8Array, options: { readonly at: number }): number;
  write(from: Uint8Array, options: { readonly at: number }): number;
  flush(): void;
  getSize(): number;
  truncate(sizeBytes: number): void;
  close(): void;
}

interface FileHandle {
  createSyncAccessHandle(): Promise<SyncAccess>;
}
export interface Folder {
  getDirectoryHandle(name: string, options?: { readonly create?: boolean }): Promise<Folder>;
  getFileHandle(name: string, options?: { readonly create?: boolean }): Promise<FileHandle>;
  removeEntry(name: string): Promise<void>;
}
export interface Storage {
  getDirectory?(): Promise<Folder>;
}

const platform = globalThis as unknown as {
  readonly navigator?: { readonly storage?: Storage };
};

/** The folder of the origin's file system that has the disks. */
export const DISK_FOLDER = 'disks';

/**
 * The disk `name` of the origin; with `createBytes`, a new and empty one of that size where there is none. Throws a
 * `bad-file` VivariumError for one that is not there, is in use, or cannot be a disk.
 */
export async function openOpfsDisk(
  name: string,
  createBytes?: number,
  storage = platform.navigator?.storage,
): Promise<BlockBackend> {
  const refuse = (reason: string, cause?: unknown): never => {
    const message = `The disk ${name} cannot be used: ${reason}.`;
    throw new VivariumError({ kind: 'bad-file', path: name }, message, { cause });
  };
  if (storage?.getDirectory === undefined) return refuse('this browser keeps no files for pages served like this one');
  let folder: Folder;
  let access: SyncAccess;
  try {
    const create = createBytes !== undefined;
    folder = await (await storage.getDirectory()).getDirectoryHandle(DISK_FOLDER, { create });
    const file = await folder.getFileHandle(name, { create });
    access = await file.createSyncAccessHandle();
  } catch (error) {
    return refuse(REASONS[(error as Error).name] ?? 'the browser refuses', error);
  }
  const isNew = createBytes !== undefined && access.getSize() === 0;
  try {
    if (isNew) access.truncate(createBytes);
    // Chromium's private windows keep files in memory, and leave those of 2 GiB and more empty without a word.
    if (isNew && access.getSize() !== createBytes) refuse('this browser keeps none so large: private windows do not');
    checkDiskSize(name, access.getSize());
  } catch (error) {
    access.close();
    if (isNew) await folder.removeEntry(name).catch(() => {});
    if (error instanceof VivariumError) throw error;
    return refuse('there is no room left for it', error);
  }
  return new OpfsDisk(access);
}

const REASONS: Readonly<Record<string, string>> = {
  NotFoundError: 'there is none of that name',
  NoModificationAllowedError: 'it is in use, perhaps in another tab',
  QuotaExceededError: 'there is no room left for it',
  SecurityError: 'this browser keeps no files for pages served like this one',
  TypeError: 'a disk cannot have that name',
};

export class OpfsDisk implements BlockBackend {
  readonly readOnly = false;
  readonly sizeBytes: number;
  readonly #access: SyncAccess;

  constructor(access: SyncAccess) {
    this.#access = access;
    this.sizeBytes = access.getSize();
  }

  readNow(offset: number, into: Uint8Array): void {
    const read = attempt(() => this.#access.read(into, { at: offset }));
    if (read !== into.length) throw new BlockError('io', 'The file has become shorter.');
  }

  writeNow(offset: number, from: Uint8Array): void {
    const written = attempt(() => this.#access.write(from, { at: offset }));
    if (written !== from.length) throw new BlockError('full', 'The browser has no room left.');
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.readNow(offset, into);
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    this.writeNow(offset, from);
  }

  async flush(): Promise<void> {
    attempt(() => this.#access.flush());
  }

  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      this.#access.close();
    }
  }
}

function attempt<T>(call: () => T): T {
  try {
    return call();
  } catch (cause) {
    const problem: BlockProblem = (cause as Error).name === 'QuotaExceededError' ? 'full' : 'io';
    throw new BlockError(problem, (cause as Error).message, { cause });
  }
}
