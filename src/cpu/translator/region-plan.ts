/**
 * Which guest code a region is made of: blocks as the interpreter has them, from a hot one on along the ways that have
 * been taken. A relative call of a small function that calls nothing goes on in it, and comes back to its caller without
 * leaving the region; so code of such a function may be in a region several times, once for each call.
 */

import type { Decoded } from '../decode/decoded.ts';
import type { Block } from '../interpreter/blocks.ts';
import { branches } from '../isa/branches.ts';
import type { Instruction } from '../isa/instruction.ts';

const FRAME_BYTES = 4096;
/** A function called becomes part of a narrow region if it is no larger than this and calls nothing itself. */
const MOST_CALLED_INSTRUCTIONS = 40;
const MOST_CALLED_BLOCKS = 6;

/** How far a region grows: compilers of WebAssembly take more than linear time for large functions. */
export interface Growth {
  readonly instructions: number;
  readonly blocks: number;
  /** Calls within calls that it goes into; with 0 only into small functions that call nothing. */
  readonly calls: number;
}

/** Of a region that has become hot, and of one where much of the guest's time goes. */
export const NARROW: Growth = { instructions: 200, blocks: 64, calls: 0 };
export const WIDE: Growth = { instructions: 200, blocks: 64, calls: 3 };

const nearBranches: ReadonlySet<Instruction> = new Set(branches);

/** A call that a region has gone into: where it came from, and the offset it returns to. */
export interface Call {
  readonly caller: Call | undefined;
  readonly returnsTo: number;
  readonly depth: number;
}

/**
 * How control leaves a block: `proceed` to the code behind it; a near branch; `other` instructions that end blocks, which
 * their handlers run; or an instruction that cannot be translated, from which on the interpreter goes on.
 */
export type Ending = 'proceed' | 'jump' | 'conditional' | 'call' | 'return' | 'indirect' | 'other' | 'declined';

export interface PlannedBlock {
  readonly number: number;
  readonly block: Block;
  /** Linear address relative to the page in which the region begins, in bytes. */
  readonly offset: number;
  readonly call: Call | undefined;
  /** Without the one it declines. */
  readonly instructions: readonly Decoded[];
  /** Of each instruction, and of what comes behind the last one, relative to the region's first page. */
  readonly offsets: readonly number[];
  /** Instructions that the interpreter counts for it. */
  readonly count: number;
  readonly ending: Ending;
  /** Its last instruction is a relative branch, whose operation links it to other blocks. */
  readonly linked: boolean;
  /** Offsets of the code that control may go on with, where that is known: taken branch and fall-through. */
  readonly targets: { readonly taken?: number; readonly next?: number };
  /** Those of them that are in the region. */
  taken: PlannedBlock | undefined;
  next: PlannedBlock | undefined;
  /** Where an indirect branch has led to, most often first. */
  seen: PlannedBlock[];
}

export interface RegionPlan {
  readonly blocks: readonly PlannedBlock[];
  readonly mode: number;
  readonly instructions: number;
}

/** What planning asks of its surroundings. */
export interface CodeSource {
  /** The block with the code at this offset from the region's first page, if it is worth translating. */
  blockAt(offset: number): Block | undefined;
  instructionsOf(block: Block): {
    instructions: readonly (Decoded | string)[];
    offsets: readonly number[];
    end: number;
  };
  /** Offsets to which the indirect branch at this machine address has led of late, most often first. */
  seenTargets(machine: number): readonly number[];
  /** Whether the code at this offset has hardly ever been entered. */
  isRare(offset: number): boolean;
  /** Whether the instruction at this machine address is known not to translate. */
  declines(machine: number): boolean;
}

export function planRegion(head: Block, source: CodeSource, growth: Growth): RegionPlan {
  return new Planning(head, source, growth).plan();
}

class Planning {
  readonly #head: Block;
  readonly #source: CodeSource;
  readonly #growth: Growth;
  readonly #blocks: PlannedBlock[] = [];
  /** By call and offset. */
  readonly #known = new Map<Call | undefined, Map<number, PlannedBlock>>();
  #instructions = 0;

  constructor(head: Block, source: CodeSource, growth: Growth) {
    this.#head = head;
    this.#source = source;
    this.#growth = growth;
  }

  plan(): RegionPlan {
    this.#add(this.#head, this.#head.start, undefined);
    // Blocks are appended while the list is walked: breadth first.
    for (const block of this.#blocks) this.#extend(block);
    return { blocks: this.#blocks, mode: this.#head.mode, instructions: this.#instructions };
  }

  #add(block: Block, offset: number, call: Call | undefined): PlannedBlock {
    const planned = this.#describe(block, offset, call);
    this.#blocks.push(planned);
    this.#instructions += planned.instructions.length;
    let inCall = this.#known.get(call);
    if (inCall === undefined) {
      inCall = new Map();
      this.#known.set(call, inCall);
    }
    inCall.set(offset, planned);
    return planned;
  }

  #describe(block: Block, offset: number, call: Call | undefined): PlannedBlock {
    const { instructions, offsets, end } = this.#source.instructionsOf(block);
    const frame = block.machine - block.start;
    const page = offset - block.start;
    const usable: Decoded[] = [];
    let declined = false;
    for (const [i, decoded] of instructions.entries()) {
      declined = typeof decoded === 'string' || this.#source.declines(frame + (offsets[i] as number));
      if (declined) break;
      usable.push(decoded as Decoded);
    }
    const places = [...offsets.slice(0, usable.length), declined ? (offsets[usable.length] as number) : end];
    const last = usable.at(-1);
    const ending = declined || last === undefined ? 'declined' : endingOf(last);
    const behind = page + (places.at(-1) as number);
    return {
      number: this.#blocks.length,
      block,
      offset,
      call,
      instructions: usable,
      offsets: places.map((place) => page + place),
      count: instructions.length,
      ending,
      linked: branchesRelatively(instructions.at(-1)),
      targets: declined ? {} : targetsOf(last as Decoded, ending, behind, call),
      taken: undefined,
      next: undefined,
      seen: [],
    };
  }

