/**
 * Descriptor rings of the Am79C970A (data sheet "Initialization Block", "Receive Descriptors", "Transmit Descriptors").
 * SWSTYLE says how they lie in memory:
 *
 *     0          u16 buffer 15..0, u8 buffer 23..16, u8 flags, u16 -size, u16 count        8 bytes
 *     1, 2       u32 buffer, u16 -size, u8 match, u8 flags, u32 count, u32 user            16 bytes
 *     3          u32 count, u16 -size, u8 match, u8 flags, u32 buffer, u32 user            16 bytes
 *
 *     flags      OWN ERR FRAM/ADD_FCS OFLO/LTINT CRC BUFF STP ENP
 *
 * A packet is sent once all of its descriptors belong to the chip, never in part.
 */

import { FCS_BYTES, typeOf, withFcs } from './ethernet.ts';
import {
  BCR_SOFTWARE_STYLE,
  CSR_ADDRESS_HIGH,
  CSR_MODE,
  CSR_RX_BASE,
  CSR_RX_LENGTH,
  CSR_TX_BASE,
  CSR_TX_LENGTH,
  CSR0_MEMORY_ERROR,
  CSR0_RX_INTERRUPT,
  CSR0_TX_INTERRUPT,
  CSR4_STRIP_RECEIVE,
  CSR4_TX_STARTED,
  CSR5_LAST_TX_INTERRUPT,
  CSR5_NO_TX_OK_INTERRUPT,
  MODE_NO_TX_FCS,
  type PcnetCore,
} from './pcnet-state.ts';

const OWN = 0x80;
const ERROR = 0x40;
const ADD_FCS = 0x20;
const LAST_INTERRUPT = 0x10;
const BUFFER_ERROR = 0x04;
const START = 0x02;
const END = 0x01;
const SIZE = 0xfff;
const MATCH = { physical: 0x40, filter: 0x20, broadcast: 0x10, any: 0 } as const;
export type Match = keyof typeof MATCH;

/** The most descriptors that are looked at in one go. */
const BATCH = 512;
/** Longer than any frame, by which a runaway packet is known. */
const LARGEST_PACKET = 0x1_0000;
/** 802.3 lengths below this mean that the frame was padded. */
const UNPADDED_LENGTH = 46;

interface Descriptor {
  readonly at: number;
  readonly flags: number;
  readonly buffer: number;
  readonly size: number;
}

export class PcnetRings {
  readonly #core: PcnetCore;

  constructor(core: PcnetCore) {
    this.#core = core;
  }

