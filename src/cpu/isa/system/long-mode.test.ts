import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CS, GP, SS, UD } from '../../algebra.ts';
import { RAX, RBX, RCX, RSP, vcpu } from '../../state.ts';
import * as on from './test-machine.ts';
import { far, hex, TestMachine } from './test-machine.ts';

const TARGET = 0x14000;
const IF = 0x200;
const NT = 0x4000;

/** A call gate in the GDT. */
function callGate(machine: TestMachine, selector: number, access: number, target: number, to: number, words = 0): void {
  machine.write32(on.GDT + selector, (target & 0xffff) | (to << 16));
  machine.write32(on.GDT + selector + 4, (target & 0xffff0000) | (access << 8) | words);
}

test('64-bit mode: an interrupt from level 3 pushes five quadwords on the aligned stack of level 0', () => {
  const machine = new TestMachine('long');
  machine.write32(on.TSS + 4, on.INNER_STACK + 8);
  machine.gate(0x80, on.HANDLERS + 16 * 0x80, 0xee);
  machine.enterUser('cd80');
  assert.equal(machine.resume().vector, 0x80);
  assert.equal(machine.gpr(RSP), on.INNER_STACK - 40);
  assert.deepEqual(
    Array.from({ length: 5 }, (_, i) => machine.stack(i, 8)),
    [on.USER_CODE + 2, on.CODE_3, 2, on.STACK, on.DATA_3],
  );
  assert.equal(machine.selector(SS), 0);
});

test('64-bit mode: IST takes a stack of its own at any level', () => {
  const machine = new TestMachine('long');
  machine.write32(on.TSS + 0x24 + 8, 0x38000);
  machine.gate(GP, on.HANDLERS + 16 * GP, 0x8e, on.CODE_0, 2);
  machine.setGpr(RAX, 0x3f8);
  machine.run('8ed8');
  assert.equal(machine.gpr(RSP), 0x38000 - 48);
  assert.equal(machine.stack(4, 8), on.STACK);
});

test('64-bit mode: IRETQ pops SS and RSP always, and SS may be null at level 0', () => {
  const machine = new TestMachine('long');
  machine.place(TARGET, 'f4');
  // push 0; push INNER_STACK; push 2; push CODE_0; push TARGET; iretq
  machine.run(`6a00 68${hex(on.INNER_STACK, 4)} 6a02 6a08 68${hex(TARGET, 4)} 48cf`);
  assert.equal(machine.gpr(RSP), on.INNER_STACK);
  assert.equal(machine.selector(SS), 0);
  const refused = new TestMachine('long');
  refused.set(vcpu.rflags, 2 | NT);
  assert.equal(refused.run('48cf').vector, GP, 'no nested tasks');
});

test('64-bit mode: IRETQ to an address that is not canonical faults before it returns', () => {
  const machine = new TestMachine('long');
  // push 0; push 0; push 2; push CODE_0; mov rax, 8000_0000_0000h; push rax; iretq
  machine.run('6a00 6a00 6a02 6a08 48b8 000000000080 0000 50 48cf');
  assert.equal(machine.stack(2, 8), on.CODE_0);
  assert.equal(machine.stack(1, 8), on.CODE + 19);
});

test('SYSCALL and SYSRET', () => {
  const machine = new TestMachine('long');
  machine.set(vcpu.star, (BigInt(on.CODE_3 - 16) << 48n) | (BigInt(on.CODE_0) << 32n));
  machine.set(vcpu.lstar, TARGET);
  machine.set(vcpu.sfmask, IF | 0x400);
  // mov rbx, r11; mov rdx, rcx; sysretq
  machine.place(TARGET, '4c89db 4889ca 480f07');
  machine.enterUser('fd 0f05 9c 58 0f0b', 0x2 | IF);
  assert.equal(machine.resume().vector, UD);
  assert.equal(machine.gpr(RBX), 0x602);
  assert.equal(machine.gpr(2), on.USER_CODE + 3);
  assert.equal(machine.gpr(RAX), 0x602);
  assert.equal(machine.stack(1, 8), on.CODE_3);
});

