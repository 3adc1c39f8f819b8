/** x87 stores: FST, FSTP, FIST, FISTP, FISTTP, FBSTP. */

import { type Algebra, defineRoutine, type Operand, type Routine, type Value } from '../algebra.ts';
import { vcpu } from '../state.ts';
import {
  any,
  DOUBLE,
  EXTENDED_MAX,
  equals,
  type Format,
  flagIf,
  INEXACT,
  INVALID,
  IS_NAN,
  IS_SIGNALLING,
  isNot0,
  OVERFLOW,
  parts,
  ROUNDED_UP,
  SINGLE,
  UNDERFLOW,
  type Unpacked,
} from './fp/format.ts';
import { toInteger } from './fp/integer.ts';
import { isClear, isZero, normalOf } from './fp/normal.ts';
import { round32, round64, roundsUp } from './fp/round.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { NO_NUMBER } from './x87-nan.ts';
import {
  C1,
  controlGuard,
  controlWord,
  emptyGuard,
  enter,
  getExtended,
  IS_EMPTY,
  indefinite,
  isEmpty,
  isStopped,
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
  roundingOfControlWord,
  STACK_FAULT,
  STACK_UNDERFLOW,
  setConditionCodes,
  stackOf,
  unpackSt,
} from './x87-stack.ts';

/** () -> [bits, flags]: ST(0) as a single or double. */
function convertRoutine(format: Format): Routine {
  const { width, fraction, special, bias } = format;
  const whole = convertWhole(format);
  return defineRoutine({
    name: `x87To${width}`,
    params: [],
    results: [width, 32],
    faults: false,
    body(m) {
      const stack = stackOf(m);
      const { head, significand } = getExtended(m, stack.top);
      const x = normalOf(m, head, significand);
      const bits = m.variable(m.shl(m.zext(x.sign, width), width - 1));
      const flags = m.variable(m.const(32, 0));
      const exponent = m.sub(x.exponent, m.const(32, EXTENDED_MAX - bias));
      // Two exponents less than there are, so that no rounding can lead out of the format.
      const inFormat = m.and(m.ltU(m.sub(exponent, m.const(32, 1)), m.const(32, special - 2)), m.msb(significand));
      const full = emptyGuard(m, stack, stack.top);
      m.if(
        m.and(isClear(m, full, controlGuard(m, m.zext(m.get(vcpu.fcw), 32))), inFormat),
        () => {
          const kept = m.shr(significand, 63 - fraction);
          const rest = m.shl(significand, fraction + 1);
          const up = roundsUp(m, x.sign, m.bit(kept, 0), rest, m.const(32, 0));
          // The integer bit adds one to the exponent.
          const base = m.shl(m.zext(m.sub(exponent, m.const(32, 1)), 64), fraction);
          const magnitude = m.add(m.add(base, kept), m.zext(up, 64));
          m.assign(bits, m.or(m.use(bits), m.trunc(magnitude, width)));
          m.assign(flags, m.or(flagIf(m, isNot0(m, rest), INEXACT), flagIf(m, up, ROUNDED_UP)));
        },
        () =>
          m.if(
            m.and(isClear(m, full), isZero(m, x)),
            () => {},
            () => {
              const [wholeBits, wholeFlags] = m.call(whole);
              m.assign(bits, wholeBits);
              m.assign(flags, wholeFlags);
            },
          ),
      );
      return [m.use(bits), m.use(flags)];
    },
  });
}

function convertWhole({ width, fraction }: Format): Routine {
  return defineRoutine({
    name: `x87To${width}Whole`,
    params: [],
    results: [width, 32],
    faults: false,
    body(m) {
      const x = unpackSt(m, 0);
      const bits = m.variable(m.const(width, ((1n << BigInt(width - fraction + 1)) - 1n) << BigInt(fraction - 1)));
      const flags = m.variable(noNumberFlags(m, x));
      m.if(
        any(m, x.kind, NO_NUMBER),
        () =>
          m.if(any(m, x.kind, IS_NAN), () => {
            // The payload's upper bits, below the sign, an exponent of ones and the quiet bit.
            const payload = m.shr(m.shl(x.significand, 1), 64 - fraction);
            const ones = m.const(64, ((1n << BigInt(width - fraction)) - 1n) << BigInt(fraction - 1));
            const sign = m.shl(m.zext(x.sign, 64), width - 1);
            m.assign(bits, m.trunc(m.or(m.or(payload, ones), sign), width));
          }),
        () => {
          const routine = width === 32 ? round32 : round64;
          const [rounded, raised] = m.call(routine, ...parts(x), m.const(64, 0), controlWord(m));
          m.assign(bits, rounded);
          m.assign(flags, raised);
        },
      );
      return [m.use(bits), m.use(flags)];
    },
  });
}

