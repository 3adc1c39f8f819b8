/**
 * C+ mode of the RTL8139C+: rings of descriptors in memory (data sheet RTL8139C+ §8 "Descriptor-based buffer
 * management", and the RTL8169's, whose formats are the same).
 *
 *          31  30  29 28 27     26..16   15..0
 *     +0  OWN EOR FS LS LGSEN   MSS     length          transmit, to be sent; 18..16 IPCS UDPCS TCPCS without LGSEN
 *     +0  OWN EOR  -  -  -       -      buffer size     receive, empty
 *     +0   0  EOR FS LS  -      26..24 MAR PAM BAR, 17..16 protocol, 15..13 IPF UDPF TCPF, 12..0 length with FCS
 *     +4  17 TAGC, 16 TAVA, 15..0 VLAN tag, its bytes swapped
 *     +8  address of the buffer, 64 bits
 *
 * A packet is sent once all of its descriptors belong to the chip, never in part.
 */

import { TYPE_VLAN, typeOf, withFcs, withoutTag, withTag } from './ethernet.ts';
import { dmaAddress } from './nic-host.ts';
import {
  fillIpv4Checksum,
  fillTransportChecksum,
  ipv4Headers,
  isIpv4ChecksumGood,
  isTransportChecksumGood,
  readBig16,
  segment,
  TCP_HEADER_BYTES,
} from './offload.ts';
import {
  CPCR_RX_CHECKSUM,
  CPCR_RX_UNTAG,
  CPCR_TRANSMITTER,
  CR_TRANSMITTER,
  INT_NO_RX_DESCRIPTOR,
  INT_NO_TX_DESCRIPTOR,
  INT_RECEIVED,
  INT_SENT,
  INT_SYSTEM_ERROR,
  INT_TX_ERROR,
  type Match,
  PLUS_RING_DESCRIPTORS,
  type Rtl8139Core,
} from './rtl8139-state.ts';

const DESCRIPTOR_BYTES = 16;
const OWN = 0x8000_0000;
const END_OF_RING = 0x4000_0000;
const FIRST = 0x2000_0000;
const LAST = 0x1000_0000;
const LARGE_SEND = 0x0800_0000;
const MSS_SHIFT = 16;
const MSS = 0x7ff;
const IP_CHECKSUM = 0x0004_0000;
const TRANSPORT_CHECKSUM = 0x0003_0000;
const LENGTH = 0xffff;
const ADD_TAG = 0x0002_0000;
const RX_LENGTH = 0x1fff;
const RX_TAGGED = 0x0001_0000;
const RX_MATCH = { multicast: 0x0400_0000, physical: 0x0200_0000, broadcast: 0x0100_0000 } as const;
const RX_PROTOCOL = { udp: 0x0001_0000, tcp: 0x0002_0000, other: 0x0003_0000 } as const;
const RX_IP_BAD = 0x8000;
const RX_BAD = { udp: 0x4000, tcp: 0x2000 } as const;
/** Of a large send: what an IP packet can be, and its Ethernet header. */
const LARGEST_PACKET = 0x1_0000 + 14;
const TALLY_BYTES = 64;

interface Descriptor {
  readonly at: number;
  readonly command: number;
  readonly tag: number;
  readonly buffer: number;
}

export const NORMAL_QUEUE = 0;
export const PRIORITY_QUEUE = 1;
type Queue = typeof NORMAL_QUEUE | typeof PRIORITY_QUEUE;

export class PlusMode {
  readonly #core: Rtl8139Core;

  constructor(core: Rtl8139Core) {
    this.#core = core;
  }

  /** Sends what is ready in a ring: at most one turn of it. */
  transmit(queue: Queue): void {
    const { state, config, raise } = this.#core;
    let turned = 0;
    while (turned < PLUS_RING_DESCRIPTORS) {
      if (!(state.command & CR_TRANSMITTER && state.cpcr & CPCR_TRANSMITTER && config.busMaster)) return;
      const base = dmaAddress(state.tsad[queue * 2 + 1], state.tsad[queue * 2]);
      const packet = this.#owned(base, state.txIndex[queue], ({ command }) => (command & LAST) !== 0);
      if (packet === undefined) break;
      turned += packet.length;
      state.txIndex[queue] = this.#behind(state.txIndex[queue], packet);
      this.#sendPacket(packet);
    }
    raise(INT_NO_TX_DESCRIPTOR);
  }

