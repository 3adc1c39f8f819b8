/**
 * x87 transcendental instructions but the trigonometric ones: F2XM1, FYL2X, FYL2XP1, FPATAN (SDM Vol. 1 §8.3.10
 * "Transcendental Instruction Accuracy"). The functions themselves are in `fp/`; here are operands that are no numbers,
 * zeros, infinities, and the stack.
 */

import { type Algebra, defineRoutine, type Routine, type Value } from '../algebra.ts';
import { denormalFlag } from './fp/add.ts';
import { arctangent } from './fp/arctangent.ts';
import { piBits } from './fp/constants.ts';
import { powerOfTwoMinusOne } from './fp/exponential.ts';
import { times } from './fp/fixed.ts';
import {
  any,
  equals,
  flagIf,
  INEXACT,
  IS_FINITE,
  IS_INFINITE,
  IS_ZERO,
  isNot0,
  type Unpacked,
  ZERO_DIVIDE,
} from './fp/format.ts';
import { logarithm, logarithmOfOnePlus } from './fp/logarithm.ts';
import { type WideFloat, wideFloat } from './fp/trigonometry.ts';
import { normalise } from './fp/wide.ts';
import type { Instruction } from './instruction.ts';
import { writeResult } from './x87-arithmetic.ts';
import { chooseResult, NO_NUMBER, type Result, special } from './x87-nan.ts';
import {
  definition,
  exactly,
  firstOf,
  INTEGER_BIT,
  invalid,
  roundNumber,
  roundWide,
  signedInfinity,
  signedZero,
} from './x87-results.ts';
import { physical, pop, unpackSt } from './x87-stack.ts';

/** A routine on ST(0) alone, without parameters. */
function unaryRoutine(name: string, compute: (m: Algebra, x: Unpacked) => Result): Routine {
  return defineRoutine({
    name,
    params: [],
    results: [],
    faults: false,
    body(m) {
      const x = unpackSt(m, 0);
      const noNumber = any(m, x.kind, NO_NUMBER);
      const result = chooseResult(
        m,
        noNumber,
        () => special(m, x, x),
        () => compute(m, x),
      );
      writeResult(m, physical(m, 0), result);
      return [];
    },
  });
}

/** A routine on ST(1) and ST(0) whose result replaces both. */
function binaryRoutine(name: string, compute: (m: Algebra, y: Unpacked, x: Unpacked) => Result): Routine {
  return defineRoutine({
    name,
    params: [],
    results: [],
    faults: false,
    body(m) {
      const x = unpackSt(m, 0);
      const y = unpackSt(m, 1);
      const result = chooseResult(
        m,
        any(m, m.or(x.kind, y.kind), NO_NUMBER),
        () => special(m, x, y),
        () => compute(m, y, x),
      );
      m.if(writeResult(m, physical(m, 1), result), () => pop(m));
      return [];
    },
  });
}

const exponential = unaryRoutine('x87PowerOfTwoMinusOne', (m, x) => {
  const infinite = any(m, x.kind, IS_INFINITE);
  const outside = m.and(any(m, x.kind, IS_FINITE), m.leS(m.const(32, 0), x.exponent));
  const minusOne = m.and(m.and(outside, x.sign), m.and(m.isZero(x.exponent), equals(m, x.significand, INTEGER_BIT)));
  return firstOf(
    m,
    [
      [any(m, x.kind, IS_ZERO), () => signedZero(m, x.sign)],
      [
        infinite,
        () =>
          chooseResult(
            m,
            x.sign,
            () => exactly(m, 0xbfff, INTEGER_BIT),
            () => signedInfinity(m, x.sign),
          ),
      ],
      [minusOne, () => exactly(m, 0xbffe, INTEGER_BIT, m.const(32, INEXACT))],
      // 1 gives 1. Beyond the result is undefined; processors leave the operand.
      [outside, () => roundNumber(m, x)],
    ],
    () => {
      const found = m.call(powerOfTwoMinusOne, x.sign, x.exponent, x.significand);
      return roundWide(m, wideFloat(found), denormalFlag(m, x));
    },
  );
});

/** y times a logarithm. */
function scaleLogarithm(m: Algebra, y: Unpacked, log: WideFloat, flags: Value): Result {
  const product = times(m, { high: y.significand, low: m.const(64, 0) }, log.significand);
  const inexact = m.zext(isNot0(m, log.significand.low), 64);
  const exponent = m.add(m.add(y.exponent, log.exponent), m.const(32, 1));
  const [high, low, e] = m.call(normalise, product.high, m.or(product.low, inexact), exponent);
  return roundWide(m, { sign: m.xor(y.sign, log.sign), exponent: e, significand: { high, low } }, flags);
}