/** The flags of a conversion from what is no number: stack underflow, or INVALID but for quiet NaNs. */
function noNumberFlags(m: Algebra, x: Unpacked): Value {
  const nan = flagIf(m, any(m, x.kind, IS_SIGNALLING), INVALID);
  const other = m.select(any(m, x.kind, IS_NAN), nan, m.const(32, INVALID));
  return m.select(any(m, x.kind, IS_EMPTY), m.const(32, STACK_UNDERFLOW), other);
}

const toSingle = convertRoutine(SINGLE);
const toDouble = convertRoutine(DOUBLE);

/** (rounding, limit) -> [integer, flags]: ST(0) as an integer of that magnitude, 2^63 with INVALID where it is none. */
const toMachineInteger = defineRoutine({
  name: 'x87ToInteger',
  params: [32, 64],
  results: [64, 32],
  faults: false,
  body(m, rounding, limit) {
    const stack = stackOf(m);
    const { head, significand } = getExtended(m, stack.top);
    const x = normalOf(m, head, significand);
    const integer = m.variable(m.const(64, 0));
    const flags = m.variable(m.const(32, 0));
    const done = m.variable(m.const(1, 0));
    m.if(isClear(m, emptyGuard(m, stack, stack.top)), () => {
      // By how much the significand is shifted to the right: of normal numbers below 2^63, more than 0.
      const count = m.sub(m.const(32, EXTENDED_MAX + 63), x.exponent);
      const fits = m.ltU(m.sub(count, m.const(32, 1)), m.const(32, EXTENDED_MAX + 62));
      m.if(m.and(fits, m.msb(significand)), () => {
        const bits = m.zext(m.and(count, m.const(32, 63)), 64);
        const below1 = m.ltU(m.const(32, 63), count);
        const belowHalf = m.select(equals(m, count, 64), significand, m.const(64, 1));
        const fraction = m.shl(m.shl(significand, 1), m.xor(bits, m.const(64, 63)));
        const rest = m.select(below1, belowHalf, fraction);
        const cut = m.select(below1, m.const(64, 0), m.shr(significand, bits));
        const up = roundsUp(m, x.sign, m.bit(cut, 0), rest, rounding);
        const magnitude = m.add(cut, m.zext(up, 64));
        m.if(m.leU(magnitude, limit), () => {
          m.assign(integer, m.select(x.sign, m.neg(magnitude), magnitude));
          m.assign(flags, m.or(flagIf(m, isNot0(m, rest), INEXACT), flagIf(m, up, ROUNDED_UP)));
          m.assign(done, m.const(1, 1));
        });
      });
      m.if(isZero(m, x), () => m.assign(done, m.const(1, 1)));
    });
    m.if(m.not(m.use(done)), () => {
      const unpacked = unpackSt(m, 0);
      const [wholeInteger, raised] = m.call(toInteger, ...parts(unpacked), rounding, limit);
      m.assign(integer, wholeInteger);
      m.assign(flags, m.or(raised, flagIf(m, any(m, unpacked.kind, IS_EMPTY), STACK_UNDERFLOW)));
    });
    return [m.use(integer), m.use(flags)];
  },
});

const LARGEST_BCD = 10n ** 18n - 1n;

