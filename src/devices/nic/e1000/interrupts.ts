/**
 * Interrupts of the 82540EM (manual §3.2.7 "Receive Interrupts", chapter 13 "Register Descriptions", ICR
 * to IMC and ITR): causes, their mask, delays after which packets raise one, and the throttle that keeps the line from going up
 * more often than ITR says.
 */

import type { Timer } from '../../../base/clock.ts';
import {
  DELAY_UNIT_NS,
  type Delay,
  type E1000Core,
  INT_ALL,
  INT_RX_TIMER,
  INT_TX_WRITTEN_BACK,
  THROTTLE_UNIT_NS,
} from './registers.ts';

const NEVER = Number.POSITIVE_INFINITY;

/** A cause that is raised when no packet came for a while, or the first has waited long enough. */
class DelayedCause {
  readonly #core: E1000Core;
  readonly #delay: Delay;
  readonly #raise: () => void;
  readonly #timer: Timer;

  constructor(core: E1000Core, delay: Delay, raise: () => void) {
    this.#core = core;
    this.#delay = delay;
    this.#raise = raise;
    this.#timer = core.host.clock.timer(() => this.flush());
  }

  /** A packet; the times are as in the registers, where zero means at once for one and never for the other. */
  packet(relative: number, absolute: number): void {
    const delay = this.#delay;
    if (relative === 0) {
      delay.relativeNs = 0;
      this.flush();
      return;
    }
    const now = this.#core.host.clock.now();
    delay.relativeNs = now + relative * DELAY_UNIT_NS;
    if (delay.absoluteNs === NEVER && absolute !== 0) delay.absoluteNs = now + absolute * DELAY_UNIT_NS;
    this.derive();
  }

  derive(): void {
    this.#timer.arm(Math.min(this.#delay.relativeNs, this.#delay.absoluteNs));
  }

  /** Raises the cause now, if packets wait for it. */
  flush(): void {
    const waits = this.#delay.relativeNs !== NEVER;
    this.#delay.relativeNs = NEVER;
    this.#delay.absoluteNs = NEVER;
    this.derive();
    if (waits) this.#raise();
  }
}

export class Interrupts {
  readonly received: DelayedCause;
  readonly sent: DelayedCause;
  readonly #core: E1000Core;
  readonly #throttle: Timer;

  constructor(core: E1000Core) {
    this.#core = core;
    this.#throttle = core.host.clock.timer(() => this.update());
    const [received, sent] = core.state.delays;
    this.received = new DelayedCause(core, received, () => this.raise(INT_RX_TIMER));
    this.sent = new DelayedCause(core, sent, () => this.raise(INT_TX_WRITTEN_BACK));
  }

  derive(): void {
    const { state, host, config } = this.#core;
    this.received.derive();
    this.sent.derive();
    this.update();
    host.irq.set(state.asserted && !config.interruptDisabled);
  }

  raise(causes: number): void {
    this.#core.state.icr |= causes & INT_ALL;
    this.update();
  }

  /** ICR: reading takes all causes away. */
  readCauses(): number {
    const { state } = this.#core;
    const causes = state.icr;
    state.icr = 0;
    this.update();
    return causes;
  }

  clearCauses(causes: number): void {
    this.#core.state.icr &= ~causes;
    this.update();
  }

  unmask(causes: number): void {
    this.#core.state.ims |= causes & INT_ALL;
    this.update();
  }

  mask(causes: number): void {
    this.#core.state.ims &= ~causes;
    this.update();
  }

  /** Makes the line follow the causes, upwards not before its time. */
  update(): void {
    const { state, host, config } = this.#core;
    const wanted = (state.icr & state.ims) !== 0;
    const now = host.clock.now();
    const dueNs = state.assertedNs + state.itr * THROTTLE_UNIT_NS;
    if (wanted && !state.asserted && now < dueNs) {
      this.#throttle.arm(dueNs);
      return;
    }
    this.#throttle.disarm();
    if (wanted && !state.asserted) state.assertedNs = now;
    state.asserted = wanted;
    host.irq.set(wanted && !config.interruptDisabled);
  }
}
