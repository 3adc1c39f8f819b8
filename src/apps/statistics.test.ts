import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_TRANSLATIONS } from '../cpu/translator/statistics.ts';
import { statisticsTable } from './statistics.ts';

const GUEST = {
  instructions: 123_456_789,
  virtualNs: 2_190_000_000,
  exits: { 'I/O port': 20, HLT: 1_000, MMIO: 300 },
  tlbHits: 99_000,
  tlbMisses: 1_000,
  memoryTouchedBytes: 50 * 2 ** 20,
  translator: NO_TRANSLATIONS,
};

const RUN = { engine: 'auto', wallMs: 2000, memoryBytes: 2 ** 29 } as const;

const TRANSLATOR = {
  translations: 1200,
  regions: 1100,
  instructions: 34_567,
  links: 2300,
  invalidations: 60,
  evictions: 40,
  modules: 300,
  codeBytes: 3 * 2 ** 19,
  milliseconds: 123.4,
};

test('the table has everything, exits with the most frequent first', () => {
  const table = statisticsTable({ ...RUN, guest: GUEST, stateHash: 'abc' });
  assert.equal(
    table,
    `instructions retired  123,456,789
speed                 61.7 MIPS
wall time             2.000 s
virtual time          2.190 s
memory touched        50 MiB of 512 MiB
TLB hits              99,000
TLB misses            1,000 (1.000 %)
tiers                 interpreter
exits to the monitor  1,320
  HLT                 1,000
  MMIO                300
  I/O port            20
final state           abc
`,
  );
});

test('a guest that did nothing divides nothing by zero', () => {
  const idle = { ...GUEST, instructions: 0, exits: {}, tlbHits: 0, tlbMisses: 0 };
  const table = statisticsTable({ ...RUN, guest: idle, wallMs: 0 });
  assert.doesNotMatch(table, /NaN|Infinity|undefined|TLB/);
});

test('what the translator did is told where it did something', () => {
  const guest = { ...GUEST, translator: TRANSLATOR };
  const table = statisticsTable({ ...RUN, guest });
  assert(
    table.includes(`
tiers                 interpreter, translator
regions translated    1,200
  in use              1,100
  instructions        34,567
  links               2,300
  invalidations       60
  evictions           40
  modules             300
  code memory         1.5 MiB
  time                0.123 s
exits to the monitor  1,320
`),
    table,
  );
  assert.match(statisticsTable({ ...RUN, engine: 'translator', guest }), /^tiers +translator$/m);
});
