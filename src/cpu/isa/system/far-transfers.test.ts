import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CS, DS, GP, NP, TS, UD } from '../../algebra.ts';
import { RAX, RBX, RCX, RSP, vcpu } from '../../state.ts';
import * as on from './test-machine.ts';
import { far, hex, TestMachine } from './test-machine.ts';

const TARGET = 0x14000;
const IF = 0x200;

/** A call gate in the GDT. */
function callGate(machine: TestMachine, selector: number, access: number, target: number, to: number, words = 0): void {
  machine.write32(on.GDT + selector, (target & 0xffff) | (to << 16));
  machine.write32(on.GDT + selector + 4, (target & 0xffff0000) | (access << 8) | words);
}

test('real mode: far CALL and RET', () => {
  const machine = new TestMachine('real');
  // At 1400:0000: mov ax, cs; retf
  machine.place(TARGET, '8cc8 cb');
  // call 1400:0000; hlt
  assert.equal(machine.run('9a 00000014 f4').rip, 6);
  assert.equal(machine.gpr(RAX), 0x1400);
  assert.equal(machine.selector(CS), on.CODE >> 4);
  assert.equal(machine.gpr(RSP), 0xfff0);
});

test('real mode: INT goes through the table at 0, and IRET comes back', () => {
  const machine = new TestMachine('real');
  machine.write32(4 * 0x21, 0x14000000);
  // At 1400:0000: pushf; pop bx; iret
  machine.place(TARGET, '9c 5b cf');
  // sti; int 21h; pushf; pop cx; hlt
  assert.equal(machine.run('fb cd21 9c 59 f4').rip, 6);
  assert.equal(machine.gpr(RBX) & IF, 0);
  assert.equal(machine.gpr(RCX) & IF, IF);
  assert.equal(machine.gpr(RSP), 0xfff0);
});

test('real mode: exceptions push no error code', () => {
  const machine = new TestMachine('real');
  // xor bx, bx; div bx
  machine.run('31db f7f3');
  assert.equal(machine.stack(0, 2), 2);
  assert.equal(machine.stack(1, 2), on.CODE >> 4);
});

test('real mode: an interrupt beyond the limit of the table is #GP, then a double fault', () => {
  const machine = new TestMachine('real');
  machine.set(vcpu.idtrLimit, 4 * 14 - 1);
  assert.equal(machine.run('cd20').vector, GP);
  const shorter = new TestMachine('real');
  shorter.set(vcpu.idtrLimit, 4 * 9 - 1);
  assert.equal(shorter.run('cd20').vector, 8);
});

test('protected mode is entered and left', () => {
  const machine = new TestMachine('real');
  machine.set(vcpu.gdtrBase, on.GDT);
  machine.set(vcpu.gdtrLimit, 0x3ff);
  machine.descriptor(on.CODE_0, 0, 0xfffff, on.ACCESS_CODE, on.FLAGS_32);
  machine.descriptor(on.DATA_0, 0, 0xfffff, on.ACCESS_DATA, on.FLAGS_32);
  machine.descriptor(on.FREE, on.CODE, 0xffff, on.ACCESS_CODE, on.FLAGS_16);
  // In 32-bit code: mov eax, 10h; mov ds, eax; mov ebx, [0x40000]; jmp FREE:100h
  machine.place(TARGET, `b810000000 8ed8 8b1d00000400 ea ${far(on.FREE, 0x100)}`);
  // In 16-bit protected code: mov eax, cr0; and al, feh; mov cr0, eax; jmp 1000:0200
  machine.place(on.CODE + 0x100, '0f20c0 24fe 0f22c0 ea 00020010');
  // mov cx, 1234h; mov ax, ds; hlt
  machine.place(on.CODE + 0x200, 'b93412 8cd8 f4');
  machine.write32(0x40000, 0xfeedface);
  // mov eax, cr0; or al, 1; mov cr0, eax; jmp dword CODE_0:TARGET
  machine.run(`0f20c0 0c01 0f22c0 66ea ${far(on.CODE_0, TARGET)}`);
  assert.equal(machine.gpr(RBX), 0xfeedface);
  assert.equal(machine.gpr(RCX) & 0xffff, 0x1234);
  assert.equal(machine.gpr(RAX) & 0xffff, on.DATA_0);
  assert.equal(machine.get(vcpu.segmentLimit, DS), 0xffffffff, 'the limit stays: "unreal" mode');
});

