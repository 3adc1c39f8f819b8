/** The guest that comes with Vivarium: where its files are, and how its init is told about the console. */

import { fileURLToPath } from 'node:url';
import type { TerminalSize } from '../host/node/terminal.ts';

/** From dist/vivarium.js as from src/apps/built-in-guest.ts. */
function find(path: string): string {
  const up = import.meta.url.endsWith('.ts') ? '../..' : '..';
  return fileURLToPath(new URL(`${up}/${path}`, import.meta.url));
}

export const BUILT_IN_KERNEL = find('guests/builtin/vmlinuz');
export const BUILT_IN_INITRD = find('guests/builtin/initramfs.cpio.gz');
export const BUILT_IN_SNAPSHOT = find('dist/builtin.snapshot');

/** A line for the guest's second serial port, where init waits for changes of the terminal's size. */
export function resizeLine(size: TerminalSize): Uint8Array {
  return new TextEncoder().encode(`${size.rows} ${size.columns}\n`);
}

/**
 * The words for the kernel and its init, whose meaning guests/builtin/README.md has. `terminal` is undefined when the
 * console is none: then standard input comes on the second serial port.
 */
export function builtInCommandLine(terminal: { readonly size: TerminalSize | undefined } | undefined): string {
  // Of the kernel's own messages, the user sees what is worse than an error.
  const words = ['console=ttyS0', 'loglevel=3'];
  if (terminal === undefined) words.push('vivarium.filter=ttyS1');
  else {
    words.push('vivarium.resize=ttyS1');
    if (terminal.size) words.push(`vivarium.rows=${terminal.size.rows}`, `vivarium.cols=${terminal.size.columns}`);
    const { TERM } = process.env;
    if (TERM && /^[\w.+-]+$/.test(TERM)) words.push(`vivarium.term=${TERM}`);
  }
  return words.join(' ');
}

/**
 * Input that waits until init says, with a first byte on the same port, that the port is set up: what came before would
 * be taken as typed at a terminal, Ctrl-Z and all, and without flow control.
 */
export class HeldInput {
  readonly #send: (bytes: Uint8Array) => void;
  #held: Uint8Array[] | undefined = [];

  constructor(send: (bytes: Uint8Array) => void) {
    this.#send = send;
  }

  send(bytes: Uint8Array): void {
    if (this.#held === undefined) this.#send(bytes);
    else this.#held.push(bytes);
  }

  get isReleased(): boolean {
    return this.#held === undefined;
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const bytes of held) this.#send(bytes);
  }
}
