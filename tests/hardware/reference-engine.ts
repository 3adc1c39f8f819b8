/** The reference as an engine that hardware vectors can be run on. */

import type { Decoder } from '../../src/cpu/decode/decoder.ts';
import { ReferenceEngine, type StepResult } from '../../src/cpu/reference/engine.ts';
import { FlatMemory, loadBits } from '../../src/cpu/reference/memory.ts';
import { StateBlock } from '../../src/cpu/reference/state-block.ts';
import { PAGE, PAGES } from './layout.ts';
import { MachineState } from './state.ts';
import { enterState, leaveState, SYSTEM, systemPages, undeliver } from './vcpu.ts';
import type { Fault, VectorEngine, VectorInput, VectorOutput } from './vectors.ts';

/** The address space of the vectors, and a vCPU's state to go with it. */
export class VectorMemory {
  readonly state = new StateBlock();
  readonly flat = new FlatMemory();
  /** Contents of the pages of `layout.ts`. */
  readonly pages = PAGES.map(() => new Uint8Array(PAGE));

  constructor() {
    PAGES.forEach(({ address, access }, i) => {
      const permissions = { user: true, writable: access === 'write', executable: access === 'execute' };
      this.flat.map(BigInt(address), { bytes: this.pages[i], ...permissions });
    });
    systemPages().forEach((bytes, i) => {
      this.flat.map(SYSTEM + BigInt(i * PAGE), { bytes, user: false, writable: true, executable: false });
    });
  }
}

export class ReferenceVectorEngine implements VectorEngine {
  readonly #memory = new VectorMemory();
  readonly #engine: ReferenceEngine;
  readonly #output: VectorOutput = { state: new MachineState(), pages: this.#memory.pages };

  constructor(decoder: Decoder) {
    this.#engine = new ReferenceEngine(decoder, this.#memory.state, this.#memory.flat, (call) => {
      throw new Error(`no vector calls the monitor: ${call}`);
    });
  }

  load(input: VectorInput): void {
    input.pages.forEach((page, i) => void this.#memory.pages[i].set(page.bytes));
    enterState(this.#memory.state, input.state, input.mode);
  }

  step(): { readonly fault?: Fault | undefined } {
    let result: StepResult;
    do result = this.#engine.step();
    while (result.again);
    const { fault } = result;
    if (fault === undefined)
      return { fault: undeliver(this.#memory.state, (linear) => loadBits(this.#memory.flat, linear, 8, false)) };
    return { fault: { vector: fault.vector, errorCode: fault.errorCode ?? 0, cr2: fault.linear } };
  }

  read(): VectorOutput {
    leaveState(this.#memory.state, this.#output.state);
    return this.#output;
  }
}
