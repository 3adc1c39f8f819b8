import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CS, GP, MF, NM, PF } from '../algebra.ts';
import { RAX, vcpu } from '../state.ts';
import { TestMachine } from './test-machine.ts';

/** What the hardware vectors, taken in 64-bit user mode, cannot show: other modes, CR0, image layouts. */

const CR0_PE = 1n;
const CR0_MP = 2n;
const CR0_EM = 4n;
const CR0_TS = 8n;
const VM = 1n << 17n;
const ONE_HEAD = 0x3fffn;
const INTEGER_BIT = 1n << 63n;
const MASKED = 0x37fn;
/** Everything masked but division by zero. */
const ZM_CLEAR = 0x37bn;

function fresh(mode: 16 | 32 | 64): TestMachine {
  const machine = new TestMachine(mode);
  machine.step('db e3');
  return machine;
}

/** ST(0) = 1 / 0 with the exception unmasked: ES and B are set. */
function pending(mode: 16 | 32 | 64): TestMachine {
  const machine = fresh(mode);
  machine.state.set(vcpu.fcw, ZM_CLEAR);
  for (const code of ['d9 ee', 'd9 e8', 'd8 f1']) assert.equal(machine.step(code).fault, undefined);
  return machine;
}

const LOAD_ONE = 'd9 e8';
const WAIT = '9b';
/** At 0x2000, by absolute addresses of 32 bits. */
const STORE_ENVIRONMENT = 'd9 35 00 20 00 00';
const LOAD_ENVIRONMENT = 'd9 25 00 20 00 00';
const SAVE = 'dd 35 00 20 00 00';
const RESTORE = 'dd 25 00 20 00 00';

describe('availability', () => {
  const cases: [name: string, cr0: bigint, code: string, vector: number | undefined][] = [
    ['EM keeps arithmetic away', CR0_EM, LOAD_ONE, NM],
    ['TS keeps arithmetic away', CR0_TS, LOAD_ONE, NM],
    ['TS keeps FNINIT away', CR0_TS, 'db e3', NM],
    ['TS keeps FNSTSW away', CR0_TS, 'df e0', NM],
    ['MP alone does nothing', CR0_MP, LOAD_ONE, undefined],
    ['FWAIT does not mind EM', CR0_EM, WAIT, undefined],
    ['FWAIT does not mind TS alone', CR0_TS, WAIT, undefined],
    ['FWAIT minds MP and TS', CR0_MP | CR0_TS, WAIT, NM],
  ];
  for (const [name, bits, code, vector] of cases) {
    it(name, () => {
      const machine = fresh(32);
      machine.state.set(vcpu.cr0, CR0_PE | bits);
      assert.equal(machine.step(code).fault?.vector, vector);
    });
  }
});

describe('a pending exception', () => {
  it('is taken by waiting instructions only', () => {
    for (const [code, vector] of [
      [LOAD_ONE, MF],
      [WAIT, MF],
      ['d9 2d 00 20 00 00', MF], // FLDCW
      ['d9 3d 00 20 00 00', undefined], // FNSTCW
      ['df e0', undefined], // FNSTSW AX
      [STORE_ENVIRONMENT, undefined],
      ['db e2', undefined], // FNCLEX
    ] as const) {
      assert.equal(pending(32).step(code).fault?.vector, vector, code);
    }
  });

  it('comes with the opcode and the instruction pointer', () => {
    const machine = pending(32);
    assert.equal(machine.state.get(vcpu.fop), 0x0f1n);
    assert.equal(machine.state.get(vcpu.fip), 0x1000n);
  });

  it('comes with the operand pointer of a memory operand, the opcode found behind prefixes', () => {
    const machine = fresh(32);
    machine.state.set(vcpu.fcw, ZM_CLEAR);
    machine.step(LOAD_ONE);
    assert.equal(machine.step('3e 66 d8 35 04 20 00 00').fault, undefined);
    assert.equal(machine.state.get(vcpu.fdp), 0x2004n);
    assert.equal(machine.state.get(vcpu.fop), 0x035n);
  });

  it('finds its opcode where CS has a base', () => {
    const machine = fresh(16);
    machine.state.set(vcpu.fcw, ZM_CLEAR);
    for (const code of ['d9 ee', 'd9 e8']) machine.step(code);
    machine.state.set(vcpu.segmentBase, 0x800n, CS);
    machine.store(0x1800, 16, 0xf1d8n);
    // The instruction that runs is the one at 0x1800, not the one that is put at 0x1000.
    assert.equal(machine.step('90').fault, undefined);
    assert.equal(machine.state.get(vcpu.fop), 0x0f1n);
  });

  it('goes away with FNCLEX and comes back with a mask taken off', () => {
    const machine = pending(32);
    machine.step('db e2');
    assert.equal(machine.step(WAIT).fault, undefined);
    assert.equal(machine.state.get(vcpu.fsw) & 0x80ffn, 0n);
    machine.state.set(vcpu.fcw, MASKED);
    machine.step('d8 f1');
    assert.equal(machine.step(WAIT).fault, undefined);
    machine.store(0x2000, 16, ZM_CLEAR);
    machine.step('d9 2d 00 20 00 00');
    assert.equal(machine.step(WAIT).fault?.vector, MF);
  });
});

