/** The guest that comes with Vivarium: where its files are, and how its init is told about the console. */

import { fileURLToPath } from 'node:url';
import type { TerminalSize } from '../host/node/terminal.ts';

/** From dist/vivarium.js as from src/apps/built-in-guest.ts. */
function find(name: string): string {
  const up = import.meta.url.endsWith('.ts') ? '../..' : '..';
  return fileURLToPath(new URL(`${up}/guests/builtin/${name}`, import.meta.url));
}

export const BUILT_IN_KERNEL = find('vmlinuz');
export const BUILT_IN_INITRD = find('initramfs.cpio.gz');

/** A line for the guest's second serial port, where init waits for changes of the terminal's size. */
export function resizeLine(size: TerminalSize): Uint8Array {
  return new TextEncoder().encode(`${size.rows} ${size.columns}\n`);
}

/** The words for its init, whose meaning guests/builtin/README.md has. `console` is undefined when it is no terminal. */
export function builtInCommandLine(console: { readonly size: TerminalSize | undefined } | undefined): string {
  const words = ['console=ttyS0', 'quiet'];
  if (console === undefined) words.push('vivarium.filter');
  else {
    words.push('vivarium.resize=ttyS1');
    if (console.size) words.push(`vivarium.rows=${console.size.rows}`, `vivarium.cols=${console.size.columns}`);
    const { TERM } = process.env;
    if (TERM && /^[\w.+-]+$/.test(TERM)) words.push(`vivarium.term=${TERM}`);
  }
  return words.join(' ');
}
