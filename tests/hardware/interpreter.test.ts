import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runVectors } from './agreement.ts';
import { isAnnounced } from './announced.ts';
import { TierVectorEngine } from './tier-engine.ts';
import { openVectors, vectorGroups } from './vectors.ts';

describe('the interpreter agrees with hardware', () => {
  for (const group of vectorGroups()) {
    it(`on ${group}`, () => {
      const engine = new TierVectorEngine('interpreter');
      const file = openVectors(group);
      engine.prepare(file.cases(isAnnounced));
      const { forms, cases, report } = runVectors(engine, file, isAnnounced);
      const skipped = new Set(file.forms.filter((form) => !isAnnounced(form)).map(({ feature }) => feature));
      const without = skipped.size === 0 ? '' : `; not announced by CPUID, so skipped: ${[...skipped].join(' ')}`;
      console.log(`${group}: ${forms} forms, ${cases} cases run on the interpreter${without}`);
      assert.equal(report, '');
    });
  }
});
