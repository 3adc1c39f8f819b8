/** LAR, LSL, VERR, VERW, ARPL: SDM Vol. 3A §5.10 "Pointer Validation". */

import { type Algebra, defineRoutine, LDTR, type Operand, type Value } from '../../algebra.ts';
import { vcpu } from '../../state.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { unsigned, type Width } from '../widths.ts';
import { descriptorAccess, descriptorDpl, descriptorLimit } from './descriptors.ts';
import { isLongMode } from './modes.ts';
import { isNullSelector, requestedPrivilege } from './segment-registers.ts';

/** Types of system descriptors, as bits of a mask. */
const mask = (...types: number[]): number => types.reduce((all, type) => all | (1 << type), 0);
/** TSSs, LDT, gates; no interrupt or trap gates. */
const LAR_TYPES = mask(1, 2, 3, 4, 5, 9, 0xb, 0xc);
const LAR_TYPES_LONG = mask(2, 9, 0xb, 0xc);
/** Those that have a limit. */
const LSL_TYPES = mask(1, 2, 3, 9, 0xb);
const LSL_TYPES_LONG = mask(2, 9, 0xb);

/** (selector) -> (descriptor, 1 where there is one). Faults only where the table cannot be read. */
const findDescriptor = defineRoutine({
  name: 'findDescriptor',
  params: [16],
  results: [64, 32],
  faults: true,
  body(m, selector) {
    const descriptor = m.variable(m.const(64, 0));
    const found = m.variable(m.const(32, 0));
    const offset = m.and(m.zext(selector, 32), m.const(32, 0xfff8));
    const local = m.bit(selector, 2);
    const limit = m.select(local, m.getAt(vcpu.segmentLimit, LDTR), m.get(vcpu.gdtrLimit));
    const base = m.select(local, m.getAt(vcpu.segmentBase, LDTR), m.get(vcpu.gdtrBase));
    const noTable = m.and(local, m.bit(m.getAt(vcpu.segmentAccess, LDTR), 16));
    const outside = m.ltU(limit, m.add(offset, m.const(32, 7)));
    m.if(m.not(m.or(m.or(noTable, outside), isNullSelector(m, selector))), () => {
      m.assign(descriptor, m.loadSystem(64, m.add(base, m.zext(offset, 64))));
      m.assign(found, m.const(32, 1));
    });
    return [m.use(descriptor), m.use(found)];
  },
});

/** Whether the descriptor can be seen from CPL and RPL; conforming code always can. */
function isVisible(m: Algebra, selector: Value, access: Value): Value {
  const dpl = descriptorDpl(m, access);
  const conforming = m.eq(m.and(access, m.const(32, 0x1c)), m.const(32, 0x1c));
  const hidden = m.or(m.ltU(dpl, m.get(vcpu.cpl)), m.ltU(dpl, requestedPrivilege(m, selector)));
  return m.or(conforming, m.not(hidden));
}

/** (selector, system types, the same in IA-32e mode) -> (descriptor, 1 where LAR or LSL may tell of it) */
const inspectDescriptor = defineRoutine({
  name: 'inspectDescriptor',
  params: [16, 32, 32],
  results: [64, 32],
  faults: true,
  body(m, selector, types, longTypes) {
    const [descriptor, found] = m.call(findDescriptor, selector);
    const access = descriptorAccess(m, descriptor);
    const allowed = m.select(isLongMode(m), longTypes, types);
    const isSegment = m.bit(access, 4);
    const knownType = m.bit(m.shr(allowed, m.and(access, m.const(32, 0xf))), 0);
    const valid = m.and(m.or(isSegment, knownType), isVisible(m, selector, access));
    return [descriptor, m.and(found, m.zext(valid, 32))];
  },
});

/** The selector operand; a register may be wider than it. */
function selectorOf(m: Algebra, operand: Operand): Value {
  return m.trunc(m.read(operand), 16);
}

function inspect(
  name: string,
  sdm: string,
  opcode: string,
  types: readonly [number, number],
  result: (m: Algebra, descriptor: Value) => Value,
): Instruction {
  return defineInstruction({
    name,
    sdm,
    forms: [`0F ${opcode} /r Gv,Ew prot`],
    semantics(m, dst, src) {
      const arguments_ = types.map((value) => m.const(32, value));
      const [descriptor, valid] = m.call(inspectDescriptor, selectorOf(m, src), ...arguments_);
      const success = m.ne(valid, m.const(32, 0));
      m.if(success, () => m.write(dst, unsigned(m, result(m, descriptor), dst.type as Width)));
      m.setFlags({ ZF: success });
    },
  });
}

/** Access rights where they are in the descriptor's second doubleword. */
function accessRights(m: Algebra, descriptor: Value): Value {
  return m.and(m.trunc(m.shr(descriptor, 32), 32), m.const(32, 0x00f0ff00));
}

function verify(name: string, digit: number, writes: boolean): Instruction {
  return defineInstruction({
    name,
    sdm: 'Vol. 2C "VERR/VERW - Verify a Segment for Reading or Writing"',
    forms: [`0F 00 /${digit} Ew prot`],
    semantics(m, src) {
      const selector = selectorOf(m, src);
      const [descriptor, found] = m.call(findDescriptor, selector);
      const access = descriptorAccess(m, descriptor);
      const isCode = m.bit(access, 3);
      const flagged = m.bit(access, 1);
      const permitted = writes ? m.and(m.not(isCode), flagged) : m.or(m.not(isCode), flagged);
      const usable = m.and(m.and(m.bit(access, 4), permitted), isVisible(m, selector, access));
      m.setFlags({ ZF: m.and(usable, m.ne(found, m.const(32, 0))) });
    },
  });
}

const ARPL = defineInstruction({
  name: 'ARPL',
  sdm: 'Vol. 2A "ARPL - Adjust RPL Field of Segment Selector"',
  forms: ['63 /r Ew,Gw prot i64'],
  semantics(m, dst, src) {
    // Memory that is not to be changed need not be writable.
    const selector = m.read(dst);
    const rpl = m.and(m.read(src), m.const(16, 3));
    const raised = m.ltU(m.and(selector, m.const(16, 3)), rpl);
    m.if(raised, () => m.write(dst, m.or(m.and(selector, m.const(16, 0xfffc)), rpl)));
    m.setFlags({ ZF: raised });
  },
});

export const verification: readonly Instruction[] = [
  inspect('LAR', 'Vol. 2A "LAR - Load Access Rights Byte"', '02', [LAR_TYPES, LAR_TYPES_LONG], accessRights),
  inspect('LSL', 'Vol. 2A "LSL - Load Segment Limit"', '03', [LSL_TYPES, LSL_TYPES_LONG], descriptorLimit),
  verify('VERR', 4, false),
  verify('VERW', 5, true),
  ARPL,
];
