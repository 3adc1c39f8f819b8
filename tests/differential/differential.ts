/** Runs cases on the reference and on the tiers of generated code and finds where they part. */

import { Decoded } from '../../src/cpu/decode/decoded.ts';
import { PAGE } from '../hardware/layout.ts';
import { type CaseKind, type DifferentialCase, drawCase } from './case.ts';
import { COMPARED_PAGES } from './places.ts';
import { decoder } from './sequence.ts';
import { type Outcome, ReferenceSide, type Side, TierSide } from './sides.ts';

/** RFLAGS.RF is in the image that a fault pushes, not in the register. */
const RESUME = 0x1_0000;

const GENERAL = 'RAX RCX RDX RBX RSP RBP RSI RDI R8 R9 R10 R11 R12 R13 R14 R15'.split(' ');
const hex = (value: number | bigint): string => `0x${value.toString(16)}`;
const hexBytes = (bytes: Iterable<number>): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');

function describeFault({ fault }: Outcome): string {
  if (fault === undefined) return 'none';
  const { vector, errorCode, cr2 } = fault;
  return `vector ${vector}, error code ${hex(errorCode)}${vector === 14 ? ` at ${hex(cr2 ?? 0n)}` : ''}`;
}

/** Each place where the outcomes differ, as `what: reference, tier`. */
function differences(reference: Outcome, other: Outcome, tier: string): string[] {
  const found: string[] = [];
  const note = (what: string, a: string, b: string): void => {
    if (a !== b) found.push(`${what}: ${a} on the reference, ${b} on the ${tier}`);
  };
  const [a, b] = [reference.state, other.state];
  note('fault', describeFault(reference), describeFault(other));
  note('RIP', hex(a.rip), hex(b.rip));
  note('RFLAGS', hex(a.rflags & ~RESUME), hex(b.rflags & ~RESUME));
  GENERAL.forEach((name, i) => void note(name, hex(a.gpr[i] as bigint), hex(b.gpr[i] as bigint)));
  note('selectors', hexBytes(a.selectors), hexBytes(b.selectors));
  note('FS and GS bases', `${hex(a.fsBase)} ${hex(a.gsBase)}`, `${hex(b.fsBase)} ${hex(b.gsBase)}`);
  const control = (state: typeof a): string => [state.control, state.status, state.tag, state.mxcsr].map(hex).join(' ');
  note('x87 control, status, tag, MXCSR', control(a), control(b));
  note('x87 pointers', reference.pointers.map(hex).join(' '), other.pointers.map(hex).join(' '));
  for (let i = 0; i < 8; i++) {
    const register = (state: typeof a): string => hexBytes(state.st.subarray(10 * i, 10 * i + 10));
    note(`x87 R${i}`, register(a), register(b));
  }
  for (let i = 0; i < 16; i++) {
    const register = (state: typeof a): string => hexBytes(state.xmm.subarray(16 * i, 16 * i + 16));
    note(`XMM${i}`, register(a), register(b));
  }
  COMPARED_PAGES.forEach((address, i) => {
    const [x, y] = [reference.pages[i] as Uint8Array, other.pages[i] as Uint8Array];
    const at = x.findIndex((byte, k) => byte !== y[k]);
    if (at < 0) return;
    const piece = (bytes: Uint8Array): string => hexBytes(bytes.subarray(at, Math.min(at + 16, PAGE)));
    note(`memory at ${hex(address + at)}`, piece(x), piece(y));
  });
  return found;
}

function describeCode({ code, mode }: DifferentialCase): string[] {
  const bytes = Uint8Array.from([...code, ...new Array(15).fill(0)]);
  const lines: string[] = [];
  for (let at = 0; at < code.length; ) {
    const decoded = decoder.decode(bytes, at, bytes.length - at, mode, true);
    const length = decoded instanceof Decoded ? decoded.length : 1;
    const what = decoded instanceof Decoded ? `${decoded.instruction.name} '${decoded.form.text}'` : decoded;
    lines.push(`    ${hexBytes(bytes.subarray(at, at + length)).padEnd(46)}${what}`);
    at += length;
  }
  return lines;
}

export class Differential {
  readonly #kind: CaseKind;
  readonly #reference: Side = new ReferenceSide();
  readonly #interpreter = new TierSide('interpreter');
  /** Compiles at once, and between slices. */
  readonly #translators = [new TierSide('translator'), new TierSide('auto')] as const;
  /** Outcomes so far: by fault vector, or 'none'. */
  readonly endings = new Map<string, number>();
  /** Run on the reference so far. */
  instructions = 0;

  constructor(kind: CaseKind) {
    this.#kind = kind;
  }

  #compare(input: DifferentialCase, limit: number): { differences: string[]; ending: string } {
    const reference = this.#reference.run(input, limit);
    const interpreter = this.#interpreter.run(input, limit);
    const translator = this.#translators[input.hot.batched ? 1 : 0].run(input, limit);
    const { fault } = reference;
    this.instructions += reference.instructions;
    return {
      differences: [
        ...differences(reference, interpreter, 'interpreter'),
        ...differences(reference, translator, 'translator'),
      ],
      ending: fault === undefined ? 'none' : `${fault.vector}`,
    };
  }

  /** What there is to say of a case on which the engines disagree; undefined when they agree. */
  check(seed: number, number: number): string | undefined {
    const input = drawCase(seed, number, this.#kind);
    const { limit, slices, interrupted, hot } = input;
    const { differences: found, ending } = this.#compare(input, limit);
    this.endings.set(ending, (this.endings.get(ending) ?? 0) + 1);
    if (found.length === 0) return undefined;
    let first = 1;
    while (first < limit && this.#compare(input, first).differences.length === 0) first++;
    return [
      `${this.#kind} ${number} of seed ${seed}, ${input.mode}-bit code at ${hex(input.state.rip)}, differs after ${first} instructions`,
      `(slices of ${slices.join(' ')}${interrupted ? ', interrupted' : ''}; hot after ${hot.entries}${hot.batched ? ', batched' : ''}):`,
      ...describeCode(input),
      ...this.#compare(input, first).differences.map((line) => `  ${line}`),
    ].join('\n');
  }

  /** Regions translated so far. */
  get translations(): number {
    return this.#translators.reduce((sum, { translator }) => sum + translator.translations, 0);
  }
}
