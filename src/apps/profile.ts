/** `--profile`: who samples the guest, which symbols name its code, and the file for what was found. */

import type { VivariumError } from '../base/errors.ts';
import { readImage } from '../host/node/files.ts';
import { ResultFile } from '../host/node/new-file.ts';
import { Profiler } from '../vmm/profiler.ts';
import { cpuProfile } from '../vmm/profiler-cpuprofile.ts';
import { SymbolTable } from '../vmm/symbols.ts';
import { readKernelSymbols, readSymbols } from '../vmm/symbols-file.ts';
import type { RunOptions } from './options.ts';

export class Profile {
  readonly profiler = new Profiler();
  readonly #path: string;
  readonly #symbols: SymbolTable | undefined;
  #file: ResultFile | undefined;

  private constructor(path: string, symbols: SymbolTable | undefined) {
    this.#path = path;
    this.#symbols = symbols;
  }

  /** Reads the symbols: the files named, else the kernel's own. Throws a VivariumError; makes no file yet. */
  static async prepare(path: string, { symbols, kernel }: RunOptions, image: Uint8Array | undefined): Promise<Profile> {
    const files = await Promise.all(
      symbols.map(async (file) => readSymbols(file, await readImage(file, 'symbol file'))),
    );
    if (files.length === 0 && kernel !== undefined && image !== undefined)
      files.push(readKernelSymbols(kernel, image) ?? []);
    const all = files.flat();
    return new Profile(path, all.length > 0 ? new SymbolTable(all) : undefined);
  }

  /** Makes the file. Throws a VivariumError. */
  async open(): Promise<void> {
    this.#file = await ResultFile.create(this.#path, 'profile');
  }

  discard(): Promise<void> | undefined {
    return this.#file?.discard();
  }

  /** Writes what was found; `failed` is told why that cannot be done. */
  async write(failed: (error: VivariumError) => void): Promise<void> {
    const text = `${JSON.stringify(cpuProfile(this.profiler, this.#symbols))}\n`;
    await this.#file?.write(text, failed);
  }
}
