/** x87 loads: FLD, FILD, FBLD, the constants; FXCH and FCMOVcc. */

import { type Algebra, defineRoutine, type Routine, type Value } from '../algebra.ts';
import { denormalFlag } from './fp/add.ts';
import { any, flagIf, INVALID, IS_NAN, IS_SIGNALLING, isNot0, parts, type Unpacked } from './fp/format.ts';
import { isClear, type Normal } from './fp/normal.ts';
import { round80 } from './fp/round.ts';
import { unpackInteger } from './fp/unpack.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { chooseResult, quietNan, type Result } from './x87-nan.ts';
import { fromInteger, fromReal32, fromReal64, type Source } from './x87-source.ts';
import {
  type Extended,
  emptyGuard,
  enter,
  getExtended,
  indefinite,
  isEmpty,
  leave,
  physical,
  pushExact,
  pushExtended,
  pushQuickly,
  putExtended,
  recordException,
  recordPointer,
  registerAt,
  replaceExtended,
  report,
  reportMasked,
  roundingOfControlWord,
  STACK_UNDERFLOW,
  stackOf,
} from './x87-stack.ts';

/** Control word that rounds to 64 bits, everything masked. */
const EXACT = 0x31f80;

/** A number as extended, without NaNs: exact. */
export function packExact(m: Algebra, x: Unpacked): Extended {
  const [head, significand] = m.call(round80, ...parts(x), m.const(64, 0), m.const(32, EXACT));
  return { head: head, significand: significand };
}

/** A normal number or zero as extended. */
function extendedOf(m: Algebra, { sign, exponent, significand }: Normal): Extended {
  return { head: m.or(m.shl(m.zext(sign, 32), 15), exponent), significand };
}

/** (bits): pushes a single or double. */
function loadReal(source: Source): Routine {
  return defineRoutine({
    name: `x87Load${source.name}`,
    params: [source.type],
    results: [],
    faults: false,
    body(m, bits) {
      const x = source.unpack(m, bits);
      const value = chooseResult(
        m,
        any(m, x.kind, IS_NAN),
        () => ({ ...quietNan(m, x), flags: flagIf(m, any(m, x.kind, IS_SIGNALLING), INVALID) }),
        () => ({ ...packExact(m, x), flags: denormalFlag(m, x) }),
      );
      m.call(pushExtended, value.head, value.significand, value.flags);
      return [];
    },
  });
}

const loadSingle = loadReal(fromReal32);
const loadDouble = loadReal(fromReal64);

const FLD_MEMORY = defineInstruction({
  name: 'FLD',
  sdm: 'Vol. 2A "FLD - Load Floating-Point Value"',
  feature: 'x87',
  forms: ['D9 /0 Md', 'DD /0 Mq'],
  semantics(m, from) {
    enter(m);
    const source = from.type === 32 ? fromReal32 : fromReal64;
    const bits = m.read(from);
    const stack = stackOf(m);
    const x = source.plain(m, stack, bits);
    pushQuickly(m, stack, x.guard, extendedOf(m, x), () => {
      m.call(from.type === 32 ? loadSingle : loadDouble, bits);
      recordException(m, from);
    });
    recordPointer(m);
  },
});

const FLD_EXTENDED = defineInstruction({
  name: 'FLD',
  sdm: 'Vol. 2A "FLD - Load Floating-Point Value"',
  feature: 'x87',
  forms: ['DB /5 Mt'],
  semantics(m, from) {
    enter(m);
    const address = m.memory(from);
    const significand = m.load(64, address);
    const head = m.zext(m.load(16, m.offset(address, 8)), 32);
    pushExact(m, { head, significand }, from);
    recordPointer(m);
  },
});

/** The contents of ST(i), or the indefinite with a stack underflow where it is empty. */
function sourceRegister(m: Algebra, i: Value): Result {
  const register = physical(m, i);
  const empty = isEmpty(m, register);
  const value = getExtended(m, register);
  const none = indefinite(m);
  return {
    head: m.select(empty, none.head, value.head),
    significand: m.select(empty, none.significand, value.significand),
    flags: flagIf(m, empty, STACK_UNDERFLOW),
  };
}

