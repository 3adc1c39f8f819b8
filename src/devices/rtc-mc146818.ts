/**
 * MC146818A real-time clock with 128 bytes of CMOS RAM, as PCs have it at ports 0x70 and 0x71 (Motorola MC146818A data
 * sheet, 1988). The time is UTC. Offset 0 is the index port, offset 1 the data port.
 *
 * Nothing ticks unless an interrupt is enabled: flags are worked out when they are read.
 * Deviation: the day of the week follows from the date, whatever is written to it.
 * Not modelled: daylight saving, the square wave output, time bases other than 32,768 Hz, the NMI mask (bit 7 of the
 * index port is accepted and ignored).
 */

import type { AccessSize, IoHandler } from '../base/bus.ts';
import { type Clock, NS_PER_SECOND, type Timer } from '../base/clock.ts';
import type { IrqLine } from '../base/irq.ts';
import { bytes, defineState, f64, type StateOf, u8 } from '../base/state.ts';
import { Device } from './device.ts';
import {
  CENTURY,
  HOURS_ALARM,
  loadTime,
  MINUTES_ALARM,
  nextAlarm,
  SECONDS_ALARM,
  storeTime,
  YEAR,
} from './rtc-time.ts';

const REGISTER_A = 0x0a;
const REGISTER_B = 0x0b;
const REGISTER_C = 0x0c;
const REGISTER_D = 0x0d;

const A_UPDATE_IN_PROGRESS = 0x80;
const A_DIVIDER = 0x70;
const A_DIVIDER_RUNS = 0x20;
const A_DIVIDER_RESET = 0x60;
const B_SET = 0x80;
/** Interrupt enables, and at the same places the flags of register C. */
const PERIODIC = 0x40;
const ALARM = 0x20;
const UPDATE_ENDED = 0x10;
const B_SQUARE_WAVE = 0x08;
const C_INTERRUPT = 0x80;
const D_VALID = 0x80;

const TIME_BASE_HZ = 32_768;
/** Update-in-progress is told this long before the registers change. */
const UPDATE_WARNING_MS = 0.244;
/** A wall clock that disagrees with virtual time must not make the timer spin. */
const SHORTEST_WAIT_NS = 1000;
/** Some thousand centuries, so that no sum of times leaves what Date knows. */
const FAR_MS = 2e15;

const rtcState = defineState('rtc-mc146818', 1, {
  index: u8({ max: 127 }),
  /** All the registers and RAM; A to D and, while the clock runs, the time are kept or made elsewhere. */
  cmos: bytes(128),
  a: u8({ max: 0x7f, initial: 0x26 }),
  b: u8({ initial: 0x02 }),
  /** Flags of register C that are set. */
  flags: u8({ max: PERIODIC | ALARM | UPDATE_ENDED }),
  /** What the guest has put the clock ahead of the wall clock. */
  offsetMs: f64({ min: -FAR_MS, max: FAR_MS }),
  /** The last second, and the last period, whose end is in the flags. */
  flaggedSecond: f64({ min: -FAR_MS, max: FAR_MS }),
  flaggedPeriod: f64({ min: 0, max: 2 ** 53 }),
});

export interface RtcHost {
  readonly clock: Clock;
  readonly irq: IrqLine;
  /** UTC, in ms since 1970, at this moment of virtual time. */
  wallClockMs(): number;
}

export class RtcMc146818 extends Device<StateOf<typeof rtcState>> implements IoHandler {
  readonly widest: AccessSize = 1;
  readonly #host: RtcHost;
  readonly #timer: Timer;
  /** The second that the time registers show. */
  #shownSecond = Number.NaN;

  constructor(host: RtcHost) {
    super(rtcState);
    this.#host = host;
    this.#timer = host.clock.timer(() => this.#update());
    this.state.flaggedSecond = this.#second();
  }

  /** For the board: what firmware leaves in CMOS RAM. */
  setByte(index: number, value: number): void {
    this.state.cmos[index] = value;
  }

  /** The chip runs on a battery: reset clears interrupt enables and flags only. */
  override reset(): void {
    this.state.b &= ~(PERIODIC | ALARM | UPDATE_ENDED | B_SQUARE_WAVE);
    this.state.flags = 0;
    this.derive();
  }

  read(offset: number): number {
    if (offset === 0) return 0xff;
    const s = this.state;
    switch (s.index) {
      case REGISTER_A:
        return s.a | (this.#updateInProgress() ? A_UPDATE_IN_PROGRESS : 0);
      case REGISTER_B:
        return s.b;
      case REGISTER_C:
        return this.#readFlags();
      case REGISTER_D:
        return D_VALID;
      default:
        if (isTime(s.index)) this.#show();
        return s.cmos[s.index];
    }
  }

  write(offset: number, value: number): void {
    const s = this.state;
    if (offset === 0) s.index = value & 0x7f;
    else if (s.index === REGISTER_A || s.index === REGISTER_B) this.#control(s.index, value);
    else if (isTime(s.index)) this.#setTime(s.index, value);
    else if (s.index !== REGISTER_C && s.index !== REGISTER_D) {
      s.cmos[s.index] = value;
      if (s.index === SECONDS_ALARM || s.index === MINUTES_ALARM || s.index === HOURS_ALARM) this.#update();
    }
  }

  protected override settle(): void {
    this.#update();
    this.#show();
  }

  protected override derive(): void {
    this.#shownSecond = Number.NaN;
    this.#host.irq.set((this.state.flags & this.state.b) !== 0);
    this.#arm(this.#timeMs());
  }

  #isRunning(): boolean {
    return !(this.state.b & B_SET) && (this.state.a & A_DIVIDER) === A_DIVIDER_RUNS;
  }

