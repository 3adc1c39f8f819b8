/**
 * PS/2 mouse, with the wheel of Microsoft's IntelliMouse (IBM PS/2 Hardware Interface Technical Reference, "Mouse",
 * 1990; "PS/2 Mouse" by Adam Chapweske for the wheel). Movements add up until the controller takes them.
 *
 * Not modelled: a fourth and fifth button, the sample rate (each look of the controller's makes a packet).
 */

import type { Pointer } from '../../base/input.ts';
import { bool, bytes, defineState, i32, type StateOf, u8 } from '../../base/state.ts';
import { Device } from '../device.ts';
import type { Ps2Device } from './port.ts';

const ACKNOWLEDGE = 0xfa;
const RESEND = 0xfe;
const QUEUE_SIZE = 16;
const WHEEL_ID = 3;
const FIRST_COMMAND = 0xe6;
/** Sample rates, set one after the other, that turn the wheel on. */
const WHEEL_KNOCK = [200, 100, 80] as const;
/** What adds up at most, in either direction. */
const FARTHEST = 32_767;

const mouseState = defineState('ps2-mouse', 1, {
  command: u8(),
  id: u8({ max: WHEEL_ID }),
  /** Steps of the knock that have been heard. */
  knocks: u8({ max: 2 }),
  sampleRate: u8({ initial: 100 }),
  resolution: u8({ initial: 2, max: 3 }),
  scaling: bool(),
  reporting: bool(),
  /** Only when asked. */
  remote: bool(),
  wrap: bool(),
  buttons: u8({ max: 7 }),
  /** Buttons changed since the last packet. */
  changed: bool(),
  dx: i32({ min: -FARTHEST, max: FARTHEST }),
  dy: i32({ min: -FARTHEST, max: FARTHEST }),
  dz: i32({ min: -FARTHEST, max: FARTHEST }),
  queue: bytes(QUEUE_SIZE),
  count: u8({ max: QUEUE_SIZE }),
  lastSent: u8(),
});

function add(a: number, b: number): number {
  const sum = a + Math.trunc(b);
  return Number.isNaN(sum) ? a : Math.max(-FARTHEST, Math.min(FARTHEST, sum));
}

export class Ps2Mouse extends Device<StateOf<typeof mouseState>> implements Ps2Device, Pointer {
  ready: () => void = () => {};

  constructor() {
    super(mouseState);
  }

  move(dx: number, dy: number, dz: number): void {
    const s = this.state;
    if (!s.reporting) return;
    s.dx = add(s.dx, dx);
    s.dy = add(s.dy, -dy);
    s.dz = add(s.dz, dz);
    this.ready();
  }

  buttons(mask: number): void {
    const s = this.state;
    if (s.buttons === (mask & 7)) return;
    s.buttons = mask & 7;
    s.changed = true;
    this.ready();
  }

  take(): number | undefined {
    const s = this.state;
    const moved = s.changed || s.dx !== 0 || s.dy !== 0 || (s.dz !== 0 && s.id === WHEEL_ID);
    if (s.count === 0 && moved && s.reporting && !s.remote && !s.wrap && s.command === 0) this.#packet();
    if (s.count === 0) return undefined;
    s.lastSent = s.queue[0] as number;
    s.queue.copyWithin(0, 1);
    s.count--;
    return s.lastSent;
  }

  /** As much of the movement as fits in one. */
  #packet(): void {
    const s = this.state;
    const dx = Math.max(-256, Math.min(255, s.dx));
    const dy = Math.max(-256, Math.min(255, s.dy));
    this.#reply(0x08 | s.buttons | (dx < 0 ? 0x10 : 0) | (dy < 0 ? 0x20 : 0), dx & 0xff, dy & 0xff);
    s.dx -= dx;
    s.dy -= dy;
    s.changed = false;
    if (s.id !== WHEEL_ID) {
      s.dz = 0;
      return;
    }
    const dz = Math.max(-8, Math.min(7, s.dz));
    this.#reply(dz & 0xff);
    s.dz -= dz;
  }

  receive(value: number): void {
    const s = this.state;
    const { command } = s;
    s.command = 0;
    if (s.wrap && value !== 0xff && value !== 0xec) this.#reply(value);
    else if (command !== 0 && value < FIRST_COMMAND) this.#argument(command, value);
    else this.#command(value);
    this.ready();
  }

  #argument(command: number, value: number): void {
    const s = this.state;
    if (command === 0xe8) s.resolution = value & 3;
    else {
      s.sampleRate = value;
      const next = value === WHEEL_KNOCK[s.knocks] ? s.knocks + 1 : value === WHEEL_KNOCK[0] ? 1 : 0;
      if (next === WHEEL_KNOCK.length) s.id = WHEEL_ID;
      s.knocks = next % WHEEL_KNOCK.length;
    }
    this.#reply(ACKNOWLEDGE);
  }

  #command(value: number): void {
    const s = this.state;
    if (value !== 0xfe) s.count = 0; // a command takes the place of what was not sent yet
    switch (value) {
      case 0xe6:
      case 0xe7:
        s.scaling = value === 0xe7;
        break;
      case 0xe8:
      case 0xf3:
        s.command = value;
        break;
      case 0xe9:
        this.#reply(ACKNOWLEDGE, this.#status(), s.resolution, s.sampleRate);
        return;
      case 0xea:
      case 0xf0:
        s.remote = value === 0xf0;
        this.#rest();
        break;
      case 0xeb:
        this.#reply(ACKNOWLEDGE);
        this.#packet();
        return;
      case 0xec:
      case 0xee:
        s.wrap = value === 0xee;
        break;
      case 0xf2:
        this.#reply(ACKNOWLEDGE, s.id);
        return;
      case 0xf4:
      case 0xf5:
        s.reporting = value === 0xf4;
        this.#rest();
        break;
      case 0xf6:
        this.#defaults();
        break;
      case 0xfe:
        this.#reply(s.lastSent);
        return;
      case 0xff:
        this.#defaults();
        s.id = 0;
        this.#reply(ACKNOWLEDGE, 0xaa, 0x00);
        return;
      default:
        this.#reply(RESEND);
        return;
    }
    this.#reply(ACKNOWLEDGE);
  }

  #status(): number {
    const s = this.state;
    const { buttons } = s;
    const mask = ((buttons & 1) << 2) | ((buttons & 4) >> 1) | ((buttons & 2) >> 1);
    return (s.remote ? 0x40 : 0) | (s.reporting ? 0x20 : 0) | (s.scaling ? 0x10 : 0) | mask;
  }

  #rest(): void {
    const s = this.state;
    s.dx = 0;
    s.dy = 0;
    s.dz = 0;
    s.changed = false;
  }

  #defaults(): void {
    const s = this.state;
    s.sampleRate = 100;
    s.resolution = 2;
    s.scaling = false;
    s.reporting = false;
    s.remote = false;
    s.wrap = false;
    s.knocks = 0;
    this.#rest();
  }

  #reply(...values: number[]): void {
    const s = this.state;
    for (const value of values) if (s.count < QUEUE_SIZE) s.queue[s.count++] = value;
  }
}
