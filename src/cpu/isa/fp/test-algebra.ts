/** For tests: calls routines on the reference, with and giving plain integers. */

import type { Algebra, Routine } from '../../algebra.ts';
import { machine } from '../../reference/test-machine.ts';
import { bitsOf } from '../../reference/values.ts';

const NOP = 0x90;

function referenceAlgebra(): Algebra {
  let algebra: Algebra | undefined;
  machine(
    (m) => {
      algebra = m;
    },
    [NOP],
  ).engine.step();
  if (algebra === undefined) throw new Error('the reference did not run');
  return algebra;
}

const algebra = referenceAlgebra();

export function callRoutine(routine: Routine, ...args: readonly bigint[]): bigint[] {
  const values = args.map((value, i) => algebra.const(routine.params[i], value));
  return algebra.call(routine, ...values).map(bitsOf);
}

/** A generator of 64-bit numbers, the same ones on every run (xorshift64, Marsaglia 2003). */
export function randomNumbers(seed: bigint): () => bigint {
  let state = seed;
  return () => {
    state ^= BigInt.asUintN(64, state << 13n);
    state ^= state >> 7n;
    state ^= BigInt.asUintN(64, state << 17n);
    return state;
  };
}
