/** Files that a run leaves behind. One that exists is not overwritten; a device or a pipe has nothing to lose. */

import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { VivariumError } from '../../base/errors.ts';
import { reasonOf } from './files.ts';

/** Makes a file, or opens a device or a pipe; `role` says what for (`trace`). Throws a `bad-file` VivariumError. */
export async function openNew(path: string, role: string): Promise<FileHandle> {
  try {
    return await openUnlessFile(path);
  } catch (error) {
    const message = `The ${role} ${path} cannot be written: ${reasonOf(error)}.`;
    throw new VivariumError({ kind: 'bad-file', path }, message, { cause: error });
  }
}

async function openUnlessFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const existing = await stat(path);
    if (!existing.isCharacterDevice() && !existing.isFIFO()) throw error;
    return await open(path, 'w');
  }
}

/** A file made before a run, so that nothing runs for a result that has no place, and written after it. */
export class ResultFile {
  readonly #path: string;
  readonly #role: string;
  readonly #file: FileHandle;

  private constructor(path: string, role: string, file: FileHandle) {
    this.#path = path;
    this.#role = role;
    this.#file = file;
  }

  /** As `openNew`. */
  static async create(path: string, role: string): Promise<ResultFile> {
    return new ResultFile(path, role, await openNew(path, role));
  }

  /** Writes all there is, and closes the file. `failed` is told in one sentence why that cannot be done. */
  async write(contents: string | Uint8Array, failed: (error: VivariumError) => void): Promise<void> {
    try {
      await this.#file.writeFile(contents).finally(() => this.#file.close());
    } catch (error) {
      const message = `The ${this.#role} ${this.#path} cannot be written: ${reasonOf(error)}.`;
      failed(new VivariumError({ kind: 'host' }, message, { cause: error }));
    }
  }

  /** There is to be no result: takes the file away again, if it is one. */
  async discard(): Promise<void> {
    const isFile = (await this.#file.stat()).isFile();
    await this.#file.close();
    if (isFile) await rm(this.#path, { force: true });
  }
}
