/**
 * All generated code of a process: one function table and one memory, filled by many small modules. A function is
 * known by its table slot, so that modules need no knowledge of each other; calls within a module are direct.
 */

import { I32, ModuleWriter } from '../../wasm/encoder.ts';
import type { Type } from '../algebra.ts';
import { FunctionBuilder } from './function-builder.ts';
import { type FunctionRef, type Linkage, wasmType } from './nodes.ts';

/** Every generated function's first two parameters: vCPU block and decoded operation. */
export const COMMON_PARAMS: readonly Type[] = [32, 32];

export interface HostImport {
  readonly name: string;
  readonly params: readonly Type[];
  readonly results: readonly Type[];
  readonly call: (...args: never[]) => unknown;
}

export class CodeSpace {
  readonly memory: WebAssembly.Memory;
  readonly table: WebAssembly.Table;
  readonly #maximumPages: number;
  readonly #shared: boolean;
  readonly #names: boolean;
  #slots = 1;
  /** Modules instantiated and bytes of WebAssembly in them. */
  modules = 0;
  moduleBytes = 0;

  /** `names`: functions carry their names, for profilers. */
  constructor(memory: WebAssembly.Memory, maximumPages: number, shared: boolean, names: boolean) {
    this.#names = names;
    this.memory = memory;
    this.#maximumPages = maximumPages;
    this.#shared = shared;
    this.table = new WebAssembly.Table({ element: 'anyfunc', initial: 4096 });
  }

  /** Reserves a slot for a function that some module will define. Slot 0 stays empty. */
  reserve(params: readonly Type[], results: readonly Type[]): FunctionRef {
    if (this.#slots === this.table.length) this.table.grow(this.table.length);
    return { slot: this.#slots++, params: [...COMMON_PARAMS, ...params], results };
  }

  /** A module to be filled; host functions come as imports and are wrapped as ordinary functions. */
  module(): ModuleBuilder {
    return new ModuleBuilder(this, this.#maximumPages, this.#shared, this.#names);
  }
}

export class ModuleBuilder {
  readonly #space: CodeSpace;
  readonly #writer = new ModuleWriter();
  readonly #indices = new Map<FunctionRef, number>();
  readonly #imports: Record<string, unknown> = {};
  readonly #linkage: Linkage;
  readonly #named: boolean;
  #pending: { ref: FunctionRef; name: string; build: (b: FunctionBuilder) => void }[] = [];

  constructor(space: CodeSpace, maximumPages: number, shared: boolean, named: boolean) {
    this.#space = space;
    this.#named = named;
    this.#writer.importMemory('v', 'm', maximumPages, shared);
    this.#writer.importTable('v', 't');
    this.#linkage = {
      direct: (target) => this.#indices.get(target),
      typeIndex: ({ params, results }) =>
        this.#writer.type({ params: params.map(wasmType), results: results.map(wasmType) }),
    };
  }

  /** Imports a host function; returns its wrapper's reference. To be called before any `define`. */
  host(wanted: HostImport, ref: FunctionRef): void {
    const signature = { params: [I32, ...wanted.params.map(wasmType)] as const, results: wanted.results.map(wasmType) };
    const imported = this.#writer.importFunction('v', wanted.name, signature);
    this.#imports[wanted.name] = wanted.call;
    const hostRef: FunctionRef = { slot: -1, params: [32, ...wanted.params], results: wanted.results };
    this.#indices.set(hostRef, imported);
    this.#pending.push({
      ref,
      name: `host ${wanted.name}`,
      build: (b) => {
        const args = wanted.params.map((_, i) => b.param(i + COMMON_PARAMS.length));
        b.return(b.call(hostRef, [b.param(0), ...args]));
      },
    });
  }

  /** Defines a function; its body is built when the module is finished, so order does not matter. */
  define(ref: FunctionRef, name: string, build: (b: FunctionBuilder) => void): void {
    this.#pending.push({ ref, name, build });
  }

  /** Builds all bodies (which may define more functions) and puts them into the table. */
  instantiate(): WebAssembly.Instance {
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      this.#pending = [];
      for (const { ref } of batch) this.#indices.set(ref, this.#writer.declareFunction());
      for (const { ref, name, build } of batch) {
        const builder = new FunctionBuilder(ref.params, this.#linkage);
        build(builder);
        const { locals, code } = builder.finish();
        const index = this.#indices.get(ref) as number;
        const type = { params: ref.params.map(wasmType), results: ref.results.map(wasmType) };
        this.#writer.defineFunction(index, type, locals, code);
        this.#writer.element(ref.slot, index);
        if (this.#named) this.#writer.nameFunction(index, name);
      }
    }
    const bytes = this.#writer.finish();
    this.#space.modules++;
    this.#space.moduleBytes += bytes.length;
    const imports = { v: { m: this.#space.memory, t: this.#space.table, ...this.#imports } };
    return new WebAssembly.Instance(new WebAssembly.Module(bytes), imports as WebAssembly.Imports);
  }
}
