/**
 * Whether SSE can be used (SDM Vol. 3A §13.1 "Providing Operating System Support for SSE Extensions"), and whether
 * WebAssembly's arithmetic does what MXCSR asks for. Both follow from CR0, CR4 and MXCSR, which hardly ever change:
 * `vcpu.sse` keeps the answer, and whoever writes one of the three clears it.
 *
 *     0             not known: `prepare` finds it out, or raises what keeps SSE away
 *     1             SSE is there; MXCSR wants flags to be raised or rounds in a way of its own
 *     0xffc00001    SSE is there, and WebAssembly's arithmetic is MXCSR's as long as nothing but INEXACT is raised
 */

import { type Algebra, defineRoutine, NM, UD, type Value } from '../../algebra.ts';
import { vcpu } from '../../state.ts';
import { any } from '../fp/format.ts';
import { mxcsrIsFast } from '../fp/sse.ts';
import { CR0_EM, CR0_TS, CR4_OSFXSR } from '../system/control-bits.ts';

const AVAILABLE = 1;
/** In the place of a double's exponent, its sign shifted out: two less than that of infinities. */
const FAST = 0xffc00000;

/** Fills `vcpu.sse`: #UD if CR0.EM is set or CR4.OSFXSR clear, else #NM if CR0.TS is set. */
const prepare = defineRoutine({
  name: 'ssePrepare',
  params: [],
  results: [],
  faults: true,
  body(m) {
    const enabled = any(m, m.get(vcpu.cr4), CR4_OSFXSR);
    m.if(m.or(any(m, m.get(vcpu.cr0), CR0_EM), m.not(enabled)), () => m.raise(UD));
    m.if(any(m, m.get(vcpu.cr0), CR0_TS), () => m.raise(NM));
    const fast = mxcsrIsFast(m, m.get(vcpu.mxcsr));
    m.set(vcpu.sse, m.select(fast, m.const(32, FAST | AVAILABLE), m.const(32, AVAILABLE)));
    return [];
  },
});

/** What every SSE instruction begins with. */
export function requireSse(m: Algebra): void {
  m.if(m.isZero(m.get(vcpu.sse)), () => m.call(prepare));
}

/**
 * Type 32: the exponents of numbers, as `mask` cuts them out of a word without its sign, are below this where
 * WebAssembly's arithmetic may be used; it is 0 where it must not. After `requireSse`.
 */
export function fastBound(m: Algebra, mask: number): Value {
  return m.and(m.get(vcpu.sse), m.const(32, mask));
}

/** Condition: INEXACT is masked and raised already, rounding is to nearest, nothing else is asked for. */
export function mxcsrIsPlain(m: Algebra): Value {
  return m.msb(m.get(vcpu.sse));
}
