/** x87 arithmetic: FADD FSUB FSUBR FMUL FDIV FDIVR in all their forms, FSQRT, FABS, FCHS. */

import { type Algebra, defineRoutine, type Operand, type Routine, type Value } from '../algebra.ts';
import { addUnpacked } from './fp/add.ts';
import { any, type Format, parts, UNPACKED, type Unpacked, unpacked } from './fp/format.ts';
import { divideUnpacked, multiplyUnpacked, rootUnpacked } from './fp/multiply.ts';
import { round80 } from './fp/round.ts';
import { unpack32, unpack64, unpackInteger } from './fp/unpack.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { chooseResult, NO_NUMBER, type Result, special } from './x87-nan.ts';
import {
  controlWord,
  type Extended,
  enter,
  getExtended,
  indefinite,
  isEmpty,
  leave,
  physical,
  pop,
  putExtended,
  report,
  STACK_UNDERFLOW,
  unpackSt,
} from './x87-stack.ts';

/** Rounds what an operation of the core gave to the precision control's precision, flags of both together. */
export function roundUnrounded(m: Algebra, unrounded: readonly Value[], control: Value): Result {
  const [head, significand, flags] = m.call(round80, ...unrounded.slice(0, 5), control);
  return { head: head, significand: significand, flags: m.or(flags, unrounded[5]) };
}

/** Writes a result to a physical register unless an unmasked exception prevents it: the condition that it did. */
export function writeResult(m: Algebra, register: Value, result: Result): Value {
  const written = m.not(report(m, result.flags));
  m.if(written, () => putExtended(m, register, result));
  return written;
}

/** (i, source, pop): ST(i) = ST(i) op source, or source op ST(i) where reversed; `pop` is 0 or 1. */
function binaryRoutine(name: string, operation: Routine, order: 'plain' | 'negated' | 'reversed'): Routine {
  return defineRoutine({
    name,
    params: [32, ...UNPACKED, 1],
    results: [],
    faults: false,
    body(m, ...args) {
      const register = physical(m, args[0]);
      const x = unpackSt(m, args[0]);
      const y = unpacked(args.slice(1, 5));
      const control = controlWord(m);
      const negate = (a: Unpacked): Unpacked => ({ ...a, sign: m.not(a.sign) });
      const result = chooseResult(
        m,
        any(m, m.or(x.kind, y.kind), NO_NUMBER),
        () => special(m, x, y),
        () => {
          const [a, b] = order === 'reversed' ? [y, x] : [x, y];
          const second = operation === addUnpacked && order !== 'plain' ? negate(b) : b;
          return roundUnrounded(m, m.call(operation, ...parts(a), ...parts(second), control), control);
        },
      );
      const written = writeResult(m, register, result);
      m.if(m.and(written, args[5]), () => pop(m));
      return [];
    },
  });
}

/** Unpacks a memory operand: a number of that format, or an integer for 'integer'. */
export function unpackMemory(m: Algebra, bits: Value, as: 'real' | 'integer'): Unpacked {
  if (as === 'integer') return unpacked(m.call(unpackInteger, m.sext(bits, 64)));
  const format: Format['width'] = bits.type === 32 ? 32 : 64;
  return unpacked(m.call(format === 32 ? unpack32 : unpack64, bits, m.const(32, 0)));
}

interface Row {
  readonly mnemonic: string;
  readonly title: string;
  readonly routine: Routine;
  /** Opcode extension of the memory forms; second byte of the forms with ST0 and with STi as the destination. */
  readonly extension: number;
  readonly toSt0: string;
  readonly toSti: string;
}

const ROWS: readonly Row[] = [
  {
    mnemonic: 'ADD',
    title: 'Add Floating-Point',
    routine: binaryRoutine('x87Add', addUnpacked, 'plain'),
    extension: 0,
    toSt0: 'C0',
    toSti: 'C0',
  },
  {
    mnemonic: 'MUL',
    title: 'Multiply',
    routine: binaryRoutine('x87Multiply', multiplyUnpacked, 'plain'),
    extension: 1,
    toSt0: 'C8',
    toSti: 'C8',
  },
  {
    mnemonic: 'SUB',
    title: 'Subtract',
    routine: binaryRoutine('x87Subtract', addUnpacked, 'negated'),
    extension: 4,
    toSt0: 'E0',
    toSti: 'E8',
  },
  {
    mnemonic: 'SUBR',
    title: 'Reverse Subtract',
    routine: binaryRoutine('x87SubtractReversed', addUnpacked, 'reversed'),
    extension: 5,
    toSt0: 'E8',
    toSti: 'E0',
  },
  {
    mnemonic: 'DIV',
    title: 'Divide',
    routine: binaryRoutine('x87Divide', divideUnpacked, 'plain'),
    extension: 6,
    toSt0: 'F0',
    toSti: 'F8',
  },
  {
    mnemonic: 'DIVR',
    title: 'Reverse Divide',
    routine: binaryRoutine('x87DivideReversed', divideUnpacked, 'reversed'),
    extension: 7,
    toSt0: 'F8',
    toSti: 'F0',
  },
];

