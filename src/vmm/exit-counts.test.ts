import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExitCounts } from './exit-counts.ts';
import type { TraceKind } from './guest-options.ts';

function setup(...kinds: TraceKind[]) {
  const lines: string[] = [];
  let retired = 0;
  const trace = { kinds: new Set(kinds), line: (text: string) => void lines.push(text) };
  const exits = new ExitCounts(trace, () => retired);
  return { exits, lines, retire: (count: number) => (retired += count) };
}

test('exits are counted by cause', () => {
  const exits = new ExitCounts(undefined, () => 0);
  assert.deepEqual(exits.counts, {});
  exits.count('HLT');
  exits.record('I/O port', 'in 0x60');
  exits.record('I/O port', 'in 0x64');
  assert.deepEqual(exits.counts, { HLT: 1, 'I/O port': 2 });
});

test('a traced exit is a line of instruction count, cause and detail; a count alone is none', () => {
  const { exits, lines, retire } = setup('exits');
  assert.ok(exits.traced);
  retire(12);
  exits.record('I/O port', 'out 0x3f8 1 <- 0x41');
  retire(30);
  exits.count('RDTSC');
  exits.record('HLT');
  exits.line('page fault', 'error code 0x2');
  assert.deepEqual(lines, ['12 I/O port out 0x3f8 1 <- 0x41', '42 HLT', '42 page fault error code 0x2']);
  assert.deepEqual(exits.counts, { 'I/O port': 1, RDTSC: 1, HLT: 1 });
});

test('a trace of something else gets no exits', () => {
  const { exits, lines } = setup('irq');
  assert.ok(!exits.traced);
  exits.record('CPUID', 'leaf 0x0');
  assert.deepEqual(lines, []);
  assert.deepEqual(exits.counts, { CPUID: 1 });
});
