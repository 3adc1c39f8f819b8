/**
 * The tiers of generated code as an engine that hardware vectors can be run on: with page tables in guest memory, and
 * exceptions delivered through the interrupt descriptor table, whose gates lead to HLT.
 */

import { CS } from '../../src/cpu/algebra.ts';
import { type CodeMode, Decoded } from '../../src/cpu/decode/decoded.ts';
import type { HandlerMode } from '../../src/cpu/interpreter/handler.ts';
import { NO_EXECUTE, PRESENT, TestMachine, USER, WRITABLE } from '../../src/cpu/interpreter/test-machine.ts';
import { MachineMemory } from '../../src/cpu/machine-memory.ts';
import { StateBlock } from '../../src/cpu/reference/state-block.ts';
import { architecturalState, vcpu } from '../../src/cpu/state.ts';
import type { EngineChoice } from '../../src/cpu/translator/statistics.ts';
import { CODE, PAGE, PAGES } from './layout.ts';
import { descriptorOf, FLAT } from './segments.ts';
import { MachineState } from './state.ts';
import { enterState, HANDLERS, leaveState, SYSTEM, systemPages, undeliver } from './vcpu.ts';
import type { Fault, VectorCase, VectorEngine, VectorInput, VectorOutput } from './vectors.ts';

/** Guest-physical addresses of the vectors' pages, of the supervisor's and of the handlers. */
const WINDOW = 0x10000;
const SUPERVISOR = 0x20000;
const HANDLER_CODE = 0x30000;
const HLT = 0xf4;
const ARCHITECTURAL_BYTES = Math.max(
  ...architecturalState.map(({ offset, type, count }) => offset + (type / 8) * count),
);
const LONGEST = 15;

/** The address space of the vectors in guest memory, and a vCPU's state to go with it. */
export class VectorMachine {
  readonly machine: TestMachine;
  /** What `enter` gives the vCPU and `leave` takes from it. */
  readonly state = new StateBlock();
  /** Frames of the executable pages. */
  readonly #codePages: number[] = [];

  constructor(tiers: EngineChoice) {
    const machine = new TestMachine(undefined, new MachineMemory(1 << 20), { tiers });
    this.machine = machine;
    machine.engine.variants.forgetSeeds();
    PAGES.forEach(({ address, access }, i) => {
      const rights = access === 'write' ? WRITABLE | NO_EXECUTE : access === 'execute' ? 0n : NO_EXECUTE;
      machine.map(BigInt(address), WINDOW + i * PAGE, PRESENT | USER | rights);
      if (access === 'execute') this.#codePages.push(machine.machine(WINDOW + i * PAGE));
    });
    systemPages().forEach((bytes, i) => {
      machine.page(SUPERVISOR + i * PAGE).set(bytes);
      machine.map(SYSTEM + BigInt(i * PAGE), SUPERVISOR + i * PAGE, PRESENT | WRITABLE | NO_EXECUTE);
    });
    machine.page(HANDLER_CODE).fill(HLT);
    machine.map(HANDLERS, HANDLER_CODE, PRESENT);
    this.state.set(vcpu.cr3, BigInt(machine.root));
  }

