import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GATEWAY, NAME_SERVER, parseIpv4 } from '../addresses.ts';
import { parseOpen } from '../options.ts';
import type { HostStreamEvents } from '../sockets.ts';
import { bytesOf, TestClock, TestGuest, TestSockets, TestStream, testRandom, textOf } from '../test-network.ts';
import { UserNetwork } from '../user-network.ts';
import { resetFor } from './relay.ts';
import { ACK, RST, type Segment, SYN } from './segment.ts';

const MS = 1_000_000;
const SECOND = 1000 * MS;
const OUTSIDE = 0x5db8_d822;
/** Events of a stream whose other end nobody looks at. */
const nobody: HostStreamEvents = {
  opened: () => {},
  received: () => {},
  ended: () => {},
  drained: () => {},
  closed: () => {},
};

function network(...opened: string[]) {
  const clock = new TestClock();
  const sockets = new TestSockets();
  const services = opened.map((text) => parseOpen(text) as Exclude<ReturnType<typeof parseOpen>, { problem: string }>);
  const net = new UserNetwork({ clock, sockets, random: testRandom(1), opened: services });
  const guest = new TestGuest(net, clock);
  net.attach(guest);
  guest.greet();
  return { clock, sockets, net, guest };
}

/** A wire on which frames of the guest arrive after those who sent them have returned. */
function delay({ guest, clock }: ReturnType<typeof network>): void {
  guest.uplink = (frame, arrive) => clock.timer(() => arrive(frame)).arm(clock.now());
}

test('the guest is answered when the host has connected, and not before', () => {
  const { sockets, guest, net } = network();
  const tcp = guest.connect(OUTSIDE, 80, 1024);
  const [stream] = sockets.streams;
  assert.deepEqual(stream.to, { address: OUTSIDE, port: 80, isHost: false });
  assert.equal(guest.segments.length, 0);
  assert(net.isWaiting);
  stream.open();
  assert.deepEqual(tcp.log, ['opened']);
});

test('bytes and ends go both ways, each side when it ends', () => {
  const { clock, sockets, guest, net } = network();
  const tcp = guest.connect(OUTSIDE, 80, 1024);
  const [stream] = sockets.streams;
  stream.open();
  tcp.connection.write(bytesOf('question'));
  tcp.connection.end();
  assert.equal(stream.text, 'question');
  assert(stream.hasEnded);
  stream.events.received(bytesOf('answer'));
  assert.equal(textOf(tcp.chunks), 'answer', 'half of the connection is open still');
  stream.events.ended();
  stream.events.closed(undefined);
  assert.deepEqual(tcp.log, ['opened', 'ended', 'done']);
  assert(!stream.isDestroyed);
  clock.advance(100 * SECOND);
  assert.equal(net.sizes.tcp, 0);
  assert(!net.isWaiting);
});

for (const [problem, kind] of [
  ['refused', 'reset'],
  ['unreachable', 'message'],
  ['timeout', 'message'],
] as const) {
  test(`a host that cannot connect (${problem}) gives the guest a ${kind}`, () => {
    const { sockets, guest, net } = network();
    const tcp = guest.connect(OUTSIDE, 80, 1024);
    sockets.streams[0].events.closed(problem);
    if (kind === 'reset') {
      assert.deepEqual(tcp.log, ['released', 'reset']);
    } else {
      const { protocol, payload } = guest.packets[0];
      assert.deepEqual([protocol, payload[0], payload[1]], [1, 3, 1]);
      assert.equal((payload[8 + 20] << 8) | payload[8 + 21], 1024, 'it is about the port that asked');
    }
    assert.equal(net.sizes.tcp, 0);
  });
}

test('a reset of the guest resets the stream, and the other way round', () => {
  const { sockets, guest, net } = network();
  const first = guest.connect(OUTSIDE, 80, 1024);
  sockets.streams[0].open();
  first.connection.abort();
  assert(sockets.streams[0].isDestroyed);
  const second = guest.connect(OUTSIDE, 80, 1025);
  sockets.streams[1].open();
  sockets.streams[1].events.closed('reset');
  assert.deepEqual(second.log, ['opened', 'released', 'reset']);
  assert.equal(net.sizes.tcp, 0);
});

test('a guest that gives up before the host has connected leaves nothing', () => {
  const { sockets, guest, net } = network();
  const ports = { sourcePort: 1024, destinationPort: 80 };
  const empty = { window: 0, payload: new Uint8Array(0), acknowledgment: 0 };
  guest.sendSegment(OUTSIDE, { ...ports, ...empty, sequence: 1, flags: SYN });
  guest.sendSegment(OUTSIDE, { ...ports, ...empty, sequence: 77, flags: RST });
  assert.equal(net.sizes.tcp, 1, 'it has to fit');
  guest.sendSegment(OUTSIDE, { ...ports, ...empty, sequence: 2, flags: RST });
  assert.equal(net.sizes.tcp, 0);
  assert(sockets.streams[0].isDestroyed);
});

