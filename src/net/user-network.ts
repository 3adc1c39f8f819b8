/**
 * A network in user mode: the guest's card is on a wire with a router of ours, which answers ARP, DHCP, ICMP echo and
 * DNS itself and carries TCP and UDP on through sockets of the host.
 *
 *     10.0.2.0/24    10.0.2.2 router     10.0.2.3 name server     10.0.2.15 the guest
 *
 *     frame -> station? -> ARP: neighbours.ts
 *                          IPv4: fragments.ts -> ICMP: here
 *                                                UDP:  dhcp.ts, dns-forwarder.ts, tftp.ts, udp-nat.ts
 *                                                TCP:  tcp/nat.ts -> tcp/relay.ts -> tcp/connection.ts
 *
 * The guest reaches the outside, and of the host only what the user has opened. Whatever it sends, the worst that
 * happens is that it is dropped and counted.
 *
 * Time is the guest's. What this network answers itself, it answers from inside `send`: a deterministic guest gets the
 * same answers at the same instructions each time. What comes from outside comes when the host has it, between slices;
 * a deterministic run that talks to the outside is not repeatable, and should not skip idle time while `isWaiting`, or
 * its timeouts are over before the host has begun to answer.
 *
 * Not modelled: IPv6 (a guest that looks for a router is told that there is none), ICMP to the outside (it wants privileges), groups.
 */

import type { Clock } from '../base/clock.ts';
import { isFrame, type NetworkDevice, type NetworkPort } from '../base/network.ts';
import {
  GATEWAY,
  GATEWAY_MAC,
  isGuestAddress,
  isInGuestNetwork,
  LIMITED_BROADCAST,
  NAME_SERVER,
  NETWORK_BROADCAST,
  routeTo,
} from './addresses.ts';
import { parseArp } from './arp.ts';
import { get16 } from './bytes.ts';
import { Deadlines } from './deadlines.ts';
import { DHCP_CLIENT_PORT, DHCP_SERVER_PORT, DhcpServer } from './dhcp.ts';
import { DNS_PORT } from './dns.ts';
import { DnsForwarder } from './dns-forwarder.ts';
import { BROADCAST_MAC, destinationOf, isSameMac, payloadOf, sourceOf, TYPE_ARP, TYPE_IPV4 } from './ethernet.ts';
import { Reassembly } from './fragments.ts';
import { destinationUnreachable, echoReply, isEcho, isIntactIcmp, timeExceeded } from './icmp.ts';
import { type Ipv4Packet, ipv4Frames, PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP, parseIpv4Packet } from './ipv4.ts';
import { Link } from './link.ts';
import { Neighbours } from './neighbours.ts';
import type { Forward, OpenedService, Transport } from './options.ts';
import { ALL_ROUTERS_MAC, isRouterSolicitation, noRouterFrame, TYPE_IPV6 } from './router-advertisement.ts';
import type { DatagramListener, HostSockets, Listener } from './sockets.ts';
import { NetworkStatistics } from './statistics.ts';
import type { TcpState } from './tcp/connection.ts';
import { TcpNat } from './tcp/nat.ts';
import { type TftpFiles, TftpServer } from './tftp.ts';
import { type Datagram, parseUdp, udpPacket } from './udp.ts';
import { UdpNat } from './udp-nat.ts';

export interface UserNetworkOptions {
  readonly clock: Clock;
  readonly sockets: HostSockets;
  /** 32 bits that the outside cannot guess. */
  random(): number;
  /** Services of the host's loopback that the guest may reach, as 10.0.2.2. */
  readonly opened?: readonly OpenedService[];
  /** What the guest is to start from, when it does so from the network. */
  readonly boot?: NetworkBoot | undefined;
  /** A frame went to the guest: an idle one should look. */
  delivered?(): void;
  /** Every frame, either way, as it travels. It must not be kept. */
  capture?(frame: Uint8Array): void;
}

export interface NetworkBoot {
  /** Told by DHCP: a name for TFTP, or a URL for firmware that knows what to do with it. */
  readonly file?: string | undefined;
  /** To be had by TFTP. */
  readonly files?: TftpFiles | undefined;
}

export class UserNetwork implements NetworkPort {
  readonly statistics = new NetworkStatistics();
  readonly #options: UserNetworkOptions;
  readonly #deadlines: Deadlines;
  readonly #link: Link;
  readonly #neighbours: Neighbours;
  readonly #reassembly: Reassembly;
  readonly #dhcp: DhcpServer;
  readonly #dns: DnsForwarder;
  readonly #tftp: TftpServer | undefined;
  readonly #udp: UdpNat;
  readonly #tcp: TcpNat;
  readonly #listeners: (Listener | DatagramListener)[] = [];
  #identification = 0;
  #isClosed = false;