/** () -> [digits 0-15, digits 16-17 and sign, flags]: ST(0) as packed BCD. */
const toBcd = defineRoutine({
  name: 'x87ToBcd',
  params: [],
  results: [64, 16, 32],
  faults: false,
  body(m) {
    const sign = m.bit(getExtended(m, physical(m, 0)).head, 15);
    const limit = m.const(64, LARGEST_BCD);
    const [integer, raised] = m.call(toMachineInteger, roundingOfControlWord(m), limit);
    const magnitude = m.select(m.msb(integer), m.neg(integer), integer);
    // Of a negative number the conversion lets one more pass: -10^18.
    const invalid = m.or(any(m, raised, INVALID), m.ltU(limit, magnitude));
    const low = m.variable(m.const(64, 3n << 62n));
    const high = m.variable(m.const(16, 0xffff));
    m.if(m.not(invalid), () => {
      const rest = m.variable(magnitude);
      const digitPair = (): Value => {
        const quotient = m.divU(m.use(rest), m.const(64, 100));
        const pair = m.sub(m.use(rest), m.mul(quotient, m.const(64, 100)));
        m.assign(rest, quotient);
        // Tens of a number below 103 by multiplication with 41/410.
        const tens = m.shr(m.mul(pair, m.const(64, 205)), 11);
        return m.add(pair, m.mul(tens, m.const(64, 6)));
      };
      const shift = m.variable(m.const(64, 0));
      m.assign(low, m.const(64, 0));
      m.while(
        () => m.ltU(m.use(shift), m.const(64, 64)),
        () => {
          m.assign(low, m.or(m.use(low), m.shl(digitPair(), m.use(shift))));
          m.assign(shift, m.add(m.use(shift), m.const(64, 8)));
        },
      );
      m.assign(high, m.or(m.trunc(digitPair(), 16), m.shl(m.zext(sign, 16), 15)));
    });
    const fault = m.or(m.and(raised, m.const(32, STACK_FAULT)), m.const(32, INVALID));
    return [m.use(low), m.use(high), m.select(invalid, fault, raised)];
  },
});

/**
 * Ends a store to memory: `store` runs unless an unmasked exception (of those in `stopping`) forbids it, and then
 * neither the stack moves. A faulting store leaves everything as it was.
 */
function finishStore(
  m: Algebra,
  to: Operand,
  flags: Value,
  stopping: number,
  popAfter: boolean,
  store: () => void,
): void {
  const allowed = m.not(isStopped(m, flags, stopping));
  m.if(allowed, store);
  // Anything but INEXACT that is masked.
  const exceptional = m.or(m.not(m.zext(m.get(vcpu.fcw), 32)), m.const(32, ~INEXACT));
  m.if(
    m.isZero(m.and(m.and(flags, m.const(32, ~ROUNDED_UP)), exceptional)),
    () => {
      reportMasked(m, flags);
      if (popAfter) popFrom(m, stackOf(m));
    },
    () => {
      m.call(afterStore, flags, allowed, m.const(1, popAfter ? 1 : 0));
      recordException(m, to);
    },
  );
  recordPointer(m);
}

/** (flags, stored, pop): what comes of a store that was or was not allowed. */
const afterStore = defineRoutine({
  name: 'x87AfterStore',
  params: [32, 1, 1],
  results: [],
  faults: false,
  body(m, flags, stored, popAfter) {
    // What was not stored is not inexact either.
    report(m, m.select(stored, flags, m.and(flags, m.const(32, ~(INEXACT | ROUNDED_UP)))));
    m.if(m.and(stored, popAfter), () => pop(m));
    return [];
  },
});

function storeReal(name: string, forms: readonly string[], popAfter: boolean): Instruction {
  return defineInstruction({
    name,
    sdm: 'Vol. 2A "FST/FSTP - Store Floating-Point Value"',
    feature: 'x87',
    forms,
    semantics(m, to) {
      enter(m);
      const [bits, flags] = m.call(to.type === 32 ? toSingle : toDouble);
      finishStore(m, to, flags, INVALID | OVERFLOW | UNDERFLOW, popAfter, () => m.write(to, bits));
    },
  });
}

function storeInteger(name: string, forms: readonly string[], popAfter: boolean, truncate = false): Instruction {
  return defineInstruction({
    name,
    sdm: truncate ? 'Vol. 2A "FISTTP - Store Integer With Truncation"' : 'Vol. 2A "FIST/FISTP - Store Integer"',
    feature: truncate ? 'sse3' : 'x87',
    forms,
    semantics(m, to) {
      enter(m);
      const width = to.type as 16 | 32 | 64;
      const indefinite = 1n << BigInt(width - 1);
      const rounding = truncate ? m.const(32, 3) : roundingOfControlWord(m);
      const [integer, flags] = m.call(toMachineInteger, rounding, m.const(64, indefinite - 1n));
      const stored = m.select(any(m, flags, INVALID), m.const(width, indefinite), m.trunc(integer, width));
      finishStore(m, to, flags, INVALID, popAfter, () => m.write(to, stored));
    },
  });
}

/** Ten bytes in two stores, the first of which stays if the second one faults, as processors have it. */
function storeTenBytes(m: Algebra, to: Operand, low: Value, high: Value): void {
  const address = m.memory(to);
  m.store(address, low);
  m.store(m.offset(address, 8), high);
}

