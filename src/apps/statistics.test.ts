import assert from 'node:assert/strict';
import { test } from 'node:test';
import { statisticsTable } from './statistics.ts';

const GUEST = {
  instructions: 123_456_789,
  virtualNs: 2_190_000_000,
  exits: { 'I/O port': 20, HLT: 1_000, MMIO: 300 },
  tlbHits: 99_000,
  tlbMisses: 1_000,
  memoryTouchedBytes: 50 * 2 ** 20,
};

test('the table has everything, exits with the most frequent first', () => {
  const table = statisticsTable({ guest: GUEST, wallMs: 2000, memoryBytes: 2 ** 29, stateHash: 'abc' });
  assert.equal(
    table,
    `instructions retired  123,456,789
speed                 61.7 MIPS
wall time             2.000 s
virtual time          2.190 s
memory touched        50 MiB of 512 MiB
TLB hits              99,000
TLB misses            1,000 (1.000 %)
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
  const table = statisticsTable({ guest: idle, wallMs: 0, memoryBytes: 2 ** 29 });
  assert.doesNotMatch(table, /NaN|Infinity|undefined|TLB/);
});
