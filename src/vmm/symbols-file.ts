/** Reads a symbol file, whichever kind it is. The file is hostile: what is wrong with it comes back as one sentence. */

import { VivariumError } from '../base/errors.ts';
import { isElf } from '../machine/elf.ts';
import type { CodeSymbol } from './symbols.ts';
import { elfSymbols } from './symbols-elf.ts';
import { systemMapSymbols } from './symbols-system-map.ts';

/** More than any kernel has; what they take is some hundred megabytes. */
const MAXIMUM_SYMBOLS = 1 << 20;

/** Ends the reading of a symbol file; `reason` is the end of a sentence. */
export type Refuse = (reason: string) => never;

/** The code symbols of a System.map, of /proc/kallsyms, or of an ELF file. Throws a `bad-file` VivariumError. */
export function readSymbols(path: string, file: Uint8Array): CodeSymbol[] {
  const refuse = refusalOf(path);
  if (file.length === 0) return refuse('it is empty');
  const symbols = isElf(file) ? elfSymbols(file, refuse) : systemMapSymbols(file, refuse);
  if (symbols === undefined) return refuse('it is an ELF file without a symbol table');
  return checked(symbols, refuse);
}

/** Those of a kernel, if it has any: no reason to complain about one that has not. */
export function readKernelSymbols(path: string, image: Uint8Array): CodeSymbol[] | undefined {
  if (!isElf(image)) return undefined;
  const refuse = refusalOf(path);
  const symbols = elfSymbols(image, refuse);
  return symbols === undefined ? undefined : checked(symbols, refuse);
}

function checked(symbols: Iterable<CodeSymbol>, refuse: Refuse): CodeSymbol[] {
  const all: CodeSymbol[] = [];
  for (const symbol of symbols) {
    if (all.length === MAXIMUM_SYMBOLS) return refuse(`it has more than ${MAXIMUM_SYMBOLS} symbols`);
    all.push(symbol);
  }
  return all.length > 0 ? all : refuse('it has no symbols of code');
}

function refusalOf(path: string): Refuse {
  return (reason) => {
    throw new VivariumError({ kind: 'bad-file', path }, `The symbols of ${path} cannot be used: ${reason}.`);
  };
}
