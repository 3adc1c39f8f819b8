import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RAX, RBX, vcpu } from '../state.ts';
import {
  CODE,
  DATA,
  DEVICE,
  FLAG_IF,
  HANDLERS,
  KERNEL_DATA,
  LongModeMachine,
  STACK_TOP,
  TSS,
} from './test-long-mode.ts';

const FLAG_TF = 0x100;
const DR6_BS = 1 << 14;

/** A machine with an interrupt pending. */
function makePending(): LongModeMachine {
  const machine = new LongModeMachine();
  machine.cpu.interruptRequested = true;
  return machine;
}

describe('a pending interrupt', () => {
  it('waits while IF is clear', () => {
    const machine = makePending();
    machine.code('ff c0 ff c0 eb fa');
    assert.equal(machine.run(30), 'budget');
    assert.equal(machine.cpu.interruptible, false);
  });

  it('stops the slice at once where IF is set', () => {
    const machine = makePending();
    machine.flags = FLAG_IF | 2;
    machine.code('ff c0 ff c0 eb fa');
    assert.equal(machine.run(30), 'event');
    assert.equal(machine.rip, CODE);
    assert.equal(machine.cpu.instructions, 0);
  });

  it('waits for the instruction after STI', () => {
    for (const slice of [100, 1]) {
      const machine = makePending();
      machine.code('fb ff c0 ff c0 f4'); // sti; inc eax; inc eax; hlt
      let reason = machine.run(slice);
      for (let i = 0; i < 10 && reason === 'budget'; i++) reason = machine.run(slice);
      assert.equal(reason, 'event', `slices of ${slice}`);
      assert.equal(machine.gpr(RAX), 1);
      assert.equal(machine.rip, CODE + 3);
      assert.equal(machine.cpu.interruptible, true);
    }
  });

  it('comes between NOP and CLI after STI', () => {
    const machine = makePending();
    machine.code('90 fb 90 fa eb fa'); // nop; again: sti; nop; cli; jmp again
    assert.equal(machine.run(1000), 'event');
    assert.equal(machine.rip, CODE + 3);
  });

  it('is taken after STI and HLT', () => {
    for (const slice of [100, 1]) {
      const machine = makePending();
      machine.code('fb f4 90');
      let reason = machine.run(slice);
      for (let i = 0; i < 10 && reason === 'budget'; i++) reason = machine.run(slice);
      assert.equal(reason, 'halt', `slices of ${slice}`);
      assert.equal(machine.rip, CODE + 2);
      assert.equal(machine.cpu.interruptible, true);
    }
  });

  it('waits for the instruction after MOV SS', () => {
    for (const slice of [100, 1]) {
      const machine = makePending();
      machine.flags = FLAG_IF | 2;
      machine.cpu.interruptRequested = false;
      // mov ss, eax; inc ebx; inc ebx
      machine.code('8e d0 ff c3 ff c3 f4');
      machine.setGpr(RAX, KERNEL_DATA);
      machine.run(1);
      machine.cpu.interruptRequested = true;
      assert.equal(machine.cpu.interruptible, false);
      let reason = machine.run(slice);
      for (let i = 0; i < 10 && reason === 'budget'; i++) reason = machine.run(slice);
      assert.equal(reason, 'event', `slices of ${slice}`);
      assert.equal(machine.gpr(RBX), 1);
    }
  });

  it('is not held back by a second STI in a row', () => {
    const machine = makePending();
    machine.code('fb fb fb ff c0 f4');
    assert.equal(machine.run(100), 'event');
    assert.equal(machine.rip, CODE + 2);
  });

  it('waits for an instruction after STI that runs alone', () => {
    for (const slice of [100, 1]) {
      const machine = makePending();
      machine.setGpr(RBX, DEVICE);
      machine.code('fb 89 03 ff c0 f4'); // sti; mov [rbx], eax; inc eax
      let reason = machine.run(slice);
      for (let i = 0; i < 10 && reason === 'budget'; i++) reason = machine.run(slice);
      assert.equal(reason, 'event', `slices of ${slice}`);
      assert.equal(machine.rip, CODE + 3);
      assert.equal(machine.gpr(RAX), 0);
    }
  });

  it('comes between the chunks of a repeated instruction', () => {
    const machine = new LongModeMachine();
    machine.flags = FLAG_IF | 2;
    machine.code('f3 aa f4');
    machine.setGpr(1, 6000);
    machine.setGpr(7, DATA);
    machine.run(1);
    machine.cpu.interruptRequested = true;
    assert.equal(machine.run(100), 'event');
    assert.equal(machine.rip, CODE);
    assert.equal(machine.gpr(1), 6000 - 4096);
  });

  it('is delivered with the state of the interrupted program', () => {
    const machine = new LongModeMachine();
    machine.flags = FLAG_IF | 0x45;
    machine.code('90');
    machine.run(1);
    assert.equal(machine.cpu.interrupt(0x31), true);
    assert.equal(machine.exception, 0x31);
    const frame = STACK_TOP - 0x100 - 40;
    assert.equal(machine.read64(frame), BigInt(CODE + 1));
    assert.equal(machine.read64(frame + 16), BigInt(FLAG_IF | 0x47));
    assert.equal(machine.read64(frame + 24), BigInt(STACK_TOP - 0x100));
    assert.equal(machine.flags & FLAG_IF, 0);
  });

  it('that cannot be delivered ends in a shutdown', () => {
    const machine = new LongModeMachine();
    machine.cpu.set(vcpu.idtrLimit, 0n);
    machine.code('90');
    assert.equal(machine.cpu.interrupt(0x31), false);
    machine.code('0f 0b');
    assert.equal(machine.run(10), 'shutdown');
  });

  it('at CPL 3 moves to the stack of the TSS', () => {
    const machine = new LongModeMachine();
    machine.setPrivilege(3);
    machine.setGpr(4, DATA + 0x800);
    machine.code('90');
    machine.run(1);
    machine.cpu.interrupt(0x31);
    assert.equal(machine.gpr(4), STACK_TOP - 40);
    assert.equal(machine.read64(STACK_TOP - 16), BigInt(DATA + 0x800));
    assert.equal(machine.cpu.get(vcpu.cpl), 0n);
    assert.equal(machine.read64(TSS + 4), BigInt(STACK_TOP));
  });
});

