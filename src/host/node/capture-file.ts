/** Where a capture goes: bytes are gathered and written by Node's thread pool. A pipe is good, too: for a live view. */

import { type FileHandle, rm } from 'node:fs/promises';
import { VivariumError } from '../../base/errors.ts';
import { reasonOf } from './files.ts';
import { openNew } from './new-file.ts';
import type { TraceEvents } from './trace-file.ts';

/** Bytes waiting at which the guest should pause, and at which it may go on. */
const FULL_BYTES = 16 * 2 ** 20;
const DRAINED_BYTES = 4 * 2 ** 20;

export class CaptureFile {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #events: TraceEvents;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #isFull = false;
  #error: VivariumError | undefined;
  #writing: Promise<void> | undefined;

  private constructor(path: string, file: FileHandle, events: TraceEvents) {
    this.#path = path;
    this.#file = file;
    this.#events = events;
  }

  /** As `openNew`. */
  static async create(path: string, events: TraceEvents): Promise<CaptureFile> {
    return new CaptureFile(path, await openNew(path, 'capture'), events);
  }

  /** Takes bytes, which must not change any more. */
  write(bytes: Uint8Array): void {
    if (this.#error !== undefined) return;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#writing ??= this.#writeAll();
    if (this.#waitingBytes > FULL_BYTES && !this.#isFull) {
      this.#isFull = true;
      this.#events.full();
    }
  }

  /** Writes what is left and closes the file. A failure has been told to `failed` when this resolves. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#file.close().catch((error: unknown) => this.#fail(error));
  }

  /** There is to be no capture: takes the file away again, if it is one. */
  async discard(): Promise<void> {
    await this.#writing;
    const isFile = (await this.#file.stat()).isFile();
    await this.#file.close();
    if (isFile) await rm(this.#path, { force: true });
  }

  async #writeAll(): Promise<void> {
    // What comes in the same turn of the event loop is written together.
    await Promise.resolve();
    try {
      while (this.#waiting.length > 0) {
        const batch = Buffer.concat(this.#waiting);
        this.#waiting = [];
        await this.#file.writeFile(batch);
        this.#waitingBytes -= batch.length;
        if (this.#isFull && this.#waitingBytes < DRAINED_BYTES) {
          this.#isFull = false;
          this.#events.drained();
        }
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#writing = undefined;
  }

  #fail(cause: unknown): void {
    if (this.#error !== undefined) return;
    const message = `The capture ${this.#path} cannot be written any further: ${reasonOf(cause)}.`;
    this.#error = new VivariumError({ kind: 'host' }, message, { cause });
    this.#waiting = [];
    this.#events.failed(this.#error);
  }
}
