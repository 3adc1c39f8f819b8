import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { VivariumError } from '../base/errors.ts';
import { loadLinux } from './linux-boot.ts';
import type { LoadOptions } from './load-options.ts';
import { memoryMap } from './memory-map.ts';
import { buildElf } from './test-elf.ts';
import { buildLinuxImage, SETUP_BYTES } from './test-linux-image.ts';
import { TestMemory } from './test-memory.ts';

const MIB = 0x10_0000;
const PREFERRED = 0x100_0000;

function machine(memoryBytes = 32 * MIB, options: Partial<LoadOptions> = {}) {
  const memory = new TestMemory(memoryBytes);
  const all: LoadOptions = { memory, map: memoryMap(memoryBytes), commandLine: 'quiet', rsdp: 0xe0000, ...options };
  return { memory, options: all };
}

function fails(kind: string, message: RegExp) {
  return (error: unknown) => error instanceof VivariumError && error.fault.kind === kind && message.test(error.message);
}

/** Frames `plain` as an LZ4 kernel payload, in literals only, with its size after it. */
function lz4Payload(plain: Uint8Array): Uint8Array {
  const more = plain.length - 15;
  const lengthBytes = [...new Array(Math.floor(more / 255)).fill(255), more % 255];
  const block = [0xf0, ...lengthBytes, ...plain];
  const u32 = (n: number) => [n & 0xff, (n >> 8) & 0xff, (n >> 16) & 0xff, 0];
  return Uint8Array.of(0x02, 0x21, 0x4c, 0x18, ...u32(block.length), ...block, ...u32(plain.length));
}

