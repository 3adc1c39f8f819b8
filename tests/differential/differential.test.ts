import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Differential } from './differential.ts';

const SEED = 20_240_601;
const BATCHES = 3;
const CASES = 800;

describe('random code does the same on the interpreter as on the reference', () => {
  for (let batch = 0; batch < BATCHES; batch++) {
    it(`cases ${batch * CASES} to ${(batch + 1) * CASES - 1}`, () => {
      const differential = new Differential();
      const reports: string[] = [];
      for (let i = 0; i < CASES; i++) {
        const report = differential.check(SEED, batch * CASES + i);
        if (report !== undefined) reports.push(report);
      }
      const endings = [...differential.endings].map(([ending, count]) => `${ending}: ${count}`).join(', ');
      console.log(`${CASES} sequences ended by exception vector ${endings}`);
      assert.equal(reports.slice(0, 3).join('\n'), '');
      // Cases that stop at once would say little: most run to the UD2 behind them, or loop.
      assert.ok((differential.endings.get('6') ?? 0) > CASES / 10);
      assert.ok((differential.endings.get('14') ?? 0) > CASES / 20);
    });
  }
});