  setPages(contents: readonly Uint8Array[]): void {
    const { machine } = this;
    for (const frame of this.#codePages) machine.engine.blocks.written(frame, PAGE);
    contents.forEach((bytes, i) => void machine.page(WINDOW + i * PAGE).set(bytes));
  }

  /** Valid until machine memory grows. */
  pages(): Uint8Array[] {
    return PAGES.map((_, i) => this.machine.page(WINDOW + i * PAGE));
  }

  /** Maps the vectors' page with that number at another address, for data. */
  alias(page: number, linear: number): void {
    this.machine.map(BigInt(linear), WINDOW + page * PAGE, PRESENT | USER | WRITABLE | NO_EXECUTE);
  }

  /** An interrupt comes, and its handler returns: nothing has changed in the end. */
  interrupt(vector: number): void {
    const { cpu, memory } = this.machine;
    const state = memory.u8.slice(cpu.base, cpu.base + ARCHITECTURAL_BYTES);
    cpu.interrupt(vector);
    memory.u8.set(state, cpu.base);
    cpu.contextChanged();
  }

  enter(): void {
    const { cpu, memory } = this.machine;
    memory.u8.set(this.state.bytes.subarray(0, ARCHITECTURAL_BYTES), cpu.base);
    cpu.contextChanged();
    // The translator asks for it when code that may be running is written over.
    cpu.attention = false;
  }

  /** Takes the vCPU's state back, out of the handler if there was an exception. */
  leave(): Fault | undefined {
    const { cpu, memory } = this.machine;
    this.state.bytes.set(memory.u8.subarray(cpu.base, cpu.base + ARCHITECTURAL_BYTES));
    return undeliver(this.state, (linear) => this.machine.read64(SUPERVISOR + Number(linear - SYSTEM)));
  }

  /** Up to 15 bytes of code at a linear address. */
  codeAt(rip: bigint): Uint8Array {
    const { machine } = this;
    const start = WINDOW + Number(rip) - CODE;
    return Uint8Array.from({ length: LONGEST }, (_, i) => machine.memory.u8[machine.machine(start + i)] as number);
  }

  /** Gives the instruction at a linear address a block of its own. */
  isolate(rip: bigint): void {
    const { machine } = this;
    machine.engine.blocks.split(machine.machine(WINDOW + Number(rip) - CODE));
  }
}

/** In the words of the interpreter: which variant of a handler a case needs, branches within a page apart. */
function handlerMode({ mode, state }: VectorInput): HandlerMode {
  if (mode === undefined) return { flat: false, stackAddressSize: 64, linked: false };
  const [es, , ss, ds] = state.selectors;
  const flat = [es, ss, ds].every((selector) => selector === FLAT);
  return { flat, stackAddressSize: descriptorOf(ss)?.big ? 32 : 16, linked: false };
}

export class TierVectorEngine implements VectorEngine {
  readonly #vectors: VectorMachine;
  readonly #outputState = new MachineState();
  #mode: CodeMode = 64;
  #codeBase = 0n;

  constructor(tiers: EngineChoice) {
    this.#vectors = new VectorMachine(tiers);
  }

  /** Instructions translated so far. */
  get translations(): number {
    return this.#vectors.machine.engine.translatorStats.translations;
  }

  /** Generates the handlers of these cases' instructions at one go, which is faster than one by one. */
  prepare(cases: Iterable<VectorCase>): void {
    const { engine } = this.#vectors.machine;
    for (const { code, input } of cases) {
      const decoded = engine.decoder.decode(code, 0, code.length, input.mode ?? 64, true);
      if (decoded instanceof Decoded) engine.handler(decoded, handlerMode(input));
    }
    engine.flush();
  }

  load(input: VectorInput): void {
    this.#vectors.setPages(input.pages.map(({ bytes }) => bytes));
    enterState(this.#vectors.state, input.state, input.mode);
    this.#mode = input.mode ?? 64;
    this.#codeBase = input.mode === undefined ? 0n : this.#vectors.state.get(vcpu.segmentBase, CS);
    // Blocks that the budget of a step does not cover are never translated.
    if (this.#vectors.machine.engine.translator !== undefined) this.#vectors.isolate(this.#codeBase + input.state.rip);
    this.#vectors.enter();
  }

  step(): { readonly fault?: Fault | undefined } {
    const { cpu } = this.#vectors.machine;
    const start = cpu.get(vcpu.rip);
    do cpu.run(1);
    while (cpu.get(vcpu.rip) === start && this.#isRepeated(start));
    return { fault: this.#vectors.leave() };
  }

  /** A repeated instruction that stays where it is has iterations left. */
  #isRepeated(rip: bigint): boolean {
    const code = this.#vectors.codeAt(this.#codeBase + rip);
    const decoded = this.#vectors.machine.engine.decoder.decode(code, 0, LONGEST, this.#mode, true);
    return decoded instanceof Decoded && decoded.repeat !== 'none';
  }

  read(): VectorOutput {
    leaveState(this.#vectors.state, this.#outputState);
    return { state: this.#outputState, pages: this.#vectors.pages() };
  }
}
