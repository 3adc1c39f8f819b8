import assert from 'node:assert/strict';
import { it } from 'node:test';
import { RAX } from '../state.ts';
import { TestMachine } from './test-machine.ts';

/** Recorded on an Intel processor: code, EAX and arithmetic flags before, both after. */
const recorded: readonly (readonly [name: string, code: string, number, number, number, number])[] = [
  ['AAA', '37', 0xabcd0001, 0x8d4, 0xabcd0107, 0x011],
  ['AAA', '37', 0xabcd66ef, 0x8d5, 0xabcd6705, 0x015],
  ['AAA', '37', 0xabcdffde, 0x800, 0xabcd0004, 0x011],
  ['AAA', '37', 0xabcdff05, 0x8c4, 0xabcdff05, 0x004],
  ['AAA', '37', 0xabcdff0a, 0x801, 0xabcd0000, 0x055],
  ['AAS', '3F', 0xabcd66cc, 0x801, 0xabcd6506, 0x015],
  ['AAS', '3F', 0xabcdffba, 0x810, 0xabcdfe04, 0x011],
  ['DAA', '27', 0xabcd66a8, 0x811, 0xabcd660e, 0x011],
  ['DAA', '27', 0xabcdff97, 0x8c4, 0xabcdff97, 0x080],
  ['DAA', '27', 0xabcd009a, 0x800, 0xabcd0000, 0x055],
  ['DAA', '27', 0xabcd00a0, 0x801, 0xabcd0000, 0x045],
  ['DAA', '27', 0xabcd0006, 0x801, 0xabcd0066, 0x005],
  ['DAS', '2F', 0xabcd6685, 0x8c5, 0xabcd6625, 0x001],
  ['DAS', '2F', 0xabcdff73, 0x8d4, 0xabcdff6d, 0x010],
  ['AAM', 'D4 0A', 0xabcd6661, 0x8d5, 0xabcd0907, 0x000],
  ['AAM', 'D4 0A', 0xabcdff50, 0x800, 0xabcd0800, 0x044],
  ['AAM', 'D4 07', 0xabcd00ff, 0x8c4, 0xabcd2403, 0x004],
  ['AAD', 'D5 0A', 0xabcd3363, 0x8c4, 0xabcd0061, 0x011],
  ['AAD', 'D5 0A', 0xabcd66ff, 0x8c4, 0xabcd00fb, 0x091],
  ['AAD', 'D5 07', 0xabcd3363, 0x8c4, 0xabcd00c8, 0x880],
];

for (const [name, code, eax, flags, eaxAfter, flagsAfter] of recorded) {
  it(`${name} (${code}) of ${eax.toString(16)} is as recorded on hardware`, () => {
    const machine = new TestMachine(32);
    machine.setGpr(RAX, eax);
    machine.flags = flags;
    assert.equal(machine.step(code).fault, undefined);
    assert.equal(machine.gpr(RAX), BigInt(eaxAfter));
    assert.equal(machine.flags, flagsAfter | 2);
  });
}

it('AAM by 0 raises #DE and changes nothing', () => {
  const machine = new TestMachine(32);
  machine.setGpr(RAX, 0x1234);
  assert.equal(machine.step('D4 00').fault?.vector, 0);
  assert.equal(machine.gpr(RAX), 0x1234n);
});

it('decimal instructions do not exist in 64-bit mode', () => {
  for (const code of ['37', '3F', '27', '2F', 'D4 0A', 'D5 0A']) {
    assert.equal(new TestMachine(64).step(code).fault?.vector, 6, code);
  }
});
