import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HEADROOM_BYTES, type Ipv4Packet } from './ipv4.ts';
import { parseUdp, udpPacket } from './udp.ts';

const datagram = { sourcePort: 4000, destinationPort: 53, payload: Uint8Array.of(1, 2, 3) };
const packetOf = (payload: Uint8Array): Ipv4Packet => ({ source: 1, destination: 2, payload }) as Ipv4Packet;
const built = (): Uint8Array => udpPacket(datagram, 1, 2).slice(HEADROOM_BYTES);

test('what is built is read back; what is behind it is not', () => {
  assert.deepEqual(parseUdp(packetOf(built())), datagram);
  assert.deepEqual(parseUdp(packetOf(Uint8Array.of(...built(), 0, 0))), datagram);
});

test('every damaged bit is noticed, if there is a checksum', () => {
  for (let bit = 0; bit < 11 * 8; bit++) {
    const damaged = built();
    damaged[bit >> 3] ^= 1 << (bit & 7);
    assert.equal(parseUdp(packetOf(damaged)), undefined, `bit ${bit}`);
  }
  const unchecked = built();
  unchecked.fill(0, 6, 8);
  assert.deepEqual(parseUdp(packetOf(unchecked)), datagram);
});

test('lengths that do not fit are refused', () => {
  for (let length = 0; length < 11; length++) assert.equal(parseUdp(packetOf(built().subarray(0, length))), undefined);
});
