import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VivariumError } from '../base/errors.ts';
import type { LoadOptions } from './load-options.ts';
import { memoryMap } from './memory-map.ts';
import { isMultiboot, loadMultiboot } from './multiboot.ts';
import { StructWriter } from './struct-writer.ts';
import { buildElf } from './test-elf.ts';
import { TestMemory } from './test-memory.ts';

const MIB = 0x10_0000;
const MAGIC = 0x1bad_b002;
const HAS_ADDRESSES = 1 << 16;

function header(flags = 0, ...addresses: number[]): Uint8Array {
  return new StructWriter().u32(MAGIC, flags, -(MAGIC + flags) >>> 0, ...addresses).finish();
}

/** A flat kernel: 16 bytes, the header, 16 bytes of code. */
function flat(addresses: { header?: number; load?: number; loadEnd?: number; bssEnd?: number; entry?: number } = {}) {
  const { load = MIB, loadEnd = 0, bssEnd = 0, entry = MIB + 48 } = addresses;
  return new StructWriter()
    .zeros(16)
    .bytes(header(HAS_ADDRESSES, addresses.header ?? MIB + 16, load, loadEnd, bssEnd, entry))
    .bytes(new Uint8Array(16).fill(0x90))
    .finish();
}

function elf(bits: 32 | 64, physicalAddress = MIB) {
  const data = Uint8Array.from([...header(3), ...new Uint8Array(16).fill(0x90)]);
  const segment = { physicalAddress, virtualAddress: 0x8010_0000, data, memoryBytes: 0x5000 };
  return buildElf({ bits, entry: 0x8010_000c, segments: [segment] });
}

function load(image: Uint8Array, options: Partial<LoadOptions> = {}) {
  const memory = new TestMemory(16 * MIB);
  const all = { memory, map: memoryMap(16 * MIB), commandLine: 'a b', rsdp: 0xe0000, ...options };
  return { memory, start: loadMultiboot(image, all) };
}

function fails(kind: string, message: RegExp) {
  return (error: unknown) => error instanceof VivariumError && error.fault.kind === kind && message.test(error.message);
}

test('an ELF kernel is entered in 32-bit mode with the magic number, at the physical address of its entry', () => {
  for (const bits of [32, 64] as const) {
    const { memory, start } = load(elf(bits));
    assert.equal(start.mode, 'protected32');
    assert.equal(start.rip, MIB + 12);
    assert.equal(start.general.rax, 0x2bad_b002);
    assert.equal(memory.u32(MIB), MAGIC);
  }
});

test('a flat kernel goes where its header says, as far as it says', () => {
  const whole = load(flat());
  assert.equal(whole.start.rip, MIB + 48);
  assert.equal(whole.memory.u32(MIB + 16), MAGIC);
  assert.equal(whole.memory.bytes[MIB + 63], 0x90);
  const part = load(flat({ loadEnd: MIB + 56, bssEnd: MIB + 0x2000 }));
  assert.deepEqual([...part.memory.slice(MIB + 54, 4)], [0x90, 0x90, 0, 0]);
  const fromHeader = load(flat({ load: MIB + 16 }));
  assert.equal(fromHeader.memory.u32(MIB + 16), MAGIC);
  assert.equal(fromHeader.memory.u32(MIB), 0);
});

test('the information structure states memory, command line, loader and memory map', () => {
  const { memory, start } = load(elf(32));
  const info = start.general.rbx;
  assert.equal(memory.u32(info), 0b10_0100_1101);
  assert.deepEqual([memory.u32(info + 4), memory.u32(info + 8)], [640, 15 * 1024]);
  assert.equal(memory.text(memory.u32(info + 16)), 'kernel a b');
  assert.equal(memory.u32(info + 20), 0);
  assert.equal(memory.text(memory.u32(info + 64)), 'Vivarium');
  const [length, base] = [memory.u32(info + 44), memory.u32(info + 48)];
  const entries: number[][] = [];
  for (let at = base; at < base + length; at += memory.u32(at) + 4) {
    entries.push([memory.u64(at + 4), memory.u64(at + 12), memory.u32(at + 20)]);
  }
  assert.deepEqual(entries, [
    [0, 0xa_0000, 1],
    [0xa_0000, 0x6_0000, 2],
    [MIB, 15 * MIB, 1],
  ]);
});

test('modules lie on pages above the kernel, with their strings, the initrd first', () => {
  const modules = [{ data: new Uint8Array(5000).fill(7), commandLine: 'mod x=1' }];
  const { memory, start } = load(elf(32), { initrd: Uint8Array.of(1, 2, 3), modules });
  const info = start.general.rbx;
  assert.equal(memory.u32(info + 20), 2);
  const list = memory.u32(info + 24);
  assert.deepEqual([memory.u32(list), memory.u32(list + 4)], [MIB + 0x5000, MIB + 0x5003]);
  assert.deepEqual([...memory.slice(MIB + 0x5000, 3)], [1, 2, 3]);
  assert.equal(memory.text(memory.u32(list + 8)), '');
  assert.deepEqual([memory.u32(list + 16), memory.u32(list + 20)], [MIB + 0x6000, MIB + 0x6000 + 5000]);
  assert.equal(memory.text(memory.u32(list + 24)), 'mod x=1');
});

test('nothing the kernel is told lies over the kernel', () => {
  const segment = { physicalAddress: 0x1000, data: header(), memoryBytes: 0x9_d000 };
  const { start } = load(buildElf({ bits: 32, entry: 0x1000, segments: [segment] }));
  assert.ok(start.general.rbx >= 0x9_e000);
  assert.ok(start.gdtr.base >= 0x9_e000);
});

test('a header counts if it is aligned, whole, with a good checksum, in the first 8 KiB', () => {
  const at = (offset: number, bytes = header()) => Uint8Array.from([...new Uint8Array(offset), ...bytes]);
  assert.equal(isMultiboot(at(8192 - 12)), true);
  assert.equal(isMultiboot(at(8192 - 8)), false);
  assert.equal(isMultiboot(at(2)), false);
  assert.equal(isMultiboot(at(4, header().subarray(0, 11))), false);
  assert.equal(isMultiboot(at(4, header(HAS_ADDRESSES))), false);
  const wrong = header();
  wrong[8] ^= 1;
  assert.equal(isMultiboot(wrong), false);
});

test('kernels that cannot be loaded are refused with the reason', () => {
  assert.throws(() => load(header(1 << 3)), fails('bad-kernel', /requires a feature/));
  assert.throws(() => load(header()), fails('bad-kernel', /neither an ELF/));
  assert.throws(() => load(flat({ load: MIB + 17 })), fails('bad-kernel', /contradict/));
  assert.throws(() => load(flat({ load: MIB - 1 })), fails('bad-kernel', /contradict/));
  assert.throws(() => load(flat({ loadEnd: MIB })), fails('bad-kernel', /contradict/));
  assert.throws(() => load(flat({ bssEnd: MIB + 60 })), fails('bad-kernel', /contradict/));
  assert.throws(() => load(flat({ loadEnd: MIB + 65 })), fails('bad-kernel', /truncated/));
  assert.throws(() => load(flat({ bssEnd: 17 * MIB })), fails('bad-memory', /needs 16 MiB of memory at 0x100000/));
  assert.throws(() => load(elf(32, 16 * MIB)), fails('bad-memory', /at 0x1000000/));
  const modules = [{ data: new Uint8Array(16 * MIB), commandLine: '' }];
  assert.throws(() => load(elf(32), { modules }), fails('bad-initrd', /^The module \(16 MiB\) is larger/));
});