/** (i): pushes ST(i). */
const loadRegister = defineRoutine({
  name: 'x87LoadRegister',
  params: [32],
  results: [],
  faults: false,
  body(m, i) {
    const { head, significand, flags } = sourceRegister(m, i);
    m.call(pushExtended, head, significand, flags);
    return [];
  },
});

const FLD_REGISTER = defineInstruction({
  name: 'FLD',
  sdm: 'Vol. 2A "FLD - Load Floating-Point Value"',
  feature: 'x87',
  forms: ['D9 C0+r STi'],
  semantics(m, from) {
    enter(m);
    const stack = stackOf(m);
    const register = registerAt(m, stack, m.index(from));
    pushQuickly(m, stack, emptyGuard(m, stack, register), getExtended(m, register), () => {
      m.call(loadRegister, m.index(from));
      recordException(m);
    });
    recordPointer(m);
  },
});

const FILD = defineInstruction({
  name: 'FILD',
  sdm: 'Vol. 2A "FILD - Load Integer"',
  feature: 'x87',
  forms: ['DF /0 Mw', 'DB /0 Md', 'DF /5 Mq'],
  semantics(m, from) {
    enter(m);
    pushExact(m, extendedOf(m, fromInteger.plain(m, stackOf(m), fromInteger.read(m, from))), from);
    recordPointer(m);
  },
});

/** (low, high): 18 digits of packed BCD and a sign byte -> [head, significand]. Digits above 9 count as they are. */
const bcdToExtended = defineRoutine({
  name: 'x87FromBcd',
  params: [64, 16],
  results: [32, 64],
  faults: false,
  body(m, low, high) {
    const k = (n: bigint): Value => m.const(64, n);
    // Digits to pairs, to fours, to eights, to sixteen, all at once.
    const join = (x: Value, mask: bigint, shift: number, weight: bigint): Value =>
      m.add(m.and(x, k(mask)), m.mul(m.and(m.shr(x, shift), k(mask)), k(weight)));
    let digits = join(low, 0x0f0f0f0f0f0f0f0fn, 4, 10n);
    digits = join(digits, 0x00ff00ff00ff00ffn, 8, 100n);
    digits = join(digits, 0x0000ffff0000ffffn, 16, 10000n);
    digits = join(digits, 0x00000000ffffffffn, 32, 100000000n);
    const top = join(m.and(m.zext(high, 64), k(0xffn)), 0x0fn, 4, 10n);
    const integer = m.add(digits, m.mul(top, k(10n ** 16n)));
    const [kind, , exponent, significand] = m.call(unpackInteger, integer);
    const sign = m.msb(high);
    const packed = packExact(m, { kind: kind, sign, exponent: exponent, significand: significand });
    return [packed.head, packed.significand];
  },
});

const FBLD = defineInstruction({
  name: 'FBLD',
  sdm: 'Vol. 2A "FBLD - Load Binary Coded Decimal"',
  feature: 'x87',
  forms: ['DF /4 Mt'],
  semantics(m, from) {
    enter(m);
    const address = m.memory(from);
    const low = m.load(64, address);
    const [head, significand] = m.call(bcdToExtended, low, m.load(16, m.offset(address, 8)));
    pushExact(m, { head: head, significand: significand }, from);
    recordPointer(m);
  },
});

/** Constants cut to 64 bits; `more` says that what was cut off is above one half: nearest rounds up, too. */
function constant(
  name: string,
  form: string,
  head: number,
  cut: bigint,
  more: 'exact' | 'below' | 'above',
): Instruction {
  return defineInstruction({
    name,
    sdm: 'Vol. 2A "FLD1/FLDL2T/FLDL2E/FLDPI/FLDLG2/FLDLN2/FLDZ - Load Constant"',
    feature: 'x87',
    forms: [form],
    semantics(m) {
      enter(m);
      const rounding = roundingOfControlWord(m);
      const mode = (number: number): Value => m.eq(rounding, m.const(32, number));
      const up = more === 'above' ? m.or(mode(0), mode(2)) : mode(2);
      const rounded = m.select(up, m.const(64, cut + 1n), m.const(64, cut));
      pushExact(m, { head: m.const(32, head), significand: more === 'exact' ? m.const(64, cut) : rounded });
      recordPointer(m);
    },
  });
}

