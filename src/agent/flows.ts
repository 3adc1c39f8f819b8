/**
 * The ways in and out of a request as streams of the platform, with credit: docs/agent.md, "Streams". Nothing is sent
 * that the other side has no room for, and no more is kept than was allowed to come.
 */

import { INPUT_WINDOW, MAX_CREDIT, MAX_PAYLOAD_BYTES } from './protocol.ts';

/** Chunks smaller than this are put together, so that many tiny frames do not cost more than their bytes. */
const SMALL = 4096;

/** Output or errors of a request. */
export class OutputFlow {
  readonly #window: number;
  readonly #grant: (bytes: number) => void;
  readonly #chunks: Uint8Array[] = [];
  #stream: ReadableStream<Uint8Array> | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  /** What the agent may still send. */
  #room: number;
  /** Taken by the reader, and not yet given back as credit. */
  #owed = 0;
  #isPulling = false;
  #isEnded = false;
  #isDiscarded = false;
  #failure: { readonly reason: unknown } | undefined;

  /** `grant` sends CREDIT. */
  constructor(window: number, grant: (bytes: number) => void) {
    this.#window = window;
    this.#room = window;
    this.#grant = grant;
  }

  /** Made when it is asked for: platforms take their time about streams. */
  get stream(): ReadableStream<Uint8Array> {
    this.#stream ??= new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
          if (this.#failure) controller.error(this.#failure.reason);
          else if (this.#isEnded && this.#chunks.length === 0) controller.close();
        },
        pull: () => this.#pull(),
        cancel: () => this.discard(),
      },
      { highWaterMark: 0 },
    );
    return this.#stream;
  }

  /** Whether its end has come. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** What is wrong with the frame, if anything is. An empty one is the end. */
  push(bytes: Uint8Array): string | undefined {
    if (this.#isEnded) return 'there is output behind its end';
    if (bytes.length > this.#room) return 'there is more output than its credit';
    if (bytes.length === 0) {
      this.#isEnded = true;
      if (this.#isPulling || this.#chunks.length === 0) this.#close();
      return undefined;
    }
    this.#room -= bytes.length;
    if (this.#isDiscarded) {
      this.#taken(bytes.length);
    } else if (this.#isPulling) {
      this.#isPulling = false;
      this.#deliver(own(bytes));
    } else {
      const last = this.#chunks.at(-1);
      if (last !== undefined && last.length + bytes.length <= SMALL) {
        const joined = new Uint8Array(last.length + bytes.length);
        joined.set(last);
        joined.set(bytes, last.length);
        this.#chunks[this.#chunks.length - 1] = joined;
      } else {
        this.#chunks.push(own(bytes));
      }
    }
    return undefined;
  }

  /** What comes is thrown away, and was wanted by nobody. */
  discard(): void {
    this.#isDiscarded = true;
    this.#isPulling = false;
    let bytes = 0;
    for (const chunk of this.#chunks.splice(0)) bytes += chunk.length;
    if (bytes > 0) this.#taken(bytes);
  }

  /** The reader gets an error instead of what else there was; what still comes is thrown away. */
  fail(error: unknown): void {
    if (!this.#isDiscarded && !(this.#isEnded && this.#chunks.length === 0)) {
      this.#failure = { reason: error };
      this.#controller?.error(error);
    }
    this.discard();
  }

  #pull(): void {
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) this.#deliver(chunk);
    else this.#isPulling = true;
  }

  #deliver(chunk: Uint8Array): void {
    this.#controller?.enqueue(chunk);
    this.#taken(chunk.length);
    if (this.#isEnded && this.#chunks.length === 0) this.#close();
  }

  #close(): void {
    this.#isPulling = false;
    if (!this.#isDiscarded) this.#controller?.close();
  }

  #taken(bytes: number): void {
    this.#owed += bytes;
    if (this.#isEnded || this.#owed < this.#window / 2) return;
    this.#room += this.#owed;
    this.#grant(this.#owed);
    this.#owed = 0;
  }
}

/** A copy, unless the bytes are most of what they are a view of and so keep little else in memory. */
function own(bytes: Uint8Array): Uint8Array {
  return bytes.length * 2 < bytes.buffer.byteLength ? bytes.slice() : bytes;
}

/** Input of a request. */
export class InputFlow {
  readonly #send: (bytes: Uint8Array) => void;
  readonly #isHeld: () => boolean;
  #credit = 0;
  #isOpen = false;
  #stream: WritableStream<Uint8Array> | undefined;
  /** Makes the error that says why nothing will be read any more. */
  #reason: (() => unknown) | undefined;
  #isEndSent = false;
  #wake: (() => void) | undefined;

  /** `send` sends INPUT; empty is the end. While `isHeld`, nothing is written; `resume` says that it is over. */
  constructor(send: (bytes: Uint8Array) => void, isHeld: () => boolean) {
    this.#send = send;
    this.#isHeld = isHeld;
  }

  get stream(): WritableStream<Uint8Array> {
    this.#stream ??= new WritableStream<Uint8Array>({
      write: (chunk) => this.#write(chunk),
      close: () => this.#end(),
      abort: () => this.#end(),
    });
    return this.#stream;
  }

  /** The request has been sent. */
  open(): void {
    this.#isOpen = true;
    this.#credit = INPUT_WINDOW;
    this.#wakeUp();
  }

  /** What is wrong with the credit, if anything is. */
  grant(bytes: number): string | undefined {
    if (bytes > MAX_CREDIT - this.#credit) return 'there is more credit than there can be';
    this.#credit += bytes;
    this.#wakeUp();
    return undefined;
  }

  resume(): void {
    this.#wakeUp();
  }

  /** Writes fail from now on; ending the input is still fine. */
  stop(reason: () => unknown): void {
    this.#reason ??= reason;
    this.#wakeUp();
  }

  async #write(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      while ((this.#credit === 0 || this.#isHeld()) && !this.#reason) await this.#woken();
      if (this.#reason) throw this.#reason();
      const count = Math.min(chunk.length - at, this.#credit, MAX_PAYLOAD_BYTES);
      this.#credit -= count;
      this.#send(chunk.subarray(at, at + count));
      at += count;
    }
  }

  async #end(): Promise<void> {
    while (!this.#isOpen && !this.#reason) await this.#woken();
    if (this.#reason || this.#isEndSent) return;
    this.#isEndSent = true;
    this.#send(new Uint8Array(0));
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