describe('the environment in memory', () => {
  /** 1 in R7, a zero in R6, R5 to R0 empty, and pointers that use every field. */
  function prepared(mode: 16 | 32): TestMachine {
    const machine = fresh(mode);
    machine.step(LOAD_ONE);
    machine.step('d9 ee');
    machine.state.set(vcpu.fip, 0x8765_4321n);
    machine.state.set(vcpu.fdp, 0x1234_5678n);
    machine.state.set(vcpu.fop, 0x5a5n);
    return machine;
  }
  const words = (machine: TestMachine, count: number): string[] =>
    Array.from({ length: count }, (_, i) => machine.load(0x2000 + 2 * i, 16).toString(16));

  const layouts: [name: string, code: string, cr0: bigint, rflags: bigint, image: string][] = [
    [
      '32 bits, protected mode',
      STORE_ENVIRONMENT,
      CR0_PE,
      2n,
      '37f ffff 3000 ffff 1fff ffff 4321 8765 0 5a5 5678 1234 0 ffff',
    ],
    ['16 bits, protected mode', `66 ${STORE_ENVIRONMENT}`, CR0_PE, 2n, '37f 3000 1fff 4321 0 5678 0'],
    [
      '32 bits, real mode',
      STORE_ENVIRONMENT,
      0n,
      2n,
      '37f ffff 3000 ffff 1fff ffff 4321 ffff 55a5 876 5678 ffff 4000 123',
    ],
    ['16 bits, real mode', `66 ${STORE_ENVIRONMENT}`, 0n, 2n, '37f 3000 1fff 4321 55a5 5678 4000'],
    ['16 bits, virtual-8086 mode', `66 ${STORE_ENVIRONMENT}`, CR0_PE, 2n | VM, '37f 3000 1fff 4321 55a5 5678 4000'],
  ];
  for (const [name, code, cr0, rflags, image] of layouts) {
    it(`is laid out and read back for ${name}`, () => {
      const machine = prepared(32);
      machine.state.set(vcpu.cr0, cr0);
      machine.state.set(vcpu.rflags, rflags);
      assert.equal(machine.step(code).fault, undefined);
      const stored = image.split(' ');
      assert.deepEqual(words(machine, stored.length), stored);
      for (const field of [vcpu.fop, vcpu.fip, vcpu.fdp]) machine.state.set(field, 0n);
      machine.state.set(vcpu.fpuEmpty, 0xffn);
      assert.equal(machine.step(code.replace('d9 35', 'd9 25')).fault, undefined);
      assert.equal(machine.state.get(vcpu.fpuEmpty), 0x3fn);
      assert.equal(machine.state.get(vcpu.fpuTop), 6n);
      const wide = image.includes('ffff');
      const real = cr0 === 0n || rflags !== 2n;
      const pointers = [vcpu.fip, vcpu.fdp].map((field) => machine.state.get(field));
      const narrow = real ? [0x5_4321n, 0x4_5678n] : [0x4321n, 0x5678n];
      assert.deepEqual(pointers, wide ? [0x8765_4321n, 0x1234_5678n] : narrow);
      assert.equal(machine.state.get(vcpu.fop), wide || real ? 0x5a5n : 0n);
    });
  }

  it('masks every exception when stored', () => {
    const machine = pending(32);
    machine.step(STORE_ENVIRONMENT);
    assert.equal(machine.load(0x2000, 16), ZM_CLEAR);
    assert.equal(machine.load(0x2004, 16) & 0x8084n, 0x8084n);
    assert.equal(machine.state.get(vcpu.fcw), MASKED);
    assert.equal(machine.step(WAIT).fault, undefined);
    assert.equal(machine.step(LOAD_ENVIRONMENT).fault, undefined);
    assert.equal(machine.step(WAIT).fault?.vector, MF);
  });

  it('goes with the registers in FNSAVE, which initialises, and FRSTOR', () => {
    const machine = prepared(32);
    machine.step(SAVE);
    assert.equal(machine.state.get(vcpu.fpuEmpty), 0xffn);
    assert.equal(machine.load(0x201c, 64), 0n);
    assert.equal(machine.load(0x2026, 64), INTEGER_BIT);
    assert.equal(machine.load(0x202e, 16), ONE_HEAD);
    machine.state.set(vcpu.stMantissa, 0n, 7);
    machine.step(RESTORE);
    assert.equal(machine.state.get(vcpu.stMantissa, 7), INTEGER_BIT);
    assert.equal(machine.state.get(vcpu.fpuTop), 6n);
    assert.equal(machine.state.get(vcpu.fpuEmpty), 0x3fn);
  });

  it('is not touched by a store that faults', () => {
    const machine = pending(32);
    const [fcw, fsw] = [machine.state.get(vcpu.fcw), machine.state.get(vcpu.fsw)];
    assert.equal(machine.step('dd 35 a0 5f 00 00').fault?.vector, PF);
    assert.deepEqual([machine.state.get(vcpu.fcw), machine.state.get(vcpu.fsw)], [fcw, fsw]);
    assert.equal(machine.load(0x5fa0, 32), 0n);
  });
});

