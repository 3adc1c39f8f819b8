/** When to send again: estimates of the round-trip time (RFC 6298). */

import { NS_PER_SECOND } from '../../base/clock.ts';

const INITIAL_NS = NS_PER_SECOND;
/** Deviation: RFC 6298 §2 (2.4) has a second; on a wire of no length that would be a second of silence for nothing. */
const SHORTEST_NS = 0.2 * NS_PER_SECOND;
const LONGEST_NS = 60 * NS_PER_SECOND;
/** Clock granularity G. */
const GRANULARITY_NS = 1_000_000;

export class RoundTrip {
  #smoothedNs: number | undefined;
  #variationNs = 0;
  #backoff = 1;

  get timeoutNs(): number {
    const base =
      this.#smoothedNs === undefined ? INITIAL_NS : this.#smoothedNs + Math.max(GRANULARITY_NS, 4 * this.#variationNs);
    return Math.min(Math.max(base, SHORTEST_NS) * this.#backoff, LONGEST_NS);
  }

  /** §2 (2.2), (2.3). Not for what was sent twice (§3, Karn's algorithm). */
  measured(ns: number): void {
    if (this.#smoothedNs === undefined) {
      this.#smoothedNs = ns;
      this.#variationNs = ns / 2;
    } else {
      this.#variationNs = 0.75 * this.#variationNs + 0.25 * Math.abs(this.#smoothedNs - ns);
      this.#smoothedNs = 0.875 * this.#smoothedNs + 0.125 * ns;
    }
    this.#backoff = 1;
  }

  /** §5 (5.5). */
  backOff(): void {
    this.#backoff = Math.min(this.#backoff * 2, 2 ** 16);
  }

  /** The other side is there again. */
  settle(): void {
    this.#backoff = 1;
  }
}
