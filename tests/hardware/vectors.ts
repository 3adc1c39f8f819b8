/**
 * Hardware vectors: what a real processor answered to single instructions, for any engine to be held against.
 *
 *     for (const group of GROUPS) {
 *       for (const vector of openVectors(group).cases()) report(vector, runCase(engine, vector));
 *     }
 */
import { readdirSync, readFileSync } from 'node:fs';
import { compare, type Mismatch } from './compare.ts';
import { caseCount, type Form, type LegacyMode } from './form.ts';
import { CaseInputs } from './inputs/inputs.ts';
import { type Access, PAGE, PAGES, WINDOW_BYTES } from './layout.ts';
import { MachineState } from './state.ts';
import { type Answer, type Fault, VectorFileReader } from './vector-file.ts';

export type { Mismatch } from './compare.ts';
export type { Form } from './form.ts';
export type { Fault } from './vector-file.ts';

const DIRECTORY = new URL('./vectors/', import.meta.url);
const SUFFIX = '.bin.br';

export interface VectorPage {
  readonly address: number;
  /** `execute`: read and fetch; `write`: read and write; `read`: read only. All are user pages. */
  readonly access: Access;
  readonly bytes: Uint8Array;
}

/** The machine before the instruction. See `layout.ts` for the descriptor table and what else is assumed. */
export interface VectorInput {
  /** Code size outside 64-bit mode; the segments are those of `segments.ts` that the selectors name. */
  readonly mode: LegacyMode | undefined;
  readonly state: MachineState;
  readonly pages: readonly VectorPage[];
}

/** The machine afterwards; `pages` in the order of the input's. */
export interface VectorOutput {
  readonly state: MachineState;
  readonly pages: readonly Uint8Array[];
}

/** One instruction on one input. Buffers are reused: everything here is valid until the next case is drawn. */
export interface VectorCase {
  readonly form: Form;
  /** Number of the case within its form. */
  readonly index: number;
  readonly code: Uint8Array;
  readonly input: VectorInput;
  readonly output: VectorOutput;
  /** The exception that the instruction raised, or INT n's; undefined if it completed. */
  readonly fault: Fault | undefined;
  /** Linear address of the explicit memory operand. */
  readonly operandAddress: bigint | undefined;
}

/** What an engine offers to be tested. */
export interface VectorEngine {
  /** Take over registers, page contents and permissions. */
  load(input: VectorInput): void;
  /**
   * Run one instruction, to its end (a REP instruction: all iterations), at CPL 3 in the input's mode. A fault is reported
   * and not delivered: the state stays as its handler would find it, with RIP at the instruction for faults and behind
   * it for INT3, INT1, INTO and INT n with an open gate. A branch completes even where its target cannot be fetched.
   */
  step(): { readonly fault?: Fault | undefined };
  read(): VectorOutput;
}

/** Names of the committed files, without directory and suffix. */
export function vectorGroups(): string[] {
  return readdirSync(DIRECTORY)
    .filter((name) => name.endsWith(SUFFIX))
    .map((name) => name.slice(0, -SUFFIX.length))
    .sort();
}

export function openVectors(group: string): VectorFile {
  return new VectorFile(readFileSync(new URL(`${group}${SUFFIX}`, DIRECTORY)));
}

function splitPages(window: Uint8Array): Uint8Array[] {
  return PAGES.map((_, i) => window.subarray(i * PAGE, (i + 1) * PAGE));
}

export class VectorFile {
  /** Model name of the processor that answered. */
  readonly processor: string;
  readonly forms: readonly Form[];
  readonly #compressed: Uint8Array;

  constructor(compressed: Uint8Array) {
    this.#compressed = compressed;
    const reader = new VectorFileReader(compressed);
    this.processor = reader.processor;
    this.forms = reader.forms;
  }

  get caseCount(): number {
    return this.forms.reduce((sum, form) => sum + caseCount(form), 0);
  }

  /** All cases in the sample, of the forms that `wanted` accepts, in file order. */
  *cases(
    wanted: (form: Form) => boolean = () => true,
    sample: (vector: VectorCase) => boolean = () => true,
  ): Generator<VectorCase> {
    const reader = new VectorFileReader(this.#compressed);
    const inputs = new CaseInputs();
    const answer: Answer = { fault: undefined, state: new MachineState(), window: new Uint8Array(WINDOW_BYTES) };
    const inputPages = splitPages(inputs.window).map((bytes, i) => ({ ...PAGES[i], bytes }));
    const output = { state: answer.state, pages: splitPages(answer.window) };
    for (const form of this.forms) {
      const included = wanted(form);
      for (let index = 0; index < caseCount(form); index++) {
        inputs.draw(form, index);
        reader.answer(inputs, answer);
        if (!included) continue;
        const { fault } = answer;
        const input = { mode: form.mode, state: inputs.state, pages: inputPages };
        const { code } = inputs.encoding;
        const vector = { form, index, code, input, output, fault, operandAddress: inputs.operandAddress() };
        if (sample(vector)) yield vector;
      }
    }
    if (!reader.atEnd) throw new Error('the vector file holds more answers than cases');
  }
}

/** Run a case on an engine and list what differs from the processor's answer. */
export function runCase(engine: VectorEngine, vector: VectorCase): Mismatch[] {
  engine.load(vector.input);
  const { fault } = engine.step();
  return compare(vector, fault, engine.read());
}
