import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RAX, RBX, RCX, vcpu } from '../state.ts';
import { CODE, DATA, HANDLERS, IST1, LongModeMachine, STACK_TOP, TSS } from './test-long-mode.ts';

const PAGE = 0x1000;
const PAGE_FAULT = 14;

/**
 * Branches, a repeated string, a call, a fault whose handler returns behind it, and code that rewrites itself, without end:
 *
 *     top:  mov ecx, 20 / mov edi, DATA / rep stosb / call sub / ud2 / inc byte [top + 1]
 *           mov ecx, 3 / again: add ebx, ecx / loop again / jmp top
 *     sub:  push rax / imul eax, eax, 5 / inc eax / pop rdx / ret
 */
function makeBusy(): LongModeMachine {
  const machine = new LongModeMachine();
  machine.code(`
    b9 14 00 00 00  bf 00 00 02 00  f3 aa  e8 1f 00 00 00  0f 0b  fe 05 e8 ff ff ff
    b9 03 00 00 00  01 cb  e2 fc  eb dc
    90 90 90 90 90 90 90 90 90 90 90 90
    50  6b c0 05  ff c0  5a  c3`);
  // add qword [rsp], 2; iretq
  machine.poke(HANDLERS + 16 * 6, '48 83 04 24 02  48 cf');
  return machine;
}

/** Everything that running may change. */
function snapshot(machine: LongModeMachine): string {
  const parts = [machine.cpu.stateBytes(), machine.page(CODE), machine.page(DATA), machine.page(STACK_TOP - PAGE)];
  return parts.map((bytes) => Buffer.from(bytes).toString('base64')).join(' ');
}

describe('the budget', () => {
  it('is used up exactly', () => {
    for (const length of [1, 2, 3, 5, 17, 64, 65, 1000]) {
      const machine = makeBusy();
      for (let slice = 1; slice <= 5; slice++) {
        assert.equal(machine.run(length), 'budget');
        assert.equal(machine.cpu.instructions, slice * length);
      }
    }
  });

  it('may leave what no block fits in, unless that is all there is; the program goes the same way', () => {
    const machine = makeBusy();
    let early = 0;
    for (let slice = 0; slice < 40; slice++) {
      const before = machine.cpu.instructions;
      assert.equal(machine.cpu.run(31, false), 'budget');
      const ran = machine.cpu.instructions - before;
      assert.ok(ran > 0 && ran <= 31);
      if (ran < 31) early++;
    }
    assert.ok(early > 10, `${early} slices end early`);
    const exact = makeBusy();
    exact.run(machine.cpu.instructions);
    assert.equal(snapshot(machine), snapshot(exact));
  });

  it('may be sliced in any way', () => {
    const total = 3000;
    const whole = makeBusy();
    whole.run(total);
    assert.ok(whole.gpr(RBX) > 100, 'the program runs');
    const expected = snapshot(whole);
    for (const slices of [[1], [2], [7], [1, 64, 3], [500, 1, 1, 13]]) {
      const machine = makeBusy();
      for (let i = 0, rest = total; rest > 0; i++) {
        const count = Math.min(rest, slices[i % slices.length] as number);
        machine.run(count);
        rest -= count;
      }
      assert.equal(snapshot(machine), expected, `slices of ${slices}`);
    }
  });

  it('gives the same states whatever was decoded before', () => {
    const warm = makeBusy();
    const start = warm.cpu.stateBytes();
    const code = Uint8Array.from(warm.page(CODE));
    warm.run(500);
    // Back to the beginning, but for the decoded blocks, their links and their splits.
    warm.memory.u8.set(start, warm.cpu.base);
    warm.write(CODE, code);
    warm.page(DATA).fill(0);
    warm.page(STACK_TOP - PAGE).fill(0);
    warm.cpu.set(vcpu.instructions, 0n);
    warm.run(777);
    const cold = makeBusy();
    cold.run(777);
    assert.equal(warm.gpr(RBX), cold.gpr(RBX));
    assert.equal(warm.rip, cold.rip);
    assert.deepEqual(Uint8Array.from(warm.page(CODE)), Uint8Array.from(cold.page(CODE)));
  });

  it('counts a fault as an instruction and stops before the handler', () => {
    const machine = new LongModeMachine();
    machine.code('90 0f 0b');
    assert.equal(machine.run(2), 'budget');
    assert.equal(machine.rip, HANDLERS + 16 * 6);
    assert.equal(machine.cpu.instructions, 2);
    assert.equal(machine.run(1), 'halt');
  });

  it('is used up by handlers that cannot be fetched', () => {
    const machine = new LongModeMachine();
    // The page fault's handler is absent, and its stack is always a fresh one.
    machine.setGate(PAGE_FAULT, 0x70_0000, 1);
    machine.write64(TSS + IST1, BigInt(STACK_TOP - 0x800));
    machine.rip = 0x70_0000;
    assert.equal(machine.run(1000), 'budget');
    assert.equal(machine.cpu.instructions, 1000);
  });

  it('is used up by handlers that fault', () => {
    const machine = new LongModeMachine();
    machine.setGate(6, HANDLERS + 0x60, 1);
    machine.write64(TSS + IST1, BigInt(STACK_TOP - 0x800));
    machine.poke(HANDLERS + 0x60, '90 0f 0b');
    machine.code('0f 0b');
    assert.equal(machine.run(1000), 'budget');
    assert.equal(machine.cpu.instructions, 1000);
  });

  it('does not let a page fault come early at a slice boundary', () => {
    const machine = new LongModeMachine();
    machine.code('b9 00 00 70 00 ff e1'); // mov ecx, 0x700000; jmp rcx
    assert.equal(machine.run(2), 'budget');
    assert.equal(machine.rip, 0x70_0000);
    assert.equal(machine.gpr(RCX), 0x70_0000);
    assert.equal(machine.run(1), 'budget');
    assert.equal(machine.exception, PAGE_FAULT);
    assert.equal(machine.cpu.get(vcpu.cr2), 0x70_0000n);
  });

  it('of one runs one chunk of a repeated instruction', () => {
    const machine = new LongModeMachine();
    machine.code('f3 aa f4');
    machine.setGpr(RCX, 6000);
    machine.setGpr(7, DATA);
    machine.setGpr(RAX, 1);
    machine.run(1);
    assert.equal(machine.rip, CODE);
    assert.equal(machine.gpr(RCX), 6000 - PAGE);
    machine.run(1);
    assert.equal(machine.rip, CODE + 2);
    assert.equal(machine.gpr(RCX), 0);
  });
});