test('SYSCALL without EFER.SCE and SYSRET at level 3', () => {
  const machine = new TestMachine('long');
  machine.set(vcpu.efer, 0x500);
  assert.equal(machine.run('0f05').vector, UD);
  const user = new TestMachine('long');
  user.enterUser('480f07');
  assert.equal(user.resume().vector, GP);
});

test('SYSENTER and SYSEXIT', () => {
  const machine = new TestMachine('protected');
  machine.set(vcpu.sysenterCs, on.CODE_0);
  machine.set(vcpu.sysenterEip, TARGET);
  machine.set(vcpu.sysenterEsp, on.INNER_STACK);
  // mov edx, USER_CODE + 2; mov ecx, STACK; sysexit
  machine.place(TARGET, `ba${hex(on.USER_CODE + 2, 4)} b9${hex(on.STACK, 4)} 0f35`);
  machine.enterUser('0f34 0f0b');
  assert.equal(machine.resume().vector, UD);
  assert.equal(machine.stack(1, 4), on.CODE_0 + 16 + 3);
  assert.equal(machine.stack(3, 4), on.STACK);
  const without = new TestMachine('protected');
  without.enterUser('0f34');
  assert.equal(without.resume().vector, GP, 'IA32_SYSENTER_CS is null');
});

test('64-bit mode: a call gate to level 0', () => {
  const machine = new TestMachine('long');
  callGate(machine, on.FREE, 0xec, TARGET, on.CODE_0);
  machine.write32(on.GDT + on.FREE + 8, 0);
  machine.write32(on.GDT + on.FREE + 12, 0);
  machine.write32(0x40000, 0);
  machine.write16(0x40004, on.FREE | 3);
  // mov rax, [rsp + 16]; mov ebx, ss; retfq
  machine.place(TARGET, '488b442410 8cd3 48cb');
  // call far [0x40000]; ud2
  machine.enterUser('ff1c2500000400 0f0b');
  assert.equal(machine.resume().vector, UD);
  assert.equal(machine.gpr(RAX), on.STACK);
  assert.equal(machine.gpr(RBX), 0);
  assert.equal(machine.stack(1, 8), on.CODE_3);
});

test('compatibility mode is entered by RETF and left by a far JMP', () => {
  const machine = new TestMachine('long');
  machine.descriptor(on.FREE, 0, 0xfffff, on.ACCESS_CODE, on.FLAGS_32);
  // In 32-bit code: inc eax (a REX prefix in 64-bit code); jmp CODE_0:TARGET + 20h
  machine.place(TARGET, `40 ea ${far(on.CODE_0, TARGET + 0x20)}`);
  // mov rbx, -1; hlt
  machine.place(TARGET + 0x20, '48c7c3ffffffff f4');
  machine.setGpr(RAX, 0x41);
  // push FREE; push TARGET; retfq
  machine.run(`6a${hex(on.FREE, 1)} 68${hex(TARGET, 4)} 48cb`);
  assert.equal(machine.gpr(RAX), 0x42);
  assert.equal(machine.cpu.get(vcpu.gpr, RBX), 0xffffffffffffffffn);
  assert.equal(machine.selector(CS), on.CODE_0);
  assert.equal(machine.gpr(RCX), 0);
});

test('64-bit mode: SWAPGS, RDGSBASE and WRGSBASE', () => {
  const machine = new TestMachine('long');
  machine.set(vcpu.cr4, 0x10020);
  machine.set(vcpu.kernelGsBase, 0x40000);
  machine.write32(0x40010, 0xabcd);
  machine.setGpr(RCX, 0x41000);
  // wrgsbase rcx; swapgs; mov eax, gs:[10h]; swapgs; rdgsbase rbx; hlt
  machine.run('f3480faed9 0f01f8 658b042510000000 0f01f8 f3480faecb f4');
  assert.equal(machine.gpr(RAX), 0xabcd);
  assert.equal(machine.gpr(RBX), 0x41000);
});
