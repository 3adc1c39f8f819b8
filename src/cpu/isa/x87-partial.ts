/** x87 instructions that take numbers apart: FPREM, FPREM1, FRNDINT, FSCALE, FXTRACT. */

import { type Algebra, defineRoutine, type Routine, type Value } from '../algebra.ts';
import { vcpu } from '../state.ts';
import { denormalFlag } from './fp/add.ts';
import {
  any,
  BIAS_ADJUST,
  EXTENDED_MAX,
  EXTENDED_MIN,
  flagIf,
  INEXACT,
  INVALID,
  IS_FINITE,
  IS_INFINITE,
  IS_ZERO,
  OVERFLOW,
  parts,
  ROUNDED_UP,
  UNDERFLOW,
  type Unpacked,
  unpacked,
  ZERO_DIVIDE,
} from './fp/format.ts';
import { roundToIntegral, toInteger } from './fp/integer.ts';
import { partialRemainder } from './fp/remainder.ts';
import { unpackInteger } from './fp/unpack.ts';
import type { Instruction } from './instruction.ts';
import { roundUnrounded, writeResult } from './x87-arithmetic.ts';
import { packExact } from './x87-load.ts';
import { chooseResult, NO_NUMBER, type Result, special } from './x87-nan.ts';
import { definition, fullPrecision, invalid } from './x87-results.ts';
import {
  C0,
  C1,
  C2,
  C3,
  type Extended,
  IS_EMPTY,
  indefinite,
  isEmpty,
  moveTop,
  physical,
  putExtended,
  report,
  roundingOfControlWord,
  STACK_OVERFLOW,
  setConditionCodes,
  unpackSt,
} from './x87-stack.ts';

function roundFull(m: Algebra, x: readonly Value[], flags: Value): Result {
  const zero = m.const(64, 0);
  return roundUnrounded(m, [...x, zero, flags], fullPrecision(m));
}

function remainderRoutine(name: string, nearest: boolean): Routine {
  return defineRoutine({
    name,
    params: [],
    results: [],
    faults: false,
    body(m) {
      const a = unpackSt(m, 0);
      const b = unpackSt(m, 1);
      const kinds = m.or(a.kind, b.kind);
      const codes = m.variable(m.const(32, 0));
      const none = m.or(any(m, a.kind, IS_INFINITE), any(m, b.kind, IS_ZERO));
      const result = chooseResult(
        m,
        any(m, kinds, NO_NUMBER),
        () => special(m, a, b),
        () =>
          chooseResult(
            m,
            none,
            () => invalid(m),
            () => {
              const rest = [m.variable(a.kind), m.variable(a.sign), m.variable(a.exponent), m.variable(a.significand)];
              m.if(any(m, m.and(a.kind, b.kind), IS_FINITE), () => {
                const found = m.call(partialRemainder, ...parts(a), ...parts(b), m.const(1, nearest ? 1 : 0));
                rest.forEach((variable, i) => {
                  m.assign(variable, found[i]);
                });
                const quotient = found[4];
                const bits = m.or(
                  m.or(flagIf(m, m.bit(quotient, 0), C1), flagIf(m, m.bit(quotient, 1), C3)),
                  flagIf(m, m.bit(quotient, 2), C0),
                );
                m.assign(codes, m.select(found[5], m.const(32, C2), bits));
              });
              return roundFull(
                m,
                rest.map((variable) => m.use(variable)),
                denormalFlag(m, a, b),
              );
            },
          ),
      );
      const invalidOrNan = m.or(none, any(m, kinds, NO_NUMBER));
      m.if(
        m.and(writeResult(m, physical(m, 0), result), m.not(invalidOrNan)),
        () => setConditionCodes(m, m.use(codes)),
        () => setConditionCodes(m, m.const(32, 0), C2),
      );
      return [];
    },
  });
}

const roundSt0 = defineRoutine({
  name: 'x87RoundToInteger',
  params: [],
  results: [],
  faults: false,
  body(m) {
    const x = unpackSt(m, 0);
    const result = chooseResult(
      m,
      any(m, x.kind, NO_NUMBER),
      () => special(m, x, x),
      () => {
        const integral = m.call(roundToIntegral, ...parts(x), roundingOfControlWord(m));
        return roundFull(m, integral.slice(0, 4), m.or(integral[5], denormalFlag(m, x)));
      },
    );
    writeResult(m, physical(m, 0), result);
    return [];
  },
});

/** Exponents beyond every format, even after wrapping, yet far from overflowing 32 bits. */
const SCALE_LIMIT = 0xffff;

