/**
 * One counter of an 8254 (Intel 8254 data sheet, order number 231164-005, September 1993): what its count and its
 * output are at a given tick of the clock input. Nothing runs; everything follows from when counting began.
 *
 *     mode 0  count to zero, then OUT high          ____|^^^^      starts when written, gate pauses
 *     mode 1  OUT low for N                         ^|____|^^      starts on a rising gate
 *     mode 2  OUT low for the last of every N       ^^^^_^^^^_     rising gate begins anew, low gate stops
 *     mode 3  OUT high for the first half of N      ^^^__^^^__     the same
 *     mode 4  OUT low for one tick after N          ^^^^^_^^^      starts when written, gate pauses
 *     mode 5  the same                              ^^^^^_^^^      starts on a rising gate
 */

import { bool, defineState, f64, type StateOf, u8, u16, u32 } from '../base/state.ts';

/** Thirty years of ticks: no sum of two such loses a bit. */
const FAR = 2 ** 50;

export const channelState = defineState('8254-counter', 1, {
  mode: u8({ max: 5 }),
  bcd: bool(),
  /** Bytes of the count that are read and written: 1 low, 2 high, 3 low then high. */
  access: u8({ min: 1, max: 3, initial: 3 }),
  gate: bool(),
  /** The count N, 1 to 65536; 0 before one is written. */
  count: u32({ max: 0x10000 }),
  /** Modes 2 and 3 take a new count over at `switchTick`; 0 when there is none. */
  nextCount: u32({ max: 0x10000 }),
  switchTick: f64({ min: 0, max: FAR }),
  /** Counts now; else stands at `heldTicks` into the count. */
  running: bool(),
  startTick: f64({ min: -FAR, max: FAR }),
  heldTicks: f64({ min: 0, max: FAR }),
  /** Bytes of a count halfway through being written, or read. */
  writeHigh: bool(),
  writeLow: u8(),
  readHigh: bool(),
  /** Bytes of the latched count not yet read, lowest first; and the latched status. */
  latchedBytes: u8({ max: 2 }),
  latchedCount: u16(),
  statusLatched: bool(),
  latchedStatus: u8(),
});

type ChannelState = StateOf<typeof channelState>;

export class PitChannel {
  readonly state: ChannelState;

  constructor(state: ChannelState) {
    this.state = state;
  }

  /** A control word for this counter that is not a latch command: `access` is not 0. */
  control(access: number, mode: number, bcd: boolean): void {
    const s = this.state;
    s.access = access;
    s.mode = mode > 5 ? mode & 3 : mode;
    s.bcd = bcd;
    s.count = 0;
    s.nextCount = 0;
    s.running = false;
    s.heldTicks = 0;
    s.writeHigh = false;
    s.readHigh = false;
    s.latchedBytes = 0;
    s.statusLatched = false;
  }

  write(value: number, tick: number): void {
    const s = this.state;
    if (s.access === 3 && !s.writeHigh) {
      s.writeHigh = true;
      s.writeLow = value;
      // In mode 0, the first byte stops the count and brings OUT low.
      if (s.mode === 0) {
        s.count = 0;
        s.running = false;
      }
    } else {
      const low = s.access === 3 ? s.writeLow : 0;
      s.writeHigh = false;
      this.#load(s.access === 1 ? value : (value << 8) | low, tick);
    }
  }

  read(tick: number): number {
    const s = this.state;
    if (s.statusLatched) {
      s.statusLatched = false;
      return s.latchedStatus;
    }
    if (s.latchedBytes > 0) {
      const high = s.access === 2 || (s.access === 3 && s.latchedBytes === 1);
      s.latchedBytes--;
      return high ? s.latchedCount >> 8 : s.latchedCount & 0xff;
    }
    const value = this.#current(tick);
    if (s.access !== 3) return s.access === 1 ? value & 0xff : value >> 8;
    s.readHigh = !s.readHigh;
    return s.readHigh ? value & 0xff : value >> 8;
  }

  /** A second latch command before the first was read does nothing. */
  latchCount(tick: number): void {
    const s = this.state;
    if (s.latchedBytes > 0) return;
    s.latchedCount = this.#current(tick);
    s.latchedBytes = s.access === 3 ? 2 : 1;
    s.readHigh = false;
  }

  latchStatus(tick: number): void {
    const s = this.state;
    if (s.statusLatched) return;
    const isNull = s.count === 0 || s.nextCount !== 0;
    s.latchedStatus =
      (this.output(tick) ? 0x80 : 0) | (isNull ? 0x40 : 0) | (s.access << 4) | (s.mode << 1) | (s.bcd ? 1 : 0);
    s.statusLatched = true;
  }

