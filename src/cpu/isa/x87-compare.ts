/** x87 comparisons and tests: FCOM, FUCOM, FICOM, FCOMI, FUCOMI, FTST, FXAM in all their forms. */

import { type Algebra, defineRoutine, type Operand, type Routine, type Value } from '../algebra.ts';
import { vcpu } from '../state.ts';
import { denormalFlag } from './fp/add.ts';
import { compareUnpacked, EQUAL, GREATER, LESS, UNORDERED } from './fp/compare.ts';
import {
  any,
  equals,
  flagIf,
  INVALID,
  IS_DENORMAL,
  IS_FINITE,
  IS_INFINITE,
  IS_NAN,
  IS_QUIET,
  IS_UNSUPPORTED,
  IS_ZERO,
  parts,
  UNPACKED,
  type Unpacked,
  unpacked,
} from './fp/format.ts';
import { isClear, type Normal } from './fp/normal.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { NO_NUMBER } from './x87-nan.ts';
import {
  bySource,
  fromInteger,
  fromReal32,
  fromReal64,
  fromRegister,
  plainRegister,
  type Source,
} from './x87-source.ts';
import {
  C0,
  C1,
  C2,
  C3,
  enter,
  IS_EMPTY,
  leave,
  physical,
  pop,
  report,
  reportMasked,
  STACK_UNDERFLOW,
  setConditionCodes,
  stackOf,
  unpackSt,
} from './x87-stack.ts';

/**
 * Compares ST(0) and reports the exceptions: the relation, and the condition that no unmasked exception forbids popping.
 */
function compareSt0(m: Algebra, y: Unpacked, signalQuiet: Value, c1: 'replaced' | 'kept'): [Value, Value] {
  const x = unpackSt(m, 0);
  const kinds = m.or(x.kind, y.kind);
  const noNumber = any(m, kinds, NO_NUMBER);
  const onlyQuiet = m.and(m.not(any(m, kinds, NO_NUMBER & ~IS_QUIET)), m.not(signalQuiet));
  const special = m.select(onlyQuiet, m.const(32, 0), m.const(32, INVALID));
  const withEmpty = m.select(any(m, kinds, IS_EMPTY), m.const(32, STACK_UNDERFLOW), special);
  const flags = m.select(noNumber, withEmpty, denormalFlag(m, x, y));
  const [relation] = m.call(compareUnpacked, ...parts(x), ...parts(y));
  const blocked = report(m, flags, c1);
  return [m.select(noNumber, m.const(32, UNORDERED), relation), m.not(blocked)];
}

function codesOf(m: Algebra, relation: Value): Value {
  const less = flagIf(m, equals(m, relation, LESS), C0);
  const equal = flagIf(m, equals(m, relation, EQUAL), C3);
  return m.or(m.or(less, equal), flagIf(m, equals(m, relation, UNORDERED), C0 | C2 | C3));
}

/** (source, signal quiet NaNs, pops): comparison with the result in C0, C2, C3. */
const compareToCodesWhole = defineRoutine({
  name: 'x87CompareToCodesWhole',
  params: [...UNPACKED, 1, 32],
  results: [],
  faults: false,
  body(m, ...args) {
    const [relation, ahead] = compareSt0(m, unpacked(args.slice(0, 4)), args[4], 'replaced');
    setConditionCodes(m, codesOf(m, relation), C0 | C2 | C3);
    popTimes(m, ahead, args[5]);
    return [];
  },
});

/**
 * Fast path: the relation of ST(0), which is full, and a number, both zero or normal, where nothing is raised. A zero's
 * exponent and significand are less than any other's.
 */
function comparePlain(m: Algebra, a: Normal, b: Normal): { less: Value; equal: Value } {
  const sameExponent = m.eq(a.exponent, b.exponent);
  const smaller = m.or(m.ltU(a.exponent, b.exponent), m.and(sameExponent, m.ltU(a.significand, b.significand)));
  const same = m.and(sameExponent, m.eq(a.significand, b.significand));
  const differ = m.xor(a.sign, b.sign);
  const zeros = m.isZero(m.or(a.significand, b.significand));
  const equal = m.or(m.and(same, m.not(differ)), zeros);
  const below = m.select(differ, a.sign, m.xor(smaller, a.sign));
  return { less: m.and(below, m.not(equal)), equal };
}

