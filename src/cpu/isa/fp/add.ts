/** Addition and subtraction of unpacked numbers that are not NaNs. */

import { type Algebra, defineRoutine, type Type, type Value } from '../../algebra.ts';
import {
  any,
  DENORMAL,
  equals,
  flagIf,
  INVALID,
  IS_DENORMAL,
  IS_FINITE,
  IS_INFINITE,
  IS_QUIET,
  IS_ZERO,
  isNot0,
  ROUND_DOWN,
  roundingControl,
  UNPACKED,
  UNROUNDED,
  type Unpacked,
  unpacked,
} from './format.ts';
import { normalise, shiftRightJam } from './wide.ts';

export const BINARY_PARAMS: readonly Type[] = [...UNPACKED, ...UNPACKED, 32];

/** The flag for a denormal among the operands. */
export function denormalFlag(m: Algebra, ...operands: Unpacked[]): Value {
  const kinds = operands.map((operand) => operand.kind).reduce((a, b) => m.or(a, b));
  return flagIf(m, any(m, kinds, IS_DENORMAL), DENORMAL);
}

/** Magnitudes of finite numbers, |a| >= |b| not required -> [exponent, high, low], both halves 0 for a zero. */
const addMagnitudes = defineRoutine({
  name: 'fpAddMagnitudes',
  params: [32, 64, 32, 64, 1],
  results: [1, 32, 64, 64],
  faults: false,
  body(m, exponentA, significandA, exponentB, significandB, subtract) {
    const swap = m.or(
      m.ltS(exponentA, exponentB),
      m.and(m.eq(exponentA, exponentB), m.ltU(significandA, significandB)),
    );
    const exponent = m.select(swap, exponentB, exponentA);
    const large = m.select(swap, significandB, significandA);
    const distance = m.sub(exponent, m.select(swap, exponentA, exponentB));
    const small = m.select(swap, significandA, significandB);
    const [smallHigh, smallLow] = m.call(shiftRightJam, small, m.const(64, 0), distance);
    const resultExponent = m.variable(exponent);
    const high = m.variable(m.add(large, smallHigh));
    const low = m.variable(smallLow);
    m.if(
      subtract,
      () => {
        const borrow = m.zext(isNot0(m, smallLow), 64);
        m.assign(high, m.sub(m.sub(large, smallHigh), borrow));
        m.assign(low, m.neg(smallLow));
        m.if(isNot0(m, m.or(m.use(high), m.use(low))), () => {
          const [h, l, e] = m.call(normalise, m.use(high), m.use(low), exponent);
          m.assign(high, h);
          m.assign(low, l);
          m.assign(resultExponent, e);
        });
      },
      () =>
        m.if(m.ltU(m.use(high), large), () => {
          const sum = m.use(high);
          const jammed = m.or(m.shr(smallLow, 1), m.and(smallLow, m.const(64, 1)));
          m.assign(low, m.or(jammed, m.shl(sum, 63)));
          m.assign(high, m.or(m.shr(sum, 1), m.const(64, 1n << 63n)));
          m.assign(resultExponent, m.add(exponent, m.const(32, 1)));
        }),
    );
    return [swap, m.use(resultExponent), m.use(high), m.use(low)];
  },
});

/** (a, b, control) -> unrounded a + b. Subtract by turning b's sign round. */
export const addUnpacked = defineRoutine({
  name: 'fpAdd',
  params: BINARY_PARAMS,
  results: UNROUNDED,
  faults: false,
  body(m, ...args) {
    const a = unpacked(args.slice(0, 4));
    const b = unpacked(args.slice(4, 8));
    const control = args[8];
    const differ = m.xor(a.sign, b.sign);
    const zeroSign = m.select(differ, equals(m, roundingControl(m, control), ROUND_DOWN), a.sign);
    const kind = m.variable(m.const(32, IS_ZERO));
    const sign = m.variable(zeroSign);
    const exponent = m.variable(m.const(32, 0));
    const high = m.variable(m.const(64, 0));
    const low = m.variable(m.const(64, 0));
    const flags = m.variable(denormalFlag(m, a, b));
    const take = (x: Unpacked): void => {
      m.assign(kind, x.kind);
      m.assign(sign, x.sign);
      m.assign(exponent, x.exponent);
      m.assign(high, x.significand);
    };
    const finite = m.and(m.and(a.kind, b.kind), m.const(32, IS_FINITE));
    m.if(
      isNot0(m, finite),
      () => {
        const sum = m.call(addMagnitudes, a.exponent, a.significand, b.exponent, b.significand, differ);
        const [swapped, e, h, l] = sum;
        m.assign(exponent, e);
        m.assign(high, h);
        m.assign(low, l);
        m.if(isNot0(m, m.or(h, l)), () => {
          m.assign(kind, m.const(32, IS_FINITE));
          m.assign(sign, m.select(swapped, b.sign, a.sign));
        });
      },
      () => {
        const infiniteA = any(m, a.kind, IS_INFINITE);
        const infiniteB = any(m, b.kind, IS_INFINITE);
        m.if(
          m.and(m.and(infiniteA, infiniteB), differ),
          () => {
            m.assign(kind, m.const(32, IS_QUIET));
            m.assign(flags, m.const(32, INVALID));
          },
          () => {
            const takeA = m.or(infiniteA, any(m, b.kind, IS_ZERO));
            const bothZero = any(m, m.and(a.kind, b.kind), IS_ZERO);
            m.if(m.not(bothZero), () =>
              m.if(
                takeA,
                () => take(a),
                () => take(b),
              ),
            );
          },
        );
      },
    );
    return [m.use(kind), m.use(sign), m.use(exponent), m.use(high), m.use(low), m.use(flags)];
  },
});
