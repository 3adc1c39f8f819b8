/**
 * Instructions without an effect here: no-operations, prefetches, fences and cache control. The machine has no caches
 * that a guest could tell, and one vCPU sees its own accesses in order.
 *
 * Without CET, ENDBR32/64 and RDSSP are among the reserved no-operations (SDM Vol. 1 §17.1, Vol. 2B "RDSSPD/RDSSPQ").
 */

import { defineInstruction, type Feature, type Instruction } from './instruction.ts';

function nothing(name: string, sdm: string, forms: string[], feature?: Feature): Instruction {
  return defineInstruction({ name, sdm, forms, ...(feature && { feature }), semantics() {} });
}

/** Cache control checks its operand as a one-byte load does. */
function cacheLine(name: string, sdm: string, form: string, feature: Feature): Instruction {
  return defineInstruction({
    name,
    sdm,
    feature,
    forms: [form],
    semantics(m, operand) {
      m.load(8, m.memory(operand));
    },
  });
}

/** Opcode 90 with REX.B is XCHG. */
const noOperations = ['90', ...['19', '1A', '1B', '1C', '1D', '1E', '1F'].map((opcode) => `0F ${opcode} /r Ev`)];

const PAUSE = defineInstruction({
  name: 'PAUSE',
  sdm: 'Vol. 2B "PAUSE - Spin Loop Hint"',
  forms: ['F3 90 ends'],
  semantics(m) {
    m.stop('yield');
  },
});

export const hints: readonly Instruction[] = [
  nothing('NOP', 'Vol. 2B "NOP - No Operation"', noOperations),
  nothing('PREFETCHh', 'Vol. 2B "PREFETCHh - Prefetch Data Into Caches"', ['0F 18 /r Ev']),
  nothing(
    'PREFETCHW',
    'Vol. 2B "PREFETCHW - Prefetch Data Into Caches in Anticipation of a Write"',
    ['0F 0D /r Ev'],
    '3dnowprefetch',
  ),
  PAUSE,
  nothing('LFENCE', 'Vol. 2A "LFENCE - Load Fence"', ['NP 0F AE /5 Rd'], 'sse2'),
  nothing('MFENCE', 'Vol. 2B "MFENCE - Memory Fence"', ['NP 0F AE /6 Rd'], 'sse2'),
  nothing('SFENCE', 'Vol. 2B "SFENCE - Store Fence"', ['NP 0F AE /7 Rd'], 'sse'),
  cacheLine('CLFLUSH', 'Vol. 2A "CLFLUSH - Flush Cache Line"', 'NP 0F AE /7 Mb', 'clflush'),
  cacheLine('CLFLUSHOPT', 'Vol. 2A "CLFLUSHOPT - Flush Cache Line Optimized"', '66 0F AE /7 Mb', 'clflushopt'),
  cacheLine('CLWB', 'Vol. 2A "CLWB - Cache Line Write Back"', '66 0F AE /6 Mb', 'clwb'),
];
