/**
 * High precision event timers (Intel "IA-PC HPET (High Precision Event Timers) Specification", revision 1.0a, October
 * 2004): a 64-bit counter of 100 MHz and three timers, each 64 bits wide and able to repeat.
 *
 *     0x000 capabilities   0x010 configuration   0x020 interrupt status   0x0F0 counter
 *     0x100 + 0x20 n       timer n: +0 configuration and capabilities   +8 comparator
 *
 * With legacy replacement, timers 0 and 1 take the places of the PIT and of the clock, whose lines pass through here.
 * Nothing counts: everything follows from virtual time. Matches that nobody could see come as one, and repetitions are
 * no closer than a microsecond.
 * Registers take accesses of four bytes, two of which make one of eight: reading the low half of the counter holds its
 * high half for an access that follows directly, and VAL_SET covers both halves of a comparator likewise.
 * Not modelled: delivery through the front side bus.
 */

import { truncate } from '../base/bits.ts';
import type { AccessSize, IoHandler } from '../base/bus.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { IrqLine } from '../base/irq.ts';
import { defineState, f64, list, type StateOf, u8, u32, u64 } from '../base/state.ts';
import { Device } from './device.ts';

export const HPET_BYTES = 0x400;
export const HPET_TIMERS = 3;
/** Low half of the capabilities, which the ACPI table repeats: 8086h, legacy replacement, 64 bits, 3 timers, revision 1. */
export const HPET_ID = 0x8086_a201;
const TICK_NS = 10;
const TICK_FS = TICK_NS * 1_000_000;
/** Fewest ticks between repetitions. */
const CLOSEST_TICKS = 100;
/** Matches farther away than this are out of sight. */
const FAR_TICKS = 2 ** 48;

const CAPABILITIES = 0x000;
const CONFIGURATION = 0x010;
const INTERRUPT_STATUS = 0x020;
const COUNTER = 0x0f0;
const TIMERS = 0x100;
const TIMER_BYTES = 0x20;
const COMPARATOR = 8;

const ENABLE = 0x01;
const LEGACY_REPLACEMENT = 0x02;

const TIMER_LEVEL = 0x0002;
const TIMER_INTERRUPTS = 0x0004;
const TIMER_PERIODIC = 0x0008;
const TIMER_CAPABILITIES = 0x0030; // PER_INT_CAP, SIZE_CAP
const TIMER_VALUE_SET = 0x0040;
const TIMER_32_BITS = 0x0100;
const TIMER_ROUTE = 0x3e00;
const TIMER_ROUTE_SHIFT = 9;
const TIMER_WRITABLE = TIMER_LEVEL | TIMER_INTERRUPTS | TIMER_PERIODIC | TIMER_VALUE_SET | TIMER_32_BITS;

const timerState = defineState('hpet-timer', 1, {
  configuration: u32({ max: TIMER_WRITABLE | TIMER_ROUTE }),
  comparator: u64({ initial: 0xffff_ffff_ffff_ffffn }),
  period: u64(),
  /** The tick of the next match, Infinity when there is none in sight. */
  matchTick: f64({ min: 0, initial: Number.POSITIVE_INFINITY }),
});

const hpetState = defineState('hpet', 1, {
  timers: list(timerState, HPET_TIMERS),
  configuration: u8({ max: ENABLE | LEGACY_REPLACEMENT }),
  status: u8({ max: (1 << HPET_TIMERS) - 1 }),
  /** The counter when it was enabled, or stopped. */
  counter: u64(),
  startTick: f64({ min: 0, max: 2 ** 53 }),
  heldHigh: u32(),
  /** The register accessed last, where the next access may be its other half; 0 otherwise. */
  halfDone: u32(),
});

type HpetTimerState = StateOf<typeof timerState>;

export interface HpetHost {
  readonly clock: Clock;
  /** Where the PIT's and the clock's interrupts go; with legacy replacement timers 0 and 1 drive them. */
  readonly pitLine: IrqLine;
  readonly rtcLine: IrqLine;
  /** Inputs of the I/O APIC that timers can be routed to, by number; nobody else drives these lines. */
  readonly lines: ReadonlyMap<number, IrqLine>;
}

export class Hpet extends Device<StateOf<typeof hpetState>> implements IoHandler {
  readonly widest: AccessSize = 4;
  /** What the PIT and the clock drive instead of their lines. */
  readonly pitInput: IrqLine;
  readonly rtcInput: IrqLine;
  readonly #host: HpetHost;
  readonly #alarms: readonly Timer[];
  readonly #routes: number;
  #pitLevel = false;
  #rtcLevel = false;

