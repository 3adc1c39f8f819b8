/**
 * Between devices and the host's storage: takes requests from BlockPorts, has the BlockBackends work on them while the
 * guest runs on, and calls back between slices.
 *
 *     port.read(...) ---> backend, one request at a time and in order
 *                              |
 *     done(...)      <--- deliver(): real time: as soon as the host has finished, and an idle guest wakes
 *                         deterministic: LATENCY_NS of virtual time after the request, whatever the host took
 *
 * What a backend can do while we wait (`readNow`, `writeNow`) is done with the request: a read from the host's page cache
 * takes a tenth of the time in which a thread of the host would hand it over. Storage that proves slow has its requests
 * made the other way for a while, so that it holds the event loop for a small part of the time at most.
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

/** Waiting for a request longer than this is slow: nothing is waited for in the time that follows, so many times as long. */
const SLOW_MS = 1;
const PENALTY = 50;
/** Larger requests are not waited for. */
const LARGEST_NOW_BYTES = 2 ** 20;

export interface BlockQueueHost {
  readonly clock: Clock;
  readonly deterministic: boolean;
  /** A request was made: the slice should end, so that the host gets to work. */
  submitted(): void;
  /** The host has finished something: an idle guest should look. */
  finished(): void;
  /** The host's monotonic clock. */
  nowMs(): number;
}

type Result = Uint8Array | BlockProblem | undefined;

interface Request {
  /** Whose it is. */
  readonly port: object;
  /** What it costs to keep it. */
  readonly bytes: number;
  /** When it is delivered; minus infinity in real time: when finished. */
  readonly deadlineNs: number;
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
  /** Nothing is waited for before this time. */
  #patientFromMs = Number.NEGATIVE_INFINITY;

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
    return this.#requests.some(({ isFinished }) => !isFinished);
  }

  /** No device waits for anything. */
  get isEmpty(): boolean {
    return this.#requests.length === 0;
  }

  /** Something can be delivered now: the guest must not sleep. */
  get isReady(): boolean {
    const now = this.#host.clock.now();
    return this.#requests.some(({ isFinished, deadlineNs }) => isFinished && deadlineNs <= now);
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
    // What devices ask for now waits for the next time: the host may have finished it already, and the next, and the next.
    for (let i = 0, left = this.#requests.length; left > 0; left--) {
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

  /** For ports: nothing speaks against waiting for the host. */
  get isPatient(): boolean {
    return this.#host.nowMs() >= this.#patientFromMs;
  }

  /** For ports: how work that is waited for ended. */
  waitFor(work: () => Result): Result {
    const startedMs = this.#host.nowMs();
    let result: Result;
    try {
      result = work();
    } catch (error) {
      result = problemOf(error);
    }
    const endedMs = this.#host.nowMs();
    const tookMs = endedMs - startedMs;
    if (tookMs > SLOW_MS) this.#patientFromMs = endedMs + PENALTY * tookMs;
    return result;
  }

  /** For ports: `outcome` is a result that is there already, or is to come. */
  submit(
    port: object,
    bytes: number,
    outcome: { readonly result: Result } | Promise<Result>,
    done: (result: Result) => void,
  ): void {
    const { clock, deterministic } = this.#host;
    const isFinished = !(outcome instanceof Promise);
    const request: Request = {
      port,
      bytes: bytes + REQUEST_BYTES,
      deadlineNs: deterministic ? clock.now() + LATENCY_NS : Number.NEGATIVE_INFINITY,
      done,
      finished: undefined,
      isFinished,
      result: isFinished ? outcome.result : undefined,
    };
    if (!isFinished) {
      request.finished = outcome.then((result) => {
        request.result = result;
        request.isFinished = true;
        this.#host.finished();
      });
    }
    this.#requests.push(request);
    if (deterministic && this.#requests.length === 1) this.#timer.arm(request.deadlineNs);
    this.#host.submitted();
  }

  /** For ports: nobody waits for their requests any more. */
  abandon(port: object): void {
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

/** Two ways of doing the same; either ends with a result, or throws. */
interface Work {
  /** While the guest waits. */
  readonly now?: (() => Result) | undefined;
  later(): Promise<Result>;
}

class Port implements BlockPort {
  readonly #backend: BlockBackend;
  readonly #queue: BlockQueue;
  /** The last request made is over. */
  #last: Promise<void> = Promise.resolve();
  /** Requests that are not. */
  #underWay = 0;

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
    const { readNow } = this.#backend;
    const now = (): Result => {
      const into = this.#queue.buffer(length);
      this.#backend.readNow?.(offset, into);
      return into;
    };
    const later = async (): Promise<Result> => {
      const into = this.#queue.buffer(length);
      await this.#backend.read(offset, into);
      return into;
    };
    const refusal = this.#isInside(offset, length) ? undefined : 'io';
    this.#submit(length, refusal, { now: readNow && now, later }, done as (result: Result) => void);
  }

  write(offset: number, bytes: Uint8Array, done: (problem: BlockProblem | undefined) => void): void {
    const { writeNow } = this.#backend;
    const now = (): Result => {
      this.#backend.writeNow?.(offset, bytes);
      return undefined;
    };
    const later = async (): Promise<Result> => {
      await this.#backend.write(offset, bytes);
      return undefined;
    };
    const isInside = this.#isInside(offset, bytes.length);
    const refusal = !isInside ? 'io' : this.readOnly ? 'read-only' : undefined;
    this.#submit(bytes.length, refusal, { now: writeNow && now, later }, done as (result: Result) => void);
  }

  flush(done: (problem: BlockProblem | undefined) => void): void {
    const later = async (): Promise<Result> => {
      await this.#backend.flush();
      return undefined;
    };
    this.#submit(0, undefined, { later }, done as (result: Result) => void);
  }

  abandon(): void {
    this.#queue.abandon(this);
  }

  #isInside(offset: number, length: number): boolean {
    const isWhole = offset % SECTOR_BYTES === 0 && length % SECTOR_BYTES === 0;
    return isWhole && offset >= 0 && offset + length <= this.sizeBytes;
  }

  #submit(length: number, refusal: BlockProblem | undefined, work: Work, done: (result: Result) => void): void {
    const bytes = refusal === undefined ? length : 0;
    const { now, later } = refusal === undefined ? work : { now: () => refusal, later: async () => refusal };
    if (now && this.#underWay === 0 && bytes <= LARGEST_NOW_BYTES && this.#queue.isPatient) {
      this.#queue.submit(this, bytes, { result: this.#queue.waitFor(now) }, done);
      return;
    }
    this.#underWay++;
    const finished = this.#last.then(async () => {
      try {
        return await later();
      } catch (error) {
        return problemOf(error);
      } finally {
        this.#underWay--;
      }
    });
    this.#last = finished.then(() => {});
    this.#queue.submit(this, bytes, finished, done);
  }
}

/** Why a request failed. Backends throw BlockErrors; whatever else goes wrong in one is an I/O error to a guest. */
function problemOf(error: unknown): BlockProblem {
  return error instanceof BlockError ? error.problem : 'io';
}
