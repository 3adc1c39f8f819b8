/** One guest from start to end: why it stops (the first reason given stands), and who keeps it waiting. */

import type { RunnableGuest } from '../vmm/guest-options.ts';
import type { Ending } from './exit-status.ts';

/** What a guest writes to, and may have to wait for. */
type Sink = 'output' | 'trace' | 'capture';

export class Session {
  #guest: RunnableGuest | undefined;
  #ending: Ending | undefined;
  #hasEnded = false;
  readonly #waitingFor = new Set<Sink>();

  /** Runs `guest` until it ends itself, or `end` is called. */
  async run(guest: RunnableGuest): Promise<Ending> {
    if (this.#ending) return this.#ending;
    this.#guest = guest;
    try {
      const end = await guest.run();
      this.#ending = end.kind === 'stopped' && this.#ending ? this.#ending : { by: 'guest', end };
      return this.#ending;
    } finally {
      this.#hasEnded = true;
    }
  }

  /** Ends the run for a reason of ours; false when it had ended before. */
  end(reason: Ending): boolean {
    if (this.#hasEnded) return false;
    this.#ending ??= reason;
    this.#guest?.stop();
    return true;
  }

  pauseFor(sink: Sink): void {
    this.#waitingFor.add(sink);
    this.#guest?.pause();
  }

  resumeFrom(sink: Sink): void {
    this.#waitingFor.delete(sink);
    if (this.#waitingFor.size === 0) this.#guest?.resume();
  }
}
