/**
 * The format of the files in `vectors/`: brotli over
 *
 *     "VIVARIUM-VECTORS", version (1 byte)
 *     block: JSON with the processor's name and the forms
 *     block: control    per case: 0, or 1 + vector of the fault; state runs; memory runs
 *     block: payload    the bytes of those runs
 *     block: faults     per fault: error code; for #PF the address
 *
 * where a block is a length and its bytes, and runs are a count and then pairs of gap and length. Numbers are LEB128.
 * Runs hold what differs from the prediction: the input, with RIP behind the instruction unless it faulted.
 * A gap counts from the end of the previous run; the first of memory (zigzag) from the last range that the input set.
 */
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import { ByteReader, ByteWriter } from './bytes.ts';
import type { Encoding, Form, MemoryShape } from './form.ts';
import type { CaseInputs } from './inputs/inputs.ts';
import { WINDOW_BYTES } from './layout.ts';
import type { MachineState } from './state.ts';
import { STATE_BYTES } from './state.ts';

const MAGIC = new TextEncoder().encode('VIVARIUM-VECTORS');
const VERSION = 1;
const PAGE_FAULT = 14;

export interface Fault {
  readonly vector: number;
  /** 0 for exceptions that push none. */
  readonly errorCode: number;
  /** The linear address that CR2 holds, for page faults. */
  readonly cr2: bigint | undefined;
}

/** What the processor answered to one case. */
export interface Answer {
  fault: Fault | undefined;
  readonly state: MachineState;
  /** The contents of all pages. */
  readonly window: Uint8Array;
}

type StoredMemory = readonly [
  base: number,
  index: number,
  scale: number,
  displacement: string,
  bits: number,
  segment: string,
];
type StoredEncoding = readonly [code: string, registers: readonly number[], memory?: StoredMemory];
type StoredForm = Omit<Form, 'encodings'> & { readonly encodings: readonly StoredEncoding[] };

interface Header {
  readonly processor: string;
  readonly forms: readonly StoredForm[];
}

function storeEncoding({ code, registers, memory }: Encoding): StoredEncoding {
  const hex = Array.from(code, (byte) => byte.toString(16).padStart(2, '0')).join('');
  if (memory === undefined) return [hex, registers];
  const { base, index, scale, displacement, addressBits, segment } = memory;
  return [hex, registers, [base, index, scale, displacement.toString(), addressBits, segment]];
}

function loadEncoding([hex, registers, stored]: StoredEncoding): Encoding {
  const code = Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
  if (stored === undefined) return { code, registers, memory: undefined };
  const [base, index, scale, displacement, addressBits, segment] = stored;
  const memory = { base, index, scale, displacement: BigInt(displacement), addressBits, segment } as MemoryShape;
  return { code, registers, memory };
}

/** The state that a case ends in if nothing but RIP changes. */
export function predict(inputs: CaseInputs, faulted: boolean, state: MachineState): void {
  state.copyFrom(inputs.state);
  if (!faulted) state.rip += BigInt(inputs.encoding.code.length);
}

