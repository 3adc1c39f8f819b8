/**
 * Virtual time (DESIGN.md §3). In real-time mode it follows the host's clock while the guest runs and stands still
 * while it is paused; in deterministic mode it is a function of the instructions retired, and jumps ahead over idle
 * times.
 */

import type { Clock, Timer } from '../base/clock.ts';
import { TimerQueue } from '../base/timer-queue.ts';

/** Rate of the guest's time-stamp counter: one tick a nanosecond. */
export const TSC_HZ = 1_000_000_000;
/** Deterministic mode: virtual nanoseconds that an instruction takes. */
export const NS_PER_INSTRUCTION = 1;

export interface TimeSource {
  /** Instructions retired. */
  instructions(): number;
  /** The host's monotonic clock in milliseconds. */
  hostMs(): number;
}

export class VirtualClock implements Clock {
  readonly queue = new TimerQueue();
  readonly deterministic: boolean;
  readonly #source: TimeSource;
  /** Deterministic: time skipped while idle. Real-time: what `hostMs` must have added to it. */
  #offsetNs = 0;
  #pausedAtNs: number | undefined = 0;

  constructor(deterministic: boolean, source: TimeSource) {
    this.deterministic = deterministic;
    this.#source = source;
  }

  now(): number {
    if (this.deterministic) return this.#source.instructions() * NS_PER_INSTRUCTION + this.#offsetNs;
    return this.at(this.#source.hostMs());
  }

  /** What `now` is when the host's clock shows `hostMs`. */
  at(hostMs: number): number {
    if (this.deterministic) return this.now();
    return this.#pausedAtNs ?? Math.floor(hostMs * 1e6) + this.#offsetNs;
  }

  timer(expired: () => void): Timer {
    return this.queue.timer(expired);
  }

  pause(): void {
    if (!this.deterministic) this.#pausedAtNs ??= this.now();
  }

  resume(): void {
    if (this.#pausedAtNs === undefined) return;
    if (!this.deterministic) this.#offsetNs = this.#pausedAtNs - Math.floor(this.#source.hostMs() * 1e6);
    this.#pausedAtNs = undefined;
  }

  /** For snapshots: what, with the count of instructions, says what time it is. */
  get savedNs(): number {
    return this.deterministic ? this.#offsetNs : this.now();
  }

  /** Before `resume`; the instructions are counted as they were. */
  restore(savedNs: number): void {
    if (this.deterministic) this.#offsetNs = savedNs;
    else this.#pausedAtNs = savedNs;
  }

  /** Deterministic mode: the idle guest's time goes on to `deadlineNs`. */
  skipTo(deadlineNs: number): void {
    const ahead = deadlineNs - this.now();
    if (ahead > 0) this.#offsetNs += ahead;
  }

  /** Instructions until `deadlineNs`, in deterministic mode. */
  instructionsUntil(deadlineNs: number): number {
    return Math.max(0, Math.ceil((deadlineNs - this.now()) / NS_PER_INSTRUCTION));
  }
}
