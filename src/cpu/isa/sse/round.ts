/** ROUNDPS, ROUNDPD, ROUNDSS and ROUNDSD: to integers within the format, in a rounding mode of the immediate. */

import { type Algebra, defineRoutine, type Routine, type Value } from '../../algebra.ts';
import { vcpu } from '../../state.ts';
import { equals, INEXACT } from '../fp/format.ts';
import { mxcsrRounding, softRound32, softRound64 } from '../fp/sse.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { requireSse } from './available.ts';
import { type Outcome, otherwise, report, soft, unlessExact } from './exact.ts';
import { immediate } from './lanes.ts';
import { arePlainNumbers, bitsOf, readScalar, withFloat } from './quick.ts';
import { element, F32, fromElements, type Shape, toFloat } from './shapes.ts';
import { operandsOf, VARIANTS } from './variants.ts';

/** Bits of the immediate: rounding mode in 1-0, MXCSR's instead if bit 2 is set, no INEXACT if bit 3 is. */
const FROM_MXCSR = 2;
const QUIET = 3;
const INEXACT_MASKED_AND_RAISED = 0x1020;

function roundExactly(m: Algebra, s: Shape, bits: Value, mode: Value, control: Value): Outcome {
  const [result, flags] = soft(m, s === F32 ? softRound32 : softRound64, bits, mode);
  return [result, m.and(flags, m.select(m.bit(control, QUIET), m.const(32, ~INEXACT), m.const(32, -1)))];
}

/** (number, rounding mode, immediate) -> result */
function exactScalarRound(s: Shape): Routine {
  return defineRoutine({
    name: `round${s.width}`,
    params: [s.width, 32, 32],
    results: [s.width],
    faults: true,
    body: (m, bits, mode, control) => report(m, [roundExactly(m, s, bits, mode, control)]),
  });
}

function exactPackedRound(s: Shape): Routine {
  return defineRoutine({
    name: `roundPacked${s.width}`,
    params: [128, 32, 32],
    results: [128],
    faults: true,
    body(m, vector, mode, control) {
      const outcomes = Array.from({ length: s.count }, (_, lane) =>
        roundExactly(m, s, element(m, s, vector, lane), mode, control),
      );
      return [fromElements(m, s, report(m, outcomes))];
    },
  });
}

/** WebAssembly's rounding by rounding control: nearest, down, up, toward zero. */
function roundedBy(m: Algebra, mode: Value, round: (operation: string) => Value): Value {
  const upOrZero = m.select(m.bit(mode, 0), round('trunc'), round('ceil'));
  const nearestOrDown = m.select(m.bit(mode, 0), round('floor'), round('nearest'));
  return m.select(m.bit(mode, 1), upOrZero, nearestOrDown);
}

export const rounding: readonly Instruction[] = VARIANTS.map((variant, i) => {
  const { suffix, precision, shape: s, packed } = variant;
  const exact = packed ? exactPackedRound(s) : exactScalarRound(s);
  return defineInstruction({
    name: `ROUND${suffix}`,
    sdm: `Vol. 2B "ROUND${suffix} - Round ${precision} Precision Floating-Point Values"`,
    feature: 'sse4.1',
    forms: [`66 0F 3A ${['08', '09', '0A', '0B'][i]} /r ${operandsOf(variant)},Ib`],
    semantics(m, dst, src, imm) {
      requireSse(m);
      const scalar = packed ? undefined : readScalar(m, s, src);
      const x = scalar === undefined ? m.read(src) : bitsOf(m, s, scalar);
      const control = immediate(m, m.read(imm));
      const mxcsr = m.get(vcpu.mxcsr);
      const own = m.and(control, m.const(32, 3));
      const mode = m.select(m.bit(control, FROM_MXCSR), mxcsrRounding(m, mxcsr), own);
      const bits = INEXACT_MASKED_AND_RAISED;
      const silent = m.or(m.bit(control, QUIET), equals(m, m.and(mxcsr, m.const(32, bits)), bits));
      if (scalar === undefined) {
        const fast = roundedBy(m, mode, (operation) => m.op(`${s.vector}.${operation}`, [x]));
        const right = m.and(silent, arePlainNumbers(m, s, packed, [x]));
        m.write(dst, unlessExact(m, right, fast, exact, x, mode, control));
      } else {
        const fast = roundedBy(m, mode, (operation) => m.op(`${s.scalar}.${operation}`, [scalar.float]));
        const right = m.and(silent, arePlainNumbers(m, s, packed, [scalar.vector]));
        const slow = (): Value => toFloat(m, s, m.call(exact, x, mode, control)[0]);
        m.setXmm(dst, withFloat(m, s, dst, otherwise(m, right, fast, slow)));
      }
    },
  });
});
