import assert from 'node:assert/strict';
import { test } from 'node:test';
import { truncate } from '../../../base/bits.ts';
import { frameCheckSequence } from '../ethernet.ts';
import { ipv4Headers, isIpv4ChecksumGood, isTransportChecksumGood, sumOf } from '../offload.ts';
import {
  ALL_HOSTS,
  BROADCAST,
  enable,
  frameTo,
  MAC,
  NicBench,
  PEER,
  patched,
  storm,
  TCP_FRAME,
  tagged,
  UDP_FRAME,
} from '../test-nic.ts';
import { E1000 } from './e1000.ts';

const [CTRL, STATUS, EECD, EERD, MDIC, VET] = [0x00, 0x08, 0x10, 0x14, 0x20, 0x38];
const [ICR, ITR, ICS, IMS, IMC, RCTL, TCTL] = [0xc0, 0xc4, 0xc8, 0xd0, 0xd8, 0x100, 0x400];
const [RDBAL, RDBAH, RDLEN, RDH, RDT, RDTR, RADV] = [0x2800, 0x2804, 0x2808, 0x2810, 0x2818, 0x2820, 0x282c];
const [TDBAL, TDBAH, TDLEN, TDH, TDT, TIDV] = [0x3800, 0x3804, 0x3808, 0x3810, 0x3818, 0x3820];
const [RXCSUM, MTA, RA, VFTA] = [0x5000, 0x5200, 0x5400, 0x5600];
const [TXDW, TXQE, LSC, RXDMT0, RXT0] = [1, 2, 4, 0x10, 0x80];
const [RX_ON, UPE, MPE, BAM, VFE, SECRC] = [2, 8, 0x10, 0x8000, 0x4_0000, 0x400_0000];
const VME = 0x4000_0000;
const [EOP, IC, RS, DEXT, VLE, IDE, TSE] = [1, 4, 8, 0x20, 0x40, 0x80, 4];
const RX_RING = 0x2000;
const TX_RING = 0x4000;
const RX_BUFFERS = 0x1_0000;
const TX_BUFFERS = 0x8_0000;
const LENGTH = 16;

function bench() {
  const nic = new NicBench();
  const card = new E1000(nic.host);
  enable(card.config);
  return {
    nic,
    card,
    in: (at: number): number => truncate(card.read(at, 4), 4),
    out: (at: number, value: number): void => card.write(at, value >>> 0, 4),
  };
}

/** Both directions on, rings of 16, all but one receive descriptor the card's. */
function running(rctl = BAM) {
  const b = bench();
  const { nic, out, in: read } = b;
  out(RDBAL, RX_RING);
  out(RDLEN, LENGTH * 16);
  for (let i = 0; i < LENGTH; i++) nic.put32(RX_RING + 16 * i, RX_BUFFERS + 0x1000 * i, 0, 0, 0);
  out(TDBAL, TX_RING);
  out(TDLEN, LENGTH * 16);
  out(RCTL, RX_ON | rctl);
  out(TCTL, 2);
  out(RDT, LENGTH - 1);
  let tail = 0;
  const descriptor = (...words: number[]): void => {
    nic.put32(TX_RING + 16 * tail, ...words.map((word) => word >>> 0));
    tail = (tail + 1) % LENGTH;
  };
  const buffer = (data: Uint8Array): number => {
    nic.put(TX_BUFFERS + tail * 0x4000, data);
    return TX_BUFFERS + tail * 0x4000;
  };
  return {
    ...b,
    legacy: (data: Uint8Array, command = EOP | RS, extra = 0, high = 0) =>
      descriptor(buffer(data), 0, data.length | (command << 24) | extra, high),
    data: (data: Uint8Array, command = EOP | RS, options = 0, tag = 0) =>
      descriptor(buffer(data), 0, data.length | (1 << 20) | ((command | DEXT) << 24), (options << 8) | (tag << 16)),
    /** Over IPv4 and TCP without options; with an MSS for segmentation. */
    context: (payload = 0, mss = 0, command = 3) =>
      descriptor(
        14 | (24 << 8) | (33 << 16),
        34 | ((command & 1 ? 50 : 40) << 8),
        payload | ((command | DEXT | (mss ? TSE : 0)) << 24),
        (54 << 8) | (mss << 16),
      ),
    kick: () => out(TDT, tail),
    status: (index: number) => nic.memory.bytes[TX_RING + 16 * index + 12],
    /** Length, status and errors of a received descriptor. */
    received: (index: number) => [nic.u16(RX_RING + 16 * index + 8), nic.u16(RX_RING + 16 * index + 12)],
    counts: (...at: number[]) => at.map((offset) => read(offset)),
  };
}

