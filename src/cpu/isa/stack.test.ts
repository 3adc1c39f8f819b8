import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RAX, RBP, RBX, RDI, RSP, vcpu } from '../state.ts';
import { TestMachine } from './test-machine.ts';

function numbered(mode: 16 | 32 | 64, sp: number): TestMachine {
  const machine = new TestMachine(mode);
  for (let register = 0; register < 8; register++) machine.setGpr(register, 0x11111111 * (register + 1));
  machine.setGpr(RSP, sp);
  return machine;
}

describe('PUSHA and POPA', () => {
  it('store all registers, with ESP as it was', () => {
    const machine = numbered(32, 0x3000);
    machine.step('60');
    assert.equal(machine.gpr(RSP), 0x2fe0n);
    const stored = Array.from({ length: 8 }, (_, i) => machine.load(0x2fe0 + 4 * i, 32));
    assert.deepEqual(stored, [
      0x88888888n,
      0x77777777n,
      0x66666666n,
      0x3000n,
      0x44444444n,
      0x33333333n,
      0x22222222n,
      0x11111111n,
    ]);
  });

  it('store words with 16-bit operands', () => {
    const machine = numbered(32, 0x3000);
    machine.step('66 60');
    assert.equal(machine.gpr(RSP), 0x2ff0n);
    assert.equal(machine.load(0x2ff0, 64), 0x3000_6666_7777_8888n);
  });

  it('load all registers but ESP', () => {
    const machine = numbered(32, 0x2000);
    for (let i = 0; i < 8; i++) machine.store(0x2000 + 4 * i, 32, BigInt(i + 1));
    machine.step('61');
    const registers = Array.from({ length: 8 }, (_, i) => machine.gpr(i));
    assert.deepEqual(registers, [8n, 7n, 6n, 5n, 0x2020n, 3n, 2n, 1n]);
  });

  it('move nothing when they fault half way', () => {
    const push = numbered(32, 0x7010);
    assert.equal(push.step('60').fault?.linear, 0x700cn);
    assert.equal(push.gpr(RSP), 0x7010n);
    const pop = numbered(32, 0x6ff0);
    assert.equal(pop.step('61').fault?.linear, 0x7000n);
    assert.equal(pop.gpr(RSP), 0x6ff0n);
    assert.equal(pop.gpr(RDI), 0x88888888n);
  });
});

describe('a 16-bit stack', () => {
  it('wraps within 64 KiB and keeps the upper half of ESP', () => {
    const machine = numbered(32, 0xabcd_2004);
    machine.narrowStack();
    machine.step('60');
    assert.equal(machine.gpr(RSP), 0xabcd_1fe4n);
    assert.equal(machine.load(0x2000, 32), 0x11111111n);
  });

  it('is where CALL and RET find the return address', () => {
    const machine = numbered(32, 0xabcd_3000);
    machine.narrowStack();
    machine.step('E8 10 00 00 00');
    assert.equal(machine.advance, 0x15n);
    assert.equal(machine.gpr(RSP), 0xabcd_2ffcn);
    assert.equal(machine.load(0x2ffc, 32), 0x1005n);
    machine.step('C2 08 00');
    assert.equal(machine.advance, 5n);
    assert.equal(machine.gpr(RSP), 0xabcd_3008n);
  });
});

describe('ENTER and LEAVE', () => {
  it('make and drop a frame without nesting', () => {
    const machine = numbered(64, 0x3000);
    machine.setGpr(RBP, 0x1122334455667788n);
    machine.step('C8 20 00 00');
    assert.equal(machine.gpr(RBP), 0x2ff8n);
    assert.equal(machine.gpr(RSP), 0x2fd8n);
    machine.step('C9');
    assert.equal(machine.gpr(RBP), 0x1122334455667788n);
    assert.equal(machine.gpr(RSP), 0x3000n);
  });

  it('copies the display of enclosing frames', () => {
    const machine = numbered(32, 0x3000);
    machine.setGpr(RBP, 0x4000);
    machine.store(0x3ffc, 32, 0xaaaan);
    machine.store(0x3ff8, 32, 0xbbbbn);
    machine.step('C8 08 00 03');
    assert.equal(machine.load(0x2ffc, 32), 0x4000n);
    assert.equal(machine.load(0x2ff8, 32), 0xaaaan);
    assert.equal(machine.load(0x2ff4, 32), 0xbbbbn);
    assert.equal(machine.load(0x2ff0, 32), 0x2ffcn);
    assert.equal(machine.gpr(RBP), 0x2ffcn);
    assert.equal(machine.gpr(RSP), 0x2fe8n);
  });

  it('takes the nesting level modulo 32', () => {
    const machine = numbered(32, 0x3000);
    machine.step('C8 00 00 21');
    assert.equal(machine.load(0x2ff8, 32), 0x2ffcn);
    assert.equal(machine.gpr(RSP), 0x2ff8n);
  });

  it('faults before anything moves where the new stack cannot be written', () => {
    const machine = numbered(32, 0x2010);
    machine.setGpr(RBP, 0x4000);
    const { fault } = machine.step('C8 00 20 00');
    assert.equal(fault?.vector, 14);
    assert.equal(machine.gpr(RBP), 0x4000n);
    assert.equal(machine.gpr(RSP), 0x2010n);
  });
});

