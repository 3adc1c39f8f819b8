/**
 * Work on TCP/IP headers that cards take off their drivers: checksums in and out, and cutting what is longer than a
 * frame into segments (RFC 1071, RFC 791 §3.1, RFC 9293 §3.1).
 *
 * All of it on bytes that nobody vouches for: a header that does not fit is left alone.
 */

import { ADDRESSES_BYTES, TYPE_VLAN, typeOf, VLAN_TAG_BYTES } from './ethernet.ts';

const TYPE_IPV4 = 0x0800;
const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;
const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;
export const TCP_HEADER_BYTES = 20;
export const UDP_HEADER_BYTES = 8;
/** Where the checksum is in each header. */
const IPV4_CHECKSUM = 10;
const TCP_CHECKSUM = 16;
const UDP_CHECKSUM = 6;
const TCP_SEQUENCE = 4;
const TCP_FLAGS = 13;
const TCP_FIN_PSH = 0x09;
/** Less than this a segment is not made: it bounds how many frames a packet can become. */
const SHORTEST_SEGMENT = 16;

/** Ones' complement sum of the big-endian words in [start, end), an odd byte padded, folded to 16 bits. */
export function sumOf(bytes: Uint8Array, start: number, end: number, initial = 0): number {
  let sum = initial;
  let i = start;
  for (; i + 1 < end; i += 2) sum += (bytes[i] << 8) | bytes[i + 1];
  if (i < end) sum += bytes[i] << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000);
  return sum;
}

export function readBig16(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1];
}

export function writeBig16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8;
  bytes[at + 1] = value;
}

/** Stores the checksum of [start, end) at `at`, what is there already (part of a pseudo header) included. */
export function insertChecksum(
  bytes: Uint8Array,
  start: number,
  end: number,
  at: number,
  zeroMeansNone: boolean,
): void {
  if (at + 2 > bytes.length || start >= end) return;
  const checksum = ~sumOf(bytes, start, Math.min(end, bytes.length)) & 0xffff;
  writeBig16(bytes, at, checksum === 0 && zeroMeansNone ? 0xffff : checksum);
}

export type Transport = 'tcp' | 'udp';

/** Where the headers of an IPv4 frame are; nothing in it reaches beyond the frame. */
export interface Ipv4Headers {
  readonly ipAt: number;
  readonly transportAt: number;
  /** End of the IP packet: padding may follow. */
  readonly end: number;
  /** Absent for fragments and other protocols. */
  readonly transport?: Transport;
}

/** Undefined when it is no IPv4, or cut off. With `segmented`, the total length is not trusted. */
export function ipv4Headers(frame: Uint8Array, segmented = false): Ipv4Headers | undefined {
  const tagged = frame.length > ADDRESSES_BYTES + VLAN_TAG_BYTES && typeOf(frame) === TYPE_VLAN;
  const typeAt = tagged ? ADDRESSES_BYTES + VLAN_TAG_BYTES : ADDRESSES_BYTES;
  const ipAt = typeAt + 2;
  if (frame.length < ipAt + IPV4_HEADER_BYTES || readBig16(frame, typeAt) !== TYPE_IPV4) return undefined;
  const headerBytes = (frame[ipAt] & 0x0f) * 4;
  const transportAt = ipAt + headerBytes;
  const end = segmented ? frame.length : ipAt + readBig16(frame, ipAt + 2);
  if (frame[ipAt] >> 4 !== 4 || headerBytes < IPV4_HEADER_BYTES || transportAt > end || end > frame.length) {
    return undefined;
  }
  const isFragment = (readBig16(frame, ipAt + 6) & 0x3fff) !== 0;
  const transport = isFragment ? undefined : transportOf(frame[ipAt + 9], end - transportAt);
  return { ipAt, transportAt, end, ...(transport && { transport }) };
}

function transportOf(protocol: number, length: number): Transport | undefined {
  if (protocol === PROTOCOL_TCP && length >= TCP_HEADER_BYTES) return 'tcp';
  return protocol === PROTOCOL_UDP && length >= UDP_HEADER_BYTES ? 'udp' : undefined;
}