  /**
   * The descriptors from `index` on, all of them the chip's, up to the one that `isEnough`; all of the ring when none
   * is, undefined when one before it belongs to the driver.
   */
  #owned(base: number, index: number, isEnough: (descriptor: Descriptor) => boolean): Descriptor[] | undefined {
    const found: Descriptor[] = [];
    let next = index;
    do {
      const descriptor = this.#read(base + next * DESCRIPTOR_BYTES);
      if (descriptor === undefined || !(descriptor.command & OWN)) return undefined;
      found.push(descriptor);
      if (isEnough(descriptor)) break;
      next = this.#behind(next, [descriptor]);
    } while (next !== index && found.length < PLUS_RING_DESCRIPTORS);
    return found;
  }

  #read(at: number): Descriptor | undefined {
    const bytes = new Uint8Array(DESCRIPTOR_BYTES);
    if (!this.#core.host.memory.read(at, bytes)) {
      this.#core.raise(INT_SYSTEM_ERROR);
      return undefined;
    }
    const view = new DataView(bytes.buffer);
    const buffer = dmaAddress(view.getUint32(12, true), view.getUint32(8, true));
    return { at, command: view.getUint32(0, true), tag: view.getUint32(4, true), buffer };
  }

  #write({ at }: Descriptor, command: number, tag: number): void {
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, command, true);
    view.setUint32(4, tag, true);
    if (!this.#core.host.memory.write(at, bytes)) this.#core.raise(INT_SYSTEM_ERROR);
  }

  /** The index that follows descriptors that begin at `index`. */
  #behind(index: number, descriptors: readonly Descriptor[]): number {
    for (const { command } of descriptors) index = command & END_OF_RING ? 0 : (index + 1) % PLUS_RING_DESCRIPTORS;
    return index;
  }

  #sendPacket(descriptors: readonly Descriptor[]): void {
    const { state, raise } = this.#core;
    const isWhole = (descriptors[descriptors.length - 1].command & LAST) !== 0;
    const packet = isWhole ? this.#gather(descriptors) : undefined;
    if (packet) this.#sendOffloaded(packet, descriptors[0]);
    else state.sendErrors = (state.sendErrors + 1) >>> 0;
    for (const descriptor of descriptors) {
      this.#write(descriptor, descriptor.command & (END_OF_RING | FIRST | LAST | LENGTH), descriptor.tag);
    }
    raise(packet ? INT_SENT : INT_TX_ERROR);
  }

  #gather(descriptors: readonly Descriptor[]): Uint8Array | undefined {
    const length = descriptors.reduce((sum, { command }) => sum + (command & LENGTH), 0);
    if (length > LARGEST_PACKET) return undefined;
    const packet = new Uint8Array(length);
    let at = 0;
    for (const { command, buffer } of descriptors) {
      const part = packet.subarray(at, at + (command & LENGTH));
      if (!this.#core.host.memory.read(buffer, part)) {
        this.#core.raise(INT_SYSTEM_ERROR);
        return undefined;
      }
      at += part.length;
    }
    return packet;
  }

  #sendOffloaded(packet: Uint8Array, { command, tag }: Descriptor): void {
    const { transmit } = this.#core;
    const large = (command & LARGE_SEND) !== 0;
    const send = (frame: Uint8Array, ip: boolean, transport: boolean): void => {
      const headers = ip || transport ? ipv4Headers(frame) : undefined;
      if (headers && ip) fillIpv4Checksum(frame, headers);
      if (headers?.transport && transport) fillTransportChecksum(frame, headers);
      transmit(tag & ADD_TAG ? withTag(frame, TYPE_VLAN, swapped(tag)) : frame);
    };
    const headers = large ? ipv4Headers(packet, true) : undefined;
    if (headers?.transport === 'tcp') {
      const { ipAt, transportAt, transport } = headers;
      const tcpBytes = Math.max((packet[transportAt + 12] >> 4) * 4, TCP_HEADER_BYTES);
      const mss = (command >>> MSS_SHIFT) & MSS;
      const plan = { headerBytes: transportAt + tcpBytes, mss, ipAt, ipVersion: 4, transportAt, transport } as const;
      if (segment(packet, plan, (frame) => send(frame, true, true))) return;
    }
    send(packet, large || (command & IP_CHECKSUM) !== 0, large || (command & TRANSPORT_CHECKSUM) !== 0);
  }

  /** Whether the driver has left an empty buffer. */
  hasRoom(): boolean {
    const { state } = this.#core;
    const base = dmaAddress(state.rxRing[1], state.rxRing[0]);
    return this.#owned(base, state.rxIndex, () => true) !== undefined;
  }

  /** False when there are too few buffers for the frame. */
  receive(frame: Uint8Array, match: Match): boolean {
    const { state, host, raise } = this.#core;
    const untag = (state.cpcr & CPCR_RX_UNTAG) !== 0 && typeOf(frame) === TYPE_VLAN;
    const tag = untag ? RX_TAGGED | swapped(readBig16(frame, 14)) : 0;
    const data = withFcs(untag ? withoutTag(frame) : frame);
    let room = 0;
    const base = dmaAddress(state.rxRing[1], state.rxRing[0]);
    const descriptors = this.#owned(base, state.rxIndex, ({ command }) => {
      room += command & RX_LENGTH;
      return room >= data.length;
    });
    if (descriptors === undefined) {
      raise(INT_NO_RX_DESCRIPTOR);
      return false;
    }
    state.rxIndex = this.#behind(state.rxIndex, descriptors);
    const found = RX_MATCH[match] | this.#checksums(frame) | data.length;
    let at = 0;
    for (const [i, descriptor] of descriptors.entries()) {
      const part = data.subarray(at, at + (descriptor.command & RX_LENGTH));
      if (!host.memory.write(descriptor.buffer, part)) raise(INT_SYSTEM_ERROR);
      at += part.length;
      const place = (i === 0 ? FIRST : 0) | (i === descriptors.length - 1 ? LAST : 0);
      this.#write(descriptor, (descriptor.command & END_OF_RING) | place | found, tag);
    }
    raise(INT_RECEIVED);
    return true;
  }

  #checksums(frame: Uint8Array): number {
    if (!(this.#core.state.cpcr & CPCR_RX_CHECKSUM)) return 0;
    const headers = ipv4Headers(frame);
    if (headers === undefined) return 0;
    const ip = isIpv4ChecksumGood(frame, headers) ? 0 : RX_IP_BAD;
    const { transport } = headers;
    if (transport === undefined) return ip | RX_PROTOCOL.other;
    return ip | RX_PROTOCOL[transport] | (isTransportChecksumGood(frame, headers) ? 0 : RX_BAD[transport]);
  }

  /** Data sheet §6.4 "Dump Tally Counter Command": 64 bytes of counts to memory. */
  dumpTally(): void {
    const { state, host, config, raise } = this.#core;
    const view = new DataView(new ArrayBuffer(TALLY_BYTES));
    view.setUint32(0, state.sent, true);
    view.setUint32(8, state.received, true);
    view.setUint32(16, state.sendErrors, true);
    view.setUint32(40, state.receivedMine, true);
    view.setUint32(48, state.receivedBroadcast, true);
    view.setUint32(56, state.receivedMulticast, true);
    const at = dmaAddress(state.tally[1], state.tally[0] & ~(TALLY_BYTES - 1));
    if (config.busMaster && !host.memory.write(at, new Uint8Array(view.buffer))) raise(INT_SYSTEM_ERROR);
  }
}

function swapped(tag: number): number {
  return ((tag & 0xff) << 8) | ((tag >> 8) & 0xff);
}
