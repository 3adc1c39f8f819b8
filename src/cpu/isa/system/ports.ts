/**
 * IN, OUT, INS, OUTS: SDM Vol. 1 chapter 19 "Input/Output". A repeated INS or OUTS handles a chunk at each execution, as
 * the other string instructions do (`../strings.ts`): the device sees its elements one after the other, and interrupts
 * are taken behind the last of them.
 */

import { type Algebra, defineRoutine, ES, GP, TR, type Value } from '../../algebra.ts';
import { RDI, RDX, RSI, vcpu } from '../../state.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import {
  advance,
  destination,
  minimum,
  PAGE,
  repeat,
  type StringOperation,
  source,
  stringOperation,
} from '../strings.ts';
import { unsigned, widthOf } from '../widths.ts';
import { ioPrivilegeLevel, isProtectedMode, isVirtual8086 } from './modes.ts';

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

/** Bytes from the offset on that an expand-up segment has, or a flat one. */
function isInSegment(m: Algebra, segment: number, offset: Value, bytes: Value): Value {
  if (m.mode === 64) return m.const(1, 1);
  const limit = m.getAt(vcpu.segmentLimit, segment);
  const expandsDown = m.bit(m.getAt(vcpu.segmentAccess, segment), 2);
  const end = m.add(unsigned(m, offset, 64), m.zext(bytes, 64));
  const fits = m.leU(end, m.add(m.zext(limit, 64), m.const(64, 1)));
  return m.or(m.eq(limit, m.const(32, -1)), m.and(m.not(expandsDown), fits));
}

/**
 * Fast path: the elements of a forward chunk that lie in one page as one request, where the device takes it and memory can
 * be reached directly. An exit for each element would take a hundred times as long.
 */
function transferChunk(operation: StringOperation, port: Value, left: Value, access: 'read' | 'write'): Value {
  const { m, element, backwards, pointers } = operation;
  const width = m.addressSize;
  const shift = Math.log2(element / 8);
  const done = m.variable(m.const(width, 0));
  const offset = m.getGpr(pointers[0] as number, width);
  const segment = access === 'write' ? ES : m.dataSegment;
  const whole = m.shl(unsigned(m, left, 32), shift);
  const possible = m.and(m.not(backwards), isInSegment(m, segment, offset, whole));
  m.if(m.and(possible, m.ne(left, m.const(width, 0))), () => {
    const address = access === 'write' ? destination(operation) : source(operation);
    const linear = m.linear(address, element / 8, access);
    const room = m.sub(m.const(32, PAGE), m.and(m.trunc(linear, 32), m.const(32, PAGE - 1)));
    const count = minimum(m, left, unsigned(m, m.shr(room, shift), width));
    const bytes = m.shl(unsigned(m, count, 32), shift);
    const machine = m.machineAddress(linear, access);
    m.if(m.and(m.ne(machine, m.const(32, 0)), m.ne(bytes, m.const(32, 0))), () => {
      const call = access === 'write' ? 'portReadMany' : 'portWriteMany';
      const isDone = m.host(call, port, m.const(32, element / 8), machine, bytes);
      m.if(m.ne(isDone, m.const(32, 0)), () => {
        advance(operation, count);
        m.assign(done, count);
      });
    });
  });
  return m.use(done);
}

function input(m: Algebra, width: PortWidth): void {
  const port = m.zext(m.getGpr(RDX, 16), 32);
  m.call(checkPorts, port, m.const(32, width / 8));
  const operation = stringOperation(m, width, [RDI]);
  const element = (): void => {
    const address = destination(operation);
    // A port must not be read where its value cannot be kept.
    m.probeWrite(address, width / 8);
    m.store(address, portRead(m, port, width));
  };
  repeat(operation, element, (left) => transferChunk(operation, port, left, 'write'));
}

function output(m: Algebra, width: PortWidth): void {
  const port = m.zext(m.getGpr(RDX, 16), 32);
  m.call(checkPorts, port, m.const(32, width / 8));
  const operation = stringOperation(m, width, [RSI]);
  const element = (): void => portWrite(m, port, m.load(width, source(operation)));
  repeat(operation, element, (left) => transferChunk(operation, port, left, 'read'));
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
