/** Results of x87 operations on empty registers, unsupported encodings and NaNs (SDM Vol. 1 §4.8.3.5, §8.5.1). */

import { type Algebra, defineRoutine, type Value } from '../algebra.ts';
import {
  any,
  INVALID,
  IS_NAN,
  IS_QUIET,
  IS_SIGNALLING,
  IS_UNSUPPORTED,
  parts,
  UNPACKED,
  type Unpacked,
  unpacked,
} from './fp/format.ts';
import { type Extended, INDEFINITE_HEAD, INDEFINITE_SIGNIFICAND, IS_EMPTY, STACK_UNDERFLOW } from './x87-stack.ts';

/** Kinds that are no numbers and go to `special`. */
export const NO_NUMBER = IS_NAN | IS_UNSUPPORTED | IS_EMPTY;

const QUIET_BIT = 1n << 62n;

/** A NaN as an extended value, made quiet. */
export function quietNan(m: Algebra, x: Unpacked): Extended {
  return {
    head: m.or(m.const(32, 0x7fff), m.shl(m.zext(x.sign, 32), 15)),
    significand: m.or(x.significand, m.const(64, QUIET_BIT)),
  };
}

/**
 * (a, b), at least one of kind NO_NUMBER -> [head, significand, flags]. Of two NaNs of the same sort the one with the
 * larger significand is the result, the positive one if those are equal; a quiet one goes before a signalling one.
 */
const specialRoutine = defineRoutine({
  name: 'x87Special',
  params: [...UNPACKED, ...UNPACKED],
  results: [32, 64, 32],
  faults: false,
  body(m, ...args) {
    const a = unpacked(args.slice(0, 4));
    const b = unpacked(args.slice(4, 8));
    const kinds = m.or(a.kind, b.kind);
    const head = m.variable(m.const(32, INDEFINITE_HEAD));
    const significand = m.variable(m.const(64, INDEFINITE_SIGNIFICAND));
    const flags = m.variable(m.const(32, STACK_UNDERFLOW));
    m.if(m.not(any(m, kinds, IS_EMPTY)), () => {
      m.assign(flags, m.const(32, INVALID));
      m.if(m.not(any(m, kinds, IS_UNSUPPORTED)), () => {
        m.assign(flags, m.select(any(m, kinds, IS_SIGNALLING), m.const(32, INVALID), m.const(32, 0)));
        const x = quietNan(m, a);
        const y = quietNan(m, b);
        const larger = m.or(
          m.ltU(y.significand, x.significand),
          m.and(m.eq(x.significand, y.significand), m.not(a.sign)),
        );
        const bothNan = m.and(any(m, a.kind, IS_NAN), any(m, b.kind, IS_NAN));
        const sameSort = any(m, m.and(a.kind, b.kind), IS_NAN);
        const onlyA = m.select(bothNan, any(m, a.kind, IS_QUIET), any(m, a.kind, IS_NAN));
        const takeA = m.select(m.and(bothNan, sameSort), larger, onlyA);
        m.assign(head, m.select(takeA, x.head, y.head));
        m.assign(significand, m.select(takeA, x.significand, y.significand));
      });
    });
    return [m.use(head), m.use(significand), m.use(flags)];
  },
});

export interface Result extends Extended {
  readonly flags: Value;
}

export function special(m: Algebra, a: Unpacked, b: Unpacked): Result {
  const [head, significand, flags] = m.call(specialRoutine, ...parts(a), ...parts(b));
  return { head: head, significand: significand, flags: flags };
}

/** A result that depends on a condition, only one side computed. */
export function chooseResult(m: Algebra, condition: Value, then: () => Result, otherwise: () => Result): Result {
  const head = m.variable(m.const(32, 0));
  const significand = m.variable(m.const(64, 0));
  const flags = m.variable(m.const(32, 0));
  const take = (compute: () => Result) => (): void => {
    const result = compute();
    m.assign(head, result.head);
    m.assign(significand, result.significand);
    m.assign(flags, result.flags);
  };
  m.if(condition, take(then), take(otherwise));
  return { head: m.use(head), significand: m.use(significand), flags: m.use(flags) };
}
