/** The control and status register of SSE: SDM Vol. 1 §10.2.3 "MXCSR Control and Status Register". */

import { GP } from '../../algebra.ts';
import { vcpu } from '../../state.ts';
import { any } from '../fp/format.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { MXCSR_MASK } from '../x87-fxsave.ts';
import { prepareSse, requireSse } from './available.ts';

export const sseControl: readonly Instruction[] = [
  defineInstruction({
    name: 'LDMXCSR',
    sdm: 'Vol. 2A "LDMXCSR - Load MXCSR Register"',
    feature: 'sse',
    forms: ['NP 0F AE /2 Md'],
    semantics(m, src) {
      requireSse(m);
      const mxcsr = m.read(src);
      m.if(any(m, mxcsr, ~MXCSR_MASK), () => m.raise(GP, 0));
      m.set(vcpu.mxcsr, mxcsr);
      prepareSse(m);
    },
  }),
  defineInstruction({
    name: 'STMXCSR',
    sdm: 'Vol. 2B "STMXCSR - Store MXCSR Register State"',
    feature: 'sse',
    forms: ['NP 0F AE /3 Md'],
    semantics(m, dst) {
      requireSse(m);
      m.write(dst, m.get(vcpu.mxcsr));
    },
  }),
];
