import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GATEWAY_MAC } from './addresses.ts';
import { checksum, get16, onesSum, put16 } from './bytes.ts';
import { putEthernetHeader } from './ethernet.ts';
import { ALL_ROUTERS_MAC, TYPE_IPV6 } from './router-advertisement.ts';
import { GUEST_MAC, TestClock, TestGuest, TestSockets, testRandom } from './test-network.ts';
import { UserNetwork } from './user-network.ts';

const ALL_ROUTERS = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

/** A solicitation without a source address, changed before its checksum is made right. */
function solicitation(change: (packet: Uint8Array) => void = () => {}): Uint8Array {
  const frame = new Uint8Array(14 + 40 + 8);
  putEthernetHeader(frame, ALL_ROUTERS_MAC, GUEST_MAC, TYPE_IPV6);
  const packet = frame.subarray(14);
  packet.set([0x60, 0, 0, 0, 0, 8, 58, 255]);
  packet.set(ALL_ROUTERS, 24);
  packet[40] = 133;
  change(packet);
  put16(packet, 42, checksum(packet.subarray(40), 0, onesSum(packet.subarray(8, 40), 0, 8 + 58)));
  return frame;
}

function answersTo(frame: Uint8Array): Uint8Array[] {
  const clock = new TestClock();
  const net = new UserNetwork({ clock, sockets: new TestSockets(), random: testRandom(1) });
  const guest = new TestGuest(net, clock);
  net.attach(guest);
  guest.sendFrame(frame);
  return guest.frames;
}

test('who looks for an IPv6 router is told at once that this is none', () => {
  const [frame, ...more] = answersTo(solicitation());
  assert.equal(more.length, 0);
  assert.deepEqual([...frame.subarray(0, 14)], [0x33, 0x33, 0, 0, 0, 1, ...GATEWAY_MAC, 0x86, 0xdd]);
  const packet = frame.subarray(14);
  assert.deepEqual([get16(packet, 4), packet[6], packet[7]], [24, 58, 255]);
  assert.deepEqual([...packet.subarray(8, 24)], [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x50, 0x55, 0x0a, 0xff, 0xfe, 0, 2, 2]);
  const message = packet.subarray(40);
  assert.equal(onesSum(message, 0, onesSum(packet.subarray(8, 40), 0, 24 + 58)), 0xffff);
  // No hop limit, no flags, a lifetime of zero, no times; whose address it is.
  assert.deepEqual([message[0], message[1], ...message.subarray(4, 16)], [134, ...new Array(13).fill(0)]);
  assert.deepEqual([...message.subarray(16)], [1, 1, ...GATEWAY_MAC]);
});

test('what is no such question is not answered', () => {
  for (const change of [
    (packet: Uint8Array) => packet.fill(254, 7, 8),
    (packet: Uint8Array) => packet.fill(17, 6, 7),
    (packet: Uint8Array) => packet.fill(135, 40, 41),
    (packet: Uint8Array) => packet.fill(1, 41, 42),
    (packet: Uint8Array) => packet.fill(0x40, 0, 1),
    (packet: Uint8Array) => packet.fill(200, 5, 6),
    (packet: Uint8Array) => packet.fill(4, 5, 6),
  ]) {
    assert.deepEqual(answersTo(solicitation(change)), []);
  }
  const damaged = solicitation();
  damaged[14 + 43]++;
  assert.deepEqual(answersTo(damaged), []);
  assert.deepEqual(answersTo(solicitation().subarray(0, 60)), []);
});
