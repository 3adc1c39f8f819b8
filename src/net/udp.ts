/** UDP datagrams (RFC 768). */

import { checksum, get16, onesSum, put16 } from './bytes.ts';
import { HEADROOM_BYTES, type Ipv4Packet, PROTOCOL_UDP, pseudoHeaderSum } from './ipv4.ts';

export const UDP_HEADER_BYTES = 8;
/** What an IPv4 packet has room for. */
export const LARGEST_DATAGRAM_BYTES = 0xffff - 20 - UDP_HEADER_BYTES;

export interface Datagram {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
}

/** The datagram in a whole packet; undefined when it is damaged. */
export function parseUdp({ source, destination, payload }: Ipv4Packet): Datagram | undefined {
  if (payload.length < UDP_HEADER_BYTES) return undefined;
  const length = get16(payload, 4);
  if (length < UDP_HEADER_BYTES || length > payload.length) return undefined;
  const bytes = payload.subarray(0, length);
  const isChecked = get16(bytes, 6) !== 0;
  const sum = isChecked ? onesSum(bytes, 0, pseudoHeaderSum(source, destination, PROTOCOL_UDP, length)) : 0xffff;
  if (sum !== 0xffff) return undefined;
  return {
    sourcePort: get16(bytes, 0),
    destinationPort: get16(bytes, 2),
    payload: bytes.subarray(UDP_HEADER_BYTES),
  };
}

/** A datagram with headroom; addresses are wanted for the checksum. */
export function udpPacket(datagram: Datagram, source: number, destination: number): Uint8Array {
  const length = UDP_HEADER_BYTES + datagram.payload.length;
  const packet = new Uint8Array(HEADROOM_BYTES + length);
  put16(packet, HEADROOM_BYTES, datagram.sourcePort);
  put16(packet, HEADROOM_BYTES + 2, datagram.destinationPort);
  put16(packet, HEADROOM_BYTES + 4, length);
  packet.set(datagram.payload, HEADROOM_BYTES + UDP_HEADER_BYTES);
  const sum = checksum(packet, HEADROOM_BYTES, pseudoHeaderSum(source, destination, PROTOCOL_UDP, length));
  put16(packet, HEADROOM_BYTES + 6, sum || 0xffff); // zero would say that there is no checksum
  return packet;
}
