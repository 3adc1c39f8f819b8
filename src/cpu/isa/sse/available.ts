/**
 * Whether SSE can be used: SDM Vol. 3A §13.1 "Providing Operating System Support for SSE Extensions". Every SSE
 * instruction begins with `requireSse`, the only place that knows how this is found out.
 */

import { type Algebra, defineRoutine, NM, UD } from '../../algebra.ts';
import { vcpu } from '../../state.ts';
import { any, isNot0 } from '../fp/format.ts';
import { CR0_EM, CR0_TS, CR4_OSFXSR } from '../system/control-bits.ts';

const sseUnavailable = defineRoutine({
  name: 'sseUnavailable',
  params: [],
  results: [],
  faults: true,
  body(m) {
    const enabled = any(m, m.get(vcpu.cr4), CR4_OSFXSR);
    m.if(m.or(any(m, m.get(vcpu.cr0), CR0_EM), m.not(enabled)), () => m.raise(UD));
    m.raise(NM);
    return [];
  },
});

/** #UD if CR0.EM is set or CR4.OSFXSR clear, else #NM if CR0.TS is set. */
export function requireSse(m: Algebra): void {
  const stopped = m.and(m.trunc(m.get(vcpu.cr0), 32), m.const(32, CR0_EM | CR0_TS));
  const missing = m.and(m.not(m.trunc(m.get(vcpu.cr4), 32)), m.const(32, CR4_OSFXSR));
  m.if(isNot0(m, m.or(stopped, missing)), () => m.call(sseUnavailable));
}
