import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MF, NM, UD, XM } from '../../algebra.ts';
import { vcpu } from '../../state.ts';
import { CR0_PE_PG, CR4_OSFXSR, CR4_OSXMMEXCPT, SseMachine } from './test-machine.ts';

const XORPS = [0x0f, 0x57, 0xc1];
const PXOR_MMX = [0x0f, 0xef, 0xc1];
const MOVQ2DQ = [0xf3, 0x0f, 0xd6, 0xc1];
const DIVSS = [0xf3, 0x0f, 0x5e, 0xc1];
const EM = 1n << 2n;
const TS = 1n << 3n;

interface Setting {
  readonly cr0?: bigint;
  readonly cr4?: bigint;
  readonly fsw?: bigint;
}

function vectorOf(code: readonly number[], { cr0 = 0n, cr4 = CR4_OSFXSR, fsw = 0n }: Setting): number | undefined {
  const machine = new SseMachine();
  machine.state.set(vcpu.cr0, CR0_PE_PG | cr0);
  machine.state.set(vcpu.cr4, cr4);
  machine.state.set(vcpu.fsw, fsw);
  return machine.run(code)?.vector;
}

describe('SSE instructions', () => {
  it('run when the system has enabled them', () => assert.equal(vectorOf(XORPS, {}), undefined));
  it('are undefined with CR0.EM', () => assert.equal(vectorOf(XORPS, { cr0: EM }), UD));
  it('are undefined without CR4.OSFXSR', () => assert.equal(vectorOf(XORPS, { cr4: 0n }), UD));
  it('find no device with CR0.TS', () => assert.equal(vectorOf(XORPS, { cr0: TS }), NM));
  it('are undefined rather than without a device', () => assert.equal(vectorOf(XORPS, { cr0: TS | EM }), UD));
  it('do not care about pending x87 exceptions', () => assert.equal(vectorOf(XORPS, { fsw: 0x80n }), undefined));
});

describe('MMX instructions', () => {
  it('run without CR4.OSFXSR', () => assert.equal(vectorOf(PXOR_MMX, { cr4: 0n }), undefined));
  it('are undefined with CR0.EM', () => assert.equal(vectorOf(PXOR_MMX, { cr0: EM | TS, fsw: 0x80n }), UD));
  it('find no device with CR0.TS', () => assert.equal(vectorOf(PXOR_MMX, { cr0: TS, fsw: 0x80n }), NM));
  it('report a pending x87 exception', () => assert.equal(vectorOf(PXOR_MMX, { fsw: 0x80n }), MF));
  it('that use XMM registers depend on both', () => {
    assert.equal(vectorOf(MOVQ2DQ, { cr4: 0n }), UD);
    assert.equal(vectorOf(MOVQ2DQ, { fsw: 0x80n }), MF);
  });
});

describe('an unmasked floating-point exception', () => {
  const divideByZero = (cr4: bigint): { vector: number | undefined; mxcsr: bigint; xmm0: bigint } => {
    const machine = new SseMachine();
    machine.state.set(vcpu.cr4, cr4);
    machine.state.set(vcpu.mxcsr, 0x1d80n);
    machine.state.set(vcpu.xmm, 0x3f80_0000n, 0);
    const vector = machine.run(DIVSS)?.vector;
    return { vector, mxcsr: machine.state.get(vcpu.mxcsr), xmm0: machine.state.get(vcpu.xmm, 0) };
  };
  it('is #XM, its flag set and the destination kept', () =>
    assert.deepEqual(divideByZero(CR4_OSFXSR | CR4_OSXMMEXCPT), { vector: XM, mxcsr: 0x1d84n, xmm0: 0x3f80_0000n }));
  it('is #UD without CR4.OSXMMEXCPT', () => assert.equal(divideByZero(CR4_OSFXSR).vector, UD));
});
