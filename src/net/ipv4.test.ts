import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ETHERNET_HEADER_BYTES } from '../base/network.ts';
import { FIRST_GUEST, GATEWAY } from './addresses.ts';
import { HEADROOM_BYTES, ipv4Frames, PROTOCOL_UDP, parseIpv4Packet } from './ipv4.ts';

const header = { source: GATEWAY, destination: FIRST_GUEST, protocol: PROTOCOL_UDP, identification: 77 };

function packet(length: number): Uint8Array {
  return Uint8Array.from({ length: HEADROOM_BYTES + length }, (_, i) => i);
}

test('what is built is read back, padding apart', () => {
  const [frame] = ipv4Frames(packet(10), header);
  const padded = new Uint8Array(60);
  padded.set(frame);
  const read = parseIpv4Packet(padded.subarray(ETHERNET_HEADER_BYTES));
  assert.deepEqual({ ...read, ...header }, read);
  assert.deepEqual(read?.payload, packet(10).subarray(HEADROOM_BYTES));
  assert.equal(read?.ttl, 64);
});

test('every damaged bit of the header is noticed', () => {
  const [frame] = ipv4Frames(packet(10), header);
  for (let bit = 0; bit < 20 * 8; bit++) {
    const damaged = frame.slice(ETHERNET_HEADER_BYTES);
    damaged[bit >> 3] ^= 1 << (bit & 7);
    assert.equal(parseIpv4Packet(damaged), undefined, `bit ${bit}`);
  }
});

test('what is too long for a frame goes in fragments that fit together', () => {
  const frames = ipv4Frames(packet(4000), header);
  assert(frames.every(({ length }) => length <= ETHERNET_HEADER_BYTES + 1500));
  const parts = frames.map((frame) => parseIpv4Packet(frame.subarray(ETHERNET_HEADER_BYTES)));
  assert.deepEqual(
    parts.map((part) => [part?.fragmentOffset, part?.payload.length, part?.moreFragments]),
    [
      [0, 1480, true],
      [1480, 1480, true],
      [2960, 1040, false],
    ],
  );
  assert.deepEqual(
    Buffer.concat(parts.map((part) => part?.payload as Uint8Array)),
    Buffer.from(packet(4000).subarray(34)),
  );
});

test('a packet that is cut short is none', () => {
  const [frame] = ipv4Frames(packet(10), header);
  const bytes = frame.subarray(ETHERNET_HEADER_BYTES);
  for (let length = 0; length < bytes.length; length++)
    assert.equal(parseIpv4Packet(bytes.subarray(0, length)), undefined);
});