test('far JMP checks the code segment', () => {
  const cases: [name: string, access: number, selector: number, vector: number | undefined][] = [
    ['code of the same level', 0x9b, on.FREE, undefined],
    ['conforming code', 0x9f, on.FREE, undefined],
    ['data', 0x93, on.FREE, GP],
    ['code of level 3', 0xfb, on.FREE, GP],
    ['RPL 3', 0x9b, on.FREE | 3, GP],
    ['not present', 0x1b, on.FREE, NP],
    ['null', 0x9b, 0, GP],
  ];
  for (const [name, access, selector, vector] of cases) {
    const machine = new TestMachine('protected');
    machine.descriptor(on.FREE, 0, 0xfffff, access, on.FLAGS_32);
    machine.place(TARGET, '0f0b');
    assert.equal(machine.run(`ea ${far(selector, TARGET)}`).vector, vector ?? UD, name);
    if (vector === undefined) assert.equal(machine.stack(1, 4), on.FREE, name);
    else assert.equal(machine.stack(0, 4), selector & ~3, `${name}: error code`);
  }
});

test('far JMP beyond the limit of the new segment is #GP(0) in the old one', () => {
  const machine = new TestMachine('protected');
  machine.descriptor(on.FREE, 0, 0xff, on.ACCESS_CODE, 0x4);
  assert.equal(machine.run(`ea ${far(on.FREE, 0x100)}`).vector, GP);
  assert.equal(machine.stack(0, 4), 0);
  assert.equal(machine.stack(2, 4), on.CODE_0);
});

test('far CALL through memory, to 16-bit code and back', () => {
  const machine = new TestMachine('protected');
  machine.descriptor(on.FREE, TARGET, 0xffff, on.ACCESS_CODE, on.FLAGS_16);
  machine.write32(0x40000, 0x10);
  machine.write16(0x40004, on.FREE);
  // In 16-bit code: mov ax, 55aah; o32 retf
  machine.place(TARGET + 0x10, 'b8aa55 66cb');
  // call far [0x40000]; hlt
  assert.equal(machine.run('ff1d00000400 f4').rip, on.CODE + 7);
  assert.equal(machine.gpr(RAX), 0x55aa);
  assert.equal(machine.gpr(RSP), on.STACK);
});

test('a call gate to level 0 switches stacks, copies parameters, and RETF releases them on both', () => {
  const machine = new TestMachine('protected');
  callGate(machine, on.FREE, 0xec, TARGET, on.CODE_0, 2);
  // mov eax, [esp + 8]; mov ebx, [esp + 12]; mov ecx, esp; retf 8
  machine.place(TARGET, '8b442408 8b5c240c 89e1 ca0800');
  // push 11h; push 22h; call FREE:0; ud2
  machine.enterUser(`6a11 6a22 9a ${far(on.FREE | 3, 0)} 0f0b`);
  assert.equal(machine.resume().vector, UD);
  assert.equal(machine.gpr(RAX), 0x22);
  assert.equal(machine.gpr(RBX), 0x11);
  assert.equal(machine.gpr(RCX), on.INNER_STACK - 6 * 4);
  assert.equal(machine.stack(1, 4), on.CODE_3, 'back at level 3');
  assert.equal(machine.stack(3, 4), on.STACK, 'with the parameters gone');
});

test('a call gate checks its own level and that of its target', () => {
  const cases: [name: string, gate: number, target: number, vector: number, error: number][] = [
    ['gate of level 0', 0x8c, 0x9b, GP, on.FREE],
    ['gate not present', 0x6c, 0x9b, NP, on.FREE],
    ['target not present', 0xec, 0x1b, NP, on.FREE + 8],
    ['target is data', 0xec, 0x93, GP, on.FREE + 8],
  ];
  for (const [name, gate, target, vector, error] of cases) {
    const machine = new TestMachine('protected');
    machine.descriptor(on.FREE + 8, 0, 0xfffff, target, on.FLAGS_32);
    callGate(machine, on.FREE, gate, TARGET, on.FREE + 8);
    machine.enterUser(`9a ${far(on.FREE | 3, 0)}`);
    assert.equal(machine.resume().vector, vector, name);
    assert.equal(machine.stack(0, 4), error, `${name}: error code`);
  }
});

test('JMP through a call gate does not change the level', () => {
  const machine = new TestMachine('protected');
  callGate(machine, on.FREE, 0xec, TARGET, on.CODE_0);
  machine.enterUser(`ea ${far(on.FREE | 3, 0)}`);
  assert.equal(machine.resume().vector, GP);
  assert.equal(machine.stack(0, 4), on.CODE_0);
});

