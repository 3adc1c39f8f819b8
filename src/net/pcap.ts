/**
 * Captures in the classic libpcap format with nanoseconds (draft-ietf-opsawg-pcap "PCAP Capture File Format"), as
 * tcpdump, tshark and Wireshark read it. Times are the guest's: its wall clock when it was started, and virtual time
 * since.
 *
 *     file header, 24 bytes: magic, version 2.4, zone, accuracy, longest packet, link type
 *     each frame: seconds, nanoseconds, bytes that follow, bytes there were; the bytes
 */

import { type Clock, NS_PER_SECOND } from '../base/clock.ts';

/** Times are nanoseconds, not microseconds. */
const MAGIC_NANOSECONDS = 0xa1b2_3c4d;
const LINKTYPE_ETHERNET = 1;
const LONGEST_PACKET_BYTES = 262_144;

export function pcapHeader(): Uint8Array {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC_NANOSECONDS, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, LONGEST_PACKET_BYTES, true);
  view.setUint32(20, LINKTYPE_ETHERNET, true);
  return bytes;
}

export function pcapRecord(frame: Uint8Array, seconds: number, nanoseconds: number): Uint8Array {
  const bytes = new Uint8Array(16 + frame.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, seconds, true);
  view.setUint32(4, nanoseconds, true);
  view.setUint32(8, frame.length, true);
  view.setUint32(12, frame.length, true);
  bytes.set(frame, 16);
  return bytes;
}

export interface CaptureHost {
  readonly clock: Clock;
  /** The guest's wall clock at power-on, in milliseconds since 1970. */
  readonly bootMs: number;
  write(bytes: Uint8Array): void;
}

/** Frames longer than any that travels are cut out: what is captured is what could be sent. */
export class Capture {
  readonly #host: CaptureHost;

  constructor(host: CaptureHost) {
    this.#host = host;
    host.write(pcapHeader());
  }

  frame(frame: Uint8Array): void {
    if (frame.length > LONGEST_PACKET_BYTES) return;
    // Apart, for the sum is more than doubles hold to the nanosecond.
    const virtualNs = Math.floor(this.#host.clock.now());
    const bootNs = Math.round((this.#host.bootMs % 1000) * 1e6);
    const nanoseconds = bootNs + (virtualNs % NS_PER_SECOND);
    const seconds = Math.floor(this.#host.bootMs / 1000) + Math.floor(virtualNs / NS_PER_SECOND);
    const carry = Math.floor(nanoseconds / NS_PER_SECOND);
    this.#host.write(pcapRecord(frame, seconds + carry, nanoseconds % NS_PER_SECOND));
  }
}
