import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FS, GS } from './algebra.ts';
import { WRITTEN_EFER } from './isa/system/control-bits.ts';
import { Msrs } from './msrs.ts';
import { type StateField, vcpu } from './state.ts';

const EFER = 0xc0000080;

class Fields {
  readonly #values = new Map<string, bigint>();
  get(field: StateField, index = 0): bigint {
    return this.#values.get(`${field.name} ${index}`) ?? 0n;
  }
  set(field: StateField, value: bigint, index = 0): void {
    this.#values.set(`${field.name} ${index}`, value);
  }
}

function make(): { cpu: Fields; msrs: Msrs; written: number[]; read(index: number): bigint | undefined } {
  const cpu = new Fields();
  const written: number[] = [];
  const msrs = new Msrs(cpu, {
    tsc: () => 1000n,
    readApic: (index) => (index === 0x808 ? 0x20n : undefined),
    writeApic: (index) => index === 0x808,
    readParavirtual: (index) => (index === 0x4b564d01 ? 7n : undefined),
    writeParavirtual: (index) => index === 0x4b564d01,
    counterWritten: () => {},
    controlWritten: (register) => written.push(register),
  });
  return { cpu, msrs, written, read: (index) => (msrs.read(index) ? cpu.get(vcpu.msrValue) : undefined) };
}

test('an unknown register is refused both ways', () => {
  const { msrs } = make();
  assert.equal(msrs.read(0xdead), false);
  assert.equal(msrs.write(0xdead, 0n), false);
});

test('bases and entry points must be canonical', () => {
  const { msrs, cpu, read } = make();
  for (const index of [0x175, 0x176, 0xc0000082, 0xc0000083, 0xc0000100, 0xc0000101, 0xc0000102]) {
    assert.equal(msrs.write(index, 0x0000_8000_0000_0000n), false);
    assert.equal(msrs.write(index, 0xffff_8000_0000_0000n), true);
    assert.equal(read(index), 0xffff_8000_0000_0000n);
  }
  assert.equal(cpu.get(vcpu.segmentBase, FS), 0xffff_8000_0000_0000n);
  assert.equal(cpu.get(vcpu.segmentBase, GS), 0xffff_8000_0000_0000n);
});

test('registers of 32 bits refuse more', () => {
  const { msrs, read } = make();
  for (const index of [0x174, 0xc0000084, 0xc0000103]) {
    assert.equal(msrs.write(index, 1n << 32n), false);
    assert.equal(msrs.write(index, 0xffffffffn), true);
    assert.equal(read(index), 0xffffffffn);
  }
});

test('EFER refuses reserved bits, keeps LMA and tells of changes', () => {
  const { msrs, cpu, read, written } = make();
  assert.equal(msrs.write(EFER, 1n << 1n), false);
  assert.equal(msrs.write(EFER, 0x501n), true);
  assert.equal(read(EFER), 0x101n, 'LMA cannot be written');
  assert.deepEqual(written, [WRITTEN_EFER]);
  assert.equal(msrs.write(EFER, 0x100n), true);
  assert.deepEqual(written, [WRITTEN_EFER], 'SCE changes no translation');
  cpu.set(vcpu.cr0, 0x80000001n);
  cpu.set(vcpu.efer, 0x500n);
  assert.equal(msrs.write(EFER, 0x000n), false, 'LME is fixed under paging');
  assert.equal(msrs.write(EFER, 0x900n), true);
  assert.equal(read(EFER), 0xd00n);
});

test('the time-stamp counter and its adjustment move together', () => {
  const { msrs, read } = make();
  assert.equal(read(0x10), 1000n);
  assert.equal(msrs.write(0x10, 100n), true);
  assert.equal(read(0x10), 100n);
  assert.equal(read(0x3b), BigInt.asUintN(64, -900n));
  assert.equal(msrs.write(0x3b, 0n), true);
  assert.equal(read(0x10), 1000n);
});

test('memory types are kept, unless they do not exist', () => {
  const { msrs, read } = make();
  assert.equal(read(0x277), 0x0007040600070406n);
  assert.equal(msrs.write(0x277, 2n), false);
  assert.equal(msrs.write(0x277, 0x0107040600070406n), true);
  assert.equal(read(0x277), 0x0107040600070406n);
  assert.equal(msrs.write(0x2ff, 0xc07n), false, 'UC- is for the attribute table only');
  assert.equal(msrs.write(0x2ff, 0xc06n), true);
  assert.equal(msrs.write(0x250, 0x0606060606060603n), false);
  assert.equal(msrs.write(0x250, 0x0505050505050505n), true);
  assert.equal(read(0x250), 0x0505050505050505n);
  assert.equal(msrs.write(0x200, 1n << 40n), false);
  assert.equal(msrs.write(0x200, 0xc0000000n), true);
  assert.equal(msrs.write(0x201, 0xffc0000800n), true);
  assert.equal(msrs.write(0x201, 0xffc0000801n), false);
  assert.deepEqual([read(0x200), read(0x201)], [0xc0000000n, 0xffc0000800n]);
});

test('what says what the processor is cannot be written', () => {
  const { msrs, read } = make();
  for (const index of [0x17, 0x3a, 0xce, 0xfe, 0x10a, 0x179]) {
    assert.notEqual(read(index), undefined);
    assert.equal(msrs.write(index, 0n), false);
  }
  assert.equal((read(0x10a) as bigint) & 0x121n, 0x121n, 'no Meltdown, MDS or TAA');
  assert.equal((read(0x1a0) as bigint) & 1n, 1n, 'fast strings');
});

test('the APIC and the hypervisor answer for their own', () => {
  const { msrs, read } = make();
  assert.equal(read(0x808), 0x20n);
  assert.equal(msrs.read(0x809), false);
  assert.equal(msrs.write(0x808, 1n), true);
  assert.equal(msrs.write(0x6e0, 1n), false);
  assert.equal(read(0x4b564d01), 7n);
  assert.equal(msrs.write(0x4b564d01, 1n), true);
});

test('saved registers come back', () => {
  const first = make();
  first.msrs.write(0x250, 0n);
  first.msrs.write(0x202, 0x80000006n);
  const second = make();
  second.msrs.restore(first.msrs.save());
  assert.deepEqual([second.read(0x250), second.read(0x202)], [0n, 0x80000006n]);
});