describe('PUSH and POP', () => {
  it('PUSH of ESP stores it as it was', () => {
    const machine = numbered(32, 0x3000);
    machine.step('54');
    assert.equal(machine.load(0x2ffc, 32), 0x3000n);
  });

  it('POP of ESP ends with the value', () => {
    const machine = numbered(32, 0x3000);
    machine.store(0x3000, 32, 0x2468n);
    machine.step('5C');
    assert.equal(machine.gpr(RSP), 0x2468n);
  });

  it('POP to memory addresses it with ESP moved already', () => {
    const machine = numbered(32, 0x3000);
    machine.store(0x3000, 32, 0x1234n);
    machine.step('8F 04 24');
    assert.equal(machine.load(0x3004, 32), 0x1234n);
    assert.equal(machine.gpr(RSP), 0x3004n);
  });

  it('POP to memory that faults leaves ESP', () => {
    const machine = numbered(32, 0x5ffc);
    const { fault } = machine.step('8F 04 24');
    assert.deepEqual([fault?.vector, fault?.linear], [14, 0x6000n]);
    assert.equal(machine.gpr(RSP), 0x5ffcn);
  });
});

describe('near transfers outside 64-bit mode', () => {
  it('beyond the limit of CS raise #GP(0) and leave ESP', () => {
    for (const code of ['E8 00 00 01 00', 'FF D0', 'C3']) {
      const machine = numbered(32, 0x3000);
      machine.state.set(vcpu.segmentLimit, 0xffffn, 1);
      machine.setGpr(RAX, 0x10000);
      machine.store(0x3000, 32, 0x10000n);
      const { fault } = machine.step(code);
      assert.deepEqual([fault?.vector, fault?.errorCode], [13, 0], code);
      assert.equal(machine.gpr(RSP), 0x3000n, code);
    }
  });

  it('with 16-bit operands cut the target and store a word', () => {
    const machine = numbered(32, 0x3000);
    machine.step('66 E8 00 F0');
    assert.equal(machine.advance, 4n - 0x1000n);
    assert.equal(machine.gpr(RSP), 0x2ffen);
    assert.equal(machine.load(0x2ffe, 16), 0x1004n);
  });

  it('LOOP counts CX with 16-bit addresses', () => {
    const machine = new TestMachine(32);
    machine.setGpr(1, 0x5_0001);
    machine.step('67 E2 10');
    assert.equal(machine.gpr(1), 0x5_0000n);
    assert.equal(machine.advance, 3n);
    machine.step('67 E3 10');
    assert.equal(machine.advance, 0x13n);
  });
});

describe('BOUND', () => {
  it('raises #BR outside the bounds, signed and inclusive', () => {
    const machine = new TestMachine(32);
    machine.store(0x2000, 32, 0xffff_fffen);
    machine.store(0x2004, 32, 5n);
    machine.setGpr(RBX, 0x2000);
    const cases: [bigint, number | undefined][] = [
      [0xffff_fffdn, 5],
      [0xffff_fffen, undefined],
      [5n, undefined],
      [6n, 5],
    ];
    for (const [value, vector] of cases) {
      machine.setGpr(RAX, value);
      assert.equal(machine.step('62 03').fault?.vector, vector, value.toString(16));
    }
  });
});

describe('opcodes of one byte that 64-bit mode has for REX', () => {
  it('INC and DEC leave CF', () => {
    const machine = new TestMachine(16);
    machine.flags = 1;
    machine.setGpr(RAX, 0x1_ffff);
    machine.step('40');
    assert.equal(machine.gpr(RAX), 0x1_0000n);
    assert.equal(machine.flags & 0x41, 0x41);
    machine.step('66 48');
    assert.equal(machine.gpr(RAX), 0xffffn);
  });

  it('82 is an alias of 80', () => {
    const machine = new TestMachine(32);
    machine.setGpr(RAX, 0xff);
    machine.step('82 C0 02');
    assert.equal(machine.gpr(RAX), 1n);
    assert.equal(machine.flags & 1, 1);
    assert.equal(new TestMachine(64).step('82 C0 02').fault?.vector, 6);
  });
});
