/** The engines that are compared, each with the address space of the hardware vectors at CPL 3, in any code size. */

import { CS, DS, ES, FS, GS, type HostCall, SS } from '../../src/cpu/algebra.ts';
import type { CodeMode } from '../../src/cpu/decode/decoded.ts';
import { NO_EXECUTE, PRESENT, USER, WRITABLE } from '../../src/cpu/interpreter/test-machine.ts';
import { ReferenceEngine } from '../../src/cpu/reference/engine.ts';
import { loadBits } from '../../src/cpu/reference/memory.ts';
import type { StateBlock } from '../../src/cpu/reference/state-block.ts';
import { vcpu } from '../../src/cpu/state.ts';
import type { EngineChoice, TranslatorStats } from '../../src/cpu/translator/statistics.ts';
import { CODE, CODE_PAGES, DATA, PAGE, PAGES } from '../hardware/layout.ts';
import { VectorMemory } from '../hardware/reference-engine.ts';
import { MachineState } from '../hardware/state.ts';
import { VectorMachine } from '../hardware/tier-engine.ts';
import { enterState, HANDLERS, leaveState, undeliver } from '../hardware/vcpu.ts';
import type { Fault } from '../hardware/vectors.ts';
import type { DifferentialCase } from './case.ts';
import { CODE_ALIAS, DEVICE } from './places.ts';
import { decoder } from './sequence.ts';

const CODE_ACCESS = { 64: 0xa0fbn, 32: 0xc0fbn, 16: 0x00fbn } as const;
const DATA_ACCESS = { 64: 0xc0f3n, 32: 0xc0f3n, 16: 0x00f3n } as const;
const CODE_SELECTOR = { 64: 0x33n, 32: 0x23n, 16: 0x23n } as const;
const DATA_SELECTOR = 0x2bn;
const LAST_16 = 0xffffn;
const RFLAGS_TF = 0x100;
/** Beyond the machine's memory. */
const DEVICE_PHYSICAL = 0xfe00_0000;
/** Of so many accesses to the device, one asks for attention. */
const DEVICE_QUIET = 3;
const INTERRUPT_VECTOR = 0x80;

/** How a side ended. */
export interface Outcome {
  readonly instructions: number;
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

function outcome(
  block: StateBlock,
  { instructions, fault, pages }: Pick<Outcome, 'instructions' | 'fault' | 'pages'>,
): Outcome {
  const state = new MachineState();
  leaveState(block, state);
  const pointers = [vcpu.fop, vcpu.fip, vcpu.fdp, vcpu.fcs, vcpu.fds].map((field) => block.get(field));
  return { instructions, fault, state, pointers, pages };
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
  readonly #device = new Uint8Array(PAGE);

  constructor() {
    const { flat, pages } = this.#memory;
    const rights = { user: true, writable: true, executable: false };
    for (let i = 0; i < CODE_PAGES; i++) {
      flat.map(BigInt(CODE_ALIAS + i * PAGE), { bytes: pages[i] as Uint8Array, ...rights });
    }
    flat.map(BigInt(DEVICE), { bytes: this.#device, ...rights });
  }

  run(input: DifferentialCase, limit: number): Outcome {
    const { state, flat, pages } = this.#memory;
    pages.forEach((page, i) => void page.set(input.window.subarray(i * PAGE, (i + 1) * PAGE)));
    this.#device.fill(0);
    enterState(state, input.state);
    enterMode(state, input.mode);
    const load = (linear: bigint): bigint => loadBits(flat, linear, 8, false);
    let fault: Fault | undefined;
    let instructions = 0;
    for (; instructions < limit && fault === undefined; instructions++) {
      const step = this.#engine.step();
      if (step.fault !== undefined) {
        const { vector, errorCode, linear } = step.fault;
        fault = { vector, errorCode: errorCode ?? 0, cr2: linear };
      } else {
        fault = undeliver(state, load);
      }
      if ((state.number(vcpu.rflags) & RFLAGS_TF) !== 0) break;
    }
    return outcome(state, { instructions, fault, pages: [...pages, this.#device] });
  }
}

/** A tier of generated code, with the device and the second view of the code. */
export class TierSide implements Side {
  readonly vectors: VectorMachine;
  readonly #device = new Uint8Array(PAGE);
  #deviceAccesses = 0;

  constructor(tiers: EngineChoice) {
    this.vectors = new VectorMachine(tiers);
    const { machine } = this.vectors;
    for (let i = 0; i < CODE_PAGES; i++) this.vectors.alias(i, CODE_ALIAS + i * PAGE);
    machine.map(BigInt(DEVICE), DEVICE_PHYSICAL, PRESENT | USER | WRITABLE | NO_EXECUTE);
    const view = new DataView(this.#device.buffer);
    machine.devices = {
      deviceRead: (physical, bytes) => {
        this.#ask();
        let value = 0n;
        for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(view.getUint8((physical % PAGE) + i));
        return value;
      },
      deviceWrite: (physical, bytes, value) => {
        this.#ask();
        for (let i = 0; i < bytes; i++) view.setUint8((physical % PAGE) + i, Number((value >> BigInt(8 * i)) & 0xffn));
      },
    };
  }

  get translator(): TranslatorStats {
    return this.vectors.machine.engine.translatorStats;
  }

  #ask(): void {
    if (this.#deviceAccesses++ % DEVICE_QUIET === 0) this.vectors.machine.cpu.attention = true;
  }

  run(input: DifferentialCase, limit: number): Outcome {
    const { vectors } = this;
    const { cpu, engine } = vectors.machine;
    vectors.setPages(PAGES.map((_, i) => input.window.subarray(i * PAGE, (i + 1) * PAGE)));
    this.#device.fill(0);
    this.#deviceAccesses = 0;
    if (engine.translator !== undefined) engine.blocks.countdown = input.hot.entries;
    enterState(vectors.state, input.state);
    enterMode(vectors.state, input.mode);
    vectors.enter();
    const start = cpu.instructions;
    this.#runSlices(input, limit);
    const fault = vectors.leave();
    return outcome(vectors.state, {
      instructions: cpu.instructions - start,
      fault,
      pages: [...vectors.pages(), this.#device],
    });
  }

  #runSlices({ slices, interrupted }: DifferentialCase, limit: number): void {
    const { cpu } = this.vectors.machine;
    const end = cpu.instructions + limit;
    for (let slice = 0; cpu.instructions < end; slice++) {
      // The reference's runs end with the instruction that sets TF.
      const rip = cpu.get(vcpu.rip);
      const delivered = rip >= HANDLERS && rip < HANDLERS + BigInt(PAGE);
      if ((cpu.get32(vcpu.rflags) & RFLAGS_TF) !== 0 || delivered) return;
      const reason = cpu.run(Math.min(end - cpu.instructions, slices[slice % slices.length] as number));
      if (reason === 'halt' || reason === 'shutdown') return;
      // Code that was written over, or the device.
      cpu.attention = false;
      const mayInterrupt = cpu.get(vcpu.rip) < HANDLERS && (cpu.get32(vcpu.rflags) & RFLAGS_TF) === 0;
      if (interrupted && mayInterrupt) this.vectors.interrupt(INTERRUPT_VECTOR);
    }
  }
}
