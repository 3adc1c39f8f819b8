/**
 * The answer to guests that look for an IPv6 router: there is none for them (Neighbor Discovery for IPv6, RFC 4861 §4.1
 * "Router Solicitation Message Format", §4.2 "Router Advertisement Message Format"). With a lifetime of zero and no prefix it
 * changes nothing in a guest, but one that would wait for an answer goes on at once; iPXE waits some fifteen seconds.
 */

import { ETHERNET_HEADER_BYTES } from '../base/network.ts';
import { GATEWAY_MAC } from './addresses.ts';
import { checksum, get16, onesSum, put16, put32 } from './bytes.ts';
import { MAC_BYTES, putEthernetHeader } from './ethernet.ts';

export const TYPE_IPV6 = 0x86dd;
/** Where all routers of a link listen, and all stations (RFC 2464 §7 "Address Mapping -- Multicast"). */
export const ALL_ROUTERS_MAC: Uint8Array = Uint8Array.of(0x33, 0x33, 0, 0, 0, 2);
const ALL_NODES_MAC = Uint8Array.of(0x33, 0x33, 0, 0, 0, 1);
const ALL_NODES = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

const IPV6_HEADER_BYTES = 40;
const ADDRESS_BYTES = 16;
const SOURCE = 8;
const DESTINATION = 24;
const PROTOCOL_ICMPV6 = 58;
/** Packets with less have passed a router, and are no neighbour's. */
const HOP_LIMIT = 255;
const SOLICITATION = 133;
const SOLICITATION_BYTES = 8;
const ADVERTISEMENT = 134;
const ADVERTISEMENT_BYTES = 16;
const OPTION_SOURCE_MAC = 1;
/** In units of 8 bytes. */
const OPTION_LENGTH = 1;

/** RFC 4861 §6.1.1 "Validation of Router Solicitation Messages", of an IPv6 packet without extension headers. */
export function isRouterSolicitation(packet: Uint8Array): boolean {
  if (packet.length < IPV6_HEADER_BYTES + SOLICITATION_BYTES) return false;
  const length = get16(packet, 4);
  if (length < SOLICITATION_BYTES || IPV6_HEADER_BYTES + length > packet.length) return false;
  if ((packet[0] as number) >> 4 !== 6 || packet[6] !== PROTOCOL_ICMPV6 || packet[7] !== HOP_LIMIT) return false;
  const message = packet.subarray(IPV6_HEADER_BYTES, IPV6_HEADER_BYTES + length);
  if (message[0] !== SOLICITATION || message[1] !== 0) return false;
  return onesSum(message, 0, pseudoHeaderSum(packet, length)) === 0xffff;
}

/** RFC 8200 §8.1 "Upper-Layer Checksums". */
function pseudoHeaderSum(packet: Uint8Array, length: number): number {
  const addresses = packet.subarray(SOURCE, SOURCE + 2 * ADDRESS_BYTES);
  return onesSum(addresses, 0, length + PROTOCOL_ICMPV6);
}

/** A whole frame, for all stations. */
export function noRouterFrame(): Uint8Array {
  const length = ADVERTISEMENT_BYTES + 2 + MAC_BYTES;
  const frame = new Uint8Array(ETHERNET_HEADER_BYTES + IPV6_HEADER_BYTES + length);
  putEthernetHeader(frame, ALL_NODES_MAC, GATEWAY_MAC, TYPE_IPV6);
  const packet = frame.subarray(ETHERNET_HEADER_BYTES);
  put32(packet, 0, 0x6000_0000);
  put16(packet, 4, length);
  packet[6] = PROTOCOL_ICMPV6;
  packet[7] = HOP_LIMIT;
  packet.set(linkLocal(GATEWAY_MAC), SOURCE);
  packet.set(ALL_NODES, DESTINATION);
  const message = packet.subarray(IPV6_HEADER_BYTES);
  message[0] = ADVERTISEMENT;
  message.set([OPTION_SOURCE_MAC, OPTION_LENGTH, ...GATEWAY_MAC], ADVERTISEMENT_BYTES);
  put16(message, 2, checksum(message, 0, pseudoHeaderSum(packet, length)));
  return frame;
}

/** RFC 4291 §2.5.6 "Link-Local IPv6 Unicast Addresses", appendix A for the interface identifier. */
function linkLocal(mac: Uint8Array): Uint8Array {
  const [a, b, c, d, e, f] = mac as unknown as readonly [number, number, number, number, number, number];
  return Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f);
}