function pseudoHeaderSum(frame: Uint8Array, { ipAt, transportAt, end }: Ipv4Headers): number {
  return sumOf(frame, ipAt + 12, ipAt + 20, frame[ipAt + 9] + (end - transportAt));
}

export function isIpv4ChecksumGood(frame: Uint8Array, { ipAt, transportAt }: Ipv4Headers): boolean {
  return sumOf(frame, ipAt, transportAt) === 0xffff;
}

/** Of a TCP or UDP packet. A UDP sender may have left the checksum out. */
export function isTransportChecksumGood(frame: Uint8Array, headers: Ipv4Headers): boolean {
  const { transportAt, end, transport } = headers;
  if (transport === 'udp' && readBig16(frame, transportAt + UDP_CHECKSUM) === 0) return true;
  return sumOf(frame, transportAt, end, pseudoHeaderSum(frame, headers)) === 0xffff;
}

export function fillIpv4Checksum(frame: Uint8Array, { ipAt, transportAt }: Ipv4Headers): void {
  writeBig16(frame, ipAt + IPV4_CHECKSUM, 0);
  insertChecksum(frame, ipAt, transportAt, ipAt + IPV4_CHECKSUM, false);
}

/** Puts the checksum into a TCP or UDP header, whatever is there. */
export function fillTransportChecksum(frame: Uint8Array, headers: Ipv4Headers): void {
  const { transportAt, end, transport } = headers;
  const at = transportAt + (transport === 'tcp' ? TCP_CHECKSUM : UDP_CHECKSUM);
  writeBig16(frame, at, 0);
  const checksum = ~sumOf(frame, transportAt, end, pseudoHeaderSum(frame, headers)) & 0xffff;
  writeBig16(frame, at, checksum === 0 && transport === 'udp' ? 0xffff : checksum);
}

export interface Segmentation {
  /** All headers, Ethernet's included. */
  readonly headerBytes: number;
  /** The most data in a segment. */
  readonly mss: number;
  readonly ipAt: number;
  readonly ipVersion: 4 | 6;
  readonly transportAt: number;
  readonly transport: Transport;
}

/**
 * Cuts `packet` into frames with headers of their own: lengths, IPv4 identification, TCP sequence numbers and flags.
 * Checksums are left to `emit`, as they were in the header of the packet. False, and nothing emitted, when what is
 * asked for makes no sense.
 */
export function segment(packet: Uint8Array, plan: Segmentation, emit: (frame: Uint8Array) => void): boolean {
  const { headerBytes, mss, ipAt, ipVersion, transportAt, transport } = plan;
  const transportBytes = transport === 'tcp' ? TCP_HEADER_BYTES : UDP_HEADER_BYTES;
  const ipBytes = ipVersion === 4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
  const fits = ipAt + ipBytes <= transportAt && transportAt + transportBytes <= headerBytes;
  if (!fits || headerBytes >= packet.length || mss < SHORTEST_SEGMENT) return false;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const identification = readBig16(packet, ipAt + 4);
  const sequence = transport === 'tcp' ? view.getUint32(transportAt + TCP_SEQUENCE) : 0;
  let index = 0;
  for (let at = headerBytes; at < packet.length; at += mss, index++) {
    const end = Math.min(at + mss, packet.length);
    const frame = new Uint8Array(headerBytes + end - at);
    frame.set(packet.subarray(0, headerBytes));
    frame.set(packet.subarray(at, end), headerBytes);
    if (ipVersion === 4) {
      writeBig16(frame, ipAt + 2, frame.length - ipAt);
      writeBig16(frame, ipAt + 4, identification + index);
    } else {
      writeBig16(frame, ipAt + 4, frame.length - ipAt - IPV6_HEADER_BYTES);
    }
    if (transport === 'tcp') {
      new DataView(frame.buffer).setUint32(transportAt + TCP_SEQUENCE, sequence + at - headerBytes);
      if (end < packet.length) frame[transportAt + TCP_FLAGS] &= ~TCP_FIN_PSH;
    } else {
      writeBig16(frame, transportAt + 4, frame.length - transportAt);
    }
    emit(frame);
  }
  return true;
}
