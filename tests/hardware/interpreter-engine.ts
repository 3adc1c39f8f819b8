/**
 * The interpreter tier as an engine that hardware vectors can be run on: with page tables in guest memory, and
 * exceptions delivered through the interrupt descriptor table, whose gates lead to HLT.
 */

import { Decoded } from '../../src/cpu/decode/decoded.ts';
import { NO_EXECUTE, PRESENT, TestMachine, USER, WRITABLE } from '../../src/cpu/interpreter/test-machine.ts';
import { StateBlock } from '../../src/cpu/reference/state-block.ts';
import { architecturalState, vcpu } from '../../src/cpu/state.ts';
import { CODE, PAGE, PAGES } from './layout.ts';
import { MachineState } from './state.ts';
import { enterState, HANDLERS, leaveState, SYSTEM, systemPages, undeliver } from './vcpu.ts';
import type { Fault, Form, VectorEngine, VectorInput, VectorOutput } from './vectors.ts';

/** Guest-physical addresses of the vectors' pages, of the supervisor's and of the handlers. */
const WINDOW = 0x10000;
const SUPERVISOR = 0x20000;
const HANDLER_CODE = 0x30000;
const HLT = 0xf4;
const ARCHITECTURAL_BYTES = Math.max(
  ...architecturalState.map(({ offset, type, count }) => offset + (type / 8) * count),
);
const LONGEST = 15;

export class InterpreterVectorEngine implements VectorEngine {
  readonly machine = new TestMachine();
  readonly #state = new StateBlock();
  readonly #outputState = new MachineState();
  /** Frames of the executable pages. */
  readonly #codePages: number[] = [];

  constructor() {
    const { machine } = this;
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
    this.#state.set(vcpu.cr3, BigInt(machine.root));
  }

  /** Generates the handlers of these forms' instructions at one go, which is faster than one by one. */
  prepare(forms: readonly Form[]): void {
    const { engine } = this.machine;
    for (const { code } of forms.flatMap(({ encodings }) => encodings)) {
      const decoded = engine.decoder.decode(code, 0, code.length, 64, true);
      if (decoded instanceof Decoded) engine.handler(decoded, { flat: false, stackAddressSize: 64, linked: false });
    }
    engine.flush();
  }

  load(input: VectorInput): void {
    const { machine } = this;
    for (const frame of this.#codePages) machine.engine.blocks.written(frame, PAGE);
    input.pages.forEach((page, i) => void machine.page(WINDOW + i * PAGE).set(page.bytes));
    enterState(this.#state, input.state);
    machine.memory.u8.set(this.#state.bytes.subarray(0, ARCHITECTURAL_BYTES), machine.cpu.base);
    machine.cpu.contextChanged();
  }

  step(): { readonly fault?: Fault | undefined } {
    const { cpu } = this.machine;
    const start = cpu.get(vcpu.rip);
    do cpu.run(1);
    while (cpu.get(vcpu.rip) === start && this.#isRepeated(start));
    const bytes = this.machine.memory.u8.subarray(cpu.base, cpu.base + ARCHITECTURAL_BYTES);
    this.#state.bytes.set(bytes);
    return { fault: undeliver(this.#state, (linear) => this.machine.read64(SUPERVISOR + Number(linear - SYSTEM))) };
  }

  /** A repeated instruction that stays where it is has iterations left. */
  #isRepeated(rip: bigint): boolean {
    const { machine } = this;
    const code = new Uint8Array(LONGEST);
    for (let i = 0; i < LONGEST; i++) {
      code[i] = machine.memory.u8[machine.machine(WINDOW + Number(rip) - CODE + i)];
    }
    const decoded = machine.engine.decoder.decode(code, 0, LONGEST, 64, true);
    return decoded instanceof Decoded && decoded.repeat !== 'none';
  }

  read(): VectorOutput {
    leaveState(this.#state, this.#outputState);
    return { state: this.#outputState, pages: PAGES.map((_, i) => this.machine.page(WINDOW + i * PAGE)) };
  }
}
