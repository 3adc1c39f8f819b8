import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { Code, CodeExt, Instruction, RflagsBits } from 'iced-x86';
import { MachineState } from './state.ts';
import { AF, CF, OF, PF, SF, UNDEFINED_FLAGS, ZF } from './undefined.ts';
import {
  openVectors,
  runCase,
  type VectorCase,
  type VectorEngine,
  VectorFile,
  type VectorInput,
  type VectorOutput,
  vectorGroups,
} from './vectors.ts';

const LEAST_FORMS = 7000;
const LEAST_CASES = 250_000;
const MOST_BYTES = 3_000_000;

type Operation = 'ADD' | 'XOR' | 'MOV';

/** ADD, XOR and MOV of 32- and 64-bit registers (opcodes 01, 31, 89 and 03, 33, 8B with mod = 3), and nothing else. */
class ThreeInstructionEngine implements VectorEngine {
  readonly #state = new MachineState();
  #pages: readonly Uint8Array[] = [];
  /** A mistake to make on purpose. */
  readonly #mistake: (state: MachineState, pages: readonly Uint8Array[]) => void;

  constructor(mistake: (state: MachineState, pages: readonly Uint8Array[]) => void = () => {}) {
    this.#mistake = mistake;
  }

  load(input: VectorInput): void {
    this.#state.copyFrom(input.state);
    this.#pages = input.pages.map((page) => page.bytes.slice());
  }

  step(): { fault?: { vector: number; errorCode: number; cr2: bigint | undefined } } {
    const state = this.#state;
    const byteAt = (offset: number): number | undefined => {
      const at = Number(state.rip) - 0x40_0000 + offset;
      return this.#pages[at >> 12]?.[at & 0xfff];
    };
    // The code pages are followed by a page that is not present.
    const bytes = [0, 1, 2].map((i) => (Number(state.rip) + i < 0x40_2000 ? byteAt(i) : undefined));
    const rex = (bytes[0] ?? 0) >> 4 === 4 ? (bytes[0] ?? 0) : 0;
    const [opcode, modrm] = rex === 0 ? bytes : bytes.slice(1);
    if (opcode === undefined || modrm === undefined) return { fault: { vector: 14, errorCode: 0x14, cr2: 0x40_2000n } };
    const operation = ({ 0: 'ADD', 3: 'XOR', 8: 'MOV' } as Record<number, Operation>)[opcode >> 4];
    const reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
    const rm = (modrm & 7) | ((rex & 1) << 3);
    const [destination, source] = opcode & 2 ? [reg, rm] : [rm, reg];
    this.#execute(operation, rex & 8 ? 64 : 32, destination, source);
    state.rip += rex === 0 ? 2n : 3n;
    this.#mistake(state, this.#pages);
    return {};
  }

  #execute(operation: Operation, bits: number, destination: number, source: number): void {
    const state = this.#state;
    const [a, b] = [destination, source].map((register) => BigInt.asUintN(bits, state.gpr[register]));
    const sum = operation === 'ADD' ? a + b : operation === 'XOR' ? a ^ b : b;
    const result = BigInt.asUintN(bits, sum);
    state.gpr[destination] = result;
    if (operation === 'MOV') return;
    const sign = 1n << BigInt(bits - 1);
    let flags = 0;
    if (sum !== result) flags |= CF;
    if (result === 0n) flags |= ZF;
    if (result & sign) flags |= SF;
    if (operation === 'ADD' && ~(a ^ b) & (a ^ result) & sign) flags |= OF;
    if (operation === 'ADD' && (a ^ b ^ result) & 0x10n) flags |= AF;
    if (![1, 2, 4, 8, 16, 32, 64, 128].reduce((parity, bit) => parity ^ (Number(result & 0xffn) & bit ? 1 : 0), 0))
      flags |= PF;
    state.rflags = (state.rflags & ~(CF | PF | AF | ZF | SF | OF)) | flags;
  }

  read(): VectorOutput {
    return { state: this.#state, pages: this.#pages };
  }
}

const EASY = /^(ADD|XOR|MOV) (r\/m(32|64), r(32|64)|r(32|64), r\/m(32|64)) .* register$/;

function easyCases(): Generator<VectorCase> {
  return openVectors('integer').cases((form) => EASY.test(form.name));
}

