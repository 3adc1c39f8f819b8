/**
 * The wire to the guest's card: frames it has no room for wait here, so many and no more. What comes then is lost, as
 * in any switch; TCP notices.
 */

import type { NetworkDevice } from '../base/network.ts';
import type { NetworkStatistics } from './statistics.ts';

/** Some 400 KB of full frames. */
const QUEUE_FRAMES = 256;

export interface LinkHost {
  /** A frame is on its way. */
  sent?(frame: Uint8Array): void;
  /** The card has taken a frame: an idle guest should look. */
  delivered(): void;
}

export class Link {
  readonly #host: LinkHost;
  readonly #statistics: NetworkStatistics;
  #device: NetworkDevice | undefined;
  #queue: Uint8Array[] = [];
  #isDelivering = false;
  #isSilent = false;

  constructor(host: LinkHost, statistics: NetworkStatistics) {
    this.#host = host;
    this.#statistics = statistics;
  }

  get queued(): number {
    return this.#queue.length;
  }

  attach(device: NetworkDevice): void {
    this.#device = device;
    device.onReady = () => this.#deliver();
    this.#deliver();
  }

  /** While `work` runs, nothing is sent; what waited is gone. */
  silently(work: () => void): void {
    this.#isSilent = true;
    try {
      work();
    } finally {
      this.#isSilent = false;
      this.#queue = [];
    }
  }

  send(frame: Uint8Array): void {
    if (this.#isSilent) return;
    if (this.#queue.length === QUEUE_FRAMES) {
      this.#statistics.drop('queue');
      return;
    }
    this.#host.sent?.(frame);
    this.#queue.push(frame);
    this.#deliver();
  }

  #deliver(): void {
    // A card may say that it is ready from inside `receive`.
    if (this.#isDelivering || this.#device === undefined) return;
    this.#isDelivering = true;
    try {
      for (let frame = this.#queue[0]; frame !== undefined; frame = this.#queue[0]) {
        if (!this.#device.receive(frame)) return;
        this.#queue.shift();
        this.#statistics.received++;
        this.#host.delivered();
      }
    } finally {
      this.#isDelivering = false;
    }
  }
}
