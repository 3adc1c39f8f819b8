/**
 * Which hardware address an IPv4 address of the guest's network has (RFC 826; RFC 1122 §2.3.2). Learned from what
 * guests say of themselves; asked for where they have not said anything. Bounded: one packet waits per address, the
 * last one (RFC 1122 §2.3.2.2).
 */

import { NS_PER_SECOND } from '../base/clock.ts';
import { GATEWAY, GATEWAY_MAC, isGuestAddress, NAME_SERVER } from './addresses.ts';
import { type ArpPacket, arpFrame } from './arp.ts';
import { BROADCAST_MAC, isUnicast, putEthernetHeader, TYPE_IPV4 } from './ethernet.ts';
import type { NetworkStatistics } from './statistics.ts';

const LARGEST_COUNT = 32;
/** RFC 1122 §2.3.2.1: no more than one request a second for an address. */
const REQUEST_INTERVAL_NS = NS_PER_SECOND;

interface Neighbour {
  mac: Uint8Array | undefined;
  askedNs: number;
  /** Frames of one packet. */
  waiting: readonly Uint8Array[];
}

export interface NeighboursHost {
  now(): number;
  send(frame: Uint8Array): void;
}

export class Neighbours {
  readonly #host: NeighboursHost;
  readonly #statistics: NetworkStatistics;
  /** In the order in which they were met. */
  readonly #neighbours = new Map<number, Neighbour>();

  constructor(host: NeighboursHost, statistics: NetworkStatistics) {
    this.#host = host;
    this.#statistics = statistics;
  }

  clear(): void {
    this.#neighbours.clear();
  }

  arp(packet: ArpPacket): void {
    if (isGuestAddress(packet.sender)) this.learn(packet.sender, packet.senderMac);
    // A probe for a duplicate has no sender (RFC 5227 §2.1.1); the addresses that are taken answer it like any other.
    const isOurs = packet.target === GATEWAY || packet.target === NAME_SERVER;
    if (!packet.isRequest || !isOurs || !isUnicast(packet.senderMac)) return;
    this.#host.send(
      arpFrame({
        isRequest: false,
        to: packet.senderMac,
        senderMac: GATEWAY_MAC,
        sender: packet.target,
        target: packet.sender,
      }),
    );
  }

  learn(address: number, mac: Uint8Array): void {
    if (!isUnicast(mac)) return;
    const neighbour = this.#neighbour(address);
    neighbour.mac = mac.slice();
    const { waiting } = neighbour;
    neighbour.waiting = [];
    for (const frame of waiting) this.#sendTo(neighbour.mac, frame);
  }

  /** Frames of one packet for `address`, their Ethernet headers empty. */
  send(address: number, frames: readonly Uint8Array[]): void {
    const neighbour = this.#neighbour(address);
    if (neighbour.mac !== undefined) {
      for (const frame of frames) this.#sendTo(neighbour.mac, frame);
      return;
    }
    if (neighbour.waiting.length > 0) this.#statistics.drop('neighbour');
    neighbour.waiting = frames;
    const now = this.#host.now();
    if (now - neighbour.askedNs < REQUEST_INTERVAL_NS) return;
    neighbour.askedNs = now;
    this.#host.send(
      arpFrame({ isRequest: true, to: BROADCAST_MAC, senderMac: GATEWAY_MAC, sender: GATEWAY, target: address }),
    );
  }

  /** To a station whose IPv4 address is not settled yet. */
  sendTo(mac: Uint8Array, frames: readonly Uint8Array[]): void {
    for (const frame of frames) this.#sendTo(mac, frame);
  }

  #sendTo(mac: Uint8Array, frame: Uint8Array): void {
    putEthernetHeader(frame, mac, GATEWAY_MAC, TYPE_IPV4);
    this.#host.send(frame);
  }

  #neighbour(address: number): Neighbour {
    const known = this.#neighbours.get(address);
    if (known !== undefined) return known;
    if (this.#neighbours.size === LARGEST_COUNT) {
      const oldest = this.#neighbours.keys().next().value as number;
      if ((this.#neighbours.get(oldest) as Neighbour).waiting.length > 0) this.#statistics.drop('neighbour');
      this.#neighbours.delete(oldest);
    }
    const neighbour: Neighbour = { mac: undefined, askedNs: Number.NEGATIVE_INFINITY, waiting: [] };
    this.#neighbours.set(address, neighbour);
    return neighbour;
  }
}