  get #style(): number {
    return this.#core.state.bcr[BCR_SOFTWARE_STYLE] & 3;
  }

  #length(csr: number): number {
    return (0x1_0000 - this.#core.state.csr[csr]) & 0xffff || 1;
  }

  #read(baseCsr: number, index: number): Descriptor | undefined {
    const { state, host } = this.#core;
    const base = (state.csr[baseCsr] | (state.csr[baseCsr + 1] << 16)) >>> 0;
    const style = this.#style;
    const at = base + index * (style === 0 ? 8 : 16);
    const bytes = new Uint8Array(style === 0 ? 8 : 16);
    if (!host.memory.read(at, bytes)) return undefined;
    const view = new DataView(bytes.buffer);
    if (style === 0) {
      const high = (state.csr[CSR_ADDRESS_HIGH] & 0xff00) << 16;
      const buffer = ((view.getUint32(0, true) & 0xff_ffff) | high) >>> 0;
      return { at, flags: bytes[3], buffer, size: sizeOf(view.getUint16(4, true)) };
    }
    return {
      at,
      flags: bytes[7],
      buffer: view.getUint32(style === 3 ? 8 : 0, true),
      size: sizeOf(view.getUint16(4, true)),
    };
  }

  /** Gives a descriptor back. `count` is MCNT of a received frame, and no error of a sent one; `match` only received. */
  #release({ at }: Descriptor, flags: number, count: number, match?: number): void {
    const { memory } = this.#core.host;
    const style = this.#style;
    let done: boolean;
    if (style === 0) {
      done = memory.write(at + 6, Uint8Array.of(count, count >> 8)) && memory.write(at + 3, Uint8Array.of(flags));
    } else {
      const field = Uint8Array.of(count, count >> 8, 0, 0);
      const state = match === undefined ? Uint8Array.of(flags) : Uint8Array.of(match, flags);
      done = memory.write(at + (style === 3 ? 0 : 8), field) && memory.write(at + 8 - state.length, state);
    }
    if (!done) this.#core.raise(CSR0_MEMORY_ERROR);
  }

  /**
   * The descriptors from `index` on, all of them the chip's, up to the one that `isEnough`; all there are, or a batch,
   * when none is. Undefined when one before it belongs to the driver.
   */
  #owned(
    baseCsr: number,
    length: number,
    index: number,
    isEnough: (descriptor: Descriptor) => boolean,
  ): Descriptor[] | undefined {
    const found: Descriptor[] = [];
    let next = index % length;
    while (found.length < Math.min(length, BATCH)) {
      const descriptor = this.#read(baseCsr, next);
      if (descriptor === undefined) this.#core.raise(CSR0_MEMORY_ERROR);
      if (descriptor === undefined || !(descriptor.flags & OWN)) return undefined;
      found.push(descriptor);
      if (isEnough(descriptor)) break;
      next = (next + 1) % length;
    }
    return found;
  }

  /** Sends what is ready, while `isOn`; false when there may be more than is done in one go. */
  transmit(isOn: () => boolean): boolean {
    const { state } = this.#core;
    let done = 0;
    while (isOn()) {
      if (done >= BATCH) return false;
      const length = this.#length(CSR_TX_LENGTH);
      const packet = this.#owned(CSR_TX_BASE, length, state.txNext, ({ flags }) => (flags & END) !== 0);
      if (packet === undefined) return true;
      done += packet.length;
      state.txNext = (state.txNext + packet.length) % length;
      this.#sendPacket(packet);
    }
    return true;
  }

  #sendPacket(descriptors: readonly Descriptor[]): void {
    const { state, raise, transmit } = this.#core;
    const [first] = descriptors;
    const last = descriptors[descriptors.length - 1];
    // What does not begin with STP is skipped; so is what has no end.
    const isPacket = (first.flags & START) !== 0 && (last.flags & END) !== 0;
    const frame = isPacket ? this.#gather(descriptors) : undefined;
    if (frame) {
      const bringsFcs = (state.csr[CSR_MODE] & MODE_NO_TX_FCS) !== 0 && !(first.flags & ADD_FCS);
      state.csr[4] |= CSR4_TX_STARTED;
      transmit(bringsFcs ? frame.slice(0, Math.max(0, frame.length - FCS_BYTES)) : frame);
    }
    for (const descriptor of descriptors) this.#release(descriptor, descriptor.flags & ~(OWN | ERROR), 0);
    const silent =
      state.csr[5] & CSR5_LAST_TX_INTERRUPT
        ? !(last.flags & LAST_INTERRUPT)
        : (state.csr[5] & CSR5_NO_TX_OK_INTERRUPT) !== 0;
    raise(silent && frame ? 0 : CSR0_TX_INTERRUPT);
  }

  #gather(descriptors: readonly Descriptor[]): Uint8Array | undefined {
    const length = descriptors.reduce((sum, { size }) => sum + size, 0);
    if (length > LARGEST_PACKET) return undefined;
    const frame = new Uint8Array(length);
    let at = 0;
    for (const { buffer, size } of descriptors) {
      if (!this.#core.host.memory.read(buffer, frame.subarray(at, at + size))) {
        this.#core.raise(CSR0_MEMORY_ERROR);
        return undefined;
      }
      at += size;
    }
    return frame;
  }

  #buffersFor(bytes: number): Descriptor[] | undefined {
    const { state } = this.#core;
    let room = 0;
    return this.#owned(CSR_RX_BASE, this.#length(CSR_RX_LENGTH), state.rxNext, ({ size }) => {
      room += size;
      return room >= bytes;
    });
  }

  /** Whether there are buffers for a frame of so many bytes, or as many as there will ever be. */
  hasRoom(bytes: number): boolean {
    return this.#buffersFor(bytes) !== undefined;
  }

  /** False when there are too few buffers now. */
  receive(frame: Uint8Array, match: Match): boolean {
    const { state, host, raise } = this.#core;
    const length = typeOf(frame);
    const strip = (state.csr[4] & CSR4_STRIP_RECEIVE) !== 0 && length < UNPADDED_LENGTH;
    const data = strip ? frame.subarray(0, 14 + length) : withFcs(frame);
    const descriptors = this.#buffersFor(data.length);
    if (descriptors === undefined) return false;
    state.rxNext = (state.rxNext + descriptors.length) % this.#length(CSR_RX_LENGTH);
    let at = 0;
    for (const [i, descriptor] of descriptors.entries()) {
      const part = data.subarray(at, at + descriptor.size);
      if (!host.memory.write(descriptor.buffer, part)) raise(CSR0_MEMORY_ERROR);
      at += part.length;
      const start = i === 0 ? START : 0;
      if (i < descriptors.length - 1) this.#release(descriptor, start, 0, 0);
      else if (at < data.length) this.#release(descriptor, start | ERROR | BUFFER_ERROR, 0, 0);
      else this.#release(descriptor, start | END, data.length, MATCH[match]);
    }
    raise(CSR0_RX_INTERRUPT);
    return true;
  }
}

/** Of a negative count of twelve bits. */
function sizeOf(count: number): number {
  return SIZE + 1 - (count & SIZE);
}
