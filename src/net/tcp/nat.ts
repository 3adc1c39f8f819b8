/** All TCP connections of the guest: which there are, how many there may be, where each leads. */

import { GATEWAY, NAME_SERVER, type Route } from '../addresses.ts';
import type { Deadlines } from '../deadlines.ts';
import { DNS_PORT } from '../dns.ts';
import type { DnsForwarder } from '../dns-forwarder.ts';
import { DnsStream } from '../dns-stream.ts';
import { destinationUnreachable } from '../icmp.ts';
import { type Ipv4Packet, type PacketSender, PROTOCOL_ICMP, PROTOCOL_TCP } from '../ipv4.ts';
import type { HostSockets, HostStream, HostStreamEvents } from '../sockets.ts';
import type { NetworkStatistics } from '../statistics.ts';
import type { TcpState } from './connection.ts';
import { type RelayHost, resetFor, TcpRelay } from './relay.ts';
import { ACK, lengthOf, parseTcp, RST, type Segment, SYN, tcpPacket } from './segment.ts';

const LARGEST_COUNT = 1024;
/** Bytes each way that all connections may hold together, about; and bounds of one's part. */
const ALL_BYTES = 32 * 2 ** 20;
const LARGEST_CAPACITY_BYTES = 512 * 1024;
/** Ports of the gateway for connections to the guest (RFC 6335 §6). */
const FIRST_EPHEMERAL = 49_152;
const LAST_EPHEMERAL = 65_535;

export interface TcpNatHost {
  readonly deadlines: Deadlines;
  readonly packets: PacketSender;
  readonly sockets: HostSockets;
  readonly dns: DnsForwarder;
  readonly statistics: NetworkStatistics;
  /** 32 bits that the outside cannot guess. */
  random(): number;
  route(address: number, port: number): Route;
}

interface Flow {
  /** The address that the guest talks to, and its own. */
  readonly local: number;
  readonly localPort: number;
  readonly guest: number;
  readonly guestPort: number;
}

export class TcpNat {
  readonly #host: TcpNatHost;
  readonly #relays = new Map<string, TcpRelay>();
  #nextPort = FIRST_EPHEMERAL;

  constructor(host: TcpNatHost) {
    this.#host = host;
  }

  get size(): number {
    return this.#relays.size;
  }

  /** Of the connections that are more than asked for. */
  get states(): TcpState[] {
    return [...this.#relays.values()].flatMap(({ connection }) => connection?.state ?? []);
  }

  /** Connections for which the host has something to do. */
  get active(): number {
    let count = 0;
    for (const { connection } of this.#relays.values()) if (connection?.state !== 'time-wait') count++;
    return count;
  }

  /** Gives all of them up. */
  clear(): void {
    for (const relay of [...this.#relays.values()]) relay.abort();
    this.#relays.clear();
  }

  receive(packet: Ipv4Packet): void {
    const segment = parseTcp(packet);
    if (segment === undefined) {
      this.#host.statistics.drop('malformed');
      return;
    }
    const flow: Flow = {
      local: packet.destination,
      localPort: segment.destinationPort,
      guest: packet.source,
      guestPort: segment.sourcePort,
    };
    const relay = this.#relays.get(keyOf(flow));
    if (relay?.connection?.yieldsTo(segment)) relay.abort();
    else if (relay !== undefined) {
      relay.receive(segment);
      return;
    }
    if ((segment.flags & (SYN | ACK | RST)) === SYN) this.#open(flow, segment, packet);
    else this.#refuse(flow, segment);
  }

  /** A stream that came to a port which the user forwards; undefined when there is no place for it. */
  forward(stream: HostStream, guest: number, guestPort: number): HostStreamEvents | undefined {
    if (!this.#hasPlace()) {
      this.#host.statistics.drop('limit');
      return undefined;
    }
    for (let tries = FIRST_EPHEMERAL; tries <= LAST_EPHEMERAL; tries++) {
      const flow: Flow = { local: GATEWAY, localPort: this.#nextPort, guest, guestPort };
      this.#nextPort = this.#nextPort === LAST_EPHEMERAL ? FIRST_EPHEMERAL : this.#nextPort + 1;
      if (this.#relays.has(keyOf(flow))) continue;
      const relay = TcpRelay.inwards(this.#relayHost(flow), stream);
      this.#relays.set(keyOf(flow), relay);
      return relay.streamEvents;
    }
    return undefined;
  }

  #open(flow: Flow, syn: Segment, packet: Ipv4Packet): void {
    const connect = this.#way(flow);
    if (connect === undefined) {
      this.#host.statistics.drop('unreachable');
      this.#refuse(flow, syn);
    } else if (!this.#hasPlace()) {
      this.#host.statistics.drop('limit');
      this.#refuse(flow, syn);
    } else {
      this.#relays.set(keyOf(flow), TcpRelay.outwards(this.#relayHost(flow), { syn, packet }, connect));
    }
  }

  /** Where a connection goes; undefined when that is nowhere. */
  #way({ local, localPort }: Flow): ((events: HostStreamEvents) => HostStream) | undefined {
    const { sockets, dns, route } = this.#host;
    if (local === NAME_SERVER && localPort === DNS_PORT) return (events) => new DnsStream(dns, events);
    const way = route(local, localPort);
    if (way.kind === 'refused') return undefined;
    return (events) =>
      sockets.connect({ address: way.address, port: localPort, isHost: way.kind === 'opened' }, events);
  }

  #relayHost(flow: Flow): RelayHost {
    const { deadlines, packets, random } = this.#host;
    return {
      deadlines,
      localPort: flow.localPort,
      remotePort: flow.guestPort,
      initial: random() >>> 0,
      capacityBytes: () => Math.min(LARGEST_CAPACITY_BYTES, Math.floor(ALL_BYTES / Math.max(1, this.#relays.size))),
      transmit: (segment) => this.#transmit(flow, segment),
      released: () => this.#relays.delete(keyOf(flow)),
      refused: (packet, problem) => {
        if (problem === 'refused' || problem === 'reset') {
          const syn = parseTcp(packet);
          if (syn !== undefined) this.#refuse(flow, syn);
        } else {
          packets.send(destinationUnreachable(packet, 'host'), GATEWAY, packet.source, PROTOCOL_ICMP);
        }
      },
    };
  }

  #refuse(flow: Flow, segment: Segment): void {
    const reset = resetFor(segment, lengthOf(segment));
    if (reset !== undefined) this.#transmit(flow, reset);
  }

  #transmit({ local, guest }: Flow, segment: Segment): void {
    this.#host.packets.send(tcpPacket(segment, local, guest), local, guest, PROTOCOL_TCP);
  }

  /** Makes room where only ports are kept. */
  #hasPlace(): boolean {
    if (this.#relays.size < LARGEST_COUNT) return true;
    for (const relay of this.#relays.values()) {
      if (relay.connection?.state !== 'time-wait') continue;
      relay.abort();
      return true;
    }
    return false;
  }
}

function keyOf({ local, localPort, guest, guestPort }: Flow): string {
  return `${local}:${localPort}/${guest}:${guestPort}`;
}
