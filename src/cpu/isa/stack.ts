/**
 * PUSH, POP and stack frames: SDM Vol. 1 §7.3.1.4 "Stack Manipulation Instructions", §6.5 "Procedure Calls for
 * Block-Structured Languages".
 */

import type { Value } from '../algebra.ts';
import { RAX, RBP, RSP } from '../state.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { setStackPointer, stackAddress, stackOffset, stackOffsetPlus, wrapStackOffset } from './stack-pointer.ts';
import { unsigned } from './widths.ts';

const PUSH = defineInstruction({
  name: 'PUSH',
  sdm: 'Vol. 2B "PUSH - Push Word, Doubleword, or Quadword Onto the Stack"',
  forms: ['50+r Zv d64', 'FF /6 Ev d64', '68 Iz d64', '6A Ibs d64'],
  semantics(m, src) {
    m.push(m.read(src));
  },
});

const POP = defineInstruction({
  name: 'POP',
  sdm: 'Vol. 2B "POP - Pop a Value From the Stack"',
  forms: ['58+r Zv d64'],
  semantics(m, dst) {
    m.write(dst, m.pop(m.operandSize));
  },
});

/** The destination's address is computed with rSP already moved, yet a fault on storing there must not move it. */
const POP_memory = defineInstruction({
  name: 'POP',
  sdm: 'Vol. 2B "POP - Pop a Value From the Stack"',
  forms: ['8F /0 Ev d64'],
  semantics(m, dst) {
    if (dst.kind === 'gpr') {
      m.write(dst, m.pop(m.operandSize));
      return;
    }
    const before = stackOffset(m, RSP);
    const after = stackOffsetPlus(m, before, m.operandSize / 8);
    const value = m.load(m.operandSize, stackAddress(m, before));
    setStackPointer(m, after);
    const address = m.memory(dst);
    setStackPointer(m, before);
    m.store(address, value);
    setStackPointer(m, after);
  },
});

const PUSHA = defineInstruction({
  name: 'PUSHA',
  sdm: 'Vol. 2B "PUSHA/PUSHAD - Push All General-Purpose Registers"',
  forms: ['60 i64'],
  semantics(m) {
    const size = m.operandSize;
    let offset = stackOffset(m, RSP);
    for (let register = 0; register < 8; register++) {
      offset = stackOffsetPlus(m, offset, -size / 8);
      m.store(stackAddress(m, offset), m.getGpr(register, size));
    }
    setStackPointer(m, offset);
  },
});

const POPA = defineInstruction({
  name: 'POPA',
  sdm: 'Vol. 2B "POPA/POPAD - Pop All General-Purpose Registers"',
  forms: ['61 i64'],
  semantics(m) {
    const size = m.operandSize;
    let offset = stackOffset(m, RSP);
    const values: Value[] = [];
    for (let register = 7; register >= 0; register--) {
      values[register] = m.load(size, stackAddress(m, offset));
      offset = stackOffsetPlus(m, offset, size / 8);
    }
    for (let register = RAX; register < 8; register++) if (register !== RSP) m.setGpr(register, values[register]);
    setStackPointer(m, offset);
  },
});

const ENTER = defineInstruction({
  name: 'ENTER',
  sdm: 'Vol. 2A "ENTER - Make Stack Frame for Procedure Parameters"',
  forms: ['C8 Iw,Ib d64'],
  semantics(m, allocated, nesting) {
    const size = m.operandSize;
    const bytes = size / 8;
    const pointer = m.mode === 64 ? 64 : 32;
    const level = m.and(m.read(nesting), m.const(8, 31));
    // What rBP gets is not cut to the size of the stack: on a 16-bit stack, processors give it 32 bits of ESP - bytes.
    const frame = m.sub(m.getGpr(RSP, pointer), m.const(pointer, bytes));
    const top = m.variable(wrapStackOffset(m, frame));
    m.store(stackAddress(m, m.use(top)), m.getGpr(RBP, size));
    const push = (value: Value) => {
      m.assign(top, stackOffsetPlus(m, m.use(top), -bytes));
      m.store(stackAddress(m, m.use(top)), value);
    };
    // The display: pointers to the frames of the enclosing procedures, then to this one.
    m.if(m.ne(level, m.const(8, 0)), () => {
      const left = m.variable(m.sub(level, m.const(8, 1)));
      const from = m.variable(stackOffset(m, RBP));
      m.while(
        () => m.ne(m.use(left), m.const(8, 0)),
        () => {
          m.assign(from, stackOffsetPlus(m, m.use(from), -bytes));
          push(m.load(size, stackAddress(m, m.use(from))));
          m.assign(left, m.sub(m.use(left), m.const(8, 1)));
        },
      );
      push(unsigned(m, frame, size));
    });
    const end = wrapStackOffset(m, m.sub(m.use(top), m.zext(m.read(allocated), pointer)));
    // The last stack pointer must be good for a write, though nothing is written there.
    m.probeWrite(stackAddress(m, end), bytes);
    m.setGpr(RBP, unsigned(m, frame, size));
    setStackPointer(m, end);
  },
});

const LEAVE = defineInstruction({
  name: 'LEAVE',
  sdm: 'Vol. 2A "LEAVE - High Level Procedure Exit"',
  forms: ['C9 d64'],
  semantics(m) {
    const frame = stackOffset(m, RBP);
    const value = m.load(m.operandSize, stackAddress(m, frame));
    setStackPointer(m, stackOffsetPlus(m, frame, m.operandSize / 8));
    m.setGpr(RBP, value);
  },
});

export const stack: readonly Instruction[] = [PUSH, POP, POP_memory, PUSHA, POPA, ENTER, LEAVE];
