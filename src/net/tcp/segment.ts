/** TCP segments (RFC 9293 §3.1). Options: maximum segment size (§3.2), window scale (RFC 7323 §2). */

import { checksum, get16, get32, onesSum, put16, put32 } from '../bytes.ts';
import { HEADROOM_BYTES, type Ipv4Packet, PROTOCOL_TCP, pseudoHeaderSum } from '../ipv4.ts';

export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;

const TCP_HEADER_BYTES = 20;
const OPTION_END = 0;
const OPTION_PAD = 1;
const OPTION_MSS = 2;
const OPTION_WINDOW_SCALE = 3;
/** RFC 7323 §2.3: larger ones count as this. */
const LARGEST_SCALE = 14;

export interface Segment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  /** As in the header, not scaled. */
  readonly window: number;
  /** Only with SYN. */
  readonly mss?: number | undefined;
  readonly windowScale?: number | undefined;
  readonly payload: Uint8Array;
}

/** Sequence numbers that the segment takes. */
export function lengthOf({ flags, payload }: Segment): number {
  return payload.length + (flags & SYN ? 1 : 0) + (flags & FIN ? 1 : 0);
}

/** The segment in a whole packet; undefined when it is damaged. */
export function parseTcp({ source, destination, payload }: Ipv4Packet): Segment | undefined {
  if (payload.length < TCP_HEADER_BYTES) return undefined;
  const headerBytes = (payload[12] >>> 4) * 4;
  if (headerBytes < TCP_HEADER_BYTES || headerBytes > payload.length) return undefined;
  const sum = onesSum(payload, 0, pseudoHeaderSum(source, destination, PROTOCOL_TCP, payload.length));
  if (sum !== 0xffff) return undefined;
  const flags = payload[13] & (FIN | SYN | RST | PSH | ACK);
  return {
    sourcePort: get16(payload, 0),
    destinationPort: get16(payload, 2),
    sequence: get32(payload, 4),
    acknowledgment: get32(payload, 8),
    flags,
    window: get16(payload, 14),
    ...(flags & SYN && parseOptions(payload.subarray(TCP_HEADER_BYTES, headerBytes))),
    payload: payload.subarray(headerBytes),
  };
}

/** Up to where they are intact (RFC 9293 §3.1 "Options", MUST-7: no option may crash a TCP). */
function parseOptions(bytes: Uint8Array): Pick<Segment, 'mss' | 'windowScale'> {
  let mss: number | undefined;
  let windowScale: number | undefined;
  for (let at = 0; at < bytes.length && bytes[at] !== OPTION_END; ) {
    if (bytes[at] === OPTION_PAD) {
      at++;
      continue;
    }
    const length = bytes[at + 1];
    if (at + 1 >= bytes.length || length < 2 || at + length > bytes.length) break;
    if (bytes[at] === OPTION_MSS && length === 4) mss = get16(bytes, at + 2);
    if (bytes[at] === OPTION_WINDOW_SCALE && length === 3) windowScale = Math.min(bytes[at + 2], LARGEST_SCALE);
    at += length;
  }
  return { mss, windowScale };
}

/** A packet with headroom; addresses are wanted for the checksum. */
export function tcpPacket(segment: Segment, source: number, destination: number): Uint8Array {
  const options: number[] = [];
  if (segment.mss !== undefined) options.push(OPTION_MSS, 4, segment.mss >>> 8, segment.mss & 0xff);
  if (segment.windowScale !== undefined) options.push(OPTION_PAD, OPTION_WINDOW_SCALE, 3, segment.windowScale);
  const headerBytes = TCP_HEADER_BYTES + options.length;
  const packet = new Uint8Array(HEADROOM_BYTES + headerBytes + segment.payload.length);
  const bytes = packet.subarray(HEADROOM_BYTES);
  put16(bytes, 0, segment.sourcePort);
  put16(bytes, 2, segment.destinationPort);
  put32(bytes, 4, segment.sequence);
  put32(bytes, 8, segment.acknowledgment);
  bytes[12] = (headerBytes / 4) << 4;
  bytes[13] = segment.flags;
  put16(bytes, 14, segment.window);
  bytes.set(options, TCP_HEADER_BYTES);
  bytes.set(segment.payload, headerBytes);
  put16(bytes, 16, checksum(bytes, 0, pseudoHeaderSum(source, destination, PROTOCOL_TCP, bytes.length)));
  return packet;
}
