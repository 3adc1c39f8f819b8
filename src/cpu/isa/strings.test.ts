import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ES, FS } from '../algebra.ts';
import { RAX, RCX, RDI, RSI, vcpu } from '../state.ts';
import { CF, DF, TestMachine, TF, ZF } from './test-machine.ts';

function prepared(rcx: number, rsi: number, rdi: number, flags = 0): TestMachine {
  const machine = new TestMachine(64);
  machine.setGpr(RCX, rcx);
  machine.setGpr(RSI, rsi);
  machine.setGpr(RDI, rdi);
  machine.flags = flags;
  for (let i = 0; i < 0x2000; i++) machine.store(0x2000 + i, 8, BigInt((i * 7 + (i >> 8)) & 0xff));
  return machine;
}

function pointers(machine: TestMachine): [bigint, bigint, bigint] {
  return [machine.gpr(RCX), machine.gpr(RSI), machine.gpr(RDI)];
}

describe('a repeated string instruction', () => {
  it('stops at the end of the page of either pointer, to run again', () => {
    const machine = prepared(64, 0x2ff0, 0x4000);
    assert.equal(machine.step('F3 A4').again, true);
    assert.equal(machine.advance, 0n);
    assert.deepEqual(pointers(machine), [48n, 0x3000n, 0x4010n]);
    assert.equal(machine.step('F3 A4').again, false);
    assert.equal(machine.advance, 2n);
    assert.deepEqual(pointers(machine), [0n, 0x3030n, 0x4040n]);
    for (let i = 0; i < 64; i += 8) assert.equal(machine.load(0x4000 + i, 64), machine.load(0x2ff0 + i, 64));
    const destination = prepared(64, 0x2000, 0x4ff0);
    destination.step('F3 A4');
    assert.deepEqual(pointers(destination), [48n, 0x2010n, 0x5000n]);
  });

  it('includes an element that crosses the end of the page', () => {
    const machine = prepared(10, 0x2ff4, 0x4000);
    machine.step('F3 48 A5');
    assert.deepEqual(pointers(machine), [8n, 0x3004n, 0x4010n]);
  });

  it('goes down to the start of the page with DF set', () => {
    const machine = prepared(64, 0x3008, 0x4800, DF);
    assert.equal(machine.step('F3 48 A5').again, true);
    assert.deepEqual(pointers(machine), [62n, 0x2ff8n, 0x47f0n]);
    assert.equal(machine.load(0x47f8, 64), machine.load(0x3000, 64));
  });

  it('does one element at a time with TF set', () => {
    const machine = prepared(3, 0x2000, 0x4000, TF);
    assert.equal(machine.step('F3 A4').again, true);
    assert.deepEqual(pointers(machine), [2n, 0x2001n, 0x4001n]);
  });

  it('does nothing with a count of 0', () => {
    const machine = prepared(0, 0x9000, 0x9000, CF);
    for (const code of ['F3 A4', 'F3 AB', 'F3 AC', 'F3 A6', 'F2 AE']) {
      assert.equal(machine.step(code).again, false);
      assert.equal(machine.advance, 2n, code);
      assert.deepEqual(pointers(machine), [0n, 0x9000n, 0x9000n]);
      assert.equal(machine.flags, CF | 2);
    }
  });

  it('faults at the element that cannot be reached, with the registers there', () => {
    const machine = prepared(8, 0x3000, 0x5ff8);
    machine.step('F3 48 A5');
    const { fault } = machine.step('F3 48 A5');
    assert.deepEqual([fault?.vector, fault?.linear], [14, 0x6000n]);
    assert.deepEqual(pointers(machine), [7n, 0x3008n, 0x6000n]);
    const unaligned = prepared(8, 0x3000, 0x5ff4);
    assert.equal(unaligned.step('F3 48 A5').fault?.linear, 0x6000n);
    assert.deepEqual(pointers(unaligned), [7n, 0x3008n, 0x5ffcn]);
  });

  it('counts CX, SI and DI with 16-bit addresses and wraps them', () => {
    const machine = new TestMachine(16);
    machine.setGpr(RCX, 0x7_0003);
    machine.setGpr(RDI, 0x7_2ffe);
    machine.setGpr(RAX, 0xbeef);
    assert.equal(machine.step('F3 AB').again, true);
    assert.equal(machine.gpr(RCX), 0x7_0002n);
    assert.equal(machine.step('F3 AB').again, false);
    assert.equal(machine.gpr(RDI), 0x7_3004n);
    assert.equal(machine.load(0x2ffe, 32), 0xbeefbeefn);
  });
});

describe('MOVS', () => {
  it('repeats a pattern where the destination begins within the source', () => {
    const machine = prepared(12, 0x4000, 0x4003);
    machine.store(0x4000, 32, 0x00030201n);
    machine.step('F3 A4');
    assert.equal(machine.load(0x4000, 64), 0x0201_0302_0103_0201n);
    assert.equal(machine.load(0x4008, 56), 0x03_0201_0302_0103n);
  });

  it('takes a segment override for the source only', () => {
    const machine = prepared(1, 0, 0x4000);
    machine.state.set(vcpu.segmentBase, 0x2123n, FS);
    machine.step('64 F3 48 A5');
    assert.equal(machine.load(0x4000, 64), machine.load(0x2123, 64));
  });

  it('stays within the limits of both segments outside 64-bit mode', () => {
    const machine = new TestMachine(32);
    machine.state.set(vcpu.segmentLimit, 0x4003n, ES);
    machine.setGpr(RCX, 4);
    machine.setGpr(RSI, 0x2000);
    machine.setGpr(RDI, 0x4000);
    const { fault } = machine.step('F3 A5');
    assert.deepEqual([fault?.vector, fault?.errorCode], [13, 0]);
    assert.deepEqual(pointers(machine), [3n, 0x2004n, 0x4004n]);
  });
});

describe('CMPS and SCAS', () => {
  it('stop after the first difference, and set the flags of it', () => {
    const machine = prepared(16, 0x2000, 0x4000);
    machine.store(0x4000, 32, machine.load(0x2000, 32));
    machine.store(0x4004, 8, machine.load(0x2004, 8) + 1n);
    assert.equal(machine.step('F3 A6').again, false);
    assert.deepEqual(pointers(machine), [11n, 0x2005n, 0x4005n]);
    assert.equal(machine.flags & (CF | ZF), CF);
  });

  it('keep the flags from before while chunks are left', () => {
    const machine = prepared(32, 0x2000, 0x4ff0, CF);
    machine.setGpr(RAX, 0);
    assert.equal(machine.step('F3 AE').again, true);
    assert.equal(machine.flags, CF | 2);
    assert.equal(machine.step('F3 AE').again, false);
    assert.equal(machine.flags & (CF | ZF), ZF);
    assert.deepEqual(pointers(machine), [0n, 0x2000n, 0x5010n]);
  });

  it('REPNE stops after the first match', () => {
    const machine = prepared(32, 0, 0x4000);
    machine.store(0x4005, 8, 0x5an);
    machine.setGpr(RAX, 0x5a);
    machine.step('F2 AE');
    assert.deepEqual(pointers(machine), [26n, 0n, 0x4006n]);
    assert.equal(machine.flags & ZF, ZF);
  });
});
