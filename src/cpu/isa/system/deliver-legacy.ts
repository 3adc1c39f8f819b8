/** Delivery outside IA-32e mode. */

import { defineRoutine, GP } from '../../algebra.ts';

/** (vector, has error code, error code, source) */
export const deliverLegacy = defineRoutine({
  name: 'deliverLegacy',
  params: [32, 32, 32, 32],
  results: [],
  faults: true,
  body(m) {
    m.raise(GP, 0);
    return [];
  },
});
