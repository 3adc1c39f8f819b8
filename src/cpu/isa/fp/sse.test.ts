import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Routine } from '../../algebra.ts';
import { EQUAL, GREATER, LESS, UNORDERED } from './compare.ts';
import { DENORMAL, DOUBLE, type Format, INEXACT, INVALID, OVERFLOW, SINGLE, UNDERFLOW, ZERO_DIVIDE } from './format.ts';
import * as soft from './sse.ts';
import { callRoutine, randomNumbers } from './test-algebra.ts';

/** Against the host's own arithmetic, which rounds to nearest; directed rounding against its neighbours. */

const MASKED = 0x1f80n;
const CASES = 1500;
const view = new DataView(new ArrayBuffer(8));

function toBits(format: Format, value: number): bigint {
  if (format === SINGLE) view.setFloat32(0, value);
  else view.setFloat64(0, value);
  return format === SINGLE ? BigInt(view.getUint32(0)) : view.getBigUint64(0);
}

function fromBits(format: Format, bits: bigint): number {
  if (format === SINGLE) view.setUint32(0, Number(bits));
  else view.setBigUint64(0, bits);
  return format === SINGLE ? view.getFloat32(0) : view.getFloat64(0);
}

const random = randomNumbers(0x1234_5678_9abcn);
const below = (n: number): number => Number(random() % BigInt(n));

/** Numbers with all sorts of exponents (often near each other) and fractions (often short or long runs of ones). */
function hardNumber(format: Format): number {
  const { fraction, bias, special } = format;
  const exponents = [0, 0, 1, 2, special - 1, special, bias, bias + 1, bias - 1, bias + fraction, bias + fraction + 1];
  const kind = below(4);
  const exponent =
    kind === 0 ? exponents[below(exponents.length)] : kind === 1 ? below(special + 1) : bias - 40 + below(80);
  const full = (1n << BigInt(fraction)) - 1n;
  const fractions = [0n, 1n, full, full - 1n, full >> 1n, (full >> 1n) + 1n, random() & full, random() & full];
  const short = (random() << BigInt(below(fraction))) & full;
  const part = [...fractions, short, short][below(fractions.length + 2)];
  const sign = BigInt(below(2)) << BigInt(format.width - 1);
  return fromBits(format, sign | (BigInt(exponent) << BigInt(fraction)) | part);
}

/** A number as an exact fraction. */
function exactly(value: number): [numerator: bigint, denominator: bigint] {
  const bits = toBits(DOUBLE, value);
  const biased = Number((bits >> 52n) & 0x7ffn);
  const part = bits & ((1n << 52n) - 1n);
  const magnitude = biased === 0 ? part : part | (1n << 52n);
  const exponent = BigInt(Math.max(biased, 1) - 1075);
  const signed = value < 0 ? -magnitude : magnitude;
  return exponent >= 0n ? [signed << exponent, 1n] : [signed, 1n << -exponent];
}

/** Sign of the exact result minus the rounded one. */
type Excess = (a: number, b: number, rounded: number) => bigint;

const excess: Record<string, Excess> = {
  Add(a, b, rounded) {
    const [[an, ad], [bn, bd], [rn, rd]] = [exactly(a), exactly(b), exactly(rounded)];
    return (an * bd + bn * ad) * rd - rn * ad * bd;
  },
  Sub: (a, b, rounded) => excess.Add(a, -b, rounded),
  Mul(a, b, rounded) {
    const [[an, ad], [bn, bd], [rn, rd]] = [exactly(a), exactly(b), exactly(rounded)];
    return an * bn * rd - rn * ad * bd;
  },
  Div(a, b, rounded) {
    const [[an, ad], [bn, bd], [rn, rd]] = [exactly(a), exactly(b), exactly(rounded)];
    const difference = an * bd * rd - rn * ad * bn;
    return bn < 0n ? -difference : difference;
  },
  Sqrt(a, _b, rounded) {
    const [[an, ad], [rn, rd]] = [exactly(a), exactly(rounded)];
    return an * rd * rd - rn * rn * ad;
  },
};

const operations: Record<string, (a: number, b: number) => number> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Sqrt: (a) => Math.sqrt(a),
};

function routine(name: string, format: Format): Routine {
  return (soft as unknown as Record<string, Routine>)[`soft${name}${format.width}`];
}

/** The next number of the format in that direction. */
function neighbour(format: Format, value: number, up: boolean): number {
  if (value === 0) return (up ? 1 : -1) * fromBits(format, 1n);
  const away = up === value > 0;
  return fromBits(format, toBits(format, value) + (away ? 1n : -1n));
}

