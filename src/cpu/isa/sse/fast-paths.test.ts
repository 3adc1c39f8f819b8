/**
 * The fast paths against the exact routines. With INEXACT raised already (MXCSR 0x1fa0) a definition may take its fast
 * path; without (0x1f80) it has to call the exact routine for all but some exact results. Both ways must give the
 * same result, and the same exception flags but for that one.
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Routine } from '../../algebra.ts';
import { vcpu } from '../../state.ts';
import {
  softAdd32,
  softAdd64,
  softDiv32,
  softDiv64,
  softMul32,
  softMul64,
  softSqrt32,
  softSqrt64,
  softSub32,
  softSub64,
} from '../fp/sse.ts';
import { callRoutine } from '../fp/test-algebra.ts';
import { SseMachine } from './test-machine.ts';

const INEXACT = 0x20n;
const MAY_BE_FAST = 0x1fa0n;
const EXACT = 0x1f80n;
/** Tried on every third pair: DAZ and FTZ, and INVALID, ZERO_DIVIDE and OVERFLOW raised before, or INVALID alone. */
const FLUSH = 0x8040n;
const RAISED = 0x0dn;
const INVALID = 0x01n;
const FURTHER_STEP = 3;
const RANDOM_PAIRS = 200;
/** Of the edges' pairs one in so many is tried, to save time. */
const PACKED_STEP = 3;
const SCALAR_STEP = 2;
const COMPARISON_STEP = 11;

interface Format {
  readonly width: 32 | 64;
  readonly edges: readonly bigint[];
}

function edgesOf(fraction: number, bias: number): bigint[] {
  const unit = 1n << BigInt(fraction);
  const power = (exponent: number): bigint => BigInt(exponent + bias) * unit;
  const special = BigInt(2 * bias + 1) * unit;
  /** Near the square root of the least normal number, so that products straddle it. */
  const root = power(-(bias - 1) / 2);
  const magnitudes = [
    0n,
    1n,
    unit - 1n,
    unit,
    unit + 1n,
    2n * unit - 1n,
    2n * unit,
    3n * unit,
    root | 1n,
    root,
    root - 1n,
    power(-bias + 25),
    power(-bias + 26) - 1n,
    power(-bias + 200),
    power(-1),
    power(0) - 1n,
    power(0),
    power(0) + 1n,
    power(1) | (unit >> 1n),
    power(fraction),
    power(30) | (unit - 1n),
    power(31) - 1n,
    power(31),
    power(63) - 1n,
    power(63),
    power(bias) - 1n,
    power(bias),
    special - 1n,
    special,
    special + 1n,
    special | (unit >> 1n) | 5n,
  ];
  const sign = 1n << BigInt(fraction === 23 ? 31 : 63);
  return magnitudes.flatMap((bits) => [bits, bits | sign]);
}

const SINGLE: Format = { width: 32, edges: edgesOf(23, 127) };
/** Doubles around the least normal single: one that is rounded up to it is tiny. */
const LEAST_SINGLES = [0x380f_ffff_ffff_ffffn, 0x380f_ffff_e000_0001n, 0x3810_0000_0000_0000n, 0x36a0_0000_0000_0000n];
const DOUBLE: Format = { width: 64, edges: [...edgesOf(52, 1023), ...LEAST_SINGLES] };

let seed = 7;
function random32(): bigint {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
  return BigInt((seed ^ (seed >>> 15)) >>> 0);
}

/** Anything, or a number with few bits near 1, so that exact results are among them. */
function randomNumber({ width }: Format): bigint {
  const bits = width === 32 ? random32() : (random32() << 32n) | random32();
  if (random32() % 2n === 0n) return bits;
  const fraction = width === 32 ? 23n : 52n;
  const exponent = (width === 32 ? 120n : 1016n) + (random32() % 16n);
  return (exponent << fraction) | ((random32() % 8n) << (fraction - 3n));
}

/** All pairs of edges, or every `step`th of them. */
function* pairs(format: Format, second: boolean, step: number): Generator<[bigint, bigint]> {
  const { edges } = format;
  for (let i = 0; i < edges.length; i++) {
    if (second) for (let j = i % step; j < edges.length; j += step) yield [edges[i], edges[j]];
    else yield [edges[i], edges[i]];
  }
  for (let i = 0; i < RANDOM_PAIRS; i++) yield [randomNumber(format), randomNumber(format)];
}

/** The pair in the lowest lanes; above them numbers that every operation is exact on, or the pair turned around. */
function vectors(format: Format, a: bigint, b: bigint, packed: boolean): [bigint, bigint] {
  if (!packed) return [a, b];
  const width = BigInt(format.width);
  const one = format.width === 32 ? 0x3f800000n : 0x3ff0000000000000n;
  const [x, y] = random32() % 2n === 0n ? [one, one] : [b, a];
  const fill = (low: bigint, next: bigint): bigint =>
    format.width === 64
      ? low | (next << width)
      : low | (next << width) | (one << (2n * width)) | (next << (3n * width));
  return [fill(a, x), fill(b, y)];
}

