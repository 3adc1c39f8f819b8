import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ETHERNET_HEADER_BYTES } from '../base/network.ts';
import { FIRST_GUEST, GATEWAY, GATEWAY_MAC, NAME_SERVER } from './addresses.ts';
import { checksum, get16, put16 } from './bytes.ts';
import { payloadOf, putEthernetHeader, TYPE_IPV4 } from './ethernet.ts';
import {
  HEADROOM_BYTES,
  ipv4Frames,
  PROTOCOL_ICMP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  parseIpv4Packet,
  pseudoHeaderSum,
} from './ipv4.ts';
import { lengthOf, parseTcp, type Segment, tcpPacket } from './tcp/segment.ts';
import { bytesOf, GUEST_MAC, TestClock, TestGuest, TestSockets, testRandom } from './test-network.ts';
import { udpPacket } from './udp.ts';
import { UserNetwork } from './user-network.ts';

const MS = 1_000_000;
const FRAMES = 1_000_000;

/** What real guests send, to be damaged: ARP, DHCP, DNS, echo, UDP, TCP in all its flags, fragments. */
function seeds(random: () => number): Uint8Array[] {
  const frames: Uint8Array[] = [];
  const guest = new TestGuest({ send: (frame) => frames.push(frame.slice()) }, new TestClock());
  guest.greet();
  guest.sendDatagram(NAME_SERVER, 53, Uint8Array.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 97, 0, 0, 1, 0, 1]));
  guest.sendDatagram(0x0808_0808, 123, bytesOf('time?'));
  guest.sendDatagram(0x0808_0808, 9, new Uint8Array(4000));
  const dhcp = new Uint8Array(300);
  dhcp.set([1, 1, 6]);
  dhcp.set(GUEST_MAC, 28);
  dhcp.set([0x63, 0x82, 0x53, 0x63, 53, 1, 1, 50, 4, 10, 0, 2, 15, 61, 3, 1, 2, 3, 255], 236);
  guest.sendDatagram(0xffff_ffff, 67, dhcp, 68);
  const echo = new Uint8Array(HEADROOM_BYTES + 64);
  echo[HEADROOM_BYTES] = 8;
  put16(echo, HEADROOM_BYTES + 2, checksum(echo, HEADROOM_BYTES));
  guest.sendPacket(echo, GATEWAY, PROTOCOL_ICMP);
  for (let flags = 0; flags < 32; flags++) {
    for (const destination of [GATEWAY, NAME_SERVER, 0x5db8_d822]) {
      guest.sendSegment(destination, {
        sourcePort: 1024 + (random() % 8),
        destinationPort: destination === NAME_SERVER ? 53 : 80,
        sequence: 1000 + (random() % 4),
        acknowledgment: random(),
        flags,
        window: random() & 0xffff,
        mss: random() & 0xffff,
        windowScale: random() & 0xff,
        payload: new Uint8Array(random() % 100),
      });
    }
  }
  return frames;
}

/** Puts right what a hostile guest would put right, too, so that more than the first check is met. */
function repair(frame: Uint8Array): void {
  if (frame.length < HEADROOM_BYTES || get16(frame, 12) !== TYPE_IPV4) return;
  const ip = frame.subarray(ETHERNET_HEADER_BYTES);
  const headerBytes = (ip[0] & 15) * 4;
  if (headerBytes < 20 || headerBytes > ip.length) return;
  put16(ip, 2, Math.min(ip.length, 1500));
  put16(ip, 10, 0);
  put16(ip, 10, checksum(ip.subarray(0, headerBytes)));
  const payload = ip.subarray(headerBytes, 1500);
  const at = { [PROTOCOL_TCP]: 16, [PROTOCOL_UDP]: 6, [PROTOCOL_ICMP]: 2 }[ip[9]];
  if (at === undefined || payload.length < at + 2) return;
  if (ip[9] === PROTOCOL_UDP) put16(payload, 4, payload.length);
  put16(payload, at, 0);
  const view = new DataView(ip.buffer, ip.byteOffset);
  const pseudo = pseudoHeaderSum(view.getUint32(12), view.getUint32(16), ip[9], payload.length);
  put16(payload, at, checksum(payload, 0, ip[9] === PROTOCOL_ICMP ? 0 : pseudo));
}