test('it is an 82540EM with a link at 1000 Mb/s, its address in RA and EEPROM', () => {
  const { card, in: read, out } = bench();
  assert.equal(read(STATUS), 0x283);
  assert.deepEqual([read(RA), read(RA + 4)], [0x1200_5452, 0x8000_5634]);
  assert.deepEqual([...card.mac], [...MAC]);
  const word = (address: number): number => {
    out(EERD, (address << 8) | 1);
    assert.equal(read(EERD) & 0x10, 0x10);
    return read(EERD) >>> 16;
  };
  assert.deepEqual([0, 1, 2].map(word), [0x5452, 0x1200, 0x5634]);
  const sum = Array.from({ length: 64 }, (_, i) => word(i)).reduce((a, b) => a + b, 0);
  assert.equal(sum & 0xffff, 0xbaba);
});

test('the EEPROM can be shifted out of EECD, once it is granted', () => {
  const { in: read, out } = bench();
  assert.equal(read(EECD) & 0x180, 0x100);
  out(EECD, 0x40);
  assert.equal(read(EECD) & 0x180, 0x180);
  const clock = (bit: number): number => {
    out(EECD, 0x42 | (bit << 2));
    out(EECD, 0x43 | (bit << 2));
    return (read(EECD) >> 3) & 1;
  };
  for (const bit of [1, 1, 0, 0, 0, 0, 0, 0, 1]) clock(bit);
  assert.equal(
    Array.from({ length: 16 }, () => clock(0)).reduce((a, b) => a * 2 + b, 0),
    0x1200,
  );
});

test('MDIC reaches the PHY, and no other', () => {
  const { in: read, out } = bench();
  const manage = (phy: number, number: number, write?: number): number => {
    out(MDIC, (write ?? 0) | (number << 16) | (phy << 21) | ((write === undefined ? 2 : 1) << 26));
    return read(MDIC);
  };
  assert.deepEqual([manage(1, 2) & 0xffff, manage(1, 3) & 0xffff], [0x0141, 0x0c20]);
  assert.equal(manage(1, 1) & 0xffff, 0x796d);
  assert.equal(manage(1, 17) & 0xffff, 0xac00);
  assert.equal(manage(1, 2) >>> 28, 1);
  assert.equal(manage(2, 2) >>> 28, 5);
  manage(1, 4, 0x0101);
  assert.equal(manage(1, 4) & 0xffff, 0x0101);
  manage(1, 2, 0xffff);
  assert.equal(manage(1, 2) & 0xffff, 0x0141);
});

test('negotiating anew takes the link down and up again, each with an interrupt', () => {
  const { nic, card, in: read, out } = running();
  out(IMS, LSC);
  out(MDIC, 0x1340 | (1 << 21) | (1 << 26));
  assert.deepEqual([read(STATUS) & 2, nic.line.level, read(ICR), nic.line.level], [0, true, LSC, false]);
  assert.equal(card.receive(frameTo(MAC)), true, 'lost');
  out(MDIC, (17 << 16) | (1 << 21) | (2 << 26));
  assert.equal(read(MDIC) & 0x400, 0);
  nic.clock.advance(5_000_000);
  assert.deepEqual([read(STATUS) & 2, nic.line.level, read(ICR)], [2, true, LSC]);
  assert.equal(read(RDH), 0);
});

test('a reset of the rest does not hurry the link', () => {
  const { nic, in: read, out } = bench();
  out(CTRL, 0x8000_0000);
  out(CTRL, 0x0400_0000);
  assert.equal(read(STATUS) & 2, 0);
  nic.clock.advance(5_000_000);
  assert.equal(read(STATUS) & 2, 2);
});

