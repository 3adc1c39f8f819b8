/**
 * Keys of a US keyboard by the X11 keysyms that they make (X11 Protocol, Appendix A "KEYSYM Encoding"; RFC 6143 §7.5.4
 * "KeyEvent" uses them).
 *
 * Keysyms of characters that a US keyboard does not have are no key. Nor are those that only choose among the symbols
 * of other layouts' keys (AltGr): who sends keysyms sends the symbol that was chosen, too.
 */

import type { KeyCode } from '../../base/input.ts';

export interface KeysymKey {
  readonly code: KeyCode;
  /** The key makes this symbol only with Shift, or only without. Of letters, Caps Lock has a say, too. */
  readonly shift?: boolean;
  readonly isLetter?: boolean;
}

const KEYS = new Map<number, KeysymKey>();

/** Keys from left to right: the characters they make without Shift, and with it. */
function row(codes: string, plain: string, shifted: string): void {
  for (const [i, code] of codes.split(' ').entries()) {
    KEYS.set(plain.charCodeAt(i), { code, shift: false });
    KEYS.set(shifted.charCodeAt(i), { code, shift: true });
  }
}
row(
  'Backquote Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal',
  '`1234567890-=',
  '~!@#$%^&*()_+',
);
row('BracketLeft BracketRight Backslash Semicolon Quote Comma Period Slash', "[]\\;',./", '{}|:"<>?');
for (let letter = 0; letter < 26; letter++) {
  const code = `Key${String.fromCharCode(0x41 + letter)}`;
  KEYS.set(0x41 + letter, { code, shift: true, isLetter: true });
  KEYS.set(0x61 + letter, { code, shift: false, isLetter: true });
}
KEYS.set(0x20, { code: 'Space' });

/** Keysyms that follow each other; `-` for one that no key has. */
function keysyms(first: number, codes: string): void {
  for (const [i, code] of codes.split(' ').entries()) if (code !== '-') KEYS.set(first + i, { code });
}
keysyms(0xfe20, 'Tab'); // ISO_Left_Tab, what Shift makes of Tab
keysyms(0xff08, 'Backspace Tab Enter Numpad5 - Enter');
keysyms(0xff13, 'Pause ScrollLock PrintScreen');
keysyms(0xff1b, 'Escape');
keysyms(0xff22, 'NonConvert Convert');
keysyms(0xff27, 'KanaMode');
keysyms(0xff50, 'Home ArrowLeft ArrowUp ArrowRight ArrowDown PageUp PageDown End Numpad5');
keysyms(0xff61, 'PrintScreen - Insert - - - ContextMenu');
keysyms(0xff6b, 'Pause');
keysyms(0xff7f, 'NumLock Space');
keysyms(0xff89, 'Tab');
keysyms(0xff8d, 'NumpadEnter');
keysyms(0xff91, 'F1 F2 F3 F4');
// The numeric pad without Num Lock, and with it: the same keys.
keysyms(0xff95, 'Numpad7 Numpad4 Numpad8 Numpad6 Numpad2 Numpad9 Numpad3 Numpad1 Numpad5 Numpad0 NumpadDecimal');
keysyms(0xffaa, 'NumpadMultiply NumpadAdd NumpadDecimal NumpadSubtract NumpadDecimal NumpadDivide');
keysyms(0xffb0, 'Numpad0 Numpad1 Numpad2 Numpad3 Numpad4 Numpad5 Numpad6 Numpad7 Numpad8 Numpad9');
keysyms(0xffbd, 'Equal F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 F11 F12');
keysyms(0xffe1, 'ShiftLeft ShiftRight ControlLeft ControlRight CapsLock CapsLock');
keysyms(0xffe7, 'MetaLeft MetaRight AltLeft AltRight MetaLeft MetaRight');
keysyms(0xffff, 'Delete');

/** Keysyms of Unicode characters, of which Latin-1 has others as well. */
const UNICODE = 0x0100_0000;

/** The key for a keysym, if a US keyboard has it. */
export function keyOfKeysym(keysym: number): KeysymKey | undefined {
  return KEYS.get(keysym > UNICODE && keysym < UNICODE + 0x80 ? keysym - UNICODE : keysym);
}
