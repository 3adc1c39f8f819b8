/**
 * Scan codes of a 102-key keyboard in the three sets (IBM PS/2 Hardware Interface Technical Reference, "Keyboards",
 * 1990; the keys of Windows from Microsoft's "Keyboard Scan Code Specification", revision 1.3a).
 *
 * Set 1 is what the controller makes of set 2, byte for byte, so the table of set 1 and that of the translation give
 * set 2. Codes with a prefix have it in the high byte.
 */

import type { KeyCode } from '../../base/input.ts';

/** By code of set 1: the byte of set 2 that the controller makes it from. */
const SET_2_OF = [
  0x00, 0x76, 0x16, 0x1e, 0x26, 0x25, 0x2e, 0x36, 0x3d, 0x3e, 0x46, 0x45, 0x4e, 0x55, 0x66, 0x0d, 0x15, 0x1d, 0x24,
  0x2d, 0x2c, 0x35, 0x3c, 0x43, 0x44, 0x4d, 0x54, 0x5b, 0x5a, 0x14, 0x1c, 0x1b, 0x23, 0x2b, 0x34, 0x33, 0x3b, 0x42,
  0x4b, 0x4c, 0x52, 0x0e, 0x12, 0x5d, 0x1a, 0x22, 0x21, 0x2a, 0x32, 0x31, 0x3a, 0x41, 0x49, 0x4a, 0x59, 0x7c, 0x11,
  0x29, 0x58, 0x05, 0x06, 0x04, 0x0c, 0x03, 0x0b, 0x83, 0x0a, 0x01, 0x09, 0x77, 0x7e, 0x6c, 0x75, 0x7d, 0x7b, 0x6b,
  0x73, 0x74, 0x79, 0x69, 0x72, 0x7a, 0x70, 0x71, 0x84, 0x60, 0x61, 0x78, 0x07, 0x0f, 0x17, 0x1f, 0x27, 0x2f, 0x37,
  0x3f, 0x47, 0x4f, 0x56, 0x5e, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38, 0x40, 0x48, 0x50, 0x57, 0x6f, 0x13, 0x19,
  0x39, 0x51, 0x53, 0x5c, 0x5f, 0x62, 0x63, 0x64, 0x65, 0x67, 0x68, 0x6a, 0x6d, 0x6e,
] as const;

/** What the controller makes of bytes of set 2; those it has no place for pass. */
export const TRANSLATION = Uint8Array.from({ length: 256 }, (_, code) => code);
for (const [set1, set2] of SET_2_OF.entries()) TRANSLATION[set2] = set1;
TRANSLATION[0x02] = 0x41;

const SET_1 = new Map<KeyCode, number>();
function row(first: number, codes: string): void {
  for (const [i, code] of codes.split(' ').entries()) SET_1.set(code, first + i);
}
row(0x01, 'Escape Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal Backspace');
row(0x0f, 'Tab KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight Enter ControlLeft');
row(0x1e, 'KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL Semicolon Quote Backquote ShiftLeft Backslash');
row(0x2c, 'KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma Period Slash ShiftRight NumpadMultiply AltLeft Space CapsLock');
row(0x3b, 'F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 NumLock ScrollLock Numpad7 Numpad8 Numpad9 NumpadSubtract');
row(0x4b, 'Numpad4 Numpad5 Numpad6 NumpadAdd Numpad1 Numpad2 Numpad3 Numpad0 NumpadDecimal');
row(0x56, 'IntlBackslash F11 F12');
row(0xe01c, 'NumpadEnter ControlRight');
row(0xe035, 'NumpadDivide');
row(0xe038, 'AltRight');
row(0xe047, 'Home ArrowUp PageUp');
row(0xe04b, 'ArrowLeft');
row(0xe04d, 'ArrowRight');
row(0xe04f, 'End ArrowDown PageDown Insert Delete');
row(0xe05b, 'MetaLeft MetaRight ContextMenu');
row(0xe05e, 'Power Sleep');
row(0x70, 'KanaMode');
row(0x73, 'IntlRo');
row(0x79, 'Convert');
row(0x7b, 'NonConvert');
row(0x7d, 'IntlYen');

/** Where set 3 differs from the last byte of set 2. */
const SET_3: Readonly<Record<KeyCode, number>> = {
  Escape: 0x08,
  F1: 0x07,
  F2: 0x0f,
  F3: 0x17,
  F4: 0x1f,
  F5: 0x27,
  F6: 0x2f,
  F7: 0x37,
  F8: 0x3f,
  F9: 0x47,
  F10: 0x4f,
  F11: 0x56,
  F12: 0x5e,
  PrintScreen: 0x57,
  ScrollLock: 0x5f,
  Pause: 0x62,
  Insert: 0x67,
  Home: 0x6e,
  PageUp: 0x6f,
  Delete: 0x64,
  End: 0x65,
  PageDown: 0x6d,
  ArrowUp: 0x63,
  ArrowLeft: 0x61,
  ArrowDown: 0x60,
  ArrowRight: 0x6a,
  NumLock: 0x76,
  NumpadDivide: 0x77,
  NumpadMultiply: 0x7e,
  NumpadSubtract: 0x84,
  NumpadEnter: 0x79,
  CapsLock: 0x14,
  Backslash: 0x5c,
  IntlBackslash: 0x13,
  ControlLeft: 0x11,
  AltLeft: 0x19,
  AltRight: 0x39,
  ControlRight: 0x58,
  MetaLeft: 0x8b,
  MetaRight: 0x8c,
  ContextMenu: 0x8d,
};

/** Keys that are more than a code with a prefix: what they send in set 2 as they go down, and as they come up. */
const SPECIAL: Readonly<Record<KeyCode, readonly [down: readonly number[], up: readonly number[]]>> = {
  PrintScreen: [
    [0xe0, 0x12, 0xe0, 0x7c],
    [0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12],
  ],
  Pause: [[0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77], []],
};

/** As the controller does, whose `F0` becomes bit 7 of the byte after it. */
export function translate(set2: readonly number[]): number[] {
  const bytes: number[] = [];
  let released = 0;
  for (const byte of set2) {
    if (byte !== 0xf0) bytes.push((TRANSLATION[byte] as number) | released);
    released = byte === 0xf0 ? 0x80 : 0;
  }
  return bytes;
}

/** What a keyboard sends; nothing where it has no such key. */
export function scanCodes(code: KeyCode, pressed: boolean, set: number): readonly number[] {
  const special = Object.hasOwn(SPECIAL, code) ? SPECIAL[code] : undefined;
  const set1 = SET_1.get(code);
  if (set1 === undefined && special === undefined) return [];
  const last = SET_2_OF[(set1 ?? 0) & 0x7f] ?? 0;
  if (set === 3) {
    const set3 = Object.hasOwn(SET_3, code) ? (SET_3[code] as number) : last;
    return pressed ? [set3] : [0xf0, set3];
  }
  const prefix = set1 !== undefined && set1 > 0xff ? [set1 >> 8] : [];
  const set2 = special?.[pressed ? 0 : 1] ?? (pressed ? [...prefix, last] : [...prefix, 0xf0, last]);
  return set === 1 ? translate(set2) : set2;
}

const KEY_OF_SET_1 = new Map([...SET_1].map(([code, set1]) => [set1, code]));

/** The key with a code of set 1; keys that send more than a code have none. */
export function keyOfSet1(code: number): KeyCode | undefined {
  return KEY_OF_SET_1.get(code);
}
