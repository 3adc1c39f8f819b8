/**
 * Transmission by an 82540EM (manual §3.3 "Packet Transmission"): descriptors from TDH up to TDT, of three kinds.
 *
 *     legacy    +0 buffer, 64 bits    +8 length 15..0, CSO 23..16, CMD 31..24    +12 STA 3..0, CSS 15..8, VLAN 31..16
 *     context   +0 IPCSS IPCSO IPCSE  +4 TUCSS TUCSO TUCSE  +8 PAYLEN 19..0, 0, TUCMD 31..24   +12 STA, HDRLEN, MSS
 *     data      +0 buffer, 64 bits    +8 DTALEN 19..0, 1, DCMD 31..24            +12 STA 3..0, POPTS 15..8, VLAN 31..16
 *
 *     CMD       EOP 0, IFCS 1, IC 2 (TSE of data), RS 3, DEXT 5, VLE 6, IDE 7
 *
 * A packet is sent once TDT is behind the last of its descriptors, never in part. A write of TDT does a bounded amount
 * of work; what is left goes on a little later.
 */

import type { Timer } from '../../../base/clock.ts';
import { withTag } from '../ethernet.ts';
import { dmaAddress } from '../nic-host.ts';
import { insertChecksum, readBig16, type Segmentation, segment, sumOf, writeBig16 } from '../offload.ts';
import type { Interrupts } from './interrupts.ts';
import { type Context, CTRL_VLAN_MODE, type E1000Core, INT_TX_QUEUE_EMPTY, TCTL_ENABLE } from './registers.ts';
import type { Statistics } from './statistics.ts';

const DESCRIPTOR_BYTES = 16;
const CMD_END = 0x01;
const CMD_CHECKSUM = 0x04;
const CMD_SEGMENT = 0x04;
const CMD_REPORT = 0x08;
const CMD_EXTENDED = 0x20;
const CMD_VLAN = 0x40;
const CMD_DELAY = 0x80;
const TYPE_CONTEXT = 0;
const STATUS_DONE = 0x01;
const OPTION_IP = 0x01;
const OPTION_TRANSPORT = 0x02;
const CONTEXT_TCP = 0x01;
const CONTEXT_IPV4 = 0x02;

/** Manual §3.3.3 "Legacy Transmit Descriptor Format": no descriptor may have more. */
const LARGEST_BUFFER = 0x4000;
/** A packet that takes more descriptors than this is thrown away. */
const LONGEST_CHAIN = 256;
/** Descriptors, or frames made of them, after which the rest is put off. */
const BATCH = 256;
const PAUSE_NS = 20_000;
/** Segmented packets are IP packets of at most 64 KiB and their header; longer payloads are cut off. */
const LARGEST_PACKET = 0x1_0000 + 0x100;

interface Descriptor {
  readonly at: number;
  readonly buffer: number;
  readonly length: number;
  readonly command: number;
  readonly status: number;
  readonly extended: boolean;
  readonly isContext: boolean;
  /** As it is in memory. */
  readonly words: readonly [number, number, number, number];
}

export interface TransmitHost {
  readonly interrupts: Interrupts;
  readonly statistics: Statistics;
  /** A frame for the wire, or in loopback for the receiver. */
  send(frame: Uint8Array): void;
}

export class Transmitter {
  readonly #core: E1000Core;
  readonly #to: TransmitHost;
  readonly #resume: Timer;
  /** Frames made since the batch began. */
  #frames = 0;

