/**
 * RCP and RSQRT: approximate reciprocals and reciprocal square roots.
 *
 * Deviation: processors look these up in tables of their own, with a relative error of up to 1.5 * 2^-12. Here the
 * results are as good as single precision has them, within that bound; programs must expect any such result. What the
 * manual fixes holds: no exceptions are raised, denormal operands count as zeros, tiny results become zeros.
 */

import { type Algebra, defineRoutine, type Routine, type Value } from '../../algebra.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { requireSse } from './available.ts';
import { every, low } from './lanes.ts';
import { either, F32, nans } from './shapes.ts';

const SIGN = 0x80000000;
const QUIET = 0x00400000;
const INDEFINITE = 0xffc00000;
const ONE = 0x3f800000;

/** Magnitudes below the least normal number become 0, signs kept. */
function flushed(m: Algebra, vector: Value): Value {
  const size = m.op('f32x4.abs', [vector]);
  const tiny = m.op('f32x4.lt', [size, every(m, 32, F32.leastNormal)]);
  return m.op('v128.bitselect', [m.op('v128.and', [vector, every(m, 32, SIGN)]), vector, tiny]);
}

function approximation(name: string, compute: (m: Algebra, x: Value) => Value): Routine {
  return defineRoutine({
    name,
    params: [128],
    results: [128],
    faults: false,
    body(m, vector) {
      const quiet = either(m, vector, every(m, 32, QUIET));
      return [m.op('v128.bitselect', [quiet, compute(m, flushed(m, vector)), nans(m, F32, vector)])];
    },
  });
}

const reciprocal = approximation('reciprocal', (m, x) => flushed(m, m.op('f32x4.div', [every(m, 32, ONE), x])));

const reciprocalRoot = approximation('reciprocalRoot', (m, x) => {
  const root = m.op('f32x4.div', [every(m, 32, ONE), m.op('f32x4.sqrt', [x])]);
  const negative = m.op('f32x4.lt', [x, every(m, 32, 0)]);
  return m.op('v128.bitselect', [every(m, 32, INDEFINITE), root, negative]);
});

function family(name: string, title: string, opcode: string, routine: Routine): Instruction[] {
  const sdm = (suffix: string, of: string): string =>
    `Vol. 2B "${name}${suffix} - Compute ${title} of ${of} Floating-Point Values"`;
  return [
    defineInstruction({
      name: `${name}PS`,
      sdm: sdm('PS', 'Packed Single-Precision'),
      feature: 'sse',
      forms: [`NP ${opcode} /r Vps,Wps`],
      semantics(m, dst, src) {
        requireSse(m);
        m.write(dst, m.call(routine, m.read(src))[0]);
      },
    }),
    defineInstruction({
      name: `${name}SS`,
      sdm: sdm('SS', 'Scalar Single-Precision'),
      feature: 'sse',
      forms: [`F3 ${opcode} /r Vss,Wss`],
      semantics(m, dst, src) {
        requireSse(m);
        const [result] = m.call(routine, m.op('i32x4.splat', [m.read(src)]));
        m.write(dst, m.trunc(low(m, result), 32));
      },
    }),
  ];
}

export const approximations: readonly Instruction[] = [
  ...family('RCP', 'Reciprocals', '0F 53', reciprocal),
  ...family('RSQRT', 'Reciprocals of Square Roots', '0F 52', reciprocalRoot),
];
