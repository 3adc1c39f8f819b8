/**
 * All timers of a guest in one deterministic order: by deadline, then by the order in which they were armed.
 *
 * A guest has tens of timers, and the question asked most often is the next deadline, so a sorted array serves.
 * A device that repeats must skip the periods that have passed already when it re-arms: `runExpired` goes on until
 * no deadline is left at or before `nowNs`.
 */

import type { Timer } from './clock.ts';

class QueuedTimer implements Timer {
  deadlineNs = Number.POSITIVE_INFINITY;
  readonly expired: () => void;
  readonly #queue: TimerQueue;

  constructor(queue: TimerQueue, expired: () => void) {
    this.#queue = queue;
    this.expired = expired;
  }

  arm(deadlineNs: number): void {
    this.#queue.move(this, deadlineNs);
  }

  disarm(): void {
    this.#queue.move(this, Number.POSITIVE_INFINITY);
  }
}

export class TimerQueue {
  /** Armed timers, the next to expire last, so that taking it off moves nothing. */
  readonly #armed: QueuedTimer[] = [];

  /** A new timer in this queue, disarmed. */
  timer(expired: () => void): Timer {
    return new QueuedTimer(this, expired);
  }

  /** The earliest deadline, or Infinity when nothing is armed. */
  nextDeadlineNs(): number {
    return this.#armed.at(-1)?.deadlineNs ?? Number.POSITIVE_INFINITY;
  }

  /** Runs every timer whose deadline is at or before `nowNs`, those included that get armed on the way. */
  runExpired(nowNs: number): void {
    for (let next = this.#armed.at(-1); next && next.deadlineNs <= nowNs; next = this.#armed.at(-1)) {
      this.#armed.pop();
      next.deadlineNs = Number.POSITIVE_INFINITY;
      next.expired();
    }
  }

  /** For timers of this queue: takes one to its new place. */
  move(timer: QueuedTimer, deadlineNs: number): void {
    const armed = this.#armed;
    if (timer.deadlineNs !== Number.POSITIVE_INFINITY) armed.splice(armed.indexOf(timer), 1);
    // A deadline that is not a number can only be a bug; never expiring is the tame reading of it.
    timer.deadlineNs = Number.isNaN(deadlineNs) ? Number.POSITIVE_INFINITY : deadlineNs;
    if (timer.deadlineNs === Number.POSITIVE_INFINITY) return;
    // Before (that is, to expire after) all that are due no later than this one.
    const at = armed.findIndex((other) => other.deadlineNs <= deadlineNs);
    armed.splice(at < 0 ? armed.length : at, 0, timer);
  }
}