test('a million random and damaged frames end in no exception, and in bounded tables', {
  timeout: 600_000,
}, async () => {
  const random = testRandom(20_261_121);
  const templates = seeds(random);
  const clock = new TestClock();
  const sockets = new TestSockets();
  const network = new UserNetwork({ clock, sockets, random, opened: [{ transport: 'tcp', port: 80 }] });
  /** Takes frames, now and then, and forgets them. */
  const card = {
    mac: GUEST_MAC,
    canReceive: true,
    onReady: undefined as (() => void) | undefined,
    taken: 0,
    last: undefined as Segment | undefined,
    receive(frame: Uint8Array): boolean {
      if (!this.canReceive) return false;
      this.taken++;
      const packet = parseIpv4Packet(payloadOf(frame));
      if (packet?.protocol === PROTOCOL_TCP) {
        this.last = parseTcp(packet);
        this.from = packet.source;
      }
      return true;
    },
    from: 0,
  };
  network.attach(card);
  /** What a guest could answer to the last segment, near enough to be taken for it. */
  const reply = (): Uint8Array | undefined => {
    if (card.last === undefined) return undefined;
    const { sourcePort, destinationPort, sequence, acknowledgment } = card.last;
    const segment = {
      sourcePort: destinationPort,
      destinationPort: sourcePort,
      sequence: (acknowledgment + (random() % 4 === 0 ? random() % 3000 : 0)) >>> 0,
      acknowledgment: (sequence + lengthOf(card.last) - (random() % 4 === 0 ? random() % 3000 : 0)) >>> 0,
      flags: random() % 8 === 0 ? random() & 31 : 16 | (random() % 16 === 0 ? 1 : 0),
      window: random() % 4 === 0 ? random() % 100 : 60_000,
      payload: new Uint8Array(random() % 2 === 0 ? 0 : random() % 1460),
    };
    const header = {
      source: FIRST_GUEST,
      destination: card.from,
      protocol: PROTOCOL_TCP,
      identification: random() & 0xffff,
    };
    const [frame] = ipv4Frames(tcpPacket(segment, FIRST_GUEST, card.from), header);
    putEthernetHeader(frame, GATEWAY_MAC, GUEST_MAC, TYPE_IPV4);
    return frame;
  };
  const states = new Set<string>();
  const mutate = (): Uint8Array => {
    const dice = random() % 16;
    if (dice === 0) return Uint8Array.from({ length: random() % 1600 }, () => random());
    if (dice > 9) return reply() ?? new Uint8Array(0);
    const frame = (templates[random() % templates.length] as Uint8Array).slice();
    if (dice === 1) return frame.subarray(0, random() % (frame.length + 1));
    for (let i = random() % 4; i > 0; i--) frame[random() % frame.length] = random();
    if (dice > 3) repair(frame);
    return frame;
  };
  for (let i = 0; i < FRAMES; i++) {
    network.send(mutate());
    if (i % 1000 === 0) for (const state of network.tcpStates) states.add(state);
    if (i % 64 === 0) await Promise.resolve();
    if (i % 64 === 0) clock.advance((random() % 50) * MS);
    if (i % 101 === 0) {
      card.canReceive = !card.canReceive;
      if (card.canReceive) card.onReady?.();
    }
    if (i % 16 === 0) disturb(sockets, random);
    // The test's own memory is not what is measured.
    if (sockets.streams.length > 4096) sockets.streams.splice(0, 2048);
    if (sockets.datagramSockets.length > 4096) sockets.datagramSockets.splice(0, 2048);
    if (i % 50_000 === 0) {
      const sizes = network.sizes;
      assert(
        sizes.tcp <= 1024 && sizes.udp <= 256 && sizes.fragments <= 16 && sizes.queued <= 256,
        JSON.stringify(sizes),
      );
      assert(sizes.deadlines <= 3 * sizes.tcp + 2, JSON.stringify(sizes));
    }
  }
  const { sent, dropped } = network.statistics;
  assert.equal(sent, FRAMES);
  assert(card.taken > 10_000, 'frames were answered');
  assert(sockets.everConnected > 1000 && sockets.everAsked > 100, 'the inner parts were reached');
  for (const reason of [
    'length',
    'station',
    'type',
    'malformed',
    'source',
    'unreachable',
    'fragments',
    'protocol',
  ] as const) {
    assert(dropped[reason] > 0, reason);
  }
  for (const state of ['established', 'close-wait', 'fin-wait-1', 'fin-wait-2', 'time-wait', 'last-ack']) {
    assert(states.has(state), `${state} in ${[...states]}`);
  }
  network.close();
  assert.deepEqual(
    { ...network.sizes, fragments: 0 },
    { tcp: 0, udp: 0, tftp: 0, fragments: 0, queued: 0, deadlines: 2 },
  );
});

