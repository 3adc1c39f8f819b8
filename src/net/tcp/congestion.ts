/**
 * How much may be on its way: slow start, congestion avoidance, fast retransmit and recovery (RFC 5681), with partial
 * acknowledgments (RFC 6582). One short wire needs little of it, but the queue before the guest's card is bounded, and
 * connections share it.
 */

/** RFC 6928 §2, in segments. */
const INITIAL_WINDOW = 10;
const DUPLICATES = 3;

export class Congestion {
  readonly #mss: number;
  #window: number;
  #threshold = Number.POSITIVE_INFINITY;
  #duplicates = 0;
  #isRecovering = false;

  constructor(mss: number) {
    this.#mss = mss;
    this.#window = INITIAL_WINDOW * mss;
  }

  get windowBytes(): number {
    return this.#window;
  }

  get isRecovering(): boolean {
    return this.#isRecovering;
  }

  /** New bytes are acknowledged; `recovered`: up to all that was on its way when recovery began. */
  acknowledged(bytes: number, recovered: boolean): void {
    this.#duplicates = 0;
    if (!this.#isRecovering) {
      // RFC 5681 §3.1 (2) and (3).
      if (this.#window < this.#threshold) this.#window += Math.min(bytes, this.#mss);
      else this.#window += Math.max(1, Math.floor((this.#mss * this.#mss) / this.#window));
    } else if (recovered) {
      this.#isRecovering = false;
      this.#window = this.#threshold;
    } else {
      // RFC 6582 §3.2 step 3, "Partial acknowledgments".
      this.#window = Math.max(this.#mss, this.#window - bytes + (bytes >= this.#mss ? this.#mss : 0));
    }
  }

  /** The same acknowledgment again, with `flight` bytes on their way. True when the first of them is to be repeated. */
  duplicate(flight: number): boolean {
    if (this.#isRecovering) {
      this.#window += this.#mss;
      return false;
    }
    this.#duplicates++;
    if (this.#duplicates < DUPLICATES) return false;
    this.#threshold = this.#half(flight);
    this.#window = this.#threshold + DUPLICATES * this.#mss;
    this.#isRecovering = true;
    return true;
  }

  /** Nothing came back in time: from the start again (RFC 5681 §3.1 (4), (5)). */
  timedOut(flight: number): void {
    this.#threshold = this.#half(flight);
    this.#window = this.#mss;
    this.#duplicates = 0;
    this.#isRecovering = false;
  }

  #half(flight: number): number {
    return Math.max(Math.floor(flight / 2), 2 * this.#mss);
  }
}
