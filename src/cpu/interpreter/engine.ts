/**
 * The interpreter tier of a process: the generated code that all guests share. Builds the core module, generates
 * handlers and routines when they are first needed, and holds the blocks of decoded code.
 */

import type { WorkerEnd } from '../../base/message-end.ts';
import type { Routine, Type } from '../algebra.ts';
import type { Decoded } from '../decode/decoded.ts';
import { Decoder } from '../decode/decoder.ts';
import { CodeSpace, type HostImport, type ModuleBuilder } from '../emit/code-space.ts';
import { CoreFunctions, hostSignatures } from '../emit/core-functions.ts';
import type { EmitterContext } from '../emit/emitter.ts';
import type { FunctionRef } from '../emit/nodes.ts';
import { RoutineEmitter, routineResults } from '../emit/routine.ts';
import { instructions } from '../isa/index.ts';
import { CODE_MAP_BYTES } from '../layout.ts';
import { MAXIMUM_PAGES, type MachineMemory } from '../machine-memory.ts';
import { defineAccesses } from '../mmu/accesses.ts';
import { defineTranslation } from '../mmu/translate.ts';
import { defineLeaving } from '../translator/leaving.ts';
import { type EngineChoice, NO_TRANSLATIONS, type TranslatorStats } from '../translator/statistics.ts';
import { Translator } from '../translator/translator.ts';
import { Blocks } from './blocks.ts';
import { commonCode } from './common-code.ts';
import {
  BLOCK_CACHE_ENTRIES,
  BLOCK_CACHE_ENTRY_BYTES,
  type CoreExports,
  type CorePlaces,
  defineInterpreterCore,
  reserveExports,
} from './core.ts';
import { DecodedCode, packDecoded } from './decoded-code.ts';
import { factsOf, withFacts } from './generated-code.ts';
import { HandlerEmitter, type HandlerMode } from './handler.ts';
import { OPERATION_BYTES, OPERATION_REMAINING } from './operation.ts';
import { definePseudoOperations, type PseudoOperations, reservePseudoOperations } from './pseudo-operations.ts';
import { Variants } from './variants.ts';
import type { Vcpu } from './vcpu.ts';

/** Addresses that are in the code. */
const listed = (codeMap: number, { blockCache, delivery }: CorePlaces): number[] => [codeMap, blockCache, delivery];

/** Frames that 32-bit machine memory can have. */
const FRAMES = 1 << 20;

export interface EngineOptions {
  /** Emit code that counts TLB hits, for `--stats`. */
  readonly countHits?: boolean;
  /** Emit code that tells the monitor of every exception and interrupt, for `--trace exits`. */
  readonly traceEvents?: boolean;
  /** Name the generated functions, so that profilers of the host show what they stand for. */
  readonly names?: boolean;
  /** Which tiers run guest code; 'interpreter' if not said. */
  readonly tiers?: EngineChoice;
  /** With 'auto': regions are compiled on other threads, while the event loop gets its turns. */
  readonly compileAside?: boolean;
  /** With 'auto': a thread that makes regions (translator/region-thread.ts), asked for when one is wanted. */
  readonly regionThread?: (() => WorkerEnd | undefined) | undefined;
  /** Made by `codeMade` of another engine: spares one of the usual options to generate most of what it needs. */
  readonly code?: WebAssembly.Module;
  /** Is given the core and all common code, which are generated now. The engine must be the first in its memory. */
  readonly codeMade?: (code: Uint8Array<ArrayBuffer>) => void;
}