/** What hosts do: open, refuse, send, end and reset streams, answer or not. */
function disturb(sockets: TestSockets, random: () => number): void {
  const stream = sockets.streams[random() % Math.max(1, sockets.streams.length)];
  if (stream !== undefined && !stream.isDestroyed && !stream.isGone) {
    const dice = random() % 8;
    if (dice < 4 && !stream.isOpen) stream.open();
    else if (dice < 6 && stream.isOpen) stream.events.received(new Uint8Array(random() % 3000));
    else if (dice === 6 && stream.isOpen && !stream.isEnded) {
      stream.isEnded = true;
      stream.events.ended();
    } else if (dice === 7) {
      stream.isGone = true;
      stream.events.closed((['refused', 'unreachable', 'reset', undefined] as const)[random() % 4]);
    }
  }
  const socket = sockets.datagramSockets[random() % Math.max(1, sockets.datagramSockets.length)];
  if (socket !== undefined && !socket.isClosed) {
    if (random() % 4 === 0) socket.events.unreachable();
    else socket.events.received(new Uint8Array(random() % 5000));
  }
  const query = sockets.queries.shift();
  query?.answer(random() % 2 ? undefined : query.message);
}

test('fragments of the largest packets and a flood of SYNs stay within bounds', () => {
  const clock = new TestClock();
  const sockets = new TestSockets();
  const network = new UserNetwork({ clock, sockets, random: testRandom(1) });
  const guest = new TestGuest(network, clock);
  network.attach(guest);
  guest.greet();
  for (let i = 0; i < 5000; i++) {
    const datagram = udpPacket(
      { sourcePort: 1, destinationPort: 2, payload: new Uint8Array(20_000) },
      FIRST_GUEST,
      GATEWAY,
    );
    const header = { source: FIRST_GUEST, destination: GATEWAY, protocol: PROTOCOL_UDP, identification: i };
    const [first] = ipv4Frames(datagram, header);
    putEthernetHeader(first, GATEWAY_MAC, GUEST_MAC, TYPE_IPV4);
    network.send(first);
    const syn = { sequence: i, acknowledgment: 0, flags: 2, window: 1000, payload: new Uint8Array(0) };
    const ports = { sourcePort: 1024 + i, destinationPort: 80 };
    guest.sendPacket(tcpPacket({ ...ports, ...syn }, FIRST_GUEST, 0x0808_0808), 0x0808_0808, PROTOCOL_TCP);
  }
  assert.equal(network.sizes.fragments, 16);
  assert.equal(network.sizes.tcp, 1024);
  assert.equal(network.statistics.dropped.limit, 5000 - 1024);
  assert.equal(guest.segments.length, 5000 - 1024, 'the others are refused');
});
