/**
 * Flags of a region, put off: a recipe and its inputs are kept, as nodes within a block, and where control comes
 * together as locals (`flag-kinds.ts`). They come into their slots where somebody reads one.
 */

import type { Flag, FlagRecipe, FlagWrites, Type, Value, Variable } from '../algebra.ts';
import type { EmitterContext } from '../emit/emitter.ts';
import type { FunctionBuilder } from '../emit/function-builder.ts';
import type { SegmentMode } from '../emit/instruction-emitter.ts';
import { CONSTANT, type Node } from '../emit/nodes.ts';
import { vcpu } from '../state.ts';
import { kindOf, materializeFlags, NO_KIND } from './flag-kinds.ts';
import { SlotEmitter } from './slot-emitter.ts';
import { FLAG_SLOTS } from './slots.ts';

/** Which flags a block wants to find in their slots. */
export type FlagNeed = 0 | typeof NEEDS_CARRY | typeof NEEDS_FLAGS;
export const NEEDS_CARRY = 1;
export const NEEDS_FLAGS = 2;

/** Code reads flags that the way to it has left as recipes: `block` must find them in their slots. */
export class FlagsNeeded extends Error {
  readonly block: number;
  readonly need: FlagNeed;

  constructor(block: number, need: FlagNeed) {
    super('flags are needed in their slots');
    this.block = block;
    this.need = need;
  }
}

/**
 * Where the flags are: in their slots, in a recipe known here, or in one known only when the code runs, as nodes or, once
 * settled, in the locals for them. Within a block also: as they were, but for some that were written since.
 */
export type FlagState = WholeFlags | PartOfFlags;

type WholeFlags =
  | { readonly where: 'slots' }
  | { readonly where: 'recipe'; readonly recipe: FlagRecipe; readonly type: Type; readonly inputs: Inputs }
  /** In the block given. */
  | { readonly where: 'chosen'; readonly since: number; readonly kind: Node; readonly inputs: readonly Node[] }
  /** Since the block given; CF may be in its slot beside. */
  | { readonly where: 'unknown'; readonly since: number; readonly carry: boolean };

interface PartOfFlags {
  readonly where: 'partly';
  readonly under: FlagState;
  readonly writes: FlagWrites;
}

/** A recipe's inputs; 'settled' where they are in the locals for them. */
type Inputs = readonly Node[] | 'settled';

const IN_SLOTS: WholeFlags = { where: 'slots' };
const CARRY_SLOT = FLAG_SLOTS + 2;

export abstract class FlagEmitter extends SlotEmitter {
  protected flags: FlagState = IN_SLOTS;
  /** The flags were written since they were settled. */
  protected flagsChanged = false;
  /** The block at hand, and which flags it begins with in their slots. */
  protected block = 0;
  protected blockNeed: FlagNeed = 0;
  /** Settled flags that follow from a recipe. */
  readonly #flagKind: Variable;
  readonly #flagInputs: readonly Variable[];

  constructor(builder: FunctionBuilder, context: EmitterContext, mode: SegmentMode) {
    super(builder, context, mode);
    this.#flagKind = builder.variable(32);
    this.#flagInputs = [builder.variable(64), builder.variable(64), builder.variable(64)];
  }

  /** Adds assignments; gives what the flags are behind them. */
  protected settleFlags(need: FlagNeed, variables: Variable[], settled: Node[]): FlagState {
    if (need === NEEDS_FLAGS) this.forceFlags();
    else if (need === NEEDS_CARRY) this.forceCarry();
    const flags = this.#whole();
    if (!this.flagsChanged || flags.where === 'unknown') return flags;
    variables.push(this.#flagKind);
    if (flags.where === 'slots') {
      settled.push(this.i32(NO_KIND));
      return flags;
    }
    const { kind, inputs } = this.#put(flags);
    settled.push(kind);
    for (const [i, input] of inputs.entries()) {
      variables.push(this.#flagInputs[i] as Variable);
      settled.push(input);
    }
    if (flags.where === 'chosen') return { where: 'unknown', since: flags.since, carry: false };
    return { ...flags, inputs: 'settled' };
  }

  #whole(): WholeFlags {
    const { flags } = this;
    if (flags.where !== 'partly') return flags;
    this.forceFlags();
    return IN_SLOTS;
  }

  /** Kind and inputs as the locals for them have them. */
  #put(flags: WholeFlags): { kind: Node; inputs: readonly Node[] } {
    switch (flags.where) {
      case 'slots':
        return { kind: this.i32(NO_KIND), inputs: [] };
      case 'recipe': {
        const { recipe, type } = flags;
        return {
          kind: this.i32(kindOf(recipe, type)),
          inputs: this.#inputs(flags).map((input) => this.zext(input, 64)),
        };
      }
      case 'chosen':
        return flags;
      case 'unknown': {
        const [kind, ...inputs] = this.settledFlags() as [Node, ...Node[]];
        return { kind, inputs };
      }
    }
  }

