/**
 * The guest's datagrams on their way out, and those of forwarded ports on their way in. Each pair of addresses and ports
 * is a session, which ends when it has been idle (RFC 4787 §4.3, REQ-5), or is the one that was idle longest when there
 * are too many.
 *
 * Not modelled: mappings that others than the one who was sent to can use (RFC 4787 §4.1 wants that for peers that look
 * for each other); groups.
 */

import { NS_PER_SECOND } from '../base/clock.ts';
import { GATEWAY, type Route } from './addresses.ts';
import type { Deadline, Deadlines } from './deadlines.ts';
import { DNS_PORT } from './dns.ts';
import { destinationUnreachable, type UnreachableCode } from './icmp.ts';
import { type Ipv4Packet, type PacketSender, PROTOCOL_ICMP, PROTOCOL_UDP } from './ipv4.ts';
import type { DatagramListener, HostDatagrams, HostSockets, Peer } from './sockets.ts';
import type { NetworkStatistics } from './statistics.ts';
import { type Datagram, LARGEST_DATAGRAM_BYTES, udpPacket } from './udp.ts';

const LARGEST_COUNT = 256;
const IDLE_NS = 300 * NS_PER_SECOND;
/** One question, one answer. */
const IDLE_DNS_NS = 30 * NS_PER_SECOND;
const FIRST_EPHEMERAL = 49_152;
const LAST_EPHEMERAL = 65_535;

export interface UdpNatHost {
  readonly deadlines: Deadlines;
  readonly packets: PacketSender;
  readonly sockets: HostSockets;
  readonly statistics: NetworkStatistics;
  route(address: number, port: number): Route;
}

/** What the guest sees: its own side, and the other. */
interface Flow {
  readonly local: number;
  readonly localPort: number;
  readonly guest: number;
  readonly guestPort: number;
}

interface Session {
  readonly flow: Flow;
  readonly idleNs: number;
  expiresNs: number;
  send(bytes: Uint8Array): void;
  close(): void;
}

export class UdpNat {
  readonly #host: UdpNatHost;
  /** The one idle for longest first. */
  readonly #sessions = new Map<string, Session>();
  /** Sessions of forwarded ports, by whose they are. */
  readonly #inwards = new Map<string, Session>();
  readonly #expiry: Deadline;
  #nextPort = FIRST_EPHEMERAL;

  constructor(host: UdpNatHost) {
    this.#host = host;
    this.#expiry = host.deadlines.add(() => this.#expire());
  }

  get size(): number {
    return this.#sessions.size;
  }

  clear(): void {
    for (const session of [...this.#sessions.values()]) this.#end(session);
  }

  /** A datagram of the guest to anything but the gateway's own services. */
  receive(packet: Ipv4Packet, datagram: Datagram): void {
    const flow: Flow = {
      local: packet.destination,
      localPort: datagram.destinationPort,
      guest: packet.source,
      guestPort: datagram.sourcePort,
    };
    const session = this.#sessions.get(keyOf(flow)) ?? this.#open(flow, packet);
    if (session === undefined) return;
    this.#touch(session);
    session.send(datagram.payload);
  }

  /** A datagram that came to a port which the user forwards. */
  forward(listener: DatagramListener, peer: Peer, bytes: Uint8Array, guest: number, guestPort: number): void {
    const key = `${guest}:${guestPort}/${peer}`;
    let session = this.#inwards.get(key);
    if (session === undefined) {
      const flow = this.#freeFlow(guest, guestPort);
      const close = (): void => {
        this.#inwards.delete(key);
        listener.forget(peer);
      };
      session = this.#begin({
        flow,
        idleNs: IDLE_NS,
        expiresNs: 0,
        send: (reply) => listener.send(peer, reply),
        close,
      });
      this.#inwards.set(key, session);
    }
    this.#touch(session);
    this.#deliver(session.flow, bytes);
  }

  #open(flow: Flow, packet: Ipv4Packet): Session | undefined {
    const { sockets, route, statistics } = this.#host;
    const way = route(flow.local, flow.localPort);
    if (way.kind === 'refused') {
      statistics.drop('unreachable');
      this.#tell(packet, flow.local === GATEWAY ? 'port' : 'prohibited');
      return undefined;
    }
    const datagrams: HostDatagrams = sockets.datagrams(
      { address: way.address, port: flow.localPort, isHost: way.kind === 'opened' },
      {
        received: (bytes) => {
          this.#touch(session);
          this.#deliver(flow, bytes);
        },
        unreachable: () => {
          this.#end(session);
          this.#tell(packet, 'port');
        },
      },
    );
    const session = this.#begin({
      flow,
      idleNs: flow.localPort === DNS_PORT ? IDLE_DNS_NS : IDLE_NS,
      expiresNs: 0,
      send: (bytes) => datagrams.send(bytes),
      close: () => datagrams.close(),
    });
    return session;
  }

  #tell(packet: Ipv4Packet, code: UnreachableCode): void {
    this.#host.packets.send(destinationUnreachable(packet, code), GATEWAY, packet.source, PROTOCOL_ICMP);
  }

  #deliver({ local, localPort, guest, guestPort }: Flow, payload: Uint8Array): void {
    if (payload.length > LARGEST_DATAGRAM_BYTES) return;
    const datagram = { sourcePort: localPort, destinationPort: guestPort, payload };
    this.#host.packets.send(udpPacket(datagram, local, guest), local, guest, PROTOCOL_UDP);
  }

  /** There are fewer sessions than ports. */
  #freeFlow(guest: number, guestPort: number): Flow {
    for (;;) {
      const flow: Flow = { local: GATEWAY, localPort: this.#nextPort, guest, guestPort };
      this.#nextPort = this.#nextPort === LAST_EPHEMERAL ? FIRST_EPHEMERAL : this.#nextPort + 1;
      if (!this.#sessions.has(keyOf(flow))) return flow;
    }
  }

  #begin(session: Session): Session {
    if (this.#sessions.size === LARGEST_COUNT) {
      this.#host.statistics.drop('limit');
      this.#end(this.#sessions.values().next().value as Session);
    }
    this.#sessions.set(keyOf(session.flow), session);
    return session;
  }

  /** To the end of the line. */
  #touch(session: Session): void {
    const key = keyOf(session.flow);
    if (!this.#sessions.delete(key)) return;
    session.expiresNs = this.#host.deadlines.clock.now() + session.idleNs;
    this.#sessions.set(key, session);
    if (session.expiresNs < this.#expiry.atNs) this.#expiry.set(session.expiresNs);
  }

  #end(session: Session): void {
    if (this.#sessions.delete(keyOf(session.flow))) session.close();
  }

  #expire(): void {
    const now = this.#host.deadlines.clock.now();
    let next = Number.POSITIVE_INFINITY;
    for (const session of [...this.#sessions.values()]) {
      if (session.expiresNs <= now) this.#end(session);
      else next = Math.min(next, session.expiresNs);
    }
    if (next !== Number.POSITIVE_INFINITY) this.#expiry.set(next);
  }
}

function keyOf({ local, localPort, guest, guestPort }: Flow): string {
  return `${local}:${localPort}/${guest}:${guestPort}`;
}
