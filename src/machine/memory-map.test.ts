import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VivariumError } from '../base/errors.ts';
import { E820_RAM, E820_RESERVED, formatSize, memoryMap } from './memory-map.ts';

const MIB = 0x10_0000;
const GIB = 0x4000_0000;

test('memory below 3 GiB is one piece with the BIOS area cut out of what kernels may use', () => {
  const map = memoryMap(512 * MIB);
  assert.deepEqual(map.ram, [{ base: 0, length: 512 * MIB }]);
  assert.deepEqual(map.e820, [
    { base: 0, length: 0xa_0000, type: E820_RAM },
    { base: 0xa_0000, length: 0x6_0000, type: E820_RESERVED },
    { base: MIB, length: 511 * MIB, type: E820_RAM },
  ]);
});

test('memory beyond 3 GiB continues at 4 GiB', () => {
  assert.deepEqual(memoryMap(3 * GIB).ram, [{ base: 0, length: 3 * GIB }]);
  const map = memoryMap(6 * GIB);
  assert.deepEqual(map.ram[1], { base: 4 * GIB, length: 3 * GIB });
  assert.deepEqual(map.e820.at(-1), { base: 4 * GIB, length: 3 * GIB, type: E820_RAM });
});

test('sizes no guest can have are refused with a sentence that says why', () => {
  const cases: [number, RegExp][] = [
    [0, /at least 2 MiB, not 0 bytes/],
    [MIB, /at least 2 MiB, not 1 MiB/],
    [-4096, /at least/],
    [4 * MIB + 1, /multiple of 4096/],
    [Number.NaN, /multiple of 4096/],
    [Infinity, /multiple of 4096/],
    [2 ** 41, /at most 1024 GiB/],
  ];
  for (const [size, message] of cases) {
    assert.throws(
      () => memoryMap(size),
      (error) => error instanceof VivariumError && error.fault.kind === 'bad-memory' && message.test(error.message),
    );
  }
});

test('sizes read as people write them', () => {
  assert.equal(formatSize(512 * MIB), '512 MiB');
  assert.equal(formatSize(3 * GIB), '3 GiB');
  assert.equal(formatSize(1536 * MIB), '1536 MiB');
  assert.equal(formatSize(1536 * 1024 + 300), '1.5 MiB');
  assert.equal(formatSize(12), '12 bytes');
});
