import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryMap } from './memory-map.ts';
import { Placement } from './placement.ts';

const MIB = 0x10_0000;

test('the lowest place is above page 0, the highest at the top', () => {
  const placement = new Placement(memoryMap(64 * MIB));
  assert.equal(placement.lowest(1), 0x1000);
  assert.equal(placement.lowest(0x1000), 0x2000);
  assert.equal(placement.highest(0x1001), 64 * MIB - 0x2000);
  assert.equal(placement.highest(1), 64 * MIB - 0x3000);
});

test('nothing is placed over what is taken, in the BIOS area, or outside the limits', () => {
  const placement = new Placement(memoryMap(16 * MIB));
  placement.reserve(0x1000, 0x9_e000);
  assert.equal(placement.lowest(0x1000), 0x9_f000);
  assert.equal(placement.lowest(0x1000), MIB);
  assert.equal(placement.lowest(0x1000, { from: 8 * MIB }), 8 * MIB);
  assert.equal(placement.highest(0x1000, { below: 8 * MIB }), 8 * MIB - 0x1000);
  assert.equal(placement.lowest(MIB, { alignment: 4 * MIB }), 4 * MIB);
  assert.equal(placement.lowest(16 * MIB), undefined);
  assert.equal(placement.lowest(0x1000, { from: 16 * MIB }), undefined);
});

test('overlapping reservations leave the gaps that remain', () => {
  const placement = new Placement(memoryMap(4 * MIB));
  placement.reserve(2 * MIB, MIB);
  placement.reserve(MIB, 1.5 * MIB);
  assert.equal(placement.lowest(MIB), 3 * MIB);
  assert.equal(placement.lowest(MIB), undefined);
});

test('usable is what the kernel is told is RAM, whether taken or not', () => {
  const placement = new Placement(memoryMap(4 * MIB));
  placement.reserve(MIB, MIB);
  assert.equal(placement.isUsable(MIB, 3 * MIB), true);
  assert.equal(placement.isUsable(MIB, 3 * MIB + 1), false);
  assert.equal(placement.isUsable(0x9_f000, 0x2000), false);
  assert.equal(placement.isUsable(0xe_0000, 1), false);
});