/** The host's result rounded as MXCSR.RC asks, and what that tells of the exact result. */
function directed(
  name: string,
  format: Format,
  a: number,
  b: number,
  control: number,
): [result: number, inexact: boolean] {
  const nearest = format === SINGLE ? Math.fround(operations[name](a, b)) : operations[name](a, b);
  const rest = excess[name](a, b, nearest);
  if (rest === 0n || control === 0) return [nearest, rest !== 0n];
  const negative = nearest === 0 ? rest < 0n : nearest < 0;
  const up = control === 2 || (control === 3 && negative);
  if (up && rest > 0n) return [neighbour(format, nearest, true), true];
  if (!up && rest < 0n) return [neighbour(format, nearest, false), true];
  return [nearest, true];
}

for (const format of [SINGLE, DOUBLE]) {
  describe(`arithmetic with ${format.width} bits`, () => {
    for (const name of Object.keys(operations)) {
      it(`${name} rounds to nearest as the host does`, () => {
        for (let i = 0; i < CASES; i++) {
          const [a, b] = [hardNumber(format), hardNumber(format)];
          const args = name === 'Sqrt' ? [toBits(format, a)] : [toBits(format, a), toBits(format, b)];
          const [bits] = callRoutine(routine(name, format), ...args, MASKED);
          const expected = operations[name](a, b);
          const rounded = format === SINGLE ? Math.fround(expected) : expected;
          assert.ok(Object.is(fromBits(format, bits), rounded), `${name} ${a} ${b}: ${fromBits(format, bits)}`);
        }
      });

      it(`${name} rounds in every direction and tells what is inexact`, () => {
        let checked = 0;
        while (checked < 600) {
          const control = below(4);
          const [a, b] = [hardNumber(format), hardNumber(format)];
          const host = Math.abs(operations[name](a, b));
          const largest = fromBits(format, (BigInt(format.special) << BigInt(format.fraction)) - 2n);
          // Infinities, NaNs and signs of zeros are looked at below; double rounding of singles stays out of the way.
          const smallest = format === SINGLE ? 2 ** -126 : 2 ** -1022;
          if (!(host <= largest / 2 && host >= smallest * 4)) continue;
          const [expected, inexact] = directed(name, format, a, b, control);
          const args = name === 'Sqrt' ? [toBits(format, a)] : [toBits(format, a), toBits(format, b)];
          const mxcsr = MASKED | (BigInt(control) << 13n);
          const [bits, flags] = callRoutine(routine(name, format), ...args, mxcsr);
          assert.equal(fromBits(format, bits), expected, `${name} ${a} ${b} with RC ${control}`);
          assert.equal((flags & BigInt(INEXACT)) !== 0n, inexact, `${name} ${a} ${b}: flags ${flags}`);
          checked++;
        }
      });
    }

    it('converts to and from integers as the host does', () => {
      const toI64 = routine(`F${format.width}ToI`, { ...format, width: 64 });
      const fromI64 = routine('I64ToF', format);
      for (let i = 0; i < CASES; i++) {
        const a = hardNumber(format);
        const inRange = Math.abs(a) < 2 ** 63;
        const [integer, flags] = callRoutine(toI64, toBits(format, a), 3n, MASKED);
        const expected = inRange ? BigInt(Math.trunc(a)) : -(1n << 63n);
        assert.equal(BigInt.asIntN(64, integer), a === -(2 ** 63) ? -(1n << 63n) : expected, `${a}`);
        if (inRange) assert.equal((flags & BigInt(INEXACT)) !== 0n, !Number.isInteger(a), `${a}`);
        const n = BigInt.asIntN(64, random() >> BigInt(below(63)));
        const [back] = callRoutine(fromI64, BigInt.asUintN(64, n), MASKED);
        // Number() rounds to 53 bits first; what Math.fround makes of that may be rounded twice.
        if (format === DOUBLE || BigInt(Math.fround(Number(n))) === n) assert.equal(fromBits(format, back), Number(n));
      }
    });

    it('orders numbers as the host does', () => {
      for (let i = 0; i < CASES; i++) {
        const a = hardNumber(format);
        const b = below(4) === 0 ? a : hardNumber(format);
        const [relation] = callRoutine(routine('CompareQuiet', format), toBits(format, a), toBits(format, b), MASKED);
        const expected = a < b ? LESS : a === b ? EQUAL : a > b ? GREATER : UNORDERED;
        assert.equal(Number(relation), expected, `${a} ${b}`);
      }
    });

    it('rounds to integral values as the host does', () => {
      for (let i = 0; i < CASES; i++) {
        const a = hardNumber(format);
        for (const [control, round] of [Math.floor, Math.ceil, Math.trunc].entries()) {
          const [bits] = callRoutine(routine('Round', format), toBits(format, a), BigInt(control + 1), MASKED);
          assert.ok(Object.is(fromBits(format, bits), round(a)), `${a} with RC ${control + 1}`);
        }
      }
    });
  });
}