test('a bad stack in the TSS is #TS that names it', () => {
  const machine = new TestMachine('protected');
  callGate(machine, on.FREE, 0xec, TARGET, on.CODE_0);
  machine.write32(on.TSS + 8, on.DATA_3);
  // #TS must get through without that stack: its handler is conforming, so that it runs at level 3.
  machine.descriptor(on.FREE + 8, 0, 0xfffff, on.ACCESS_CONFORMING, on.FLAGS_32);
  machine.gate(TS, on.HANDLERS + 16 * TS, 0x8e, on.FREE + 8);
  machine.enterUser(`9a ${far(on.FREE | 3, 0)}`);
  // pop eax; mov dword [TSS + 8], DATA_0; ud2
  machine.place(on.HANDLERS + 16 * TS, `58 c705 ${hex(on.TSS + 8, 4)} ${hex(on.DATA_0, 4)} 0f0b`);
  assert.equal(machine.resume().vector, UD);
  assert.equal(machine.gpr(RAX), on.DATA_3 & ~3);
});

test('INT n from level 3 needs a gate of level 3', () => {
  const machine = new TestMachine('protected');
  machine.enterUser('cd80');
  assert.equal(machine.resume().vector, GP);
  assert.equal(machine.stack(0, 4), 0x80 * 8 + 2);
  assert.equal(machine.stack(1, 4), on.USER_CODE, 'a fault');
  const open = new TestMachine('protected');
  open.gate(0x80, on.HANDLERS + 16 * 0x80, 0xee);
  open.enterUser('cd80');
  assert.equal(open.resume().vector, 0x80);
  assert.equal(open.stack(0, 4), on.USER_CODE + 2, 'a trap');
});

test('interrupt gates clear IF, trap gates do not', () => {
  const machine = new TestMachine('protected');
  machine.set(vcpu.rflags, 2 | IF);
  machine.gate(0x80, on.HANDLERS + 16 * 0x80, 0x8f);
  machine.run('cd80');
  assert.equal(machine.get(vcpu.rflags) & IF, IF);
  machine.run('cd81');
  assert.equal(machine.get(vcpu.rflags) & IF, 0);
});

test('16-bit gates push words', () => {
  const machine = new TestMachine('protected');
  machine.gate(0x80, on.HANDLERS + 16 * 0x80, 0x86);
  machine.run('cd80');
  assert.equal(machine.gpr(RSP), on.STACK - 6);
  assert.equal(machine.stack(0, 2), (on.CODE + 2) & 0xffff);
  assert.equal(machine.stack(1, 2), on.CODE_0);
});

test('IRET returns to level 3, loads its stack and drops data segments of level 0', () => {
  const machine = new TestMachine('protected');
  machine.place(on.USER_CODE, '8cd8 8cc3 0f0b');
  // push DATA_3; push STACK; push 202h; push CODE_3; push USER_CODE; mov eax, DATA_3; mov es, eax; iret
  const frame = `6a23 68${hex(on.STACK - 0x100, 4)} 6802020000 6a1b 68${hex(on.USER_CODE, 4)}`;
  assert.equal(machine.run(`${frame} b823000000 8ec0 cf`).vector, UD);
  assert.equal(machine.gpr(RAX) & 0xffff, 0, 'DS is null');
  assert.equal(machine.gpr(RBX) & 0xffff, on.DATA_3, 'ES stays');
  assert.equal(machine.stack(2, 4), 0x10202);
  assert.equal(machine.stack(3, 4), on.STACK - 0x100);
  assert.equal(machine.stack(4, 4), on.DATA_3);
});

test('IRET refuses a stack that does not fit the level', () => {
  const machine = new TestMachine('protected');
  const frame = `6a10 68${hex(on.STACK - 0x100, 4)} 6802020000 6a1b 68${hex(on.USER_CODE, 4)}`;
  assert.equal(machine.run(`${frame} cf`).vector, GP);
  assert.equal(machine.stack(0, 4), on.DATA_0);
  assert.equal(machine.stack(2, 4), on.CODE_0, 'still at level 0');
});

test('INTO traps only with OF', () => {
  const machine = new TestMachine('protected');
  // xor eax, eax; into; mov al, 7fh; inc al; into
  assert.equal(machine.run('31c0 ce b07f fec0 ce').vector, 4);
  assert.equal(machine.stack(0, 4), on.CODE + 8);
});
