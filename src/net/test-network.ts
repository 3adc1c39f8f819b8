/** For tests: a clock that is told the time, a host without sockets, a wire, and a guest with a stack of its own. */

import type { Clock, Timer } from '../base/clock.ts';
import { ETHERNET_HEADER_BYTES, type NetworkDevice, type NetworkPort } from '../base/network.ts';
import { TimerQueue } from '../base/timer-queue.ts';
import { FIRST_GUEST, GATEWAY, GATEWAY_MAC } from './addresses.ts';
import { arpFrame, parseArp } from './arp.ts';
import { get16 } from './bytes.ts';
import { Deadlines } from './deadlines.ts';
import { payloadOf, putEthernetHeader, TYPE_ARP, TYPE_IPV4 } from './ethernet.ts';
import { type Ipv4Packet, ipv4Frames, PROTOCOL_TCP, PROTOCOL_UDP, parseIpv4Packet } from './ipv4.ts';
import type {
  DatagramListener,
  Destination,
  HostDatagramEvents,
  HostSockets,
  HostStream,
  HostStreamEvents,
  Peer,
} from './sockets.ts';
import { TcpConnection, type TcpEnding } from './tcp/connection.ts';
import { parseTcp, type Segment, tcpPacket } from './tcp/segment.ts';
import { udpPacket } from './udp.ts';

export const GUEST_MAC: Uint8Array = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56);

export class TestClock implements Clock {
  readonly #queue = new TimerQueue();
  #now = 0;

  now(): number {
    return this.#now;
  }

  timer(expired: () => void): Timer {
    return this.#queue.timer(expired);
  }

  /** Goes on, stopping at each deadline on the way. */
  advance(ns: number): void {
    const end = this.#now + ns;
    for (let next = this.#queue.nextDeadlineNs(); next <= end; next = this.#queue.nextDeadlineNs()) {
      this.#now = Math.max(this.#now, next);
      this.#queue.runExpired(this.#now);
    }
    this.#now = end;
  }
}

/** Numbers that are the same each time (Mulberry32). */
export function testRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** A stream whose other side is the test: what was done to it is written down. */
export class TestStream implements HostStream {
  readonly to: Destination | undefined;
  readonly events: HostStreamEvents;
  readonly written: Uint8Array[] = [];
  pendingBytes = 0;
  hasEnded = false;
  isDestroyed = false;
  isPaused = false;
  /** Keeps bytes until `drain`. */
  isSlow = false;
  /** What the test has made of it. */
  isOpen = false;
  isEnded = false;
  isGone = false;

  constructor(to: Destination | undefined, events: HostStreamEvents) {
    this.to = to;
    this.events = events;
  }

  open(): void {
    this.isOpen = true;
    this.events.opened();
  }

  get text(): string {
    return this.written.map((bytes) => new TextDecoder().decode(bytes)).join('');
  }

  write(bytes: Uint8Array): void {
    this.written.push(bytes);
    if (this.isSlow) this.pendingBytes += bytes.length;
  }

  drain(): void {
    this.pendingBytes = 0;
    this.events.drained();
  }

  end(): void {
    this.hasEnded = true;
  }

  destroy(): void {
    this.isDestroyed = true;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }
}

export interface TestDatagrams {
  readonly to: Destination;
  readonly events: HostDatagramEvents;
  readonly sent: Uint8Array[];
  isClosed: boolean;
}

export class TestSockets implements HostSockets {
  readonly streams: TestStream[] = [];
  readonly datagramSockets: TestDatagrams[] = [];
  readonly queries: { message: Uint8Array; over: string; answer(message: Uint8Array | undefined): void }[] = [];
  everConnected = 0;
  everAsked = 0;
  readonly own = new Set<number>();
  accept: ((stream: HostStream) => HostStreamEvents | undefined) | undefined;
  receivedDatagram: ((peer: Peer, bytes: Uint8Array) => void) | undefined;
  readonly replies: { peer: Peer; bytes: Uint8Array }[] = [];
  readonly forgotten: Peer[] = [];

  connect(to: Destination, events: HostStreamEvents): HostStream {
    const stream = new TestStream(to, events);
    this.everConnected++;
    this.streams.push(stream);
    return stream;
  }

  datagrams(to: Destination, events: HostDatagramEvents) {
    const socket: TestDatagrams = { to, events, sent: [], isClosed: false };
    this.datagramSockets.push(socket);
    return {
      send: (bytes: Uint8Array) => void socket.sent.push(bytes),
      close: () => {
        socket.isClosed = true;
      },
    };
  }

  isOwnAddress(address: number): boolean {
    return this.own.has(address);
  }

  async listen(_at: unknown, accept: (stream: HostStream) => HostStreamEvents | undefined) {
    this.accept = accept;
    return { close: () => {} };
  }

  async listenDatagrams(_at: unknown, received: (peer: Peer, bytes: Uint8Array) => void): Promise<DatagramListener> {
    this.receivedDatagram = received;
    return {
      send: (peer, bytes) => void this.replies.push({ peer, bytes }),
      forget: (peer) => void this.forgotten.push(peer),
      close: () => {},
    };
  }

  resolve(message: Uint8Array, over: 'udp' | 'tcp'): Promise<Uint8Array | undefined> {
    this.everAsked++;
    return new Promise((answer) => this.queries.push({ message, over, answer }));
  }
}

/** A guest's side of a TCP connection, and all that came over it. */
export interface TestTcp {
  readonly connection: TcpConnection;
  readonly chunks: Uint8Array[];
  readonly log: string[];
  /** What the guest's program has not read. */
  readonly room: { unread: number };
}

