/** Who waits for a snapshot of a guest that runs, and for how long. */

import type { Capture, SnapshotOptions } from './guest-snapshot.ts';

/** How long a snapshot waits for the disks to be at rest: as many turns of the run loop. */
const MOST_RESTLESS_TURNS = 20_000;

interface Waiting {
  readonly options: SnapshotOptions;
  taken(captured: Capture): void;
  refused(error: Error): void;
}

export class Captures {
  #waiting: Waiting[] = [];
  /** Turns that the disks have had to come to rest. */
  #restlessTurns = 0;

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  ask(options: SnapshotOptions): Promise<Capture> {
    return new Promise((taken, refused) => {
      this.#waiting.push({ options, taken, refused });
    });
  }

  /**
   * To be asked once a turn. While the disks are at rest, if they come to: then the guest that is restored sees their
   * answers when this one does. Else devices ask again for what they wait for.
   */
  isDue(isAtRest: boolean): boolean {
    return !this.isEmpty && (isAtRest || ++this.#restlessTurns > MOST_RESTLESS_TURNS);
  }

  take(capture: (options: SnapshotOptions) => Capture): void {
    for (const { options, taken } of this.#all()) taken(capture(options));
  }

  refuse(error: Error): void {
    for (const { refused } of this.#all()) refused(error);
  }

  #all(): Waiting[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#restlessTurns = 0;
    return waiting;
  }
}
