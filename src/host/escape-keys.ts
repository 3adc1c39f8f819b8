/**
 * The keys a terminal keeps for itself: Ctrl-A, then a letter, as QEMU and picocom have them. Everything else is the
 * guest's, byte for byte.
 */

const CTRL_A = 0x01;

export type KeyCommand = 'leave' | 'help' | 'statistics';

const COMMANDS: ReadonlyMap<string, KeyCommand> = new Map([
  ['x', 'leave'],
  ['h', 'help'],
  ['?', 'help'],
  ['s', 'statistics'],
]);

export const KEYS_HELP = `Ctrl-A x       leave; the guest is gone, unless run --save keeps it
Ctrl-A s       show statistics
Ctrl-A Ctrl-A  send Ctrl-A to the guest (Ctrl-A a does, too)
Ctrl-A h       show these keys
`;

export class EscapeKeys {
  #escaped = false;

  /** Splits what was typed into bytes for the guest and commands for us, in order. Other keys after Ctrl-A vanish. */
  feed(typed: Uint8Array): (Uint8Array | KeyCommand)[] {
    const parts: (Uint8Array | KeyCommand)[] = [];
    let start = 0;
    for (let i = 0; i < typed.length; i++) {
      const byte = typed[i];
      if (this.#escaped) {
        this.#escaped = false;
        const sendsItself = byte === CTRL_A || byte === 0x61;
        if (sendsItself) parts.push(Uint8Array.of(CTRL_A));
        const command = COMMANDS.get(String.fromCharCode(byte));
        if (command !== undefined) parts.push(command);
        start = i + 1;
      } else if (byte === CTRL_A) {
        this.#escaped = true;
        if (i > start) parts.push(typed.subarray(start, i));
        start = i + 1;
      }
    }
    if (typed.length > start) parts.push(typed.subarray(start));
    return parts;
  }
}