  constructor(options: UserNetworkOptions) {
    this.#options = options;
    const { clock, sockets, opened = [], boot = {} } = options;
    const { statistics } = this;
    const deadlines = new Deadlines(clock);
    this.#deadlines = deadlines;
    this.#link = new Link(
      { sent: (frame) => options.capture?.(frame), delivered: () => options.delivered?.() },
      statistics,
    );
    this.#neighbours = new Neighbours({ now: () => clock.now(), send: (frame) => this.#link.send(frame) }, statistics);
    this.#reassembly = new Reassembly(deadlines, () => statistics.drop('fragments'));
    this.#dns = new DnsForwarder(sockets, () => options.random(), statistics);
    this.#dhcp = new DhcpServer(boot.file);
    this.#tftp = boot.files && this.#tftpServer(boot.files);
    const packets = {
      send: (packet: Uint8Array, source: number, destination: number, protocol: number): void =>
        this.#neighbours.send(destination, this.#frames(packet, source, destination, protocol)),
    };
    const routes = (transport: Transport) => {
      const ports = new Set(opened.filter((service) => service.transport === transport).map(({ port }) => port));
      const policy = { opened: ports, isOwn: (address: number) => sockets.isOwnAddress(address) };
      return (address: number, port: number) => routeTo(address, port, policy);
    };
    this.#udp = new UdpNat({ deadlines, packets, sockets, statistics, route: routes('udp') });
    this.#tcp = new TcpNat({
      deadlines,
      packets,
      sockets,
      statistics,
      dns: this.#dns,
      random: () => options.random(),
      route: routes('tcp'),
    });
  }

  #tftpServer(files: TftpFiles): TftpServer {
    return new TftpServer({
      files,
      deadlines: this.#deadlines,
      statistics: this.statistics,
      send: (datagram, to) => this.#packet(udpPacket(datagram, GATEWAY, to), GATEWAY, to, PROTOCOL_UDP),
    });
  }

  /** The card at the other end of the wire. */
  attach(device: NetworkDevice): void {
    this.#link.attach(device);
  }

  /** Listens on the host. Rejects with a VivariumError that names the address. */
  async forward({ transport, host, guest }: Forward): Promise<void> {
    const { sockets } = this.#options;
    let listener: Listener | DatagramListener;
    if (transport === 'tcp') {
      listener = await sockets.listen(host, (stream) => this.#tcp.forward(stream, guest.address, guest.port));
    } else {
      const datagrams = await sockets.listenDatagrams(host, (peer, bytes) =>
        this.#udp.forward(datagrams, peer, bytes, guest.address, guest.port),
      );
      listener = datagrams;
    }
    if (this.#isClosed) listener.close();
    else this.#listeners.push(listener);
  }

  /** Something outside may be about to answer: virtual time should not run ahead of it. */
  get isWaiting(): boolean {
    return this.#tcp.active > 0 || this.#udp.size > 0 || this.#dns.waiting > 0 || (this.#tftp?.isWaiting ?? false);
  }

  /** How full the tables are: all of them have bounds. */
  get sizes(): Readonly<Record<'tcp' | 'udp' | 'tftp' | 'fragments' | 'queued' | 'deadlines', number>> {
    return {
      tcp: this.#tcp.size,
      udp: this.#udp.size,
      tftp: this.#tftp?.size ?? 0,
      fragments: this.#reassembly.size,
      queued: this.#link.queued,
      deadlines: this.#deadlines.size,
    };
  }

  get tcpStates(): readonly TcpState[] {
    return this.#tcp.states;
  }

  /** The guest has been reset: what it had begun is over. Forwards stay. */
  reset(): void {
    this.#link.silently(() => {
      this.#tcp.clear();
      this.#udp.clear();
      this.#tftp?.clear();
      this.#neighbours.clear();
    });
  }

  /** Everything of the host is given back. */
  close(): void {
    this.#isClosed = true;
    for (const listener of this.#listeners) listener.close();
    this.#listeners.length = 0;
    this.reset();
  }

  // ---- From the guest ----------------------------------------------------------------------------------------------

  send(frame: Uint8Array): void {
    this.statistics.sent++;
    if (this.#isClosed) return;
    if (!isFrame(frame)) {
      this.statistics.drop('length');
      return;
    }
    this.#options.capture?.(frame);
    const type = get16(frame, 12);
    const destination = destinationOf(frame);
    const isOurs = isSameMac(destination, GATEWAY_MAC) || isSameMac(destination, BROADCAST_MAC);
    if (isSameMac(destination, ALL_ROUTERS_MAC) && type === TYPE_IPV6) {
      this.#routerWanted(payloadOf(frame));
      return;
    }
    if (!isOurs || isSameMac(sourceOf(frame), GATEWAY_MAC)) {
      this.statistics.drop('station');
      return;
    }
    if (type === TYPE_ARP) this.#arp(payloadOf(frame));
    else if (type === TYPE_IPV4) this.#ipv4(payloadOf(frame), sourceOf(frame));
    else this.statistics.drop('type');
  }

  #routerWanted(packet: Uint8Array): void {
    if (isRouterSolicitation(packet)) this.#link.send(noRouterFrame());
    else this.statistics.drop('type');
  }

  #arp(payload: Uint8Array): void {
    const packet = parseArp(payload);
    if (packet === undefined) this.statistics.drop('malformed');
    else this.#neighbours.arp(packet);
  }

  #ipv4(payload: Uint8Array, mac: Uint8Array): void {
    const fragment = parseIpv4Packet(payload);
    if (fragment === undefined) {
      this.statistics.drop('malformed');
      return;
    }
    if (isGuestAddress(fragment.source)) {
      this.#neighbours.learn(fragment.source, mac);
    } else if (fragment.source !== 0 || fragment.protocol !== PROTOCOL_UDP) {
      // Only those who ask for an address have none.
      this.statistics.drop('source');
      return;
    }
    const packet = this.#reassembly.add(fragment);
    if (packet === undefined) return;
    if (packet.protocol === PROTOCOL_UDP) this.#datagram(packet);
    else if (isBroadcast(packet.destination)) this.statistics.drop('unreachable');
    else if (!this.#isRouted(packet)) return;
    else if (packet.protocol === PROTOCOL_TCP) this.#tcp.receive(packet);
    else if (packet.protocol === PROTOCOL_ICMP) this.#icmp(packet);
    else this.statistics.drop('protocol');
  }

  /** Whether the packet lives long enough for the way it has to go (RFC 1812 §5.3.1). */
  #isRouted(packet: Ipv4Packet): boolean {
    if (packet.ttl > (isInGuestNetwork(packet.destination) ? 0 : 1)) return true;
    this.statistics.drop('unreachable');
    this.#control(timeExceeded(packet), packet.source);
    return false;
  }

  #icmp(packet: Ipv4Packet): void {
    const message = packet.payload;
    if (!isIntactIcmp(message)) this.statistics.drop('malformed');
    else if (!isEcho(message)) this.statistics.drop('protocol');
    else if (packet.destination === GATEWAY || packet.destination === NAME_SERVER) {
      this.#packet(echoReply(message), packet.destination, packet.source, PROTOCOL_ICMP);
    } else {
      this.statistics.drop('unreachable');
      const code = isInGuestNetwork(packet.destination) ? 'host' : 'prohibited';
      this.#control(destinationUnreachable(packet, code), packet.source);
    }
  }

  #datagram(packet: Ipv4Packet): void {
    const datagram = parseUdp(packet);
    const isForAll = isBroadcast(packet.destination);
    if (datagram === undefined) {
      this.statistics.drop('malformed');
    } else if (datagram.destinationPort === DHCP_SERVER_PORT && (isForAll || packet.destination === GATEWAY)) {
      this.#dhcpRequest(datagram);
    } else if (packet.source === 0) {
      this.statistics.drop('source');
    } else if (isForAll) {
      this.statistics.drop('unreachable');
    } else if (packet.destination === NAME_SERVER && datagram.destinationPort === DNS_PORT) {
      this.#question(packet, datagram);
    } else if (packet.destination === GATEWAY && this.#tftp?.serves(datagram.destinationPort)) {
      this.#tftp.receive(packet.source, datagram);
    } else if (this.#isRouted(packet)) {
      this.#udp.receive(packet, datagram);
    }
  }

  #dhcpRequest(datagram: Datagram): void {
    const reply = this.#dhcp.answer(datagram.payload);
    if (reply === undefined) {
      this.statistics.drop('protocol');
      return;
    }
    const answer = { sourcePort: DHCP_SERVER_PORT, destinationPort: DHCP_CLIENT_PORT, payload: reply.message };
    const packet = udpPacket(answer, GATEWAY, reply.address);
    this.#neighbours.sendTo(reply.mac, this.#frames(packet, GATEWAY, reply.address, PROTOCOL_UDP));
  }

  #question(packet: Ipv4Packet, { sourcePort, payload }: Datagram): void {
    this.#dns.ask(payload, 'udp', (answer) => {
      const datagram = { sourcePort: DNS_PORT, destinationPort: sourcePort, payload: answer };
      const reply = udpPacket(datagram, NAME_SERVER, packet.source);
      this.#packet(reply, NAME_SERVER, packet.source, PROTOCOL_UDP);
    });
  }

  // ---- To the guest ------------------------------------------------------------------------------------------------

  /** A message about a packet, unless that has no sender to tell. */
  #control(message: Uint8Array, to: number): void {
    if (to !== 0) this.#packet(message, GATEWAY, to, PROTOCOL_ICMP);
  }

  #packet(packet: Uint8Array, source: number, destination: number, protocol: number): void {
    this.#neighbours.send(destination, this.#frames(packet, source, destination, protocol));
  }

  #frames(packet: Uint8Array, source: number, destination: number, protocol: number): Uint8Array[] {
    this.#identification = (this.#identification + 1) & 0xffff;
    return ipv4Frames(packet, { source, destination, protocol, identification: this.#identification });
  }
}

function isBroadcast(address: number): boolean {
  return address === LIMITED_BROADCAST || address === NETWORK_BROADCAST;
}