test('a PHY without power has no link', () => {
  const { nic, in: read, out } = bench();
  out(MDIC, 0x1940 | (1 << 21) | (1 << 26));
  assert.equal(read(STATUS) & 2, 0);
  out(MDIC, 0x1140 | (1 << 21) | (1 << 26));
  nic.clock.advance(5_000_000);
  assert.equal(read(STATUS) & 2, 2);
});

test('legacy descriptors: whole frames, and in parts, around the ring', () => {
  const { nic, in: read, legacy, kick, status } = running();
  const frame = frameTo(PEER, 300);
  legacy(frame);
  legacy(frame.subarray(0, 100), 0);
  legacy(frame.subarray(100, 110), RS);
  legacy(frame.subarray(110), EOP);
  kick();
  assert.deepEqual(nic.sent, [frame, frame]);
  assert.deepEqual([0, 1, 2, 3].map(status), [1, 0, 1, 0], 'only those who report');
  assert.deepEqual([read(TDH), read(ICR)], [4, TXDW | TXQE]);
  for (let i = 4; i < 40; i++) {
    legacy(frameTo(PEER, 60, i));
    kick();
    assert.deepEqual(nic.sent.at(-1), frameTo(PEER, 60, i));
  }
});

test('a packet waits until its last descriptor is there', () => {
  const { nic, in: read, legacy, kick } = running();
  const frame = frameTo(PEER, 200);
  legacy(frame.subarray(0, 100), 0);
  kick();
  assert.deepEqual([nic.sent.length, read(TDH)], [0, 0]);
  legacy(frame.subarray(100));
  kick();
  assert.deepEqual([nic.sent, read(TDH)], [[frame], 2]);
});

test('legacy descriptors: a checksum from CSS to the end', () => {
  const { nic, legacy, kick } = running();
  const pseudo = sumOf(TCP_FRAME, 26, 34, 6 + TCP_FRAME.length - 34);
  legacy(patched(TCP_FRAME, 50, pseudo >> 8, pseudo & 0xff), EOP | IC | RS, 50 << 16, 34 << 8);
  kick();
  assert.deepEqual(nic.sent, [TCP_FRAME]);
});

test('data descriptors: IP and TCP checksums as the context says', () => {
  const { nic, context, data, kick, status } = running();
  const pseudo = sumOf(TCP_FRAME, 26, 34, 6 + TCP_FRAME.length - 34);
  const blank = patched(patched(TCP_FRAME, 50, pseudo >> 8, pseudo & 0xff), 24, 0, 0);
  context();
  data(blank.subarray(0, 54), 0, 3);
  data(blank.subarray(54));
  data(blank, EOP, 0);
  kick();
  assert.deepEqual(nic.sent, [TCP_FRAME, blank]);
  assert.equal(status(2), 1);
});

test('data descriptors: the context holds until the next one', () => {
  const { nic, context, data, kick } = running();
  const pseudo = sumOf(UDP_FRAME, 26, 34, 17 + UDP_FRAME.length - 34);
  const blank = patched(patched(UDP_FRAME, 40, pseudo >> 8, pseudo & 0xff), 24, 0, 0);
  context(0, 0, 2);
  data(blank, EOP, 3);
  data(blank, EOP, 3);
  kick();
  assert.deepEqual(nic.sent, [UDP_FRAME, UDP_FRAME]);
});

test('segmentation: frames with good headers and all of the data', () => {
  const { nic, context, data, kick, counts } = running();
  const packet = new Uint8Array(54 + 4000);
  for (let i = 0; i < packet.length; i++) packet[i] = i * 5;
  packet.set(TCP_FRAME.subarray(0, 54));
  packet.set([0, 0], 24);
  const pseudo = sumOf(packet, 26, 34, 6); // without the length
  packet.set([pseudo >> 8, pseudo & 0xff], 50);
  context(4000, 1448);
  data(packet.subarray(0, 54), TSE, 3);
  data(packet.subarray(54, 3000), TSE);
  data(packet.subarray(3000), TSE | EOP | RS);
  kick();
  assert.deepEqual(
    nic.sent.map((frame) => frame.length),
    [1502, 1502, 1158],
  );
  assert.deepEqual(Buffer.concat(nic.sent.map((frame) => frame.subarray(54))), Buffer.from(packet.subarray(54)));
  for (const frame of nic.sent) {
    const headers = ipv4Headers(frame);
    assert(headers && isIpv4ChecksumGood(frame, headers) && isTransportChecksumGood(frame, headers));
  }
  assert.deepEqual(counts(0x40f8, 0x4080), [1, 3]);
});