/** The definitions of one row: F<op>, F<op>P and FI<op>. */
function binaryInstructions(row: Row): Instruction[] {
  const { mnemonic, routine, extension } = row;
  const sdm = `Vol. 2A "F${mnemonic}/F${mnemonic}P/FI${mnemonic} - ${row.title}"`;
  const withRegister = (m: Algebra, to: Operand, from: Operand, popAfter: boolean): void => {
    enter(m);
    m.call(routine, m.index(to), ...parts(unpackSt(m, m.index(from))), m.const(1, popAfter ? 1 : 0));
    leave(m);
  };
  const withMemory = (m: Algebra, from: Operand, as: 'real' | 'integer'): void => {
    enter(m);
    m.call(routine, m.const(32, 0), ...parts(unpackMemory(m, m.read(from), as)), m.const(1, 0));
    leave(m, from);
  };
  return [
    defineInstruction({
      name: `F${mnemonic}`,
      sdm,
      feature: 'x87',
      forms: [`D8 ${row.toSt0}+r ST0,STi`, `DC ${row.toSti}+r STi,ST0`],
      semantics: (m, to, from) => withRegister(m, to, from, false),
    }),
    defineInstruction({
      name: `F${mnemonic}`,
      sdm,
      feature: 'x87',
      forms: [`D8 /${extension} Md`, `DC /${extension} Mq`],
      semantics: (m, from) => withMemory(m, from, 'real'),
    }),
    defineInstruction({
      name: `F${mnemonic}P`,
      sdm,
      feature: 'x87',
      forms: [`DE ${row.toSti}+r STi,ST0`],
      semantics: (m, to, from) => withRegister(m, to, from, true),
    }),
    defineInstruction({
      name: `FI${mnemonic}`,
      sdm,
      feature: 'x87',
      forms: [`DA /${extension} Md`, `DE /${extension} Mw`],
      semantics: (m, from) => withMemory(m, from, 'integer'),
    }),
  ];
}

const squareRoot = defineRoutine({
  name: 'x87SquareRoot',
  params: [],
  results: [],
  faults: false,
  body(m) {
    const x = unpackSt(m, 0);
    const control = controlWord(m);
    const result = chooseResult(
      m,
      any(m, x.kind, NO_NUMBER),
      () => special(m, x, x),
      () => roundUnrounded(m, m.call(rootUnpacked, ...parts(x), control), control),
    );
    writeResult(m, physical(m, 0), result);
    return [];
  },
});

const FSQRT = defineInstruction({
  name: 'FSQRT',
  sdm: 'Vol. 2A "FSQRT - Square Root"',
  feature: 'x87',
  forms: ['D9 FA'],
  semantics(m) {
    enter(m);
    m.call(squareRoot);
    leave(m);
  },
});

/** FABS and FCHS change the sign of whatever is there: only an empty register raises anything. */
function signInstruction(
  name: string,
  sdm: string,
  form: string,
  sign: (m: Algebra, head: Value) => Value,
): Instruction {
  const routine = defineRoutine({
    name: `x87${name}`,
    params: [],
    results: [],
    faults: false,
    body(m) {
      const register = physical(m, 0);
      const value: Extended = getExtended(m, register);
      const result = chooseResult(
        m,
        isEmpty(m, register),
        () => ({ ...indefinite(m), flags: m.const(32, STACK_UNDERFLOW) }),
        () => ({ ...value, head: sign(m, value.head), flags: m.const(32, 0) }),
      );
      writeResult(m, register, result);
      return [];
    },
  });
  return defineInstruction({
    name,
    sdm,
    feature: 'x87',
    forms: [form],
    semantics(m) {
      enter(m);
      m.call(routine);
      leave(m);
    },
  });
}

export const x87Arithmetic: readonly Instruction[] = [
  ...ROWS.flatMap(binaryInstructions),
  FSQRT,
  signInstruction('FCHS', 'Vol. 2A "FCHS - Change Sign"', 'D9 E0', (m, head) => m.xor(head, m.const(32, 0x8000))),
  signInstruction('FABS', 'Vol. 2A "FABS - Absolute Value"', 'D9 E1', (m, head) => m.and(head, m.const(32, 0x7fff))),
];
