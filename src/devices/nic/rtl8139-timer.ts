/** TCTR and TimerInt of the RTL8139: a count of ticks since it was written, and an interrupt when it has a value. */

import { NS_PER_SECOND, type Timer } from '../../base/clock.ts';
import { INT_TIMER, type Rtl8139Core } from './rtl8139-state.ts';

const TICK_NS = NS_PER_SECOND / 33_000_000;
const WRAP = 2 ** 32;

export class Rtl8139Timer {
  readonly #core: Rtl8139Core;
  readonly #timer: Timer;

  constructor(core: Rtl8139Core) {
    this.#core = core;
    this.#timer = core.host.clock.timer(() => {
      core.raise(INT_TIMER);
      this.arm();
    });
  }

  count(): number {
    const { state, host } = this.#core;
    const ticks = Math.floor((host.clock.now() - state.timerStartNs) / TICK_NS);
    return (Math.max(ticks, 0) % WRAP) >>> 0;
  }

  restart(): void {
    this.#core.state.timerStartNs = this.#core.host.clock.now();
    this.arm();
  }

  /** For the next time that the count is TimerInt. */
  arm(): void {
    const { state, host } = this.#core;
    const ticks = (state.timerInterrupt - this.count() + WRAP) % WRAP || WRAP;
    if (state.timerInterrupt === 0) this.#timer.disarm();
    else this.#timer.arm(host.clock.now() + ticks * TICK_NS);
  }
}
