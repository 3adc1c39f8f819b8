/**
 * 82093AA I/O APIC with 24 inputs (Intel 82093AA data sheet, order number 290566-001, May 1996), with the EOI register
 * of its successors (version 0x20).
 *
 *     +0x00 IOREGSEL    +0x10 IOWIN: ID, version, arbitration ID, then two registers for each input    +0x40 EOI
 *
 * Input lines tell whether an interrupt is asserted, so that the polarity bit makes no difference.
 * As the data sheet has it, an edge on a masked input is lost.
 */

import type { AccessSize, IoHandler } from '../base/bus.ts';
import type { IrqLine } from '../base/irq.ts';
import { defineState, type StateOf, u8, u32, u32s } from '../base/state.ts';
import { DELIVER_LOWEST_PRIORITY, type EndOfInterruptTarget, type Interconnect, widenDestination } from './apic-bus.ts';
import { Device } from './device.ts';

export const IOAPIC_PINS = 24;

const IOREGSEL = 0x00;
const IOWIN = 0x10;
const EOI = 0x40;

const ID = 0;
const VERSION = 1;
const ARBITRATION = 2;
const REDIRECTION = 0x10;
const VERSION_VALUE = ((IOAPIC_PINS - 1) << 16) | 0x20;

const LOGICAL = 1 << 11;
const REMOTE_IRR = 1 << 14;
const LEVEL = 1 << 15;
const MASKED = 1 << 16;
/** Vector, delivery mode, destination mode, polarity, trigger mode, mask. */
const LOW_WRITABLE = 0x1afff & ~(1 << 12);
const HIGH_WRITABLE = 0xff00_0000;

const ioapicState = defineState('ioapic-82093', 1, {
  select: u8(),
  id: u8({ max: 15 }),
  /** Redirection entries, low half and high half by turns. */
  redirection: u32s(2 * IOAPIC_PINS),
  /** Levels of the input lines. */
  lines: u32({ max: 2 ** IOAPIC_PINS - 1 }),
});

export class Ioapic82093 extends Device<StateOf<typeof ioapicState>> implements IoHandler, EndOfInterruptTarget {
  readonly #interconnect: Interconnect;

  constructor(host: { readonly interconnect: Interconnect }) {
    super(ioapicState);
    this.#interconnect = host.interconnect;
    this.#maskAll();
  }

  line(pin: number): IrqLine {
    return { set: (level) => this.#setLine(pin, level) };
  }

  /** A local APIC ended `vector`; a level that is still there is sent again. */
  endOfInterrupt(vector: number): void {
    const { redirection } = this.state;
    for (let pin = 0; pin < IOAPIC_PINS; pin++) {
      const entry = redirection[2 * pin];
      if ((entry & (LEVEL | REMOTE_IRR | 0xff)) !== (LEVEL | REMOTE_IRR | vector)) continue;
      redirection[2 * pin] &= ~REMOTE_IRR;
      this.#sendLevel(pin);
    }
  }

  override reset(): void {
    const { lines } = this.state; // they belong to the devices that drive them
    super.reset();
    this.state.lines = lines;
    this.#maskAll();
  }

  read(offset: number): number {
    const s = this.state;
    if (offset === IOREGSEL) return s.select;
    if (offset !== IOWIN) return 0;
    switch (s.select) {
      case ID:
      case ARBITRATION:
        return s.id << 24;
      case VERSION:
        return VERSION_VALUE;
      default:
        return s.redirection[s.select - REDIRECTION] ?? 0;
    }
  }

  write(offset: number, value: number, size: AccessSize): void {
    const s = this.state;
    if (offset === IOREGSEL) s.select = value & 0xff;
    else if (offset === EOI) this.endOfInterrupt(value & 0xff);
    else if (offset === IOWIN && size === 4) this.#writeWindow(value);
  }

  #maskAll(): void {
    for (let pin = 0; pin < IOAPIC_PINS; pin++) this.state.redirection[2 * pin] = MASKED;
  }

  #writeWindow(value: number): void {
    const { select, redirection } = this.state;
    if (select === ID) this.state.id = (value >>> 24) & 15;
    const index = select - REDIRECTION;
    if (index < 0 || index >= redirection.length) return;
    if (index & 1) {
      redirection[index] = value & HIGH_WRITABLE;
      return;
    }
    // Remote IRR has a meaning for levels only: as an edge for a moment, an entry is rid of it.
    const kept = value & LEVEL ? redirection[index] & REMOTE_IRR : 0;
    redirection[index] = (value & LOW_WRITABLE) | kept;
    this.#sendLevel(index >> 1);
  }

  #setLine(pin: number, level: boolean): void {
    const s = this.state;
    const mask = 1 << pin;
    if (!level) {
      s.lines &= ~mask;
      return;
    }
    const rises = !(s.lines & mask);
    s.lines |= mask;
    if (s.redirection[2 * pin] & LEVEL) this.#sendLevel(pin);
    else if (rises) this.#send(pin);
  }

  /** Sends for a level-triggered input if it is asserted and not being served. */
  #sendLevel(pin: number): void {
    const s = this.state;
    const entry = s.redirection[2 * pin];
    if (!(s.lines & (1 << pin)) || (entry & (LEVEL | REMOTE_IRR)) !== LEVEL) return;
    if (this.#send(pin) && ((entry >>> 8) & 7) <= DELIVER_LOWEST_PRIORITY) s.redirection[2 * pin] |= REMOTE_IRR;
  }

  #send(pin: number): boolean {
    const { redirection } = this.state;
    const entry = redirection[2 * pin];
    if (entry & MASKED) return false;
    const destination = widenDestination(redirection[2 * pin + 1] >>> 24);
    const isLevel = (entry & LEVEL) !== 0;
    return this.#interconnect.send((entry >>> 8) & 7, entry & 0xff, isLevel, destination, (entry & LOGICAL) !== 0);
  }
}
