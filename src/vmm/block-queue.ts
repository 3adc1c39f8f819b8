/**
 * Between devices and the host's storage: takes requests from BlockPorts, has the BlockBackends work on them while the
 * guest runs on, and calls back between slices.
 *
 *     port.read(...) ---> backend, one request at a time and in order
 *                              |
 *     done(...)      <--- deliver(): real time: as soon as the host has finished, and an idle guest wakes
 *                         deterministic: LATENCY_NS of virtual time after the request, whatever the host took
 *
 * In deterministic mode the host can be slower than that: `blocked` is what the run loop waits for before virtual time
 * goes on. It is also what keeps a guest that asks and resets without end from piling up requests.
 */

import { type BlockBackend, BlockError, type BlockPort, type BlockProblem, SECTOR_BYTES } from '../base/block.ts';
import type { Clock, Timer } from '../base/clock.ts';

/** Deterministic guests see storage that answers in this time. */
const LATENCY_NS = 20_000;
/** Bytes of requests that nobody waits for any more, above which the guest waits until the host has caught up. */
const LARGEST_BACKLOG_BYTES = 16 * 2 ** 20;
/** What a request costs besides its data, at most. */
const REQUEST_BYTES = 4096;

const MOST_SPARE_BUFFERS = 4;

export interface BlockQueueHost {
  readonly clock: Clock;
  readonly deterministic: boolean;
  /** A request was made: the slice should end, so that the host gets to work. */
  submitted(): void;
  /** The host has finished something: an idle guest should look. */
  finished(): void;
}

type Result = Uint8Array | BlockProblem | undefined;

interface Request {
  readonly port: Port;
  /** What it costs to keep it. */
  readonly bytes: number;
  /** When it is delivered; minus infinity in real time: when finished. */
  readonly deadlineNs: number;
  work(): Promise<Result>;
  /** Undefined once abandoned. */
  done: ((result: Result) => void) | undefined;
  finished: Promise<void> | undefined;
  isFinished: boolean;
  result: Result;
}

export class BlockQueue {
  readonly #host: BlockQueueHost;
  readonly #timer: Timer;
  /** Made and not delivered, oldest first. */
  #requests: Request[] = [];
  #backlogBytes = 0;
  readonly #spare = new SpareBuffers();

  constructor(host: BlockQueueHost) {
    this.#host = host;
    this.#timer = host.clock.timer(() => this.deliver());
  }

  /** What a device uses `backend` through. A backend has one port. */
  port(backend: BlockBackend): BlockPort {
    return new Port(backend, this);
  }

  /** Devices wait for the host: the guest should not hold the event loop for long. */
  get isBusy(): boolean {
    return this.#requests.length > 0;
  }

  /** What must be over before the guest runs on, if anything. */
  get blocked(): Promise<void> | undefined {
    const now = this.#host.clock.now();
    const isLate = (request: Request): boolean => this.#host.deterministic && request.deadlineNs <= now;
    const backlog = this.#backlogBytes > LARGEST_BACKLOG_BYTES;
    return this.#requests.find((request) => !request.isFinished && (isLate(request) || backlog))?.finished;
  }

