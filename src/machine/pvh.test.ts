import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VivariumError } from '../base/errors.ts';
import { readElf } from './elf.ts';
import type { LoadOptions } from './load-options.ts';
import { memoryMap } from './memory-map.ts';
import { loadPvh, pvhEntry } from './pvh.ts';
import { buildElf, buildNote, PT_NOTE, type TestSegment } from './test-elf.ts';
import { TestMemory } from './test-memory.ts';

const MIB = 0x10_0000;
const CODE: TestSegment = { physicalAddress: MIB, data: Uint8Array.of(0xfa, 0xf4), memoryBytes: 0x3000 };

function entryNote(description = Uint8Array.of(0x10, 0x00, 0x10, 0x00), name = 'Xen'): TestSegment {
  return { type: PT_NOTE, physicalAddress: 0, data: buildNote(name, 18, description) };
}

function load(segments: TestSegment[], options: Partial<LoadOptions> = {}, bits: 32 | 64 = 64) {
  const memory = new TestMemory(16 * MIB);
  const start = loadPvh(buildElf({ bits, entry: MIB, segments }), {
    memory,
    map: memoryMap(16 * MIB),
    commandLine: 'a b',
    rsdp: 0xe0000,
    ...options,
  });
  return { memory, start };
}

function fails(kind: string, message: RegExp) {
  return (error: unknown) => error instanceof VivariumError && error.fault.kind === kind && message.test(error.message);
}

test('the kernel is entered in flat 32-bit mode at the address of its note', () => {
  for (const bits of [32, 64] as const) {
    const { memory, start } = load([CODE, entryNote()], {}, bits);
    assert.equal(start.mode, 'protected32');
    assert.equal(start.rip, MIB + 0x10);
    assert.deepEqual([...memory.slice(MIB, 2)], [0xfa, 0xf4]);
  }
});

test('start info states command line, memory and ACPI', () => {
  const { memory, start } = load([CODE, entryNote()]);
  const info = start.general.rbx;
  assert.equal(memory.u32(info), 0x336e_c578);
  assert.deepEqual([memory.u32(info + 4), memory.u32(info + 8), memory.u32(info + 12)], [1, 0, 0]);
  assert.equal(memory.u64(info + 16), 0);
  assert.equal(memory.text(memory.u64(info + 24)), 'a b');
  assert.equal(memory.u64(info + 32), 0xe0000);
  const map = memory.u64(info + 40);
  const entries = Array.from({ length: memory.u32(info + 48) }, (_, i) => {
    const at = map + i * 24;
    return [memory.u64(at), memory.u64(at + 8), memory.u32(at + 16)];
  });
  assert.deepEqual(entries, [
    [0, 0xa_0000, 1],
    [0xa_0000, 0x6_0000, 2],
    [MIB, 15 * MIB, 1],
  ]);
});

test('the initrd is the first module, and modules keep their command lines', () => {
  const modules = [{ data: Uint8Array.of(5, 6), commandLine: 'second' }];
  const { memory, start } = load([CODE, entryNote()], { initrd: Uint8Array.of(1, 2, 3), modules });
  const info = start.general.rbx;
  assert.equal(memory.u32(info + 12), 2);
  const list = memory.u64(info + 16);
  assert.deepEqual([...memory.slice(memory.u64(list), memory.u64(list + 8))], [1, 2, 3]);
  assert.equal(memory.u64(list + 16), 0);
  assert.deepEqual([...memory.slice(memory.u64(list + 32), memory.u64(list + 40))], [5, 6]);
  assert.equal(memory.text(memory.u64(list + 48)), 'second');
});

test('only a Xen note of the right type and size is an entry point', () => {
  const entryOf = (note: TestSegment) => pvhEntry(readElf(buildElf({ bits: 64, entry: MIB, segments: [CODE, note] })));
  assert.equal(entryOf(entryNote()), MIB + 0x10);
  assert.equal(entryOf(entryNote(Uint8Array.of(1, 2, 3, 4, 0, 0, 0, 0))), 0x0403_0201);
  assert.equal(entryOf(entryNote(Uint8Array.of(1, 2))), undefined);
  assert.equal(entryOf(entryNote(undefined, 'GNU')), undefined);
  assert.throws(() => load([CODE]), fails('bad-kernel', /no PVH entry/));
});

test('segments outside usable memory and modules without room are errors', () => {
  for (const physicalAddress of [0xb_8000, 16 * MIB, 2 ** 40, 0]) {
    const segment = { physicalAddress, data: Uint8Array.of(1), memoryBytes: 0x10_0000 };
    assert.throws(() => load([segment, entryNote()]), fails('bad-memory', /needs 1 MiB of memory at 0x/));
  }
  assert.throws(
    () => load([CODE, entryNote()], { initrd: new Uint8Array(15 * MIB) }),
    fails('bad-initrd', /initrd \(15 MiB\) does not fit/),
  );
});
