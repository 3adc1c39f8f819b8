/**
 * What the fast paths fall back to: the soft-float routines (`../fp/sse.ts`) for scalars and for each lane of a vector,
 * with the exceptions of the whole instruction reported once.
 */

import { type Algebra, defineRoutine, type Routine, type Value } from '../../algebra.ts';
import { vcpu } from '../../state.ts';
import { any, equals } from '../fp/format.ts';
import { mxcsrIsFast, raiseSse } from '../fp/sse.ts';
import { element, fromElements, type Shape } from './shapes.ts';

const DAZ_FTZ_RC = 0xe040;

/** Result and exception flags. */
export type Outcome = readonly [result: Value, flags: Value];

function outcome(results: Value[]): Outcome {
  return [results[0], results[1]];
}

/** Calls a soft-float routine, which takes MXCSR last. */
export function soft(m: Algebra, routine: Routine, ...args: Value[]): Outcome {
  return outcome(m.call(routine, ...args, m.get(vcpu.mxcsr)));
}

/** Reports the exceptions of all outcomes together and gives their results. */
export function report(m: Algebra, outcomes: readonly Outcome[]): Value[] {
  raiseSse(
    m,
    outcomes.map(([, flags]) => flags).reduce((a, b) => m.or(a, b)),
  );
  return outcomes.map(([result]) => result);
}

/** A soft-float routine (without its last parameter, MXCSR) that reports its exceptions. */
export function exactScalar(routine: Routine): Routine {
  return defineRoutine({
    name: `${routine.name}Reported`,
    params: routine.params.slice(0, -1),
    results: routine.results.slice(0, 1),
    faults: true,
    body: (m, ...args) => report(m, [soft(m, routine, ...args)]),
  });
}

/** The same for vectors: `routines`, all of one signature, are repeated over the lanes. */
export function exactPacked(name: string, shape: Shape, ...routines: readonly Routine[]): Routine {
  const operands = routines[0].params.length - 1;
  return exactLanes(name, shape, operands, (m, lane, args) => soft(m, routines[lane % routines.length], ...args));
}

/** Vectors to one vector, by lane. */
function exactLanes(
  name: string,
  shape: Shape,
  operands: number,
  compute: (m: Algebra, lane: number, args: readonly Value[]) => Outcome,
): Routine {
  return defineRoutine({
    name,
    params: Array.from({ length: operands }, () => 128),
    results: [128],
    faults: true,
    body(m, ...vectors) {
      const outcomes = Array.from({ length: shape.count }, (_, lane) =>
        compute(
          m,
          lane,
          vectors.map((vector) => element(m, shape, vector, lane)),
        ),
      );
      return [fromElements(m, shape, report(m, outcomes))];
    },
  });
}

/** A vector to another by its first `count` elements (zeros above); further parameters, type 32, go to `convert`. */
export function exactConversion(
  name: string,
  from: Shape,
  to: Shape,
  count: number,
  convert: (m: Algebra, element: Value, ...rest: Value[]) => Outcome,
  furtherParameters = 0,
): Routine {
  return defineRoutine({
    name: `${name}${count}`,
    params: [128, ...Array.from({ length: furtherParameters }, (): 32 => 32)],
    results: [128],
    faults: true,
    body(m, vector, ...rest) {
      const outcomes = Array.from({ length: count }, (_, lane) => convert(m, element(m, from, vector, lane), ...rest));
      return [fromElements(m, to, report(m, outcomes))];
    },
  });
}

/** MXCSR asks for nothing that WebAssembly's arithmetic does not do. */
export function mxcsrAllows(m: Algebra): Value {
  return mxcsrIsFast(m, m.get(vcpu.mxcsr));
}

/** The same for results that are exact: they raise nothing. */
export function mxcsrAllowsExact(m: Algebra): Value {
  return m.not(any(m, m.get(vcpu.mxcsr), DAZ_FTZ_RC));
}

/** Condition: the exceptions are masked and raised already, so that nothing comes of them. */
export function areRaised(m: Algebra, exceptions: number): Value {
  const bits = exceptions | (exceptions << 7);
  return equals(m, m.and(m.get(vcpu.mxcsr), m.const(32, bits)), bits);
}

/** `fast`, or if `isRight` does not hold what the routine gives. */
export function unlessExact(m: Algebra, isRight: Value, fast: Value, routine: Routine, ...args: Value[]): Value {
  return otherwise(m, isRight, fast, () => m.call(routine, ...args)[0]);
}

/** `fast`, or what `compute` gives, which is computed only where `isRight` does not hold. */
export function otherwise(m: Algebra, isRight: Value, fast: Value, compute: () => Value): Value {
  const result = m.variable(fast);
  m.if(m.not(isRight), () => m.assign(result, compute()));
  return m.use(result);
}

/**
 * The routine, but looking first whether `fast` is right: for results that the tests in line (`quick.ts`) reject, though
 * nothing is wrong with them.
 */
export function lookingFirst(
  routine: Routine,
  look: (m: Algebra, ...args: Value[]) => { readonly isRight: Value; readonly fast: Value },
): Routine {
  return defineRoutine({
    ...routine,
    name: `${routine.name}Unless`,
    body(m, ...args) {
      const { isRight, fast } = look(m, ...args);
      return [unlessExact(m, isRight, fast, routine, ...args)];
    },
  });
}
