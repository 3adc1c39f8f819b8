import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { vcpu } from '../state.ts';
import { randomNumbers } from './fp/test-algebra.ts';
import { TestMachine } from './test-machine.ts';

/**
 * Every function against its textbook definition in integers with 240 bits after the point. Results must be rounded
 * correctly but for one in 2^20 that lies about midway.
 */
const BITS = 240n;
const ONE = 1n << BITS;
const CASES = 60;

interface Extended {
  readonly sign: 0 | 1;
  readonly exponent: number;
  readonly significand: bigint;
}

function toFixed({ sign, exponent, significand }: Extended): bigint {
  const shift = BigInt(exponent - 63) + BITS;
  const magnitude = shift >= 0n ? significand << shift : significand >> -shift;
  return sign === 1 ? -magnitude : magnitude;
}

const times = (a: bigint, b: bigint): bigint => (a * b) >> BITS;
const over = (a: bigint, b: bigint): bigint => (a << BITS) / b;

function root(x: bigint): bigint {
  let guess = 1n << ((BigInt(x.toString(2).length) + BITS) / 2n + 1n);
  for (;;) {
    const next = (guess + (x << BITS) / guess) >> 1n;
    if (next >= guess) return guess;
    guess = next;
  }
}

/** The sum of terms each of which follows from the one before. */
function sum(first: bigint, next: (term: bigint, n: bigint) => bigint): bigint {
  let total = 0n;
  let term = first;
  for (let n = 1n; term !== 0n && term !== -1n; n++) {
    total += term;
    term = next(term, n);
  }
  return total;
}

const sine = (x: bigint): bigint => sum(x, (term, n) => -times(times(term, x), x) / (2n * n * (2n * n + 1n)));
const cosine = (x: bigint): bigint => sum(ONE, (term, n) => -times(times(term, x), x) / ((2n * n - 1n) * 2n * n));
const exponential = (x: bigint): bigint => sum(ONE, (term, n) => times(term, x) / n);

/** ln x = 2 artanh((x - 1) / (x + 1)). */
function logarithm(x: bigint): bigint {
  const ratio = over(x - ONE, x + ONE);
  const square = times(ratio, ratio);
  let power = ratio;
  let total = 0n;
  for (let n = 1n; power !== 0n && power !== -1n; n += 2n) {
    total += power / n;
    power = times(power, square);
  }
  return 2n * total;
}

/** arctan x = 2 arctan(x / (1 + sqrt(1 + x^2))), down to where the series is short. */
function arctangent(x: bigint, halvings = 4): bigint {
  if (halvings > 0) return 2n * arctangent(over(x, ONE + root(ONE + times(x, x))), halvings - 1);
  const square = times(x, x);
  let power = x;
  let total = 0n;
  for (let n = 1n; power !== 0n && power !== -1n; n += 2n) {
    total += n % 4n === 1n ? power / n : -power / n;
    power = times(power, square);
  }
  return total;
}

const PI = 4n * arctangent(ONE);
const LN2 = logarithm(2n * ONE);
/** x = 2^n m with m between 1 and 2: the series is short for m only. */
function binaryLogarithm(x: bigint): bigint {
  const n = BigInt(x.toString(2).length - 1) - BITS;
  const m = n < 0n ? x << -n : x >> n;
  return n * ONE + over(logarithm(m), LN2);
}

/** The pi of the processor: 66 bits. */
const PI66 = (PI >> (BITS - 64n)) << (BITS - 64n);

const random = randomNumbers(0xfeed_beefn);
const below = (n: number): number => Number(random() % BigInt(n));

function number(lowest: number, highest: number): Extended {
  const exponent = lowest + below(highest - lowest + 1);
  const full = 1n << 63n;
  const significand = [full, full | 1n, (full << 1n) - 1n, full | random(), full | random(), full | random()][below(6)];
  return { sign: below(2) as 0 | 1, exponent, significand };
}

const machine = new TestMachine(64);

/** ST(0) = x, ST(1) = y, runs the instruction, and gives ST(0), ST(1). */
function execute(code: string, x: Extended, y?: Extended): [Extended, Extended] {
  const { state } = machine;
  state.set(vcpu.fcw, 0x37fn);
  state.set(vcpu.fsw, 0n);
  state.set(vcpu.fpuTop, 0n);
  state.set(vcpu.fpuEmpty, y === undefined ? 0xfen : 0xfcn);
  [x, y].forEach((value, i) => {
    if (value === undefined) return;
    state.set(vcpu.stMantissa, value.significand, i);
    state.set(vcpu.stExponent, BigInt(value.exponent + 0x3fff) | (BigInt(value.sign) << 15n), i);
  });
  assert.equal(machine.step(code).fault, undefined);
  const top = Number(state.get(vcpu.fpuTop));
  const read = (i: number): Extended => {
    const head = Number(state.get(vcpu.stExponent, (top + i) & 7));
    const sign = (head >> 15) as 0 | 1;
    return { sign, exponent: (head & 0x7fff) - 0x3fff, significand: state.get(vcpu.stMantissa, (top + i) & 7) };
  };
  return [read(0), read(1)];
}

