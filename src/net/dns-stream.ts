/** DNS over TCP (RFC 1035 §4.2.2, RFC 7766) to the guest's name server: a stream that ends in the forwarder. */

import { get16, put16 } from './bytes.ts';
import type { DnsForwarder } from './dns-forwarder.ts';
import type { HostStream, HostStreamEvents } from './sockets.ts';

const LENGTH_BYTES = 2;
/** Questions are short; whoever sends longer ones is not asking. */
const LONGEST_QUERY_BYTES = 4096;

export class DnsStream implements HostStream {
  readonly pendingBytes = 0;
  readonly #forwarder: DnsForwarder;
  #events: HostStreamEvents | undefined;
  #gathered = new Uint8Array(0);
  #unanswered = 0;
  #hasEnded = false;

  constructor(forwarder: DnsForwarder, events: HostStreamEvents) {
    this.#forwarder = forwarder;
    this.#events = events;
    this.#later((later) => later.opened());
  }

  write(bytes: Uint8Array): void {
    let rest = new Uint8Array(this.#gathered.length + bytes.length);
    rest.set(this.#gathered);
    rest.set(bytes, this.#gathered.length);
    while (rest.length >= LENGTH_BYTES) {
      const length = get16(rest, 0);
      if (length > LONGEST_QUERY_BYTES) {
        this.#later((later) => {
          this.destroy();
          later.closed('reset');
        });
        return;
      }
      if (rest.length < LENGTH_BYTES + length) break;
      this.#ask(rest.slice(LENGTH_BYTES, LENGTH_BYTES + length));
      rest = rest.slice(LENGTH_BYTES + length);
    }
    this.#gathered = rest;
  }

  end(): void {
    this.#hasEnded = true;
    this.#later(() => this.#close());
  }

  destroy(): void {
    this.#events = undefined;
  }

  pause(): void {}

  resume(): void {}

  #ask(query: Uint8Array): void {
    this.#unanswered++;
    const isAsked = this.#forwarder.ask(query, 'tcp', (answer) => {
      this.#unanswered--;
      const message = new Uint8Array(LENGTH_BYTES + answer.length);
      put16(message, 0, answer.length);
      message.set(answer, LENGTH_BYTES);
      this.#events?.received(message);
      this.#close();
    });
    if (!isAsked) this.#unanswered--;
  }

  /** Over, once nobody asks any more and everything is answered. */
  #close(): void {
    if (!this.#hasEnded || this.#unanswered > 0) return;
    const events = this.#events;
    this.#events = undefined;
    events?.ended();
    events?.closed(undefined);
  }

  #later(event: (events: HostStreamEvents) => void): void {
    queueMicrotask(() => {
      if (this.#events !== undefined) event(this.#events);
    });
  }
}
