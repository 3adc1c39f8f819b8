/**
 * Regions on their way from what is asked for to functions in the table: made, perhaps by another thread; compiled,
 * perhaps by the engine's; placed.
 */

import type { WorkerEnd } from '../../base/message-end.ts';
import { routineNamed } from '../algebra.ts';
import type { FunctionRef } from '../emit/nodes.ts';
import type { Engine } from '../interpreter/engine.ts';
import type { MadeRegions, RegionOutcome } from './region-maker.ts';
import type { PackedRegion } from './region-request.ts';
import { MakesAside, MakesHere, type MakesRegions } from './region-thread.ts';

/** Where the work is done that need not be done on the thread that runs the guest. */
export interface Aside {
  /** Modules are compiled on other threads, and can be placed some time later. */
  readonly compile: boolean;
  /** A thread that makes regions, if there can be one. */
  readonly regionThread?: (() => WorkerEnd | undefined) | undefined;
}

/** Undefined also where the platform refuses to start one: without it nothing is missing but time. */
function startedThread({ regionThread }: Aside): WorkerEnd | undefined {
  try {
    return regionThread?.();
  } catch {
    return undefined;
  }
}

/** What happens to a region on its way. */
interface Listener<Region> {
  /** What has come of it; false if it is not to go on. */
  made(region: Region, outcome: RegionOutcome): boolean;
  /** It will not be made. */
  lost(region: Region): void;
  /** Whether it is still to be placed. */
  isWanted(region: Region): boolean;
}

/** A module that has been compiled, and the regions that are its functions, by their numbers. */
interface Compiled<Region> {
  readonly module: WebAssembly.Module;
  readonly imports: readonly string[];
  readonly regions: ReadonlyMap<number, Region>;
}

export class RegionModules<Region extends { readonly code: FunctionRef }> {
  readonly #engine: Engine;
  readonly #aside: Aside;
  readonly #listener: Listener<Region>;
  #making: MakesRegions | undefined;
  /** Of the module that is being filled. */
  #waiting: Region[] = [];
  /** Of modules that are being made. */
  readonly #asked = new Set<readonly Region[]>();
  #compiled: Compiled<Region>[] = [];

  constructor(engine: Engine, aside: Aside, listener: Listener<Region>) {
    this.#engine = engine;
    this.#aside = aside;
    this.#listener = listener;
  }

  get isAside(): boolean {
    return this.#aside.compile;
  }

  get waiting(): readonly Region[] {
    return this.#waiting;
  }

  get hasCompiled(): boolean {
    return this.#compiled.length > 0;
  }

  /** The region will be in the module that is being filled. */
  ask(request: PackedRegion, region: Region): void {
    this.#maker().region(request);
    this.#waiting.push(region);
  }

  /** Where regions are made: chosen when the first one is. */
  #maker(): MakesRegions {
    if (this.#making === undefined) {
      const { space, countHits, traceEvents } = this.#engine;
      const options = { ...space.shape, countHits, traceEvents };
      const thread = startedThread(this.#aside);
      this.#making =
        thread === undefined
          ? new MakesHere(options)
          : new MakesAside(thread, options, () => {
              this.#making = new MakesHere(options);
              this.#lose();
            });
    }
    return this.#making;
  }

  /** The thread is gone that was to make them. */
  #lose(): void {
    const lost = [...this.#asked, this.#waiting].flat();
    this.#asked.clear();
    this.#waiting = [];
    for (const region of lost) if (this.#listener.isWanted(region)) this.#listener.lost(region);
  }

  /** Has the module made and compiled that is being filled. */
  finish(): void {
    const regions = this.#waiting;
    this.#waiting = [];
    this.#asked.add(regions);
    this.#maker().finish((made) => {
      this.#asked.delete(regions);
      this.#compile(regions, made);
    });
  }

  #compile(asked: readonly Region[], { bytes, imports, outcomes }: MadeRegions): void {
    const regions = new Map<number, Region>();
    for (const [i, region] of asked.entries()) {
      const outcome = outcomes[i] as RegionOutcome;
      if (this.#listener.made(region, outcome) && outcome.made !== undefined) regions.set(outcome.made.number, region);
    }
    if (regions.size === 0) return;
    const compiled = (module: WebAssembly.Module): void => {
      this.#compiled.push({ module, imports, regions });
    };
    if (this.#aside.compile) void WebAssembly.compile(bytes).then(compiled);
    else compiled(new WebAssembly.Module(bytes));
  }

  /** Puts what has been compiled into the table, of each region that is still wanted. */
  placeCompiled(placed: (region: Region) => void): void {
    const compiled = this.#compiled;
    this.#compiled = [];
    const { space } = this.#engine;
    for (const { module, imports, regions } of compiled) {
      const { exports } = space.instance(module, new Map(imports.map((name) => [name, this.#functionNamed(name)])));
      for (const [number, region] of regions) {
        if (!this.#listener.isWanted(region)) continue;
        space.place(region.code, exports[String(number)] as WebAssembly.ExportValue);
        placed(region);
      }
    }
  }

  /** As a module of regions imports it. */
  #functionNamed(name: string): Pick<FunctionRef, 'slot'> {
    const routine = routineNamed(name);
    return routine === undefined ? { slot: Number(name) } : this.#engine.routineNow(routine);
  }

  close(): void {
    this.#making?.close();
  }
}