  constructor(host: HpetHost) {
    super(hpetState);
    this.#host = host;
    this.#alarms = this.state.timers.map(() => host.clock.timer(() => this.#update()));
    this.#routes = [...host.lines.keys()].reduce((mask, pin) => (mask | (1 << pin)) >>> 0, 0);
    this.pitInput = {
      set: (level) => {
        this.#pitLevel = level;
        if (!this.#replaces()) host.pitLine.set(level);
      },
    };
    this.rtcInput = {
      set: (level) => {
        this.#rtcLevel = level;
        if (!this.#replaces()) host.rtcLine.set(level);
      },
    };
  }

  read(offset: number, size: AccessSize): number {
    const inRegister = offset & 3;
    if (inRegister + size > 4) return truncate(0xffff_ffff, size); // the specification, §2.1: aligned accesses only
    this.#update();
    return truncate(this.#read(offset & ~3) >>> (inRegister * 8), size);
  }

  write(offset: number, value: number, size: AccessSize): void {
    if (size !== 4 || offset & 3) return;
    this.#update();
    this.#write(offset, value);
    this.#drive();
  }

  protected override settle(): void {
    this.#update();
  }

  protected override derive(): void {
    this.state.timers.forEach((timer, index) => {
      this.#arm(timer, index);
    });
    this.#drive();
  }

  // ---- Registers ---------------------------------------------------------------------------------------------------

  #read(register: number): number {
    const s = this.state;
    const before = s.halfDone;
    s.halfDone = 0;
    switch (register) {
      case CAPABILITIES:
        return HPET_ID;
      case CAPABILITIES + 4:
        return TICK_FS;
      case CONFIGURATION:
        return s.configuration;
      case INTERRUPT_STATUS:
        return s.status;
      case COUNTER: {
        const counter = this.#counter(this.#tick());
        s.heldHigh = Number(counter >> 32n);
        s.halfDone = COUNTER;
        return Number(counter & 0xffff_ffffn);
      }
      case COUNTER + 4:
        return before === COUNTER ? s.heldHigh : Number(this.#counter(this.#tick()) >> 32n);
      default:
        return this.#readTimer(register);
    }
  }

  #readTimer(register: number): number {
    const timer = this.#timerAt(register);
    if (!timer) return 0;
    switch (register & (TIMER_BYTES - 1)) {
      case 0:
        return timer.configuration | TIMER_CAPABILITIES;
      case 4:
        return this.#routes;
      case COMPARATOR:
        return Number(timer.comparator & 0xffff_ffffn);
      case COMPARATOR + 4:
        return Number(timer.comparator >> 32n);
      default:
        return 0;
    }
  }

  #write(register: number, value: number): void {
    const s = this.state;
    const before = s.halfDone;
    s.halfDone = 0;
    switch (register) {
      case CONFIGURATION:
        this.#configure(value & (ENABLE | LEGACY_REPLACEMENT));
        return;
      case INTERRUPT_STATUS:
        s.status &= ~value;
        return;
      case COUNTER:
      case COUNTER + 4:
        s.counter = withHalf(this.#counter(this.#tick()), register === COUNTER, value);
        s.startTick = this.#tick();
        this.#seekAll();
        return;
    }
    const timer = this.#timerAt(register);
    if (!timer) return;
    const within = register & (TIMER_BYTES - 1);
    if (within === 0) this.#configureTimer(timer, value);
    else if (within === COMPARATOR || within === COMPARATOR + 4) {
      const setsValue = (timer.configuration & TIMER_VALUE_SET) !== 0;
      this.#compareWith(timer, within === COMPARATOR, value, setsValue || before === register - 4);
      if (setsValue && within === COMPARATOR) s.halfDone = register;
    } else return;
    this.#seek(timer, s.timers.indexOf(timer));
  }

  #timerAt(register: number): HpetTimerState | undefined {
    return register < TIMERS ? undefined : this.state.timers[Math.floor((register - TIMERS) / TIMER_BYTES)];
  }

  #configure(value: number): void {
    const s = this.state;
    const counter = this.#counter(this.#tick());
    const isSwitched = ((value ^ s.configuration) & ENABLE) !== 0;
    s.configuration = value;
    if (!isSwitched) return;
    s.counter = counter;
    s.startTick = this.#tick();
    this.#seekAll();
  }

  #configureTimer(timer: HpetTimerState, value: number): void {
    const route = (value & TIMER_ROUTE) >> TIMER_ROUTE_SHIFT;
    // §2.3.8: what a route that is not possible reads back as tells so.
    const kept = (this.#routes >>> route) & 1 ? value & TIMER_ROUTE : timer.configuration & TIMER_ROUTE;
    timer.configuration = (value & TIMER_WRITABLE) | kept;
    if (value & TIMER_32_BITS) timer.comparator &= 0xffff_ffffn;
    if (!(value & TIMER_PERIODIC)) timer.configuration &= ~TIMER_VALUE_SET;
  }