describe('FXSAVE and FXRSTOR', () => {
  const FXSAVE = '0f ae 05 00 20 00 00';
  const FXRSTOR = '0f ae 0d 00 20 00 00';

  it('have eight XMM registers outside 64-bit mode', () => {
    const machine = fresh(32);
    for (const i of [7, 8]) machine.state.set(vcpu.xmm, 0x1111n * BigInt(i), i);
    machine.step(LOAD_ONE);
    machine.state.set(vcpu.mxcsr, 0x1f80n);
    assert.equal(machine.step(FXSAVE).fault, undefined);
    assert.deepEqual(
      [7, 8].map((i) => machine.load(0x20a0 + 16 * i, 64)),
      [0x7777n, 0n],
    );
    assert.deepEqual(
      [0x2004, 0x2018, 0x201c].map((at) => machine.load(at, 32)),
      [0x80n, 0x1f80n, 0xffffn],
    );
    assert.deepEqual([machine.load(0x2020, 64), machine.load(0x2028, 64)], [INTEGER_BIT, ONE_HEAD]);
    for (const i of [7, 8]) machine.state.set(vcpu.xmm, 0n, i);
    machine.step('db e3');
    assert.equal(machine.step(FXRSTOR).fault, undefined);
    assert.deepEqual(
      [7, 8].map((i) => machine.state.get(vcpu.xmm, i)),
      [0x7777n, 0n],
    );
    assert.equal(machine.state.get(vcpu.fpuEmpty), 0x7fn);
    assert.equal(machine.state.get(vcpu.stExponent, 7), ONE_HEAD);
  });

  it('refuse bad alignment and reserved bits of MXCSR, and TS', () => {
    const machine = fresh(32);
    assert.equal(machine.step('0f ae 05 08 20 00 00').fault?.vector, GP);
    machine.store(0x2018, 32, 0x1_0000n);
    assert.equal(machine.step(FXRSTOR).fault?.vector, GP);
    machine.state.set(vcpu.cr0, CR0_PE | CR0_TS);
    assert.equal(machine.step(FXSAVE).fault?.vector, NM);
  });

  it('do not mind a pending exception', () => {
    const machine = pending(32);
    machine.state.set(vcpu.mxcsr, 0x1f80n);
    assert.equal(machine.step(FXSAVE).fault, undefined);
    assert.equal(machine.step(FXRSTOR).fault, undefined);
    assert.equal(machine.step(WAIT).fault?.vector, MF);
  });
});

describe('FNSTSW AX', () => {
  it('has TOP in its place', () => {
    const machine = fresh(16);
    machine.step(LOAD_ONE);
    machine.step(LOAD_ONE);
    machine.step('df e0');
    assert.equal(machine.gpr(RAX) & 0xffffn, 0x3000n);
  });
});
