import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RAX, RBX, RCX, RDI, RSI, vcpu } from '../state.ts';
import { CODE, DATA, HANDLERS, IST1, LongModeMachine, TSS } from './test-long-mode.ts';

const FLAG_AC = 0x4_0000;
const CR0_AM = 1n << 18n;
const ALIGNMENT_CHECK = 17;
const GENERAL_PROTECTION = 13;
const PAGE_FAULT = 14;
/** DR7: breakpoint `n` enabled, for writes or for reads and writes, of that many bytes. */
const dr7 = (n: number, kind: 'write' | 'access', bytes: 1 | 2 | 4 | 8): number =>
  0x400 |
  (2 << (2 * n)) |
  ((kind === 'write' ? 1 : 3) << (16 + 4 * n)) |
  ({ 1: 0, 2: 1, 4: 3, 8: 2 }[bytes] << (18 + 4 * n));

/** Breakpoint 1 on DATA + 8. */
function makeWatching(kind: 'write' | 'access', bytes: 1 | 2 | 4 | 8): LongModeMachine {
  const machine = new LongModeMachine();
  machine.setGpr(RBX, DATA);
  machine.setGpr(RCX, DATA + 8);
  machine.setGpr(RAX, dr7(1, kind, bytes));
  machine.code('0f 23 c9 0f 23 f8'); // mov dr1, rcx; mov dr7, rax
  for (let i = 0; i < 2; i++) {
    assert.equal(machine.run(10), 'event');
    machine.cpu.attention = false;
  }
  return machine;
}

describe('a data breakpoint', () => {
  it('traps behind the write that touches it, in the middle of a block', () => {
    const machine = makeWatching('write', 4);
    // mov [rbx], eax; mov edx, [rbx+8]; mov [rbx+10], al; nop
    machine.code('89 03 8b 53 08 88 43 0a 90 f4');
    const before = machine.cpu.instructions;
    assert.equal(machine.run(100), 'event');
    assert.equal(machine.rip, CODE + 8);
    assert.equal(machine.cpu.instructions - before, 3);
    assert.equal(machine.cpu.get32(vcpu.pendingDebug), 2);
  });

  it('traps behind a read where it is for reads too', () => {
    const machine = makeWatching('access', 1);
    machine.code('90 8b 53 05 90 f4'); // 4 bytes from DATA + 5
    assert.equal(machine.run(100), 'event');
    assert.equal(machine.rip, CODE + 4);
    assert.equal(machine.cpu.get32(vcpu.pendingDebug), 2);
  });

  it('says nothing of an instruction that faults', () => {
    const machine = makeWatching('access', 8);
    machine.setGpr(4, 0x60_0000);
    machine.setGate(PAGE_FAULT, HANDLERS + 16 * PAGE_FAULT, 1);
    machine.write64(TSS + IST1, BigInt(DATA + 0x800));
    machine.code('90 ff 73 08 f4'); // push qword [rbx+8], onto a stack that is not there
    machine.run(2);
    assert.equal(machine.exception, PAGE_FAULT);
    assert.equal(machine.cpu.get32(vcpu.pendingDebug), 0);
  });

  it('lets accesses beside it pass', () => {
    const machine = makeWatching('access', 2);
    machine.code('89 43 04 8a 43 0a 48 89 43 10 f4');
    assert.equal(machine.run(100), 'halt');
    assert.equal(machine.cpu.get32(vcpu.pendingDebug), 0);
  });

  it('sees what string instructions touch', () => {
    const machine = makeWatching('write', 1);
    machine.setGpr(RSI, DATA + 0x100);
    machine.setGpr(RDI, DATA);
    machine.setGpr(RCX, 64);
    machine.code('f3 a4 f4');
    assert.equal(machine.run(100), 'event');
    assert.equal(machine.cpu.get32(vcpu.pendingDebug), 2);
  });

  it('costs nothing once it is off', () => {
    const machine = makeWatching('write', 1);
    machine.setGpr(RAX, 0x400);
    machine.code('0f 23 f8 88 43 08 f4');
    assert.equal(machine.run(100), 'event');
    machine.cpu.attention = false;
    assert.equal(machine.run(100), 'halt');
    assert.equal(machine.cpu.get32(vcpu.pendingDebug), 0);
  });
});

describe('an alignment check', () => {
  function makeChecking(cpl: 0 | 3): LongModeMachine {
    const machine = new LongModeMachine();
    machine.cpu.set(vcpu.cr0, machine.cpu.get(vcpu.cr0) | CR0_AM);
    machine.setPrivilege(cpl);
    machine.flags = FLAG_AC | 2;
    machine.setGpr(RBX, DATA + 2);
    return machine;
  }
  const vectorOf = (machine: LongModeMachine, code: string, count = 1): number | undefined => {
    machine.code(code);
    machine.run(count);
    return machine.exception;
  };

  it('refuses what is not on its size at CPL 3', () => {
    assert.equal(vectorOf(makeChecking(3), '66 8b 03'), undefined);
    assert.equal(vectorOf(makeChecking(3), '8a 43 01'), undefined);
    assert.equal(vectorOf(makeChecking(3), '8b 03'), ALIGNMENT_CHECK);
    assert.equal(vectorOf(makeChecking(3), '89 03'), ALIGNMENT_CHECK);
    assert.equal(vectorOf(makeChecking(3), '01 03'), ALIGNMENT_CHECK);
    assert.equal(vectorOf(makeChecking(3), '48 8b 43 02'), ALIGNMENT_CHECK);
    assert.equal(vectorOf(makeChecking(3), '8b 43 02'), undefined);
  });

  it('is not made below CPL 3', () => {
    assert.equal(vectorOf(makeChecking(0), '8b 03'), undefined);
  });

  it('ends when the flag is cleared', () => {
    const machine = makeChecking(3);
    machine.setGpr(4, DATA + 0x108);
    machine.write64(DATA + 0x108, 2n);
    assert.equal(vectorOf(machine, '9d 8b 03', 2), undefined); // popf; mov eax, [rbx]
    assert.equal(machine.rip, CODE + 3);
  });

  it('has no say where the address is not canonical', () => {
    const machine = makeChecking(3);
    machine.setGpr(RBX, 0x8000_0000_0000_0002n);
    assert.equal(vectorOf(machine, '8b 03'), GENERAL_PROTECTION);
  });
});
