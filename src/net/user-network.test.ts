import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FIRST_GUEST, GATEWAY, GATEWAY_MAC, NAME_SERVER, NETWORK } from './addresses.ts';
import { checksum, onesSum, put16 } from './bytes.ts';
import { BROADCAST_MAC, putEthernetHeader, TYPE_IPV4 } from './ethernet.ts';
import { HEADROOM_BYTES, ipv4Frames, PROTOCOL_ICMP } from './ipv4.ts';
import type { DropReason } from './statistics.ts';
import { bytesOf, GUEST_MAC, TestClock, TestGuest, TestSockets, testRandom } from './test-network.ts';
import { UserNetwork } from './user-network.ts';

const OUTSIDE = 0x5db8_d822;

function network() {
  const clock = new TestClock();
  const sockets = new TestSockets();
  const captured: Uint8Array[] = [];
  let delivered = 0;
  const net = new UserNetwork({
    clock,
    sockets,
    random: testRandom(1),
    capture: (frame) => captured.push(frame.slice()),
    delivered: () => delivered++,
  });
  const guest = new TestGuest(net, clock);
  net.attach(guest);
  guest.greet();
  return { clock, sockets, net, guest, captured, delivered: () => delivered };
}

function echo(length = 56): Uint8Array {
  const packet = Uint8Array.from({ length: HEADROOM_BYTES + 8 + length }, (_, i) => i);
  packet[HEADROOM_BYTES] = 8;
  packet[HEADROOM_BYTES + 1] = 0;
  put16(packet, HEADROOM_BYTES + 2, 0);
  put16(packet, HEADROOM_BYTES + 2, checksum(packet, HEADROOM_BYTES));
  return packet;
}

/** A whole frame of an echo, its IPv4 header changed by `change`. */
function changed(change: (ip: Uint8Array) => void): Uint8Array {
  const header = { source: FIRST_GUEST, destination: GATEWAY, protocol: PROTOCOL_ICMP, identification: 1 };
  const [frame] = ipv4Frames(echo(), header);
  putEthernetHeader(frame, GATEWAY_MAC, GUEST_MAC, TYPE_IPV4);
  const ip = frame.subarray(14);
  change(ip);
  put16(ip, 10, 0);
  put16(ip, 10, checksum(ip.subarray(0, 20)));
  return frame;
}

test('gateway and name server answer echoes, with the same data, from inside the call', () => {
  for (const destination of [GATEWAY, NAME_SERVER]) {
    const { guest } = network();
    guest.sendPacket(echo(), destination, PROTOCOL_ICMP);
    const { source, payload } = guest.packets[0];
    assert.equal(source, destination);
    assert.equal(payload[0], 0);
    assert.equal(onesSum(payload), 0xffff);
    assert.deepEqual(payload.subarray(4), echo().subarray(HEADROOM_BYTES + 4));
  }
});

test('echoes to others are answered with the reason why not', () => {
  for (const [destination, code] of [
    [OUTSIDE, 13],
    [NETWORK + 77, 1],
  ]) {
    const { guest } = network();
    guest.sendPacket(echo(), destination, PROTOCOL_ICMP);
    const { source, payload } = guest.packets[0];
    assert.deepEqual([source, payload[0], payload[1]], [GATEWAY, 3, code]);
  }
});

test('a packet whose time is over is told to be so, further than the gateway', () => {
  const { guest, net } = network();
  const old = (destination: number[], ttl: number): void =>
    guest.sendFrame(
      changed((ip) => {
        ip.set(destination, 16);
        ip[8] = ttl;
      }),
    );
  old([10, 0, 2, 2], 1);
  assert.equal(guest.packets[0].payload[0], 0, 'the gateway is reached');
  old([8, 8, 8, 8], 1);
  assert.deepEqual([guest.packets[1].source, guest.packets[1].payload[0]], [GATEWAY, 11]);
  assert.equal(net.statistics.dropped.unreachable, 1);
});

