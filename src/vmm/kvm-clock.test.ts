import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestMemory } from '../machine/test-memory.ts';
import { KvmClock } from './kvm-clock.ts';

const WALL_CLOCK = 0x4b564d00;
const SYSTEM_TIME = 0x4b564d01;
const WALL_CLOCK_OLD = 0x11;
const SYSTEM_TIME_OLD = 0x12;
const PAGE = 0x1000;

function setup() {
  const memory = new TestMemory(0x4000);
  memory.bytes.fill(0xee);
  const time = { tsc: 5_000_000_000_000n, ns: 1_234_567_890, wallMs: 1_700_000_001_750.5 };
  const clock = new KvmClock({
    memory,
    tsc: () => time.tsc,
    nowNs: () => time.ns,
    wallClockMs: () => time.wallMs,
  });
  return { memory, time, clock };
}

/** What a guest does with the page: Linux Documentation/virt/kvm/x86/msr.rst, "MSR_KVM_SYSTEM_TIME_NEW". */
function guestNs(memory: TestMemory, address: number, tsc: bigint): bigint {
  const { view } = memory;
  assert.equal(view.getUint32(address, true) % 2, 0, 'an odd version is an update on its way');
  const delta = tsc - view.getBigUint64(address + 8, true);
  const shift = BigInt(view.getInt8(address + 28));
  const shifted = shift >= 0n ? delta << shift : delta >> -shift;
  return ((shifted * BigInt(view.getUint32(address + 24, true))) >> 32n) + view.getBigUint64(address + 16, true);
}

test('from the page a guest computes the time since boot, then and later', () => {
  for (const msr of [SYSTEM_TIME, SYSTEM_TIME_OLD]) {
    const { memory, time, clock } = setup();
    assert.ok(clock.writeMsr(msr, BigInt(PAGE) | 1n));
    for (const later of [0, 1, 999, 123_456_789_012]) {
      assert.equal(guestNs(memory, PAGE, time.tsc + BigInt(later)), BigInt(time.ns + later));
    }
    assert.equal(memory.view.getUint8(PAGE + 29) & 1, 1, 'the counter is the same on all vCPUs');
    assert.equal(memory.bytes[PAGE + 32], 0xee, 'the structure ends here');
    assert.equal(memory.bytes[PAGE - 1], 0xee);
  }
});

test('without the enable bit nothing is written', () => {
  const { memory, clock } = setup();
  assert.ok(clock.writeMsr(SYSTEM_TIME, BigInt(PAGE)));
  assert.ok(memory.bytes.every((byte) => byte === 0xee));
});

test('the wall clock is the time of boot in seconds and nanoseconds', () => {
  for (const msr of [WALL_CLOCK, WALL_CLOCK_OLD]) {
    const { memory, time, clock } = setup();
    time.ns = 1_500_000_000;
    assert.ok(clock.writeMsr(msr, BigInt(PAGE)));
    const words = [0, 4, 8].map((offset) => memory.u32(PAGE + offset));
    assert.deepEqual(words, [2, 1_700_000_000, 250_500_000]);
    assert.equal(memory.bytes[PAGE + 12], 0xee);
  }
});

test('a wall-clock address of zero asks for nothing', () => {
  const { memory, clock } = setup();
  clock.writeMsr(WALL_CLOCK, 0n);
  assert.ok(memory.bytes.every((byte) => byte === 0xee));
});

test('the MSRs read back what was written, by either number; others are not ours', () => {
  const { clock } = setup();
  clock.writeMsr(SYSTEM_TIME, 0x2001n);
  clock.writeMsr(WALL_CLOCK_OLD, 0x3000n);
  assert.equal(clock.readMsr(SYSTEM_TIME_OLD), 0x2001n);
  assert.equal(clock.readMsr(WALL_CLOCK), 0x3000n);
  assert.equal(clock.readMsr(0x10), undefined);
  assert.equal(clock.writeMsr(0x4b564d02, 1n), false);
});

test('an address that is no memory changes nothing and throws nothing', () => {
  const { memory, clock } = setup();
  for (const address of [0x10_0000n, 0xffff_ffff_ffff_fffcn, 0x3ff0n]) {
    assert.ok(clock.writeMsr(SYSTEM_TIME, address | 1n));
    assert.ok(clock.writeMsr(WALL_CLOCK, address | 0xcn));
  }
  assert.ok(memory.bytes.subarray(0, 0x3ff0).every((byte) => byte === 0xee));
});
