import assert from 'node:assert/strict';
import { test } from 'node:test';
import { operations } from '../../wasm/operations.ts';
import { randomNumbers } from '../isa/fp/test-algebra.ts';
import { scalarOperation } from '../reference/scalar-operations.ts';
import {
  count,
  evaluate,
  fieldOf,
  highWord,
  holds,
  type Integer,
  lengthOf,
  lowWord,
  ones,
  powerOfTwo,
  toInt64,
  trailingOnes,
  trailingZeros,
} from './integers.ts';
import { ADD, CLZ, CTZ, EQ, GE_U, POPCNT, ROTR } from './opcodes.ts';

/** Constants as generated code has them, against the reference's operations on BigInt. */

const random = randomNumbers(0x9e37_79b9_7f4a_7c15n);
const edges = [0n, 1n, 2n, 3n, 7n, 31n, 32n, 63n, 64n, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, 1n << 32n];
const beyondNumbers = [
  (1n << 53n) - 1n,
  1n << 53n,
  (1n << 53n) + 1n,
  (1n << 63n) - 1n,
  1n << 63n,
  0x1234_5678_9abc_def0n,
];
const all = [...edges, ...beyondNumbers, ...Array.from({ length: 12 }, random)].flatMap((bits) => [bits, -bits]);

const names = new Map([...operations.values()].map(({ name, code }) => [code, name]));

function integersOf(wide: boolean): Integer[] {
  return wide ? all.map(toInt64) : all.map((bits) => Number(BigInt.asIntN(32, bits)));
}

function unsigned(value: Integer, wide: boolean): bigint {
  return BigInt.asUintN(wide ? 64 : 32, BigInt(value));
}

/** What the reference says of the operation with an i32 opcode. */
function expected(code: number, wide: boolean, ...args: Integer[]): bigint {
  const name = (names.get(code) as string).replace('i32', wide ? 'i64' : 'i32');
  const bits = scalarOperation(
    name,
    args.map((arg) => unsigned(arg, wide)),
  );
  return unsigned(bits as bigint, wide);
}

function traps(code: number, wide: boolean, a: Integer, b: Integer): boolean {
  const name = names.get(code) as string;
  if (!/div|rem/.test(name)) return false;
  if (BigInt(b) === 0n) return true;
  return name === 'i32.div_s' && BigInt(b) === -1n && unsigned(a, wide) === 1n << (wide ? 63n : 31n);
}

for (const wide of [false, true]) {
  test(`operations on two constants of ${wide ? 64 : 32} bits`, () => {
    const values = integersOf(wide);
    for (let code = ADD; code <= ROTR; code++) {
      for (const a of values) {
        for (const b of values) {
          const result = evaluate(code, wide, a, b);
          const text = `${names.get(code)} of ${a}, ${b}`;
          if (traps(code, wide, a, b)) {
            assert.equal(result, undefined, text);
          } else {
            assert.equal(unsigned(result as Integer, wide), expected(code, wide, a, b), text);
            assert.ok(result === (wide ? toInt64(BigInt(result as Integer)) : (result as number) | 0), `${text}: form`);
            assert.ok(!Object.is(result, -0), `${text}: -0`);
          }
        }
      }
    }
  });

  test(`comparisons of constants of ${wide ? 64 : 32} bits`, () => {
    const values = integersOf(wide);
    for (let code = EQ; code <= GE_U; code++) {
      for (const a of values) {
        for (const b of values) {
          const result = holds(code, a, b) ? 1n : 0n;
          assert.equal(result, expected(code, wide, a, b), `${names.get(code)} of ${a}, ${b}`);
        }
      }
    }
  });

  test(`counts of bits of constants of ${wide ? 64 : 32} bits`, () => {
    for (const value of integersOf(wide)) {
      for (const code of [CLZ, CTZ, POPCNT]) {
        assert.equal(BigInt(count(code, wide, value)), expected(code, wide, value), `${names.get(code)} of ${value}`);
      }
    }
  });
}

test('an i64 is taken apart into words and fields', () => {
  for (const value of integersOf(true)) {
    const bits = unsigned(value, true);
    assert.equal(BigInt(lowWord(value)), BigInt.asIntN(32, bits));
    assert.equal(BigInt(highWord(value)), BigInt.asIntN(32, bits >> 32n));
    for (const [low, length] of [
      [0, 32],
      [0, 1],
      [5, 20],
      [8, 32],
      [31, 1],
      [31, 2],
      [32, 32],
      [40, 8],
      [63, 1],
    ] as const) {
      const field = (bits >> BigInt(low)) & ((1n << BigInt(length)) - 1n);
      assert.equal(
        BigInt(fieldOf(value, low, length)),
        BigInt.asIntN(32, field),
        `${length} bits of ${value} from ${low}`,
      );
    }
  }
});

test('the ends of an i64 are measured', () => {
  for (const value of integersOf(true)) {
    const binary = unsigned(value, true).toString(2).padStart(64, '0');
    assert.equal(lengthOf(value), binary.includes('1') ? 64 - binary.indexOf('1') : 0, String(value));
    assert.equal(trailingZeros(value), /0*$/.exec(binary)?.[0].length, String(value));
    assert.equal(trailingOnes(value), /1*$/.exec(binary)?.[0].length, String(value));
  }
});

test('powers of two and runs of ones', () => {
  for (let n = 0; n < 64; n++) assert.equal(unsigned(powerOfTwo(n), true), 1n << BigInt(n));
  for (let n = 0; n <= 32; n++) assert.equal(BigInt(ones(n)), BigInt.asIntN(32, (1n << BigInt(n)) - 1n));
});