  constructor(core: E1000Core, to: TransmitHost) {
    this.#core = core;
    this.#to = to;
    this.#resume = core.host.clock.timer(() => {
      core.state.resumeNs = Number.POSITIVE_INFINITY;
      this.run();
    });
  }

  derive(): void {
    this.#resume.arm(this.#core.state.resumeNs);
  }

  /** Sends what is ready. */
  run(): void {
    const { state } = this.#core;
    if (!this.#isOn() || state.resumeNs !== Number.POSITIVE_INFINITY || state.tdh === state.tdt) return;
    let descriptors = 0;
    this.#frames = 0;
    while (state.tdh !== state.tdt && this.#isOn()) {
      if (descriptors + this.#frames >= BATCH) {
        state.resumeNs = this.#core.host.clock.now() + PAUSE_NS;
        this.derive();
        return;
      }
      const packet = this.#nextPacket();
      if (packet === undefined) return;
      descriptors += packet.length;
      this.#process(packet);
    }
    this.#to.interrupts.raise(INT_TX_QUEUE_EMPTY);
  }

  #isOn(): boolean {
    const { state, config } = this.#core;
    const count = state.tdlen / DESCRIPTOR_BYTES;
    return (state.tctl & TCTL_ENABLE) !== 0 && config.busMaster && state.tdh < count && state.tdt < count;
  }

  /** A context descriptor, or those of a packet; undefined until it is whole. */
  #nextPacket(): Descriptor[] | undefined {
    const { state } = this.#core;
    const count = state.tdlen / DESCRIPTOR_BYTES;
    const base = dmaAddress(state.tdbah, state.tdbal);
    const found: Descriptor[] = [];
    for (let index = state.tdh; index !== state.tdt; index = (index + 1) % count) {
      const descriptor = this.#read(base + index * DESCRIPTOR_BYTES);
      found.push(descriptor);
      const isWhole = descriptor.isContext ? found.length === 1 : (descriptor.command & CMD_END) !== 0;
      if (isWhole || found.length === Math.min(LONGEST_CHAIN, count - 1)) return found;
    }
    return undefined;
  }

  /** One outside memory counts as one of an empty packet. */
  #read(at: number): Descriptor {
    const view = new DataView(new ArrayBuffer(DESCRIPTOR_BYTES));
    if (!this.#core.host.memory.read(at, new Uint8Array(view.buffer))) view.setUint32(8, CMD_END << 24, true);
    const word = (index: number): number => view.getUint32(4 * index, true);
    const extended = ((word(2) >>> 24) & CMD_EXTENDED) !== 0;
    return {
      at,
      buffer: dmaAddress(word(1), word(0)),
      length: Math.min(word(2) & (extended ? 0xf_ffff : 0xffff), LARGEST_BUFFER),
      command: word(2) >>> 24,
      status: word(3) & 0xff,
      extended,
      isContext: extended && ((word(2) >>> 20) & 15) === TYPE_CONTEXT,
      words: [word(0), word(1), word(2), word(3)],
    };
  }

  #process(packet: readonly Descriptor[]): void {
    const { state } = this.#core;
    const data = packet.filter(({ isContext }) => !isContext);
    for (const descriptor of packet) if (descriptor.isContext) this.#setContext(descriptor);
    if (data.length > 0) this.#sendPacket(data);
    state.tdh = (state.tdh + packet.length) % (state.tdlen / DESCRIPTOR_BYTES);
    let reports = 0;
    for (const { at, command, status } of packet) {
      if (!(command & CMD_REPORT)) continue;
      this.#core.host.memory.write(at + 12, Uint8Array.of(status | STATUS_DONE));
      reports |= command & CMD_DELAY ? 1 : 2;
    }
    if (reports) this.#to.interrupts.sent.packet(reports & 2 ? 0 : state.tidv, state.tadv);
  }

  #setContext({ command, words }: Descriptor): void {
    const context = this.#core.state.contexts[command & CMD_SEGMENT ? 1 : 0];
    const [ip, transport, payload, sizes] = words;
    context.ipStart = ip & 0xff;
    context.ipChecksum = (ip >>> 8) & 0xff;
    context.ipEnd = ip >>> 16;
    context.transportStart = transport & 0xff;
    context.transportChecksum = (transport >>> 8) & 0xff;
    context.transportEnd = transport >>> 16;
    context.payloadBytes = payload & 0xf_ffff;
    context.headerBytes = (sizes >>> 8) & 0xff;
    context.mss = sizes >>> 16;
    context.isIpv4 = (command & CONTEXT_IPV4) !== 0;
    context.isTcp = (command & CONTEXT_TCP) !== 0;
  }

  #sendPacket(descriptors: readonly Descriptor[]): void {
    const [first] = descriptors;
    const last = descriptors[descriptors.length - 1];
    const packet = last.command & CMD_END ? this.#gather(descriptors) : undefined;
    if (packet === undefined) return;
    if (!first.extended) {
      if (first.command & CMD_CHECKSUM) {
        const at = (first.words[2] >>> 16) & 0xff;
        insertChecksum(packet, (first.words[3] >>> 8) & 0xff, packet.length, at, false);
      }
      this.#sendFrame(packet, last);
      return;
    }
    const options = (first.words[3] >>> 8) & 0xff;
    if (first.command & CMD_SEGMENT) {
      this.#sendSegments(packet, options, last);
    } else {
      const context = this.#core.state.contexts[0];
      insertChecksums(packet, context, options);
      this.#sendFrame(packet, last);
    }
  }

  #gather(descriptors: readonly Descriptor[]): Uint8Array | undefined {
    const length = descriptors.reduce((sum, descriptor) => sum + descriptor.length, 0);
    const packet = new Uint8Array(Math.min(length, LARGEST_PACKET));
    let at = 0;
    for (const descriptor of descriptors) {
      const part = packet.subarray(at, at + descriptor.length);
      if (!this.#core.host.memory.read(descriptor.buffer, part)) return undefined;
      at += part.length;
    }
    return packet;
  }

  /** Manual §3.5 "TCP Segmentation". */
  #sendSegments(packet: Uint8Array, options: number, last: Descriptor): void {
    const context = this.#core.state.contexts[1];
    const plan: Segmentation = {
      headerBytes: context.headerBytes,
      mss: context.mss,
      ipAt: context.ipStart,
      ipVersion: context.isIpv4 ? 4 : 6,
      transportAt: context.transportStart,
      transport: context.isTcp ? 'tcp' : 'udp',
    };
    const whole = packet.subarray(0, context.headerBytes + context.payloadBytes);
    const segmented = segment(whole, plan, (frame) => {
      // The driver's part of the pseudo header has no length in it; that is for each segment.
      const { transportStart, transportChecksum: at } = context;
      if (options & OPTION_TRANSPORT && at + 2 <= frame.length) {
        writeBig16(frame, at, sumOf(frame, 0, 0, readBig16(frame, at) + frame.length - transportStart));
      }
      insertChecksums(frame, context, options);
      this.#sendFrame(frame, last);
    });
    if (segmented) this.#to.statistics.countSegmented();
  }

  #sendFrame(frame: Uint8Array, { command, words }: Descriptor): void {
    const { state } = this.#core;
    const tagged = (command & CMD_VLAN) !== 0 && (state.ctrl & CTRL_VLAN_MODE) !== 0;
    this.#frames++;
    this.#to.send(tagged ? withTag(frame, state.vet, words[3] >>> 16) : frame);
  }
}

function insertChecksums(frame: Uint8Array, context: Context, options: number): void {
  const { ipStart, ipEnd, ipChecksum, transportStart, transportEnd, transportChecksum, isTcp } = context;
  const endOf = (last: number): number => (last === 0 ? frame.length : last + 1);
  if (options & OPTION_IP) insertChecksum(frame, ipStart, endOf(ipEnd), ipChecksum, false);
  if (options & OPTION_TRANSPORT) {
    insertChecksum(frame, transportStart, endOf(transportEnd), transportChecksum, !isTcp);
  }
}