  /** Calls back for what is finished and due. */
  deliver(): void {
    const now = this.#host.clock.now();
    for (let i = 0; i < this.#requests.length; ) {
      const request = this.#requests[i] as Request;
      if (request.isFinished && request.deadlineNs <= now) {
        this.#requests.splice(i, 1);
        if (request.done === undefined) this.#backlogBytes -= request.bytes;
        request.done?.(request.result);
        if (request.result instanceof Uint8Array) this.#spare.give(request.result);
      } else if (this.#host.deterministic) {
        break; // nothing overtakes
      } else {
        i++;
      }
    }
    const next = this.#requests[0];
    // One that is late already is delivered when `blocked` has been waited for.
    if (this.#host.deterministic && next && next.deadlineNs > now) this.#timer.arm(next.deadlineNs);
  }

  /** For ports: room for what is read. */
  buffer(length: number): Uint8Array {
    return this.#spare.take(length);
  }

  /** Resolves when the host has finished everything that was asked for. */
  async drain(): Promise<void> {
    await Promise.all(this.#requests.map(({ finished }) => finished));
  }

  /** For ports: `after` is what the same backend was asked before. */
  submit(
    port: Port,
    after: Promise<void>,
    bytes: number,
    work: () => Promise<Result>,
    done: (result: Result) => void,
  ): Promise<void> {
    const { clock, deterministic } = this.#host;
    const request: Request = {
      port,
      bytes: bytes + REQUEST_BYTES,
      deadlineNs: deterministic ? clock.now() + LATENCY_NS : Number.NEGATIVE_INFINITY,
      work,
      done,
      finished: undefined,
      isFinished: false,
      result: undefined,
    };
    const finished = after.then(async () => {
      request.result = await request.work();
      request.isFinished = true;
      this.#host.finished();
    });
    request.finished = finished;
    this.#requests.push(request);
    if (deterministic && this.#requests.length === 1) this.#timer.arm(request.deadlineNs);
    this.#host.submitted();
    return finished;
  }

  /** For ports: nobody waits for their requests any more. */
  abandon(port: Port): void {
    for (const request of this.#requests) {
      if (request.port !== port || request.done === undefined) continue;
      request.done = undefined;
      this.#backlogBytes += request.bytes;
    }
  }
}

/**
 * Buffers to be used again. Fast path: a fresh megabyte is zeroed, page by page as it is touched, and collected, for each
 * request; that takes as long as reading it from the host's page cache.
 */
class SpareBuffers {
  readonly #buffers: ArrayBufferLike[] = [];

  take(length: number): Uint8Array {
    const fitting = this.#buffers.findIndex(({ byteLength }) => byteLength >= length && byteLength <= 4 * length);
    const buffer = fitting < 0 ? new ArrayBuffer(length) : this.#buffers.splice(fitting, 1)[0];
    return new Uint8Array(buffer as ArrayBufferLike, 0, length);
  }

  give(bytes: Uint8Array): void {
    this.#buffers.unshift(bytes.buffer);
    if (this.#buffers.length > MOST_SPARE_BUFFERS) this.#buffers.pop();
  }
}

class Port implements BlockPort {
  readonly #backend: BlockBackend;
  readonly #queue: BlockQueue;
  /** The last request made is over. */
  #last: Promise<void> = Promise.resolve();

  constructor(backend: BlockBackend, queue: BlockQueue) {
    this.#backend = backend;
    this.#queue = queue;
  }

  get sizeBytes(): number {
    return this.#backend.sizeBytes;
  }

  get readOnly(): boolean {
    return this.#backend.readOnly;
  }

  read(offset: number, length: number, done: (result: Uint8Array | BlockProblem) => void): void {
    const work = async (): Promise<Result> => {
      const into = this.#queue.buffer(length);
      return (await problemOf(this.#backend.read(offset, into))) ?? into;
    };
    this.#submit(offset, length, work, done as (result: Result) => void);
  }

  write(offset: number, bytes: Uint8Array, done: (problem: BlockProblem | undefined) => void): void {
    const work = async (): Promise<Result> =>
      this.#backend.readOnly ? 'read-only' : await problemOf(this.#backend.write(offset, bytes));
    this.#submit(offset, bytes.length, work, done as (result: Result) => void);
  }

  flush(done: (problem: BlockProblem | undefined) => void): void {
    this.#submit(0, 0, () => problemOf(this.#backend.flush()), done as (result: Result) => void);
  }

  abandon(): void {
    this.#queue.abandon(this);
  }

  #submit(offset: number, length: number, work: () => Promise<Result>, done: (result: Result) => void): void {
    const isInside =
      offset >= 0 && offset + length <= this.sizeBytes && offset % SECTOR_BYTES === 0 && length % SECTOR_BYTES === 0;
    const bytes = isInside ? length : 0;
    this.#last = this.#queue.submit(this, this.#last, bytes, isInside ? work : async () => 'io', done);
  }
}

/** How a request ended. Backends reject with BlockError; whatever else goes wrong in one is an I/O error to a guest. */
async function problemOf(request: Promise<void>): Promise<BlockProblem | undefined> {
  try {
    await request;
    return undefined;
  } catch (error) {
    return error instanceof BlockError ? error.problem : 'io';
  }
}
