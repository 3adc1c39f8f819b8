/**
 * The fast paths of x87 arithmetic against the routines that do everything. With INEXACT masked a definition may take
 * its fast path; with INEXACT unmasked it may not, and but for ES and B the outcome is the same.
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { vcpu } from '../state.ts';
import { randomNumbers } from './fp/test-algebra.ts';
import { TestMachine } from './test-machine.ts';

const CASES = 250;
const INEXACT = 0x20n;
const SUMMARY = 0x8080n;
const INTEGER_BIT = 1n << 63n;
const ALL = (1n << 64n) - 1n;
const MEMORY = 0x2000;
/** [0x2000], by an absolute address of 32 bits in 64-bit mode. */
const AT_MEMORY = (opcode: string, extension: number): string =>
  `${opcode} ${(0x04 | (extension << 3)).toString(16).padStart(2, '0')} 25 00 20 00 00`;

const random = randomNumbers(0x8087_8087n);
const below = (n: number): number => Number(random() % BigInt(n));

interface Extended {
  readonly head: bigint;
  readonly significand: bigint;
}

/** Often near 1 and near each other, with few bits, all ones or any; at times not normal at all. */
function number(): Extended {
  const near = 0x3fff - 70 + below(140);
  const exponents = [near, near, near, near, 0x3fff, 0x3fff + below(3), 0, 1, 2, 0x7ffd, 0x7ffe, 0x7fff, below(0x8000)];
  const exponent = exponents[below(exponents.length)] as number;
  const short = (random() << BigInt(below(64))) & ALL;
  const long = (ALL << BigInt(below(64))) & ALL;
  const significands = [INTEGER_BIT, INTEGER_BIT | 1n, ALL, ALL - 1n, random(), random(), random(), short, short, long];
  const significand = significands[below(significands.length)] as bigint;
  const normal = exponent === 0 ? significand & ~INTEGER_BIT : significand | INTEGER_BIT;
  return { head: BigInt(exponent | (below(2) << 15)), significand: below(40) === 0 ? significand : normal };
}

const machine = new TestMachine(64);
const { state } = machine;

/** Everything that an instruction can have changed. */
function outcome(code: string, control: bigint, numbers: readonly Extended[], memory: bigint): Record<string, string> {
  state.set(vcpu.fcw, control);
  state.set(vcpu.fsw, 0x200n);
  state.set(vcpu.fpuTop, 5n);
  state.set(vcpu.fpuEmpty, 0x1fn);
  numbers.forEach(({ head, significand }, i) => {
    state.set(vcpu.stExponent, head, 5 + i);
    state.set(vcpu.stMantissa, significand, 5 + i);
  });
  machine.store(MEMORY, 64, memory);
  assert.equal(machine.step(code).fault, undefined);
  const registers = [5, 6, 7].map((i) => `${state.get(vcpu.stExponent, i).toString(16)}:${hex(vcpu.stMantissa, i)}`);
  return {
    registers: registers.join(' '),
    status: (state.get(vcpu.fsw) & ~SUMMARY).toString(16),
    top: hex(vcpu.fpuTop),
    empty: hex(vcpu.fpuEmpty),
    memory: machine.load(MEMORY, 64).toString(16),
  };
}

function hex(field: Parameters<typeof state.get>[0], index = 0): string {
  return state.get(field, index).toString(16);
}

function check(name: string, code: string): void {
  it(name, () => {
    for (let i = 0; i < CASES; i++) {
      const numbers = [number(), number(), number()];
      const memory = below(3) === 0 ? BigInt(below(1000)) : random();
      const control = 0x5fn | (BigInt([0, 2, 3][below(3)] as number) << 8n);
      const fast = outcome(code, control | INEXACT, numbers, memory);
      const whole = outcome(code, control, numbers, memory);
      const what = numbers.map(({ head, significand }) => `${head.toString(16)}:${significand.toString(16)}`).join(' ');
      assert.deepEqual(fast, whole, `${what}, memory ${memory.toString(16)}, control ${control.toString(16)}`);
    }
  });
}

describe('the fast path gives what the whole routine gives', () => {
  const operations: readonly [name: string, toSt0: string, toSti: string, extension: number][] = [
    ['FADD', 'c0', 'c0', 0],
    ['FMUL', 'c8', 'c8', 1],
    ['FSUB', 'e0', 'e8', 4],
    ['FSUBR', 'e8', 'e0', 5],
    ['FDIV', 'f0', 'f8', 6],
    ['FDIVR', 'f8', 'f0', 7],
  ];
  const plus = (opcode: string, i: number): string => (Number.parseInt(opcode, 16) + i).toString(16);
  for (const [name, toSt0, toSti, extension] of operations) {
    check(`of ${name} ST(0), ST(1)`, `d8 ${plus(toSt0, 1)}`);
    check(`of ${name}P ST(2), ST(0)`, `de ${plus(toSti, 2)}`);
    check(`of ${name} m32`, AT_MEMORY('d8', extension));
    check(`of ${name} m64`, AT_MEMORY('dc', extension));
    check(`of FI${name.slice(1)} m32`, AT_MEMORY('da', extension));
  }
  check('of FSQRT', 'd9 fa');
  check('of FST m32', AT_MEMORY('d9', 2));
  check('of FSTP m64', AT_MEMORY('dd', 3));
});
