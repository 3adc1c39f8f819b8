/** How many instructions the run loop has a vCPU run at a time, by the speed of those before. */

/** Bounds of a slice, in instructions. The upper one limits what code that suddenly becomes slower can cost. */
const LONGEST = 50_000;
const SHORTEST = 1_000;
/** How long a slice is to take at most. */
const MOST_MS = 4;
/** The same while a device waits for the host, which gets its turn after each slice. */
const MOST_MS_BUSY = 0.1;
/** Slices that take less than this together say nothing about speed. */
const SHORTEST_SAMPLE_MS = 0.2;

export class SliceLength {
  /** Instructions a millisecond, measured: down at once, up by and by. */
  #speed = 50_000;
  /** What ran since the speed was last brought up to date. */
  #sample = { instructions: 0, milliseconds: 0 };

  /** Of the next slice at most, in instructions. `busy`: somebody waits for the host. */
  longest(busy: boolean): number {
    return Math.min(LONGEST, Math.max(SHORTEST, (busy ? MOST_MS_BUSY : MOST_MS) * this.#speed));
  }

  /** Instructions that about so much time has room for; not so few that slices are mostly overhead. */
  within(milliseconds: number): number {
    return Math.max(SHORTEST, milliseconds * this.#speed);
  }

  ran(instructions: number, milliseconds: number): void {
    const sample = this.#sample;
    sample.instructions += instructions;
    sample.milliseconds += milliseconds;
    if (sample.milliseconds < SHORTEST_SAMPLE_MS) return;
    const speed = sample.instructions / sample.milliseconds;
    this.#speed = Math.min(speed, 0.8 * this.#speed + 0.2 * speed);
    this.#sample = { instructions: 0, milliseconds: 0 };
  }
}
