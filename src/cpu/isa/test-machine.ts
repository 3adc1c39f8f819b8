/**
 * A few pages and the reference engine, for tests of single instructions in any mode at CPL 0:
 *
 *     0x1000 code     0x2000-0x5fff data     0x6000 read only     0x7000 absent
 */

import { CS, SS } from '../algebra.ts';
import { Decoder } from '../decode/decoder.ts';
import { ReferenceEngine, type StepResult } from '../reference/engine.ts';
import { FlatMemory, loadBits, storeBits } from '../reference/memory.ts';
import { packedFlags, StateBlock, unpackFlags } from '../reference/state-block.ts';
import { vcpu } from '../state.ts';
import { instructions } from './index.ts';

const CODE = 0x1000n;
const READ_ONLY = 0x6000n;
const END = 0x7000n;
const PAGE = 0x1000n;

const CR0_PE = 1n;
const EFER_LMA = 1n << 10n;
const ACCESS_DATA = 0x93n;
const ACCESS_CODE = 0x9bn;
const ACCESS_L = 1n << 13n;
const ACCESS_DB = 1n << 14n;

export const CF = 0x1;
export const ZF = 0x40;
export const TF = 0x100;
export const DF = 0x400;

const decoder = new Decoder(instructions);

export class TestMachine {
  readonly state = new StateBlock();
  readonly #memory = new FlatMemory();
  readonly #engine = new ReferenceEngine(decoder, this.state, this.#memory, () => 0x0123_4567_89ab_cdefn);

  constructor(mode: 16 | 32 | 64) {
    const { state } = this;
    state.set(vcpu.cr0, CR0_PE);
    if (mode === 64) state.set(vcpu.efer, EFER_LMA);
    const size = mode === 64 ? ACCESS_L : mode === 32 ? ACCESS_DB : 0n;
    for (let segment = 0; segment < 6; segment++) {
      state.set(vcpu.segmentAccess, segment === CS ? ACCESS_CODE | size : ACCESS_DATA | ACCESS_DB, segment);
      state.set(vcpu.segmentLimit, 0xffff_ffffn, segment);
    }
    for (let page = CODE; page < END; page += PAGE) {
      const writable = page < READ_ONLY;
      this.#memory.map(page, { bytes: new Uint8Array(Number(PAGE)), user: true, writable, executable: page === CODE });
    }
    unpackFlags(state, 2);
  }

  /** SS.B: a 16-bit stack. */
  narrowStack(): void {
    this.state.set(vcpu.segmentAccess, ACCESS_DATA, SS);
  }

  /** Runs one instruction (one chunk of a repeated one), given in hexadecimal. */
  step(code: string): StepResult {
    const bytes = code.split(' ').map((byte) => Number.parseInt(byte, 16));
    for (const [i, byte] of bytes.entries()) this.store(Number(CODE) + i, 8, BigInt(byte));
    this.state.set(vcpu.rip, CODE);
    return this.#engine.step();
  }

  gpr(register: number): bigint {
    return this.state.get(vcpu.gpr, register);
  }

  setGpr(register: number, value: bigint | number): void {
    this.state.set(vcpu.gpr, BigInt(value), register);
  }

  /** Offset of the next instruction from the one that ran. */
  get advance(): bigint {
    return this.state.get(vcpu.rip) - CODE;
  }

  get flags(): number {
    return packedFlags(this.state);
  }

  set flags(value: number) {
    unpackFlags(this.state, value | 2);
  }

  load(address: number, width: number): bigint {
    return loadBits(this.#memory, BigInt(address), width / 8, false);
  }

  store(address: number, width: number, value: bigint): void {
    storeBits(this.#memory, BigInt(address), width / 8, value, false);
  }
}
