/**
 * The guest's console on a stream of this process: byte for byte, in few writes, and never piling up without bound
 * when nobody reads.
 */

import type { Writable } from 'node:stream';
import { reasonOf } from './files.ts';

/** Bytes gathered before they are written without waiting for the guest's slice to end. */
const BATCH_BYTES = 16 * 1024;

export interface OutputEvents {
  /** The reader is slower than the guest: pause it, until `drained`. */
  full(): void;
  drained(): void;
  /** The reader has gone, as with `| head -1`. */
  closed(): void;
  /** Writing failed otherwise; `reason` is the end of a sentence. */
  failed(reason: string): void;
}

/** What of the console's end is kept. */
const TAIL_BYTES = 4096;

/** The end of what was written, for whoever shows the console again. */
export class ConsoleTail {
  #bytes: Uint8Array = new Uint8Array(0);

  add(bytes: Uint8Array): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes.subarray(-TAIL_BYTES)]).subarray(-TAIL_BYTES);
  }

  /** A character for each byte. */
  get text(): string {
    return Buffer.from(this.#bytes).toString('latin1');
  }
}

export class ConsoleOutput {
  readonly #stream: Writable;
  readonly #events: OutputEvents;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #scheduled: NodeJS.Immediate | undefined;
  #isFull = false;
  #isBroken = false;

  constructor(stream: Writable, events: OutputEvents) {
    this.#stream = stream;
    this.#events = events;
    stream.on('drain', () => {
      if (!this.#isFull) return;
      this.#isFull = false;
      events.drained();
    });
    stream.on('error', (error) => this.#broke(error));
  }

  /** Takes bytes; the array may be used again by the caller. */
  write(bytes: Uint8Array): void {
    if (this.#isBroken) return;
    this.#gathered.push(bytes.slice());
    this.#gatheredBytes += bytes.length;
    if (this.#gatheredBytes >= BATCH_BYTES) this.#push();
    else this.#scheduled ??= setImmediate(() => this.#push());
  }

  /** Resolves when everything has been handed to the system, or the stream has failed. */
  async flush(): Promise<void> {
    this.#push();
    if (this.#isBroken) return;
    await new Promise<void>((resolve) => {
      this.#stream.once('error', () => resolve());
      this.#stream.write('', () => resolve());
    });
  }

  #push(): void {
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    if (this.#gatheredBytes === 0 || this.#isBroken) return;
    const bytes = Buffer.concat(this.#gathered);
    this.#gathered = [];
    this.#gatheredBytes = 0;
    try {
      if (this.#stream.write(bytes) || this.#isFull || this.#stream.errored) return;
      this.#isFull = true;
      this.#events.full();
    } catch (error) {
      // Streams on files write at once, and some versions of Node let the error through.
      this.#broke(error);
    }
  }

  #broke(error: unknown): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EPIPE' || code === 'ECONNRESET') this.#events.closed();
    else this.#events.failed(reasonOf(error));
  }
}
