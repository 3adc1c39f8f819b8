/**
 * A TCP connection of the guest and the host's stream that carries it on. Each side waits for the other: what the host
 * has not taken closes the guest's window, what the guest has not acknowledged pauses the host's stream.
 */

import type { Ipv4Packet } from '../ipv4.ts';
import type { HostStream, HostStreamEvents, StreamProblem } from '../sockets.ts';
import { TcpConnection, type TcpEvents, type TcpHost } from './connection.ts';
import { ACK, RST, type Segment } from './segment.ts';
import { plus } from './sequence.ts';

export interface RelayHost extends Omit<TcpHost, 'events'> {
  /** The guest's SYN came to nothing. */
  refused(packet: Ipv4Packet, problem: StreamProblem): void;
}

/** A connection that the guest asks for: it is answered when the host's stream is open. */
interface Opening {
  readonly syn: Segment;
  readonly packet: Ipv4Packet;
}

export class TcpRelay {
  readonly #host: RelayHost;
  #opening: Opening | undefined;
  #connection: TcpConnection | undefined;
  #stream: HostStream | undefined;
  #isPaused = false;

  private constructor(host: RelayHost, opening: Opening | undefined) {
    this.#host = host;
    this.#opening = opening;
  }

  /** From the guest to the outside. */
  static outwards(host: RelayHost, opening: Opening, connect: (events: HostStreamEvents) => HostStream): TcpRelay {
    const relay = new TcpRelay(host, opening);
    relay.#stream = connect(relay.streamEvents);
    return relay;
  }

  /** From the outside to the guest. */
  static inwards(host: RelayHost, stream: HostStream): TcpRelay {
    const relay = new TcpRelay(host, undefined);
    relay.#stream = stream;
    relay.#connection = TcpConnection.connect({ ...host, events: relay.#connectionEvents });
    return relay;
  }

  /** The host's stream is not open yet. */
  get isOpening(): boolean {
    return this.#opening !== undefined;
  }

  get connection(): TcpConnection | undefined {
    return this.#connection;
  }

  receive(segment: Segment): void {
    if (this.#connection !== undefined) this.#connection.receive(segment);
    else if (segment.flags & RST && segment.sequence === plus(this.#opening?.syn.sequence ?? 0, 1)) this.abort();
  }

  /** Gives up both sides. */
  abort(): void {
    this.#stream?.destroy();
    this.#stream = undefined;
    if (this.#connection !== undefined) this.#connection.abort();
    else this.#host.released();
  }

  readonly streamEvents: HostStreamEvents = {
    opened: () => {
      if (this.#opening === undefined) return;
      const { syn } = this.#opening;
      this.#opening = undefined;
      this.#connection = TcpConnection.accept({ ...this.#host, events: this.#connectionEvents }, syn);
    },
    received: (bytes) => {
      this.#connection?.write(bytes);
      this.#throttle();
    },
    ended: () => this.#connection?.end(),
    drained: () => this.#connection?.consumed(),
    closed: (problem) => {
      this.#stream = undefined;
      if (this.#opening !== undefined) {
        this.#host.released();
        this.#host.refused(this.#opening.packet, problem ?? 'refused');
      } else if (problem !== undefined) {
        this.#connection?.abort();
      } else {
        this.#connection?.end();
      }
    },
  };

  readonly #connectionEvents: TcpEvents = {
    opened: () => {},
    received: (bytes) => this.#stream?.write(bytes),
    unconsumedBytes: () => this.#stream?.pendingBytes ?? 0,
    ended: () => this.#stream?.end(),
    progressed: () => this.#throttle(),
    closed: (ending) => {
      if (ending !== 'done') this.#stream?.destroy();
      this.#stream = undefined;
    },
  };

  /** Pauses a stream that is far ahead of the guest; resumes it when half of that is gone. */
  #throttle(): void {
    const queued = this.#connection?.queuedBytes ?? 0;
    const capacity = this.#host.capacityBytes();
    if (!this.#isPaused && queued >= capacity) {
      this.#isPaused = true;
      this.#stream?.pause();
    } else if (this.#isPaused && queued <= capacity / 2) {
      this.#isPaused = false;
      this.#stream?.resume();
    }
  }
}

/** The answer to a segment that belongs to no connection (RFC 9293 §3.10.7.1); undefined to a reset. */
export function resetFor(segment: Segment, lengthBytes: number): Segment | undefined {
  if (segment.flags & RST) return undefined;
  const isAcknowledging = (segment.flags & ACK) !== 0;
  return {
    sourcePort: segment.destinationPort,
    destinationPort: segment.sourcePort,
    sequence: isAcknowledging ? segment.acknowledgment : 0,
    acknowledgment: isAcknowledging ? 0 : plus(segment.sequence, lengthBytes),
    flags: isAcknowledging ? RST : RST | ACK,
    window: 0,
    payload: new Uint8Array(0),
  };
}