interface Outcome {
  readonly xmm0: string;
  readonly rax: string;
  readonly mxcsr: string;
}

/** `raised` are flags that count as raised in MXCSR. */
function outcome(
  machine: SseMachine,
  code: readonly number[],
  mxcsr: bigint,
  a: bigint,
  b: bigint,
  raised = 0n,
): Outcome {
  const { state } = machine;
  state.set(vcpu.mxcsr, mxcsr);
  state.set(vcpu.xmm, a, 0);
  state.set(vcpu.xmm, b, 1);
  state.set(vcpu.gpr, 0n, 0);
  assert.equal(machine.run(code), undefined);
  const hex = (value: bigint): string => value.toString(16);
  return {
    xmm0: hex(state.get(vcpu.xmm, 0)),
    rax: hex(state.get(vcpu.gpr, 0)),
    mxcsr: hex(state.get(vcpu.mxcsr) | INEXACT | raised),
  };
}

function check(
  name: string,
  code: readonly number[],
  format: Format,
  packed: boolean,
  binary: boolean,
  step = packed ? PACKED_STEP : SCALAR_STEP,
): void {
  it(name, () => {
    const machine = new SseMachine();
    let count = 0;
    for (const [first, second] of pairs(format, binary, step)) {
      const [a, b] = vectors(format, first, second, packed);
      const further = count++ % FURTHER_STEP === 0 ? [0n, FLUSH, RAISED, INVALID] : [0n];
      for (const bits of further) {
        const fast = outcome(machine, code, MAY_BE_FAST | bits, a, b);
        const exact = outcome(machine, code, EXACT | (bits & FLUSH), a, b, bits);
        assert.deepEqual(fast, exact, `${name} of ${a.toString(16)} and ${b.toString(16)}, MXCSR ${bits.toString(16)}`);
      }
    }
  });
}

describe('the fast path gives what the exact routine gives', () => {
  const prefixes: readonly [suffix: string, prefix: readonly number[], format: Format, packed: boolean][] = [
    ['PS', [], SINGLE, true],
    ['PD', [0x66], DOUBLE, true],
    ['SS', [0xf3], SINGLE, false],
    ['SD', [0xf2], DOUBLE, false],
  ];
  const operations: readonly [name: string, opcode: number, binary: boolean][] = [
    ['ADD', 0x58, true],
    ['MUL', 0x59, true],
    ['SUB', 0x5c, true],
    ['DIV', 0x5e, true],
    ['SQRT', 0x51, false],
  ];
  for (const [suffix, prefix, format, packed] of prefixes) {
    for (const [name, opcode, binary] of operations) {
      check(`of ${name}${suffix}`, [...prefix, 0x0f, opcode, 0xc1], format, packed, binary);
    }
  }
  for (const predicate of [0, 1, 2, 3, 4, 5, 6, 7]) {
    check(`of CMPPS, predicate ${predicate}`, [0x0f, 0xc2, 0xc1, predicate], SINGLE, true, true, COMPARISON_STEP);
    check(
      `of CMPSD, predicate ${predicate}`,
      [0xf2, 0x0f, 0xc2, 0xc1, predicate],
      DOUBLE,
      false,
      true,
      COMPARISON_STEP,
    );
  }
  for (const [name, opcode] of [
    ['MIN', 0x5d],
    ['MAX', 0x5f],
  ] as const) {
    for (const [suffix, prefix, format, packed] of prefixes) {
      check(`of ${name}${suffix}`, [...prefix, 0x0f, opcode, 0xc1], format, packed, true, COMPARISON_STEP);
    }
  }
  check('of ADDSUBPS', [0xf2, 0x0f, 0xd0, 0xc1], SINGLE, true, true);
  check('of ADDSUBPD', [0x66, 0x0f, 0xd0, 0xc1], DOUBLE, true, true);
  check('of HADDPS', [0xf2, 0x0f, 0x7c, 0xc1], SINGLE, true, true);
  check('of HSUBPD', [0x66, 0x0f, 0x7d, 0xc1], DOUBLE, true, true);
  check('of CVTSD2SS', [0xf2, 0x0f, 0x5a, 0xc1], DOUBLE, false, false);
  check('of CVTPD2PS', [0x66, 0x0f, 0x5a, 0xc1], DOUBLE, true, false);
  check('of CVTSS2SI', [0xf3, 0x0f, 0x2d, 0xc1], SINGLE, false, false);
  check('of CVTSS2SI of 64 bits', [0xf3, 0x48, 0x0f, 0x2d, 0xc1], SINGLE, false, false);
  check('of CVTSD2SI', [0xf2, 0x0f, 0x2d, 0xc1], DOUBLE, false, false);
  check('of CVTSD2SI of 64 bits', [0xf2, 0x48, 0x0f, 0x2d, 0xc1], DOUBLE, false, false);
  check('of CVTTSD2SI', [0xf2, 0x0f, 0x2c, 0xc1], DOUBLE, false, false);
  check('of CVTTSD2SI of 64 bits', [0xf2, 0x48, 0x0f, 0x2c, 0xc1], DOUBLE, false, false);
  check('of CVTPS2DQ', [0x66, 0x0f, 0x5b, 0xc1], SINGLE, true, false);
  check('of CVTTPS2DQ', [0xf3, 0x0f, 0x5b, 0xc1], SINGLE, true, false);
  check('of CVTPD2DQ', [0xf2, 0x0f, 0xe6, 0xc1], DOUBLE, true, false);
  check('of CVTTPD2DQ', [0x66, 0x0f, 0xe6, 0xc1], DOUBLE, true, false);
  check('of CVTDQ2PS', [0x0f, 0x5b, 0xc1], SINGLE, true, false);
  for (const mode of [0, 1, 2, 3, 4]) {
    check(`of ROUNDPS, mode ${mode}`, [0x66, 0x0f, 0x3a, 0x08, 0xc1, mode], SINGLE, true, false);
    check(`of ROUNDPD, mode ${mode}`, [0x66, 0x0f, 0x3a, 0x09, 0xc1, mode], DOUBLE, true, false);
    check(`of ROUNDSS, mode ${mode}`, [0x66, 0x0f, 0x3a, 0x0a, 0xc1, mode], SINGLE, false, false);
    check(`of ROUNDSD, mode ${mode}`, [0x66, 0x0f, 0x3a, 0x0b, 0xc1, mode], DOUBLE, false, false);
  }
});