describe('single steps', () => {
  it('trap after each instruction, branches and devices included', () => {
    const machine = new LongModeMachine();
    machine.flags = FLAG_TF | 2;
    machine.setGpr(RBX, DEVICE);
    // jmp over a byte; mov eax, [rbx]; jz (not taken); f3 a4
    machine.code('eb 01 cc 8b 03 74 10 90 f4');
    const visited: number[] = [];
    for (let i = 0; i < 5; i++) {
      assert.equal(machine.run(1000), i === 4 ? 'halt' : 'event');
      assert.equal(machine.cpu.instructions, i + 1);
      assert.equal(machine.cpu.get32(vcpu.pendingDebug), DR6_BS);
      machine.cpu.set32(vcpu.pendingDebug, 0);
      // The zero flag stays clear.
      visited.push(machine.rip - CODE);
    }
    assert.deepEqual(visited, [3, 5, 7, 8, 9]);
  });

  it('do not trap after an instruction that faults', () => {
    const machine = new LongModeMachine();
    machine.flags = FLAG_TF | 2;
    machine.code('0f 0b');
    machine.run(1000);
    assert.equal(machine.rip, HANDLERS + 0x60);
    assert.equal(machine.cpu.get32(vcpu.pendingDebug), 0);
    assert.equal(machine.flags & FLAG_TF, 0);
  });

  it('begin after the instruction behind POPF', () => {
    const machine = new LongModeMachine();
    machine.code('9d 90 90 f4');
    machine.write64(STACK_TOP - 0x100, BigInt(FLAG_TF | 2));
    assert.equal(machine.run(100), 'event');
    assert.equal(machine.rip, CODE + 1);
    assert.equal(machine.cpu.get32(vcpu.pendingDebug), 0);
    machine.run(100);
    assert.equal(machine.rip, CODE + 2);
    assert.equal(machine.cpu.get32(vcpu.pendingDebug), DR6_BS);
  });
});
