/**
 * The timer of a local APIC: one-shot, periodic and TSC-deadline (SDM Vol. 3A §11.5.4 "APIC Timer"). It does not run;
 * the count follows from when it was started, and a timer of the clock is armed only when an interrupt may come of it.
 *
 * Deviation: periods that end while nobody could see them come as one interrupt, and a period is at least 1 µs.
 */

import { type Clock, NS_PER_SECOND, type Timer } from '../base/clock.ts';

const MODE_ONE_SHOT = 0;
const MODE_PERIODIC = 1;
const MODE_TSC_DEADLINE = 2;
const MASKED = 1 << 16;
const SHORTEST_PERIOD_NS = 1000;

/** The part of the local APIC's state that is the timer's. */
export interface ApicTimerState {
  initialCount: number;
  divide: number;
  /** When the count was at its initial value. */
  countStartNs: number;
  /** TSC value, in halves; zero when disarmed. */
  deadlineLow: number;
  deadlineHigh: number;
  readonly lvt: Uint32Array;
}

export interface ApicTimerHost {
  readonly clock: Clock;
  /** Rate of the count before the divider. */
  readonly timerHz: number;
  /** Virtual time at which the guest's TSC has this value. */
  tscToNs(tsc: number): number;
}

export class ApicTimer {
  readonly #state: ApicTimerState;
  readonly #host: ApicTimerHost;
  readonly #expired: () => void;
  readonly #timer: Timer;

  constructor(state: ApicTimerState, host: ApicTimerHost, expired: () => void) {
    this.#state = state;
    this.#host = host;
    this.#expired = expired;
    this.#timer = host.clock.timer(() => this.#expire());
  }

  currentCount(): number {
    const { initialCount } = this.#state;
    const mode = this.#mode();
    if (initialCount === 0 || mode > MODE_PERIODIC) return 0;
    const ticks = Math.floor((this.#host.clock.now() - this.#state.countStartNs) / this.#tickNs());
    if (mode === MODE_PERIODIC) return initialCount - (Math.max(ticks, 0) % initialCount);
    return Math.min(Math.max(initialCount - ticks, 0), initialCount);
  }

  writeInitialCount(value: number): void {
    if (this.#mode() === MODE_TSC_DEADLINE) return;
    this.#state.initialCount = value;
    this.#state.countStartNs = this.#host.clock.now();
    this.arm();
  }

  /** The count goes on from where it is, at another rate. */
  writeDivide(value: number): void {
    const s = this.#state;
    const passed = s.initialCount - this.currentCount();
    s.divide = value;
    s.countStartNs = this.#host.clock.now() - passed * this.#tickNs();
    this.arm();
  }

  /** SDM §11.5.4.1 "TSC-Deadline Mode": going into that mode or out of it disarms the timer. */
  writeEntry(value: number): void {
    const s = this.#state;
    const wasDeadline = this.#mode() === MODE_TSC_DEADLINE;
    s.lvt[0] = value;
    if (wasDeadline !== (this.#mode() === MODE_TSC_DEADLINE)) {
      s.initialCount = 0;
      s.deadlineLow = 0;
      s.deadlineHigh = 0;
    }
    this.arm();
  }

  /** Ignored, as the SDM says, in the other modes. */
  writeDeadline(low: number, high: number): void {
    if (this.#mode() !== MODE_TSC_DEADLINE) return;
    this.#state.deadlineLow = low;
    this.#state.deadlineHigh = high;
    this.arm();
  }

  /** Makes the clock's timer agree with the state. */
  arm(): void {
    this.#timer.arm(this.#deadlineNs());
  }

  #mode(): number {
    return (this.#state.lvt[0] >>> 17) & 3;
  }

  /** SDM figure 11-10 "Divide Configuration Register": 0 to 6 mean 2 to 128, 7 means 1. */
  #tickNs(): number {
    const code = (this.#state.divide & 3) | ((this.#state.divide >> 1) & 4);
    return ((code === 7 ? 1 : 2 << code) * NS_PER_SECOND) / this.#host.timerHz;
  }

  #deadlineNs(): number {
    const s = this.#state;
    const mode = this.#mode();
    if (mode === MODE_TSC_DEADLINE) {
      const tsc = s.deadlineHigh * 0x1_0000_0000 + s.deadlineLow;
      return tsc === 0 ? Number.POSITIVE_INFINITY : this.#host.tscToNs(tsc);
    }
    if (s.initialCount === 0 || s.lvt[0] & MASKED || mode > MODE_PERIODIC) return Number.POSITIVE_INFINITY;
    const now = this.#host.clock.now();
    const lengthNs = s.initialCount * this.#tickNs();
    if (mode === MODE_ONE_SHOT) {
      const endNs = s.countStartNs + lengthNs;
      return endNs > now ? endNs : Number.POSITIVE_INFINITY;
    }
    const periods = Math.floor((now - s.countStartNs) / lengthNs) + 1;
    // Always after now, whatever rounding does, so that an expiry cannot follow itself at once.
    const soonestNs = now + (lengthNs < SHORTEST_PERIOD_NS ? SHORTEST_PERIOD_NS : 1);
    return Math.max(s.countStartNs + periods * lengthNs, soonestNs);
  }

  #expire(): void {
    const s = this.#state;
    const mode = this.#mode();
    if (mode === MODE_TSC_DEADLINE) {
      s.deadlineLow = 0;
      s.deadlineHigh = 0;
    }
    if (mode === MODE_PERIODIC) this.arm();
    this.#expired();
  }
}
