/** Keys as they are typed: one at a time, with what is held meanwhile. */

import type { Keyboard, KeyCode } from '../../base/input.ts';
import { keyOfKeysym } from './keysyms.ts';

export interface Stroke {
  readonly code: KeyCode;
  readonly shift?: boolean;
  readonly control?: boolean;
  readonly alt?: boolean;
}

const FIRST_PRINTABLE = 0x20;
const LAST_PRINTABLE = 0x7e;

/** How a character (by its code point) is typed on a US keyboard with Caps Lock off, if it is there. */
export function strokeOfCharacter(character: number): Stroke | undefined {
  if (character < FIRST_PRINTABLE || character > LAST_PRINTABLE) return undefined;
  // Keysyms of ASCII characters are their codes.
  const key = keyOfKeysym(character);
  return key && (key.shift ? { code: key.code, shift: true } : { code: key.code });
}

/** Presses and releases the keys of a stroke. */
export function type(keyboard: Keyboard, { code, shift, control, alt }: Stroke): void {
  const keys: KeyCode[] = [];
  if (control) keys.push('ControlLeft');
  if (alt) keys.push('AltLeft');
  if (shift) keys.push('ShiftLeft');
  keys.push(code);
  for (const key of keys) keyboard.key(key, true);
  for (const key of keys.reverse()) keyboard.key(key, false);
}
