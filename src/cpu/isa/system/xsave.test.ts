import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GP, NM, UD } from '../../algebra.ts';
import { RAX, RBX, RCX, RDX, vcpu } from '../../state.ts';
import { TestMachine } from './test-machine.ts';

const AREA = 0x40000;
const CR4_OSXSAVE = 1 << 18;
const X87 = 1;
const SSE = 2;

/** RBX points to the area, EDX:EAX asks for `components`. */
function make(components: number): TestMachine {
  const machine = new TestMachine('long');
  machine.set(vcpu.cr4, 0x620 | CR4_OSXSAVE);
  machine.set(vcpu.xcr0, X87 | SSE);
  machine.set(vcpu.fcw, 0x27f);
  machine.set(vcpu.fpuEmpty, 0x7f);
  machine.set(vcpu.fpuTop, 7);
  machine.set(vcpu.stMantissa, 0x8000000000000000n, 7);
  machine.set(vcpu.stExponent, 0x3fff, 7);
  machine.set(vcpu.mxcsr, 0x1fa0);
  machine.setGpr(RBX, AREA);
  machine.setGpr(RAX, components);
  machine.cpu.contextChanged();
  return machine;
}

/** XMM3 = RCX. */
const LOAD_XMM3 = '66480f6ed9';
const STORE_XMM3 = '66480f7ed9';
const XSAVE = '480fae23';
const XSAVEOPT = '480fae33';
const XSAVEC = '480fc723';
const XRSTOR = '480fae2b';

test('what XSAVE saved, XRSTOR brings back', () => {
  for (const save of [XSAVE, XSAVEOPT, XSAVEC]) {
    const machine = make(X87 | SSE);
    machine.setGpr(RCX, 0x123456789abcdefn);
    // Saved; XMM3 cleared, FNINIT; restored; RCX = XMM3.
    const ending = machine.run(`${LOAD_XMM3} ${save} 660fefdb dbe3 ${XRSTOR} 31c9 ${STORE_XMM3} f4`);
    assert.equal(ending.vector, undefined);
    assert.equal(machine.cpu.get(vcpu.gpr, RCX), 0x123456789abcdefn);
    assert.equal(machine.get(vcpu.fcw), 0x27f);
    assert.equal(machine.get(vcpu.fpuTop), 7);
    assert.equal(machine.get(vcpu.fpuEmpty), 0x7f);
    assert.equal(machine.cpu.get(vcpu.stMantissa, 7), 0x8000000000000000n);
    assert.equal(machine.get(vcpu.mxcsr), 0x1fa0);
  }
});

test('the header says what was saved, and in which format', () => {
  const machine = make(SSE);
  machine.write32(AREA + 512, X87);
  machine.run(`${XSAVE} f4`);
  assert.equal(machine.read(AREA + 512, 4), X87 | SSE, 'bits not asked for stay');
  assert.equal(machine.read(AREA + 524, 4), 0);
  assert.equal(machine.read(AREA, 2), 0, 'the x87 part is untouched');
  machine.run(`${XSAVEC} f4`);
  assert.equal(machine.read(AREA + 512, 4), SSE);
  assert.equal(machine.read(AREA + 520, 4), SSE);
  assert.equal(machine.read(AREA + 524, 4), 0x80000000);
});

test('components that were not saved are initialised, MXCSR apart in the standard format', () => {
  const machine = make(X87 | SSE);
  machine.write32(AREA + 24, 0x1f80 | 1);
  machine.setGpr(RCX, 5);
  machine.run(`${LOAD_XMM3} ${XRSTOR} ${STORE_XMM3} f4`);
  assert.equal(machine.gpr(RCX), 0);
  assert.equal(machine.get(vcpu.fcw), 0x37f);
  assert.equal(machine.get(vcpu.fpuEmpty), 0xff);
  assert.equal(machine.cpu.get(vcpu.stMantissa, 7), 0n);
  assert.equal(machine.get(vcpu.mxcsr), 0x1f81);
  const compacted = make(SSE);
  compacted.write32(AREA + 24, 0x1f80 | 1);
  compacted.write32(AREA + 520, SSE);
  compacted.write32(AREA + 524, 0x80000000);
  compacted.run(`${XRSTOR} f4`);
  assert.equal(compacted.get(vcpu.mxcsr), 0x1f80);
  assert.equal(compacted.get(vcpu.fcw), 0x27f, 'x87 was not asked for');
});

test('XRSTOR refuses a header that is not one', () => {
  const cases: [name: string, at: number, value: number][] = [
    ['a component that XCR0 does not have', 512, 4],
    ['a layout in the standard format', 520, 1],
    ['a reserved word', 528, 1],
    ['MXCSR with reserved bits', 24, 0x10000],
  ];
  for (const [name, at, value] of cases) {
    const machine = make(X87 | SSE);
    machine.write32(AREA + at, value);
    assert.equal(machine.run(XRSTOR).vector, GP, name);
    assert.equal(machine.get(vcpu.fcw), 0x27f, name);
  }
  const compacted = make(X87 | SSE);
  compacted.write32(AREA + 512, SSE);
  compacted.write32(AREA + 520, X87);
  compacted.write32(AREA + 524, 0x80000000);
  assert.equal(compacted.run(XRSTOR).vector, GP, 'saved but not in the layout');
});

test('the XSAVE instructions need alignment, CR4.OSXSAVE and CR0.TS clear', () => {
  for (const code of [XSAVE, XSAVEOPT, XSAVEC, XRSTOR]) {
    const unaligned = make(X87);
    unaligned.setGpr(RBX, AREA + 32);
    assert.equal(unaligned.run(code).vector, GP);
    const off = make(X87);
    off.set(vcpu.cr4, 0x620);
    assert.equal(off.run(code).vector, UD);
    const lazy = make(X87);
    lazy.set(vcpu.cr0, 0x80000019);
    assert.equal(lazy.run(code).vector, NM);
  }
});

test('XCR0 can hold x87 alone or x87 and SSE, and nothing else', () => {
  const XSETBV = '0f01d1';
  for (const [value, fits] of [
    [1, true],
    [3, true],
    [0, false],
    [2, false],
    [7, false],
  ] as const) {
    const machine = make(value);
    // xor ecx, ecx; xor edx, edx; xsetbv; xor eax, eax; xgetbv; hlt
    const ending = machine.run(`31c9 31d2 ${XSETBV} 31c0 0f01d0 f4`);
    assert.equal(ending.vector, fits ? undefined : GP, `${value}`);
    if (fits) assert.deepEqual([machine.gpr(RAX), machine.gpr(RDX)], [value, 0]);
  }
});