test('segmentation that makes no sense sends nothing, and the ring goes on', () => {
  const { nic, context, data, legacy, kick, status } = running();
  context(100, 3);
  data(frameTo(PEER, 154), TSE | EOP | RS, 3);
  context(1, 65535, 0xff);
  data(frameTo(PEER, 4000), TSE | EOP | RS, 3);
  legacy(frameTo(PEER));
  kick();
  assert.equal(status(1), 1);
  assert.deepEqual(nic.sent.at(-1), frameTo(PEER));
});

test('a VLAN tag is put in, and taken out', () => {
  const { nic, card, out, data, kick, received } = running();
  out(CTRL, VME);
  data(frameTo(PEER), EOP | VLE, 0, 0x1234);
  kick();
  assert.deepEqual(nic.sent, [tagged(frameTo(PEER), 0x1234)]);
  card.receive(tagged(frameTo(MAC), 0x1234));
  assert.deepEqual(received(0), [104, 0x000f]);
  assert.equal(nic.u16(RX_RING + 14), 0x1234);
  assert.deepEqual(nic.bytes(RX_BUFFERS, 100), frameTo(MAC));
  out(VET, 0x88a8);
  card.receive(tagged(frameTo(MAC), 0x1234));
  assert.deepEqual(received(1), [108, 0x0007]);
});

test('a received frame: data, FCS, length, status; RDH moves', () => {
  const { nic, card, in: read, received } = running();
  const frame = frameTo(MAC, 100);
  card.receive(frame);
  assert.deepEqual(nic.bytes(RX_BUFFERS, 100), frame);
  assert.equal(nic.u32(RX_BUFFERS + 100), frameCheckSequence(frame));
  assert.deepEqual([received(0), read(RDH), read(ICR)], [[104, 0x0007], 1, RXT0]);
});

test('a received frame without its FCS, padded, in several buffers', () => {
  const { nic, card, in: read, received } = running(SECRC | (3 << 16));
  card.receive(frameTo(MAC, 20));
  assert.deepEqual(received(0), [60, 0x0007]);
  const frame = frameTo(MAC, 600);
  card.receive(frame);
  assert.deepEqual([1, 2, 3].map(received), [
    [256, 0x0001],
    [256, 0x0001],
    [88, 0x0007],
  ]);
  const parts = [1, 2, 3].map((i) => nic.bytes(RX_BUFFERS + i * 0x1000, 256));
  assert.deepEqual(Buffer.concat(parts).subarray(0, 600), Buffer.from(frame));
  assert.equal(read(RDH), 4);
});

test('large buffers take what small ones take in parts', () => {
  const { card, in: read, received } = running((3 << 16) | (1 << 25));
  card.receive(frameTo(MAC, 1500));
  assert.deepEqual([received(0), read(RDH)], [[1504, 0x0007], 1]);
});

test('received checksums are looked at as RXCSUM says', () => {
  const { card, out, received } = running();
  const [udp, tcp] = [UDP_FRAME, TCP_FRAME].map((frame) => patched(frame, 0, ...MAC));
  card.receive(udp);
  out(RXCSUM, 0x300);
  for (const frame of [udp, tcp, patched(tcp, 50, 0), patched(udp, 24, 0), patched(udp, 12, 0x86)]) card.receive(frame);
  const state = [0, 1, 2, 3, 4, 5].map((i) => received(i)[1]);
  assert.deepEqual(state, [0x0007, 0x0063, 0x0063, 0x2063, 0x4063, 0x0007]);
});