export class Engine implements EmitterContext {
  readonly memory: MachineMemory;
  readonly space: CodeSpace;
  readonly core: CoreFunctions;
  readonly countHits: boolean;
  readonly traceEvents: boolean;
  readonly decoder: Decoder;
  readonly blocks: Blocks;
  readonly pseudo: PseudoOperations;
  readonly #exports: CoreExports;
  readonly #routines = new Map<Routine, FunctionRef>();
  readonly variants = new Variants((decoded, mode) => this.#makeHandler(decoded, mode));
  /** The module being filled, if any. */
  #module: ModuleBuilder | undefined;
  readonly translator: Translator | undefined;
  /** The generated code that is in use, if it was made before. */
  #made: { readonly code: WebAssembly.Module; readonly slots: number } | undefined;
  /** A page, on its way from or to a port. */
  readonly #portData = new Uint8Array(4096);
  /** By address of the vCPU block. */
  readonly #vcpus = new Map<number, Vcpu>();

  constructor(memory: MachineMemory, options: EngineOptions = {}) {
    this.memory = memory;
    this.countHits = options.countHits ?? false;
    this.traceEvents = options.traceEvents ?? false;
    this.space = new CodeSpace(memory.memory, {
      maximumPages: MAXIMUM_PAGES,
      shared: false,
      named: options.names ?? false,
    });
    this.core = new CoreFunctions(this.space);
    this.#exports = reserveExports(this.space);
    this.pseudo = reservePseudoOperations(this.space);
    this.decoder = new Decoder(instructions);
    const codeMap = memory.region(FRAMES * CODE_MAP_BYTES);
    const blockCache = memory.region(BLOCK_CACHE_ENTRIES * BLOCK_CACHE_ENTRY_BYTES);
    this.blocks = new Blocks(this, codeMap, blockCache);
    const delivery = memory.region(OPERATION_BYTES);
    memory.view.setUint8(delivery + OPERATION_REMAINING, 1);
    const places = { blockCache, delivery };
    if (options.codeMade) options.codeMade(this.#makeCode(codeMap, places));
    else if (!this.#linkMade(options, codeMap, places)) {
      this.#buildCore(this.space.module(), codeMap, places).instantiate();
      this.#module = undefined;
      this.#eachCommon((decoded, mode) => this.variants.addSeed(decoded, mode));
    }
    const { tiers = 'interpreter', compileAside: compile = false, regionThread } = options;
    if (tiers !== 'interpreter') this.translator = new Translator(this, tiers, { compile, regionThread });
  }

  #makeCode(codeMap: number, places: CorePlaces): Uint8Array<ArrayBuffer> {
    const module = this.space.module();
    const firstHandler = this.space.slots;
    this.#module = module;
    const handlers = new Set<string>();
    this.#eachCommon((decoded, mode) => {
      this.variants.find(decoded, mode);
      handlers.add(Variants.nameOf(decoded, mode));
    });
    if (handlers.size !== this.variants.count) throw new Error('the names of variants do not tell them apart');
    const bytes = this.#buildCore(module, codeMap, places).bytes();
    module.link(new WebAssembly.Module(bytes));
    this.#module = undefined;
    const { slots } = this.space;
    return withFacts(bytes, { places: listed(codeMap, places), firstHandler, handlers: [...handlers], slots });
  }

  /** False where there is no code that was made for an engine like this. */
  #linkMade({ code, names }: EngineOptions, codeMap: number, places: CorePlaces): boolean {
    const facts = code && factsOf(code);
    if (!code || !facts || this.countHits || this.traceEvents || names) return false;
    const { slots: firstHandler } = this.space;
    if (facts.firstHandler !== firstHandler || String(facts.places) !== String(listed(codeMap, places))) return false;
    this.space.reserveUpTo(facts.slots);
    const module = this.space.module();
    for (const { import: wanted, ref } of this.#hostImports()) module.host(wanted, ref);
    module.link(code);
    this.variants.addMade(facts.handlers, firstHandler);
    this.#made = { code, slots: facts.slots };
    return true;
  }

  /** Blocks need not be decoded where they are in `decoded` (decoded-code.ts), if that is of an engine like this. */
  useDecoded(decoded: Uint8Array, pageOf: (frame: number) => number | undefined): void {
    const { blocks } = this;
    if (this.#made === undefined) return;
    blocks.decodedBefore = DecodedCode.open(decoded, { ...this.#made, countdown: blocks.countdown }, pageOf);
  }

  /** All blocks that are decoded now, for engines like this; undefined if there can be none. */
  packDecoded(pageOf: (frame: number) => number | undefined): Uint8Array | undefined {
    const { blocks } = this;
    if (this.#made === undefined) return undefined;
    return packDecoded(blocks.images(pageOf, this.#made.slots), { ...this.#made, countdown: blocks.countdown });
  }

  #buildCore(module: ModuleBuilder, codeMap: number, places: CorePlaces): ModuleBuilder {
    this.#module = module;
    for (const { import: wanted, ref } of this.#hostImports()) module.host(wanted, ref);
    defineTranslation(module, this);
    defineAccesses(module, this, codeMap);
    defineInterpreterCore(module, this, this.#exports, places);
    definePseudoOperations(module, this, this.pseudo);
    defineLeaving(module, this);
    return module;
  }

  #hostImports(): { import: HostImport; ref: FunctionRef }[] {
    const vcpu = (base: number): Vcpu => this.#vcpus.get(base >>> 0) as Vcpu;
    const calls: Record<string, HostImport['call']> = {
      portRead: (base: number, port: number, bytes: number) => {
        vcpu(base).portBreakpoint(port, bytes);
        return vcpu(base).monitor.portRead(port, bytes as 1 | 2 | 4);
      },
      portWrite: (base: number, port: number, bytes: number, value: number) => {
        vcpu(base).portBreakpoint(port, bytes);
        vcpu(base).monitor.portWrite(port, bytes as 1 | 2 | 4, value >>> 0);
      },
      // By way of a buffer: a device may have machine memory grow, and move, meanwhile.
      portReadMany: (base: number, port: number, bytes: number, machine: number, length: number) => {
        const into = this.#portData.subarray(0, length);
        if (!vcpu(base).monitor.portReadMany(port, bytes as 1 | 2 | 4, into)) return 0;
        this.memory.u8.set(into, machine >>> 0);
        return 1;
      },
      portWriteMany: (base: number, port: number, bytes: number, machine: number, length: number) => {
        const from = this.#portData.subarray(0, length);
        from.set(this.memory.u8.subarray(machine >>> 0, (machine >>> 0) + length));
        return vcpu(base).monitor.portWriteMany(port, bytes as 1 | 2 | 4, from) ? 1 : 0;
      },
      cpuid: (base: number) => vcpu(base).monitor.cpuid(),
      rdmsr: (base: number, index: number) => (vcpu(base).monitor.readMsr(index >>> 0) ? 0 : 1),
      wrmsr: (base: number, index: number, value: bigint) =>
        vcpu(base).monitor.writeMsr(index >>> 0, BigInt.asUintN(64, value)) ? 0 : 1,
      readCr8: (base: number) => BigInt(vcpu(base).monitor.readCr8()),
      writeCr8: (base: number, value: bigint) => vcpu(base).monitor.writeCr8(Number(value & 0xfn)),
      managementMode: (base: number, active: number) => vcpu(base).monitor.managementMode(active !== 0),
      numericError: (base: number) => vcpu(base).numericError(),
      tsc: (base: number) => vcpu(base).monitor.tsc(),
      random: (base: number) => vcpu(base).monitor.random(),
      controlWritten: (base: number, register: number) => vcpu(base).controlWritten(register),
      invalidatePage: (base: number, linear: bigint) => vcpu(base).translations.invalidatePage(linear),
      invalidateContext: (base: number, kind: number, pcid: number, linear: bigint) =>
        vcpu(base).translations.invalidateContext(kind, pcid, linear),
    };
    const { core } = this;
    const own: [FunctionRef, string, HostImport['call']][] = [
      [
        core.assignFrame,
        'assignFrame',
        (base: number, physical: bigint, write: number) =>
          vcpu(base).monitor.assignFrame(Number(physical), write !== 0),
      ],
      [
        core.deviceRead,
        'deviceRead',
        (base: number, physical: bigint, bytes: number) => vcpu(base).monitor.deviceRead(Number(physical), bytes),
      ],
      [
        core.deviceWrite,
        'deviceWrite',
        (base: number, physical: bigint, bytes: number, value: bigint) =>
          vcpu(base).monitor.deviceWrite(Number(physical), bytes, BigInt.asUintN(64, value)),
      ],
      [
        core.codeWritten,
        'codeWritten',
        (_base: number, machine: number, bytes: number) => this.blocks.written(machine >>> 0, bytes),
      ],
      [core.hot, 'hot', (base: number, operation: number) => this.translator?.hot(vcpu(base), operation >>> 0)],
      [
        core.eventDelivered,
        'eventDelivered',
        (base: number, vector: number, code: number) => vcpu(base).monitor.eventDelivered(vector, code),
      ],
      [
        core.dataAccess,
        'dataAccess',
        (base: number, linear: bigint, bytes: number, write: number) =>
          vcpu(base).dataBreakpoint(linear, bytes, write !== 0) ? 1 : 0,
      ],
    ];
    const host = Object.entries(hostSignatures).map(([name, { params, results }]) => ({
      import: { name, params, results, call: calls[name] as HostImport['call'] },
      ref: core.host(name as keyof typeof hostSignatures),
    }));
    return [
      ...host,
      ...own.map(([ref, name, call]) => ({
        import: { name, params: ref.params.slice(2), results: ref.results, call },
        ref,
      })),
    ];
  }

  attach(vcpu: Vcpu): void {
    this.#vcpus.set(vcpu.base, vcpu);
  }

  get vcpus(): Iterable<Vcpu> {
    return this.#vcpus.values();
  }

  /** A generated function, callable. */
  callable(ref: FunctionRef): (...args: (number | bigint)[]) => never {
    return this.space.table.get(ref.slot) as (...args: (number | bigint)[]) => never;
  }

  get exports(): CoreExports {
    return this.#exports;
  }

  // ---- Generating code ---------------------------------------------------------------------------------------------

  reserve(params: readonly Type[], results: readonly Type[]): FunctionRef {
    return this.space.reserve(params, results);
  }

  /** Defined in the module at hand when it is first asked for. */
  routine(routine: Routine): FunctionRef {
    let ref = this.#routines.get(routine);
    if (ref === undefined) {
      ref = this.reserve(routine.params, routineResults(routine));
      this.#routines.set(routine, ref);
      if (this.#module === undefined) throw new Error('a routine is needed but no module is being built');
      this.#module.define(ref, routine.name, (builder) => RoutineEmitter.emit(builder, this, routine));
    }
    return ref;
  }

  /** As `routine`, for use by other modules at once. */
  routineNow(routine: Routine): FunctionRef {
    if (!this.#routines.has(routine)) this.#module ??= this.space.module();
    const ref = this.routine(routine);
    this.flush();
    return ref;
  }

  /** Slot of the handler for a decoded instruction; a new one exists once `flush` has run. */
  handler(decoded: Decoded, mode: HandlerMode): number {
    return this.variants.find(decoded, mode).slot;
  }

  #makeHandler(decoded: Decoded, mode: HandlerMode): FunctionRef {
    const made = this.reserve([], []);
    this.#module ??= this.space.module();
    const { instruction, form } = decoded;
    const name = `${instruction.name} '${form.text}'`;
    this.#module.define(made, name, (builder) => HandlerEmitter.emit(builder, this, decoded, mode));
    return made;
  }

  /** Common 64-bit code, from `common-code.ts`: a hexadecimal instruction each, with `*` behind it if linked. */
  #eachCommon(each: (decoded: Decoded, mode: HandlerMode) => void): void {
    const bytes = new Uint8Array(16);
    for (const text of commonCode) {
      const linked = text.endsWith('*');
      const hex = linked ? text.slice(0, -1) : text;
      for (let i = 0; i < hex.length; i += 2) bytes[i >> 1] = Number.parseInt(hex.slice(i, i + 2), 16);
      const decoded = this.decoder.decode(bytes, 0, hex.length / 2, 64, true);
      if (typeof decoded !== 'string') each(decoded, { flat: false, stackAddressSize: 64, linked });
    }
  }

  /** Generates what `handler` has promised. */
  flush(): void {
    const module = this.#module;
    if (module === undefined) return;
    module.instantiate();
    this.#module = undefined;
  }

  get handlerCount(): number {
    return this.variants.count;
  }

  get translatorStats(): TranslatorStats {
    return this.translator?.stats ?? NO_TRANSLATIONS;
  }
}
