/**
 * A long run of the differential test: `npm run fuzz -- --kind program --cases N --seed S --first F`. Every disagreement
 * is printed with the seed and number that bring it back (`--cases 1 --seed S --first F`). `--kind sequence` has random
 * instructions without a shape.
 */

import { parseArgs } from 'node:util';
import { CASE_KINDS, type CaseKind } from './case.ts';
import { Differential } from './differential.ts';

/** Engines are made anew after this many cases, so that generated code does not pile up. */
const CASES_PER_ENGINE = 1_000;
const SHOWN = 20;

const { values } = parseArgs({
  options: {
    kind: { type: 'string', default: 'program' },
    cases: { type: 'string', default: '100000' },
    seed: { type: 'string', default: `${Date.now() % 1_000_000}` },
    first: { type: 'string', default: '0' },
  },
});
const kind = values.kind as CaseKind;
if (!CASE_KINDS.includes(kind)) throw new Error(`--kind takes one of ${CASE_KINDS.join(', ')}`);
const [cases, seed, first] = [Number(values.cases), Number(values.seed), Number(values.first)];
let wrong = 0;
let instructions = 0;
let differential = new Differential(kind);
for (let i = 0; i < cases; i++) {
  if (i > 0 && i % CASES_PER_ENGINE === 0) {
    console.log(`${i} cases, ${wrong} differ`);
    instructions += differential.instructions;
    differential = new Differential(kind);
  }
  const report = differential.check(seed, first + i);
  if (report === undefined) continue;
  wrong++;
  if (wrong <= SHOWN) console.log(report);
}
instructions += differential.instructions;
console.log(`${cases} ${kind}s of seed ${seed}, ${instructions} instructions: ${wrong} differ`);
process.exitCode = wrong === 0 ? 0 : 1;
