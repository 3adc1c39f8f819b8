/** x87 trigonometric instructions: FSIN, FCOS, FSINCOS, FPTAN (SDM Vol. 1 §8.3.7 "Trigonometric Instructions"). */

import { type Algebra, defineRoutine, type Routine } from '../algebra.ts';
import { denormalFlag } from './fp/add.ts';
import { any, IS_FINITE, IS_INFINITE, IS_ZERO, type Unpacked } from './fp/format.ts';
import { isTinyAngle, sineAndCosine, tangent, wideFloat } from './fp/trigonometry.ts';
import type { Instruction } from './instruction.ts';
import { NO_NUMBER, type Result, special } from './x87-nan.ts';
import {
  definition,
  exactly,
  firstOf,
  INTEGER_BIT,
  invalid,
  roundNumber,
  roundWide,
  signedZero,
} from './x87-results.ts';
import {
  C1,
  C2,
  type Extended,
  IS_EMPTY,
  indefinite,
  isEmpty,
  moveTop,
  physical,
  putExtended,
  report,
  STACK_OVERFLOW,
  setConditionCodes,
  unpackSt,
} from './x87-stack.ts';

const ONE_HEAD = 0x3fff;
/** Angles of 2^63 and more are out of range. */
const ANGLE_LIMIT = 63;

/**
 * A trigonometric instruction on ST(0): the result replaces it, `second` if there is one is pushed. C2 tells that the
 * angle is out of range and nothing was done.
 */
function trigonometricRoutine(
  name: string,
  compute: (m: Algebra, x: Unpacked) => Result,
  second?: (m: Algebra, x: Unpacked) => Result,
): Routine {
  return defineRoutine({
    name,
    params: [],
    results: [],
    faults: false,
    body(m) {
      const x = unpackSt(m, 0);
      const overflow = second
        ? m.and(m.not(isEmpty(m, physical(m, -1))), m.not(any(m, x.kind, IS_EMPTY)))
        : m.const(1, 0);
      const large = m.and(any(m, x.kind, IS_FINITE), m.leS(m.const(32, ANGLE_LIMIT), x.exponent));
      const outOfRange = m.and(large, m.not(overflow));
      const number = (of: (m: Algebra, x: Unpacked) => Result): Result =>
        firstOf(
          m,
          [
            [overflow, () => ({ ...indefinite(m), flags: m.const(32, STACK_OVERFLOW) })],
            [any(m, x.kind, NO_NUMBER), () => special(m, x, x)],
            [any(m, x.kind, IS_INFINITE), () => invalid(m)],
          ],
          () => of(m, x),
        );
      m.if(
        outOfRange,
        () => setConditionCodes(m, m.const(32, C2), C1 | C2),
        () => {
          const first = number(compute);
          const values: Extended[] = [first];
          let flags = first.flags;
          if (second) {
            const other = number(second);
            values.push(other);
            // C1 is that of the value rounded last.
            flags = m.or(second === one ? flags : m.and(flags, m.const(32, ~C1)), other.flags);
          }
          setConditionCodes(m, m.const(32, 0), C2);
          m.if(m.not(report(m, flags)), () => {
            putExtended(m, physical(m, 0), values[0]);
            if (values[1]) {
              moveTop(m, -1);
              putExtended(m, physical(m, 0), values[1]);
            }
          });
        },
      );
      return [];
    },
  });
}

/** Sine or cosine of a finite number or zero. */
function sine(which: 'sine' | 'cosine'): (m: Algebra, x: Unpacked) => Result {
  return (m, x) => {
    const atZero = (): Result => (which === 'sine' ? signedZero(m, x.sign) : exactly(m, ONE_HEAD, INTEGER_BIT));
    const tiny = (): Result => {
      const one: Unpacked = {
        ...x,
        sign: m.const(1, 0),
        exponent: m.const(32, 0),
        significand: m.const(64, INTEGER_BIT),
      };
      return roundNumber(m, which === 'sine' ? x : one);
    };
    const cases = [
      [any(m, x.kind, IS_ZERO), atZero],
      [isTinyAngle(m, x.exponent), tiny],
    ] as const;
    return firstOf(m, cases, () => {
      const found = m.call(sineAndCosine, x.sign, x.exponent, x.significand);
      const own = which === 'sine' ? found.slice(0, 4) : found.slice(4, 8);
      return roundWide(m, wideFloat(own), denormalFlag(m, x));
    });
  };
}

function tangentOf(m: Algebra, x: Unpacked): Result {
  return firstOf(
    m,
    [
      [any(m, x.kind, IS_ZERO), () => signedZero(m, x.sign)],
      [isTinyAngle(m, x.exponent), () => roundNumber(m, x)],
    ],
    () => roundWide(m, wideFloat(m.call(tangent, x.sign, x.exponent, x.significand)), denormalFlag(m, x)),
  );
}

const one = (m: Algebra): Result => exactly(m, ONE_HEAD, INTEGER_BIT);

export const x87Trigonometric: readonly Instruction[] = [
  definition('FPTAN', 'Partial Tangent', 'D9 F2', trigonometricRoutine('x87Tangent', tangentOf, one)),
  definition(
    'FSINCOS',
    'Sine and Cosine',
    'D9 FB',
    trigonometricRoutine('x87SineCosine', sine('sine'), sine('cosine')),
  ),
  definition('FSIN', 'Sine', 'D9 FE', trigonometricRoutine('x87Sine', sine('sine'))),
  definition('FCOS', 'Cosine', 'D9 FF', trigonometricRoutine('x87Cosine', sine('cosine'))),
];