test('filters: receive addresses, broadcast, the multicast table, promiscuous modes', () => {
  const accepted = (rctl: number, set: readonly [number, number][] = []): (number | undefined)[] =>
    [MAC, PEER, BROADCAST, ALL_HOSTS].map((to) => {
      const { card, out, received } = running(rctl);
      for (const [at, value] of set) out(at, value);
      card.receive(frameTo(to));
      return received(0)[1] || undefined;
    });
  const [EXACT, INEXACT, NO] = [0x07, 0x87, undefined];
  assert.deepEqual(accepted(0), [EXACT, NO, NO, NO]);
  assert.deepEqual(accepted(BAM), [EXACT, NO, EXACT, NO]);
  assert.deepEqual(accepted(UPE), [EXACT, INEXACT, NO, NO]);
  assert.deepEqual(accepted(MPE), [EXACT, NO, INEXACT, INEXACT]);
  const peer: [number, number][] = [
    [RA + 8, 0x1200_5452],
    [RA + 12, 0x8000_0234],
  ];
  assert.deepEqual(accepted(0, peer), [EXACT, EXACT, NO, NO]);
  assert.deepEqual(accepted(0, [...peer, [RA + 4, 0x5634]]), [NO, EXACT, NO, NO], 'address not valid');
  // ALL_HOSTS hashes to 0x010, 0x020, 0x040 and 0x100.
  for (const [offset, hash] of [0x010, 0x020, 0x040, 0x100].entries()) {
    const table: [number, number] = [MTA + (hash >> 5) * 4, 1 << (hash & 31)];
    assert.deepEqual(accepted(offset << 12, [table]), [EXACT, NO, NO, INEXACT], String(offset));
  }
});

test('the VLAN filter lets only listed tags through', () => {
  const { card, in: read, out } = running(VFE);
  out(VFTA + 4 * (0x234 >> 5), 1 << (0x234 & 31));
  card.receive(tagged(frameTo(MAC), 0x1235));
  assert.equal(read(RDH), 0);
  card.receive(tagged(frameTo(MAC), 0x1234));
  card.receive(frameTo(MAC));
  assert.equal(read(RDH), 2);
});

test('with few descriptors left there is an interrupt; with none, frames are refused until RDT moves', () => {
  const { card, in: read, out } = running();
  let ready = 0;
  card.onReady = () => ready++;
  for (let i = 0; i < 6; i++) card.receive(frameTo(MAC));
  assert.equal(read(ICR), RXT0);
  for (let i = 6; i < 15; i++) {
    assert.equal(card.receive(frameTo(MAC)), true);
    assert.equal(read(ICR), RXT0 | RXDMT0);
  }
  assert.deepEqual([card.canReceive, card.receive(frameTo(MAC)), ready], [false, false, 0]);
  out(RDT, 0);
  assert.deepEqual([ready, card.receive(frameTo(MAC)), read(RDH)], [1, true, 0]);
});

test('interrupts: mask, cause and acknowledgment', () => {
  const { nic, card, in: read, out } = running();
  out(ICS, LSC);
  assert.equal(nic.line.level, false);
  out(IMS, LSC);
  assert.deepEqual([nic.line.level, read(IMS)], [true, LSC]);
  out(IMC, LSC);
  assert.equal(nic.line.level, false);
  out(IMS, LSC);
  out(ICR, LSC);
  assert.equal(nic.line.level, false);
  out(ICS, LSC | TXDW);
  assert.deepEqual([read(ICR), read(ICR), nic.line.level], [LSC | TXDW, 0, false]);
  out(ICS, LSC);
  card.config.write(4, 0x0407, 2);
  assert.equal(nic.line.level, false);
});

test('the throttle keeps interrupts apart', () => {
  const { nic, card, in: read, out } = running();
  nic.clock.advance(1_000_000);
  out(ITR, 400); // 102.4 µs
  out(IMS, RXT0);
  card.receive(frameTo(MAC));
  assert.equal(nic.line.level, true);
  read(ICR);
  nic.clock.advance(50_000);
  card.receive(frameTo(MAC));
  assert.equal(nic.line.level, false);
  nic.clock.advance(52_000);
  assert.equal(nic.line.level, false);
  nic.clock.advance(1000);
  assert.deepEqual([nic.line.level, nic.line.edges], [true, 2]);
});

