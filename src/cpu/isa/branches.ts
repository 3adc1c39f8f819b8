/**
 * Near control transfers: SDM Vol. 1 §7.3.8 "Control Transfer Instructions". Far ones are system instructions.
 *
 * Near branches are 64 bits wide in 64-bit mode; Intel processors ignore 66 there.
 */

import type { Algebra, Value } from '../algebra.ts';
import { RCX, RSP } from '../state.ts';
import { conditionNames } from './conditions.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { opcodePlus } from './operand-forms.ts';
import { setStackPointer, stackAddress, stackOffset, stackOffsetPlus } from './stack-pointer.ts';

const conditionalJumps = conditionNames.map((condition, code) =>
  defineInstruction({
    name: `J${condition}`,
    sdm: 'Vol. 2A "Jcc - Jump if Condition Is Met"',
    forms: [`${opcodePlus(0x70, code)} Jb f64 ends`, `0F ${opcodePlus(0x80, code)} Jz f64 ends`],
    semantics(m, target) {
      m.branch(m.condition(code), target);
    },
  }),
);

const JMP_relative = defineInstruction({
  name: 'JMP',
  sdm: 'Vol. 2A "JMP - Jump"',
  forms: ['EB Jb f64 ends', 'E9 Jz f64 ends'],
  semantics(m, target) {
    m.branch(undefined, target);
  },
});

const JMP_indirect = defineInstruction({
  name: 'JMP',
  sdm: 'Vol. 2A "JMP - Jump"',
  forms: ['FF /4 Ev f64 ends'],
  semantics(m, target) {
    m.jump(m.zext(m.read(target), 64));
  },
});

/** Stores the return address; the caller moves rSP to the offset returned once the target is known to be good. */
function storeReturnAddress(m: Algebra): Value {
  const size = m.operandSize;
  const offset = stackOffsetPlus(m, stackOffset(m, RSP), -size / 8);
  m.store(stackAddress(m, offset), m.trunc(m.nextIp(), size));
  return offset;
}

const CALL_relative = defineInstruction({
  name: 'CALL',
  sdm: 'Vol. 2A "CALL - Call Procedure"',
  forms: ['E8 Jz f64 ends'],
  semantics(m, target) {
    const stack = storeReturnAddress(m);
    m.branch(undefined, target);
    setStackPointer(m, stack);
  },
});

const CALL_indirect = defineInstruction({
  name: 'CALL',
  sdm: 'Vol. 2A "CALL - Call Procedure"',
  forms: ['FF /2 Ev f64 ends'],
  semantics(m, operand) {
    const target = m.zext(m.read(operand), 64);
    const stack = storeReturnAddress(m);
    m.jump(target);
    setStackPointer(m, stack);
  },
});

const RET = defineInstruction({
  name: 'RET',
  sdm: 'Vol. 2B "RET - Return From Procedure"',
  forms: ['C3 f64 ends', 'C2 Iw f64 ends'],
  semantics(m, released) {
    const offset = stackOffset(m, RSP);
    const target = m.load(m.operandSize, stackAddress(m, offset));
    m.jump(m.zext(target, 64));
    let stack = stackOffsetPlus(m, offset, m.operandSize / 8);
    if (released) stack = stackOffsetPlus(m, stack, m.zext(m.read(released), m.mode === 64 ? 64 : 32));
    setStackPointer(m, stack);
  },
});

/** LOOPcc counts rCX of the address size down and goes on while it is not 0 (and, E and NE, while ZF agrees). */
function loop(name: string, form: string, also?: (m: Algebra) => Value): Instruction {
  return defineInstruction({
    name,
    sdm: 'Vol. 2A "LOOP/LOOPcc - Loop According to ECX Counter"',
    forms: [form],
    semantics(m, target) {
      const width = m.addressSize;
      const count = m.sub(m.getGpr(RCX, width), m.const(width, 1));
      const more = m.ne(count, m.const(width, 0));
      m.branch(also ? m.and(more, also(m)) : more, target);
      m.setGpr(RCX, count);
    },
  });
}

const JrCXZ = defineInstruction({
  name: 'JrCXZ',
  sdm: 'Vol. 2A "Jcc - Jump if Condition Is Met"',
  forms: ['E3 Jb f64 ends'],
  semantics(m, target) {
    m.branch(m.isZero(m.getGpr(RCX, m.addressSize)), target);
  },
});

export const branches: readonly Instruction[] = [
  ...conditionalJumps,
  JMP_relative,
  JMP_indirect,
  CALL_relative,
  CALL_indirect,
  RET,
  loop('LOOPNE', 'E0 Jb f64 ends', (m) => m.condition(5)),
  loop('LOOPE', 'E1 Jb f64 ends', (m) => m.condition(4)),
  loop('LOOP', 'E2 Jb f64 ends'),
  JrCXZ,
];
