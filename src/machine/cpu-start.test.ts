import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GDT_BYTES, IDENTITY_MAP_BYTES, longStart, protectedStart, writeIdentityMap } from './cpu-start.ts';
import { TestMemory } from './test-memory.ts';

const ENTRY = { rip: 0x100200, general: { rsi: 0x3000 }, codeSelector: 0x10, dataSelector: 0x18, gdt: 0x1000 };

test('64-bit entry has long mode active and flat segments that the descriptor table agrees with', () => {
  const memory = new TestMemory(0x10000);
  const start = longStart(memory, ENTRY, 0x2000);
  assert.equal(start.mode, 'long');
  assert.equal(start.cr0, 0x8000_0011);
  assert.equal(start.cr3, 0x2000);
  assert.equal(start.cr4, 0x20);
  assert.equal(start.efer, 0x500);
  assert.equal(start.rip, 0x100200);
  assert.equal(start.rflags, 2);
  assert.equal(start.general.rsi, 0x3000);
  assert.equal(start.general.r15, 0);
  assert.deepEqual(start.gdtr, { base: 0x1000, limit: GDT_BYTES - 1 });
  assert.deepEqual(start.segments.cs, { selector: 0x10, base: 0, limit: 0xffff_ffff, accessRights: 0xa09b });
  assert.deepEqual(start.segments.ss, { selector: 0x18, base: 0, limit: 0xffff_ffff, accessRights: 0xc093 });
  assert.equal(memory.view.getBigUint64(0x1000, true), 0n);
  assert.equal(memory.view.getBigUint64(0x1010, true), 0x00af_9b00_0000_ffffn);
  assert.equal(memory.view.getBigUint64(0x1018, true), 0x00cf_9300_0000_ffffn);
});

test('32-bit entry has paging off and the TSS that PVH asks for', () => {
  const memory = new TestMemory(0x10000);
  const start = protectedStart(memory, { ...ENTRY, codeSelector: 0x08, dataSelector: 0x10 });
  assert.equal(start.mode, 'protected32');
  assert.deepEqual([start.cr0, start.cr3, start.cr4, start.efer], [0x11, 0, 0, 0]);
  assert.equal(start.segments.cs.accessRights, 0xc09b);
  assert.deepEqual(start.segments.tr, { selector: 0, base: 0, limit: 0x67, accessRights: 0x8b });
  assert.equal(memory.view.getBigUint64(0x1008, true), 0x00cf_9b00_0000_ffffn);
});

test('the identity map translates addresses in the first 4 GiB to themselves', () => {
  const memory = new TestMemory(0x10000);
  const cr3 = 0x4000;
  writeIdentityMap(memory, cr3);
  for (const address of [0, 0x1000, 0x1f_ffff, 0x100_0200, 0x4000_0000, 0xfee0_0020, 0xffff_ffff]) {
    const pml4e = memory.u64(cr3 + Math.floor(address / 2 ** 39) * 8);
    const pdpte = memory.u64(pml4e - (pml4e % 4096) + (Math.floor(address / 2 ** 30) % 512) * 8);
    const pde = memory.u64(pdpte - (pdpte % 4096) + (Math.floor(address / 2 ** 21) % 512) * 8);
    assert.deepEqual([pml4e % 4096, pdpte % 4096, pde % 4096], [3, 3, 0x83]);
    assert.equal(pde - 0x83 + (address % 2 ** 21), address);
  }
  assert.equal(memory.u64(cr3 + 8), 0);
  assert.equal(memory.u64(cr3 + IDENTITY_MAP_BYTES), 0);
});
