/**
 * Statistics registers of the 82540EM (manual chapter 13, "Statistics Registers"): counts that stop at all ones and are
 * cleared by reading. Those of errors stay at zero.
 */

import { FCS_BYTES, isBroadcast, isMulticast } from '../ethernet.ts';
import { type E1000State, STATISTICS } from './registers.ts';

const at = (offset: number): number => (offset - STATISTICS) >> 2;

/** Frames by length, FCS included: 64, 127, 255, 511, 1023, more. */
const LIMITS = [64, 127, 255, 511, 1023] as const;

const RECEIVED = {
  lengths: at(0x405c),
  good: at(0x4074),
  broadcast: at(0x4078),
  multicast: at(0x407c),
  goodBytes: at(0x4088),
  totalBytes: at(0x40c0),
  total: at(0x40d0),
} as const;
const SENT = {
  lengths: at(0x40d8),
  good: at(0x4080),
  broadcast: at(0x40f4),
  multicast: at(0x40f0),
  goodBytes: at(0x4090),
  totalBytes: at(0x40c8),
  total: at(0x40d4),
} as const;
const NO_BUFFERS = at(0x40a0);
const SEGMENTED = at(0x40f8);

export class Statistics {
  readonly #state: E1000State;

  constructor(state: E1000State) {
    this.#state = state;
  }

  read(offset: number): number {
    const { statistics } = this.#state;
    const value = statistics[at(offset)];
    statistics[at(offset)] = 0;
    return value;
  }

  countReceived(frame: Uint8Array): void {
    this.#count(frame, RECEIVED);
  }

  countSent(frame: Uint8Array): void {
    this.#count(frame, SENT);
  }

  countRefused(): void {
    this.#add(NO_BUFFERS, 1);
  }

  countSegmented(): void {
    this.#add(SEGMENTED, 1);
  }

  #count(frame: Uint8Array, to: typeof RECEIVED | typeof SENT): void {
    const bytes = frame.length + FCS_BYTES;
    const group = LIMITS.findIndex((limit) => bytes <= limit);
    this.#add(to.lengths + (group < 0 ? LIMITS.length : group), 1);
    this.#add(to.good, 1);
    this.#add(to.total, 1);
    if (isBroadcast(frame)) this.#add(to.broadcast, 1);
    else if (isMulticast(frame)) this.#add(to.multicast, 1);
    this.#addLong(to.goodBytes, bytes);
    this.#addLong(to.totalBytes, bytes);
  }

  #add(index: number, count: number): void {
    const { statistics } = this.#state;
    statistics[index] = Math.min(statistics[index] + count, 0xffff_ffff);
  }

  /** A count of 64 bits. */
  #addLong(index: number, count: number): void {
    const { statistics } = this.#state;
    const low = statistics[index] + count;
    statistics[index] = low;
    if (low > 0xffff_ffff) this.#add(index + 1, 1);
  }
}
