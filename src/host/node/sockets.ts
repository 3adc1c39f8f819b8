/** Sockets of Node for the network behind a guest's card: `HostSockets` by way of node:net, node:dgram and node:dns. */

import { createSocket, type Socket as DatagramSocket, type RemoteInfo } from 'node:dgram';
import { connect, createServer, isIPv6, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { VivariumError } from '../../base/errors.ts';
import { formatIpv4, parseIpv4 } from '../../net/addresses.ts';
import { ByteQueue } from '../../net/byte-queue.ts';
import type {
  DatagramListener,
  Destination,
  HostDatagramEvents,
  HostDatagrams,
  HostSockets,
  HostStream,
  HostStreamEvents,
  ListenAddress,
  Listener,
  Peer,
  StreamProblem,
} from '../../net/sockets.ts';
import { resolve } from './dns-client.ts';

/** How long the host's addresses are taken for what they were: asking takes a tenth of a millisecond. */
const ADDRESSES_MS = 1000;
/** Datagrams kept until the socket takes them. */
const LARGEST_UNSENT_COUNT = 64;
const LARGEST_UNSENT_BYTES = 1 << 20;
const LARGEST_WRITE_BYTES = 1 << 16;

export class NodeSockets implements HostSockets {
  #own = new Set<number>();
  #askedMs = Number.NEGATIVE_INFINITY;

  connect(to: Destination, events: HostStreamEvents): HostStream {
    const socket = connect({ host: formatIpv4(to.address), port: to.port, allowHalfOpen: true, noDelay: true });
    return new NodeStream(socket, events, to.isHost);
  }

  datagrams(to: Destination, events: HostDatagramEvents): HostDatagrams {
    return new NodeDatagrams(to, events);
  }

  isOwnAddress(address: number): boolean {
    const now = performance.now();
    if (now - this.#askedMs > ADDRESSES_MS) {
      this.#askedMs = now;
      const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
      this.#own = new Set(all.flatMap((own) => parseIpv4(own.address) ?? []));
    }
    return this.#own.has(address);
  }

  listen(at: ListenAddress, accept: (stream: HostStream) => HostStreamEvents | undefined): Promise<Listener> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const stream = new NodeStream(socket, undefined, true);
      const events = accept(stream);
      if (events === undefined) stream.destroy();
      else stream.events = events;
    });
    return new Promise((listening, failed) => {
      server.once('error', (error) => failed(listenError('TCP', at, error)));
      server.listen({ host: at.address, port: at.port, exclusive: true }, () => {
        // What cannot be accepted, for want of descriptors for instance, is not our guest's business.
        server.on('error', () => {});
        listening({ close: () => server.close() });
      });
    });
  }

  listenDatagrams(at: ListenAddress, received: (peer: Peer, bytes: Uint8Array) => void): Promise<DatagramListener> {
    const socket = createSocket(isIPv6(at.address) ? 'udp6' : 'udp4');
    const peers = new Map<Peer, { readonly address: string; readonly port: number }>();
    socket.on('message', (bytes, { address, port }: RemoteInfo) => {
      const peer = `${address} ${port}`;
      peers.set(peer, { address, port });
      received(peer, bytes);
    });
    return new Promise((listening, failed) => {
      socket.once('error', (error) => {
        socket.close();
        failed(listenError('UDP', at, error));
      });
      socket.bind({ address: at.address, port: at.port, exclusive: true }, () => {
        socket.on('error', () => {});
        listening({
          send: (peer, bytes) => {
            const to = peers.get(peer);
            if (to && hasRoom(socket)) socket.send(bytes, to.port, to.address, () => {});
          },
          forget: (peer) => peers.delete(peer),
          close: () => socket.close(),
        });
      });
    });
  }

  resolve(message: Uint8Array, over: 'udp' | 'tcp'): Promise<Uint8Array | undefined> {
    return resolve(message, over);
  }
}

class NodeStream implements HostStream {
  events: HostStreamEvents | undefined;
  readonly #socket: Socket;
  #problem: StreamProblem | undefined;
  #isOpen: boolean;
  /** Bytes of the write that the socket is at, and those behind it: one write at a time, however small the pieces. */
  #writing = 0;
  readonly #waiting = new ByteQueue();
  #isEnding = false;