function assertRounded(result: Extended, exact: bigint, what: string): void {
  const unit = 1n << (BITS + BigInt(result.exponent - 63));
  const error = toFixed(result) - exact;
  const allowed = unit / 2n + (unit >> 20n);
  assert.ok(error <= allowed && -error <= allowed, `${what}: ${Number((1000n * error) / unit) / 1000} units off`);
}

const describeNumber = ({ sign, exponent, significand }: Extended): string =>
  `${sign ? '-' : ''}0x${significand.toString(16)} * 2^${exponent - 63}`;

/** What pi66/2 leaves of x, and how often it was taken off. */
function reduced(x: bigint): [rest: bigint, count: bigint] {
  const half = PI66 / 2n;
  const count = (2n * x + half) / (2n * half) - (2n * x + half < 0n ? 1n : 0n);
  return [x - count * half, ((count % 4n) + 4n) % 4n];
}

describe('transcendental instructions are rounded correctly', () => {
  const quadrants = (x: bigint): [sine: bigint, cosine: bigint] => {
    const [rest, count] = reduced(x);
    const [s, c] = [sine(rest), cosine(rest)];
    return (
      [
        [s, c],
        [c, -s],
        [-s, -c],
        [-c, s],
      ] as [bigint, bigint][]
    )[Number(count)];
  };

  it('FSIN, FCOS, FSINCOS and FPTAN', () => {
    for (let i = 0; i < CASES; i++) {
      const x = number(below(2) === 0 ? -40 : -3, below(2) === 0 ? 3 : 62);
      const [s, c] = quadrants(toFixed(x));
      assertRounded(execute('d9 fe', x)[0], s, `sin ${describeNumber(x)}`);
      assertRounded(execute('d9 ff', x)[0], c, `cos ${describeNumber(x)}`);
      const [second, first] = execute('d9 fb', x);
      assertRounded(first, s, `sin ${describeNumber(x)}`);
      assertRounded(second, c, `cos ${describeNumber(x)}`);
      const [one, tangent] = execute('d9 f2', x);
      assert.deepEqual(one, { sign: 0, exponent: 0, significand: 1n << 63n });
      assertRounded(tangent, over(s, c), `tan ${describeNumber(x)}`);
    }
  });

  it('FPATAN', () => {
    for (let i = 0; i < CASES; i++) {
      const [x, y] = [number(-6, 6), number(-6, 30)];
      const angle = arctangent(over(toFixed({ ...y, sign: 0 }), toFixed({ ...x, sign: 0 })));
      const upper = x.sign === 0 ? angle : PI - angle;
      assertRounded(
        execute('d9 f3', x, y)[0],
        y.sign === 0 ? upper : -upper,
        `atan ${describeNumber(y)} / ${describeNumber(x)}`,
      );
    }
  });

  it('F2XM1', () => {
    for (let i = 0; i < CASES; i++) {
      const x = number(below(2) === 0 ? -50 : -4, -1);
      const exact = exponential(times(toFixed(x), LN2)) - ONE;
      assertRounded(execute('d9 f0', x)[0], exact, `2^x-1 of ${describeNumber(x)}`);
    }
  });

  it('FYL2X', () => {
    for (let i = 0; i < CASES; i++) {
      const x: Extended = { ...number(-4, 60), sign: 0 };
      const near: Extended = { sign: 0, exponent: 0, significand: (1n << 63n) | (random() >> BigInt(2 + below(60))) };
      const y = number(-2, 2);
      for (const argument of [x, near]) {
        const log = binaryLogarithm(toFixed(argument));
        if (log === 0n) continue;
        const what = `${describeNumber(y)} log2 ${describeNumber(argument)}`;
        assertRounded(execute('d9 f1', argument, y)[0], times(log, toFixed(y)), what);
      }
    }
  });

  it('FYL2XP1', () => {
    for (let i = 0; i < CASES; i++) {
      const x = number(below(2) === 0 ? -50 : -6, below(2) === 0 ? -2 : -1);
      const y = number(-2, 2);
      const log = binaryLogarithm(ONE + toFixed(x));
      const what = `${describeNumber(y)} log2(1 + ${describeNumber(x)})`;
      assertRounded(execute('d9 f9', x, y)[0], times(log, toFixed(y)), what);
    }
  });
});
