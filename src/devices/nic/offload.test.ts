import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generator } from '../../base/test-random.ts';
import {
  fillIpv4Checksum,
  fillTransportChecksum,
  insertChecksum,
  ipv4Headers,
  isIpv4ChecksumGood,
  isTransportChecksumGood,
  readBig16,
  type Segmentation,
  segment,
  sumOf,
} from './offload.ts';
import { patched, TCP_FRAME, tagged, UDP_FRAME } from './test-nic.ts';

const FRAMES = { UDP: UDP_FRAME, TCP: TCP_FRAME } as const;
/** IPv4's checksum, UDP's, TCP's. */
const CHECKSUM_AT = { ip: 24, UDP: 40, TCP: 50 } as const;

test("the sum is RFC 1071's example's, and an odd byte counts as the high one", () => {
  assert.equal(sumOf(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7), 0, 8), 0xddf2);
  assert.equal(sumOf(Uint8Array.of(0x12, 0x34, 0x56), 0, 3), 0x6834);
});

for (const [name, frame] of Object.entries(FRAMES)) {
  test(`${name}: good checksums are found good, and damage is found`, () => {
    const headers = ipv4Headers(frame);
    assert(headers);
    assert.equal(headers.transport, name.toLowerCase());
    assert.deepEqual([headers.ipAt, headers.transportAt, headers.end], [14, 34, frame.length]);
    assert.equal(isIpv4ChecksumGood(frame, headers), true);
    assert.equal(isTransportChecksumGood(frame, headers), true);
    assert.equal(isIpv4ChecksumGood(patched(frame, 22, 63), headers), false);
    assert.equal(isTransportChecksumGood(patched(frame, frame.length - 1, 0), headers), false);
  });

  test(`${name}: checksums are filled in whatever was there`, () => {
    const at = CHECKSUM_AT[name as keyof typeof FRAMES];
    const blank = patched(patched(frame, CHECKSUM_AT.ip, 0xaa, 0xbb), at, 0xcc, 0xdd);
    const headers = ipv4Headers(blank);
    assert(headers);
    fillIpv4Checksum(blank, headers);
    fillTransportChecksum(blank, headers);
    assert.deepEqual(blank, frame);
  });

  test(`${name}: a VLAN tag in front changes nothing`, () => {
    const long = tagged(frame, 5);
    const headers = ipv4Headers(long);
    assert(headers);
    assert.equal(isIpv4ChecksumGood(long, headers) && isTransportChecksumGood(long, headers), true);
  });
}

test('a checksum on top of the pseudo header that the driver left there is the same', () => {
  const pseudo = sumOf(TCP_FRAME, 26, 34, 6 + TCP_FRAME.length - 34);
  const frame = patched(TCP_FRAME, CHECKSUM_AT.TCP, pseudo >> 8, pseudo & 0xff);
  insertChecksum(frame, 34, frame.length, CHECKSUM_AT.TCP, false);
  assert.deepEqual(frame, TCP_FRAME);
});

test('a checksum of zero is sent as ones where zero means that there is none', () => {
  const bytes = Uint8Array.of(0xff, 0xff, 0, 0);
  insertChecksum(bytes, 0, 4, 2, true);
  assert.equal(readBig16(bytes, 2), 0xffff);
  bytes.fill(0, 2);
  insertChecksum(bytes, 0, 4, 2, false);
  assert.equal(readBig16(bytes, 2), 0);
});

test('UDP without a checksum is good', () => {
  const frame = patched(UDP_FRAME, CHECKSUM_AT.UDP, 0, 0);
  const headers = ipv4Headers(frame);
  assert(headers && isTransportChecksumGood(frame, headers));
});