/** ST(0) times 2 to the power of ST(1) cut to an integer. */
const scaleSt0 = defineRoutine({
  name: 'x87Scale',
  params: [],
  results: [],
  faults: false,
  body(m) {
    const a = unpackSt(m, 0);
    const b = unpackSt(m, 1);
    const infiniteB = any(m, b.kind, IS_INFINITE);
    // 0 by 2^infinity and infinity by 2^-infinity.
    const none = m.and(infiniteB, m.select(b.sign, any(m, a.kind, IS_INFINITE), any(m, a.kind, IS_ZERO)));
    const result = chooseResult(
      m,
      any(m, m.or(a.kind, b.kind), NO_NUMBER),
      () => special(m, a, b),
      () =>
        chooseResult(
          m,
          none,
          () => invalid(m),
          () => {
            const [integer, tooLarge] = m.call(toInteger, ...parts(b), m.const(32, 3), m.const(64, SCALE_LIMIT));
            const limit = m.select(b.sign, m.const(32, -SCALE_LIMIT), m.const(32, SCALE_LIMIT));
            const steps = m.select(any(m, tooLarge, INVALID), limit, m.trunc(integer, 32));
            const byInfinity = m.select(b.sign, m.const(32, IS_ZERO), m.const(32, IS_INFINITE));
            const kind = m.select(infiniteB, byInfinity, a.kind);
            return scaled(m, { ...a, kind }, steps, denormalFlag(m, a, b));
          },
        ),
    );
    writeResult(m, physical(m, 0), result);
    return [];
  },
});

/**
 * A number with its exponent moved. Where not even the wrapped exponent of an unmasked overflow or underflow is in
 * range the result is infinity or zero (SDM Vol. 1 §8.5.4, §8.5.5), infinity counting as rounded up.
 */
function scaled(m: Algebra, x: Unpacked, steps: Value, flags: Value): Result {
  const exponent = m.add(x.exponent, steps);
  const masks = m.zext(m.get(vcpu.fcw), 32);
  const over = m.ltS(m.const(32, EXTENDED_MAX + BIAS_ADJUST), exponent);
  const under = m.ltS(exponent, m.const(32, EXTENDED_MIN - BIAS_ADJUST));
  const overflow = m.and(over, m.not(any(m, masks, OVERFLOW)));
  const underflow = m.and(under, m.not(any(m, masks, UNDERFLOW)));
  const beyond = m.and(any(m, x.kind, IS_FINITE), m.or(overflow, underflow));
  return chooseResult(
    m,
    beyond,
    () => ({
      head: m.or(m.shl(m.zext(x.sign, 32), 15), m.select(over, m.const(32, 0x7fff), m.const(32, 0))),
      significand: m.select(over, m.const(64, 1n << 63n), m.const(64, 0)),
      flags: m.or(
        flags,
        m.select(over, m.const(32, OVERFLOW | INEXACT | ROUNDED_UP), m.const(32, UNDERFLOW | INEXACT)),
      ),
    }),
    () => roundFull(m, parts({ ...x, exponent }), flags),
  );
}

/** Splits ST(0) into its exponent, which replaces it, and its significand, which is pushed. */
const extractSt0 = defineRoutine({
  name: 'x87Extract',
  params: [],
  results: [],
  faults: false,
  body(m) {
    const x = unpackSt(m, 0);
    const target = physical(m, 0);
    const pushed = physical(m, -1);
    const significand: Extended = packExact(m, { ...x, exponent: m.const(32, 0) });
    const exponent = packExact(m, unpacked(m.call(unpackInteger, m.sext(x.exponent, 64))));
    const zero = any(m, x.kind, IS_ZERO);
    const minusInfinity = m.const(32, 0xffff);
    const infinite = m.or(zero, any(m, x.kind, IS_INFINITE));
    const exponentResult: Extended = {
      head: m.select(infinite, m.select(zero, minusInfinity, m.const(32, 0x7fff)), exponent.head),
      significand: m.select(infinite, m.const(64, 1n << 63n), exponent.significand),
    };
    const flags = m.or(flagIf(m, zero, ZERO_DIVIDE), denormalFlag(m, x));
    const overflow = m.and(m.not(isEmpty(m, pushed)), m.not(any(m, x.kind, IS_EMPTY)));
    const second = chooseResult(
      m,
      overflow,
      () => ({ ...indefinite(m), flags: m.const(32, STACK_OVERFLOW) }),
      () =>
        chooseResult(
          m,
          any(m, x.kind, NO_NUMBER),
          () => special(m, x, x),
          () => ({ ...significand, flags }),
        ),
    );
    const replace = m.or(overflow, any(m, x.kind, NO_NUMBER));
    m.if(m.not(report(m, second.flags)), () => {
      putExtended(m, target, {
        head: m.select(replace, second.head, exponentResult.head),
        significand: m.select(replace, second.significand, exponentResult.significand),
      });
      moveTop(m, -1);
      putExtended(m, pushed, second);
    });
    return [];
  },
});

export const x87Partial: readonly Instruction[] = [
  definition('FPREM', 'Partial Remainder', 'D9 F8', remainderRoutine('x87Remainder', false)),
  definition('FPREM1', 'Partial Remainder', 'D9 F5', remainderRoutine('x87RemainderNearest', true)),
  definition('FRNDINT', 'Round to Integer', 'D9 FC', roundSt0),
  definition('FSCALE', 'Scale', 'D9 FD', scaleSt0),
  definition('FXTRACT', 'Extract Exponent and Significand', 'D9 F4', extractSt0),
];