describe('hardware vectors', () => {
  it('hold enough forms and cases within their size', () => {
    const totals = { forms: 0, cases: 0, bytes: 0 };
    for (const group of vectorGroups()) {
      const file = openVectors(group);
      let [read, faults] = [0, 0];
      for (const vector of file.cases()) {
        read++;
        if (vector.fault !== undefined) faults++;
      }
      assert.equal(read, file.caseCount);
      const bytes = readFileSync(new URL(`./vectors/${group}.bin.br`, import.meta.url)).length;
      console.log(`${group}: ${file.forms.length} forms, ${read} cases, ${faults} of them faults, ${bytes} bytes`);
      totals.forms += file.forms.length;
      totals.cases += read;
      totals.bytes += bytes;
    }
    console.log(`hardware vectors: ${totals.forms} forms, ${totals.cases} cases, ${totals.bytes} bytes`);
    assert.ok(totals.forms >= LEAST_FORMS, `${totals.forms} forms`);
    assert.ok(totals.cases >= LEAST_CASES, `${totals.cases} cases`);
    assert.ok(totals.bytes <= MOST_BYTES, `${totals.bytes} bytes`);
  });

  it('agree with ADD, XOR and MOV done by hand', () => {
    const engine = new ThreeInstructionEngine();
    const forms = new Set<string>();
    for (const vector of easyCases()) {
      assert.deepEqual(runCase(engine, vector), [], `${vector.form.name}, case ${vector.index}`);
      forms.add(vector.form.name);
    }
    assert.equal(forms.size, 12);
  });

  const mistakes: Record<
    string,
    { mistake: (state: MachineState, pages: readonly Uint8Array[]) => void; found: RegExp }
  > = {
    'a register': { mistake: (state) => (state.gpr[9] ^= 1n << 40n), found: /^R9$/ },
    'a flag': { mistake: (state) => (state.rflags ^= CF), found: /^RFLAGS$/ },
    'the instruction pointer': { mistake: (state) => (state.rip += 1n), found: /^RIP$/ },
    'a byte of memory': { mistake: (_, pages) => (pages[3][5] ^= 0x80), found: /^memory 0x601005$/ },
    'an x87 register': { mistake: (state) => (state.st[75] ^= 1), found: /^x87 R7$/ },
    'the x87 status word': { mistake: (state) => (state.status ^= 0x20), found: /^x87 status$/ },
    'a vector register': { mistake: (state) => (state.xmm[255] ^= 1), found: /^XMM15$/ },
    MXCSR: { mistake: (state) => (state.mxcsr ^= 1), found: /^MXCSR$/ },
    'a segment base': { mistake: (state) => (state.fsBase += 1n), found: /^FS base$/ },
  };
  for (const [name, { mistake, found }] of Object.entries(mistakes)) {
    it(`show a mistake in ${name}`, () => {
      const engine = new ThreeInstructionEngine(mistake);
      const [vector] = easyCases();
      const mismatches = runCase(engine, vector);
      assert.deepEqual(
        mismatches.map((mismatch) => found.test(mismatch.what)),
        [true],
      );
    });
  }

  it('show a fault that was missed', () => {
    const engine = new ThreeInstructionEngine();
    engine.step = () => ({});
    for (const vector of easyCases()) {
      if (vector.fault === undefined) continue;
      const whats = runCase(engine, vector).map((mismatch) => mismatch.what);
      assert.deepEqual(whats, ['fault']);
      return;
    }
    assert.fail('no case faults');
  });

  it('mask the flags that the tables of iced-x86 call undefined, too, and no others', () => {
    // Of shifts and rotates the mask depends on the count, which those tables do not say.
    const counted = /^(SHL|SAL|SHR|SAR|ROL|ROR|RCL|RCR|SHLD|SHRD)$/;
    const bits = [
      [RflagsBits.OF, OF],
      [RflagsBits.SF, SF],
      [RflagsBits.ZF, ZF],
      [RflagsBits.AF, AF],
      [RflagsBits.CF, CF],
      [RflagsBits.PF, PF],
    ];
    const groups = ['integer', 'string', 'sse', 'integer-32'].map(openVectors);
    const mnemonics = new Set(groups.flatMap((file) => file.forms.map((form) => form.mnemonic)));
    const compared = new Set<string>();
    for (const [name, code] of Object.entries(Code)) {
      if (typeof code !== 'number' || /_[cdt]r/.test(name)) continue;
      const mnemonic = CodeExt.opCode(code).instructionString.split(' ')[0];
      if (!mnemonics.has(mnemonic) || counted.test(mnemonic)) continue;
      const undefinedThere = Instruction.create(code).rflagsUndefined;
      const flags = bits.reduce((sum, [theirs, ours]) => (undefinedThere & theirs ? sum | ours : sum), 0);
      assert.equal(UNDEFINED_FLAGS[mnemonic] ?? 0, flags, name);
      compared.add(mnemonic);
    }
    for (const mnemonic of Object.keys(UNDEFINED_FLAGS)) assert.ok(compared.has(mnemonic), mnemonic);
  });

  it('are refused when damaged', () => {
    const bytes = readFileSync(new URL('./vectors/integer.bin.br', import.meta.url));
    assert.throws(() => new VectorFile(bytes.subarray(0, bytes.length >> 1)));
  });
});
