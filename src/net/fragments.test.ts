import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deadlines } from './deadlines.ts';
import { Reassembly } from './fragments.ts';
import type { Ipv4Packet } from './ipv4.ts';
import { TestClock } from './test-network.ts';

const SECOND = 1_000_000_000;

function bench() {
  const clock = new TestClock();
  const counts = { lost: 0 };
  const reassembly = new Reassembly(new Deadlines(clock), () => counts.lost++);
  const add = (offset: number, length: number, more: boolean, identification = 1): Uint8Array | undefined => {
    const payload = Uint8Array.from({ length }, (_, i) => (offset + i) * 3);
    const packet = {
      source: 1,
      destination: 2,
      protocol: 17,
      identification,
      moreFragments: more,
      fragmentOffset: offset,
    };
    return reassembly.add({ ...packet, payload } as unknown as Ipv4Packet)?.payload;
  };
  return { clock, counts, reassembly, add };
}

const whole = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i * 3);

test('a packet that is whole passes', () => {
  const { add, reassembly } = bench();
  assert.deepEqual(add(0, 100, false), whole(100));
  assert.equal(reassembly.size, 0);
});

test('fragments make a packet in any order, repeated or not', () => {
  const { add, reassembly, counts } = bench();
  assert.equal(add(16, 5, false), undefined);
  assert.equal(add(0, 8, true), undefined);
  assert.equal(add(0, 8, true), undefined);
  assert.deepEqual(add(8, 8, true), whole(21));
  assert.equal(reassembly.size, 0);
  assert.equal(counts.lost, 0);
});

test('fragments of different packets are kept apart', () => {
  const { add } = bench();
  add(0, 8, true, 1);
  assert.equal(add(8, 8, false, 2), undefined);
  assert.deepEqual(add(8, 8, false, 1), whole(16));
});

test('overlaps, ends that contradict each other, and odd lengths end a packet', () => {
  for (const [first, second] of [
    [
      [0, 16, true],
      [8, 16, true],
    ],
    [
      [8, 16, true],
      [0, 16, true],
    ],
    [
      [16, 8, false],
      [24, 8, true],
    ],
    [
      [16, 8, false],
      [8, 8, false],
    ],
    [
      [24, 8, true],
      [16, 8, false],
    ],
    [
      [0, 8, true],
      [8, 7, true],
    ],
    [
      [0, 8, true],
      [8, 0, true],
    ],
  ] as const) {
    const { add, reassembly, counts } = bench();
    add(first[0], first[1], first[2]);
    assert.equal(add(second[0], second[1], second[2]), undefined);
    assert.equal(reassembly.size, 0);
    assert.equal(counts.lost, 1);
  }
});

test('nothing becomes longer than a packet may be', () => {
  const { add, counts } = bench();
  add(65_528, 1480, false);
  assert.equal(counts.lost, 1);
});

test('what does not become whole is forgotten after a while, or when there is too much of it', () => {
  const { add, clock, counts, reassembly } = bench();
  for (let i = 0; i < 100; i++) add(0, 8, true, i);
  assert.equal(reassembly.size, 16);
  assert.equal(counts.lost, 84);
  clock.advance(10 * SECOND);
  add(0, 8, true, 1000);
  clock.advance(25 * SECOND);
  assert.equal(reassembly.size, 1);
  clock.advance(10 * SECOND);
  assert.equal(reassembly.size, 0);
});

test('a packet of crumbs is given up', () => {
  const { add, counts } = bench();
  for (let i = 0; i <= 256; i++) add(i * 16, 8, true);
  assert.equal(counts.lost, 1);
});
