/** ICMP (RFC 792): echo, and messages about packets that lead nowhere. */

import { checksum, onesSum, put16 } from './bytes.ts';
import { HEADROOM_BYTES, type Ipv4Packet } from './ipv4.ts';

const ECHO_REPLY = 0;
const UNREACHABLE = 3;
const ECHO = 8;
const TIME_EXCEEDED = 11;
const ICMP_HEADER_BYTES = 8;
/** Of the packet's payload: enough for ports (RFC 792: "64 bits of Original Data Datagram"). */
const QUOTED_BYTES = 8;

/** Codes of "Destination Unreachable" (RFC 792; RFC 1812 §5.2.7.1). */
export type UnreachableCode = 'host' | 'port' | 'prohibited';
const CODES: Record<UnreachableCode, number> = { host: 1, port: 3, prohibited: 13 };

export function isIntactIcmp(message: Uint8Array): boolean {
  return message.length >= ICMP_HEADER_BYTES && onesSum(message) === 0xffff;
}

export function isEcho(message: Uint8Array): boolean {
  return message[0] === ECHO && message[1] === 0;
}

/** Errors are not answered with errors (RFC 1122 §3.2.2); of the rest, only questions could be. */
export function isQuestion(message: Uint8Array): boolean {
  return message[0] === ECHO;
}

/** The reply to an echo, with headroom. */
export function echoReply(message: Uint8Array): Uint8Array {
  const packet = new Uint8Array(HEADROOM_BYTES + message.length);
  packet.set(message, HEADROOM_BYTES);
  packet[HEADROOM_BYTES] = ECHO_REPLY;
  return finished(packet);
}

export function destinationUnreachable(about: Ipv4Packet, code: UnreachableCode): Uint8Array {
  return messageAbout(about, UNREACHABLE, CODES[code]);
}

export function timeExceeded(about: Ipv4Packet): Uint8Array {
  return messageAbout(about, TIME_EXCEEDED, 0);
}

/** With headroom. */
function messageAbout(about: Ipv4Packet, type: number, code: number): Uint8Array {
  const { header } = about;
  const quoted = about.payload.subarray(0, QUOTED_BYTES);
  const packet = new Uint8Array(HEADROOM_BYTES + ICMP_HEADER_BYTES + header.length + quoted.length);
  packet[HEADROOM_BYTES] = type;
  packet[HEADROOM_BYTES + 1] = code;
  packet.set(header, HEADROOM_BYTES + ICMP_HEADER_BYTES);
  packet.set(quoted, HEADROOM_BYTES + ICMP_HEADER_BYTES + header.length);
  return finished(packet);
}

function finished(packet: Uint8Array): Uint8Array {
  put16(packet, HEADROOM_BYTES + 2, 0);
  put16(packet, HEADROOM_BYTES + 2, checksum(packet, HEADROOM_BYTES));
  return packet;
}