  setGate(gate: boolean, tick: number): void {
    const s = this.state;
    if (gate === s.gate) return;
    this.#settle(tick);
    s.gate = gate;
    if (s.count === 0) return;
    switch (s.mode) {
      case 0:
      case 4:
        if (gate) this.#start(tick - s.heldTicks);
        else this.#hold(tick);
        return;
      case 1:
      case 5:
        if (gate) this.#start(tick + 1);
        return;
      default:
        if (gate) this.#start(tick + 1);
        else this.#hold(tick);
    }
  }

  output(tick: number): boolean {
    const s = this.state;
    this.#settle(tick);
    if (s.count === 0) return s.mode !== 0;
    const elapsed = this.#elapsed(tick);
    switch (s.mode) {
      case 0:
        return elapsed >= s.count;
      case 1:
        return !s.running || elapsed >= s.count;
      case 2:
        return !s.running || elapsed % s.count !== s.count - 1;
      case 3:
        return !s.running || elapsed % s.count < Math.ceil(s.count / 2);
      default:
        return !s.running || elapsed !== s.count;
    }
  }

  /** The next tick after `tick` at which OUT rises, if nothing is written until then; Infinity if it does not. */
  nextRise(tick: number): number {
    const s = this.state;
    this.#settle(tick);
    if (!s.running) return Number.POSITIVE_INFINITY;
    if (s.mode === 2 || s.mode === 3) {
      if (s.nextCount !== 0) return s.switchTick + (this.#switchesHalfway() ? s.nextCount >> 1 : 0);
      const periods = Math.floor(this.#elapsed(tick) / s.count) + 1;
      return s.startTick + periods * s.count;
    }
    const rise = s.startTick + s.count + (s.mode >= 4 ? 1 : 0);
    return rise > tick ? rise : Number.POSITIVE_INFINITY;
  }

  #load(raw: number, tick: number): void {
    const s = this.state;
    this.#settle(tick);
    let count = raw || 0x10000;
    if (s.bcd) {
      count = (raw >> 12) * 1000 + ((raw >> 8) & 15) * 100 + ((raw >> 4) & 15) * 10 + (raw & 15) || 10_000;
    }
    if (s.mode === 2 || s.mode === 3) {
      count = Math.max(count, 2); // 1 is illegal in these modes
      if (s.running) {
        const elapsed = this.#elapsed(tick);
        const half = Math.ceil(s.count / 2);
        const periodStart = s.startTick + elapsed - (elapsed % s.count);
        const isFirstHalf = s.mode === 3 && elapsed % s.count < half;
        s.switchTick = periodStart + (isFirstHalf ? half : s.count);
        s.nextCount = count;
        return;
      }
    }
    if (s.mode === 1 || s.mode === 5) {
      if (s.running)
        s.nextCount = count; // for the next trigger
      else s.count = count;
      return;
    }
    s.count = count;
    s.heldTicks = 0;
    if (s.gate) this.#start(tick + 1); // loaded by the next pulse of the clock
  }

  #start(startTick: number): void {
    const s = this.state;
    if (s.nextCount !== 0) s.count = s.nextCount;
    s.nextCount = 0;
    s.startTick = startTick;
    s.running = true;
  }

  #hold(tick: number): void {
    const s = this.state;
    s.heldTicks = this.#elapsed(tick);
    s.running = false;
  }

  #elapsed(tick: number): number {
    const s = this.state;
    return s.running ? Math.max(tick - s.startTick, 0) : s.heldTicks;
  }

  /** Mode 3 changes counts at the end of a half cycle: is that the first half, so that the new low half follows? */
  #switchesHalfway(): boolean {
    const s = this.state;
    return s.mode === 3 && (s.switchTick - s.startTick) % s.count !== 0;
  }

  /** Takes a new count over, if its time has come. */
  #settle(tick: number): void {
    const s = this.state;
    if (s.nextCount === 0 || !s.running || tick < s.switchTick || (s.mode !== 2 && s.mode !== 3)) return;
    const halfway = this.#switchesHalfway();
    this.#start(s.switchTick - (halfway ? Math.ceil(s.nextCount / 2) : 0));
  }

  /** What the counting element holds. */
  #current(tick: number): number {
    const s = this.state;
    this.#settle(tick);
    if (s.count === 0) return 0;
    const elapsed = this.#elapsed(tick);
    const modulus = s.bcd ? 10_000 : 0x10000;
    let value: number;
    if (s.mode === 2) value = s.count - (elapsed % s.count);
    else if (s.mode === 3) {
      // Counts down by two in each half, from the even number below N.
      const phase = elapsed % s.count;
      const half = Math.ceil(s.count / 2);
      value = (s.count & ~1) - 2 * (phase < half ? phase : phase - half);
    } else value = s.count - elapsed;
    value %= modulus;
    if (value < 0) value += modulus;
    if (!s.bcd) return value;
    const digit = (n: number): number => Math.floor(value / 10 ** n) % 10;
    return (digit(3) << 12) | (digit(2) << 8) | (digit(1) << 4) | digit(0);
  }
}
