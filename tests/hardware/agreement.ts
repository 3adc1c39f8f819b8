/** Runs vectors on an engine and says in words where it disagrees with hardware. */

import type { Form, Mismatch, VectorCase, VectorEngine, VectorFile } from './vectors.ts';
import { runCase } from './vectors.ts';

/** Cases printed in full, of different forms. */
const SHOWN = 3;

export interface Agreement {
  readonly forms: number;
  readonly cases: number;
  /** Empty when the engine agrees with hardware. */
  readonly report: string;
}

function describeCase({ form, index, code }: VectorCase, mismatches: readonly Mismatch[]): string {
  const bytes = Array.from(code, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const differences = mismatches.map(({ what, expected, actual }) => `    ${what}: ${actual}, should be ${expected}`);
  return [`  ${form.name}, case ${index} [${bytes}]`, ...differences].join('\n');
}

/** Runs all cases, or those in the sample, of the forms that `wanted` accepts. */
export function runVectors(
  engine: VectorEngine,
  file: VectorFile,
  wanted: (form: Form) => boolean,
  sample?: (vector: VectorCase) => boolean,
): Agreement {
  const forms = new Set<Form>();
  const wrong = new Map<string, number>();
  const shown: string[] = [];
  let cases = 0;
  for (const vector of file.cases(wanted, sample)) {
    const { form } = vector;
    forms.add(form);
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
  const list = [...wrong].map(([name, count]) => `${name}: ${count}`).join('; ');
  const report = wrong.size === 0 ? [] : [`${wrong.size} forms differ: ${list}`, ...shown];
  return { forms: forms.size, cases, report: report.join('\n') };
}