describe('flags are those of the exact routine while INEXACT is not raised yet', () => {
  const operations: readonly [name: string, opcode: number, single: Routine, double: Routine][] = [
    ['ADD', 0x58, softAdd32, softAdd64],
    ['MUL', 0x59, softMul32, softMul64],
    ['SUB', 0x5c, softSub32, softSub64],
    ['DIV', 0x5e, softDiv32, softDiv64],
    ['SQRT', 0x51, softSqrt32, softSqrt64],
  ];
  for (const [name, opcode, single, double] of operations) {
    for (const format of [SINGLE, DOUBLE]) {
      const routine = format === SINGLE ? single : double;
      it(`of ${name} with ${format.width} bits`, () => {
        const machine = new SseMachine();
        for (const [a, b] of pairs(format, routine.params.length === 3, PACKED_STEP)) {
          const args = routine.params.length === 3 ? [a, b, EXACT] : [b, EXACT];
          const [, flags] = callRoutine(routine, ...args);
          outcome(machine, [format === SINGLE ? 0xf3 : 0xf2, 0x0f, opcode, 0xc1], EXACT, a, b);
          const raised = machine.state.get(vcpu.mxcsr) & 0x3fn;
          assert.equal(raised, flags, `${name} of ${a.toString(16)} and ${b.toString(16)}`);
        }
      });
    }
  }
});

describe('a conversion to integers', () => {
  const convert = (code: readonly number[], number: bigint): { rax: bigint; mxcsr: bigint } => {
    const machine = new SseMachine();
    machine.state.set(vcpu.mxcsr, EXACT);
    machine.state.set(vcpu.xmm, number, 1);
    assert.equal(machine.run(code), undefined);
    return { rax: machine.state.get(vcpu.gpr, 0), mxcsr: machine.state.get(vcpu.mxcsr) };
  };
  const toQuadword = [0xf2, 0x48, 0x0f, 0x2c, 0xc1];
  const toDoubleword = [0xf2, 0x0f, 0x2c, 0xc1];
  const INDEFINITE = 0x8000_0000_0000_0000n;

  it('is invalid one past the greatest integer', () => {
    assert.deepEqual(convert(toQuadword, 0x43e0_0000_0000_0000n), { rax: INDEFINITE, mxcsr: EXACT | 1n });
    assert.deepEqual(convert(toDoubleword, 0x41e0_0000_0000_0000n), { rax: 0x8000_0000n, mxcsr: EXACT | 1n });
  });
  it('has the least integer', () => {
    assert.deepEqual(convert(toQuadword, 0xc3e0_0000_0000_0000n), { rax: INDEFINITE, mxcsr: EXACT });
    assert.deepEqual(convert(toDoubleword, 0xc1e0_0000_0000_0000n), { rax: 0x8000_0000n, mxcsr: EXACT });
  });
});
