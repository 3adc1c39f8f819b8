/**
 * Raw disk images in files of the host.
 *
 * An image that can be written is locked for this process alone, one that is only read is shared with others that read,
 * by flock(2): the lock belongs to the open file and is gone with the process, however that ends. Node has no such
 * call, but a child process that inherits the open file can lock it for us, and util-linux's `flock` does just that.
 */

import { readSync, writeSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { type BlockBackend, BlockError, type BlockProblem, SECTOR_BYTES } from '../../base/block.ts';
import { VivariumError } from '../../base/errors.ts';
import { missingBytes } from '../../block/partitions.ts';
import { reasonOf } from './files.ts';

export interface DiskFileOptions {
  /** What it is for, as in "The disk image x.img cannot be used: ...". */
  readonly role: 'disk image' | 'CD-ROM image' | 'floppy image';
  readonly readOnly: boolean;
}

/** Codes of the system that say that there is no room. */
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
/** File systems give times of change in steps of up to two seconds. */
const YOUNG_MS = 3000;
/** `flock`'s status when another has the lock. */
const LOCKED = 1;

/** Opens and locks an image. Throws a `bad-file` VivariumError for one that cannot be used as it is. */
export async function openDiskFile(path: string, options: DiskFileOptions): Promise<BlockBackend> {
  const refuse = (reason: string, cause?: unknown): never => {
    const sentence = `The ${options.role} ${path} cannot be used: ${reason}.`;
    throw new VivariumError({ kind: 'bad-file', path }, sentence, { cause });
  };
  let file: FileHandle;
  try {
    file = await open(path, options.readOnly ? 'r' : 'r+');
  } catch (error) {
    return refuse(reasonOf(error), error);
  }
  try {
    const status = await file.stat();
    if (!status.isFile()) return refuse(status.isDirectory() ? 'it is a directory' : 'it is not a file');
    if (status.size === 0) return refuse('it is empty');
    if (status.size % SECTOR_BYTES !== 0) {
      return refuse(`its ${status.size} bytes are not a whole number of sectors of ${SECTOR_BYTES} bytes`);
    }
    await lock(file, options.readOnly, refuse);
    const disk = new DiskFile(file, status.size, options.readOnly, basename(path));
    if (options.role === 'disk image') {
      const expected = await missingBytes(disk);
      if (expected !== undefined) {
        return refuse(`it has ${status.size} bytes, but its partition table speaks of ${expected}`);
      }
    }
    return disk;
  } catch (error) {
    await file.close();
    if (error instanceof BlockError) return refuse(reasonOf(error.cause), error);
    throw error;
  }
}

async function lock(
  file: FileHandle,
  shared: boolean,
  refuse: (reason: string, cause?: unknown) => never,
): Promise<void> {
  // Not before it is wanted: guests without images start sooner.
  const { spawnSync } = await import('node:child_process');
  const mode = shared ? '--shared' : '--exclusive';
  const { status, error } = spawnSync('flock', ['--nonblock', mode, '3'], {
    stdio: ['ignore', 'ignore', 'ignore', file.fd],
  });
  if (status === 0) return;
  if (status === LOCKED) refuse('another process has locked it');
  // Reading does no harm where locks are not to be had, such as on some network file systems.
  if (!shared) refuse(error ? 'it cannot be locked, for there is no command "flock"' : 'it cannot be locked', error);
}

/** Storage in an open file, `sizeBytes` long. */
export class DiskFile implements BlockBackend {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly name?: string;
  readonly #file: FileHandle;
  /** The last time of change that was ours to give. */
  #stamped: bigint | undefined;

  constructor(file: FileHandle, sizeBytes: number, readOnly: boolean, name?: string) {
    this.#file = file;
    this.sizeBytes = sizeBytes;
    this.readOnly = readOnly;
    if (name !== undefined) this.name = name;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    for (let done = 0; done < into.length; ) {
      const { bytesRead } = await attempt(this.#file.read(into, done, into.length - done, offset + done));
      if (bytesRead === 0) throw shorter();
      done += bytesRead;
    }
  }

  readNow(offset: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; ) {
      const bytesRead = attemptNow(() => readSync(this.#file.fd, into, done, into.length - done, offset + done));
      if (bytesRead === 0) throw shorter();
      done += bytesRead;
    }
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    for (let done = 0; done < from.length; ) {
      const { bytesWritten } = await attempt(this.#file.write(from, done, from.length - done, offset + done));
      if (bytesWritten === 0) throw takesNoMore();
      done += bytesWritten;
    }
  }

  writeNow(offset: number, from: Uint8Array): void {
    for (let done = 0; done < from.length; ) {
      const bytesWritten = attemptNow(() => writeSync(this.#file.fd, from, done, from.length - done, offset + done));
      if (bytesWritten === 0) throw takesNoMore();
      done += bytesWritten;
    }
  }

  async flush(): Promise<void> {
    await attempt(this.#file.sync());
  }

  /**
   * The file's time of change. Systems keep it no finer than some milliseconds, so that a write that follows at once may
   * leave it as it is: one so young is set to a time that no system would give, where we may.
   */
  async version(): Promise<string> {
    let { mtimeNs, atimeMs } = await attempt(this.#file.stat({ bigint: true }));
    const nowMs = Date.now();
    if (!this.readOnly && mtimeNs !== this.#stamped && nowMs - Number(mtimeNs) / 1e6 < YOUNG_MS) {
      await this.#file.utimes(Number(atimeMs) / 1e3, (nowMs + Math.random()) / 1e3).catch(() => {});
      ({ mtimeNs } = await attempt(this.#file.stat({ bigint: true })));
      this.#stamped = mtimeNs;
    }
    return `changed ${mtimeNs}`;
  }

  async close(): Promise<void> {
    try {
      if (!this.readOnly) await this.flush();
    } finally {
      await attempt(this.#file.close());
    }
  }
}

const shorter = (): BlockError => new BlockError('io', 'The file has become shorter.');
const takesNoMore = (): BlockError => new BlockError('full', 'The file takes no more.');

async function attempt<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw failed(error);
  }
}

function attemptNow<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw failed(error);
  }
}

function failed(error: unknown): BlockError {
  const problem: BlockProblem = FULL.has((error as NodeJS.ErrnoException).code ?? '') ? 'full' : 'io';
  return new BlockError(problem, reasonOf(error), { cause: error });
}
