/**
 * When the regions that wait are compiled. Those compiled together share a module, and V8 gives each module pages, a
 * jump table and an instance of its own: a kernel's thousand lukewarm regions, spread over hundreds of modules, are
 * slower than the interpreter, for want of instruction fetch. So the more regions there are, the more wait for each other;
 * but not for long, and not where the guest spends its time.
 */

/** Regions that are always enough for a module, and the share of all there are. */
const FEWEST = 16;
const SHARE = 0.3;
/** Samples of one region that show where time goes, if a slice in so many or more has ended there. */
const BURST = 3;
const SPARSE = 8;

/** Slices that have ended in a region, of late. */
export interface Burst {
  count: number;
  /** The slice with which it began. */
  since: number;
}

export class Batching {
  #slice = 0;
  #waited = 0;
  #urgent = false;

  /** A slice has ended while so many regions wait. */
  sliceEnded(waiting: number): void {
    this.#slice++;
    this.#waited = waiting === 0 ? 0 : this.#waited + 1;
  }

  newBurst(): Burst {
    return { count: 0, since: this.#slice };
  }

  /** The slice has ended in the region with this burst; whether much of the guest's time goes there now. */
  isBusy(burst: Burst): boolean {
    if (this.#slice - burst.since > SPARSE * (burst.count + 2)) {
      burst.since = this.#slice;
      burst.count = 0;
    }
    return ++burst.count >= BURST;
  }

  /** What waits is not to wait any longer. */
  hurry(): void {
    this.#urgent = true;
  }

  /** Whether so many regions wait that they need not wait for the slice to end. */
  isFull(waiting: number, regions: number): boolean {
    return waiting >= Math.max(FEWEST, regions * SHARE);
  }

  isDue(waiting: number, regions: number): boolean {
    return this.#urgent || this.#waited >= FEWEST + regions / 8 || this.isFull(waiting, regions);
  }

  /** Nothing waits any more. */
  begun(): void {
    this.#waited = 0;
    this.#urgent = false;
  }
}
