/** A machine for tests of SSE definitions: one instruction at CPL 3 in 64-bit mode, run on the reference. */

import { CS } from '../../algebra.ts';
import { Decoder } from '../../decode/decoder.ts';
import { ReferenceEngine } from '../../reference/engine.ts';
import type { GuestFault } from '../../reference/fault.ts';
import { FlatMemory, PAGE_BYTES } from '../../reference/memory.ts';
import { StateBlock } from '../../reference/state-block.ts';
import { vcpu } from '../../state.ts';
import { sse } from './index.ts';

const CODE = 0x1000n;
const CODE_SEGMENT = 0x20fbn;
export const CR0_PE_PG = 0x8000_0001n;
export const CR4_OSFXSR = 1n << 9n;
export const CR4_OSXMMEXCPT = 1n << 10n;

const decoder = new Decoder(sse);

export class SseMachine {
  readonly state = new StateBlock();
  readonly #code = new Uint8Array(PAGE_BYTES);
  readonly #engine: ReferenceEngine;

  constructor() {
    const memory = new FlatMemory();
    memory.map(CODE, { bytes: this.#code, user: true, writable: false, executable: true });
    this.#engine = new ReferenceEngine(decoder, this.state, memory, () => 0n);
    const { state } = this;
    state.set(vcpu.cr0, CR0_PE_PG);
    state.set(vcpu.cr4, CR4_OSFXSR | CR4_OSXMMEXCPT);
    state.set(vcpu.efer, 0x500n);
    state.set(vcpu.cpl, 3n);
    state.set(vcpu.segmentLimit, 0xffff_ffffn, CS);
    state.set(vcpu.segmentAccess, CODE_SEGMENT, CS);
  }

  run(code: readonly number[]): GuestFault | undefined {
    this.#code.set(code);
    this.state.set(vcpu.rip, CODE);
    return this.#engine.step().fault;
  }
}
