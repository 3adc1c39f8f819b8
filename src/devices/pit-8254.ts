/**
 * 8254 programmable interval timer as a PC has it, and port 0x61 beside it (Intel 8254 data sheet, order number
 * 231164-005; port 0x61 after the Intel ICH9 data sheet, "NMI_SC - NMI Status and Control Register").
 *
 * Counter 0 drives interrupt 0, counter 2 has its gate at port 0x61 and its output to be read there. Counter 1 counts
 * and drives nothing; the refresh bit of port 0x61 toggles every 15 µs by itself.
 *
 * Deviation: of counter 0's output, only what matters for edges reaches the interrupt line: it is low in mode 0 until
 * the count ends, and otherwise high but for a short pulse before each rising edge.
 * Edges that fell due while nobody could see them come as one. Not modelled: sound, the NMI bits of port 0x61.
 */

import type { AccessSize, IoHandler } from '../base/bus.ts';
import { type Clock, NS_PER_SECOND, type Timer } from '../base/clock.ts';
import type { IrqLine } from '../base/irq.ts';
import { defineState, list, type StateOf, u8 } from '../base/state.ts';
import { Device } from './device.ts';
import { channelState, PitChannel } from './pit-channel.ts';

export const PIT_HZ = 1_193_182;
const CONTROL = 3;
const READ_BACK = 3;
const REFRESH_NS = 15_085;

const PORT_B_GATE2 = 0x01;
const PORT_B_WRITABLE = 0x0f;
const PORT_B_REFRESH = 0x10;
const PORT_B_OUT2 = 0x20;

const pitState = defineState('pit-8254', 1, {
  channels: list(channelState, 3),
  portB: u8({ max: PORT_B_WRITABLE }),
});

export class Pit8254 extends Device<StateOf<typeof pitState>> implements IoHandler {
  readonly widest: AccessSize = 1;
  /** Port 0x61. */
  readonly portB: IoHandler;
  readonly #clock: Clock;
  readonly #irq: IrqLine;
  readonly #timer: Timer;
  readonly #channels: readonly PitChannel[];
  /** The tick the timer is armed for. */
  #riseTick = Number.POSITIVE_INFINITY;

  constructor(host: { readonly clock: Clock; readonly irq: IrqLine }) {
    super(pitState);
    this.#clock = host.clock;
    this.#irq = host.irq;
    this.#timer = host.clock.timer(() => this.#rise());
    this.#channels = this.state.channels.map((state) => new PitChannel(state));
    this.#tieGates();
    this.portB = {
      widest: 1,
      read: () => this.#readPortB(),
      write: (_, value) => this.#writePortB(value),
    };
  }

  read(offset: number): number {
    return offset === CONTROL ? 0 : this.#channels[offset & 3].read(this.#tick());
  }

  write(offset: number, value: number): void {
    const tick = this.#tick();
    if (offset !== CONTROL) {
      this.#channels[offset & 3].write(value, tick);
      if (offset === 0) this.#follow(tick);
      return;
    }
    const select = value >> 6;
    const access = (value >> 4) & 3;
    if (select === READ_BACK) {
      this.#readBack(value, tick);
    } else if (access === 0) {
      this.#channels[select].latchCount(tick);
    } else {
      this.#channels[select].control(access, (value >> 1) & 7, (value & 1) !== 0);
      if (select === 0) this.#follow(tick);
    }
  }

  override reset(): void {
    super.reset();
    this.#tieGates();
  }

  protected override settle(): void {
    const tick = this.#tick();
    for (const channel of this.#channels) channel.output(tick);
  }

  protected override derive(): void {
    this.#follow(this.#tick());
  }

  /** The gates of counters 0 and 1 are tied high. */
  #tieGates(): void {
    this.state.channels[0].gate = true;
    this.state.channels[1].gate = true;
  }

  #tick(): number {
    return Math.floor((this.#clock.now() * PIT_HZ) / NS_PER_SECOND);
  }

  #readBack(command: number, tick: number): void {
    this.#channels.forEach((channel, i) => {
      if (!(command & (2 << i))) return;
      if (!(command & 0x20)) channel.latchCount(tick);
      if (!(command & 0x10)) channel.latchStatus(tick);
    });
  }

  #readPortB(): number {
    const refresh = Math.floor(this.#clock.now() / REFRESH_NS) & 1;
    const out2 = this.#channels[2].output(this.#tick());
    return this.state.portB | (refresh ? PORT_B_REFRESH : 0) | (out2 ? PORT_B_OUT2 : 0);
  }

  #writePortB(value: number): void {
    this.state.portB = value & PORT_B_WRITABLE;
    this.#channels[2].setGate((value & PORT_B_GATE2) !== 0, this.#tick());
  }

  /** Counter 0 was written: its line and its next edge. */
  #follow(tick: number): void {
    const { mode } = this.state.channels[0];
    this.#irq.set(mode === 0 ? this.#channels[0].output(tick) : true);
    this.#armAfter(tick);
  }

  #rise(): void {
    // Rounding may put the clock a hair before the tick it was to wake us for.
    const tick = Math.max(this.#tick(), this.#riseTick);
    this.#irq.set(false);
    this.#irq.set(true);
    this.#armAfter(tick);
  }

  #armAfter(tick: number): void {
    this.#riseTick = this.#channels[0].nextRise(tick);
    this.#timer.arm(Math.ceil((this.#riseTick * NS_PER_SECOND) / PIT_HZ));
  }
}