describe('conversions between single and double', () => {
  it('round as the host does', () => {
    for (let i = 0; i < CASES; i++) {
      const a = hardNumber(DOUBLE);
      const near = hardNumber(SINGLE) * (1 + (below(3) - 1) * 2 ** -30);
      for (const value of [a, near]) {
        const [bits] = callRoutine(soft.softF64ToF32, toBits(DOUBLE, value), MASKED);
        assert.ok(Object.is(fromBits(SINGLE, bits), Math.fround(value)), `${value}`);
      }
      const single = hardNumber(SINGLE);
      const [wide] = callRoutine(soft.softF32ToF64, toBits(SINGLE, single), MASKED);
      assert.ok(Object.is(fromBits(DOUBLE, wide), single), `${single}`);
    }
  });
});

describe('exceptions', () => {
  const FTZ = 0x8000n;
  const DAZ = 0x40n;
  const TINY = 1n;
  const ONE = 0x3ff0_0000_0000_0000n;
  const HALF = 0x3fe0_0000_0000_0000n;
  const LEAST_NORMAL = 0x0010_0000_0000_0000n;
  const LARGEST = 0x7fef_ffff_ffff_ffffn;
  const INFINITY = 0x7ff0_0000_0000_0000n;
  const SIGNALLING = 0x7ff0_0000_0000_0001n;
  const QUIET = 0x7ff8_0000_0000_0002n;
  const DEFAULT = 0xfff8_0000_0000_0000n;
  const rows: [name: string, routine: Routine, args: bigint[], mxcsr: bigint, result: bigint, flags: number][] = [
    ['infinity minus infinity', soft.softSub64, [INFINITY, INFINITY], MASKED, DEFAULT, INVALID],
    ['0 times infinity', soft.softMul64, [0n, INFINITY], MASKED, DEFAULT, INVALID],
    ['0 over 0', soft.softDiv64, [0n, 0n], MASKED, DEFAULT, INVALID],
    ['1 over 0', soft.softDiv64, [ONE, 0n], MASKED, INFINITY, ZERO_DIVIDE],
    ['root of -1', soft.softSqrt64, [ONE | (1n << 63n)], MASKED, DEFAULT, INVALID],
    ['a signalling NaN', soft.softAdd64, [SIGNALLING, QUIET], MASKED, SIGNALLING | (1n << 51n), INVALID],
    ['a quiet NaN second', soft.softAdd64, [ONE, QUIET], MASKED, QUIET, 0],
    ['a denormal', soft.softAdd64, [TINY, ONE], MASKED, ONE, DENORMAL | INEXACT],
    ['a denormal with DAZ', soft.softAdd64, [TINY, ONE], MASKED | DAZ, ONE, 0],
    ['overflow', soft.softAdd64, [LARGEST, LARGEST], MASKED, INFINITY, OVERFLOW | INEXACT],
    ['overflow toward zero', soft.softAdd64, [LARGEST, LARGEST], MASKED | 0x6000n, LARGEST, OVERFLOW | INEXACT],
    ['an exact denormal', soft.softMul64, [LEAST_NORMAL, HALF], MASKED, 1n << 51n, 0],
    ['it with FTZ', soft.softMul64, [LEAST_NORMAL, HALF], MASKED | FTZ, 0n, UNDERFLOW | INEXACT],
    ['it with UM clear', soft.softMul64, [LEAST_NORMAL, HALF], MASKED & ~0x800n, 1n << 51n, UNDERFLOW],
    ['tininess', soft.softMul64, [LEAST_NORMAL, ONE - 1n], MASKED, LEAST_NORMAL, INEXACT | UNDERFLOW],
    [
      'tininess lost by rounding',
      soft.softMul64,
      [LEAST_NORMAL - 1n, ONE + 1n],
      MASKED,
      LEAST_NORMAL,
      DENORMAL | INEXACT,
    ],
    ['MIN of NaNs', soft.softMin64, [ONE, QUIET], MASKED, QUIET, INVALID],
    ['MAX of zeros', soft.softMax64, [0n, 1n << 63n], MASKED, 1n << 63n, 0],
    ['an integer too large', soft.softF64ToI32, [0x41e0_0000_0000_0000n, 3n], MASKED, 0x8000_0000n, INVALID],
  ];
  for (const [name, operation, args, mxcsr, result, flags] of rows) {
    it(`${name}`, () => {
      assert.deepEqual(callRoutine(operation, ...args, mxcsr), [result, BigInt(flags)]);
    });
  }
});