test('a guest that has said nothing is asked for its address before it gets a frame', async () => {
  const clock = new TestClock();
  const sockets = new TestSockets();
  const net = new UserNetwork({ clock, sockets, random: testRandom(1) });
  const guest = new TestGuest(net, clock);
  net.attach(guest);
  await net.forward({ transport: 'udp', host: { address: '', port: 1 }, guest: { address: FIRST_GUEST, port: 7 } });
  sockets.receivedDatagram?.('peer', bytesOf('first'));
  assert.equal(guest.packets.length, 1, 'it waited for the answer');
});

test('each kind of frame that leads nowhere is counted as such, and changes nothing', () => {
  const cases: [DropReason, Uint8Array][] = [
    ['length', new Uint8Array(13)],
    ['length', new Uint8Array(1519)],
    ['station', new Uint8Array(60)],
    ['station', Uint8Array.from({ length: 60 }, (_, i) => (i < 12 ? GATEWAY_MAC[i % 6] : 0))],
    ['type', Uint8Array.of(...BROADCAST_MAC, ...GUEST_MAC, 0x86, 0xdd, ...new Uint8Array(60))],
    ['malformed', Uint8Array.of(...BROADCAST_MAC, ...GUEST_MAC, 0x08, 0x06, ...new Uint8Array(60))],
    ['malformed', Uint8Array.of(...GATEWAY_MAC, ...GUEST_MAC, 0x08, 0x00, ...new Uint8Array(60))],
    ['source', changed((ip) => ip.set([10, 0, 2, 2], 12))],
    ['source', changed((ip) => ip.set([8, 8, 8, 8], 12))],
    ['source', changed((ip) => ip.set([0, 0, 0, 0], 12))],
    ['unreachable', changed((ip) => ip.set([255, 255, 255, 255], 16))],
    ['unreachable', changed((ip) => ip.set([10, 0, 2, 255], 16))],
    ['protocol', changed((ip) => (ip[9] = 47))],
    ['malformed', changed((ip) => (ip[9] = 6))],
    ['malformed', changed((ip) => (ip[9] = 17))],
    ['malformed', changed((ip) => (ip[20] = 9))],
  ];
  for (const [reason, frame] of cases) {
    const { net, guest } = network();
    guest.sendFrame(frame);
    assert.equal(net.statistics.dropped[reason], 1, reason);
    assert.equal(
      Object.values(net.statistics.dropped).reduce((sum, count) => sum + count, 0),
      1,
      reason,
    );
    assert.equal(guest.packets.length, 0, reason);
  }
});

test('every frame that travels is captured, once, and each that arrives is told', () => {
  const { guest, captured, delivered } = network();
  guest.sendPacket(echo(), GATEWAY, PROTOCOL_ICMP);
  assert.equal(captured.length, 4, 'ARP and echo, both ways');
  assert.deepEqual(captured[3], guest.frames[1]);
  assert.equal(delivered(), 2);
});

test('after a reset nothing of before is left, and nothing was said of it', async () => {
  const { guest, net, sockets } = network();
  guest.connect(OUTSIDE, 80, 1024);
  sockets.streams[0].open();
  guest.sendDatagram(OUTSIDE, 9, bytesOf('x'));
  const before = guest.frames.length;
  net.reset();
  assert.equal(guest.frames.length, before);
  assert(sockets.streams[0].isDestroyed && sockets.datagramSockets[0].isClosed);
  assert(!net.isWaiting);
  guest.greet();
  guest.sendPacket(echo(), GATEWAY, PROTOCOL_ICMP);
  assert.equal(guest.frames.length, before + 2, 'it goes on');
});

test('a network that is closed is silent', () => {
  const { guest, net } = network();
  net.close();
  const before = guest.frames.length;
  guest.greet();
  assert.equal(guest.frames.length, before);
});
