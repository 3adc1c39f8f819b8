/**
 * FXSAVE and FXRSTOR (SDM Vol. 2A "FXSAVE - Save x87 FPU, MMX Technology, and SSE State"), and their image in parts for
 * XSAVE's legacy region.
 *
 *     +0  FCW   +2  FSW   +4  a bit per physical register that is not empty   +6  FOP
 *     +8  FIP (64 bits with REX.W, else 32 and CS)                           +16  FDP (likewise, DS)
 *    +24  MXCSR, MXCSR_MASK   +32  ST(0) to ST(7), 16 bytes each   +160  XMM0 to XMM15 (XMM7 outside 64-bit mode)
 */

import { type Address, type Algebra, GP, type Operand, type Value } from '../algebra.ts';
import { vcpu } from '../state.ts';
import { any } from './fp/format.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { loadControlAndStatus, statusWord } from './x87-control.ts';
import { available, getExtended, physical } from './x87-stack.ts';

const IMAGE_BYTES = 512;
const MXCSR_OFFSET = 24;
const ST_OFFSET = 32;
const XMM_OFFSET = 160;
/** Bits of MXCSR that exist; others set are #GP(0). */
export const MXCSR_MASK = 0xffff;

const REGISTERS = [0, 1, 2, 3, 4, 5, 6, 7];

/** What is left to do once every load is done and nothing can fault any more. */
export type Apply = () => void;

/** FCW to FDP and the registers. `wide`: pointers of 64 bits. */
export function storeX87Image(m: Algebra, address: Address, wide: boolean): void {
  const at = (offset: number, value: Value): void => m.store(m.offset(address, offset), value);
  const pointer = (value: Value): Value => (wide ? value : m.zext(m.trunc(value, 32), 64));
  at(0, m.get(vcpu.fcw));
  at(2, statusWord(m));
  at(4, m.trunc(m.xor(m.get(vcpu.fpuEmpty), m.const(32, 0xff)), 16));
  at(6, m.get(vcpu.fop));
  at(8, pointer(m.get(vcpu.fip)));
  at(16, pointer(m.get(vcpu.fdp)));
  for (const i of REGISTERS) {
    const { head, significand } = getExtended(m, physical(m, i));
    at(ST_OFFSET + 16 * i, m.join(significand, m.zext(head, 64)));
  }
}

export function loadX87Image(m: Algebra, address: Address, wide: boolean): Apply {
  const at = (offset: number, type: 16 | 32 | 64): Value => m.load(type, m.offset(address, offset));
  const control = at(0, 16);
  const status = at(2, 16);
  const full = m.and(m.zext(at(4, 16), 32), m.const(32, 0xff));
  const fop = at(6, 16);
  const [fip, fdp] = [8, 16].map((offset) => m.zext(at(offset, wide ? 64 : 32), 64));
  const values = REGISTERS.map((i) => {
    const offset = ST_OFFSET + 16 * i;
    return { significand: at(offset, 64), head: at(offset + 8, 16) };
  });
  return () => {
    loadControlAndStatus(m, control, status);
    m.set(vcpu.fpuEmpty, m.xor(full, m.const(32, 0xff)));
    m.set(vcpu.fop, m.and(fop, m.const(16, 0x7ff)));
    m.set(vcpu.fip, fip);
    m.set(vcpu.fdp, fdp);
    values.forEach(({ significand, head }, i) => {
      m.setAt(vcpu.stMantissa, physical(m, i), significand);
      m.setAt(vcpu.stExponent, physical(m, i), head);
    });
  };
}

export function storeMxcsrImage(m: Algebra, address: Address): void {
  m.store(m.offset(address, MXCSR_OFFSET), m.get(vcpu.mxcsr));
  m.store(m.offset(address, MXCSR_OFFSET + 4), m.const(32, MXCSR_MASK));
}

export function loadMxcsrImage(m: Algebra, address: Address): Apply {
  const mxcsr = m.load(32, m.offset(address, MXCSR_OFFSET));
  m.if(any(m, mxcsr, ~MXCSR_MASK), () => m.raise(GP, 0));
  return () => m.set(vcpu.mxcsr, mxcsr);
}

function xmmRegisters(m: Algebra): number[] {
  return Array.from({ length: m.mode === 64 ? 16 : 8 }, (_, i) => i);
}

export function storeXmmImage(m: Algebra, address: Address): void {
  for (const i of xmmRegisters(m)) m.store(m.offset(address, XMM_OFFSET + 16 * i), m.getXmm(i));
}

export function loadXmmImage(m: Algebra, address: Address): Apply {
  const values = xmmRegisters(m).map((i) => m.load(128, m.offset(address, XMM_OFFSET + 16 * i)));
  return () => {
    values.forEach((value, i) => {
      m.setXmm(i, value);
    });
  };
}

/** The operand's address, which must be on 16 bytes. Processors try the last byte of the image, then the first one. */
function imageAddress(m: Algebra, operand: Operand, access: 'read' | 'write'): Address {
  const address = m.memory(operand);
  m.if(any(m, m.linear(address, IMAGE_BYTES, access), 15), () => m.raise(GP, 0));
  for (const offset of [IMAGE_BYTES - 1, 0]) {
    const end = m.offset(address, offset);
    if (access === 'write') m.probeWrite(end, 1);
    else m.load(8, end);
  }
  return address;
}

function save(name: string, form: string, wide: boolean): Instruction {
  return defineInstruction({
    name,
    sdm: 'Vol. 2A "FXSAVE - Save x87 FPU, MMX Technology, and SSE State"',
    feature: 'fxsr',
    forms: [form],
    semantics(m, to) {
      available(m);
      const address = imageAddress(m, to, 'write');
      storeX87Image(m, address, wide);
      storeMxcsrImage(m, address);
      storeXmmImage(m, address);
    },
  });
}

function restore(name: string, form: string, wide: boolean): Instruction {
  return defineInstruction({
    name,
    sdm: 'Vol. 2A "FXRSTOR - Restore x87 FPU, MMX, XMM, and MXCSR State"',
    feature: 'fxsr',
    forms: [form],
    semantics(m, from) {
      available(m);
      const address = imageAddress(m, from, 'read');
      const parts = [loadMxcsrImage(m, address), loadX87Image(m, address, wide), loadXmmImage(m, address)];
      for (const apply of parts) apply();
    },
  });
}

export const fxsave: readonly Instruction[] = [
  save('FXSAVE', 'NP W0 0F AE /0 M', false),
  save('FXSAVE64', 'NP W1 0F AE /0 M', true),
  restore('FXRSTOR', 'NP W0 0F AE /1 M', false),
  restore('FXRSTOR64', 'NP W1 0F AE /1 M', true),
];
