/**
 * IN, OUT, INS, OUTS: SDM Vol. 1 chapter 19 "Input/Output". A repeated INS or OUTS handles one element at each
 * execution.
 */

import { type Address, type Algebra, defineRoutine, ES, GP, TR, type Value } from '../../algebra.ts';
import { RCX, RDI, RDX, RSI, vcpu } from '../../state.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { widthOf } from '../widths.ts';
import { anySet, ioPrivilegeLevel, isProtectedMode, isVirtual8086 } from './modes.ts';
import { FLAG_DF } from './rflags.ts';

/** Place of the I/O map's base address in the TSS, and least limit of a TSS that has one. */
const TSS_IO_MAP = 102;
const TSS_LIMIT = 103;

type PortWidth = 8 | 16 | 32;

/** (port, bytes): #GP(0) unless the program may use these ports (§19.5.2 "I/O Permission Bit Map"). */
const checkPorts = defineRoutine({
  name: 'checkPorts',
  params: [32, 32],
  results: [],
  faults: true,
  body(m, port, bytes) {
    const asks = m.or(isVirtual8086(m), m.ltU(ioPrivilegeLevel(m), m.get(vcpu.cpl)));
    m.if(m.and(isProtectedMode(m), asks), () => {
      const base = m.getAt(vcpu.segmentBase, TR);
      const limit = m.getAt(vcpu.segmentLimit, TR);
      const is32 = m.bit(m.getAt(vcpu.segmentAccess, TR), 3);
      m.if(m.or(m.not(is32), m.ltU(limit, m.const(32, TSS_LIMIT))), () => m.raise(GP, 0));
      const map = m.zext(m.loadSystem(16, m.add(base, m.const(64, TSS_IO_MAP))), 32);
      // Two bytes are read always, as the ports may straddle them.
      const place = m.add(map, m.shr(port, 3));
      m.if(m.ltU(limit, m.add(place, m.const(32, 1))), () => m.raise(GP, 0));
      const bits = m.zext(m.loadSystem(16, m.add(base, m.zext(place, 64))), 32);
      const asked = m.sub(m.shl(m.const(32, 1), bytes), m.const(32, 1));
      const denied = m.and(m.shr(bits, m.and(port, m.const(32, 7))), asked);
      m.if(m.ne(denied, m.const(32, 0)), () => m.raise(GP, 0));
    });
    return [];
  },
});

function portRead(m: Algebra, port: Value, width: PortWidth): Value {
  return m.trunc(m.host('portRead', port, m.const(32, width / 8)), width);
}

function portWrite(m: Algebra, port: Value, value: Value): void {
  m.host('portWrite', port, m.const(32, widthOf(value) / 8), m.zext(value, 32));
}

const IN = defineInstruction({
  name: 'IN',
  sdm: 'Vol. 2A "IN - Input From Port"',
  forms: ['E4 AL,Ib ends', 'E5 zAX,Ib ends', 'EC AL,DX ends', 'ED zAX,DX ends'],
  semantics(m, dst, src) {
    const width = widthOf(dst) as PortWidth;
    const port = m.zext(m.read(src), 32);
    m.call(checkPorts, port, m.const(32, width / 8));
    m.write(dst, portRead(m, port, width));
  },
});

const OUT = defineInstruction({
  name: 'OUT',
  sdm: 'Vol. 2B "OUT - Output to Port"',
  // The manual names the port first; the form language wants immediates last.
  forms: ['E6 AL,Ib ends', 'E7 zAX,Ib ends', 'EE AL,DX ends', 'EF zAX,DX ends'],
  semantics(m, src, dst) {
    const value = m.read(src);
    const port = m.zext(m.read(dst), 32);
    m.call(checkPorts, port, m.const(32, widthOf(src) / 8));
    portWrite(m, port, value);
  },
});

function step(m: Algebra, register: number, width: PortWidth): void {
  const bytes = m.const(m.addressSize, width / 8);
  const backwards = anySet(m, m.get(vcpu.rflags), FLAG_DF);
  m.setGpr(register, m.add(m.getGpr(register, m.addressSize), m.select(backwards, m.neg(bytes), bytes)));
}

/** Runs `element` once; repeated, while rCX is not 0. */
function repeat(m: Algebra, element: () => void): void {
  if (m.repeat === 'none') {
    element();
    return;
  }
  const width = m.addressSize;
  m.if(m.ne(m.getGpr(RCX, width), m.const(width, 0)), () => {
    element();
    const left = m.sub(m.getGpr(RCX, width), m.const(width, 1));
    m.setGpr(RCX, left);
    m.if(m.ne(left, m.const(width, 0)), () => m.again());
  });
}

function input(m: Algebra, width: PortWidth): void {
  const port = m.zext(m.getGpr(RDX, 16), 32);
  m.call(checkPorts, port, m.const(32, width / 8));
  repeat(m, () => {
    const address: Address = m.at(ES, m.getGpr(RDI, m.addressSize));
    // A port must not be read where its value cannot be kept.
    m.probeWrite(address, width / 8);
    m.store(address, portRead(m, port, width));
    step(m, RDI, width);
  });
}

function output(m: Algebra, width: PortWidth): void {
  const port = m.zext(m.getGpr(RDX, 16), 32);
  m.call(checkPorts, port, m.const(32, width / 8));
  repeat(m, () => {
    portWrite(m, port, m.load(width, m.at(m.dataSegment, m.getGpr(RSI, m.addressSize))));
    step(m, RSI, width);
  });
}

/** Of the operand size; 64 bits count as 32. */
function portWidth(m: Algebra): PortWidth {
  return m.operandSize === 16 ? 16 : 32;
}

const SDM_INS = 'Vol. 2A "INS/INSB/INSW/INSD - Input From Port to String"';
const SDM_OUTS = 'Vol. 2B "OUTS/OUTSB/OUTSW/OUTSD - Output String to Port"';

export const ports: readonly Instruction[] = [
  IN,
  OUT,
  defineInstruction({ name: 'INSB', sdm: SDM_INS, forms: ['6C rep ends'], semantics: (m) => input(m, 8) }),
  defineInstruction({ name: 'INS', sdm: SDM_INS, forms: ['6D rep ends'], semantics: (m) => input(m, portWidth(m)) }),
  defineInstruction({ name: 'OUTSB', sdm: SDM_OUTS, forms: ['6E rep ends'], semantics: (m) => output(m, 8) }),
  defineInstruction({ name: 'OUTS', sdm: SDM_OUTS, forms: ['6F rep ends'], semantics: (m) => output(m, portWidth(m)) }),
];
