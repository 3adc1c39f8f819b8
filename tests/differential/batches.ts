/** Batches of random cases as tests: `npm test` runs twenty thousand, the nightly a million. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CaseKind } from './case.ts';
import { Differential } from './differential.ts';

const SEED = 20_240_601;
const BATCHES = 10;
const CASES = 1_000;

/** `leastRegions`: of a case, in the mean. */
export function testBatches(kind: CaseKind, what: string, leastRegions: number): void {
  describe(`${what} the same on interpreter and translator as on the reference`, () => {
    for (let batch = 0; batch < BATCHES; batch++) {
      it(`cases ${batch * CASES} to ${(batch + 1) * CASES - 1}`, () => {
        const differential = new Differential(kind);
        const reports: string[] = [];
        for (let i = 0; i < CASES; i++) {
          const report = differential.check(SEED, batch * CASES + i);
          if (report !== undefined) reports.push(report);
        }
        const { endings, translations, instructions } = differential;
        const list = [...endings].map(([ending, count]) => `${ending}: ${count}`).join(', ');
        console.log(`${CASES} cases, ${instructions} instructions, ${translations} regions; exception vectors ${list}`);
        assert.equal(reports.slice(0, 3).join('\n'), '');
        // Cases that stop at once would say little: most run to the UD2 behind them, or loop.
        assert.ok((endings.get('6') ?? 0) > CASES / 10);
        assert.ok((endings.get('14') ?? 0) > CASES / 20);
        assert.ok(translations > leastRegions * CASES, `${translations} regions`);
      });
    }
  });
}
