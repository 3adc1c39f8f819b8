/** Which vectors a guest's processor announces the features of. */

import { guestFeatures } from '../../src/cpu/features.ts';
import type { Feature } from '../../src/cpu/isa/instruction.ts';
import type { Form } from './vectors.ts';

/** The vectors' names of features that are called otherwise here, or that every guest has (PREFETCHW as NOP at least). */
const FEATURES: { readonly [name: string]: Feature } = {
  fpu: 'x87',
  cmov: 'base',
  cx8: 'base',
  msr: 'base',
  sep: 'sysenter',
  prefetchw: 'base',
};

export function isAnnounced(form: Form): boolean {
  return guestFeatures.has(FEATURES[form.feature] ?? (form.feature as Feature));
}
