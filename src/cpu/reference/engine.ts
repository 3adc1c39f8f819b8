/**
 * The reference engine: runs one instruction at a time straight from its definition, over BigInt. Slow and obvious; it
 * judges the fast engines in tests and is part of no guest.
 *
 * Not modelled: what happens between instructions (interrupts, traps, delivery of exceptions) and the host's part of
 * an instruction, which tests supply.
 */

import { CS, GP, PF, UD } from '../algebra.ts';
import { Decoded } from '../decode/decoded.ts';
import type { Decoder } from '../decode/decoder.ts';
import { vcpu } from '../state.ts';
import type { HostPart } from './context.ts';
import { Execution, type StopReason } from './execution.ts';
import { GuestFault, recordFault } from './fault.ts';
import { PAGE_BYTES, type ReferenceMemory } from './memory.ts';
import { isCanonical } from './segmentation.ts';
import { codeMode, isProtected, type StateBlock } from './state-block.ts';

const LONGEST = 15;
const USER = 3;

export interface StepResult {
  /** Undefined where no instruction could be fetched or decoded. */
  readonly decoded: Decoded | undefined;
  readonly fault: GuestFault | undefined;
  readonly stop: StopReason | undefined;
  /** The same instruction is to run again: a repeated one that is not done. */
  readonly again: boolean;
}

export class ReferenceEngine {
  readonly state: StateBlock;
  readonly #decoder: Decoder;
  readonly #memory: ReferenceMemory;
  readonly #host: HostPart;
  readonly #code = new Uint8Array(LONGEST);

  constructor(decoder: Decoder, state: StateBlock, memory: ReferenceMemory, host: HostPart) {
    this.#decoder = decoder;
    this.state = state;
    this.#memory = memory;
    this.#host = host;
  }

  /** Runs the instruction at CS:RIP. A fault is left in the state's `fault...` fields too, and not delivered. */
  step(): StepResult {
    let decoded: Decoded;
    try {
      decoded = this.#fetch();
    } catch (error) {
      return this.#ended(undefined, error);
    }
    return this.execute(decoded);
  }

  /** As `step`, for an instruction decoded already. */
  execute(decoded: Decoded): StepResult {
    const { state } = this;
    try {
      if (decoded.form.cpl0 && state.number(vcpu.cpl) !== 0) throw new GuestFault(GP, 0);
      const execution = new Execution(decoded, state, this.#memory, this.#host);
      decoded.instruction.semantics(execution, ...decoded.operands);
      state.set(vcpu.rip, execution.next);
      return { decoded, fault: undefined, stop: execution.stopped, again: execution.runsAgain };
    } catch (error) {
      return this.#ended(decoded, error);
    }
  }

  #ended(decoded: Decoded | undefined, fault: unknown): StepResult {
    if (!(fault instanceof GuestFault)) throw fault;
    recordFault(this.state, fault);
    return { decoded, fault, stop: undefined, again: false };
  }

  /** Fetches no further than the instruction reaches: the next page may fault, or be beyond the limit. */
  #fetch(): Decoded {
    const mode = codeMode(this.state);
    const protectedMode = isProtected(this.state);
    for (let available = 0; ; ) {
      available += this.#fetchMore(mode, available);
      const result = this.#decoder.decode(this.#code, 0, available, mode, protectedMode);
      if (result instanceof Decoded) return result;
      if (result === 'undefined') throw new GuestFault(UD);
      if (result === 'too-long') throw new GuestFault(GP, 0);
    }
  }

  /** Appends to the `available` bytes of code what their page, the limit of CS and the longest instruction allow. */
  #fetchMore(mode: 16 | 32 | 64, available: number): number {
    const { state } = this;
    let linear = state.get(vcpu.rip) + BigInt(available);
    let count = LONGEST - available;
    if (mode === 64) {
      linear = BigInt.asUintN(64, linear);
      if (!isCanonical(state, linear)) throw new GuestFault(GP, 0);
    } else {
      const left = state.get(vcpu.segmentLimit, CS) - linear + 1n;
      if (left <= 0n) throw new GuestFault(GP, 0);
      if (left < count) count = Number(left);
      linear = BigInt.asUintN(32, state.get(vcpu.segmentBase, CS) + linear);
    }
    const page = this.#memory.page(linear, 'execute', state.number(vcpu.cpl) === USER);
    if (typeof page === 'number') throw new GuestFault(PF, page, linear);
    const start = Number(linear & BigInt(PAGE_BYTES - 1));
    count = Math.min(count, PAGE_BYTES - start);
    this.#code.set(page.subarray(start, start + count), available);
    return count;
  }
}
