/**
 * Reception by an 82540EM (manual §3.2 "Packet Reception"): which frames, and into which buffers. Descriptors from RDH
 * up to RDT are the chip's:
 *
 *     +0 buffer, 64 bits    +8 length, packet checksum    +12 status, errors, VLAN tag
 */

import { LONGEST_FRAME_BYTES } from '../../../base/network.ts';
import { FCS_BYTES, isAddressedTo, isBroadcast, isMulticast, typeOf, withFcs, withoutTag } from '../ethernet.ts';
import { dmaAddress } from '../nic-host.ts';
import {
  type Ipv4Headers,
  ipv4Headers,
  isIpv4ChecksumGood,
  isTransportChecksumGood,
  readBig16,
  sumOf,
} from '../offload.ts';
import type { Interrupts } from './interrupts.ts';
import {
  CTRL_VLAN_MODE,
  type E1000Core,
  INT_RX_LOW,
  RA_WORDS,
  RCTL_BROADCAST,
  RCTL_LARGE_BUFFERS,
  RCTL_LOW_SHIFT,
  RCTL_MULTICAST_ALL,
  RCTL_MULTICAST_SHIFT,
  RCTL_SIZE_SHIFT,
  RCTL_STRIP_FCS,
  RCTL_UNICAST_ALL,
  RCTL_VLAN_FILTER,
  RXCSUM_IP,
  RXCSUM_TRANSPORT,
} from './registers.ts';

const DESCRIPTOR_BYTES = 16;
const STATUS_DONE = 0x01;
const STATUS_END = 0x02;
const STATUS_NO_CHECKSUM = 0x04;
const STATUS_VLAN = 0x08;
const STATUS_TRANSPORT = 0x20;
const STATUS_IP = 0x40;
const STATUS_INEXACT = 0x80;
const ERROR_TRANSPORT = 0x20;
const ERROR_IP = 0x40;
const ADDRESS_VALID = 0x8000_0000;
/** How far the destination's last two bytes are shifted to give the 12 bits of its hash. */
const HASH_SHIFTS = [4, 3, 2, 0] as const;
const VLAN_ID = 0xfff;

export class Receiver {
  readonly #core: E1000Core;
  readonly #interrupts: Interrupts;

  constructor(core: E1000Core, interrupts: Interrupts) {
    this.#core = core;
    this.#interrupts = interrupts;
  }

