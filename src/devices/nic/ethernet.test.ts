import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  destinationHash,
  frameCheckSequence,
  isAddressedTo,
  isBroadcast,
  isMulticast,
  mirroredDestinationHash,
  padded,
  withFcs,
  withoutTag,
  withTag,
} from './ethernet.ts';
import { ALL_HOSTS, BROADCAST, frameTo, MAC, PEER, tagged } from './test-nic.ts';

test('the frame check sequence is CRC-32, least significant byte first', () => {
  const digits = new TextEncoder().encode('123456789');
  assert.equal(frameCheckSequence(digits), 0xcbf4_3926);
  assert.deepEqual([...withFcs(digits)].slice(9), [0x26, 0x39, 0xf4, 0xcb]);
});

test('hashes of multicast addresses are those that drivers compute', () => {
  const hashes: [string, number, number][] = [
    ['01005e000001', 54, 31],
    ['333300000001', 23, 62],
    ['0180c2000000', 58, 25],
    ['01005e7ffffa', 15, 43],
  ];
  for (const [address, plain, mirrored] of hashes) {
    const frame = frameTo(Buffer.from(address, 'hex'));
    assert.deepEqual([destinationHash(frame), mirroredDestinationHash(frame)], [plain, mirrored], address);
  }
});

test('destinations are told apart', () => {
  assert.deepEqual(
    [MAC, BROADCAST, ALL_HOSTS].map((to) => isBroadcast(frameTo(to))),
    [false, true, false],
  );
  assert.deepEqual(
    [MAC, BROADCAST, ALL_HOSTS].map((to) => isMulticast(frameTo(to))),
    [false, true, true],
  );
  assert.deepEqual(
    [MAC, PEER].map((to) => isAddressedTo(frameTo(to), MAC)),
    [true, false],
  );
});

test('short frames are padded to 60 bytes, others left as they are', () => {
  const short = frameTo(MAC, 20);
  assert.deepEqual([...padded(short)], [...short, ...new Array(40).fill(0)]);
  const long = frameTo(MAC, 61);
  assert.equal(padded(long), long);
});

test('a VLAN tag goes between addresses and type, and comes out again', () => {
  const frame = frameTo(MAC);
  assert.deepEqual(withTag(frame, 0x8100, 0x2345), tagged(frame, 0x2345));
  assert.deepEqual(withoutTag(tagged(frame, 0x2345)), frame);
});