test('what is cut off, no IPv4 or a fragment has no transport header', () => {
  assert.equal(ipv4Headers(UDP_FRAME.subarray(0, 33)), undefined, 'cut off');
  assert.equal(ipv4Headers(patched(UDP_FRAME, 12, 0x86, 0xdd)), undefined, 'IPv6');
  assert.equal(ipv4Headers(patched(UDP_FRAME, 14, 0x44)), undefined, 'header too short');
  assert.equal(ipv4Headers(patched(UDP_FRAME, 16, 0xff)), undefined, 'longer than the frame');
  assert.equal(ipv4Headers(patched(UDP_FRAME, 20, 0x20))?.transport, undefined, 'fragment');
  assert.equal(ipv4Headers(patched(UDP_FRAME, 23, 1))?.transport, undefined, 'ICMP');
});

const PLAN: Segmentation = {
  headerBytes: 54,
  mss: 100,
  ipAt: 14,
  ipVersion: 4,
  transportAt: 34,
  transport: 'tcp',
};

function bigPacket(dataBytes: number): Uint8Array {
  const packet = new Uint8Array(54 + dataBytes);
  packet.set(TCP_FRAME.subarray(0, 54));
  for (let i = 54; i < packet.length; i++) packet[i] = i * 3;
  packet[47] = 0x19; // ACK, PSH, FIN
  return packet;
}

function segments(packet: Uint8Array, plan: Partial<Segmentation> = {}): Uint8Array[] {
  const frames: Uint8Array[] = [];
  segment(packet, { ...PLAN, ...plan }, (frame) => frames.push(frame));
  return frames;
}

test('a long packet becomes frames with lengths, identifications, sequence numbers and flags of their own', () => {
  const packet = bigPacket(250);
  const frames = segments(packet);
  assert.deepEqual(
    frames.map((frame) => frame.length),
    [154, 154, 104],
  );
  assert.deepEqual(Buffer.concat(frames.map((frame) => frame.subarray(54))), Buffer.from(packet.subarray(54)));
  assert.deepEqual(
    frames.map((frame) => readBig16(frame, 16)),
    [140, 140, 90],
  );
  assert.deepEqual(
    frames.map((frame) => readBig16(frame, 18)),
    [0x1234, 0x1235, 0x1236],
  );
  assert.deepEqual(
    frames.map((frame) => readBig16(frame, 40)),
    [0x0304, 0x0304 + 100, 0x0304 + 200],
  );
  assert.deepEqual(
    frames.map((frame) => frame[47]),
    [0x10, 0x10, 0x19],
  );
});

test('IPv6 has another length field; UDP has one of its own', () => {
  const six = segments(bigPacket(250), { ipVersion: 6, transportAt: 54, headerBytes: 74 });
  assert.deepEqual(
    six.map((frame) => readBig16(frame, 18)),
    [120, 120, 50],
  );
  const udp = segments(bigPacket(250), { transport: 'udp', headerBytes: 42 });
  assert.deepEqual(
    udp.map((frame) => readBig16(frame, 38)),
    [108, 108, 70],
  );
});

test('nonsense is not segmented', () => {
  for (const plan of [{ mss: 0 }, { mss: 15 }, { headerBytes: 53 }, { headerBytes: 304 }, { transportAt: 33 }]) {
    assert.deepEqual(segments(bigPacket(250), plan), [], JSON.stringify(plan));
  }
});

test('noise is borne', () => {
  const random = generator(0x1357_9bdf);
  for (let i = 0; i < 20_000; i++) {
    const noise = Uint8Array.from({ length: random(120) }, () => random(256));
    if (random(2)) noise.set(TCP_FRAME.subarray(0, Math.min(random(40), noise.length)));
    const headers = ipv4Headers(noise, random(2) === 0);
    if (headers) {
      assert(headers.end <= noise.length && headers.transportAt <= headers.end);
      fillIpv4Checksum(noise, headers);
      assert(isIpv4ChecksumGood(noise, headers));
      if (headers.transport) fillTransportChecksum(noise, headers);
      if (headers.transport) assert(isTransportChecksumGood(noise, headers));
    }
  }
});
