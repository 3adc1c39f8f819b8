import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CS } from '../../src/cpu/algebra.ts';
import { nightly } from '../nightly.ts';
import { runVectors } from './agreement.ts';
import { isAnnounced } from './announced.ts';
import { caseCount } from './form.ts';
import { FLAT32 } from './segments.ts';
import { TierVectorEngine } from './tier-engine.ts';
import { openVectors, type VectorCase, vectorGroups } from './vectors.ts';

/** Translating a case takes some milliseconds. */
const SAMPLE = 16;
/** Outside 64-bit mode it is addresses, the stack and branches that differ. */
const LEGACY_SAMPLE = 6;
/** Forms of 32-bit code that have a case in flat code within their sample. */
const LEAST_FLAT = 0.9;
/**
 * The least share of a group that must run translated. The rest are instructions that cross a page, and those that
 * handlers run: all string instructions and most of the system's.
 */
const LEAST_TRANSLATED: { readonly [group: string]: number } = { integer: 0.85, mmx: 0.85, sse: 0.85, x87: 0.8 };

/** A few cases of each form, as far from each other as may be: they are of different encodings. */
function isSampled({ form, index }: VectorCase): boolean {
  const cases = caseCount(form);
  const step = nightly ? 1 : Math.max(1, cases / (form.mode === undefined ? SAMPLE : LEGACY_SAMPLE));
  return Math.floor(index / step) !== Math.floor((index - 1) / step);
}

/** The translator leaves code to the interpreter that has a limit, and so all 16-bit code. */
function isInSample(vector: VectorCase): boolean {
  const { mode, state } = vector.input;
  return isSampled(vector) && (mode === undefined || state.selectors[CS] === FLAT32);
}

describe(`the translator agrees with hardware, in ${SAMPLE} cases a form, ${LEGACY_SAMPLE} of 32-bit code (nightly: in all)`, () => {
  for (const group of vectorGroups().filter((name) => !name.endsWith('-16'))) {
    it(`on ${group}`, () => {
      const engine = new TierVectorEngine('translator');
      const file = openVectors(group);
      engine.prepare(file.cases(isAnnounced, isInSample));
      const { forms, cases, report } = runVectors(engine, file, isAnnounced, isInSample);
      const { translations } = engine;
      console.log(`${group}: ${forms} forms, ${cases} cases, ${translations} of them in translated code`);
      assert.equal(report, '');
      const announced = file.forms.filter(isAnnounced).length;
      assert.ok(forms >= announced * (group.endsWith('-32') ? LEAST_FLAT : 1), `${forms} of ${announced} forms`);
      assert.ok(
        translations >= cases * (LEAST_TRANSLATED[group.replace(/-.*/, '')] ?? 0),
        `only ${translations} of ${cases} were translated`,
      );
    });
  }
});
