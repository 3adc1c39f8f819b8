import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DB } from '../../algebra.ts';
import { RAX, RBX, RCX, RSP, vcpu } from '../../state.ts';
import * as on from './test-machine.ts';
import { hex, TestMachine } from './test-machine.ts';

const TF = 0x100;
const BS = 0x4000;
const LOG = 0x40000;
const HANDLER = 0x15000;

/** A machine whose #DB handler writes the return addresses to LOG, and goes on; `more` runs first in it. */
function logging(more = ''): TestMachine {
  const machine = new TestMachine('protected');
  machine.gate(DB, HANDLER, 0x8e);
  machine.setGpr(7, LOG);
  // push eax; mov eax, [esp + 4]; stosd; pop eax; iret
  machine.place(HANDLER, `${more} 50 8b442404 ab 58 cf`);
  return machine;
}

/** Offsets in the code of the return addresses logged. */
function log(machine: TestMachine): number[] {
  const count = (machine.gpr(7) - LOG) / 4;
  return Array.from({ length: count }, (_, i) => machine.read(LOG + 4 * i, 4) - on.CODE);
}

test('the single-step trap comes after each instruction that began with TF', () => {
  const machine = logging();
  // 0 pushf  1 or dword [esp], 100h  8 popf  9 nop  10 pushf  11 and dword [esp], ~100h  18 popf  19 nop  20 hlt
  machine.run('9c 810c2400010000 9d 90 9c 812424fffeffff 9d 90 f4');
  assert.deepEqual(log(machine), [10, 11, 18, 19]);
  assert.equal(machine.get(vcpu.dr, 6) & BS, BS);
});

test('a step over INT n goes to where the handler returns', () => {
  const machine = logging();
  machine.gate(0x80, 0x16000, 0x8e);
  // nop; iret
  machine.place(0x16000, '90 cf');
  machine.set(vcpu.rflags, 2 | TF);
  // 0 nop  1 int 80h  3 nop  4 hlt
  machine.run('90 cd80 90 f4');
  assert.deepEqual(log(machine), [1, 4]);
});

test('a fault takes the place of the trap', () => {
  const machine = logging();
  // add dword [esp], 2; iret
  machine.gate(6, 0x16000, 0x8e);
  machine.place(0x16000, '83042402 cf');
  machine.set(vcpu.rflags, 2 | TF);
  // 0 ud2  2 nop  3 hlt
  machine.run('0f0b 90 f4');
  assert.deepEqual(log(machine), [3]);
});

test('loading SS puts the trap off until after the next instruction', () => {
  const machine = logging();
  machine.setGpr(RAX, on.DATA_0);
  machine.set(vcpu.rflags, 2 | TF);
  // 0 mov ss, eax  2 nop  3 nop  4 hlt
  machine.run('8ed0 90 90 f4');
  assert.deepEqual(log(machine), [3, 4]);
});

test('an instruction breakpoint hits before the instruction, and not again with RF', () => {
  // or dword [esp + 8], 10000h
  const machine = logging('814c240800000100');
  machine.setGpr(RAX, on.CODE + 12);
  machine.setGpr(RBX, 0x401);
  // 0 mov dr0, eax  3 mov dr7, ebx  6 inc ecx  7 jmp 11  9 nop  10 nop  11 nop  12 inc ecx  13 hlt
  machine.run('0f23c0 0f23fb 41 eb02 90 90 90 41 f4');
  assert.deepEqual(log(machine), [12]);
  assert.equal(machine.gpr(RCX), 2);
  assert.equal(machine.get(vcpu.dr, 6) & 0xf, 1);
});

test('RF is gone after the instruction that it let pass', () => {
  const machine = logging('814c240800000100');
  machine.set(vcpu.dr, on.CODE + 5, 0);
  machine.set(vcpu.dr, 0x401, 7);
  machine.cpu.contextChanged();
  // 0 mov ecx, 3  5 dec ecx  6 jnz 5  8 hlt
  machine.run('b903000000 49 75fd f4');
  assert.deepEqual(log(machine), [5, 5, 5]);
});

test('a data breakpoint traps after the access', () => {
  const machine = logging();
  machine.set(vcpu.dr, 0x41004, 1);
  // DR1: writes of 4 bytes.
  machine.set(vcpu.dr, 0x400 | (1 << 2) | (0xd << 20), 7);
  machine.cpu.contextChanged();
  // 0 mov eax, [41004h]  5 mov [41000h], eax  10 mov [41006h], al  15 nop  16 hlt
  machine.run('a104100400 a300100400 a206100400 90 f4');
  assert.deepEqual(log(machine), [15]);
  assert.equal(machine.get(vcpu.dr, 6) & 0xf, 2);
});

test('SYSCALL with TF masked ends a step without a trap in the kernel', () => {
  const machine = new TestMachine('long');
  machine.set(vcpu.star, (BigInt(on.CODE_3 - 16) << 48n) | (BigInt(on.CODE_0) << 32n));
  machine.set(vcpu.lstar, 0x14000);
  machine.set(vcpu.sfmask, TF);
  machine.place(0x14000, '90 f4');
  machine.enterUser('0f05', 2 | TF);
  assert.deepEqual(machine.resume(), { vector: undefined, rip: 0x14002 });
});

test('the T bit of a TSS gives #DB in the new task', () => {
  const machine = new TestMachine('protected');
  const tss = 0x6000;
  machine.descriptor(on.FREE, tss, 0x67, on.ACCESS_TSS_32, 0);
  machine.write32(tss + 0x20, 0x14000);
  machine.write32(tss + 0x24, 2);
  machine.write32(tss + 0x38, 0x28000);
  [on.DATA_0, on.CODE_0, on.DATA_0, on.DATA_0].forEach((selector, i) => {
    machine.write32(tss + 0x48 + 4 * i, selector);
  });
  machine.write32(tss + 0x64, 1);
  machine.place(0x14000, '90 f4');
  assert.equal(machine.run(`ea ${hex(0, 4)} ${hex(on.FREE, 2)}`).vector, DB);
  assert.equal(machine.get(vcpu.dr, 6) & 0x8000, 0x8000);
  assert.equal(machine.stack(0, 4), 0x14000);
  assert.equal(machine.gpr(RSP), 0x28000 - 12);
});
