/**
 * Many deadlines behind one timer of the guest's clock. Moving one to later, which retransmission timers do with every
 * segment, costs nothing: the timer is moved only to sooner, and looks again when it expires.
 */

import type { Clock, Timer } from '../base/clock.ts';

export class Deadline {
  atNs = Number.POSITIVE_INFINITY;
  readonly expired: () => void;
  readonly #owner: Deadlines;

  constructor(owner: Deadlines, expired: () => void) {
    this.#owner = owner;
    this.expired = expired;
  }

  set(atNs: number): void {
    this.atNs = atNs;
    this.#owner.sooner(atNs);
  }

  clear(): void {
    this.atNs = Number.POSITIVE_INFINITY;
  }

  get isSet(): boolean {
    return this.atNs !== Number.POSITIVE_INFINITY;
  }

  /** Out of the set, for good. */
  remove(): void {
    this.clear();
    this.#owner.remove(this);
  }
}

export class Deadlines {
  readonly clock: Clock;
  readonly #timer: Timer;
  readonly #all = new Set<Deadline>();

  constructor(clock: Clock) {
    this.clock = clock;
    this.#timer = clock.timer(() => this.#expire());
  }

  get size(): number {
    return this.#all.size;
  }

  /** A new one, cleared. It stays until it is removed. */
  add(expired: () => void): Deadline {
    const deadline = new Deadline(this, expired);
    this.#all.add(deadline);
    return deadline;
  }

  /** For deadlines of this set. */
  sooner(atNs: number): void {
    if (atNs < this.#timer.deadlineNs) this.#timer.arm(atNs);
  }

  /** For deadlines of this set. */
  remove(deadline: Deadline): void {
    this.#all.delete(deadline);
  }

  #expire(): void {
    const now = this.clock.now();
    const due = [...this.#all].filter((deadline) => deadline.atNs <= now);
    for (const deadline of due) {
      if (deadline.atNs > now) continue; // one before it has moved or removed it
      deadline.clear();
      deadline.expired();
    }
    let next = Number.POSITIVE_INFINITY;
    for (const deadline of this.#all) next = Math.min(next, deadline.atNs);
    // A deadline that was set to a time already past must not keep the clock from going on.
    if (next !== Number.POSITIVE_INFINITY) this.#timer.arm(Math.max(next, now + 1));
  }
}