  /** A repeating timer takes what is written for its period, and only with VAL_SET for its next match, too. */
  #compareWith(timer: HpetTimerState, isLow: boolean, value: number, setsValue: boolean): void {
    const isNarrow = (timer.configuration & TIMER_32_BITS) !== 0;
    if (isNarrow && !isLow) return;
    const isPeriodic = (timer.configuration & TIMER_PERIODIC) !== 0;
    if (!isPeriodic || setsValue) timer.comparator = withHalf(timer.comparator, isLow, value);
    if (isPeriodic) timer.period = withHalf(isNarrow ? 0n : timer.period, isLow, value);
    timer.configuration &= ~TIMER_VALUE_SET;
  }

  // ---- Time --------------------------------------------------------------------------------------------------------

  #tick(): number {
    return Math.floor(this.#host.clock.now() / TICK_NS);
  }

  #isEnabled(): boolean {
    return (this.state.configuration & ENABLE) !== 0;
  }

  #counter(tick: number): bigint {
    const { counter, startTick } = this.state;
    return this.#isEnabled() ? BigInt.asUintN(64, counter + BigInt(Math.floor(tick - startTick))) : counter;
  }

  #seekAll(): void {
    this.state.timers.forEach((timer, index) => {
      this.#seek(timer, index);
    });
  }

  /** Works out when the counter meets the comparator, this very tick included. */
  #seek(timer: HpetTimerState, index: number): void {
    const tick = this.#tick();
    const width = timer.configuration & TIMER_32_BITS ? 32 : 64;
    const ticks = Number(BigInt.asUintN(width, timer.comparator - this.#counter(tick)));
    timer.matchTick = this.#isEnabled() && ticks < FAR_TICKS ? tick + ticks : Number.POSITIVE_INFINITY;
    this.#arm(timer, index);
  }

  #arm(timer: HpetTimerState, index: number): void {
    this.#alarms[index].arm(timer.matchTick * TICK_NS);
  }

  /** Takes note of all matches up to now. */
  #update(): void {
    const { timers } = this.state;
    const tick = this.#tick();
    for (let index = 0; index < HPET_TIMERS; index++) {
      const timer = timers[index];
      if (timer.matchTick > tick) continue;
      this.#goOn(timer, tick);
      this.#arm(timer, index);
      this.#matched(timer, index);
    }
  }

  /** To the match that follows those up to `tick`. */
  #goOn(timer: HpetTimerState, tick: number): void {
    const isNarrow = (timer.configuration & TIMER_32_BITS) !== 0;
    const isPeriodic = (timer.configuration & TIMER_PERIODIC) !== 0 && timer.period !== 0n;
    const cycle = isPeriodic ? Number(timer.period) : isNarrow ? 2 ** 32 : Number.POSITIVE_INFINITY;
    if (cycle >= FAR_TICKS) {
      if (isPeriodic) timer.comparator = BigInt.asUintN(64, timer.comparator + timer.period);
      timer.matchTick = Number.POSITIVE_INFINITY;
      return;
    }
    const cycles = Math.floor((tick - timer.matchTick) / cycle) + Math.max(1, Math.ceil(CLOSEST_TICKS / cycle));
    timer.matchTick += cycles * cycle;
    if (isPeriodic) {
      timer.comparator = BigInt.asUintN(isNarrow ? 32 : 64, timer.comparator + timer.period * BigInt(cycles));
    }
  }

  // ---- Interrupts --------------------------------------------------------------------------------------------------

  #replaces(): boolean {
    return (this.state.configuration & LEGACY_REPLACEMENT) !== 0;
  }

  /** Where the interrupts of a timer go. */
  #lineOf(index: number): IrqLine | undefined {
    if (this.#replaces() && index === 0) return this.#host.pitLine;
    if (this.#replaces() && index === 1) return this.#host.rtcLine;
    return this.#host.lines.get((this.state.timers[index].configuration & TIMER_ROUTE) >> TIMER_ROUTE_SHIFT);
  }

  #matched(timer: HpetTimerState, index: number): void {
    if (timer.configuration & TIMER_LEVEL) this.state.status |= 1 << index;
    else if (timer.configuration & TIMER_INTERRUPTS) this.#lineOf(index)?.set(true);
    this.#drive(); // an edge is a short pulse
  }

  /** Gives every line the level that it has between edges. */
  #drive(): void {
    const { status, timers } = this.state;
    const high = new Set<IrqLine | undefined>();
    timers.forEach(({ configuration }, index) => {
      const wanted = TIMER_LEVEL | TIMER_INTERRUPTS;
      const isActive = this.#isEnabled() && (status >> index) & 1 && (configuration & wanted) === wanted;
      if (isActive) high.add(this.#lineOf(index));
    });
    const { pitLine, rtcLine, lines } = this.#host;
    for (const line of lines.values()) line.set(high.has(line));
    pitLine.set(this.#replaces() ? high.has(pitLine) : this.#pitLevel);
    rtcLine.set(this.#replaces() ? high.has(rtcLine) : this.#rtcLevel);
  }
}

function withHalf(value: bigint, isLow: boolean, half: number): bigint {
  return isLow ? (value & ~0xffff_ffffn) | BigInt(half) : (value & 0xffff_ffffn) | (BigInt(half) << 32n);
}
