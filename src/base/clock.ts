/**
 * Virtual time as devices see it: nanoseconds since the guest was powered on, as doubles (exact to the nanosecond
 * for 104 days, to 2 ns for twice that). It stands still while a guest is paused.
 */

export interface Clock {
  /** Virtual nanoseconds since power-on; never goes back. */
  now(): number;
  /** A new timer, disarmed. `expired` runs at or shortly after the deadline, with the timer disarmed again. */
  timer(expired: () => void): Timer;
}

export interface Timer {
  /** Sets or moves the deadline. One that has passed already expires as soon as timers are next looked at. */
  arm(deadlineNs: number): void;
  disarm(): void;
  /** Infinity while disarmed. */
  readonly deadlineNs: number;
}

export const NS_PER_SECOND = 1_000_000_000;
