import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VivariumError } from '../base/errors.ts';
import { detectKernel, loadKernel } from './kernel.ts';
import { memoryMap } from './memory-map.ts';
import { StructWriter } from './struct-writer.ts';
import { buildElf, buildNote, PT_NOTE } from './test-elf.ts';
import { buildLinuxImage } from './test-linux-image.ts';
import { TestMemory } from './test-memory.ts';

const MIB = 0x10_0000;
const MULTIBOOT_HEADER = new StructWriter().u32(0x1bad_b002, 0, -0x1bad_b002 >>> 0).finish();
const code = { physicalAddress: 4 * MIB, data: Uint8Array.of(0xf4) };
const note = { type: PT_NOTE, physicalAddress: 0, data: buildNote('Xen', 18, Uint8Array.of(0, 0, 0x40, 0)) };
const pvh = buildElf({ bits: 64, entry: 4 * MIB, segments: [code, note] });
const multiboot = buildElf({ bits: 32, entry: 4 * MIB, segments: [{ ...code, data: MULTIBOOT_HEADER }, note] });

test('kinds of kernels are told apart, Multiboot before PVH', () => {
  assert.equal(detectKernel(buildLinuxImage()), 'linux');
  assert.equal(detectKernel(multiboot), 'multiboot');
  assert.equal(detectKernel(pvh), 'pvh');
});

test('what is no kernel is refused with the reason', () => {
  const cases: [Uint8Array, RegExp][] = [
    [new Uint8Array(), /empty/],
    [new TextEncoder().encode('#!/bin/sh\necho hello\n'), /no Linux bzImage/],
    [new Uint8Array(100_000), /no Linux bzImage/],
    [buildElf({ bits: 64, entry: 0, segments: [code] }), /neither a PVH note nor a Multiboot header/],
    [pvh.subarray(0, 80), /truncated/],
  ];
  for (const [image, message] of cases) {
    assert.throws(
      () => detectKernel(image),
      (error) => error instanceof VivariumError && error.fault.kind === 'bad-kernel' && message.test(error.message),
    );
  }
});

test('each kind is started by its protocol, with a BIOS data area', async () => {
  const entries: [Uint8Array, 'long' | 'protected32', number, number][] = [
    [buildLinuxImage(), 'long', 16 * MIB + 0x200, 0],
    [multiboot, 'protected32', 4 * MIB, 0x2bad_b002],
    [pvh, 'protected32', 4 * MIB, 0],
  ];
  for (const [image, mode, rip, rax] of entries) {
    const memory = new TestMemory(32 * MIB);
    const start = await loadKernel(image, { memory, map: memoryMap(32 * MIB), commandLine: '', rsdp: 0 });
    assert.deepEqual([start.mode, start.rip, start.general.rax], [mode, rip, rax]);
    assert.equal(memory.view.getUint16(0x400, true), 0x3f8);
    assert.equal(memory.view.getUint16(0x413, true), 640);
  }
});
