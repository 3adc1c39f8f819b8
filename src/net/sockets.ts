/**
 * What the network back end wants of its host: streams, datagrams and answers to DNS queries. A platform implements
 * these; the back end decides what is asked for, and nothing here reaches out by itself.
 *
 * No event may come from inside the call that causes it. None comes after `closed` or after `destroy`.
 */

/** Why a stream came to nothing. */
export type StreamProblem = 'refused' | 'unreachable' | 'timeout' | 'reset';

export interface HostStreamEvents {
  /** Connected. Streams that were accepted are so from the start, and get no such event. */
  opened(): void;
  /** Bytes that may be kept. */
  received(bytes: Uint8Array): void;
  /** The other side sends no more; it may still receive. */
  ended(): void;
  /** Bytes written before have been taken: `pendingBytes` is smaller, and sooner or later zero. */
  drained(): void;
  /** The stream is gone, both ways; without a problem when both sides had ended it. */
  closed(problem: StreamProblem | undefined): void;
}

export interface HostStream {
  /** Written and not taken by the host yet. */
  readonly pendingBytes: number;
  /** Takes all bytes; whoever writes watches `pendingBytes`. */
  write(bytes: Uint8Array): void;
  /** Sends no more. */
  end(): void;
  /** Gives the stream up, with a reset towards the other side where it is not over. */
  destroy(): void;
  /** No more `received`, soon, until `resume`. */
  pause(): void;
  resume(): void;
}

export interface HostDatagramEvents {
  received(bytes: Uint8Array): void;
  /** The other side said that nobody listens, or the way there is closed. */
  unreachable(): void;
}

/** Datagrams to and from one address and port. */
export interface HostDatagrams {
  send(bytes: Uint8Array): void;
  close(): void;
}

/** Where the user wants to be listened. */
export interface ListenAddress {
  /** An IPv4 or IPv6 address. */
  readonly address: string;
  readonly port: number;
}

/** Who sent a datagram to a port that is listened on: equal texts are the same sender. */
export type Peer = string;

export interface DatagramListener {
  /** Answers to a peer that has sent something; others are ignored. */
  send(peer: Peer, bytes: Uint8Array): void;
  forget(peer: Peer): void;
  close(): void;
}

export interface Listener {
  close(): void;
}

/** A service outside, or one of the host's loopback that the user has opened. */
export interface Destination {
  readonly address: number;
  readonly port: number;
  /** A connection that turns out to end at the host itself is given up, unless it was meant to. */
  readonly isHost: boolean;
}

export interface HostSockets {
  connect(to: Destination, events: HostStreamEvents): HostStream;
  datagrams(to: Destination, events: HostDatagramEvents): HostDatagrams;
  /** Whether the host has this address at the moment. */
  isOwnAddress(address: number): boolean;
  /** Rejects with a VivariumError that names address and port when the port cannot be had. */
  listen(at: ListenAddress, accept: (stream: HostStream) => HostStreamEvents | undefined): Promise<Listener>;
  listenDatagrams(at: ListenAddress, received: (peer: Peer, bytes: Uint8Array) => void): Promise<DatagramListener>;
  /** Asks the host's name server; undefined when it does not answer. Never rejects. `message` is a whole DNS message. */
  resolve(message: Uint8Array, over: 'udp' | 'tcp'): Promise<Uint8Array | undefined>;
}