/** (i): exchanges ST(0) and ST(i), empty ones filled with the indefinite first. */
const exchange = defineRoutine({
  name: 'x87Exchange',
  params: [32],
  results: [],
  faults: false,
  body(m, i) {
    const a = sourceRegister(m, m.const(32, 0));
    const b = sourceRegister(m, i);
    m.if(m.not(report(m, m.or(a.flags, b.flags))), () => {
      putExtended(m, physical(m, 0), b);
      putExtended(m, physical(m, i), a);
    });
    return [];
  },
});

const FXCH = defineInstruction({
  name: 'FXCH',
  sdm: 'Vol. 2A "FXCH - Exchange Register Contents"',
  feature: 'x87',
  // DD C8+r and DF C8+r are aliases that the manual does not list.
  forms: ['D9 C8+r STi', 'DD C8+r STi', 'DF C8+r STi'],
  semantics(m, other) {
    enter(m);
    const stack = stackOf(m);
    const [first, second] = [stack.top, registerAt(m, stack, m.index(other))];
    m.if(
      isClear(m, emptyGuard(m, stack, first), emptyGuard(m, stack, second)),
      () => {
        const [a, b] = [getExtended(m, first), getExtended(m, second)];
        replaceExtended(m, first, b);
        replaceExtended(m, second, a);
        reportMasked(m, m.const(32, 0));
      },
      () => {
        m.call(exchange, m.index(other));
        recordException(m);
      },
    );
    recordPointer(m);
  },
});

/** (i, condition): ST(0) = ST(i) if the condition holds. Empty registers are noticed whether it does or not. */
const conditionalMove = defineRoutine({
  name: 'x87ConditionalMove',
  params: [32, 1],
  results: [],
  faults: false,
  body(m, i, condition) {
    const a = sourceRegister(m, m.const(32, 0));
    const b = sourceRegister(m, i);
    const flags = m.or(a.flags, b.flags);
    const underflow = isNot0(m, flags);
    const none = indefinite(m);
    m.if(m.not(report(m, flags, 'kept')), () => {
      m.if(m.or(underflow, condition), () =>
        putExtended(m, physical(m, 0), {
          head: m.select(underflow, none.head, b.head),
          significand: m.select(underflow, none.significand, b.significand),
        }),
      );
    });
    return [];
  },
});

function fcmov(name: string, form: string, condition: number): Instruction {
  return defineInstruction({
    name,
    sdm: 'Vol. 2A "FCMOVcc - Floating-Point Conditional Move"',
    feature: 'x87',
    forms: [`${form} ST0,STi`],
    semantics(m, _to, from) {
      enter(m);
      m.call(conditionalMove, m.index(from), m.condition(condition));
      leave(m);
    },
  });
}

export const x87Load: readonly Instruction[] = [
  FLD_MEMORY,
  FLD_EXTENDED,
  FLD_REGISTER,
  FILD,
  FBLD,
  constant('FLD1', 'D9 E8', 0x3fff, 1n << 63n, 'exact'),
  constant('FLDL2T', 'D9 E9', 0x4000, 0xd49a784bcd1b8afen, 'below'),
  constant('FLDL2E', 'D9 EA', 0x3fff, 0xb8aa3b295c17f0bbn, 'above'),
  constant('FLDPI', 'D9 EB', 0x4000, 0xc90fdaa22168c234n, 'above'),
  constant('FLDLG2', 'D9 EC', 0x3ffd, 0x9a209a84fbcff798n, 'above'),
  constant('FLDLN2', 'D9 ED', 0x3ffe, 0xb17217f7d1cf79abn, 'above'),
  constant('FLDZ', 'D9 EE', 0, 0n, 'exact'),
  FXCH,
  fcmov('FCMOVB', 'DA C0+r', 2),
  fcmov('FCMOVE', 'DA C8+r', 4),
  fcmov('FCMOVBE', 'DA D0+r', 6),
  fcmov('FCMOVU', 'DA D8+r', 10),
  fcmov('FCMOVNB', 'DB C0+r', 3),
  fcmov('FCMOVNE', 'DB C8+r', 5),
  fcmov('FCMOVNBE', 'DB D0+r', 7),
  fcmov('FCMOVNU', 'DB D8+r', 11),
];
