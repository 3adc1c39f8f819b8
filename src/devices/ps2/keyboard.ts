/**
 * PS/2 keyboard, scan code sets 1, 2 and 3 (IBM PS/2 Hardware Interface Technical Reference, "Keyboards", 1990).
 *
 * Not modelled: repetition of its own (who types tells each repetition; rate and delay are taken and change nothing),
 * which keys of set 3 repeat or tell their release (all do).
 */

import type { Keyboard, KeyCode } from '../../base/input.ts';
import { bool, bytes, defineState, type StateOf, u8, u16 } from '../../base/state.ts';
import { Device } from '../device.ts';
import type { Ps2Device } from './port.ts';
import { scanCodes } from './scan-codes.ts';

const ACKNOWLEDGE = 0xfa;
const RESEND = 0xfe;
const FIRST_COMMAND = 0xed;
const SELF_TEST_PASSED = 0xaa;
/** One more is on its way in the controller. */
const REPLIES_SIZE = 15;
const KEYS_SIZE = 256;

const keyboardState = defineState('ps2-keyboard', 1, {
  /** The command that waits for a byte, or 0. */
  command: u8(),
  scanCodeSet: u8({ initial: 2, min: 1, max: 3 }),
  scanning: bool({ initial: true }),
  indicators: u8(),
  lastSent: u8(),
  replies: bytes(REPLIES_SIZE),
  replyCount: u8({ max: REPLIES_SIZE }),
  keys: bytes(KEYS_SIZE),
  keyHead: u16({ max: KEYS_SIZE - 1 }),
  keyCount: u16({ max: KEYS_SIZE }),
});

export class Ps2Keyboard extends Device<StateOf<typeof keyboardState>> implements Ps2Device, Keyboard {
  ready: () => void = () => {};

  constructor() {
    super(keyboardState);
  }

  key(code: KeyCode, pressed: boolean): void {
    const s = this.state;
    if (!s.scanning) return;
    const codes = scanCodes(code, pressed, s.scanCodeSet);
    // Of what does not fit, nothing is sent: half a sequence would be another key.
    if (s.keyCount + codes.length > KEYS_SIZE) return;
    for (const byte of codes) s.keys[(s.keyHead + s.keyCount++) % KEYS_SIZE] = byte;
    if (codes.length > 0) this.ready();
  }

  take(): number | undefined {
    const s = this.state;
    if (s.replyCount > 0) {
      s.lastSent = s.replies[0] as number;
      s.replies.copyWithin(0, 1);
      s.replyCount--;
      return s.lastSent;
    }
    // A command that waits for its byte holds keys back.
    if (s.keyCount === 0 || s.command !== 0) return undefined;
    s.lastSent = s.keys[s.keyHead] as number;
    s.keyHead = (s.keyHead + 1) % KEYS_SIZE;
    s.keyCount--;
    return s.lastSent;
  }

  receive(value: number): void {
    const { command } = this.state;
    this.state.command = 0;
    if (command !== 0 && value < FIRST_COMMAND) this.#argument(command, value);
    else this.#command(value);
    this.ready();
  }

  #argument(command: number, value: number): void {
    const s = this.state;
    switch (command) {
      case 0xed:
        s.indicators = value & 7;
        break;
      case 0xf0:
        if (value > 3) {
          this.#reply(RESEND);
          return;
        }
        if (value === 0) {
          this.#reply(ACKNOWLEDGE, s.scanCodeSet);
          return;
        }
        s.scanCodeSet = value;
        s.keyCount = 0;
        break;
      default: // rate and delay, and keys of set 3
    }
    this.#reply(ACKNOWLEDGE);
  }

  #command(value: number): void {
    const s = this.state;
    switch (value) {
      case 0xed: // indicators, scan code set, rate and delay, types of keys: one more byte follows
      case 0xf0:
      case 0xf3:
      case 0xfb:
      case 0xfc:
      case 0xfd:
        s.command = value;
        this.#reply(ACKNOWLEDGE);
        return;
      case 0xee: // echo
        this.#reply(0xee);
        return;
      case 0xf2: // identify: an MF2 keyboard
        this.#reply(ACKNOWLEDGE, 0xab, 0x83);
        return;
      case 0xf4:
        s.scanning = true;
        this.#reply(ACKNOWLEDGE);
        return;
      case 0xf5: // defaults, without and with scanning
      case 0xf6:
        this.#defaults(value === 0xf6);
        this.#reply(ACKNOWLEDGE);
        return;
      case 0xf7: // all keys of set 3: repeat, tell their release or not
      case 0xf8:
      case 0xf9:
      case 0xfa:
        this.#reply(ACKNOWLEDGE);
        return;
      case 0xfe:
        this.#reply(s.lastSent);
        return;
      case 0xff:
        this.#defaults(true);
        s.replyCount = 0;
        this.#reply(ACKNOWLEDGE, SELF_TEST_PASSED);
        return;
      default:
        this.#reply(RESEND);
    }
  }

  #defaults(scanning: boolean): void {
    const s = this.state;
    s.scanCodeSet = 2;
    s.scanning = scanning;
    s.keyCount = 0;
  }

  #reply(...values: number[]): void {
    const s = this.state;
    for (const value of values) if (s.replyCount < REPLIES_SIZE) s.replies[s.replyCount++] = value;
  }
}