  get #bufferBytes(): number {
    const { rctl } = this.#core.state;
    const size = 2048 >> ((rctl >> RCTL_SIZE_SHIFT) & 3);
    return rctl & RCTL_LARGE_BUFFERS ? size * 16 : size;
  }

  get #ringLength(): number {
    return this.#core.state.rdlen / DESCRIPTOR_BYTES;
  }

  /** Descriptors between RDH and RDT; none while one of them is outside the ring. */
  get #free(): number {
    const { rdh, rdt } = this.#core.state;
    const count = this.#ringLength;
    return rdh < count && rdt < count ? (rdt - rdh + count) % count : 0;
  }

  hasRoom(frameBytes: number = LONGEST_FRAME_BYTES): boolean {
    return this.#free * this.#bufferBytes >= frameBytes + FCS_BYTES;
  }

  /** Manual §3.2.1 "Packet Address Filtering": undefined when the frame is for others. */
  match(frame: Uint8Array): 'exact' | 'inexact' | undefined {
    const { rctl, ra } = this.#core.state;
    if (!this.#passesVlanFilter(frame)) return undefined;
    for (let i = 0; i < RA_WORDS; i += 2) {
      if (!(ra[i + 1] & ADDRESS_VALID)) continue;
      const [low, high] = [ra[i], ra[i + 1]];
      const address = [low, low >>> 8, low >>> 16, low >>> 24, high, high >>> 8].map((byte) => byte & 0xff);
      if (isAddressedTo(frame, address)) return 'exact';
    }
    if (isBroadcast(frame) && rctl & RCTL_BROADCAST) return 'exact';
    if (!isMulticast(frame)) return rctl & RCTL_UNICAST_ALL ? 'inexact' : undefined;
    return rctl & RCTL_MULTICAST_ALL || this.#isInTable(frame) ? 'inexact' : undefined;
  }

  #isInTable(frame: Uint8Array): boolean {
    const { rctl, mta } = this.#core.state;
    const shift = HASH_SHIFTS[(rctl >> RCTL_MULTICAST_SHIFT) & 3];
    const hash = (((frame[5] << 8) | frame[4]) >> shift) & 0xfff;
    return ((mta[hash >> 5] >>> (hash & 31)) & 1) === 1;
  }

  #passesVlanFilter(frame: Uint8Array): boolean {
    const { rctl, vet, vfta } = this.#core.state;
    if (!(rctl & RCTL_VLAN_FILTER) || typeOf(frame) !== vet || frame.length < 16) return true;
    const id = readBig16(frame, 14) & VLAN_ID;
    return ((vfta[id >> 5] >>> (id & 31)) & 1) === 1;
  }

  /** Into as many buffers as it takes; false when there are too few. */
  receive(frame: Uint8Array, match: 'exact' | 'inexact'): boolean {
    const { state, host } = this.#core;
    const untag = (state.ctrl & CTRL_VLAN_MODE) !== 0 && typeOf(frame) === state.vet && frame.length >= 18;
    const bare = untag ? withoutTag(frame) : frame;
    const data = state.rctl & RCTL_STRIP_FCS ? bare : withFcs(bare);
    const size = this.#bufferBytes;
    if (this.#free * size < data.length) return false;
    const checks = this.#checks(frame);
    const marks = (match === 'inexact' ? STATUS_INEXACT : 0) | (untag ? STATUS_VLAN : 0) | checks.status;
    const base = dmaAddress(state.rdbah, state.rdbal);
    for (let at = 0; at < data.length; at += size) {
      const part = data.subarray(at, at + size);
      const isLast = at + size >= data.length;
      const descriptor = base + state.rdh * DESCRIPTOR_BYTES;
      const written = new Uint8Array(8);
      const view = new DataView(written.buffer);
      view.setUint16(0, part.length, true);
      view.setUint16(2, isLast ? this.#packetChecksum(data) : 0, true);
      view.setUint8(4, isLast ? STATUS_DONE | STATUS_END | marks : STATUS_DONE);
      view.setUint8(5, isLast ? checks.errors : 0);
      view.setUint16(6, untag && isLast ? readBig16(frame, 14) : 0, true);
      const buffer = new Uint8Array(8);
      // What lies outside memory is lost, as on a bus where nobody answers.
      if (host.memory.read(descriptor, buffer)) {
        const words = new DataView(buffer.buffer);
        host.memory.write(dmaAddress(words.getUint32(4, true), words.getUint32(0, true)), part);
        host.memory.write(descriptor + 8, written);
      }
      state.rdh = (state.rdh + 1) % this.#ringLength;
    }
    const low = this.#ringLength >> (1 + ((state.rctl >> RCTL_LOW_SHIFT) & 3));
    if (this.#free <= low) this.#interrupts.raise(INT_RX_LOW);
    this.#interrupts.received.packet(state.rdtr, state.radv);
    return true;
  }

  /** Manual §3.2.9 "Receive Packet Checksum Offloading": from PCSS to the end of what is stored. */
  #packetChecksum(frame: Uint8Array): number {
    const start = this.#core.state.rxcsum & 0xff;
    const sum = sumOf(frame, Math.min(start, frame.length), frame.length);
    return ((sum & 0xff) << 8) | (sum >> 8);
  }

  #checks(frame: Uint8Array): { status: number; errors: number } {
    const { rxcsum } = this.#core.state;
    const headers: Ipv4Headers | undefined = rxcsum & (RXCSUM_IP | RXCSUM_TRANSPORT) ? ipv4Headers(frame) : undefined;
    let status = 0;
    let errors = 0;
    if (headers && rxcsum & RXCSUM_IP) {
      status |= STATUS_IP;
      if (!isIpv4ChecksumGood(frame, headers)) errors |= ERROR_IP;
    }
    if (headers?.transport && rxcsum & RXCSUM_TRANSPORT) {
      status |= STATUS_TRANSPORT;
      if (!isTransportChecksumGood(frame, headers)) errors |= ERROR_TRANSPORT;
    }
    return { status: status || STATUS_NO_CHECKSUM, errors };
  }
}