  #timeMs(): number {
    return this.#host.wallClockMs() + this.state.offsetMs;
  }

  #second(): number {
    return Math.floor(this.#timeMs() / 1000);
  }

  #updateInProgress(): boolean {
    if (!this.#isRunning()) return false;
    const timeMs = this.#timeMs();
    return timeMs - Math.floor(timeMs / 1000) * 1000 >= 1000 - UPDATE_WARNING_MS;
  }

  /** Brings the time registers up to date; while the clock is stopped, they are the time. */
  #show(): void {
    if (!this.#isRunning()) return;
    const second = this.#second();
    if (second === this.#shownSecond) return;
    this.#shownSecond = second;
    storeTime(this.state.cmos, second * 1000, this.state.b);
  }

  /** Goes on from what the registers show, `fractionMs` into that second. */
  #adopt(fractionMs: number): void {
    const s = this.state;
    const offsetMs = loadTime(s.cmos, s.b) + fractionMs - this.#host.wallClockMs();
    s.offsetMs = Math.max(-FAR_MS, Math.min(FAR_MS, offsetMs));
    s.flaggedSecond = this.#second();
    this.#shownSecond = Number.NaN;
  }

  #setTime(index: number, value: number): void {
    const timeMs = this.#timeMs();
    this.#show();
    this.state.cmos[index] = value;
    if (!this.#isRunning()) return;
    this.#adopt(timeMs - Math.floor(timeMs / 1000) * 1000);
    this.#update();
  }

  #control(index: number, value: number): void {
    const s = this.state;
    this.#update(); // what has passed so far is flagged by the old settings
    this.#show();
    const ran = this.#isRunning();
    const timeMs = this.#timeMs();
    const dividerWasReset = (s.a & A_DIVIDER_RESET) === A_DIVIDER_RESET;
    if (index === REGISTER_A) {
      s.a = value & 0x7f;
      s.flaggedPeriod = this.#period();
    } else {
      s.b = value & B_SET ? value & ~UPDATE_ENDED : value; // data sheet: SET clears UIE
    }
    // Data sheet, "Divider Control": the first update comes half a second after the divider's reset is removed.
    if (this.#isRunning() && !ran) this.#adopt(dividerWasReset ? 500 : timeMs - Math.floor(timeMs / 1000) * 1000);
    this.#shownSecond = Number.NaN;
    this.#update();
  }

  #readFlags(): number {
    const s = this.state;
    this.#update();
    const value = s.flags | (s.flags & s.b ? C_INTERRUPT : 0);
    s.flags = 0;
    // What is flagged from here on, be it at this very moment, is an edge of its own.
    this.#host.irq.set(false);
    this.#update();
    return value;
  }

  /** Ticks of the time base between periodic interrupts; 0 for none. */
  #periodTicks(): number {
    const rate = this.state.a & 15;
    if (rate === 0) return 0;
    return 1 << (rate <= 2 ? rate + 6 : rate - 1);
  }

  /** Periods since power-on. */
  #period(): number {
    const ticks = this.#periodTicks();
    return ticks && Math.floor((this.#host.clock.now() * TIME_BASE_HZ) / NS_PER_SECOND / ticks);
  }

  /** Flags what has passed, drives the interrupt line and sets the timer for the next enabled event. */
  #update(): void {
    const s = this.state;
    const timeMs = this.#timeMs();
    if (this.#isRunning()) {
      const second = Math.floor(timeMs / 1000);
      if (second > s.flaggedSecond) {
        s.flags |= UPDATE_ENDED;
        if (nextAlarm(s.cmos, s.flaggedSecond, s.b) <= second) s.flags |= ALARM;
      }
      s.flaggedSecond = second;
    }
    const period = this.#period();
    if (period > s.flaggedPeriod) s.flags |= PERIODIC;
    s.flaggedPeriod = period;
    this.#host.irq.set((s.flags & s.b) !== 0);
    this.#arm(timeMs);
  }

  #arm(timeMs: number): void {
    const s = this.state;
    const awaited = s.b & ~s.flags;
    const now = this.#host.clock.now();
    let deadlineNs = Number.POSITIVE_INFINITY;
    if (this.#isRunning() && awaited & (UPDATE_ENDED | ALARM)) {
      const second = awaited & UPDATE_ENDED ? s.flaggedSecond + 1 : nextAlarm(s.cmos, s.flaggedSecond, s.b);
      deadlineNs = now + Math.max((second * 1000 - timeMs) * 1e6, SHORTEST_WAIT_NS);
    }
    const ticks = this.#periodTicks();
    if (ticks && awaited & PERIODIC) {
      const periodEndNs = Math.ceil(((s.flaggedPeriod + 1) * ticks * NS_PER_SECOND) / TIME_BASE_HZ);
      deadlineNs = Math.min(deadlineNs, Math.max(periodEndNs, now + SHORTEST_WAIT_NS));
    }
    this.#timer.arm(deadlineNs);
  }
}

/** A register that the clock itself counts. */
function isTime(index: number): boolean {
  return (
    (index <= YEAR && index !== SECONDS_ALARM && index !== MINUTES_ALARM && index !== HOURS_ALARM) || index === CENTURY
  );
}
