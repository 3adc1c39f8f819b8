import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cpuid, type CpuidOptions } from './cpuid.ts';
import { featureBits } from './feature-bits.ts';
import { guestFeatures } from './features.ts';
import { CR4_OSXSAVE } from './isa/system/control-bits.ts';
import { RAX, RBX, RCX, RDX, type StateField, vcpu } from './state.ts';

class Fields {
  readonly #values = new Map<string, bigint>();
  get(field: StateField, index = 0): bigint {
    return this.#values.get(`${field.name} ${index}`) ?? 0n;
  }
  set(field: StateField, value: bigint, index = 0): void {
    this.#values.set(`${field.name} ${index}`, value);
  }
}

function make(options: Partial<CpuidOptions> = {}): { cpu: Fields; cpuid: Cpuid } {
  const cpu = new Fields();
  return { cpu, cpuid: new Cpuid({ cpu, cpuCount: 1, apicId: 0, tscHz: 1e9, ...options }) };
}

function text(...words: number[]): string {
  return words
    .map((word) => [0, 8, 16, 24].map((shift) => String.fromCharCode((word >>> shift) & 0xff)).join(''))
    .join('');
}

test('the vendor, the brand and the hypervisor are spelled in the registers', () => {
  const { cpuid } = make();
  const { ebx, ecx, edx } = cpuid.leaf(0, 0);
  assert.equal(text(ebx, edx, ecx), 'GenuineIntel');
  const brand = [2, 3, 4].map((i) => cpuid.leaf(0x80000000 + i, 0));
  assert.equal(
    text(...brand.flatMap((leaf) => [leaf.eax, leaf.ebx, leaf.ecx, leaf.edx])).replaceAll('\0', ''),
    'Vivarium',
  );
  const kvm = cpuid.leaf(0x40000000, 0);
  assert.equal(text(kvm.ebx, kvm.ecx, kvm.edx), 'KVMKVMKVM\0\0\0');
  assert.ok(kvm.eax >= 0x40000001);
});

test('each feature is announced by its bit exactly where the guest has it', () => {
  const some = new Set(['base', 'sse2', 'lzcnt', 'xsaveopt'] as const);
  const { cpuid } = make({ features: some });
  for (const [feature, place] of featureBits) {
    const announced = (cpuid.leaf(place.leaf, place.subleaf ?? 0)[place.register] >>> place.bit) & 1;
    assert.equal(announced, (some as ReadonlySet<string>).has(feature) ? 1 : 0, feature);
  }
});

test('ECX matters only to leaves that have subleaves', () => {
  const { cpuid } = make();
  for (const leaf of [1, 0x80000001]) assert.deepEqual(cpuid.leaf(leaf, 0xdeadbeef), cpuid.leaf(leaf, 0));
  assert.deepEqual(cpuid.leaf(7, 1), { eax: 0, ebx: 0, ecx: 0, edx: 0 });
});

test('the guest is given long mode and what Debian kernels cannot do without', () => {
  for (const feature of ['x87', 'mmx', 'fxsr', 'sse', 'cx16', 'syscall', 'clflush'] as const) {
    assert.ok(guestFeatures.has(feature), feature);
  }
  const { cpuid } = make();
  const basic = cpuid.leaf(1, 0);
  for (const bit of [3, 4, 5, 6, 8, 9, 13, 15, 16]) assert.ok((basic.edx >>> bit) & 1, `leaf 1 EDX bit ${bit}`);
  const extended = cpuid.leaf(0x80000001, 0);
  for (const bit of [11, 20, 29]) assert.ok((extended.edx >>> bit) & 1, `leaf 80000001 EDX bit ${bit}`);
  assert.equal(cpuid.leaf(0x80000008, 0).eax & 0xffff, (48 << 8) | 40);
});

test('no two features share a bit, nor a feature and the processor itself', () => {
  const { cpuid } = make({ features: new Set(), cpuCount: 2 });
  const seen = new Set<string>();
  for (const [feature, place] of featureBits) {
    const key = `${place.leaf} ${place.subleaf} ${place.register} ${place.bit}`;
    assert.ok(!seen.has(key), feature);
    seen.add(key);
    assert.equal((cpuid.leaf(place.leaf, place.subleaf ?? 0)[place.register] >>> place.bit) & 1, 0, feature);
  }
});

test('OSXSAVE follows CR4', () => {
  const { cpu, cpuid } = make();
  assert.equal((cpuid.leaf(1, 0).ecx >>> 27) & 1, 0);
  cpu.set(vcpu.cr4, BigInt(CR4_OSXSAVE));
  assert.equal((cpuid.leaf(1, 0).ecx >>> 27) & 1, 1);
});

test('topology tells three vCPUs as cores of one package', () => {
  const { cpuid } = make({ cpuCount: 3, apicId: 2 });
  assert.equal(cpuid.leaf(1, 0).ebx >>> 24, 2);
  assert.equal((cpuid.leaf(1, 0).ebx >>> 16) & 0xff, 3);
  assert.equal((cpuid.leaf(1, 0).edx >>> 28) & 1, 1);
  assert.deepEqual(cpuid.leaf(0xb, 0), { eax: 0, ebx: 1, ecx: 0x100, edx: 2 });
  assert.deepEqual(cpuid.leaf(0xb, 1), { eax: 2, ebx: 3, ecx: 0x201, edx: 2 });
  assert.deepEqual(cpuid.leaf(0xb, 2), { eax: 0, ebx: 0, ecx: 2, edx: 2 });
  assert.equal(cpuid.leaf(4, 0).eax >>> 26, 3);
});

test('the frequency of the time-stamp counter follows from its leaf', () => {
  const { cpuid } = make({ tscHz: 1_500_000_000 });
  const { eax, ebx, ecx } = cpuid.leaf(0x15, 0);
  assert.equal((ecx * ebx) / eax, 1_500_000_000);
  assert.equal(cpuid.leaf(0x40000010, 0).eax, 1_500_000);
  assert.equal(cpuid.leaf(0x16, 0).eax, 1500);
});

test('a leaf beyond the last answers as the last basic one', () => {
  const { cpuid } = make();
  const last = cpuid.leaf(cpuid.leaf(0, 0).eax, 0);
  assert.deepEqual(cpuid.leaf(0x100, 0), last);
  assert.deepEqual(cpuid.leaf(0x80001000, 0), last);
});

test('the instruction clears the upper halves of the registers it writes', () => {
  const { cpu, cpuid } = make();
  for (const register of [RAX, RBX, RCX, RDX]) cpu.set(vcpu.gpr, 0xffffffff00000000n, register);
  cpuid.execute();
  for (const register of [RAX, RBX, RCX, RDX]) assert.equal(cpu.get(vcpu.gpr, register) >> 32n, 0n);
  assert.notEqual(cpu.get(vcpu.gpr, RBX), 0n);
});
