/**
 * The PHY of an 82540EM, at address 1 of the management interface behind MDIC (manual chapters 11 "PHY Functionality and Features"
 * and 13 "Register Descriptions"; IEEE 802.3 clause 22). The partner is able to do everything, and negotiating takes 5 ms.
 *
 * Not modelled: pages, forced speeds (they are taken to be whatever the partner has), cable diagnosis.
 */

import type { Timer } from '../../../base/clock.ts';
import type { E1000Core } from './registers.ts';

const CONTROL = 0;
const STATUS = 1;
const SPECIFIC_STATUS = 17;

const CONTROL_RESET = 0x8000;
const CONTROL_LOOPBACK = 0x4000;
const CONTROL_POWER_DOWN = 0x0800;
const CONTROL_RESTART = 0x0200;
const CONTROL_WRITABLE = 0x7dc0;

/** Link, and negotiation complete. */
const STATUS_LINK = 0x0024;
/** Speed and duplex resolved to 1000 Mb/s and full, link. */
const SPECIFIC_STATUS_LINK = 0xac00;

/** Value at reset, and which bits can be written. */
const REGISTERS: Readonly<Record<number, readonly [number, number]>> = {
  [CONTROL]: [0x1140, CONTROL_WRITABLE],
  [STATUS]: [0x7949, 0],
  2: [0x0141, 0], // identifier: Marvell 88E1011
  3: [0x0c20, 0],
  4: [0x0de1, 0xffff], // advertised
  5: [0x4de1, 0], // of the partner
  6: [0x0001, 0], // the partner negotiates
  9: [0x0e00, 0xff00], // 1000BASE-T control
  10: [0x3c00, 0], // 1000BASE-T status: both receivers in order, the partner has both duplex modes
  15: [0x3000, 0], // extended status: 1000BASE-T
  16: [0x0360, 0xffff],
  18: [0x0000, 0xffff],
  20: [0x0d60, 0xffff],
  24: [0x4100, 0xffff],
  29: [0x0000, 0xffff],
  30: [0x0000, 0xffff],
};

const OPERATION_SHIFT = 26;
const OPERATION_WRITE = 1;
const OPERATION_READ = 2;
export const MDIC_READY = 0x1000_0000;
export const MDIC_INTERRUPT = 0x2000_0000;
const MDIC_ERROR = 0x4000_0000;
const PHY_ADDRESS = 1;
const NEGOTIATION_NS = 5_000_000;

export class Phy {
  readonly #core: E1000Core;
  readonly #changed: () => void;
  readonly #timer: Timer;

  /** `changed` runs whenever the link went down or up. */
  constructor(core: E1000Core, changed: () => void) {
    this.#core = core;
    this.#changed = changed;
    this.#timer = core.host.clock.timer(() => this.#negotiated());
  }

  get isLinkUp(): boolean {
    const { phy, linkUpNs } = this.#core.state;
    return linkUpNs === Number.POSITIVE_INFINITY && !(phy[CONTROL] & CONTROL_POWER_DOWN);
  }

  get isLoopback(): boolean {
    return (this.#core.state.phy[CONTROL] & CONTROL_LOOPBACK) !== 0;
  }

  /** As after power-on, where negotiation has long been over. */
  reset(): void {
    const { state } = this.#core;
    for (let number = 0; number < state.phy.length; number++) state.phy[number] = REGISTERS[number]?.[0] ?? 0;
    state.linkUpNs = Number.POSITIVE_INFINITY;
    this.derive();
  }

  derive(): void {
    this.#timer.arm(this.#core.state.linkUpNs);
  }

  /** By its pin, or its own reset bit: the link is negotiated anew. */
  restart(): void {
    this.reset();
    this.#negotiate();
  }

  /** What MDIC reads after `command` was written to it. */
  manage(command: number): number {
    const operation = (command >>> OPERATION_SHIFT) & 3;
    const number = (command >>> 16) & 31;
    const answer = command | MDIC_READY;
    if (((command >>> 21) & 31) !== PHY_ADDRESS) return (answer | MDIC_ERROR) >>> 0;
    if (operation === OPERATION_READ) return ((answer & ~0xffff) | this.#read(number)) >>> 0;
    if (operation === OPERATION_WRITE) this.#write(number, command & 0xffff);
    else return (answer | MDIC_ERROR) >>> 0;
    return answer >>> 0;
  }

  #read(number: number): number {
    const value = this.#core.state.phy[number];
    if (number === STATUS && this.isLinkUp) return value | STATUS_LINK;
    if (number === SPECIFIC_STATUS && this.isLinkUp) return value | SPECIFIC_STATUS_LINK;
    return value;
  }

  #write(number: number, value: number): void {
    const { phy } = this.#core.state;
    const writable = REGISTERS[number]?.[1] ?? 0;
    const wasDown = (phy[CONTROL] & CONTROL_POWER_DOWN) !== 0;
    phy[number] = (phy[number] & ~writable) | (value & writable);
    if (number !== CONTROL) return;
    const isDown = (value & CONTROL_POWER_DOWN) !== 0;
    if (value & CONTROL_RESET) this.restart();
    else if (value & CONTROL_RESTART || (wasDown && !isDown)) this.#negotiate();
    else if (isDown && !wasDown) this.#changed();
  }

  #negotiate(): void {
    const { state, host } = this.#core;
    state.linkUpNs = host.clock.now() + NEGOTIATION_NS;
    this.derive();
    this.#changed();
  }

  #negotiated(): void {
    this.#core.state.linkUpNs = Number.POSITIVE_INFINITY;
    this.#changed();
  }
}
