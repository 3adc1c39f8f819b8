/** The caller's end of the first serial port. */

import type { Bytes } from '../types/common.ts';
import type { VmConsole } from '../types/human.ts';

/** While nobody reads, so much of the latest output is kept. */
const KEPT_BYTES = 256 * 1024;
/** A reader who is behind by more makes the guest wait, until half of it is read. */
const LARGEST_BACKLOG_BYTES = 1 << 20;

export interface ConsoleEvents {
  input(bytes: Uint8Array): void;
  /** Whether output is taken. */
  flow(isFlowing: boolean): void;
  resize(columns: number, rows: number): Promise<void>;
}

export class MachineConsole implements VmConsole {
  readonly readable: ReadableStream<Bytes>;
  readonly writable: WritableStream<Uint8Array>;
  readonly #events: ConsoleEvents;
  #chunks: Bytes[] = [];
  #waitingBytes = 0;
  #isHeld = false;
  #isOver = false;
  #wake: () => void = () => {};

  constructor(events: ConsoleEvents) {
    this.#events = events;
    this.readable = new ReadableStream<Bytes>(
      {
        pull: async (controller) => {
          const chunk = await this.#next();
          if (chunk === undefined) controller.close();
          else controller.enqueue(chunk);
        },
        cancel: () => this.#close(),
      },
      { highWaterMark: 0 },
    );
    this.writable = new WritableStream<Uint8Array>({ write: (bytes) => events.input(bytes) });
  }

  write(data: string | Uint8Array): void {
    this.#events.input(typeof data === 'string' ? new TextEncoder().encode(data) : data);
  }

  resize(columns: number, rows: number): Promise<void> {
    return this.#events.resize(columns, rows);
  }

  /** From the machine. */
  output(bytes: Bytes): void {
    if (this.#isOver) return;
    this.#chunks.push(bytes);
    this.#waitingBytes += bytes.length;
    if (!this.readable.locked) this.#forget();
    else if (this.#waitingBytes > LARGEST_BACKLOG_BYTES) this.#hold(true);
    this.#wake();
  }

  /** What was written is there to be read; no more comes. */
  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** The oldest goes first. */
  #forget(): void {
    while (this.#waitingBytes > KEPT_BYTES && this.#chunks.length > 1) {
      this.#waitingBytes -= (this.#chunks.shift() as Uint8Array).length;
    }
    this.#hold(false);
  }

  #hold(isHeld: boolean): void {
    if (isHeld === this.#isHeld) return;
    this.#isHeld = isHeld;
    this.#events.flow(!isHeld);
  }

  #close(): void {
    this.#isOver = true;
    this.#chunks = [];
    this.#waitingBytes = 0;
    this.#hold(false);
    this.#wake();
  }

  async #next(): Promise<Bytes | undefined> {
    while (this.#chunks.length === 0) {
      if (this.#isOver) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const chunk = this.#chunks.shift() as Bytes;
    this.#waitingBytes -= chunk.length;
    if (this.#waitingBytes < LARGEST_BACKLOG_BYTES / 2) this.#hold(false);
    return chunk;
  }
}