  #inputs({ recipe, type, inputs }: FlagState & { where: 'recipe' }): readonly Node[] {
    if (inputs !== 'settled') return inputs;
    const settled = this.#flagInputs.slice(0, recipe.inputs);
    return settled.map((variable) => this.trunc(this.b.settled(variable), type));
  }

  /** What the flags are here; after `settle` also what they are at the start of a block that only this one leads to. */
  get flagState(): FlagState {
    return this.flags;
  }

  set flagState(flags: FlagState) {
    this.flags = flags;
  }

  /** Writes the flags to the vCPU block, if any code of the region can have written them; the slots are settled. */
  storeFlags(): 'stored' | 'in slots' {
    const flags = this.flags;
    if (flags.where === 'slots') return 'in slots';
    if (flags.where === 'unknown') {
      this.#materialize();
      return 'in slots';
    }
    if (flags.where === 'partly') throw new Error('flags that are not settled');
    if (flags.where === 'chosen') throw new FlagsNeeded(flags.since, NEEDS_FLAGS);
    this.direct = true;
    this.setFlags(flags.recipe.compute(this, ...this.#inputs(flags)));
    if (flags.recipe.keepsCarry) super.set(vcpu.flagCarry, this.slotValue(CARRY_SLOT));
    this.direct = false;
    return 'stored';
  }

  /** Kind and inputs, which say what the flags are where nothing else is known. */
  protected settledFlags(): Node[] {
    return [this.#flagKind, ...this.#flagInputs].map((variable) => this.b.settled(variable));
  }

  #materialize(): void {
    const [kind, ...inputs] = this.settledFlags() as [Node, ...Node[]];
    this.b.if(this.ne(kind, this.i32(NO_KIND)), () => super.invoke(materializeFlags, [kind, ...inputs]));
  }

  // ---- Flags -------------------------------------------------------------------------------------------------------

  /** Has all flags in their slots. */
  protected forceFlags(): void {
    const flags = this.flags;
    if (flags.where === 'slots') return;
    if (flags.where === 'partly') {
      this.flags = flags.under;
      this.forceFlags();
      super.setFlags(flags.writes);
      return;
    }
    if (flags.where !== 'recipe') throw new FlagsNeeded(flags.since, NEEDS_FLAGS);
    this.flags = IN_SLOTS;
    this.flagsChanged = true;
    super.setFlags(flags.recipe.compute(this, ...this.#inputs(flags)));
  }

  protected forceCarry(): void {
    const flags = this.flags;
    if (flags.where === 'slots' || (flags.where === 'unknown' && flags.carry)) return;
    if (flags.where === 'partly') {
      this.#forceCarryOf(flags);
      return;
    }
    if (flags.where !== 'recipe') throw new FlagsNeeded(flags.since, NEEDS_CARRY);
    if (flags.recipe.keepsCarry) return;
    const { CF } = flags.recipe.compute(this, ...this.#inputs(flags));
    this.setSlot(CARRY_SLOT, this.zext(CF as Value, 32));
  }

  #forceCarryOf(flags: PartOfFlags): void {
    const { CF } = flags.writes;
    if (CF !== undefined) {
      this.setSlot(CARRY_SLOT, this.zext(CF, 32));
      return;
    }
    this.flags = flags.under;
    this.forceCarry();
    this.flags = flags;
  }

  /** Some flags alone wait, too: what is written next may be all of them. */
  override setFlags(flags: FlagWrites): void {
    if (this.direct) {
      super.setFlags(flags);
      return;
    }
    const { result, CF, PF, AF, ZF, SF, OF } = flags;
    const ofResult = result !== undefined || (ZF !== undefined && SF !== undefined && PF !== undefined);
    const all = ofResult && CF !== undefined && OF !== undefined && AF !== undefined;
    this.flagsChanged = true;
    if (!all && this.flags.where !== 'slots') {
      this.flags = { where: 'partly', under: this.flags, writes: flags };
      return;
    }
    this.flags = IN_SLOTS;
    super.setFlags(flags);
  }

  override setFlagsBy(recipe: FlagRecipe, ...inputs: Value[]): void {
    if (recipe.keepsCarry) this.forceCarry();
    const type = (inputs[0] as Value).type;
    this.flags = { where: 'recipe', recipe, type, inputs: inputs.map((input) => this.clean(input)) };
    this.flagsChanged = true;
  }

  /**
   * Which recipe holds is chosen when the code runs: what nobody reads must not cost more. A block in which somebody does
   * is made anew, with flags in their slots, and then the recipe is computed on one of two ways.
   */
  override setFlagsByIf(condition: Value, recipe: FlagRecipe, ...inputs: Value[]): void {
    const { code, constant } = condition as Node;
    if (code === CONSTANT) {
      if (constant) this.setFlagsBy(recipe, ...inputs);
      return;
    }
    if (this.blockNeed !== 0) {
      super.setFlagsByIf(condition, recipe, ...inputs);
      return;
    }
    const before = this.#put(this.#whole());
    const type = (inputs[0] as Value).type;
    const choose = (a: Node, b: Node | undefined): Node => (b === undefined ? a : this.select(condition, a, b));
    const chosen = inputs.map((input, i) => choose(this.zext(this.clean(input), 64), before.inputs[i]));
    this.flags = {
      where: 'chosen',
      since: this.block,
      kind: this.select(condition, this.i32(kindOf(recipe, type)), before.kind),
      inputs: [...chosen, ...before.inputs.slice(chosen.length)],
    };
    this.flagsChanged = true;
  }

  override getFlag(flag: Flag): Node {
    if (flag === 'CF') this.forceCarry();
    else this.forceFlags();
    return super.getFlag(flag);
  }

  override condition(code: number): Node {
    const flags = this.flags;
    if (flags.where === 'recipe') {
      const simple = flags.recipe.condition?.(this, code, ...this.#inputs(flags));
      if (simple !== undefined) return simple as Node;
    }
    return super.condition(code);
  }
}
