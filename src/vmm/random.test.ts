import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from './random.ts';

const take = (random: Random, count: number): bigint[] => Array.from({ length: count }, () => random.next());

test('a seed gives the same numbers every time, another seed others', () => {
  const first = take(new Random(42), 20);
  assert.deepEqual(take(new Random(42), 20), first);
  for (const seed of [0, 1, 43, 2 ** 40]) {
    const other = take(new Random(seed), 20);
    assert.ok(other.every((value, i) => value !== first[i]));
  }
});

test('numbers are 64 bits wide, every bit of them in use', () => {
  for (const seed of [0, 1, 2 ** 32 - 1]) {
    const values = take(new Random(seed), 1000);
    assert.ok(values.every((value) => value >= 0n && value < 1n << 64n));
    assert.equal(new Set(values).size, 1000);
    for (let bit = 0n; bit < 64n; bit++) {
      const ones = values.filter((value) => ((value >> bit) & 1n) === 1n).length;
      assert.ok(ones > 400 && ones < 600, `seed ${seed}: bit ${bit} is set in ${ones} of 1000`);
    }
  }
});

test('bytes are the numbers, little endian, cut to the length asked for', () => {
  const [a = 0n, b = 0n] = take(new Random(7), 2);
  const bytes = new Random(7).bytes(11);
  assert.equal(bytes.length, 11);
  const both = a | (b << 64n);
  for (const [i, byte] of bytes.entries()) assert.equal(byte, Number((both >> BigInt(8 * i)) & 0xffn));
  assert.equal(new Random(7).bytes(0).length, 0);
});

test('from a saved state the numbers go on as they would have', () => {
  const random = new Random(3);
  take(random, 5);
  const saved = random.state;
  const next = take(random, 10);
  const other = new Random(999);
  other.state = saved;
  assert.deepEqual(take(other, 10), next);
});