test('receive interrupts wait for RDTR after the last packet, for RADV after the first', () => {
  const { nic, card, in: read, out } = running();
  out(RDTR, 10);
  out(RADV, 25);
  card.receive(frameTo(MAC));
  nic.clock.advance(10_000);
  assert.equal(read(ICR), 0);
  card.receive(frameTo(MAC));
  nic.clock.advance(9_000);
  assert.equal(read(ICR), 0);
  nic.clock.advance(2_000);
  assert.equal(read(ICR), RXT0, '10.24 µs after the second');
  for (let i = 0; i < 5; i++) {
    card.receive(frameTo(MAC));
    nic.clock.advance(6_000);
  }
  assert.equal(read(ICR) & RXT0, RXT0, '25.6 µs after the first');
  card.receive(frameTo(MAC));
  out(RDTR, 0x8000_000a);
  assert.equal(read(ICR) & RXT0, RXT0, 'flushed');
});

test('transmit interrupts wait for TIDV where the descriptor says so', () => {
  const { nic, in: read, out, legacy, kick } = running();
  out(TIDV, 10);
  legacy(frameTo(PEER), EOP | RS | IDE);
  kick();
  assert.equal(read(ICR), TXQE);
  nic.clock.advance(11_000);
  assert.equal(read(ICR), TXDW);
  legacy(frameTo(PEER), EOP | RS);
  kick();
  assert.equal(read(ICR), TXQE | TXDW);
});

test('statistics count, and reading clears them', () => {
  const { card, legacy, kick, counts } = running();
  legacy(frameTo(PEER, 60));
  legacy(frameTo(BROADCAST, 1514));
  kick();
  card.receive(frameTo(MAC, 124));
  card.receive(frameTo(BROADCAST, 60));
  const at = [0x4080, 0x40f4, 0x4090, 0x40d4, 0x40d8, 0x40ec, 0x4074, 0x4078, 0x4088, 0x405c, 0x4064];
  assert.deepEqual(counts(...at), [2, 1, 64 + 1518, 2, 1, 1, 2, 1, 128 + 64, 1, 1]);
  assert.deepEqual(new Set(counts(...at)), new Set([0]));
});

test('counts of 64 bits carry, others stop', () => {
  const { card, counts } = running();
  const at = (offset: number): number => (offset - 0x4000) / 4;
  card.state.statistics[at(0x4088)] = 0xffff_ffff;
  card.state.statistics[at(0x4074)] = 0xffff_ffff;
  card.receive(frameTo(MAC, 96));
  assert.deepEqual(counts(0x4088, 0x408c, 0x4074), [99, 1, 0xffff_ffff]);
});

test('loopback brings what is sent back', () => {
  const { nic, card, in: read, out, legacy, kick, received } = running(0x40);
  legacy(frameTo(MAC));
  kick();
  assert.deepEqual([nic.sent.length, received(0)], [0, [104, 7]]);
  out(RCTL, RX_ON);
  out(MDIC, 0x5140 | (1 << 21) | (1 << 26));
  legacy(frameTo(MAC));
  kick();
  assert.deepEqual([nic.sent.length, read(RDH)], [0, 2]);
  assert.equal(card.receive(frameTo(MAC)), true);
});

test('registers are reached through IOADDR and IODATA', () => {
  const { card, in: read } = bench();
  card.io.write(0, RA + 8, 4);
  card.io.write(4, 0x1234_5678, 4);
  assert.deepEqual([read(RA + 8), card.io.read(4, 4), card.io.read(0, 4)], [0x1234_5678, 0x1234_5678, RA + 8]);
  card.io.write(0, 0xffff_ffff, 4);
  card.io.write(4, 1, 4);
  assert.equal(card.io.read(4, 4), 0);
});

test('a reset by CTRL takes the rings, and leaves the EEPROM and the PHY', () => {
  const { nic, in: read, out, legacy, kick } = running();
  out(MDIC, 0x0101 | (4 << 16) | (1 << 21) | (1 << 26));
  out(IMS, 0xff);
  out(ICS, LSC);
  out(RA, 0);
  out(CTRL, 0x0400_0000);
  assert.deepEqual([read(TDLEN), read(RCTL), read(IMS), read(RA), nic.line.level], [0, 0, 0, 0x1200_5452, false]);
  out(MDIC, (4 << 16) | (1 << 21) | (2 << 26));
  assert.equal(read(MDIC) & 0xffff, 0x0101);
  legacy(frameTo(PEER));
  kick();
  assert.equal(nic.sent.length, 0);
});