/** As `compareToCodesWhole`, of a source as it comes. */
const compareToCodes = bySource((source) =>
  defineRoutine({
    name: `x87CompareToCodes${source.name}`,
    params: [source.type, 1, 32],
    results: [],
    faults: false,
    body(m, value, signalQuiet, pops) {
      const stack = stackOf(m);
      const x = plainRegister(m, stack, stack.top);
      const y = source.plain(m, stack, value);
      m.if(
        isClear(m, x.guard, y.guard),
        () => {
          const { less, equal } = comparePlain(m, x, y);
          reportMasked(m, m.const(32, 0));
          setConditionCodes(m, m.or(flagIf(m, less, C0), flagIf(m, equal, C3)), C0 | C2 | C3);
          popTimes(m, m.const(1, 1), pops);
        },
        () => {
          m.call(compareToCodesWhole, ...parts(source.unpack(m, value)), signalQuiet, pops);
        },
      );
      return [];
    },
  }),
);

function popTimes(m: Algebra, ahead: Value, pops: Value): void {
  m.if(m.and(ahead, m.ltU(m.const(32, 0), pops)), () => pop(m));
  m.if(m.and(ahead, m.ltU(m.const(32, 1), pops)), () => pop(m));
}

interface Kind {
  readonly name: string;
  readonly sdm: string;
  readonly forms: readonly string[];
  readonly quiet: boolean;
  readonly pops: 0 | 1 | 2;
}

/** From its operand the source and the parameter that it is taken as. */
type Reader = (m: Algebra, operand: Operand) => readonly [Source, Value];

function compareWithCodes(kind: Kind, read: Reader): Instruction {
  return defineInstruction({
    name: kind.name,
    sdm: kind.sdm,
    feature: 'x87',
    forms: kind.forms,
    semantics(m, from) {
      enter(m);
      const [source, value] = read(m, from);
      m.call(compareToCodes(source), value, m.const(1, kind.quiet ? 0 : 1), m.const(32, kind.pops));
      leave(m, from);
    },
  });
}

const FCOM = 'Vol. 2A "FCOM/FCOMP/FCOMPP - Compare Floating-Point Values"';
const FUCOM = 'Vol. 2A "FUCOM/FUCOMP/FUCOMPP - Unordered Compare Floating-Point Values"';
const FICOM = 'Vol. 2A "FICOM/FICOMP - Compare Integer"';
const FCOMI = 'Vol. 2A "FCOMI/FCOMIP/FUCOMI/FUCOMIP - Compare Floating-Point Values and Set EFLAGS"';

const ofRegister: Reader = (m, from) => [fromRegister, m.index(from)];
const ofReal: Reader = (m, from) => [from.type === 32 ? fromReal32 : fromReal64, m.read(from)];
const ofInteger: Reader = (m, from) => [fromInteger, m.sext(m.read(from), 64)];
const ofSt1: Reader = (m) => [fromRegister, m.const(32, 1)];
const ofZero: Reader = (m) => [fromInteger, m.const(64, 0)];

/** (i, signal quiet NaNs, pop) -> [relation]: comparison for EFLAGS. */
const compareToFlags: Routine = defineRoutine({
  name: 'x87CompareToFlags',
  params: [32, 1, 32],
  results: [32],
  faults: false,
  body(m, i, signalQuiet, pops) {
    const stack = stackOf(m);
    const x = plainRegister(m, stack, stack.top);
    const y = fromRegister.plain(m, stack, i);
    const result = m.variable(m.const(32, 0));
    m.if(
      isClear(m, x.guard, y.guard),
      () => {
        const { less, equal } = comparePlain(m, x, y);
        const unequal = m.select(less, m.const(32, LESS), m.const(32, GREATER));
        m.assign(result, m.select(equal, m.const(32, EQUAL), unequal));
        popTimes(m, m.const(1, 1), pops);
      },
      () => {
        const [relation, ahead] = compareSt0(m, unpackSt(m, i), signalQuiet, 'kept');
        m.assign(result, relation);
        popTimes(m, ahead, pops);
      },
    );
    return [m.use(result)];
  },
});

