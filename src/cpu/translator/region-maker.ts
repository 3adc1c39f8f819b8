/**
 * Makes modules of the regions it is asked for. It knows nothing of the guest, and of the engine only how that is laid
 * out: so it may as well be on another thread.
 */

import type { Routine, Type } from '../algebra.ts';
import { Decoder } from '../decode/decoder.ts';
import { COMMON_PARAMS, type ModuleShape } from '../emit/code-space.ts';
import { CoreFunctions } from '../emit/core-functions.ts';
import { ImportingModule } from '../emit/importing-module.ts';
import type { FunctionRef } from '../emit/nodes.ts';
import { routineResults } from '../emit/routine.ts';
import { findTouch, NO_TOUCH, type Touch } from '../emit/routine-touch.ts';
import { instructions } from '../isa/index.ts';
import { FlagsNeeded } from './flag-emitter.ts';
import { DeclinedAt, emitRegion } from './region-code.ts';
import type { RegionContext } from './region-emitter.ts';
import { type PackedRegion, type RegionBlock, type RegionRequest, unpackRegion } from './region-request.ts';

export interface MakerOptions extends ModuleShape {
  /** As of the engine. */
  readonly countHits: boolean;
  readonly traceEvents: boolean;
}

/** What has come of a region. */
export interface RegionOutcome {
  /** Under which number its module exports it, and the bytes of its body. */
  readonly made: { readonly number: number; readonly bytes: number; readonly links: number } | undefined;
  /** Machine address of the instruction that declines translation, if one does: nothing was made. */
  readonly declined: number | undefined;
  /** Flags that blocks turned out to need in their slots, by the machine address of the block. */
  readonly needs: readonly (readonly [machine: number, need: RegionBlock['need']])[];
}

export interface MadeRegions {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Functions of the engine by their slots, routines by their names. */
  readonly imports: readonly string[];
  /** In the order in which the regions were asked for. */
  readonly outcomes: readonly RegionOutcome[];
}

export class RegionMaker {
  readonly #options: MakerOptions;
  readonly #decoder = new Decoder(instructions);
  readonly #context: RegionContext;
  readonly #routines = new Map<Routine, FunctionRef>();
  /** Of routines. */
  readonly #names = new Map<FunctionRef, string>();
  readonly #touches = new Map<Routine, Touch>();
  #module: ImportingModule;
  #outcomes: RegionOutcome[] = [];

  constructor(options: MakerOptions) {
    this.#options = options;
    // Slots are given as the engine gives them, to whom these are the first.
    let slots = 1;
    const reserve = (params: readonly Type[], results: readonly Type[]): FunctionRef => ({
      slot: slots++,
      params: [...COMMON_PARAMS, ...params],
      results,
    });
    this.#context = {
      core: new CoreFunctions({ reserve }),
      countHits: options.countHits,
      traceEvents: options.traceEvents,
      reserve,
      routine: (routine) => this.#routine(routine),
      touchOf: (routine) => this.#touchOf(routine),
    };
    this.#module = this.#newModule();
  }

  #newModule(): ImportingModule {
    return new ImportingModule(this.#options, (target) => this.#names.get(target) ?? String(target.slot));
  }

  #routine(routine: Routine): FunctionRef {
    let ref = this.#routines.get(routine);
    if (ref === undefined) {
      ref = { slot: 0, params: [...COMMON_PARAMS, ...routine.params], results: routineResults(routine) };
      this.#routines.set(routine, ref);
      this.#names.set(ref, routine.name);
    }
    return ref;
  }

  #touchOf(routine: Routine): Touch {
    let touch = this.#touches.get(routine);
    if (touch === undefined) {
      // A routine that calls itself touches what the rest of it does.
      this.#touches.set(routine, NO_TOUCH);
      touch = findTouch(routine, this.#context);
      this.#touches.set(routine, touch);
    }
    return touch;
  }

  /** Makes a region, for the module that is being filled. */
  region(packed: PackedRegion): void {
    this.#outcomes.push(this.#make(unpackRegion(packed, this.#decoder)));
  }

  #make(request: RegionRequest): RegionOutcome {
    const [head] = request.blocks as [RegionBlock];
    const needs: [number, RegionBlock['need']][] = [];
    for (;;) {
      let links = 0;
      try {
        const made = this.#module.define(`region ${head.machine.toString(16)}`, (builder) => {
          links = emitRegion(builder, this.#context, request);
        });
        return { made: { ...made, links }, declined: undefined, needs };
      } catch (error) {
        if (error instanceof DeclinedAt) return { made: undefined, declined: error.machine, needs };
        if (!(error instanceof FlagsNeeded)) throw error;
        const block = request.blocks[error.block] as RegionBlock;
        block.need = error.need;
        needs.push([block.machine, error.need]);
      }
    }
  }

  /** The module with what has been asked for since the last one. */
  finish(): MadeRegions {
    const made = { ...this.#module.finish(), outcomes: this.#outcomes };
    this.#module = this.#newModule();
    this.#outcomes = [];
    return made;
  }
}
