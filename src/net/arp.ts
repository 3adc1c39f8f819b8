/** Address resolution (RFC 826) for IPv4 over Ethernet. */

import { ETHERNET_HEADER_BYTES } from '../base/network.ts';
import { get16, get32, put16, put32 } from './bytes.ts';
import { MAC_BYTES, putEthernetHeader, TYPE_ARP, TYPE_IPV4 } from './ethernet.ts';

const ARP_BYTES = 28;
const HARDWARE_ETHERNET = 1;
const REQUEST = 1;
const REPLY = 2;

export interface ArpPacket {
  readonly isRequest: boolean;
  readonly senderMac: Uint8Array;
  readonly sender: number;
  readonly target: number;
}

/** What the packet says; undefined when it is not about IPv4 over Ethernet, or cut short. */
export function parseArp(bytes: Uint8Array): ArpPacket | undefined {
  if (bytes.length < ARP_BYTES) return undefined;
  const isOurs =
    get16(bytes, 0) === HARDWARE_ETHERNET && get16(bytes, 2) === TYPE_IPV4 && bytes[4] === MAC_BYTES && bytes[5] === 4;
  const operation = get16(bytes, 6);
  if (!isOurs || (operation !== REQUEST && operation !== REPLY)) return undefined;
  return {
    isRequest: operation === REQUEST,
    senderMac: bytes.slice(8, 8 + MAC_BYTES),
    sender: get32(bytes, 14),
    target: get32(bytes, 24),
  };
}

/** A whole frame. The target of a request has no hardware address yet. */
export function arpFrame(packet: {
  readonly isRequest: boolean;
  readonly to: Uint8Array;
  readonly senderMac: Uint8Array;
  readonly sender: number;
  readonly target: number;
}): Uint8Array {
  const frame = new Uint8Array(ETHERNET_HEADER_BYTES + ARP_BYTES);
  putEthernetHeader(frame, packet.to, packet.senderMac, TYPE_ARP);
  const bytes = frame.subarray(ETHERNET_HEADER_BYTES);
  put16(bytes, 0, HARDWARE_ETHERNET);
  put16(bytes, 2, TYPE_IPV4);
  bytes[4] = MAC_BYTES;
  bytes[5] = 4;
  put16(bytes, 6, packet.isRequest ? REQUEST : REPLY);
  bytes.set(packet.senderMac, 8);
  put32(bytes, 14, packet.sender);
  if (!packet.isRequest) bytes.set(packet.to, 18);
  put32(bytes, 24, packet.target);
  return frame;
}