  constructor(socket: Socket, events: HostStreamEvents | undefined, mayBeHost: boolean) {
    this.#socket = socket;
    this.events = events;
    this.#isOpen = !socket.connecting;
    socket.on('connect', () => {
      // Addresses that lead to the host without being known as its own: then both ends are the same.
      if (!mayBeHost && socket.localAddress === socket.remoteAddress) {
        this.#problem = 'refused';
        socket.destroy();
        return;
      }
      this.#isOpen = true;
      this.events?.opened();
    });
    socket.on('data', (bytes) => this.events?.received(bytes));
    socket.on('end', () => this.events?.ended());
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#problem = this.#isOpen ? 'reset' : problemOf(error);
    });
    socket.on('close', () => {
      const { events: told } = this;
      this.events = undefined;
      told?.closed(this.#problem);
    });
  }

  get pendingBytes(): number {
    return this.#writing + this.#waiting.length;
  }

  write(bytes: Uint8Array): void {
    if (!this.#socket.writable || this.#isEnding) return;
    if (this.#writing === 0) this.#write(bytes);
    else this.#waiting.push(bytes);
  }

  end(): void {
    this.#isEnding = true;
    if (this.#writing === 0) this.#socket.end();
  }

  #write(bytes: Uint8Array): void {
    this.#writing = bytes.length;
    this.#socket.write(bytes, () => this.#written());
  }

  #written(): void {
    this.#writing = 0;
    if (!this.#socket.writable) return;
    if (this.#waiting.length > 0) {
      const next = this.#waiting.copy(0, LARGEST_WRITE_BYTES);
      this.#waiting.discard(next.length);
      this.#write(next);
    } else if (this.#isEnding) {
      this.#socket.end();
    }
    this.events?.drained();
  }

  destroy(): void {
    this.events = undefined;
    // A reset is sent once there is a connection: where there is none yet, none should come to be.
    if (this.#isOpen) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }
}

function problemOf({ code }: NodeJS.ErrnoException): StreamProblem {
  if (code === 'ECONNREFUSED') return 'refused';
  if (code === 'ECONNRESET') return 'reset';
  return code === 'ETIMEDOUT' ? 'timeout' : 'unreachable';
}

class NodeDatagrams implements HostDatagrams {
  readonly #socket: DatagramSocket;
  #events: HostDatagramEvents | undefined;
  /** Until the socket is connected. */
  #unsent: Uint8Array[] | undefined = [];

  constructor(to: Destination, events: HostDatagramEvents) {
    this.#events = events;
    this.#socket = createSocket('udp4');
    this.#socket.on('message', (bytes) => this.#events?.received(bytes));
    this.#socket.on('error', () => this.#fail());
    // Connected: the host's stack keeps others' datagrams away, and reports that nobody listens.
    this.#socket.connect(to.port, formatIpv4(to.address), (error?: Error) => this.#connected(to, error));
  }

  send(bytes: Uint8Array): void {
    if (this.#events === undefined) return;
    if (this.#unsent !== undefined) {
      if (this.#unsent.length < LARGEST_UNSENT_COUNT) this.#unsent.push(bytes);
    } else if (hasRoom(this.#socket)) {
      this.#socket.send(bytes, (error) => {
        if ((error as NodeJS.ErrnoException | null)?.code === 'ECONNREFUSED') this.#fail();
      });
    }
  }

  close(): void {
    if (this.#events === undefined) return;
    this.#events = undefined;
    this.#socket.close();
  }

  #connected(to: Destination, error: Error | undefined): void {
    if (this.#events === undefined) return;
    const isHost = error === undefined && this.#socket.address().address === formatIpv4(to.address);
    if (error !== undefined || (isHost && !to.isHost)) {
      this.#fail();
      return;
    }
    const unsent = this.#unsent ?? [];
    this.#unsent = undefined;
    for (const bytes of unsent) this.send(bytes);
  }

  #fail(): void {
    const events = this.#events;
    this.close();
    events?.unreachable();
  }
}

function hasRoom(socket: DatagramSocket): boolean {
  return socket.getSendQueueCount() < LARGEST_UNSENT_COUNT && socket.getSendQueueSize() < LARGEST_UNSENT_BYTES;
}

/** Why a port cannot be listened on, in a sentence. */
export function listenError(
  transport: string,
  { address, port }: ListenAddress,
  error: NodeJS.ErrnoException,
): VivariumError {
  const reasons: Record<string, string> = {
    EADDRINUSE: 'it is in use already',
    EACCES: 'that takes privileges',
    EADDRNOTAVAIL: 'the host does not have the address',
  };
  const reason = reasons[error.code ?? ''] ?? error.message;
  const host = isIPv6(address) ? `[${address}]` : address;
  const message = `${transport} port ${port} of ${host} cannot be listened on: ${reason}.`;
  return new VivariumError({ kind: 'host' }, message, { cause: error });
}
