import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FIRST_GUEST, GATEWAY, LOOPBACK, parseIpv4 } from './addresses.ts';
import type { OpenedService } from './options.ts';
import { bytesOf, TestClock, TestGuest, TestSockets, testRandom, textOf } from './test-network.ts';
import { parseUdp } from './udp.ts';
import { UserNetwork } from './user-network.ts';

const SECOND = 1_000_000_000;
const OUTSIDE = 0x5db8_d822;

function network(...opened: OpenedService[]) {
  const clock = new TestClock();
  const sockets = new TestSockets();
  const net = new UserNetwork({ clock, sockets, random: testRandom(1), opened });
  const guest = new TestGuest(net, clock);
  net.attach(guest);
  guest.greet();
  return { clock, sockets, net, guest };
}

test('datagrams go out by a socket for each pair of ports, and answers come back where they were sent from', () => {
  const { sockets, guest } = network();
  guest.sendDatagram(OUTSIDE, 123, bytesOf('a'), 4000);
  guest.sendDatagram(OUTSIDE, 123, bytesOf('b'), 4000);
  guest.sendDatagram(OUTSIDE, 123, bytesOf('c'), 4001);
  assert.deepEqual(
    sockets.datagramSockets.map(({ sent }) => textOf(sent)),
    ['ab', 'c'],
  );
  assert.deepEqual(sockets.datagramSockets[0].to, { address: OUTSIDE, port: 123, isHost: false });
  sockets.datagramSockets[1].events.received(bytesOf('answer'));
  const [packet] = guest.packets;
  assert.deepEqual([packet.source, packet.destination], [OUTSIDE, FIRST_GUEST]);
  assert.deepEqual(parseUdp(packet), { sourcePort: 123, destinationPort: 4001, payload: bytesOf('answer') });
});

test('a datagram that is too large for a frame goes in fragments, both ways', () => {
  const { sockets, guest } = network();
  const large = Uint8Array.from({ length: 20_000 }, (_, i) => i);
  guest.sendDatagram(OUTSIDE, 9, large);
  assert.deepEqual(sockets.datagramSockets[0].sent, [large]);
  sockets.datagramSockets[0].events.received(large);
  assert.equal(guest.packets.length, 14);
  assert.equal(
    guest.packets.reduce((sum, { payload }) => sum + payload.length, 0),
    20_008,
  );
});

test('a session that is idle ends, one that is used does not', () => {
  const { clock, sockets, guest, net } = network();
  guest.sendDatagram(OUTSIDE, 1, bytesOf('x'), 4000);
  guest.sendDatagram(OUTSIDE, 2, bytesOf('x'), 4000);
  guest.sendDatagram(OUTSIDE, 53, bytesOf('x'), 4000);
  clock.advance(100 * SECOND);
  assert.deepEqual(
    sockets.datagramSockets.map(({ isClosed }) => isClosed),
    [false, false, true],
  );
  clock.advance(150 * SECOND);
  sockets.datagramSockets[1].events.received(bytesOf('y'));
  clock.advance(150 * SECOND);
  assert.deepEqual(
    sockets.datagramSockets.map(({ isClosed }) => isClosed),
    [true, false, true],
  );
  clock.advance(200 * SECOND);
  assert.equal(net.sizes.udp, 0);
});

test('of too many sessions the one idle for longest ends', () => {
  const { sockets, guest, net } = network();
  for (let i = 0; i < 256; i++) guest.sendDatagram(OUTSIDE, 9, bytesOf('x'), 4000 + i);
  guest.sendDatagram(OUTSIDE, 9, bytesOf('x'), 4000);
  guest.sendDatagram(OUTSIDE, 9, bytesOf('x'), 5000);
  assert.equal(net.sizes.udp, 256);
  assert.deepEqual(
    sockets.datagramSockets.slice(0, 2).map(({ isClosed }) => isClosed),
    [false, true],
  );
});

test('nobody there is told to the guest, and so is what may not be reached', () => {
  const { sockets, guest } = network({ transport: 'udp', port: 53 });
  guest.sendDatagram(OUTSIDE, 9, bytesOf('x'), 4000);
  sockets.datagramSockets[0].events.unreachable();
  const kinds = (): number[][] => guest.packets.map(({ payload }) => [payload[0], payload[1]]);
  assert.deepEqual(kinds(), [[3, 3]]);
  guest.sendDatagram(LOOPBACK, 53, bytesOf('x'));
  guest.sendDatagram(parseIpv4('169.254.169.254') as number, 80, bytesOf('x'));
  guest.sendDatagram(GATEWAY, 54, bytesOf('x'));
  assert.deepEqual(kinds().slice(1), [
    [3, 13],
    [3, 13],
    [3, 3],
  ]);
  assert.equal(sockets.datagramSockets.length, 1);
  guest.sendDatagram(GATEWAY, 53, bytesOf('x'));
  assert.deepEqual(sockets.datagramSockets[1].to, { address: LOOPBACK, port: 53, isHost: true });
});

test('forwarded datagrams reach the guest from the gateway, each sender by a port of its own, and answers return', async () => {
  const { clock, sockets, guest, net } = network();
  const to = { address: FIRST_GUEST, port: 53 };
  await net.forward({ transport: 'udp', host: { address: '127.0.0.1', port: 5353 }, guest: to });
  for (const [peer, text] of [
    ['p', 'one'],
    ['q', 'two'],
    ['p', 'three'],
  ])
    sockets.receivedDatagram?.(peer, bytesOf(text));
  const datagrams = guest.packets.map((packet) => parseUdp(packet));
  assert.deepEqual(
    datagrams.map((datagram) => textOf([datagram?.payload as Uint8Array])),
    ['one', 'two', 'three'],
  );
  const [first, second, third] = datagrams.map((datagram) => datagram?.sourcePort as number);
  assert.equal(first, third);
  assert.notEqual(first, second);
  assert(guest.packets.every(({ source }) => source === GATEWAY));
  guest.sendDatagram(GATEWAY, second, bytesOf('answer'), 53);
  assert.deepEqual(sockets.replies, [{ peer: 'q', bytes: bytesOf('answer') }]);
  clock.advance(400 * SECOND);
  assert.deepEqual(sockets.forgotten.sort(), ['p', 'q']);
});
