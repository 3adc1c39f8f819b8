/**
 * What a region is made from, packed so that another thread can make it: of each planned block the bytes of its code,
 * where it stands, how control goes on, and the places in machine memory that are meant for it.
 */

import type { Decoded } from '../decode/decoded.ts';
import type { Decoder } from '../decode/decoder.ts';
import type { SegmentMode } from '../emit/instruction-emitter.ts';
import { codeSizeOf, isProtected, segmentModeOf } from '../interpreter/code-mode.ts';
import type { FlagNeed } from './flag-emitter.ts';
import type { Ending, PlannedBlock, RegionPlan } from './region-plan.ts';

/** A block as code is made of it. */
export interface RegionBlock {
  readonly number: number;
  /** Machine address of its first instruction. */
  readonly machine: number;
  /** Linear address relative to the page in which the region begins, in bytes. */
  readonly offset: number;
  readonly instructions: readonly Decoded[];
  /** Of each instruction, and of what comes behind the last one, relative to the region's first page. */
  readonly offsets: readonly number[];
  /** Instructions that the interpreter counts for it. */
  readonly count: number;
  readonly ending: Ending;
  /** Where its code goes on, as far as that is in the region. */
  taken: RegionBlock | undefined;
  next: RegionBlock | undefined;
  /** Where an indirect branch has led to, most often first. */
  seen: RegionBlock[];
  /** Control has hardly ever gone on with the branch's target, and with what comes behind the branch. */
  readonly takenIsRare: boolean;
  readonly nextIsRare: boolean;
  /** Machine address of its first operation. */
  readonly operations: number;
  /** Machine address of the record of an indirect branch's targets; 0 if they are known. */
  readonly record: number;
  /** Which flags it must find in their slots. */
  need: FlagNeed;
}

export interface RegionRequest {
  readonly blocks: readonly RegionBlock[];
  readonly mode: SegmentMode;
  /** Machine address of words that link ways out of the region to the blocks they lead to: two for each block. */
  readonly links: number;
}

/** Where a planned region's data are in machine memory, and what is known of its blocks. */
export interface Placement {
  /** Of each block, by its number. */
  readonly operations: readonly number[];
  readonly links: number;
  recordOf(block: PlannedBlock): number;
  needOf(block: PlannedBlock): FlagNeed;
  isRare(offset: number): boolean;
}

/** As a message. */
export interface PackedRegion {
  readonly words: Int32Array<ArrayBuffer>;
  /** The blocks' instructions, one block behind the other. */
  readonly code: Uint8Array<ArrayBuffer>;
}

const ENDINGS: readonly Ending[] = [
  'proceed',
  'jump',
  'conditional',
  'call',
  'return',
  'indirect',
  'other',
  'declined',
];
const TAKEN_IS_RARE = 1;
const NEXT_IS_RARE = 2;
/** For a block that is not there. */
const NONE = -1;

const numberOf = (block: PlannedBlock | undefined): number => block?.number ?? NONE;

/** `machineCode`: bytes of machine memory. */
export function packRegion(
  { blocks, mode }: RegionPlan,
  placement: Placement,
  machineCode: (address: number, bytes: number) => Uint8Array,
): PackedRegion {
  const words = [blocks.length, mode, placement.links];
  const sizes = blocks.map(({ offset, offsets }) => (offsets.at(-1) as number) - offset);
  const code = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  let at = 0;
  for (const [i, planned] of blocks.entries()) {
    const { block, offset, instructions, count, ending, taken, next, seen, targets } = planned;
    const rare = (target: number | undefined): boolean =>
      ending === 'conditional' && target !== undefined && placement.isRare(target);
    const size = sizes[i] as number;
    words.push(
      block.machine,
      offset,
      instructions.length,
      count,
      ENDINGS.indexOf(ending),
      (rare(targets.taken) ? TAKEN_IS_RARE : 0) | (rare(targets.next) ? NEXT_IS_RARE : 0),
      placement.operations[i] as number,
      placement.recordOf(planned),
      placement.needOf(planned),
      numberOf(taken),
      numberOf(next),
      seen.length,
      ...seen.map(numberOf),
    );
    code.set(machineCode(block.machine, size), at);
    at += size;
  }
  return { words: Int32Array.from(words), code };
}

/** Machine addresses beyond 2 GiB became negative. */
const address = (word: number): number => word >>> 0;

export function unpackRegion({ words, code }: PackedRegion, decoder: Decoder): RegionRequest {
  let place = 0;
  const word = (): number => words[place++] as number;
  const length = word();
  const mode = word();
  const links = address(word());
  const blocks: (RegionBlock & { ways: readonly [taken: number, next: number, seen: readonly number[]] })[] = [];
  let at = 0;
  for (let number = 0; number < length; number++) {
    const machine = address(word());
    const offset = word();
    const instructions: Decoded[] = [];
    const offsets = [offset];
    for (let i = word(); i > 0; i--) {
      const decoded = decoder.decode(code, at, code.length - at, codeSizeOf(mode), isProtected(mode));
      if (typeof decoded === 'string') throw new Error(`planned code does not decode: ${decoded}`);
      instructions.push(decoded);
      at += decoded.length;
      offsets.push((offsets.at(-1) as number) + decoded.length);
    }
    const count = word();
    const ending = ENDINGS[word()] as Ending;
    const rare = word();
    blocks.push({
      number,
      machine,
      offset,
      instructions,
      offsets,
      count,
      ending,
      takenIsRare: (rare & TAKEN_IS_RARE) !== 0,
      nextIsRare: (rare & NEXT_IS_RARE) !== 0,
      operations: address(word()),
      record: address(word()),
      need: word() as FlagNeed,
      ways: [word(), word(), Array.from({ length: word() }, word)],
      taken: undefined,
      next: undefined,
      seen: [],
    });
  }
  for (const block of blocks) {
    const [taken, next, seen] = block.ways;
    block.taken = blocks[taken];
    block.next = blocks[next];
    block.seen = seen.map((number) => blocks[number] as RegionBlock);
  }
  return { blocks, mode: segmentModeOf(mode), links };
}