const FBSTP = defineInstruction({
  name: 'FBSTP',
  sdm: 'Vol. 2A "FBSTP - Store BCD Integer and Pop"',
  feature: 'x87',
  forms: ['DF /6 Mt'],
  semantics(m, to) {
    enter(m);
    const [low, high, flags] = m.call(toBcd);
    finishStore(m, to, flags, INVALID, true, () => storeTenBytes(m, to, low, high));
  },
});

const FSTP_EXTENDED = defineInstruction({
  name: 'FSTP',
  sdm: 'Vol. 2A "FST/FSTP - Store Floating-Point Value"',
  feature: 'x87',
  forms: ['DB /7 Mt'],
  semantics(m, to) {
    enter(m);
    const register = physical(m, 0);
    const empty = isEmpty(m, register);
    const value = getExtended(m, register);
    const none = indefinite(m);
    const head = m.trunc(m.select(empty, none.head, value.head), 16);
    const significand = m.select(empty, none.significand, value.significand);
    const flags = flagIf(m, empty, STACK_UNDERFLOW);
    finishStore(m, to, flags, INVALID, true, () => storeTenBytes(m, to, significand, head));
  },
});

/** (i, pop): ST(i) = ST(0). */
const copyToRegister = defineRoutine({
  name: 'x87Copy',
  params: [32, 1],
  results: [],
  faults: false,
  body(m, i, popAfter) {
    const register = physical(m, 0);
    const empty = isEmpty(m, register);
    const value = getExtended(m, register);
    const none = indefinite(m);
    const blocked = report(m, flagIf(m, empty, STACK_UNDERFLOW));
    m.if(m.not(blocked), () => {
      putExtended(m, physical(m, i), {
        head: m.select(empty, none.head, value.head),
        significand: m.select(empty, none.significand, value.significand),
      });
      m.if(popAfter, () => pop(m));
    });
    return [];
  },
});

function storeRegister(name: string, forms: readonly string[], popAfter: boolean): Instruction {
  return defineInstruction({
    name,
    sdm: 'Vol. 2A "FST/FSTP - Store Floating-Point Value"',
    feature: 'x87',
    forms,
    semantics(m, to) {
      enter(m);
      const stack = stackOf(m);
      m.if(
        isClear(m, emptyGuard(m, stack, stack.top)),
        () => {
          const register = registerAt(m, stack, m.index(to));
          replaceExtended(m, register, getExtended(m, stack.top));
          reportMasked(m, m.const(32, 0));
          const tags = m.and(stack.tags, m.not(m.shl(m.const(32, 1), register)));
          if (popAfter) popFrom(m, { ...stack, tags });
          else m.set(vcpu.fpuEmpty, tags);
        },
        () => {
          m.call(copyToRegister, m.index(to), m.const(1, popAfter ? 1 : 0));
          recordException(m);
        },
      );
      recordPointer(m);
    },
  });
}

/** An alias that the manual does not list, but that an empty ST(0) is no stack underflow and is not stored. */
const FSTP_IF_FULL = defineInstruction({
  name: 'FSTP',
  sdm: 'Vol. 2A "FST/FSTP - Store Floating-Point Value"',
  feature: 'x87',
  forms: ['D9 D8+r STi'],
  semantics(m, to) {
    enter(m);
    m.if(
      isEmpty(m, physical(m, 0)),
      () => {
        setConditionCodes(m, m.const(32, 0), C1);
        pop(m);
      },
      () => {
        m.call(copyToRegister, m.index(to), m.const(1, 1));
      },
    );
    leave(m);
  },
});

export const x87Store: readonly Instruction[] = [
  storeReal('FST', ['D9 /2 Md', 'DD /2 Mq'], false),
  storeReal('FSTP', ['D9 /3 Md', 'DD /3 Mq'], true),
  FSTP_EXTENDED,
  storeRegister('FST', ['DD D0+r STi'], false),
  // DF D0+r and DF D8+r are aliases that the manual does not list.
  storeRegister('FSTP', ['DD D8+r STi', 'DF D0+r STi', 'DF D8+r STi'], true),
  FSTP_IF_FULL,
  storeInteger('FIST', ['DF /2 Mw', 'DB /2 Md'], false),
  storeInteger('FISTP', ['DF /3 Mw', 'DB /3 Md', 'DF /7 Mq'], true),
  storeInteger('FISTTP', ['DF /1 Mw', 'DB /1 Md', 'DD /1 Mq'], true, true),
  FBSTP,
];
