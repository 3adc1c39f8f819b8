/** The two engines that are compared, each with the address space of the hardware vectors at CPL 3, in any code size. */

import { CS, DS, ES, FS, GS, type HostCall, SS } from '../../src/cpu/algebra.ts';
import type { CodeMode } from '../../src/cpu/decode/decoded.ts';
import { ReferenceEngine } from '../../src/cpu/reference/engine.ts';
import { loadBits } from '../../src/cpu/reference/memory.ts';
import type { StateBlock } from '../../src/cpu/reference/state-block.ts';
import { vcpu } from '../../src/cpu/state.ts';
import { VectorMachine } from '../hardware/tier-engine.ts';
import { CODE, DATA, PAGE, PAGES } from '../hardware/layout.ts';
import { VectorMemory } from '../hardware/reference-engine.ts';
import { MachineState } from '../hardware/state.ts';
import { enterState, leaveState, undeliver } from '../hardware/vcpu.ts';
import type { Fault } from '../hardware/vectors.ts';
import type { DifferentialCase } from './case.ts';
import { decoder } from './sequence.ts';

const CODE_ACCESS = { 64: 0xa0fbn, 32: 0xc0fbn, 16: 0x00fbn } as const;
const DATA_ACCESS = { 64: 0xc0f3n, 32: 0xc0f3n, 16: 0x00f3n } as const;
const CODE_SELECTOR = { 64: 0x33n, 32: 0x23n, 16: 0x23n } as const;
const DATA_SELECTOR = 0x2bn;
const LAST_16 = 0xffffn;
const RFLAGS_TF = 0x100;

/** How a side ended. */
export interface Outcome {
  readonly fault: Fault | undefined;
  readonly state: MachineState;
  /** x87 instruction and operand pointers, opcode. */
  readonly pointers: readonly bigint[];
  readonly pages: readonly Uint8Array[];
}

/** 16-bit segments begin with the code and the data, so that offsets of 16 bits reach them. */
function enterMode(block: StateBlock, mode: CodeMode): void {
  block.set(vcpu.segmentAccess, CODE_ACCESS[mode], CS);
  block.set(vcpu.segmentAccess, DATA_ACCESS[mode], SS);
  block.set(vcpu.segmentSelector, CODE_SELECTOR[mode], CS);
  for (const field of [vcpu.fop, vcpu.fip, vcpu.fdp, vcpu.fcs, vcpu.fds]) block.set(field, 0n);
  if (mode === 64) return;
  for (const segment of [ES, DS, FS, GS]) {
    block.set(vcpu.segmentAccess, DATA_ACCESS[mode], segment);
    block.set(vcpu.segmentSelector, DATA_SELECTOR, segment);
  }
  block.set(vcpu.segmentBase, BigInt.asUintN(32, block.get(vcpu.segmentBase, GS)), GS);
  if (mode === 32) return;
  for (const segment of [ES, CS, SS, DS, FS, GS]) block.set(vcpu.segmentLimit, LAST_16, segment);
  block.set(vcpu.segmentBase, BigInt(CODE), CS);
  for (const segment of [ES, SS, DS]) block.set(vcpu.segmentBase, BigInt(DATA), segment);
}

function outcome(block: StateBlock, fault: Fault | undefined, pages: readonly Uint8Array[]): Outcome {
  const state = new MachineState();
  leaveState(block, state);
  const pointers = [vcpu.fop, vcpu.fip, vcpu.fdp, vcpu.fcs, vcpu.fds].map((field) => block.get(field));
  return { fault, state, pointers, pages };
}

/** Runs a case until a fault, TF or `limit` instructions. */
export interface Side {
  run(input: DifferentialCase, limit: number): Outcome;
}

/** The machine around the processor, as `TestMachine` has it. Only what jumps into the middle of code gets here. */
function hostPart(call: HostCall, _args: readonly bigint[], state: StateBlock): bigint {
  if (call === 'cpuid') for (let register = 0; register < 4; register++) state.set(vcpu.gpr, 0n, register);
  return call === 'rdmsr' || call === 'wrmsr' ? 1n : 0n;
}

export class ReferenceSide implements Side {
  readonly #memory = new VectorMemory();
  readonly #engine = new ReferenceEngine(decoder, this.#memory.state, this.#memory.flat, hostPart);

  run(input: DifferentialCase, limit: number): Outcome {
    const { state, flat, pages } = this.#memory;
    pages.forEach((page, i) => void page.set(input.window.subarray(i * PAGE, (i + 1) * PAGE)));
    enterState(state, input.state);
    enterMode(state, input.mode);
    const load = (linear: bigint): bigint => loadBits(flat, linear, 8, false);
    let fault: Fault | undefined;
    for (let i = 0; i < limit && fault === undefined; i++) {
      const step = this.#engine.step();
      if (step.fault !== undefined) {
        const { vector, errorCode, linear } = step.fault;
        fault = { vector, errorCode: errorCode ?? 0, cr2: linear };
      } else {
        fault = undeliver(state, load);
      }
      if ((state.number(vcpu.rflags) & RFLAGS_TF) !== 0) break;
    }
    return outcome(state, fault, pages);
  }
}

export class InterpreterSide implements Side {
  readonly vectors = new VectorMachine('interpreter');

  run(input: DifferentialCase, limit: number): Outcome {
    const { vectors } = this;
    vectors.setPages(PAGES.map((_, i) => input.window.subarray(i * PAGE, (i + 1) * PAGE)));
    enterState(vectors.state, input.state);
    enterMode(vectors.state, input.mode);
    vectors.enter();
    const { cpu } = vectors.machine;
    const start = cpu.instructions;
    // PAUSE leaves the slice early.
    while (cpu.instructions - start < limit && cpu.run(limit - (cpu.instructions - start)) === 'yield');
    const fault = vectors.leave();
    return outcome(vectors.state, fault, vectors.pages());
  }
}