const VMLINUX = buildElf({
  bits: 64,
  entry: PREFERRED + 4,
  segments: [
    { physicalAddress: PREFERRED, data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
    { physicalAddress: PREFERRED + 0x1000, data: Uint8Array.of(9, 0, 0), memoryBytes: 0x1000 },
  ],
});

test('a kernel we cannot decompress is entered at its 64-bit entry, with its code where it prefers', async () => {
  const { memory, options } = machine();
  const image = buildLinuxImage();
  const start = await loadLinux(image, options);
  assert.equal(start.mode, 'long');
  assert.equal(start.rip, PREFERRED + 0x200);
  assert.equal(start.segments.cs.selector, 0x10);
  assert.equal(start.segments.ds.selector, 0x18);
  assert.deepEqual(memory.slice(PREFERRED, image.length - SETUP_BYTES), image.subarray(SETUP_BYTES));
});

test('boot_params states memory, command line, ACPI and the header of the image', async () => {
  const { memory, options } = machine(32 * MIB, { commandLine: 'console=ttyS0 höhe=3' });
  const image = buildLinuxImage();
  const { general } = await loadLinux(image, options);
  const page = general.rsi;
  assert.equal(page % 4096, 0);
  assert.equal(memory.text(memory.u32(page + 0x228)), 'console=ttyS0 höhe=3');
  assert.equal(memory.u64(page + 0x70), 0xe0000);
  assert.equal(memory.bytes[page + 0x210], 0xff);
  assert.equal(memory.u32(page + 0x214), PREFERRED);
  assert.equal(memory.u32(page + 0x218), 0);
  assert.equal(memory.u64(page + 0x250), 0);
  assert.equal(memory.u32(page + 0x202), 0x5372_6448);
  assert.equal(memory.bytes[page + 0x1ef], 0, 'the sentinel must be clear');
  assert.deepEqual(memory.slice(page, 0x40), new Uint8Array(0x40), 'no display');
  const entries = Array.from({ length: memory.bytes[page + 0x1e8] }, (_, i) => {
    const at = page + 0x2d0 + i * 20;
    return [memory.u64(at), memory.u64(at + 8), memory.u32(at + 16)];
  });
  assert.deepEqual(entries, [
    [0, 0xa_0000, 1],
    [0xa_0000, 0x6_0000, 2],
    [MIB, 31 * MIB, 1],
  ]);
});

test('a kernel we can decompress is entered at its ELF entry, unless the guest is to decompress it', async () => {
  const image = buildLinuxImage({ payload: lz4Payload(VMLINUX) });
  const fast = machine();
  assert.equal((await loadLinux(image, fast.options)).rip, PREFERRED + 4);
  assert.deepEqual([...fast.memory.slice(PREFERRED, 9)], [1, 2, 3, 4, 5, 6, 7, 8, 0]);
  assert.equal(fast.memory.bytes[PREFERRED + 0x1000], 9);

  const plain = machine(32 * MIB, { decompressInGuest: true });
  assert.equal((await loadLinux(image, plain.options)).rip, PREFERRED + 0x200);
  assert.deepEqual(plain.memory.slice(PREFERRED, 64), image.subarray(SETUP_BYTES, SETUP_BYTES + 64));
});

test('a gzip kernel takes the fast path where the platform can decode it', async () => {
  const payload = Uint8Array.of(0x1f, 0x8b, 8, 0, 1, 2, 3, 4, VMLINUX.length & 0xff, VMLINUX.length >> 8, 0, 0);
  const image = buildLinuxImage({ payload });
  const gunzip = async () => VMLINUX;
  assert.equal((await loadLinux(image, machine(32 * MIB, { gunzip }).options)).rip, PREFERRED + 4);
  assert.equal((await loadLinux(image, machine().options)).rip, PREFERRED + 0x200);
  const broken = async () => Promise.reject(new Error('incorrect header check'));
  await assert.rejects(loadLinux(image, machine(32 * MIB, { gunzip: broken }).options), fails('bad-kernel', /damaged/));
});

test('a vmlinux that would leave the memory its bzImage claims is decompressed by the guest', async () => {
  for (const segment of [
    { physicalAddress: PREFERRED - 0x1000, data: Uint8Array.of(1) },
    { physicalAddress: PREFERRED, data: Uint8Array.of(1), memoryBytes: 0x20_0001 },
  ]) {
    const vmlinux = buildElf({ bits: 64, entry: PREFERRED, segments: [segment] });
    const { options } = machine();
    const start = await loadLinux(buildLinuxImage({ payload: lz4Payload(vmlinux) }), options);
    assert.equal(start.rip, PREFERRED + 0x200);
  }
});

test('a payload that does not decompress is an error', async () => {
  const payload = lz4Payload(VMLINUX);
  payload[payload.length - 3] ^= 1;
  await assert.rejects(loadLinux(buildLinuxImage({ payload }), machine().options), fails('bad-kernel', /damaged/));
});

test('the initrd goes to the top of memory, or below the limit of the kernel', async () => {
  const initrd = Uint8Array.from({ length: 5000 }, (_, i) => (i % 250) + 1);
  const cases: [number, number][] = [
    [0x7fff_ffff, 32 * MIB - 0x2000],
    [0x1bf_ffff, 0x1c0_0000 - 0x2000],
  ];
  for (const [initrdMaximum, expected] of cases) {
    const { memory, options } = machine(32 * MIB, { initrd });
    const { general } = await loadLinux(buildLinuxImage({ initrdMaximum }), options);
    assert.equal(memory.u32(general.rsi + 0x218), expected);
    assert.equal(memory.u32(general.rsi + 0x21c), 5000);
    assert.deepEqual(memory.slice(expected, 5000), initrd);
  }
});

test('a seed is handed over as setup_data', async () => {
  const { memory, options } = machine(32 * MIB, { rngSeed: Uint8Array.of(7, 8, 9) });
  const { general } = await loadLinux(buildLinuxImage(), options);
  const node = memory.u64(general.rsi + 0x250);
  assert.deepEqual([memory.u64(node), memory.u32(node + 8), memory.u32(node + 12)], [0, 9, 3]);
  assert.deepEqual([...memory.slice(node + 16, 3)], [7, 8, 9]);
});

test('a kernel without the 64-bit entry is started in 32-bit mode at its first byte', async () => {
  const { memory, options } = machine();
  const start = await loadLinux(buildLinuxImage({ version: 0x020b, preferredAddress: 4 * MIB }), options);
  assert.equal(start.mode, 'protected32');
  assert.equal(start.rip, 4 * MIB);
  assert.equal(memory.u32(start.general.rsi + 0x214), 4 * MIB);
  assert.deepEqual([start.general.rbp, start.general.rdi, start.general.rbx], [0, 0, 0]);
  const oldest = machine();
  assert.equal((await loadLinux(buildLinuxImage({ version: 0x0206 }), oldest.options)).rip, MIB);
});

test('a relocatable kernel whose preferred address is not RAM goes to the next aligned address that is', async () => {
  const image = buildLinuxImage({ preferredAddress: 0xa_0000, alignment: 0x20_0000 });
  assert.equal((await loadLinux(image, machine().options)).rip, 0x20_0200);
  const fixed = buildLinuxImage({ preferredAddress: 0xa_0000, relocatable: false });
  await assert.rejects(loadLinux(fixed, machine().options), fails('bad-memory', /needs at least/));
});

test('what does not fit is an error that says what and how much', async () => {
  await assert.rejects(
    loadLinux(buildLinuxImage(), machine(17 * MIB).options),
    fails('bad-memory', /^This kernel needs at least 18 MiB of memory, but the guest has 17 MiB\.$/),
  );
  await assert.rejects(
    loadLinux(buildLinuxImage(), machine(18 * MIB, { initrd: new Uint8Array(19 * MIB).fill(1) }).options),
    fails('bad-initrd', /^The initrd \(19 MiB\) is larger than the guest's memory \(18 MiB\)\.$/),
  );
  await assert.rejects(
    loadLinux(buildLinuxImage(), machine(18 * MIB, { initrd: new Uint8Array(16 * MIB).fill(1) }).options),
    fails('bad-initrd', /does not fit beside the kernel/),
  );
  await assert.rejects(
    loadLinux(buildLinuxImage({ commandLineMaximum: 4 }), machine().options),
    fails('bad-option', /5 bytes long, but this kernel takes at most 4/),
  );
  const modules = [{ data: new Uint8Array(1), commandLine: 'm' }];
  await assert.rejects(
    loadLinux(buildLinuxImage(), machine(32 * MIB, { modules }).options),
    fails('bad-option', /initrd/),
  );
});

test('no damage to the setup header escapes as another error', async () => {
  const image = buildLinuxImage({ payload: lz4Payload(VMLINUX) });
  let refused = 0;
  for (let at = 0x1f1; at < 0x270; at++) {
    for (const value of [0, 0x7f, 0xff]) {
      const damaged = image.slice();
      damaged[at] = value;
      try {
        await loadLinux(damaged, machine(18 * MIB).options);
      } catch (error) {
        assert.ok(error instanceof VivariumError, String(error));
        refused++;
      }
    }
  }
  assert.ok(refused > 20);
});

const builtin = new URL('../../guests/builtin/vmlinuz', import.meta.url);
test('the built-in kernel takes the fast path', { skip: !existsSync(builtin) && 'not built' }, async () => {
  const { memory, options } = machine(256 * MIB);
  const start = await loadLinux(readFileSync(builtin), options);
  assert.notEqual(start.rip % 0x1000, 0x200);
  assert.notEqual(memory.u32(start.rip), 0);
});
