/**
 * Symbols in the form of nm(1): the System.map of a Linux build, or /proc/kallsyms of a Linux that runs.
 *
 *     ffffffff81000000 T startup_64
 *     ffffffffc0001000 t init_module    [loop]
 *
 * A symbol has no length here: it ends where the next one begins.
 */

import { type CodeSymbol, nameRank } from './symbols.ts';
import type { Refuse } from './symbols-file.ts';

/** Linux has some ten megabytes of them; JavaScript's strings end at 512 MiB. */
const MAXIMUM_BYTES = 256 * 2 ** 20;
const LINE = /([0-9a-f]{1,16}) ([a-z?-]) (\S+)(?:[ \t]+\[\S+\])?[ \t]*\r?(?:\n|$)/iy;
/** Global and local code, weak symbols, indirect functions. */
const CODE = 'TtWwi';
/** What is further behind a symbol is not known to be its. */
const LONGEST_FUNCTION_BYTES = 1n << 20n;

export function* systemMapSymbols(file: Uint8Array, refuse: Refuse): Generator<CodeSymbol> {
  if (file.length > MAXIMUM_BYTES) return refuse('it is longer than 256 MiB');
  const text = new TextDecoder('latin1').decode(file);
  let at = 0;
  for (let line = 1; at < text.length; line++) {
    LINE.lastIndex = at;
    const match = LINE.exec(text);
    if (match === null) {
      const isOther = line === 1;
      return refuse(
        isOther ? 'it is neither a System.map nor an ELF file' : `line ${line} is not an address, a type and a name`,
      );
    }
    at = LINE.lastIndex;
    const [, digits, type, name] = match;
    const address = BigInt(`0x${digits}`);
    // Whoever may not read kallsyms finds zeros there.
    if (!CODE.includes(type) || address === 0n) continue;
    yield { name, address, end: address + LONGEST_FUNCTION_BYTES, rank: nameRank(name) };
  }
}
