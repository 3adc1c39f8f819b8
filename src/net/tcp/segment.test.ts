import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HEADROOM_BYTES, type Ipv4Packet } from '../ipv4.ts';
import { ACK, FIN, lengthOf, PSH, parseTcp, type Segment, SYN, tcpPacket } from './segment.ts';

const SOURCE = 0x0a00_020f;
const DESTINATION = 0x0a00_0202;

function packetOf(bytes: Uint8Array): Ipv4Packet {
  return { source: SOURCE, destination: DESTINATION, payload: bytes } as Ipv4Packet;
}

function built(segment: Segment): Uint8Array {
  return tcpPacket(segment, SOURCE, DESTINATION).subarray(HEADROOM_BYTES);
}

const segment: Segment = {
  sourcePort: 40_000,
  destinationPort: 22,
  sequence: 0xffff_fffe,
  acknowledgment: 7,
  flags: ACK | PSH,
  window: 512,
  payload: Uint8Array.of(1, 2, 3),
};

test('what is built is read back', () => {
  assert.deepEqual(parseTcp(packetOf(built(segment))), segment);
  const syn = { ...segment, flags: SYN, mss: 1460, windowScale: 4, payload: new Uint8Array(0) };
  assert.deepEqual(parseTcp(packetOf(built(syn))), syn);
});

test('SYN and FIN take a number each', () => {
  assert.equal(lengthOf({ ...segment, flags: SYN | FIN }), 5);
});

test('every damaged bit is noticed', () => {
  const intact = built(segment);
  for (let bit = 0; bit < intact.length * 8; bit++) {
    const damaged = intact.slice();
    damaged[bit >> 3] ^= 1 << (bit & 7);
    assert.equal(parseTcp(packetOf(damaged)), undefined, `bit ${bit}`);
  }
});

test('options that are cut short, too long or of no length end the options', () => {
  const syn = { ...segment, flags: SYN, mss: 1460, windowScale: 4 };
  const repaired = (at: number, value: number): Ipv4Packet => {
    const bytes = built(syn);
    const word = at & ~1;
    const before = (bytes[word] << 8) | bytes[word + 1];
    bytes[at] = value;
    const after = (bytes[word] << 8) | bytes[word + 1];
    // The checksum, with the difference taken in (RFC 1624 §3).
    let sum = (~((bytes[16] << 8) | bytes[17]) & 0xffff) + (~before & 0xffff) + after;
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    bytes[16] = (~sum & 0xffff) >>> 8;
    bytes[17] = ~sum & 0xff;
    return packetOf(bytes);
  };
  for (const length of [0, 1, 255]) {
    const read = parseTcp(repaired(21, length));
    assert(read !== undefined);
    assert.deepEqual([read.mss, read.windowScale], [undefined, undefined]);
  }
  assert.equal(parseTcp(repaired(27, 200))?.windowScale, 14, 'no larger scale than there is');
});

test('headers that do not fit are refused', () => {
  assert.equal(parseTcp(packetOf(new Uint8Array(19))), undefined);
  assert.equal(parseTcp(packetOf(new Uint8Array(20))), undefined);
});