test('rings outside memory, tails outside rings, packets without an end: work ends', () => {
  const { nic, in: read, out, legacy, kick, card } = running();
  out(TDT, 0xffff);
  assert.equal(nic.sent.length, 0);
  out(TDT, 0);
  for (let i = 0; i < 15; i++) legacy(frameTo(PEER), 0);
  kick();
  assert.deepEqual([nic.sent.length, read(TDH)], [0, 15], 'a ring full of a packet without an end');
  for (const [low, high] of [
    [0xffff_fff0, 0xffff_ffff],
    [0xff_fff0, 0],
  ]) {
    out(TDBAL, low);
    out(TDBAH, high);
    out(RDBAL, low);
    out(RDBAH, high);
    out(TDT, 3);
    out(TDT, 9);
    assert.equal(card.receive(frameTo(MAC)), true);
  }
  out(RDH, 0xffff);
  assert.equal(card.receive(frameTo(MAC)), false);
});

test('a huge ring is sent in batches, with virtual time in between', () => {
  const { nic, in: read, out } = running();
  nic.put(TX_BUFFERS, frameTo(PEER, 60));
  out(TDBAL, 0x4_0000);
  out(TDLEN, 1000 * 16 + 128 - ((1000 * 16) % 128));
  for (let i = 0; i < 1000; i++) nic.put32(0x4_0000 + 16 * i, TX_BUFFERS, 0, 60 | (EOP << 24), 0);
  out(TDT, 1000);
  assert(nic.sent.length < 300);
  nic.clock.advance(1_000_000);
  assert.deepEqual([nic.sent.length, read(TDH)], [1000, 1000]);
});

test('a million random accesses, with frames and noise in memory, do no harm', () => {
  const nic = new NicBench(0x2_0000);
  const card = new E1000(nic.host);
  enable(card.config);
  const registers = [
    RCTL,
    TCTL,
    RDT,
    TDT,
    TDH,
    RDH,
    ITR,
    IMS,
    ICS,
    RDTR,
    TIDV,
    RXCSUM,
    MDIC,
    EECD,
    EERD,
    CTRL,
    MTA,
    VFTA,
  ];
  storm(
    nic,
    card,
    [
      [card, 0x6000],
      [card.io, 64],
    ],
    (random) => {
      const write = (at: number, value: number): void => card.write(at, value >>> 0, 4);
      write(registers[random(registers.length)], random(2) ? random(2 ** 32) : random(64));
      if (random(20) === 0) {
        for (const at of [RDBAL, TDBAL]) write(at, random(0x2_0000));
        for (const at of [RDBAH, TDBAH]) write(at, random(3) ? 0 : random(2 ** 32));
        for (const at of [RDLEN, TDLEN]) write(at, random(2) ? 0x400 : random(0x10_0000));
        for (const at of [RDH, TDH]) write(at, 0);
      }
      write(RCTL, RX_ON | random(2 ** 27));
      write(TCTL, 2);
      write(TDT, random(64));
      write(RDT, random(64));
    },
    1_000_000,
  );
  const saved = card.save();
  card.restore(saved);
  assert.deepEqual(card.save(), saved);
});

test('saved in the middle of things, it goes on elsewhere', () => {
  const { nic, card, out } = running();
  out(IMS, RXT0);
  out(RDTR, 100);
  card.receive(frameTo(MAC, 100));
  const other = new NicBench();
  other.memory.bytes.set(nic.memory.bytes);
  const copy = new E1000(other.host);
  enable(copy.config);
  copy.restore(card.save());
  assert.equal(other.line.level, false);
  other.clock.advance(103_000);
  assert.equal(other.line.level, true);
  copy.receive(frameTo(MAC, 200));
  assert.deepEqual(other.bytes(RX_BUFFERS + 0x1000, 200), frameTo(MAC, 200));
});
