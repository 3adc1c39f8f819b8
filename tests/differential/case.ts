/** A case of the differential test: code, processor state and memory, all drawn from a seed and a number. */

import type { CodeMode } from '../../src/cpu/decode/decoded.ts';
import { Prng } from '../hardware/inputs/prng.ts';
import { writeData } from '../hardware/inputs/values.ts';
import { fillStack } from '../hardware/inputs/x87.ts';
import { CODE, CODE_PAGES, DATA, FS_BASE, GS_BASE, PAGE, SELECTORS, WINDOW_BYTES } from '../hardware/layout.ts';
import { ALIGNMENT_CHECK, DIRECTION, MachineState, ST_OFFSET, XMM_OFFSET } from '../hardware/state.ts';
import { drawProgram } from './program.ts';
import { dataAddress, drawSequence } from './sequence.ts';

const STATUS_FLAGS = 0x8d5;
const FIXED_AND_IF = 0x202;
const MASKED_EXCEPTIONS = 0x1f80;
const LONGEST_SEQUENCE = 20;
const RSP = 4;
/** Where execution ends that falls out of the sequence. */
const UD2 = [0x0f, 0x0b];

export interface DifferentialCase {
  readonly mode: CodeMode;
  readonly state: MachineState;
  /** Contents of the pages of `layout.ts`, one behind the other. */
  readonly window: Uint8Array;
  readonly code: readonly number[];
  /** Instructions to run, loops and iterations included. */
  readonly limit: number;
  /** Instructions a slice on the engines that have slices; over and over. */
  readonly slices: readonly number[];
  /** An interrupt comes and goes between slices. */
  readonly interrupted: boolean;
  /** Of the translator: it counts entries of a block to so many, and compiles at once or between slices. */
  readonly hot: { readonly entries: number; readonly batched: boolean };
}

/** Instructions one behind the other, with short jumps among them, or programs with loops and calls. */
export const CASE_KINDS = ['sequence', 'program'] as const;
export type CaseKind = (typeof CASE_KINDS)[number];

function drawGeneral(random: Prng, state: MachineState, mode: CodeMode): void {
  const view = new DataView(state.bytes.buffer);
  for (let i = 0; i < 16; i++) {
    if (random.chance(55)) state.gpr[i] = BigInt(dataAddress(random) - (mode === 16 ? DATA : 0));
    else writeData(random, view, 8 * i, 8, 'int');
  }
  const stack = DATA + 0x200 + 8 * random.below(0x180) + (random.chance(5) ? random.below(8) : 0);
  state.gpr[RSP] = BigInt(stack - (mode === 16 ? DATA : 0));
}

function drawUnits(random: Prng, state: MachineState): void {
  const view = new DataView(state.bytes.buffer);
  fillStack(random, state, view, ST_OFFSET, 'any');
  for (let i = 0; i < 16; i++)
    writeData(random, view, XMM_OFFSET + 16 * i, 16, random.pick(['int', 'f32', 'f64', 'text']));
  const masks = random.chance(85) ? MASKED_EXCEPTIONS : (random.u32() & 0x3f) << 7;
  const zeros = random.chance(15) ? random.pick([0x8000, 0x0040, 0x8040]) : 0;
  state.mxcsr = masks | zeros | (random.below(4) << 13) | (random.chance(50) ? 0 : random.u32() & 0x3f);
}

/** Everything at once, or slices of lengths without a pattern. */
function drawSlices(random: Prng, limit: number): number[] {
  if (random.chance(40)) return [limit];
  const longest = random.pick([4, 12, 40, 120]);
  return Array.from({ length: 7 }, () => 1 + random.below(longest));
}

/** Where code begins: in the first page, often so that it reaches into the second, or runs out of it. */
function drawStart(random: Prng, length: number): number {
  if (random.chance(20)) return PAGE - random.below(length + 1);
  const nearEnd = CODE_PAGES * PAGE - length - random.below(4);
  return random.chance(5) ? nearEnd : random.below(PAGE);
}

export function drawCase(seed: number, number: number, kind: CaseKind): DifferentialCase {
  const random = new Prng();
  random.seed(seed, number);
  const mode = random.pick([64, 64, 64, 64, 64, 64, 32, 32, 32, 16] as const);
  const state = new MachineState();
  drawGeneral(random, state, mode);
  drawUnits(random, state);
  state.rflags =
    FIXED_AND_IF |
    (random.u32() & STATUS_FLAGS) |
    (random.chance(8) ? DIRECTION : 0) |
    (random.chance(5) ? ALIGNMENT_CHECK : 0);
  state.selectors.set(SELECTORS);
  state.fsBase = FS_BASE;
  state.gsBase = GS_BASE;

  const window = new Uint8Array(WINDOW_BYTES);
  const view = new DataView(window.buffer);
  for (let at = CODE_PAGES * PAGE; at < WINDOW_BYTES; at += 32) {
    writeData(random, view, at, 32, random.pick(['int', 'int', 'f32', 'f64', 'f80', 'bcd', 'text']));
  }
  const sequence = drawSequence(random, mode, 1 + random.below(LONGEST_SEQUENCE));
  const start =
    kind === 'sequence' ? drawStart(random, sequence.length) : PAGE - random.below(random.chance(60) ? 400 : PAGE) - 1;
  const code = kind === 'sequence' ? sequence : drawProgram(random, mode, start);
  for (let at = 0; at < CODE_PAGES * PAGE; at++) window[at] = UD2[at & 1] as number;
  window.set(code.slice(0, CODE_PAGES * PAGE - start), start);
  state.rip = BigInt(mode === 16 ? start : CODE + start);
  const limit = kind === 'sequence' ? 120 : 600;
  return {
    mode,
    state,
    window,
    code,
    limit,
    slices: drawSlices(random, limit),
    interrupted: random.chance(30),
    hot: { entries: random.pick([1, 1, 2, 3]), batched: random.chance(50) },
  };
}
