/**
 * C mode of the RTL8139: four transmit descriptors in registers, and a receive buffer that is one ring of bytes
 * (RTL8139C data sheet §6.4 "Transmit Status Register", §6.3 "Receive Status Register in Rx packet header").
 *
 *     RBSTART -> | status | length | frame, FCS | pad to 4 | status | ...        length counts the FCS, not the header
 *                                                          ^ CBR
 *
 * With WRAP set a frame that meets the end of the ring goes on behind it; the next one begins at the front.
 */

import { LONGEST_FRAME_BYTES } from '../../base/network.ts';
import { FCS_BYTES, withFcs } from './ethernet.ts';
import {
  CAPR_BIAS,
  CR_TRANSMITTER,
  INT_RECEIVED,
  INT_SENT,
  INT_SYSTEM_ERROR,
  INT_TX_ERROR,
  LARGEST_RING_BYTES,
  type Match,
  RCR_NO_WRAP,
  RCR_RING_SIZE_SHIFT,
  type Rtl8139Core,
  TSD_ABORTED,
  TSD_OK,
  TSD_OWN,
  TSD_SIZE,
  TX_DESCRIPTORS,
} from './rtl8139-state.ts';

const HEADER_BYTES = 4;
const LARGEST_TRANSMISSION = 0x700;

const STATUS_OK = 0x0001;
const STATUS_MATCH = { broadcast: 0x2000, physical: 0x4000, multicast: 0x8000 } as const;

export class CMode {
  readonly #core: Rtl8139Core;

  constructor(core: Rtl8139Core) {
    this.#core = core;
  }

  get #ringBytes(): number {
    return 0x2000 << ((this.#core.state.rcr >> RCR_RING_SIZE_SHIFT) & 3);
  }

  get isEmpty(): boolean {
    const { cbr, capr } = this.#core.state;
    return ((cbr - capr - CAPR_BIAS) & (this.#ringBytes - 1)) === 0;
  }

  /** Whether a frame of so many bytes fits between what was received and what was not read. */
  hasRoom(frameBytes: number = LONGEST_FRAME_BYTES): boolean {
    const { cbr, capr } = this.#core.state;
    const size = this.#ringBytes;
    const needed = (HEADER_BYTES + frameBytes + FCS_BYTES + 3) & ~3;
    return this.isEmpty || needed < ((capr + CAPR_BIAS - cbr) & (size - 1));
  }

  receive(frame: Uint8Array, match: Match): void {
    const { state, raise } = this.#core;
    const body = withFcs(frame);
    const packet = new Uint8Array(HEADER_BYTES + body.length);
    const view = new DataView(packet.buffer);
    view.setUint16(0, STATUS_OK | STATUS_MATCH[match], true);
    view.setUint16(2, body.length, true);
    packet.set(body, HEADER_BYTES);
    if (!this.#store(packet)) raise(INT_SYSTEM_ERROR);
    state.cbr = (state.cbr + ((packet.length + 3) & ~3)) & (this.#ringBytes - 1);
    raise(INT_RECEIVED);
  }

  #store(packet: Uint8Array): boolean {
    const { state, host } = this.#core;
    const size = this.#ringBytes;
    const at = state.cbr & (size - 1);
    // Data sheet §6.9 "Receive Configuration Register", WRAP: of no effect with a ring of 64 KiB.
    const wraps = !(state.rcr & RCR_NO_WRAP) || size === LARGEST_RING_BYTES;
    const first = wraps ? Math.min(packet.length, size - at) : packet.length;
    const stored = host.memory.write(state.rxStart + at, packet.subarray(0, first));
    return first === packet.length ? stored : stored && host.memory.write(state.rxStart, packet.subarray(first));
  }

  /** Sends what the driver has handed over, in the order of the descriptors. */
  transmit(): void {
    const { state, config } = this.#core;
    for (let sent = 0; sent < TX_DESCRIPTORS; sent++) {
      const ready = state.command & CR_TRANSMITTER && config.busMaster;
      if (!ready || state.tsd[state.txNext] & TSD_OWN) return;
      this.#send(state.txNext);
      state.txNext = (state.txNext + 1) % TX_DESCRIPTORS;
    }
  }

  #send(descriptor: number): void {
    const { state, host, raise, transmit } = this.#core;
    const size = state.tsd[descriptor] & TSD_SIZE;
    const frame = new Uint8Array(Math.min(size, LARGEST_TRANSMISSION));
    if (size > LARGEST_TRANSMISSION || !host.memory.read(state.tsad[descriptor], frame)) {
      state.tsd[descriptor] |= TSD_OWN | TSD_ABORTED;
      state.sendErrors = (state.sendErrors + 1) >>> 0;
      raise(size > LARGEST_TRANSMISSION ? INT_TX_ERROR : INT_TX_ERROR | INT_SYSTEM_ERROR);
      return;
    }
    state.tsd[descriptor] |= TSD_OWN | TSD_OK;
    transmit(frame);
    raise(INT_SENT);
  }
}
