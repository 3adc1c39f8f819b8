import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GP, TR, TS } from '../../algebra.ts';
import { RAX, RBX, RSP, vcpu } from '../../state.ts';
import * as on from './test-machine.ts';
import { far, TestMachine } from './test-machine.ts';

const TARGET = 0x14000;
const NT = 0x4000;

const OTHER_TSS = 0x6000;
const OTHER = on.FREE;
const OTHER_STACK = 0x28000;

function otherTask(
  machine: TestMachine,
  fields: { eip?: number; ss?: number; cs?: number; flags?: number } = {},
): void {
  machine.descriptor(OTHER, OTHER_TSS, 0x67, on.ACCESS_TSS_32, 0);
  machine.write32(OTHER_TSS + 0x20, fields.eip ?? TARGET);
  machine.write32(OTHER_TSS + 0x24, fields.flags ?? 2);
  machine.write32(OTHER_TSS + 0x28, 0x1111);
  machine.write32(OTHER_TSS + 0x38, OTHER_STACK);
  [on.DATA_0, fields.cs ?? on.CODE_0, fields.ss ?? on.DATA_0, on.DATA_0, 0, 0].forEach((selector, i) => {
    machine.write32(OTHER_TSS + 0x48 + 4 * i, selector);
  });
  machine.write32(OTHER_TSS + 4, 0x38000);
  machine.write32(OTHER_TSS + 8, on.DATA_0);
}

test('CALL of a TSS runs the task nested, and IRET comes back', () => {
  const machine = new TestMachine('protected');
  otherTask(machine);
  // mov ebx, eax; pushf; pop ecx; mov eax, 2222h; iret
  machine.place(TARGET, '89c3 9c 59 b822220000 cf');
  machine.setGpr(RAX, 0x9999);
  // call OTHER:0; hlt
  assert.equal(machine.run(`9a ${far(OTHER, 0)} f4`).rip, on.CODE + 8);
  assert.equal(machine.gpr(RAX), 0x9999, "the task's registers are its own");
  assert.equal(machine.read(OTHER_TSS + 0x28, 4), 0x2222);
  assert.equal(machine.read(OTHER_TSS + 0x34, 4), 0x1111, 'EBX got the saved EAX');
  assert.equal(machine.read(OTHER_TSS + 0x2c, 4) & NT, NT);
  assert.equal(machine.read(OTHER_TSS, 2), on.TASK, 'back link');
  assert.equal(machine.selector(TR), on.TASK);
  assert.equal(machine.read(on.GDT + OTHER + 5, 1), on.ACCESS_TSS_32);
  assert.equal(machine.read(on.GDT + on.TASK + 5, 1), on.ACCESS_TSS_32 | 2);
  assert.equal(machine.get(vcpu.cr0) & 8, 8, 'TS');
  assert.equal(machine.get(vcpu.rflags) & NT, 0);
});

test('JMP to a TSS leaves the old task for good', () => {
  const machine = new TestMachine('protected');
  otherTask(machine);
  machine.place(TARGET, 'f4');
  assert.equal(machine.run(`ea ${far(OTHER, 0)}`).rip, TARGET + 1);
  assert.equal(machine.read(on.GDT + on.TASK + 5, 1), on.ACCESS_TSS_32);
  assert.equal(machine.read(on.GDT + OTHER + 5, 1), on.ACCESS_TSS_32 | 2);
  assert.equal(machine.read(on.TSS + 0x20, 4), on.CODE + 7);
  assert.equal(machine.gpr(RSP), OTHER_STACK);
});

test('a busy TSS cannot be called', () => {
  const machine = new TestMachine('protected');
  otherTask(machine);
  assert.equal(machine.run(`9a ${far(on.TASK, 0)}`).vector, GP);
  assert.equal(machine.stack(0, 4), on.TASK);
});

test('a task gate takes an exception to another task, error code included', () => {
  const machine = new TestMachine('protected');
  otherTask(machine);
  machine.gate(GP, 0, 0x85, OTHER);
  machine.place(TARGET, '5b f4');
  machine.setGpr(RAX, 0x3f8);
  assert.equal(machine.run('8ed8').rip, TARGET + 2);
  assert.equal(machine.gpr(RBX), 0x3f8);
  assert.equal(machine.gpr(RSP), OTHER_STACK);
  assert.equal(machine.read(on.TSS + 0x20, 4), on.CODE, 'the fault can be restarted');
});

test('a bad segment of the new task faults in the new task', () => {
  const machine = new TestMachine('protected');
  otherTask(machine, { ss: on.DATA_3 });
  // The handler of #TS runs in a task of its own, as there is no stack.
  const handler = on.FREE + 8;
  const handlerTss = 0x7000;
  machine.descriptor(handler, handlerTss, 0x67, on.ACCESS_TSS_32, 0);
  machine.write32(handlerTss + 0x20, TARGET + 0x100);
  machine.write32(handlerTss + 0x24, 2);
  machine.write32(handlerTss + 0x38, 0x2c000);
  [on.DATA_0, on.CODE_0, on.DATA_0, on.DATA_0, 0, 0].forEach((selector, i) => {
    machine.write32(handlerTss + 0x48 + 4 * i, selector);
  });
  machine.gate(TS, 0, 0x85, handler);
  machine.place(TARGET + 0x100, '5b f4');
  assert.equal(machine.run(`ea ${far(OTHER, 0)}`).rip, TARGET + 0x102);
  assert.equal(machine.gpr(RBX), on.DATA_3 & ~3);
  assert.equal(machine.read(handlerTss, 2), OTHER, 'which is nested in the new one');
  assert.equal(machine.read(OTHER_TSS + 0x20, 4), TARGET);
});
