/** A small machine for tests of the reference: code at 0x1000, two data pages from 0x2000, a read-only one at 0x4000. */

import type { Algebra } from '../algebra.ts';
import { CS, DS, ES, SS } from '../algebra.ts';
import { Decoder } from '../decode/decoder.ts';
import { defineInstruction } from '../isa/instruction.ts';
import { vcpu } from '../state.ts';
import { ReferenceEngine } from './engine.ts';
import { FlatMemory, PAGE_BYTES } from './memory.ts';
import { StateBlock } from './state-block.ts';

export interface TestMachine {
  readonly engine: ReferenceEngine;
  readonly state: StateBlock;
  readonly memory: FlatMemory;
  readonly data: Uint8Array;
}

export const CODE = 0x1000n;
export const DATA = 0x2000n;
export const READ_ONLY = 0x4000n;

const CODE_ACCESS = 0xfb;
const DATA_ACCESS = 0xf3;
const ACCESS_DB = 1 << 14;
const ACCESS_L = 1 << 13;

/** At CPL 3; opcode 90 (NOP's) has the meaning of `body`, and `form` may replace its form. */
export function machine(
  body: (m: Algebra, ...operands: Parameters<Parameters<typeof defineInstruction>[0]['semantics']>[1][]) => void,
  code: readonly number[],
  options: { mode?: 16 | 32 | 64; form?: string } = {},
): TestMachine {
  const { mode = 64, form = '90 ends' } = options;
  const decoder = new Decoder([defineInstruction({ name: 'TEST', sdm: 'none', forms: [form], semantics: body })]);
  const state = new StateBlock();
  const memory = new FlatMemory();
  const data = new Uint8Array(2 * PAGE_BYTES);
  const codePage = new Uint8Array(PAGE_BYTES);
  codePage.set(code);
  const plain = { user: true, writable: false, executable: false };
  memory.map(CODE, { ...plain, bytes: codePage, executable: true });
  memory.map(DATA, { ...plain, bytes: data.subarray(0, PAGE_BYTES), writable: true });
  memory.map(DATA + 0x1000n, { ...plain, bytes: data.subarray(PAGE_BYTES), writable: true });
  memory.map(READ_ONLY, { ...plain, bytes: new Uint8Array(PAGE_BYTES) });
  state.set(vcpu.cr0, 0x8000_0001n);
  state.set(vcpu.efer, mode === 64 ? 0x500n : 0n);
  state.set(vcpu.cpl, 3n);
  state.set(vcpu.rip, CODE);
  const size = mode === 64 ? ACCESS_L : mode === 32 ? ACCESS_DB : 0;
  for (const segment of [ES, CS, SS, DS]) {
    state.set(vcpu.segmentLimit, mode === 16 ? 0xffffn : 0xffff_ffffn, segment);
    state.set(vcpu.segmentAccess, BigInt((segment === CS ? CODE_ACCESS : DATA_ACCESS) | size), segment);
  }
  return { engine: new ReferenceEngine(decoder, state, memory, () => 0n), state, memory, data };
}