const logarithmTimes = binaryRoutine('x87Logarithm', (m, y, x) => {
  const zeroX = any(m, x.kind, IS_ZERO);
  const zeroY = any(m, y.kind, IS_ZERO);
  const infiniteX = any(m, x.kind, IS_INFINITE);
  const infiniteY = any(m, y.kind, IS_INFINITE);
  const one = m.and(m.isZero(x.exponent), equals(m, x.significand, INTEGER_BIT));
  const isOne = m.and(any(m, x.kind, IS_FINITE), one);
  // The sign of log2 x.
  const below = m.or(zeroX, m.and(any(m, x.kind, IS_FINITE), m.msb(x.exponent)));
  const sign = m.xor(y.sign, below);
  const flags = denormalFlag(m, x, y);
  const none = m.or(m.and(x.sign, m.not(zeroX)), m.or(m.and(zeroY, m.or(zeroX, infiniteX)), m.and(infiniteY, isOne)));
  return firstOf(
    m,
    [
      [none, () => invalid(m)],
      [zeroX, () => signedInfinity(m, sign, flagIf(m, m.not(infiniteY), ZERO_DIVIDE))],
      [m.or(infiniteX, infiniteY), () => signedInfinity(m, sign, flags)],
      [m.or(zeroY, isOne), () => signedZero(m, sign, flags)],
    ],
    () => scaleLogarithm(m, y, wideFloat(m.call(logarithm, x.exponent, x.significand, m.const(64, 0))), flags),
  );
});

const logarithmOfOnePlusTimes = binaryRoutine('x87LogarithmOfOnePlus', (m, y, x) => {
  const zeroX = any(m, x.kind, IS_ZERO);
  const zeroY = any(m, y.kind, IS_ZERO);
  const infiniteX = any(m, x.kind, IS_INFINITE);
  const infiniteY = any(m, y.kind, IS_INFINITE);
  const sign = m.xor(y.sign, x.sign);
  const flags = denormalFlag(m, x, y);
  const none = m.or(m.and(infiniteX, m.or(x.sign, zeroY)), m.and(infiniteY, zeroX));
  return firstOf(
    m,
    [
      [none, () => invalid(m)],
      [m.or(infiniteX, infiniteY), () => signedInfinity(m, sign, flags)],
      [m.or(zeroX, zeroY), () => signedZero(m, sign, flags)],
      // Of -1 and below the result is undefined; processors leave the operand.
      [
        m.and(x.sign, m.leS(m.const(32, 0), x.exponent)),
        () => ({ ...roundNumber(m, x), flags: m.or(flags, m.const(32, INEXACT)) }),
      ],
    ],
    () => scaleLogarithm(m, y, wideFloat(m.call(logarithmOfOnePlus, x.sign, x.exponent, x.significand)), flags),
  );
});

/** An angle in units of 2^-126, with a sign. */
function constantAngle(m: Algebra, sign: Value, bits: Value[], flags: Value): Result {
  const [high, low, exponent] = m.call(normalise, bits[0], bits[1], m.const(32, 1));
  return roundWide(m, { sign, exponent, significand: { high, low } }, flags);
}

const arctangentOfQuotient = binaryRoutine('x87Arctangent', (m, y, x) => {
  const both = m.and(y.kind, x.kind);
  const flags = denormalFlag(m, x, y);
  const infiniteX = any(m, x.kind, IS_INFINITE);
  const infiniteY = any(m, y.kind, IS_INFINITE);
  const flat = m.or(any(m, y.kind, IS_ZERO), m.and(infiniteX, m.not(infiniteY)));
  const angle = (eighths: bigint): bigint => (piBits(126n) * eighths) / 8n;
  const choose = (...cases: [Value, bigint][]): Value[] =>
    [64n, 0n].map((shift) => {
      const part = (value: bigint): Value => m.const(64, BigInt.asUintN(64, value >> shift));
      return cases.reduceRight(
        (otherwise, [condition, value]) => m.select(condition, part(value), otherwise),
        part(0n),
      );
    });
  const always = m.const(1, 1);
  return firstOf(
    m,
    [
      [m.and(flat, m.not(x.sign)), () => signedZero(m, y.sign, flags)],
      [
        m.not(any(m, both, IS_FINITE)),
        () => {
          const diagonal = m.and(infiniteX, infiniteY);
          const bits = choose(
            [flat, angle(8n)],
            [m.and(diagonal, x.sign), angle(6n)],
            [diagonal, angle(2n)],
            [always, angle(4n)],
          );
          return constantAngle(m, y.sign, bits, flags);
        },
      ],
    ],
    () => {
      const found = m.call(arctangent, y.exponent, y.significand, x.exponent, x.significand, x.sign);
      return roundWide(m, { ...wideFloat(found), sign: y.sign }, flags);
    },
  );
});

export const x87Transcendental: readonly Instruction[] = [
  definition('F2XM1', 'Compute 2^x-1', 'D9 F0', exponential),
  definition('FYL2X', 'Compute y * log2x', 'D9 F1', logarithmTimes),
  definition('FPATAN', 'Partial Arctangent', 'D9 F3', arctangentOfQuotient),
  definition('FYL2XP1', 'Compute y * log2(x +1)', 'D9 F9', logarithmOfOnePlusTimes),
];
