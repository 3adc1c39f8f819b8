/** What the guest's processor has. The decoder and CPUID both go by it. */

import type { Feature } from './feature-bits.ts';
import { instructions } from './isa/index.ts';

/** Features that have definitions: exactly what the guest is given. */
export const guestFeatures: ReadonlySet<Feature> = new Set(
  instructions.map((instruction) => instruction.feature ?? 'base'),
);
