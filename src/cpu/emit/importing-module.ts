/**
 * A module that has the functions it calls as imports and no table: an importer of the table has a copy of it, which
 * thousands of modules could not afford. Its functions are handlers, which do not call each other. It is made without the
 * engine in which it is to run, perhaps on another thread: what it imports are names.
 */

import { ModuleWriter } from '../../wasm/encoder.ts';
import { COMMON_PARAMS, functionType, type ModuleShape } from './code-space.ts';
import { FunctionBuilder } from './function-builder.ts';
import type { LoweredFunction } from './lowering.ts';
import type { FunctionRef, Linkage } from './nodes.ts';

const handlerType = functionType({ params: COMMON_PARAMS, results: [] });

export class ImportingModule {
  readonly #writer = new ModuleWriter();
  readonly #indices = new Map<string, number>();
  readonly #named: boolean;
  readonly #linkage: Linkage;
  readonly #bodies: { name: string; lowered: LoweredFunction }[] = [];

  /** `nameOf`: by which name a function is imported. */
  constructor({ maximumPages, shared, named }: ModuleShape, nameOf: (target: FunctionRef) => string) {
    this.#named = named;
    this.#writer.importMemory('v', 'm', maximumPages, shared);
    this.#linkage = {
      direct: (target) => this.#import(nameOf(target), target),
      typeIndex: (target) => this.#writer.type(functionType(target)),
    };
  }

  #import(name: string, target: FunctionRef): number {
    let index = this.#indices.get(name);
    if (index === undefined) {
      index = this.#writer.importFunction('v', name, functionType(target));
      this.#indices.set(name, index);
    }
    return index;
  }

  /** Builds a function at once, to be exported by its number. Returns that, and the bytes of its body. */
  define(name: string, build: (b: FunctionBuilder) => void): { number: number; bytes: number } {
    const builder = new FunctionBuilder(COMMON_PARAMS, this.#linkage);
    build(builder);
    const lowered = builder.finish();
    return { number: this.#bodies.push({ name, lowered }) - 1, bytes: lowered.code.length };
  }

  /** Nothing can be defined any more. */
  finish(): { bytes: Uint8Array<ArrayBuffer>; imports: string[] } {
    for (const [number, { name, lowered }] of this.#bodies.entries()) {
      const index = this.#writer.declareFunction();
      this.#writer.defineFunction(index, handlerType, lowered);
      this.#writer.exportFunction(String(number), index);
      if (this.#named) this.#writer.nameFunction(index, name);
    }
    return { bytes: this.#writer.finish(), imports: [...this.#indices.keys()] };
  }
}
