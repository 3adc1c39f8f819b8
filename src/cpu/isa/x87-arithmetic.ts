/** x87 arithmetic: FADD FSUB FSUBR FMUL FDIV FDIVR in all their forms, FSQRT, FABS, FCHS. */

import { type Algebra, defineRoutine, type Operand, type Routine, type Value } from '../algebra.ts';
import { vcpu } from '../state.ts';
import { addUnpacked } from './fp/add.ts';
import { any, parts, UNPACKED, type Unpacked, unpacked } from './fp/format.ts';
import { divideUnpacked, multiplyUnpacked, rootUnpacked } from './fp/multiply.ts';
import {
  addNormal,
  divideNormal,
  isClear,
  multiplyNormal,
  type Normal,
  type NormalResult,
  rootNormal,
} from './fp/normal.ts';
import { round80 } from './fp/round.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { chooseResult, NO_NUMBER, type Result, special } from './x87-nan.ts';
import {
  bySource,
  fromInteger,
  fromReal32,
  fromReal64,
  fromRegister,
  normalRegister,
  type Source,
} from './x87-source.ts';
import {
  controlGuard,
  controlWord,
  emptyGuard,
  enter,
  indefinite,
  leave,
  physical,
  pop,
  popFrom,
  putExtended,
  recordException,
  recordPointer,
  registerAt,
  replaceExtended,
  report,
  reportMasked,
  STACK_UNDERFLOW,
  stackOf,
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

type Order = 'plain' | 'negated' | 'reversed';

/** (i, source, pop): ST(i) = ST(i) op source, or source op ST(i) where reversed; `pop` is 0 or 1. */
function wholeRoutine(name: string, operation: Routine, order: Order): Routine {
  return defineRoutine({
    name: `${name}Whole`,
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

interface Operation {
  readonly whole: Routine;
  readonly normal: (m: Algebra, a: Normal, b: Normal, controlWord: Value) => NormalResult;
}

const ADD: Operation = { whole: addUnpacked, normal: addNormal };
const MULTIPLY: Operation = { whole: multiplyUnpacked, normal: multiplyNormal };
const DIVIDE: Operation = { whole: divideUnpacked, normal: divideNormal };

interface Routines {
  /** (source, i, pop) -> [done]: does nothing unless all numbers are normal. */
  readonly quick: Routine;
  /** (source, i, pop) */
  readonly whole: Routine;
}

/** Routines for each source, which they take as a parameter of its type. */
function binaryRoutines(name: string, operation: Operation, order: Order): (source: Source) => Routines {
  const whole = wholeRoutine(name, operation.whole, order);
  return bySource((source) => {
    const params = [source.type, 32, 1] as const;
    return {
      quick: defineRoutine({
        name: `${name}${source.name}`,
        params,
        results: [1],
        faults: false,
        body(m, value, i, popAfter) {
          const done = m.variable(m.const(1, 0));
          const stack = stackOf(m);
          const register = registerAt(m, stack, i);
          const controlWord = m.zext(m.get(vcpu.fcw), 32);
          const x = normalRegister(m, stack, register);
          const y = source.normal(m, stack, value);
          m.if(isClear(m, x.guard, y.guard, controlGuard(m, controlWord)), () => {
            const [a, b] = order === 'reversed' ? [y, x] : [x, y];
            const second = operation === ADD && order !== 'plain' ? { ...b, sign: m.not(b.sign) } : b;
            const result = operation.normal(m, a, second, controlWord);
            m.if(result.fits, () => {
              replaceExtended(m, register, result);
              reportMasked(m, result.flags);
              m.if(popAfter, () => popFrom(m, stack));
              m.assign(done, m.const(1, 1));
            });
          });
          return [m.use(done)];
        },
      }),
      whole: defineRoutine({
        name: `${name}${source.name}Whole`,
        params,
        results: [],
        faults: false,
        body(m, value, i, popAfter) {
          m.call(whole, i, ...parts(source.unpack(m, value)), popAfter);
          return [];
        },
      }),
    };
  });
}

interface Row {
  readonly mnemonic: string;
  readonly title: string;
  readonly routines: (source: Source) => Routines;
  /** Opcode extension of the memory forms; second byte of the forms with ST0 and with STi as the destination. */
  readonly extension: number;
  readonly toSt0: string;
  readonly toSti: string;
}

const ROWS: readonly Row[] = [
  {
    mnemonic: 'ADD',
    title: 'Add Floating-Point',
    routines: binaryRoutines('x87Add', ADD, 'plain'),
    extension: 0,
    toSt0: 'C0',
    toSti: 'C0',
  },
  {
    mnemonic: 'MUL',
    title: 'Multiply',
    routines: binaryRoutines('x87Multiply', MULTIPLY, 'plain'),
    extension: 1,
    toSt0: 'C8',
    toSti: 'C8',
  },
  {
    mnemonic: 'SUB',
    title: 'Subtract',
    routines: binaryRoutines('x87Subtract', ADD, 'negated'),
    extension: 4,
    toSt0: 'E0',
    toSti: 'E8',
  },
  {
    mnemonic: 'SUBR',
    title: 'Reverse Subtract',
    routines: binaryRoutines('x87SubtractReversed', ADD, 'reversed'),
    extension: 5,
    toSt0: 'E8',
    toSti: 'E0',
  },
  {
    mnemonic: 'DIV',
    title: 'Divide',
    routines: binaryRoutines('x87Divide', DIVIDE, 'plain'),
    extension: 6,
    toSt0: 'F0',
    toSti: 'F8',
  },
  {
    mnemonic: 'DIVR',
    title: 'Reverse Divide',
    routines: binaryRoutines('x87DivideReversed', DIVIDE, 'reversed'),
    extension: 7,
    toSt0: 'F8',
    toSti: 'F0',
  },
];

/** The definitions of one row: F<op>, F<op>P and FI<op>. */
function binaryInstructions(row: Row): Instruction[] {
  const { mnemonic, routines, extension } = row;
  const sdm = `Vol. 2A "F${mnemonic}/F${mnemonic}P/FI${mnemonic} - ${row.title}"`;
  const operate = (m: Algebra, source: Source, from: Operand, i: Value, popAfter: boolean): void => {
    enter(m);
    const args = [source.read(m, from), i, m.const(1, popAfter ? 1 : 0)];
    const [done] = m.call(routines(source).quick, ...args);
    m.if(m.not(done), () => {
      m.call(routines(source).whole, ...args);
      recordException(m, from);
    });
    recordPointer(m);
  };
  const withRegister = (m: Algebra, to: Operand, from: Operand, popAfter: boolean): void =>
    operate(m, fromRegister, from, m.index(to), popAfter);
  const withMemory = (m: Algebra, from: Operand, source: Source): void =>
    operate(m, source, from, m.const(32, 0), false);
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
      semantics: (m, from) => withMemory(m, from, from.type === 32 ? fromReal32 : fromReal64),
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
      semantics: (m, from) => withMemory(m, from, fromInteger),
    }),
  ];
}

const wholeSquareRoot = defineRoutine({
  name: 'x87SquareRootWhole',
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

const squareRoot = defineRoutine({
  name: 'x87SquareRoot',
  params: [],
  results: [],
  faults: false,
  body(m) {
    const stack = stackOf(m);
    const controlWord = m.zext(m.get(vcpu.fcw), 32);
    const x = normalRegister(m, stack, stack.top);
    m.if(
      m.and(isClear(m, x.guard, controlGuard(m, controlWord)), m.not(x.sign)),
      () => {
        const result = rootNormal(m, x, controlWord);
        replaceExtended(m, stack.top, result);
        reportMasked(m, result.flags);
      },
      () => {
        m.call(wholeSquareRoot);
      },
    );
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

/** ST(0) is empty: the indefinite takes its place. */
const underflow = defineRoutine({
  name: 'x87Underflow',
  params: [],
  results: [],
  faults: false,
  body(m) {
    writeResult(m, physical(m, 0), { ...indefinite(m), flags: m.const(32, STACK_UNDERFLOW) });
    return [];
  },
});

/** FABS and FCHS change the sign of whatever is there: only an empty register raises anything. */
function signInstruction(
  name: string,
  sdm: string,
  form: string,
  sign: (m: Algebra, head: Value) => Value,
): Instruction {
  return defineInstruction({
    name,
    sdm,
    feature: 'x87',
    forms: [form],
    semantics(m) {
      enter(m);
      const stack = stackOf(m);
      m.if(
        isClear(m, emptyGuard(m, stack, stack.top)),
        () => {
          const head = sign(m, m.zext(m.getAt(vcpu.stExponent, stack.top), 32));
          m.setAt(vcpu.stExponent, stack.top, m.trunc(head, 16));
          reportMasked(m, m.const(32, 0));
        },
        () => {
          m.call(underflow);
          recordException(m);
        },
      );
      recordPointer(m);
    },
  });
}

export const x87Arithmetic: readonly Instruction[] = [
  ...ROWS.flatMap(binaryInstructions),
  FSQRT,
  signInstruction('FCHS', 'Vol. 2A "FCHS - Change Sign"', 'D9 E0', (m, head) => m.xor(head, m.const(32, 0x8000))),
  signInstruction('FABS', 'Vol. 2A "FABS - Absolute Value"', 'D9 E1', (m, head) => m.and(head, m.const(32, 0x7fff))),
];
