/**
 * Which handler serves a decoded instruction. Handlers are generated when first met: several at a time for a block, in
 * one small module. Everything about an instruction that its operation does not hold is part of the variant's key.
 */

import type { Segment } from '../algebra.ts';
import type { Decoded } from '../decode/decoded.ts';
import type { Form } from '../decode/forms.ts';
import { COMMON_PARAMS } from '../emit/code-space.ts';
import type { FunctionRef } from '../emit/nodes.ts';
import type { HandlerMode } from './handler.ts';
import { isWide } from './operand-places.ts';

const sizeIndex: Record<number, number> = { 16: 0, 32: 1, 64: 2 };
const repeatIndex = { none: 0, rep: 1, repne: 2 } as const;

/** Bits 0-30: sizes, prefixes and where the operands are. */
function key(decoded: Decoded, mode: HandlerMode): number {
  let bits =
    (sizeIndex[decoded.mode] as number) |
    ((sizeIndex[decoded.operandSize] as number) << 2) |
    ((sizeIndex[decoded.addressSize] as number) << 4) |
    ((sizeIndex[mode.stackAddressSize] as number) << 6) |
    (repeatIndex[decoded.repeat] << 8) |
    ((decoded.lock ? 1 : 0) << 10) |
    (decoded.dataSegment << 11) |
    ((mode.flat ? 1 : 0) << 14) |
    ((mode.linked ? 1 : 0) << 15);
  const { memory } = decoded;
  if (memory !== undefined) {
    const wide = memory.displacementHigh !== memory.displacement >> 31;
    bits |=
      (1 << 16) |
      ((memory.base >= 0 ? 1 : 0) << 17) |
      ((memory.index >= 0 ? 1 : 0) << 18) |
      (memory.scale << 19) |
      ((memory.ripRelative ? 1 : 0) << 21) |
      ((wide ? 1 : 0) << 22) |
      (relevantSegment(decoded, memory.segment) << 23);
  }
  for (const operand of decoded.operands) {
    if (operand.kind === 'immediate' && isWide(operand)) bits |= 1 << 26;
  }
  return bits;
}

/** In 64-bit mode DS, ES and CS are alike; SS tells the exception. */
function relevantSegment(decoded: Decoded, segment: Segment): number {
  return decoded.mode === 64 && (segment === 0 || segment === 1) ? 3 : segment;
}

/** An instruction of a kind that guests use much, standing for its variant. */
interface Seed {
  readonly decoded: Decoded;
  readonly mode: HandlerMode;
}

/** How many neighbours in the list of common code are generated together with one that is needed. */
const BATCH = 64;

export class Variants {
  readonly #byForm = new Map<Form, Map<number, FunctionRef>>();
  readonly #seeds: Seed[] = [];
  /** Place in `#seeds` by variant. */
  readonly #seedOf = new Map<Form, Map<number, number>>();
  readonly #made = new Map<string, number>();
  readonly #make: (decoded: Decoded, mode: HandlerMode) => FunctionRef;
  count = 0;

  /** `make` reserves and schedules a handler. */
  constructor(make: (decoded: Decoded, mode: HandlerMode) => FunctionRef) {
    this.#make = make;
  }

  /** Adds to the list of common code. Neighbours in the list should be used at about the same time. */
  addSeed(decoded: Decoded, mode: HandlerMode): void {
    let seeds = this.#seedOf.get(decoded.form);
    if (seeds === undefined) {
      seeds = new Map();
      this.#seedOf.set(decoded.form, seeds);
    }
    seeds.set(key(decoded, mode), this.#seeds.length);
    this.#seeds.push({ decoded, mode });
  }

  /** Handlers that exist already, by the names of their variants, from this slot on. */
  addMade(names: readonly string[], firstSlot: number): void {
    for (const [i, name] of names.entries()) this.#made.set(name, firstSlot + i);
    this.count += names.length;
  }

  /** What stands for a variant outside this process. */
  static nameOf(decoded: Decoded, mode: HandlerMode): string {
    return `${decoded.instruction.name} ${decoded.form.text} ${key(decoded, mode)}`;
  }

  forgetSeeds(): void {
    this.#seeds.length = 0;
    this.#seedOf.clear();
  }

  /** The handler's reference; a new one is made, together with those that common code needs next. */
  find(decoded: Decoded, mode: HandlerMode): FunctionRef {
    const wanted = key(decoded, mode);
    const found = this.#byForm.get(decoded.form)?.get(wanted);
    if (found !== undefined) return found;
    const seed = this.#seedOf.get(decoded.form)?.get(wanted);
    if (seed !== undefined) {
      for (const next of this.#seeds.slice(seed + 1, seed + BATCH)) this.#add(next.decoded, next.mode);
    }
    return this.#add(decoded, mode);
  }

  #add(decoded: Decoded, mode: HandlerMode): FunctionRef {
    let variants = this.#byForm.get(decoded.form);
    if (variants === undefined) {
      variants = new Map();
      this.#byForm.set(decoded.form, variants);
    }
    const wanted = key(decoded, mode);
    let ref = variants.get(wanted);
    if (ref === undefined) {
      ref = this.#madeBefore(decoded, mode);
      if (ref === undefined) this.count++;
      ref ??= this.#make(decoded, mode);
      variants.set(wanted, ref);
    }
    return ref;
  }

  #madeBefore(decoded: Decoded, mode: HandlerMode): FunctionRef | undefined {
    const slot = this.#made.size === 0 ? undefined : this.#made.get(Variants.nameOf(decoded, mode));
    return slot === undefined ? undefined : { slot, params: COMMON_PARAMS, results: [] };
  }
}