function compareWithFlags(name: string, form: string, quiet: boolean, pops: 0 | 1): Instruction {
  return defineInstruction({
    name,
    sdm: FCOMI,
    feature: 'x87',
    forms: [`${form} ST0,STi`],
    semantics(m, _to, from) {
      enter(m);
      const signalQuiet = m.const(1, quiet ? 0 : 1);
      const [relation] = m.call(compareToFlags, m.index(from), signalQuiet, m.const(32, pops));
      const unordered = equals(m, relation, UNORDERED);
      const none = m.const(1, 0);
      m.setFlags({
        CF: m.or(equals(m, relation, LESS), unordered),
        ZF: m.or(equals(m, relation, EQUAL), unordered),
        PF: unordered,
        OF: none,
        SF: none,
        AF: none,
      });
      leave(m);
    },
  });
}

/** Class of ST(0) in C3, C2, C0 and its sign in C1, of empty registers too (SDM Vol. 2A, FXAM, Table 3-40). */
const examine = defineRoutine({
  name: 'x87Examine',
  params: [],
  results: [],
  faults: false,
  body(m) {
    const x = unpackSt(m, 0);
    const sign = m.msb(m.getAt(vcpu.stExponent, physical(m, 0)));
    const classes: readonly (readonly [number, number])[] = [
      [IS_EMPTY, C3 | C0],
      [IS_UNSUPPORTED, 0],
      [IS_NAN, C0],
      [IS_INFINITE, C2 | C0],
      [IS_ZERO, C3],
      [IS_DENORMAL, C3 | C2],
      [IS_FINITE, C2],
    ];
    const codes = classes.reduceRight(
      (otherwise, [kind, code]) => m.select(any(m, x.kind, kind), m.const(32, code), otherwise),
      m.const(32, 0),
    );
    setConditionCodes(m, m.or(codes, flagIf(m, sign, C1)));
    return [];
  },
});

const FXAM = defineInstruction({
  name: 'FXAM',
  sdm: 'Vol. 2A "FXAM - Examine Floating-Point"',
  feature: 'x87',
  forms: ['D9 E5'],
  semantics(m) {
    enter(m);
    m.call(examine);
    leave(m);
  },
});

export const x87Compare: readonly Instruction[] = [
  // DC D0+r, DC D8+r and DE D0+r are aliases that the manual does not list.
  compareWithCodes(
    { name: 'FCOM', sdm: FCOM, forms: ['D8 D0+r STi', 'DC D0+r STi'], quiet: false, pops: 0 },
    ofRegister,
  ),
  compareWithCodes({ name: 'FCOM', sdm: FCOM, forms: ['D8 /2 Md', 'DC /2 Mq'], quiet: false, pops: 0 }, ofReal),
  compareWithCodes(
    { name: 'FCOMP', sdm: FCOM, forms: ['D8 D8+r STi', 'DC D8+r STi', 'DE D0+r STi'], quiet: false, pops: 1 },
    ofRegister,
  ),
  compareWithCodes({ name: 'FCOMP', sdm: FCOM, forms: ['D8 /3 Md', 'DC /3 Mq'], quiet: false, pops: 1 }, ofReal),
  compareWithCodes({ name: 'FCOMPP', sdm: FCOM, forms: ['DE D9'], quiet: false, pops: 2 }, ofSt1),
  compareWithCodes({ name: 'FUCOM', sdm: FUCOM, forms: ['DD E0+r STi'], quiet: true, pops: 0 }, ofRegister),
  compareWithCodes({ name: 'FUCOMP', sdm: FUCOM, forms: ['DD E8+r STi'], quiet: true, pops: 1 }, ofRegister),
  compareWithCodes({ name: 'FUCOMPP', sdm: FUCOM, forms: ['DA E9'], quiet: true, pops: 2 }, ofSt1),
  compareWithCodes({ name: 'FICOM', sdm: FICOM, forms: ['DA /2 Md', 'DE /2 Mw'], quiet: false, pops: 0 }, ofInteger),
  compareWithCodes({ name: 'FICOMP', sdm: FICOM, forms: ['DA /3 Md', 'DE /3 Mw'], quiet: false, pops: 1 }, ofInteger),
  compareWithCodes({ name: 'FTST', sdm: 'Vol. 2A "FTST - TEST"', forms: ['D9 E4'], quiet: false, pops: 0 }, ofZero),
  compareWithFlags('FCOMI', 'DB F0+r', false, 0),
  compareWithFlags('FCOMIP', 'DF F0+r', false, 1),
  compareWithFlags('FUCOMI', 'DB E8+r', true, 0),
  compareWithFlags('FUCOMIP', 'DF E8+r', true, 1),
  FXAM,
];
