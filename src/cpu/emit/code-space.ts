/**
 * All generated code of a process: one function table and one memory, filled by many small modules. A function is
 * known by its table slot, so that modules need no knowledge of each other; calls within a module are direct.
 */

import { type FunctionType, I32, ModuleWriter } from '../../wasm/encoder.ts';
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

/** What all modules of an engine have in common. */
export interface ModuleShape {
  /** Of its memory. */
  readonly maximumPages: number;
  readonly shared: boolean;
  /** Functions carry their names, for profilers. */
  readonly named: boolean;
}

export class CodeSpace {
  readonly memory: WebAssembly.Memory;
  readonly table: WebAssembly.Table;
  /** What modules are told that are made elsewhere. */
  readonly shape: ModuleShape;
  #slots = 1;
  readonly #freeSlots: number[] = [];
  /** Modules instantiated and bytes of WebAssembly in them. */
  modules = 0;
  moduleBytes = 0;

  constructor(memory: WebAssembly.Memory, shape: ModuleShape) {
    this.memory = memory;
    this.shape = shape;
    this.table = new WebAssembly.Table({ element: 'anyfunc', initial: 4096 });
  }

  /** Reserves a slot for a function that some module will define. Slot 0 stays empty. */
  reserve(params: readonly Type[], results: readonly Type[]): FunctionRef {
    const slot = this.#freeSlots.pop() ?? this.#slots++;
    if (slot >= this.table.length) this.table.grow(this.table.length);
    return { slot, params: [...COMMON_PARAMS, ...params], results };
  }

  /** Slots that have been reserved, and freed perhaps, from the first on. */
  get slots(): number {
    return this.#slots;
  }

  /** Those below are taken by code that was made before. */
  reserveUpTo(slots: number): void {
    this.#slots = Math.max(this.#slots, slots);
    if (slots > this.table.length) this.table.grow(slots - this.table.length);
  }

  /** Takes a function out of the table; nothing may refer to its slot any more. It goes on if it is running. */
  release(ref: FunctionRef): void {
    this.table.set(ref.slot, null);
    this.#freeSlots.push(ref.slot);
  }

  /** A module to be filled; host functions come as imports and are wrapped as ordinary functions. */
  module(): ModuleBuilder {
    return new ModuleBuilder(this);
  }

  /** An instance of an ImportingModule that has the functions at these slots as its imports, by their names there. */
  instance(
    compiled: WebAssembly.Module,
    imports: ReadonlyMap<string, Pick<FunctionRef, 'slot'>>,
  ): WebAssembly.Instance {
    const given: Record<string, WebAssembly.ExportValue> = { m: this.memory };
    for (const [name, { slot }] of imports) given[name] = this.table.get(slot) as WebAssembly.ExportValue;
    return new WebAssembly.Instance(compiled, { v: given });
  }

  /** Puts a function into the slot that has been reserved for it. */
  place({ slot }: FunctionRef, code: WebAssembly.ExportValue): void {
    this.table.set(slot, code as CallableFunction);
  }
}

export function functionType({ params, results }: Pick<FunctionRef, 'params' | 'results'>): FunctionType {
  return { params: params.map(wasmType), results: results.map(wasmType) };
}

export class ModuleBuilder {
  readonly #space: CodeSpace;
  readonly #writer = new ModuleWriter();
  readonly #indices = new Map<FunctionRef, number>();
  readonly #imports: Record<string, unknown> = {};
  readonly #linkage: Linkage;
  #pending: { ref: FunctionRef; name: string; build: (b: FunctionBuilder) => void }[] = [];

  constructor(space: CodeSpace) {
    this.#space = space;
    const { maximumPages, shared } = space.shape;
    this.#writer.importMemory('v', 'm', maximumPages, shared);
    this.#writer.importTable('v', 't');
    this.#linkage = {
      direct: (target) => this.#indices.get(target),
      typeIndex: (target) => this.#writer.type(functionType(target)),
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

  /** Builds all bodies, which may define more functions. */
  bytes(): Uint8Array<ArrayBuffer> {
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      this.#pending = [];
      for (const { ref } of batch) this.#indices.set(ref, this.#writer.declareFunction());
      for (const { ref, name, build } of batch) {
        const builder = new FunctionBuilder(ref.params, this.#linkage);
        build(builder);
        const lowered = builder.finish();
        const index = this.#indices.get(ref) as number;
        this.#writer.defineFunction(index, functionType(ref), lowered);
        this.#writer.element(ref.slot, index);
        if (this.#space.shape.named) this.#writer.nameFunction(index, name);
      }
    }
    return this.#writer.finish();
  }

  /** Builds all bodies and puts them into the table. */
  instantiate(): WebAssembly.Instance {
    const bytes = this.bytes();
    this.#space.moduleBytes += bytes.length;
    return this.link(new WebAssembly.Module(bytes));
  }

  /** Puts the functions of `compiled` into the table: what `bytes` gave, of a builder with the same imports. */
  link(compiled: WebAssembly.Module): WebAssembly.Instance {
    this.#space.modules++;
    const imports = { v: { m: this.#space.memory, t: this.#space.table, ...this.#imports } };
    return new WebAssembly.Instance(compiled, imports as WebAssembly.Imports);
  }
}
