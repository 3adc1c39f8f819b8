import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nightly } from '../nightly.ts';
import { runVectors } from './agreement.ts';
import { isAnnounced } from './announced.ts';
import { caseCount } from './form.ts';
import { TierVectorEngine } from './tier-engine.ts';
import { openVectors, type VectorCase, vectorGroups } from './vectors.ts';

/** Translating a case takes some milliseconds. */
const SAMPLE = 16;
/**
 * The least share of a group that must run translated. The rest are instructions that cross a page, and those that
 * handlers run: all string instructions and most of the system's.
 */
const LEAST_TRANSLATED: { readonly [group: string]: number } = { integer: 0.85, mmx: 0.85, sse: 0.85, x87: 0.8 };

/** A few cases of each form, as far from each other as may be: they are of different encodings. */
function isInSample({ form, index }: VectorCase): boolean {
  const cases = caseCount(form);
  const step = Math.max(1, cases / SAMPLE);
  return Math.floor(index / step) !== Math.floor((index - 1) / step);
}

describe(`the translator agrees with hardware, ${nightly ? 'in all cases' : `in ${SAMPLE} cases a form (nightly: in all)`}`, () => {
  for (const group of vectorGroups()) {
    it(`on ${group}`, () => {
      const engine = new TierVectorEngine('translator');
      const file = openVectors(group);
      engine.prepare(file.forms.filter(isAnnounced));
      const { forms, cases, report } = runVectors(engine, file, isAnnounced, nightly ? undefined : isInSample);
      const { translations } = engine;
      console.log(`${group}: ${forms} forms, ${cases} cases, ${translations} of them in translated code`);
      assert.equal(report, '');
      assert.equal(forms, file.forms.filter(isAnnounced).length);
      assert.ok(
        translations >= cases * (LEAST_TRANSLATED[group] ?? 0),
        `only ${translations} of ${cases} were translated`,
      );
    });
  }
});
