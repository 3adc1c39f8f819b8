import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DS, GP, UD } from '../../algebra.ts';
import { RAX, RBX, RCX, vcpu } from '../../state.ts';
import * as on from './test-machine.ts';
import { hex, TestMachine } from './test-machine.ts';

const IF = 0x200;
const VM = 0x20000;
const VIF = 1 << 19;
const VIP = 1 << 20;

/** IRET to 1800:0000 in virtual-8086 mode with the stack at 2000:1000; `code` is there. */
function enterVirtual(machine: TestMachine, code: string, flags: number): void {
  machine.place(on.USER_CODE, code);
  // GS, FS, DS, ES, SS, ESP, EFLAGS, CS, EIP.
  const frame = [0x5000, 0x4000, 0x3000, 0x2800, 0x2000, 0x1000, 2 | VM | flags, on.USER_CODE >> 4, 0];
  machine.place(on.CODE, `${frame.map((value) => `68${hex(value, 4)}`).join('')} cf`);
  machine.set(vcpu.rip, on.CODE);
}

const IOPL = 0x3000;

test('IRET enters virtual-8086 mode, and a fault leaves it', () => {
  const machine = new TestMachine('protected');
  // mov ax, ds; mov bx, ss; hlt
  enterVirtual(machine, '8cd8 8cd3 f4', 0);
  assert.equal(machine.resume().vector, GP);
  assert.equal(machine.gpr(RAX), 0x3000);
  assert.equal(machine.gpr(RBX), 0x2000);
  assert.deepEqual(
    Array.from({ length: 10 }, (_, i) => machine.stack(i, 4)),
    [0, 4, 0x1800, 0x10002 | VM, 0x1000, 0x2000, 0x2800, 0x3000, 0x4000, 0x5000],
  );
  assert.equal(machine.selector(DS), 0, 'data segments are null in the handler');
  assert.equal(machine.get(vcpu.cpl), 0);
});

test('virtual-8086 mode: what is sensitive to IOPL faults below 3', () => {
  for (const code of ['fa', 'fb', '9c', '9d', 'cd21', 'cf']) {
    const machine = new TestMachine('protected');
    enterVirtual(machine, code, 0);
    assert.equal(machine.resume().vector, GP, code);
    assert.equal(machine.stack(0, 4), 0, code);
  }
});

test('virtual-8086 mode with IOPL 3: CLI, STI, PUSHF, POPF and IRET work on IF itself', () => {
  const machine = new TestMachine('protected');
  // sti; pushf; pop ax; cli; pushf; pop bx; push 202h; push 1800h; push 20h; iret   at 20h: pushf; pop cx; hlt
  enterVirtual(machine, 'fb 9c 58 fa 9c 5b 680202 680018 682000 cf', IOPL);
  machine.place(on.USER_CODE + 0x20, '9c 59 f4');
  assert.equal(machine.resume().vector, GP);
  assert.equal(machine.gpr(RAX) & 0xffff, 0x3202);
  assert.equal(machine.gpr(RBX) & 0xffff, 0x3002);
  assert.equal(machine.gpr(RCX) & 0xffff, 0x3202);
});

test('virtual-8086 mode with IOPL 3: INT n goes through the protected-mode gate', () => {
  const machine = new TestMachine('protected');
  machine.gate(0x21, on.HANDLERS + 16 * 0x21, 0xee);
  enterVirtual(machine, 'cd21', IOPL);
  assert.equal(machine.resume().vector, 0x21);
  assert.equal(machine.stack(0, 4), 2);
  assert.equal(machine.stack(2, 4) & VM, VM);
});

test("VME: INT n goes to the program's own handler where the bitmap says so, with IF virtual", () => {
  const machine = new TestMachine('protected');
  machine.set(vcpu.cr4, 1);
  // The bitmap lies right below the I/O map: vector 21h's bit is clear, the others are set.
  machine.write16(on.TSS + 0x66, 0x88);
  machine.write(on.TSS + 0x68 + 4, [0xfd]);
  machine.write32(4 * 0x21, 0x18000040);
  // At 40h: pushf; pop bx; iret
  machine.place(on.USER_CODE + 0x40, '9c 5b cf');
  // sti; int 21h; pushf; pop cx; int 22h
  enterVirtual(machine, 'fb cd21 9c 59 cd22', 0);
  assert.equal(machine.resume().vector, GP);
  assert.equal(machine.stack(1, 4), 5, 'INT 22h');
  assert.equal(machine.gpr(RBX) & IF, 0, 'VIF is clear in the handler');
  assert.equal(machine.gpr(RCX) & (IF | IOPL), IF | IOPL, 'PUSHF shows VIF, and IOPL 3');
  assert.equal(machine.stack(3, 4) & (VIF | IF), VIF);
});

test('VME: STI with an interrupt pending faults', () => {
  const machine = new TestMachine('protected');
  machine.set(vcpu.cr4, 1);
  enterVirtual(machine, 'fb', VIP);
  assert.equal(machine.resume().vector, GP);
});

test('instructions of protected mode are undefined in virtual-8086 mode', () => {
  for (const code of ['0f00c0', '0f00c8', '0f02c0', '0f00e0', '63c0']) {
    const machine = new TestMachine('protected');
    enterVirtual(machine, code, 0);
    assert.equal(machine.resume().vector, UD, code);
  }
});
