/**
 * Keys of RFB clients on the guest's keyboard. Keysyms say which symbol is meant, and Shift is but a hint (RFC 6143
 * §7.5.4 "KeyEvent"): where the symbol is not what the key makes on a US keyboard as Shift is now, Shift is pressed or
 * released around it.
 *
 * Not modelled: Num Lock, which is as the guest has it; Caps Lock that was on before the first client came.
 */

import type { Keyboard, KeyCode } from '../../base/input.ts';
import { keyOfSet1 } from '../../devices/ps2/scan-codes.ts';
import { keyOfKeysym } from '../keyboard/keysyms.ts';

const SHIFTS: readonly KeyCode[] = ['ShiftLeft', 'ShiftRight'];
const MODIFIERS: ReadonlySet<KeyCode> = new Set(['ControlLeft', 'ControlRight', 'AltLeft', 'AltRight']);
/** Keys that have no single code of set 1, by the code in which clients send them. */
const OTHER_KEYS: Readonly<Record<number, KeyCode>> = { 84: 'PrintScreen', 183: 'PrintScreen', 198: 'Pause' };

/** The guest's keyboard as all clients share it. */
export interface SharedKeyboard extends Keyboard {
  capsLock: boolean;
}

/** The keys of one client. */
export class Keys {
  readonly #keyboard: SharedKeyboard;
  readonly #held = new Set<KeyCode>();

  constructor(keyboard: SharedKeyboard) {
    this.#keyboard = keyboard;
  }

  keysym(keysym: number, pressed: boolean): void {
    const key = keyOfKeysym(keysym);
    if (key === undefined) return;
    const { code, shift } = key;
    const shifts = SHIFTS.filter((held) => this.#held.has(held));
    const isShifted = shifts.length > 0 !== (key.isLetter === true && this.#keyboard.capsLock);
    // With Ctrl and its like the key counts, not the symbol.
    const isShortcut = [...this.#held].some((held) => MODIFIERS.has(held));
    if (!pressed || shift === undefined || shift === isShifted || isShortcut) {
      this.#key(code, pressed);
      return;
    }
    const [corrected, press] = shifts.length > 0 ? [shifts, false] : [['ShiftLeft'], true];
    for (const other of corrected) this.#keyboard.key(other, press);
    this.#key(code, true);
    for (const other of corrected) this.#keyboard.key(other, !press);
  }

  /** A key by its place: QEMU's extended key event has codes of set 1, with bit 7 for the prefix E0. */
  scanCode(scanCode: number, pressed: boolean): void {
    const set1 = scanCode < 0x80 ? scanCode : 0xe000 | (scanCode & 0x7f);
    const code = scanCode > 0xff ? undefined : (OTHER_KEYS[scanCode] ?? keyOfSet1(set1));
    if (code !== undefined) this.#key(code, pressed);
  }

  /** The client is gone: nothing stays pressed. */
  release(): void {
    for (const code of [...this.#held].reverse()) this.#key(code, false);
  }

  #key(code: KeyCode, pressed: boolean): void {
    const wasHeld = this.#held.delete(code);
    if (pressed) this.#held.add(code);
    else if (!wasHeld) return;
    if (code === 'CapsLock' && pressed && !wasHeld) this.#keyboard.capsLock = !this.#keyboard.capsLock;
    this.#keyboard.key(code, pressed);
  }
}
