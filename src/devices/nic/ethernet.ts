/** What the chips have in common about frames: addresses, hashes of them, FCS (IEEE 802.3 §3 "MAC frame and packet"). */

import { SHORTEST_FRAME_BYTES } from '../../base/network.ts';

export const ADDRESS_BYTES = 6;
export const FCS_BYTES = 4;
/** Type of a frame with an IEEE 802.1Q tag. */
export const TYPE_VLAN = 0x8100;
/** Destination and source: what comes before the type, or the tag. */
export const ADDRESSES_BYTES = 12;
export const VLAN_TAG_BYTES = 4;

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb8_8320 : crc >>> 1;
  return crc;
});

/** The CRC register, least significant bit first, after the first `length` bytes; not complemented. */
function crcAfter(bytes: Uint8Array, length: number): number {
  let crc = 0xffff_ffff;
  for (let i = 0; i < length; i++) crc = (crc >>> 8) ^ crcTable[(crc ^ bytes[i]) & 0xff];
  return crc >>> 0;
}

/** The frame check sequence that follows a frame on the wire, as a little-endian number. */
export function frameCheckSequence(frame: Uint8Array): number {
  return ~crcAfter(frame, frame.length) >>> 0;
}

/** Hash of the destination as the PCnet family has it: the six highest bits of the CRC. */
export function destinationHash(frame: Uint8Array): number {
  return crcAfter(frame, ADDRESS_BYTES) >>> 26;
}

/** The same of a CRC that is shifted the other way round, as Realtek has it: six bits, mirrored. */
export function mirroredDestinationHash(frame: Uint8Array): number {
  const crc = crcAfter(frame, ADDRESS_BYTES);
  let hash = 0;
  for (let bit = 0; bit < 6; bit++) hash = (hash << 1) | ((crc >>> bit) & 1);
  return hash;
}

export function isBroadcast(frame: Uint8Array): boolean {
  for (let i = 0; i < ADDRESS_BYTES; i++) if (frame[i] !== 0xff) return false;
  return true;
}

/** Broadcast frames are multicast frames, too. */
export function isMulticast(frame: Uint8Array): boolean {
  return (frame[0] & 1) === 1;
}

/** Whether the frame is for the station whose address is at `at` of `addresses`. */
export function isAddressedTo(frame: Uint8Array, addresses: ArrayLike<number>, at = 0): boolean {
  for (let i = 0; i < ADDRESS_BYTES; i++) if (frame[i] !== addresses[at + i]) return false;
  return true;
}

export function typeOf(frame: Uint8Array): number {
  return (frame[12] << 8) | frame[13];
}

/** The frame as it would have come off a wire, where nothing is shorter. */
export function padded(frame: Uint8Array): Uint8Array {
  if (frame.length >= SHORTEST_FRAME_BYTES) return frame;
  const long = new Uint8Array(SHORTEST_FRAME_BYTES);
  long.set(frame);
  return long;
}

/** The frame and its FCS. */
export function withFcs(frame: Uint8Array): Uint8Array {
  const long = new Uint8Array(frame.length + FCS_BYTES);
  long.set(frame);
  new DataView(long.buffer).setUint32(frame.length, frameCheckSequence(frame), true);
  return long;
}

/** A copy without its VLAN tag (four bytes behind the addresses). */
export function withoutTag(frame: Uint8Array): Uint8Array {
  const short = new Uint8Array(frame.length - VLAN_TAG_BYTES);
  short.set(frame.subarray(0, ADDRESSES_BYTES));
  short.set(frame.subarray(ADDRESSES_BYTES + VLAN_TAG_BYTES), ADDRESSES_BYTES);
  return short;
}

/** A copy with a VLAN tag. */
export function withTag(frame: Uint8Array, type: number, tag: number): Uint8Array {
  const long = new Uint8Array(frame.length + VLAN_TAG_BYTES);
  long.set(frame.subarray(0, ADDRESSES_BYTES));
  long.set([type >> 8, type & 0xff, tag >> 8, tag & 0xff], ADDRESSES_BYTES);
  long.set(frame.subarray(ADDRESSES_BYTES), ADDRESSES_BYTES + VLAN_TAG_BYTES);
  return long;
}
