import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VivariumError } from '../base/errors.ts';
import { MAXIMUM_PAGES, MachineMemory } from './machine-memory.ts';

const FRAME = 4096;
const isHostFault = (error: unknown): boolean => error instanceof VivariumError && error.fault.kind === 'host';

test('regions are zeroed, aligned, apart, and never at address 0', () => {
  const memory = new MachineMemory(1 << 20);
  const regions = [
    [100, 16],
    [5, 64],
    [4096, 4096],
    [1, 0x10000],
  ].map(([bytes, alignment]) => ({ start: memory.region(bytes as number, alignment), bytes: bytes as number }));
  let end = 0x10000;
  for (const [i, { start, bytes }] of regions.entries()) {
    assert.equal(start % ([16, 64, 4096, 0x10000][i] as number), 0);
    assert.ok(start >= end);
    assert.ok(memory.u8.subarray(start, start + bytes).every((byte) => byte === 0));
    end = start + bytes;
  }
});

test('growing keeps contents, and the views see all of the memory', () => {
  const memory = new MachineMemory(1 << 20);
  const first = memory.frame();
  memory.u8.fill(0xa5, first, first + FRAME);
  const before = memory.u8.length;
  const old = memory.u8;
  const large = memory.region(64 << 20);
  assert.equal(old.length, 0, 'the old view is detached');
  assert.ok(memory.u8.length > before + (63 << 20));
  assert.ok(memory.u8.subarray(first, first + FRAME).every((byte) => byte === 0xa5));
  memory.u32[(large >> 2) + 5] = 0x12345678;
  assert.equal(memory.view.getUint32(large + 20, true), 0x12345678);
  assert.equal(memory.memory.buffer.byteLength, memory.u8.length);
});

test('a frame that is used again is all zeros', () => {
  const memory = new MachineMemory(1 << 20);
  const frame = memory.frame();
  assert.equal(frame % FRAME, 0);
  memory.u8.fill(0xff, frame, frame + FRAME);
  memory.releaseFrame(frame);
  assert.equal(memory.framesInUse, 0);
  assert.equal(memory.frame(), frame);
  assert.equal(memory.framesInUse, 1);
  assert.ok(memory.u8.subarray(frame, frame + FRAME).every((byte) => byte === 0));
});

test('frames do not overlap, and leave room for an access that runs over the end of the last', () => {
  const memory = new MachineMemory(1 << 20);
  const frames = new Set(Array.from({ length: 2000 }, () => memory.frame()));
  assert.equal(frames.size, 2000);
  assert.equal(memory.framesInUse, 2000);
  assert.ok(Math.max(...frames) + FRAME + 16 <= memory.u8.length);
});

test('exhaustion is an error for the user, and what is there stays usable', () => {
  const memory = new MachineMemory(1 << 20);
  const frame = memory.frame();
  assert.throws(() => memory.region(MAXIMUM_PAGES * 0x10000), isHostFault);
  const inUse = memory.framesInUse;
  memory.u8[frame] = 1;
  assert.notEqual(memory.frame(), frame);
  assert.equal(memory.framesInUse, inUse + 1);
});

test('memory that the host refuses from the start is the same error', () => {
  assert.throws(() => new MachineMemory((MAXIMUM_PAGES + 1) * 0x10000), isHostFault);
});

test('nearly 4 GiB can be given out, at addresses that are no negative numbers', () => {
  const memory = new MachineMemory(1 << 20);
  memory.region(0xfff0_0000 - 0x10000 * 64);
  const frame = memory.frame();
  assert.ok(frame > 0xf000_0000);
  memory.view.setBigUint64(frame + 8, 0x1122334455667788n, true);
  assert.equal(memory.u32[(frame + 8) / 4], 0x55667788);
  assert.throws(() => {
    for (let i = 0; i < 2000; i++) memory.frame();
  }, isHostFault);
});
