/** A scripted user at the guest's keyboard. */

import type { Keyboard } from '../../src/base/input.ts';
import { type } from '../../src/host/keyboard/strokes.ts';
import { TerminalKeys } from '../../src/host/keyboard/terminal-keys.ts';

/** Boot loaders look slowly, and firmware keeps sixteen keys. */
const KEY_MS = 20;

/** Types as at a terminal: `\r` is Enter, `\x02` is Ctrl-B, `\x1b[A` is the arrow up. */
export async function typeKeys(keyboard: Keyboard, text: string): Promise<void> {
  const keys = new TerminalKeys();
  for (const stroke of [...keys.feed(new TextEncoder().encode(text)), ...keys.flush()]) {
    type(keyboard, stroke);
    await new Promise((resolve) => setTimeout(resolve, KEY_MS));
  }
}
