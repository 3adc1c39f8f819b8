/**
 * MMX registers and the x87 state that they live in (SDM Vol. 1 §9.2 "The MMX Technology Programming Environment",
 * Vol. 3A §12.2 "The MMX State and MMX Register Aliasing"): MMn is the significand of physical register n.
 */

import { type Algebra, defineRoutine, NM, type Operand, UD, type Value } from '../algebra.ts';
import { vcpu } from '../state.ts';
import { any } from './fp/format.ts';
import { CR0_EM, CR0_TS } from './system/control-bits.ts';
import { EXCEPTION_SUMMARY, pendingException } from './x87-stack.ts';

const mmxUnavailable = defineRoutine({
  name: 'mmxUnavailable',
  params: [],
  results: [],
  faults: true,
  body(m) {
    m.if(any(m, m.get(vcpu.cr0), CR0_EM), () => m.raise(UD));
    m.if(any(m, m.get(vcpu.cr0), CR0_TS), () => m.raise(NM));
    m.call(pendingException);
    return [];
  },
});

/** #UD if CR0.EM is set, #NM if CR0.TS is, #MF if an x87 exception is pending. */
export function requireMmx(m: Algebra): void {
  m.once(checkAvailable);
  m.if(any(m, m.get(vcpu.fsw), EXCEPTION_SUMMARY), () => m.call(mmxUnavailable));
}

function checkAvailable(m: Algebra): void {
  m.if(any(m, m.get(vcpu.cr0), CR0_EM | CR0_TS), () => m.call(mmxUnavailable));
}

/** What every MMX instruction but EMMS does to the x87 state: TOP becomes 0 and every register is in use. */
export function enterMmx(m: Algebra): void {
  m.set(vcpu.fpuTop, m.const(32, 0));
  m.set(vcpu.fpuEmpty, m.const(32, 0));
}

/** Writes an MMX register: the sign and exponent of the x87 register become all ones. */
export function writeMmx(m: Algebra, dst: Operand, value: Value): void {
  enterMmx(m);
  m.write(dst, value);
  m.setAt(vcpu.stExponent, m.index(dst), m.const(16, 0xffff));
}

/** Stores from an MMX register. Processors clear TOP even where the store then faults. */
export function storeMmx(m: Algebra, dst: Operand, value: Value): void {
  m.set(vcpu.fpuTop, m.const(32, 0));
  m.write(dst, value);
  enterMmx(m);
}