/** A station on the wire. It answers ARP, and keeps what is not TCP of its own. */
export class TestGuest implements NetworkDevice {
  readonly mac = GUEST_MAC;
  canReceive = true;
  onReady?: (() => void) | undefined;
  readonly address: number;
  readonly frames: Uint8Array[] = [];
  readonly packets: Ipv4Packet[] = [];
  readonly segments: Segment[] = [];
  readonly #network: NetworkPort;
  readonly #deadlines: Deadlines;
  readonly #connections = new Map<number, TcpConnection>();
  /** Ports that take connections: what was accepted, by port. */
  readonly #listeners = new Map<number, (tcp: TestTcp) => void>();
  /** What happens to frames from the guest on their way: by default, they arrive. */
  uplink: (frame: Uint8Array, arrive: (frame: Uint8Array) => void) => void = (frame, arrive) => arrive(frame);
  downlink: (frame: Uint8Array, arrive: (frame: Uint8Array) => void) => void = (frame, arrive) => arrive(frame);
  capacityBytes = 256 * 1024;
  #identification = 0;

  constructor(network: NetworkPort, clock: Clock, address: number = FIRST_GUEST) {
    this.#network = network;
    this.#deadlines = new Deadlines(clock);
    this.address = address;
  }

  sendFrame(frame: Uint8Array): void {
    this.uplink(frame, (arrived) => this.#network.send(arrived));
  }

  /** `packet` has headroom. */
  sendPacket(packet: Uint8Array, destination: number, protocol: number, source = this.address): void {
    const identification = this.#identification++ & 0xffff;
    for (const frame of ipv4Frames(packet, { source, destination, protocol, identification })) {
      putEthernetHeader(frame, GATEWAY_MAC, this.mac, TYPE_IPV4);
      this.sendFrame(frame);
    }
  }

  sendDatagram(destination: number, destinationPort: number, payload: Uint8Array, sourcePort = 4000): void {
    const packet = udpPacket({ sourcePort, destinationPort, payload }, this.address, destination);
    this.sendPacket(packet, destination, PROTOCOL_UDP);
  }

  sendSegment(destination: number, segment: Segment): void {
    this.sendPacket(tcpPacket(segment, this.address, destination), destination, PROTOCOL_TCP);
  }

  /** ARP for the gateway, as a guest begins. */
  greet(): void {
    const request = { isRequest: true, senderMac: this.mac, sender: this.address, target: GATEWAY };
    this.sendFrame(arpFrame({ ...request, to: new Uint8Array(6).fill(0xff) }));
  }

  connect(destination: number, destinationPort: number, localPort: number, initial = 1000): TestTcp {
    return this.#tcp(destination, destinationPort, localPort, initial, (host) => TcpConnection.connect(host));
  }

  listen(port: number, accepted: (tcp: TestTcp) => void): void {
    this.#listeners.set(port, accepted);
  }

  receive(frame: Uint8Array): boolean {
    if (!this.canReceive) return false;
    this.downlink(frame.slice(), (arrived) => this.#take(arrived));
    return true;
  }

  #take(frame: Uint8Array): void {
    this.frames.push(frame);
    const type = get16(frame, ETHERNET_HEADER_BYTES - 2);
    if (type === TYPE_ARP) {
      const arp = parseArp(payloadOf(frame));
      if (arp?.isRequest && arp.target === this.address) {
        const answer = { senderMac: this.mac, sender: this.address, target: arp.sender };
        this.sendFrame(arpFrame({ isRequest: false, to: arp.senderMac, ...answer }));
      }
      return;
    }
    if (type !== TYPE_IPV4) return;
    const packet = parseIpv4Packet(payloadOf(frame));
    if (packet === undefined) throw new Error('a damaged packet came to the guest');
    this.packets.push(packet);
    if (packet.protocol !== PROTOCOL_TCP) return;
    const segment = parseTcp(packet);
    if (segment === undefined) throw new Error('a damaged segment came to the guest');
    this.segments.push(segment);
    const connection = this.#connections.get(segment.destinationPort);
    const accepted = this.#listeners.get(segment.destinationPort);
    if (connection !== undefined && connection.state !== 'closed') connection.receive(segment);
    else if (accepted !== undefined && segment.flags === 2) {
      accepted(
        this.#tcp(packet.source, segment.sourcePort, segment.destinationPort, 5000, (host) =>
          TcpConnection.accept(host, segment),
        ),
      );
    }
  }

  #tcp(
    remote: number,
    remotePort: number,
    localPort: number,
    initial: number,
    begin: (host: Parameters<typeof TcpConnection.connect>[0]) => TcpConnection,
  ): TestTcp {
    const chunks: Uint8Array[] = [];
    const log: string[] = [];
    const room = { unread: 0 };
    const connection = begin({
      deadlines: this.#deadlines,
      localPort,
      remotePort,
      initial,
      capacityBytes: () => this.capacityBytes,
      transmit: (segment) => this.sendSegment(remote, segment),
      released: () => log.push('released'),
      events: {
        opened: () => log.push('opened'),
        received: (bytes) => chunks.push(bytes),
        unconsumedBytes: () => room.unread,
        ended: () => log.push('ended'),
        progressed: () => {},
        closed: (ending: TcpEnding) => log.push(ending),
      },
    });
    const tcp: TestTcp = { connection, chunks, log, room };
    this.#connections.set(localPort, connection);
    return tcp;
  }
}

export function textOf(chunks: readonly Uint8Array[]): string {
  const decoder = new TextDecoder();
  return chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join('');
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
