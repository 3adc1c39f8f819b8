import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { guestFeatures } from '../../src/cpu/features.ts';
import type { Feature } from '../../src/cpu/isa/instruction.ts';
import { runVectors } from './agreement.ts';
import { InterpreterVectorEngine } from './interpreter-engine.ts';
import { type Form, openVectors, vectorGroups } from './vectors.ts';

/** The vectors' names of features that are called otherwise here, or that every guest has (PREFETCHW as NOP at least). */
const FEATURES: { readonly [name: string]: Feature } = {
  fpu: 'x87',
  cmov: 'base',
  cx8: 'base',
  msr: 'base',
  sep: 'sysenter',
  prefetchw: 'base',
};

function isAnnounced(form: Form): boolean {
  return guestFeatures.has(FEATURES[form.feature] ?? (form.feature as Feature));
}

describe('the interpreter agrees with hardware', () => {
  const engine = new InterpreterVectorEngine();

  for (const group of vectorGroups()) {
    it(`on ${group}`, () => {
      const file = openVectors(group);
      engine.prepare(file.forms.filter(isAnnounced));
      const { forms, cases, report } = runVectors(engine, file, isAnnounced);
      const skipped = new Set(file.forms.filter((form) => !isAnnounced(form)).map(({ feature }) => feature));
      const without = skipped.size === 0 ? '' : `; not announced by CPUID, so skipped: ${[...skipped].join(' ')}`;
      console.log(`${group}: ${forms} forms, ${cases} cases run on the interpreter${without}`);
      assert.equal(report, '');
    });
  }
});
