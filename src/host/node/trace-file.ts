/**
 * Where a trace goes. Lines are gathered and written by Node's thread pool, so that the guest does not wait for the
 * disk until it is far ahead of it.
 */

import type { FileHandle } from 'node:fs/promises';
import { VivariumError } from '../../base/errors.ts';
import { reasonOf } from './files.ts';
import { openNew } from './new-file.ts';

/** Characters gathered before a write begins. */
const BATCH_LENGTH = 64 * 1024;
/** Characters waiting at which the guest should pause, and at which it may go on. */
const FULL_LENGTH = 16 * 2 ** 20;
const DRAINED_LENGTH = 4 * 2 ** 20;

export interface TraceEvents {
  /** The disk is slower than the guest: pause it, until `drained`. */
  full(): void;
  drained(): void;
  /** Writing failed for good, once. `error.message` says why in one sentence. */
  failed(error: VivariumError): void;
}

export class TraceFile {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #events: TraceEvents;
  #gathered = '';
  #waiting: string[] = [];
  #waitingLength = 0;
  #isFull = false;
  #error: VivariumError | undefined;
  #writing: Promise<void> | undefined;

  private constructor(path: string, file: FileHandle, events: TraceEvents) {
    this.#path = path;
    this.#file = file;
    this.#events = events;
  }

  /** As `openNew`. */
  static async create(path: string, events: TraceEvents): Promise<TraceFile> {
    return new TraceFile(path, await openNew(path, 'trace'), events);
  }

  /** Takes a line, without its line end. */
  line(text: string): void {
    if (this.#error !== undefined) return;
    this.#gathered += `${text}\n`;
    if (this.#gathered.length < BATCH_LENGTH) return;
    this.#enqueue();
    if (this.#waitingLength > FULL_LENGTH && !this.#isFull) {
      this.#isFull = true;
      this.#events.full();
    }
  }

  /** Writes what is left and closes the file. A failure has been told to `failed` when this resolves. */
  async close(): Promise<void> {
    this.#enqueue();
    await this.#writing;
    await this.#file.close().catch((error: unknown) => this.#fail(error));
  }

  #enqueue(): void {
    if (this.#gathered === '' || this.#error !== undefined) return;
    this.#waiting.push(this.#gathered);
    this.#waitingLength += this.#gathered.length;
    this.#gathered = '';
    this.#writing ??= this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const batch = this.#waiting.join('');
        this.#waiting = [];
        await this.#file.writeFile(batch);
        this.#waitingLength -= batch.length;
        if (this.#isFull && this.#waitingLength < DRAINED_LENGTH) {
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
    const message = `The trace ${this.#path} cannot be written any further: ${reasonOf(cause)}.`;
    this.#error = new VivariumError({ kind: 'host' }, message, { cause });
    this.#gathered = '';
    this.#waiting = [];
    this.#events.failed(this.#error);
  }
}
