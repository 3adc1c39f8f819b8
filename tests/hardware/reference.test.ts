import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Decoded } from '../../src/cpu/decode/decoded.ts';
import { Decoder } from '../../src/cpu/decode/decoder.ts';
import { instructions } from '../../src/cpu/isa/index.ts';
import { INVALID } from './form.ts';
import { ReferenceVectorEngine } from './reference-engine.ts';
import { type Mismatch, openVectors, runCase, type VectorCase, vectorGroups } from './vectors.ts';

const SHOWN = 3;

function describeCase({ form, index, code }: VectorCase, mismatches: readonly Mismatch[]): string {
  const bytes = Array.from(code, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const differences = mismatches.map(({ what, expected, actual }) => `    ${what}: ${actual}, should be ${expected}`);
  return [`  ${form.name}, case ${index} [${bytes}]`, ...differences].join('\n');
}

describe('the reference agrees with hardware', () => {
  const decoder = new Decoder(instructions);
  const engine = new ReferenceVectorEngine(decoder);
  /** Whether the instruction has a definition. */
  const isDefined = (code: Uint8Array): boolean => decoder.decode(code, 0, code.length, 64, true) instanceof Decoded;

  for (const group of vectorGroups()) {
    it(`on ${group}`, () => {
      const missing = new Set<string>();
      const wrong = new Map<string, number>();
      const shown: string[] = [];
      let cases = 0;
      for (const vector of openVectors(group).cases()) {
        const { form, code } = vector;
        if (form.mnemonic !== INVALID && !isDefined(code)) {
          missing.add(form.mnemonic);
          continue;
        }
        cases++;
        let mismatches: Mismatch[];
        try {
          mismatches = runCase(engine, vector);
        } catch (error) {
          mismatches = [{ what: 'thrown', expected: 'nothing', actual: String(error) }];
        }
        if (mismatches.length === 0) continue;
        const before = wrong.get(form.name) ?? 0;
        wrong.set(form.name, before + 1);
        if (before === 0 && shown.length < SHOWN) shown.push(describeCase(vector, mismatches));
      }
      console.log(`${group}: ${cases} cases run on the reference`);
      const report: string[] = [];
      if (missing.size > 0) report.push(`instructions without a definition: ${[...missing].join(' ')}`);
      if (wrong.size > 0)
        report.push(`${wrong.size} forms differ: ${[...wrong].map(([name, n]) => `${name}: ${n}`).join('; ')}`);
      assert.equal([...report, ...shown].join('\n'), '');
    });
  }
});
