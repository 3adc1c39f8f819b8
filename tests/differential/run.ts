/**
 * A long run of the differential test: `npm run fuzz -- --cases N --seed S --first F`. Every disagreement is printed
 * with the seed and number that bring it back (`--cases 1 --seed S --first F`).
 */

import { parseArgs } from 'node:util';
import { Differential } from './differential.ts';

/** Engines are made anew after this many cases, so that generated code does not pile up. */
const CASES_PER_ENGINE = 1_000;
const SHOWN = 20;

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '100000' },
    seed: { type: 'string', default: `${Date.now() % 1_000_000}` },
    first: { type: 'string', default: '0' },
  },
});
const [cases, seed, first] = [Number(values.cases), Number(values.seed), Number(values.first)];
let wrong = 0;
let differential = new Differential();
for (let i = 0; i < cases; i++) {
  if (i > 0 && i % CASES_PER_ENGINE === 0) {
    console.log(`${i} cases, ${wrong} differ`);
    differential = new Differential();
  }
  const report = differential.check(seed, first + i);
  if (report === undefined) continue;
  wrong++;
  if (wrong <= SHOWN) console.log(report);
}
console.log(`${cases} cases of seed ${seed}: ${wrong} differ`);
process.exitCode = wrong === 0 ? 0 : 1;
