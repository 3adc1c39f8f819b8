/**
 * ACPI fixed hardware: PM1 event and control blocks and the PM timer (ACPI Specification 6.5, §4.8.3 "Fixed Hardware
 * Registers"). There is no SMI command port, so the machine is always in ACPI mode and SCI_EN reads as 1.
 *
 *     event block    +0 PM1_STS (write 1 to clear)   +2 PM1_EN
 *     control block  +0 PM1_CNT                      writing SLP_EN with SLP_TYP 5 turns the power off
 *     timer block    +0 PM_TMR, 3.579545 MHz, 24 or 32 bits
 *
 * Not modelled: general-purpose events, sleep states but S5, the sleep button and the wake alarm of the clock.
 */

import type { AccessSize, IoHandler } from '../base/bus.ts';
import { type Clock, NS_PER_SECOND, type Timer } from '../base/clock.ts';
import type { IrqLine } from '../base/irq.ts';
import { defineState, f64, type StateOf, u16 } from '../base/state.ts';
import { Device } from './device.ts';

export const PM_TIMER_HZ = 3_579_545;
/** SLP_TYP of the S5 state, for the `_S5` object of the DSDT. */
export const SLEEP_TYPE_S5 = 0;

const TIMER_STATUS = 0x0001;
const POWER_BUTTON = 0x0100;
const STATUS_BITS = 0x8731; // TMR, BM, GBL, PWRBTN, SLPBTN, RTC, WAK
const ENABLE_BITS = 0x0721;
const SCI_ENABLED = 0x0001;
const CONTROL_KEPT = 0x1c03; // SLP_TYP, BM_RLD, SCI_EN; GBL_RLS and SLP_EN read as 0
const SLEEP_ENABLE = 0x2000;

const acpiPmState = defineState('acpi-pm', 1, {
  status: u16(),
  enable: u16(),
  control: u16({ initial: SCI_ENABLED }),
  /** Changes of the timer's highest bit that are in the status already. */
  seenCarries: f64({ min: 0, max: 2 ** 53 }),
});

export interface AcpiPmHost {
  readonly clock: Clock;
  /** The system control interrupt, level triggered. */
  readonly sci: IrqLine;
  /** The guest turned the power off. */
  powerOff(): void;
  /** Width of the timer: 24 (as when absent) or 32, as the FADT's TMR_VAL_EXT tells. */
  readonly timerBits?: 24 | 32;
}

export class AcpiPm extends Device<StateOf<typeof acpiPmState>> {
  /** Four bytes. */
  readonly event: IoHandler;
  /** Two bytes. */
  readonly control: IoHandler;
  /** Four bytes. */
  readonly pmTimer: IoHandler;
  readonly #host: AcpiPmHost;
  readonly #timerMask: number;
  readonly #ticksPerCarry: number;
  readonly #timer: Timer;

  constructor(host: AcpiPmHost) {
    super(acpiPmState);
    this.#host = host;
    const timerBits = host.timerBits ?? 24;
    this.#timerMask = 2 ** timerBits - 1;
    this.#ticksPerCarry = 2 ** (timerBits - 1);
    this.#timer = host.clock.timer(() => this.#update());
    this.event = {
      widest: 2,
      read: (offset, size) => slice(this.#readEvent(offset & 2), offset & 1, size),
      write: (offset, value, size) => this.#writeEvent(offset, value, size),
    };
    this.control = {
      widest: 2,
      read: (offset, size) => slice(this.state.control, offset & 1, size),
      write: (offset, value, size) => this.#writeControl(merge(this.state.control, offset & 1, value, size)),
    };
    this.pmTimer = {
      read: (offset, size) => slice(this.#readTimer(), offset & 3, size),
      write: () => {},
    };
  }

  /** Somebody asks the guest to shut down. */
  pressPowerButton(): void {
    this.state.status |= POWER_BUTTON;
    this.#update();
  }

  override reset(): void {
    super.reset();
    this.state.seenCarries = this.#carries(); // the timer itself goes on
    this.derive();
  }

  protected override settle(): void {
    this.#update();
  }

  protected override derive(): void {
    const s = this.state;
    this.#host.sci.set((s.status & s.enable) !== 0);
    const awaitsCarry = s.enable & ~s.status & TIMER_STATUS;
    // A nanosecond late rather than early: an expiry that found nothing would follow itself at once.
    const carryNs = Math.ceil(((s.seenCarries + 1) * this.#ticksPerCarry * NS_PER_SECOND) / PM_TIMER_HZ) + 1;
    this.#timer.arm(awaitsCarry ? carryNs : Number.POSITIVE_INFINITY);
  }

  #ticks(): number {
    return Math.floor((this.#host.clock.now() * PM_TIMER_HZ) / NS_PER_SECOND);
  }

  #carries(): number {
    return Math.floor(this.#ticks() / this.#ticksPerCarry);
  }

  #readTimer(): number {
    return this.#ticks() % (this.#timerMask + 1);
  }

  #readEvent(register: number): number {
    if (register === 2) return this.state.enable;
    this.#update();
    return this.state.status;
  }

  #writeEvent(offset: number, value: number, size: AccessSize): void {
    const s = this.state;
    if (offset & 2) s.enable = merge(s.enable, offset & 1, value, size) & ENABLE_BITS;
    else s.status &= ~merge(0, offset & 1, value, size);
    this.#update();
  }

  #writeControl(value: number): void {
    this.state.control = (value & CONTROL_KEPT) | SCI_ENABLED;
    if (value & SLEEP_ENABLE && ((value >> 10) & 7) === SLEEP_TYPE_S5) this.#host.powerOff();
  }

  /** ACPI §4.8.3.1.1 "PM1 Status Registers": TMR_STS is set whenever the highest bit of the timer changes. */
  #update(): void {
    const s = this.state;
    const carries = this.#carries();
    if (carries > s.seenCarries) s.status |= TIMER_STATUS;
    s.seenCarries = carries;
    s.status &= STATUS_BITS;
    this.derive();
  }
}

/** `size` bytes of a register, from byte `offset` on. */
function slice(register: number, offset: number, size: AccessSize): number {
  return (register >>> (offset * 8)) & (size === 4 ? -1 : (1 << (size * 8)) - 1);
}

/** A 16-bit register with `size` bytes from byte `offset` on replaced. */
function merge(register: number, offset: number, value: number, size: AccessSize): number {
  if (size !== 1) return value & 0xffff;
  return offset ? (register & 0x00ff) | (value << 8) : (register & 0xff00) | value;
}