/** Where the first run of memory is expected. */
function anchorOf(inputs: CaseInputs): number {
  return inputs.touched[inputs.touched.length - 2];
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

function unzigzag(value: number): number {
  return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
}

type Run = readonly [start: number, end: number];

/** Ranges in which two byte arrays differ; one equal byte between differences does not end a range. */
function differences(expected: Uint8Array, actual: Uint8Array): Run[] {
  const runs: Run[] = [];
  for (let i = 0; i < actual.length; i++) {
    if (actual[i] === expected[i]) continue;
    let end = i + 1;
    while (
      end < actual.length &&
      (actual[end] !== expected[end] || (end + 1 < actual.length && actual[end + 1] !== expected[end + 1]))
    )
      end++;
    runs.push([i, end]);
    i = end;
  }
  return runs;
}

export class VectorFileWriter {
  readonly #processor: string;
  readonly #forms: StoredForm[] = [];
  readonly #control = new ByteWriter();
  readonly #payload = new ByteWriter();
  readonly #faults = new ByteWriter();

  constructor(processor: string) {
    this.#processor = processor;
  }

  /** Announce a form; its cases must follow in order. */
  form(form: Form): void {
    this.#forms.push({ ...form, encodings: form.encodings.map(storeEncoding) });
  }

  /** `predicted` is what `predict` says for the case. */
  answer(inputs: CaseInputs, predicted: MachineState, answer: Answer): void {
    const { fault } = answer;
    this.#control.number(fault === undefined ? 0 : fault.vector + 1);
    if (fault !== undefined) {
      this.#faults.number(fault.errorCode);
      if (fault.vector === PAGE_FAULT) this.#faults.u64(fault.cr2 ?? 0n);
    }
    this.#runs(differences(predicted.bytes, answer.state.bytes), answer.state.bytes, undefined);
    this.#runs(differences(inputs.window, answer.window), answer.window, anchorOf(inputs));
  }

  #runs(runs: readonly Run[], bytes: Uint8Array, anchor: number | undefined): void {
    this.#control.number(runs.length);
    let at = 0;
    for (const [start, end] of runs) {
      this.#control.number(anchor !== undefined && at === 0 ? zigzag(start - anchor) : start - at);
      this.#control.number(end - start);
      this.#payload.append(bytes.subarray(start, end));
      at = end;
    }
  }

  finish(): Uint8Array {
    const header: Header = { processor: this.#processor, forms: this.#forms };
    const file = new ByteWriter();
    file.append(MAGIC);
    file.number(VERSION);
    file.block(new TextEncoder().encode(JSON.stringify(header)));
    for (const part of [this.#control, this.#payload, this.#faults]) file.block(part.bytes);
    const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 };
    return brotliCompressSync(file.bytes, { params });
  }
}

export class VectorFileReader {
  readonly processor: string;
  readonly forms: readonly Form[];
  readonly #control: ByteReader;
  readonly #payload: ByteReader;
  readonly #faults: ByteReader;

  constructor(compressed: Uint8Array) {
    const file = new ByteReader(brotliDecompressSync(compressed));
    const magic = file.take(MAGIC.length);
    if (!magic.every((byte, i) => byte === MAGIC[i])) throw new Error('not a vector file');
    const version = file.number();
    if (version !== VERSION) throw new Error(`vector file version ${version}, expected ${VERSION}`);
    const header = JSON.parse(new TextDecoder().decode(file.block())) as Header;
    this.processor = header.processor;
    this.forms = header.forms.map((form) => ({ ...form, encodings: form.encodings.map(loadEncoding) }));
    this.#control = new ByteReader(file.block());
    this.#payload = new ByteReader(file.block());
    this.#faults = new ByteReader(file.block());
  }

  /** Read the next answer, for the case that `inputs` now holds, into `answer`. */
  answer(inputs: CaseInputs, answer: Answer): void {
    const kind = this.#control.number();
    if (kind === 0) {
      answer.fault = undefined;
    } else {
      const vector = kind - 1;
      const errorCode = this.#faults.number();
      answer.fault = { vector, errorCode, cr2: vector === PAGE_FAULT ? this.#faults.u64() : undefined };
    }
    predict(inputs, kind !== 0, answer.state);
    this.#runs(answer.state.bytes, undefined, STATE_BYTES);
    answer.window.set(inputs.window);
    this.#runs(answer.window, anchorOf(inputs), WINDOW_BYTES);
  }

  #runs(bytes: Uint8Array, anchor: number | undefined, limit: number): void {
    const count = this.#control.number();
    let at = 0;
    for (let i = 0; i < count; i++) {
      const gap = this.#control.number();
      const start = anchor !== undefined && at === 0 ? anchor + unzigzag(gap) : at + gap;
      const length = this.#control.number();
      if (start < 0 || start + length > limit) throw new RangeError('the vector file does not fit its forms');
      bytes.set(this.#payload.take(length), start);
      at = start + length;
    }
  }

  /** Whether all answers were read. */
  get atEnd(): boolean {
    return this.#control.atEnd && this.#payload.atEnd && this.#faults.atEnd;
  }
}
