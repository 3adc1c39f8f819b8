/** For tests: virtual time that goes on when it is told to, from deadline to deadline. */

import type { Clock, Timer } from '../base/clock.ts';
import type { IrqLine } from '../base/irq.ts';
import { TimerQueue } from '../base/timer-queue.ts';

export class TestClock implements Clock {
  readonly #queue = new TimerQueue();
  #now = 0;

  now(): number {
    return this.#now;
  }

  timer(expired: () => void): Timer {
    return this.#queue.timer(expired);
  }

  nextDeadlineNs(): number {
    return this.#queue.nextDeadlineNs();
  }

  /** Goes on, stopping at each deadline on the way. */
  advance(ns: number): void {
    const end = this.#now + ns;
    for (let next = this.nextDeadlineNs(); next <= end; next = this.nextDeadlineNs()) {
      this.#now = Math.max(this.#now, next);
      this.#queue.runExpired(this.#now);
    }
    this.#now = end;
  }

  /** Goes on at once, as after a long pause of the host: timers learn of it afterwards. */
  jump(ns: number): void {
    this.#now += ns;
    this.#queue.runExpired(this.#now);
  }
}

/** An interrupt line that remembers its level and counts its rising edges. */
export class TestLine implements IrqLine {
  level = false;
  edges = 0;

  set(level: boolean): void {
    if (level && !this.level) this.edges++;
    this.level = level;
  }
}
