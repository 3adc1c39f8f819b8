/**
 * Whether SSE can be used (SDM Vol. 3A §13.1 "Providing Operating System Support for SSE Extensions"), and whether
 * WebAssembly's arithmetic does what MXCSR asks for. Both follow from CR0, CR4 and MXCSR, which hardly ever change:
 * `vcpu.sse` keeps the answer, and whoever writes one of the three clears it.
 *
 *     0             not known: `prepare` finds it out, or raises what keeps SSE away
 *     1             SSE is there; MXCSR wants flags to be raised or rounds in a way of its own
 *     0xe6000001    SSE is there, and WebAssembly's arithmetic is MXCSR's while nothing but INEXACT is raised and there
 *                   are no denormals (DAZ and FTZ then do not matter); the upper bits are the bound of `quick.ts`
 */

import { type Algebra, defineRoutine, NM, UD, type Value } from '../../algebra.ts';
import { vcpu } from '../../state.ts';
import { any } from '../fp/format.ts';
import { mxcsrIsPlain } from '../fp/sse.ts';
import { CR0_EM, CR0_TS, CR4_OSFXSR } from '../system/control-bits.ts';

const AVAILABLE = 1;
/**
 * Numbers with exponents on top of a word that are below this, and so are their complements, are so far from both ends
 * of the format (2^-101 to 2^101 of singles) that their sums and differences are no denormals, if they are not 0.
 */
export const FAST_BOUND = 0xe6000000;

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
    const plain = mxcsrIsPlain(m, m.get(vcpu.mxcsr));
    m.set(vcpu.sse, m.select(plain, m.const(32, FAST_BOUND | AVAILABLE), m.const(32, AVAILABLE)));
    return [];
  },
});

/** What every SSE instruction begins with. */
export function requireSse(m: Algebra): void {
  m.once(check);
}

function check(m: Algebra): void {
  m.if(m.isZero(m.get(vcpu.sse)), () => m.call(prepare));
}

/** Fills `vcpu.sse` anew after MXCSR was written: `requireSse` need not come again before the next instruction. */
export function prepareSse(m: Algebra): void {
  m.call(prepare);
}

/** FAST_BOUND where WebAssembly's arithmetic may be used, else 0. After `requireSse`. */
export function fastBound(m: Algebra): Value {
  return m.and(m.get(vcpu.sse), m.const(32, FAST_BOUND));
}

/** Condition: INEXACT is masked and raised already, and rounding is to nearest. After `requireSse`. */
export function roundsSilently(m: Algebra): Value {
  return m.msb(m.get(vcpu.sse));
}
