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
  /** The how manieth of its queue. */
  readonly number: number;
  readonly expired: () => void;
  readonly #queue: TimerQueue;

  constructor(queue: TimerQueue, number: number, expired: () => void) {
    this.#queue = queue;
    this.number = number;
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
  #made = 0;

  /** A new timer in this queue, disarmed. */
  timer(expired: () => void): Timer {
    return new QueuedTimer(this, this.#made++, expired);
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

  /** The timers that are armed, by number, the next to expire first; and when. */
  armed(): { readonly number: number; readonly deadlineNs: number }[] {
    return this.#armed.map(({ number, deadlineNs }) => ({ number, deadlineNs })).reverse();
  }

  /** After timers were armed anew: those that expire at the same time do so in the order in which `numbers` has them. */
  arrange(numbers: readonly number[]): void {
    const places = new Map(numbers.map((number, place) => [number, place]));
    const placeOf = ({ number }: QueuedTimer): number => places.get(number) ?? numbers.length;
    this.#armed.sort((a, b) => b.deadlineNs - a.deadlineNs || placeOf(b) - placeOf(a));
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