test('a host that does not take the bytes stops the guest; bytes flow on when it does', () => {
  const { clock, sockets, guest } = network();
  const tcp = guest.connect(OUTSIDE, 80, 1024);
  const [stream] = sockets.streams;
  stream.open();
  stream.isSlow = true;
  tcp.connection.write(new Uint8Array(4 << 20));
  clock.advance(10 * SECOND);
  const stopped = stream.pendingBytes;
  assert(stopped > 100_000 && stopped <= 512 * 1024, `${stopped}`);
  clock.advance(100 * SECOND);
  assert(stream.pendingBytes <= stopped + 10, 'probes apart');
  for (let i = 0; i < 100; i++) {
    stream.drain();
    clock.advance(SECOND);
  }
  assert.equal(tcp.connection.queuedBytes, 0);
  assert.equal(
    stream.written.reduce((sum, { length }) => sum + length, 0),
    4 << 20,
  );
});

test('a guest that does not read pauses the stream; it is resumed when half is gone', () => {
  const { clock, sockets, guest } = network();
  const tcp = guest.connect(OUTSIDE, 80, 1024);
  const [stream] = sockets.streams;
  stream.open();
  tcp.room.unread = guest.capacityBytes;
  let given = 0;
  while (!stream.isPaused) {
    stream.events.received(new Uint8Array(10_000));
    given += 10_000;
    assert(given < 4 << 20);
  }
  clock.advance(3600 * SECOND);
  assert(stream.isPaused, 'however long it takes');
  tcp.room.unread = 0;
  tcp.connection.consumed();
  clock.advance(100 * SECOND);
  assert(!stream.isPaused);
  assert.equal(
    tcp.chunks.reduce((sum, { length }) => sum + length, 0),
    given,
  );
});

test('a forwarded connection reaches the guest from the gateway', async () => {
  const bench = network();
  delay(bench);
  const { clock, sockets, guest, net } = bench;
  const accepted: { log: string[]; chunks: Uint8Array[] }[] = [];
  guest.listen(22, (tcp) => accepted.push(tcp));
  await net.forward({
    transport: 'tcp',
    host: { address: '127.0.0.1', port: 8022 },
    guest: { address: guest.address, port: 22 },
  });
  const events = sockets.accept?.(new TestStream(undefined, nobody));
  clock.advance(SECOND);
  events?.received(bytesOf('SSH-2.0'));
  assert.deepEqual(accepted[0].log, ['opened']);
  assert.equal(textOf(accepted[0].chunks), 'SSH-2.0');
  assert.equal(guest.packets[0].source, GATEWAY);
});

test('a forwarded connection that the guest refuses is reset', async () => {
  const { clock, sockets, guest, net } = network();
  await net.forward({
    transport: 'tcp',
    host: { address: '127.0.0.1', port: 8022 },
    guest: { address: guest.address, port: 22 },
  });
  const stream = new TestStream(undefined, nobody);
  sockets.accept?.(stream);
  const syn = guest.segments[0];
  const reset = resetFor(syn, 1) as Segment;
  guest.sendSegment(GATEWAY, reset);
  assert(stream.isDestroyed);
  clock.advance(SECOND);
  assert.equal(net.sizes.tcp, 0);
});

test('services of the host are refused unless they are opened, each by protocol and port', () => {
  const bench = network('tcp:8080', 'udp:9090');
  delay(bench);
  const { clock, sockets, guest } = bench;
  let port = 2000;
  const tried = (address: number | undefined, toPort: number): string[] => {
    const tcp = guest.connect(address as number, toPort, port++);
    clock.advance(MS);
    return tcp.log;
  };
  assert.deepEqual(tried(GATEWAY, 8080), []);
  assert.deepEqual(sockets.streams[0].to, { address: parseIpv4('127.0.0.1'), port: 8080, isHost: true });
  sockets.own.add(parseIpv4('192.0.2.7') as number);
  for (const [address, toPort] of [
    [GATEWAY, 9090],
    [GATEWAY, 22],
    [NAME_SERVER, 8080],
    [parseIpv4('127.0.0.1'), 8080],
    [parseIpv4('127.1.2.3'), 8080],
    [parseIpv4('0.0.0.0'), 8080],
    [parseIpv4('192.0.2.7'), 8080],
    [parseIpv4('169.254.169.254'), 80],
    [parseIpv4('224.0.0.1'), 80],
    [parseIpv4('10.0.2.99'), 80],
  ] as const) {
    assert.deepEqual(tried(address, toPort), ['released', 'reset'], `${address}:${toPort}`);
  }
  assert.equal(sockets.streams.length, 1);
});

test('a segment that belongs to nothing is answered as it should be (RFC 9293 §3.10.7.1)', () => {
  const segment = {
    sourcePort: 1,
    destinationPort: 2,
    sequence: 10,
    acknowledgment: 20,
    window: 0,
    payload: new Uint8Array(3),
  };
  const toSyn = resetFor({ ...segment, flags: SYN }, 4);
  assert.deepEqual([toSyn?.flags, toSyn?.sequence, toSyn?.acknowledgment], [RST | ACK, 0, 14]);
  const toAck = resetFor({ ...segment, flags: ACK }, 3);
  assert.deepEqual([toAck?.flags, toAck?.sequence], [RST, 20]);
  assert.equal(resetFor({ ...segment, flags: RST }, 3), undefined);
});