  #extend(block: PlannedBlock): void {
    const { taken, next } = block.targets;
    if (isUnforeseen(block)) this.#extendIndirect(block);
    if (next !== undefined) block.next = this.#reach(next, block.call);
    if (taken === undefined) return;
    if (block.ending === 'call') block.taken = this.#reachCall(block, taken);
    else block.taken = this.#reach(taken, block.ending === 'return' ? block.call?.caller : block.call);
  }

  #extendIndirect(block: PlannedBlock): void {
    for (const target of this.#source.seenTargets(branchAt(block))) {
      const calls = block.instructions.at(-1)?.instruction.name === 'CALL';
      const found = calls ? this.#reachCall(block, target) : this.#reach(target, block.call);
      if (found !== undefined && !block.seen.includes(found)) block.seen.push(found);
    }
  }

  #reachCall(block: PlannedBlock, target: number): PlannedBlock | undefined {
    const depth = (block.call?.depth ?? 0) + 1;
    if (depth > this.#growth.calls && !(depth === 1 && this.#isSmallLeaf(target))) return undefined;
    return this.#reach(target, { caller: block.call, returnsTo: block.offsets.at(-1) as number, depth });
  }

  /** Whether the function at this offset is small, calls nothing, and returns. */
  #isSmallLeaf(start: number): boolean {
    const offsets = [start];
    let instructions = 0;
    let returns = false;
    for (const offset of offsets) {
      const block = this.#source.blockAt(offset);
      if (block === undefined) continue;
      const planned = this.#describe(block, offset, undefined);
      instructions += planned.count;
      if (offsets.length > MOST_CALLED_BLOCKS || instructions > MOST_CALLED_INSTRUCTIONS) return false;
      if (planned.ending === 'return') returns = true;
      else if (planned.ending === 'call' || planned.ending === 'other' || planned.ending === 'declined') return false;
      for (const next of [planned.targets.taken, planned.targets.next]) {
        if (next !== undefined && !offsets.includes(next)) offsets.push(next);
      }
    }
    return returns;
  }

  #reach(offset: number, call: Call | undefined): PlannedBlock | undefined {
    const known = this.#known.get(call)?.get(offset);
    if (known !== undefined) return known;
    const { blocks, instructions } = this.#growth;
    if (this.#blocks.length >= blocks || this.#instructions >= instructions) return undefined;
    const block = this.#source.blockAt(offset);
    return block && this.#add(block, offset, call);
  }
}

/** Its last instruction is a branch of which nothing tells where it leads: indirect, or a return from where the region began. */
function isUnforeseen({ ending, call }: PlannedBlock): boolean {
  return ending === 'indirect' || (ending === 'return' && call === undefined);
}

/** Its last instruction is an indirect branch whose targets are to be recorded, for none is known. */
export function isRecorded({ ending, taken, seen }: PlannedBlock): boolean {
  return (ending === 'indirect' || ending === 'return') && taken === undefined && seen.length === 0;
}

/** Machine address of a block's last instruction. */
export function branchAt({ block, offset, offsets, instructions }: PlannedBlock): number {
  return block.machine + (offsets[instructions.length - 1] as number) - offset;
}

function branchesRelatively(last: Decoded | string | undefined): boolean {
  return typeof last === 'object' && last.form.relativeOperand >= 0;
}

function endingOf(last: Decoded): Ending {
  if (!last.form.ends || last.instruction.usual !== undefined) return 'proceed';
  if (!nearBranches.has(last.instruction)) return 'other';
  const { name } = last.instruction;
  if (!branchesRelatively(last)) return name === 'RET' ? 'return' : 'indirect';
  // A 16-bit operand size cuts the target.
  if (last.operandSize === 16 || last.mode === 16) return 'other';
  if (name === 'CALL') return 'call';
  return name === 'JMP' ? 'jump' : 'conditional';
}

function targetsOf(
  last: Decoded,
  ending: Ending,
  behind: number,
  call: Call | undefined,
): { taken?: number; next?: number } {
  const relative = last.form.relativeOperand;
  const taken = behind + (relative < 0 ? 0 : (last.operands[relative]?.immediate as number));
  // 32-bit code wraps at 4 GiB and has a base: it is followed within its page only.
  const reachable = (target: number): boolean => last.mode === 64 || pageOf(target) === pageOf(behind - 1);
  switch (ending) {
    case 'proceed':
      return reachable(behind) ? { next: behind } : {};
    case 'jump':
    case 'call':
      return reachable(taken) ? { taken } : {};
    case 'conditional':
      return { ...(reachable(taken) && { taken }), ...(reachable(behind) && { next: behind }) };
    case 'return':
      return call !== undefined && reachable(call.returnsTo) ? { taken: call.returnsTo } : {};
    default:
      return {};
  }
}

export function pageOf(offset: number): number {
  return Math.floor(offset / FRAME_BYTES);
}
