/** Ethernet II frames (RFC 894). */

import { ETHERNET_HEADER_BYTES } from '../base/network.ts';
import { put16 } from './bytes.ts';

export const MAC_BYTES = 6;
export const TYPE_IPV4 = 0x0800;
export const TYPE_ARP = 0x0806;
export const BROADCAST_MAC: Uint8Array = new Uint8Array(MAC_BYTES).fill(0xff);

/** The largest IPv4 packet that fits into a frame (RFC 894 "Frame Format"). */
export const MTU = 1500;

/** Fills in the first bytes of `frame`. */
export function putEthernetHeader(frame: Uint8Array, destination: Uint8Array, source: Uint8Array, type: number): void {
  frame.set(destination, 0);
  frame.set(source, MAC_BYTES);
  put16(frame, 2 * MAC_BYTES, type);
}

export function destinationOf(frame: Uint8Array): Uint8Array {
  return frame.subarray(0, MAC_BYTES);
}

export function sourceOf(frame: Uint8Array): Uint8Array {
  return frame.subarray(MAC_BYTES, 2 * MAC_BYTES);
}

export function payloadOf(frame: Uint8Array): Uint8Array {
  return frame.subarray(ETHERNET_HEADER_BYTES);
}

/** An address of one station: multicast ones have the low bit of the first byte set. */
export function isUnicast(mac: Uint8Array): boolean {
  return (mac[0] & 1) === 0;
}

export function isSameMac(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < MAC_BYTES; i++) if (a[i] !== b[i]) return false;
  return true;
}
