/** IPv4 packets (RFC 791 §3.1). Options are skipped on the way in, and never sent. */

import { ETHERNET_HEADER_BYTES } from '../base/network.ts';
import { checksum, get16, get32, onesSum, put16, put32 } from './bytes.ts';
import { MTU } from './ethernet.ts';

export const IPV4_HEADER_BYTES = 20;
export const PROTOCOL_ICMP = 1;
export const PROTOCOL_TCP = 6;
export const PROTOCOL_UDP = 17;
/** Bytes that whoever builds a packet leaves free before it, for the headers of Ethernet and IPv4. */
export const HEADROOM_BYTES = ETHERNET_HEADER_BYTES + IPV4_HEADER_BYTES;
export const LARGEST_PACKET_BYTES = 0xffff;

const TTL = 64;
const DONT_FRAGMENT = 0x4000;
const MORE_FRAGMENTS = 0x2000;
const OFFSET_MASK = 0x1fff;
/** Fragments start at multiples of it (RFC 791 §3.1 "Fragment Offset"). */
const FRAGMENT_UNIT_BYTES = 8;

export interface Ipv4Packet {
  readonly source: number;
  readonly destination: number;
  readonly protocol: number;
  readonly ttl: number;
  readonly identification: number;
  readonly moreFragments: boolean;
  readonly fragmentOffset: number;
  readonly payload: Uint8Array;
  /** As it came, for messages about the packet. */
  readonly header: Uint8Array;
}

/** The packet at the start of `bytes`, which may be padded; undefined when it is damaged. */
export function parseIpv4Packet(bytes: Uint8Array): Ipv4Packet | undefined {
  if (bytes.length < IPV4_HEADER_BYTES || bytes[0] >>> 4 !== 4) return undefined;
  const headerBytes = (bytes[0] & 0x0f) * 4;
  const length = get16(bytes, 2);
  if (headerBytes < IPV4_HEADER_BYTES || length < headerBytes || length > bytes.length) return undefined;
  if (onesSum(bytes.subarray(0, headerBytes)) !== 0xffff) return undefined;
  const fragment = get16(bytes, 6);
  return {
    source: get32(bytes, 12),
    destination: get32(bytes, 16),
    protocol: bytes[9],
    ttl: bytes[8],
    identification: get16(bytes, 4),
    moreFragments: (fragment & MORE_FRAGMENTS) !== 0,
    fragmentOffset: (fragment & OFFSET_MASK) * FRAGMENT_UNIT_BYTES,
    payload: bytes.subarray(headerBytes, length),
    header: bytes.subarray(0, headerBytes),
  };
}

export interface Ipv4Header {
  readonly source: number;
  readonly destination: number;
  readonly protocol: number;
  readonly identification: number;
}

/**
 * Frames for one packet, whose payload starts at HEADROOM_BYTES of `packet`: the packet itself with its IPv4 header
 * filled in, or fragments of it (RFC 791 §3.2 "An Example Fragmentation Procedure").
 */
export function ipv4Frames(packet: Uint8Array, header: Ipv4Header): Uint8Array[] {
  if (packet.length <= ETHERNET_HEADER_BYTES + MTU) {
    // TCP finds its segment size by MSS, and what else is short is not cut any further, either.
    putHeader(packet, header, DONT_FRAGMENT);
    return [packet];
  }
  const largest = MTU - IPV4_HEADER_BYTES;
  const step = largest - (largest % FRAGMENT_UNIT_BYTES);
  const payload = packet.subarray(HEADROOM_BYTES);
  const frames: Uint8Array[] = [];
  for (let offset = 0; offset < payload.length; offset += step) {
    const part = payload.subarray(offset, offset + step);
    const frame = new Uint8Array(HEADROOM_BYTES + part.length);
    frame.set(part, HEADROOM_BYTES);
    const isLast = offset + step >= payload.length;
    putHeader(frame, header, (isLast ? 0 : MORE_FRAGMENTS) | (offset / FRAGMENT_UNIT_BYTES));
    frames.push(frame);
  }
  return frames;
}

function putHeader(frame: Uint8Array, header: Ipv4Header, fragment: number): void {
  const bytes = frame.subarray(ETHERNET_HEADER_BYTES);
  bytes[0] = 0x45;
  bytes[1] = 0;
  put16(bytes, 2, bytes.length);
  put16(bytes, 4, header.identification);
  put16(bytes, 6, fragment);
  bytes[8] = TTL;
  bytes[9] = header.protocol;
  put16(bytes, 10, 0);
  put32(bytes, 12, header.source);
  put32(bytes, 16, header.destination);
  put16(bytes, 10, checksum(bytes.subarray(0, IPV4_HEADER_BYTES)));
}

/** Sum of the pseudo header that TCP and UDP put before what they check (RFC 9293 §3.1, RFC 768). */
export function pseudoHeaderSum(source: number, destination: number, protocol: number, lengthBytes: number): number {
  return (source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff) + protocol + lengthBytes;
}

/** Where packets of the network go: to the guest that has the destination's address. */
export interface PacketSender {
  /** The payload starts at HEADROOM_BYTES of `packet`, which belongs to the callee from here on. */
  send(packet: Uint8Array, source: number, destination: number, protocol: number): void;
}
