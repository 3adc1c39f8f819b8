import assert from 'node:assert/strict';
import { test } from 'node:test';
import { truncate } from '../../base/bits.ts';
import { frameCheckSequence } from './ethernet.ts';
import { Rtl8139 } from './rtl8139.ts';
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
} from './test-nic.ts';

const [TSD, TSAD, RBSTART, CR, CAPR, CBR, IMR, ISR, TCR, RCR] = [
  0x10, 0x20, 0x30, 0x37, 0x38, 0x3a, 0x3c, 0x3e, 0x40, 0x44,
];
const [TCTR, EECR, CONFIG1, TIMER_INT, BMSR, TPPOLL, CPCR, RDSAR] = [0x48, 0x50, 0x52, 0x54, 0x64, 0xd9, 0xe0, 0xe4];
const [ROK, TOK, TER, RXOVW, TIMEOUT, SERR] = [1, 4, 8, 0x10, 0x4000, 0x8000];
const [RESET, RE, TE, BUFE] = [0x10, 8, 4, 1];
const [ALL, MINE, MULTICAST, BROAD, WRAP] = [1, 2, 4, 8, 0x80];
const OWN = 0x8000_0000;
const EOR = 0x4000_0000;
const FS_LS = 0x3000_0000;
const RING = 0x1_0000;
const BUFFERS = 0x4_0000;

function bench(memoryBytes?: number) {
  const nic = new NicBench(memoryBytes);
  const card = new Rtl8139(nic.host);
  enable(card.config);
  return {
    nic,
    card,
    in: (at: number, size: 1 | 2 | 4 = 2) => truncate(card.read(at, size), size),
    out: (at: number, value: number, size: 1 | 2 | 4 = 2) => card.write(at, value, size),
  };
}

/** In C mode with a ring of 8 KiB, and all interrupts on. */
function cMode(accept = MINE | MULTICAST | BROAD, ring = 0) {
  const b = bench();
  b.out(CR, RE | TE, 1);
  b.out(RBSTART, RING, 4);
  b.out(RCR, accept | (ring << 11), 4);
  b.out(IMR, 0xffff);
  return b;
}

const TX_RING = 0x2_0000;
const RX_RING = 0x3_0000;

/** In C+ mode with eight descriptors each way; the buffers for reception are empty. */
function plusMode(extra = 0, bufferBytes = 1600) {
  const b = bench();
  b.out(CPCR, 3 | extra);
  b.out(RDSAR, RX_RING, 4);
  b.out(TSAD, TX_RING, 4);
  b.out(RCR, MINE | MULTICAST | BROAD, 4);
  b.out(CR, RE | TE, 1);
  b.out(IMR, 0xffff);
  for (let i = 0; i < 8; i++) {
    b.nic.put32(RX_RING + 16 * i, OWN | (i === 7 ? EOR : 0) | bufferBytes, 0, BUFFERS + 0x1000 * i, 0);
  }
  const post = (index: number, data: Uint8Array, flags: number, tag = 0): void => {
    const at = 0x8_0000 + index * 0x4000;
    b.nic.put(at, data);
    b.nic.put32(TX_RING + 16 * index, (OWN | (index === 7 ? EOR : 0) | flags | data.length) >>> 0, tag, at, 0);
  };
  return { ...b, post, kick: () => b.out(TPPOLL, 0x40, 1) };
}

test('it is an RTL8139C+ with a link, its address in registers and EEPROM', () => {
  const { card, in: read, out } = bench();
  assert.deepEqual([card.config.byte(8), read(TCR, 4)], [0x20, 0x7480_0000]);
  assert.deepEqual([...card.mac], [...MAC]);
  assert.deepEqual([read(0, 4), read(4, 4)], [0x1200_5452, 0x0000_5634]);
  assert.equal(read(BMSR) & 0x24, 0x24);
  const words = [0, 7, 8, 9].map((word) => {
    const clock = (bit: number): number => {
      out(EECR, 0x88 | (bit << 1), 1);
      out(EECR, 0x8c | (bit << 1), 1);
      return read(EECR, 1) & 1;
    };
    out(EECR, 0x80, 1);
    for (let i = 8; i >= 0; i--) clock((((6 << 6) | word) >> i) & 1);
    return Array.from({ length: 16 }, () => clock(0)).reduce((value, bit) => value * 2 + bit, 0);
  });
  assert.deepEqual(words, [0x8129, 0x5452, 0x1200, 0x5634]);
});

test('the address can be changed, and a reset by the guest leaves it; one by the board does not', () => {
  const { card, in: read, out } = bench();
  out(EECR, 0xc0, 1);
  out(0, 0x4433_2211, 4);
  out(4, 0x6655, 4);
  out(CR, RESET, 1);
  assert.deepEqual([read(0, 4), read(4, 4), read(CR, 1)], [0x4433_2211, 0x6655, BUFE]);
  card.reset();
  assert.equal(read(0, 4), 0x1200_5452);
});

test('configuration registers are written while 9346CR allows it', () => {
  const { in: read, out } = bench();
  out(CONFIG1, 0xff, 1);
  assert.equal(read(CONFIG1, 1), 0x0c);
  out(EECR, 0xc0, 1);
  out(CONFIG1, 0xff, 1);
  assert.equal(read(CONFIG1, 1), 0xff);
});

test('C mode: a frame goes out when its descriptor is handed over', () => {
  const { nic, in: read, out } = cMode();
  const frame = frameTo(PEER, 77);
  nic.put(0x5000, frame);
  out(TSAD, 0x5000, 4);
  assert.equal(read(TSD, 4), 0x2000);
  out(TSD, 77, 4);
  assert.deepEqual(nic.sent, [frame]);
  assert.equal(read(TSD, 4), 77 | 0xa000);
  assert.equal(read(0x60) & 0x1111, 0x1001);
  assert.deepEqual([read(ISR), nic.line.level], [TOK, true]);
  out(ISR, TOK);
  assert.deepEqual([read(ISR), nic.line.level], [0, false]);
});

test('C mode: descriptors are used in turn', () => {
  const { nic, out } = cMode();
  for (let i = 0; i < 10; i++) {
    nic.put(0x5000, frameTo(PEER, 60, i));
    out(TSAD + 4 * (i % 4), 0x5000, 4);
    out(TSD + 4 * (i % 4), 60, 4);
    assert.equal(nic.sent.length, i + 1);
  }
  out(TSD + 12, 60, 4);
  assert.equal(nic.sent.length, 10, 'the third one is next');
});

test('C mode: frames that are too long or outside memory are aborted; too short ones vanish', () => {
  const { nic, in: read, out } = cMode();
  out(TSD, 0x701, 4);
  assert.deepEqual([read(TSD, 4) >>> 0, read(ISR)], [0x4000_2701, TER]);
  out(TSAD + 4, 0xffff_ff00, 4);
  out(TSD + 4, 100, 4);
  assert.equal(read(ISR), TER | SERR);
  out(TSAD + 8, 0x5000, 4);
  out(TSD + 8, 13, 4);
  assert.equal(read(ISR), TER | SERR | TOK);
  assert.deepEqual(nic.sent, []);
});

test('C mode: a received frame has status, length and FCS', () => {
  const { nic, card, in: read } = cMode();
  assert.equal(read(CR, 1) & BUFE, BUFE);
  const frame = frameTo(MAC, 101);
  assert.equal(card.receive(frame), true);
  assert.deepEqual([nic.u16(RING), nic.u16(RING + 2)], [0x4001, 105]);
  assert.deepEqual(nic.bytes(RING + 4, 101), frame);
  assert.equal(nic.u32(RING + 105), frameCheckSequence(frame));
  assert.deepEqual([read(CBR), read(CR, 1) & BUFE, read(ISR), nic.line.level], [112, 0, ROK, true]);
});

test('C mode: reading on makes the buffer empty again', () => {
  const { card, in: read, out } = cMode();
  card.receive(frameTo(BROADCAST, 60));
  out(CAPR, read(CBR) - 16);
  assert.equal(read(CR, 1) & BUFE, BUFE);
});

test('C mode: the ring wraps within a frame, or with WRAP set behind it', () => {
  for (const wrap of [0, WRAP]) {
    const { nic, card, in: read, out } = cMode(MINE | wrap);
    let at = 0;
    for (let i = 0; i < 300; i++) {
      const frame = frameTo(MAC, 60 + ((i * 97) % 1400), i);
      assert.equal(card.receive(frame), true);
      const ring = nic.bytes(RING, 0x4000);
      const seen = Uint8Array.from({ length: frame.length + 4 }, (_, k) => ring[wrap ? at + k : (at + k) % 0x2000]);
      assert.deepEqual(seen.subarray(4), frame);
      at = (at + ((frame.length + 8 + 3) & ~3)) % 0x2000;
      assert.equal(read(CBR), at);
      out(CAPR, at - 16);
    }
  }
});

test('C mode: a full ring refuses; when there is room the network is told', () => {
  const { card, out, in: read } = cMode();
  let ready = 0;
  card.onReady = () => ready++;
  let taken = 0;
  while (card.receive(frameTo(MAC, 1000, taken))) taken++;
  assert.equal(taken, 8);
  assert.deepEqual([card.canReceive, ready], [false, 0]);
  out(CAPR, 1008 - 16);
  assert.equal(ready, 0, 'room for 1000 bytes, but not for any frame');
  out(CAPR, 2 * 1008 - 16);
  assert.equal(ready, 1);
  assert.equal(card.receive(frameTo(MAC, 1000)), true);
  assert.equal(read(CBR), (9 * 1008) % 0x2000);
});

test('C mode: a frame fits when a byte is left between it and what was not read', () => {
  const { card } = cMode();
  for (let i = 0; i < 8; i++) card.receive(frameTo(MAC, 1000, i)); // leaves 128 bytes
  assert.deepEqual([card.receive(frameTo(MAC, 117)), card.receive(frameTo(MAC, 116))], [false, true]);
});

test('C mode: a ring of 64 KiB wraps, whatever WRAP says', () => {
  const { nic, card, in: read, out } = cMode(MINE | WRAP, 3);
  for (let i = 0; i < 65; i++) {
    card.receive(frameTo(MAC, 1000, i));
    out(CAPR, read(CBR) - 16);
  }
  const behind = RING + 0x1_0000;
  // The 66th begins 16 bytes before the end: four of header, twelve of frame.
  assert.deepEqual([65 * 1008 - 0x1_0000, read(CBR)], [-16, 0xfff0]);
  card.receive(frameTo(MAC, 1000, 65));
  assert.deepEqual(nic.bytes(RING, 988), frameTo(MAC, 1000, 65).subarray(12));
  assert.deepEqual(nic.bytes(behind, 16), new Uint8Array(16));
});

test('C mode: switching the receiver on begins the ring anew', () => {
  const { card, in: read, out } = cMode();
  card.receive(frameTo(MAC));
  out(CR, TE, 1);
  out(CR, TE | RE, 1);
  assert.deepEqual([read(CBR), read(CAPR), read(CR, 1) & BUFE], [0, 0xfff0, BUFE]);
});

test('filters: own address, broadcast, the multicast table, everything', () => {
  const accepted = (accept: number, table = 0): boolean[] =>
    [MAC, PEER, BROADCAST, ALL_HOSTS].map((to) => {
      const { card, in: read, out } = cMode(accept);
      if (table) out(0x08 + (table >> 5) * 4, 1 << (table & 31), 4);
      card.receive(frameTo(to));
      return read(CBR) !== 0;
    });
  assert.deepEqual(accepted(0), [false, false, false, false]);
  assert.deepEqual(accepted(MINE), [true, false, false, false]);
  assert.deepEqual(accepted(BROAD), [false, false, true, false]);
  assert.deepEqual(accepted(MULTICAST), [false, false, false, false]);
  assert.deepEqual(accepted(MULTICAST, 31), [false, false, false, true]);
  assert.deepEqual(accepted(MULTICAST, 32), [false, false, false, false]);
  assert.deepEqual(accepted(ALL), [true, true, true, true]);
});

test('while it is off, without DMA, or too short and too long: frames are taken and lost', () => {
  const { card, in: read, out } = cMode();
  for (const length of [0, 13, 1519, 9000]) assert.equal(card.receive(new Uint8Array(length).fill(0xff)), true);
  out(CR, TE, 1);
  assert.equal(card.receive(frameTo(MAC)), true);
  out(CR, TE | RE, 1);
  card.config.write(4, 0x0003, 2);
  assert.equal(card.receive(frameTo(MAC)), true);
  assert.equal(read(CBR), 0);
  enable(card.config);
  card.receive(frameTo(MAC, 20));
  assert.equal(read(CBR), 68, 'padded');
});

test('loopback brings what is sent back, and nothing to the network', () => {
  const { nic, in: read, out } = cMode();
  out(TCR, 0x0006_0000, 4);
  nic.put(0x5000, frameTo(MAC, 100));
  out(TSAD, 0x5000, 4);
  out(TSD, 100, 4);
  assert.deepEqual([nic.sent.length, read(CBR)], [0, 108]);
  assert.deepEqual(nic.bytes(RING + 4, 100), frameTo(MAC, 100));
});

test('INTx follows the mask, and the interrupt disable bit of the command register', () => {
  const { nic, card, out } = cMode();
  card.receive(frameTo(MAC));
  assert.equal(nic.line.level, true);
  out(IMR, TOK);
  assert.equal(nic.line.level, false);
  out(IMR, ROK);
  assert.equal(nic.line.level, true);
  card.config.write(4, 0x0407, 2);
  assert.equal(nic.line.level, false);
});

test('TCTR counts at 33 MHz, and interrupts at the value of TimerInt', () => {
  const { nic, in: read, out } = bench();
  out(IMR, TIMEOUT);
  out(TCTR, 0, 4);
  nic.clock.advance(1_000_000);
  assert.equal(read(TCTR, 4), 33_000);
  out(TIMER_INT, 66_000, 4);
  nic.clock.advance(999_000);
  assert.equal(nic.line.level, false);
  nic.clock.advance(2000);
  assert.deepEqual([nic.line.level, read(ISR)], [true, TIMEOUT]);
});

test('C+ mode: a frame in one descriptor, and one in three', () => {
  const { nic, in: read, post, kick } = plusMode();
  const frame = frameTo(PEER, 300);
  post(0, frame, FS_LS);
  post(1, frame.subarray(0, 50), 0x2000_0000);
  post(2, frame.subarray(50, 60), 0);
  post(3, frame.subarray(60), 0x1000_0000);
  kick();
  assert.deepEqual(nic.sent, [frame, frame]);
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((i) => nic.u32(TX_RING + 16 * i)),
    [FS_LS | 300, 0x2000_0032, 10, 0x1000_00f0, 0],
  );
  assert.equal(read(ISR), TOK | 0x80);
});

test('C+ mode: the ring ends where EOR says', () => {
  const { nic, post, kick } = plusMode();
  for (let i = 0; i < 20; i++) {
    post(i % 8, frameTo(PEER, 60, i), FS_LS);
    kick();
    assert.deepEqual(nic.sent[i], frameTo(PEER, 60, i));
  }
});

test('C+ mode: a packet waits until its last descriptor is there', () => {
  const { nic, post, kick } = plusMode();
  const frame = frameTo(PEER, 200);
  post(0, frame.subarray(0, 100), 0x2000_0000);
  kick();
  assert.deepEqual([nic.sent.length, nic.u32(TX_RING) >>> 31], [0, 1]);
  post(1, frame.subarray(100), 0x1000_0000);
  kick();
  assert.deepEqual(nic.sent, [frame]);
});

test('C+ mode: a ring full of a packet without an end is given back', () => {
  const { nic, in: read, post, kick } = plusMode();
  for (let i = 0; i < 8; i++) post(i, frameTo(PEER, 60), 0);
  kick();
  assert.deepEqual([nic.sent.length, read(ISR) & TER, nic.u32(TX_RING) >>> 31], [0, TER, 0]);
});

test('C+ mode: checksums are filled in', () => {
  const { nic, post, kick } = plusMode();
  post(0, patched(patched(UDP_FRAME, 24, 0, 0), 40, 0, 0), FS_LS | 0x6_0000);
  post(1, patched(patched(TCP_FRAME, 24, 0, 0), 50, 0, 0), FS_LS | 0x5_0000);
  kick();
  assert.deepEqual(nic.sent, [UDP_FRAME, TCP_FRAME]);
});

test('C+ mode: a large send becomes segments with good checksums', () => {
  const { nic, post, kick, card } = plusMode(0x20);
  const packet = new Uint8Array(54 + 2500).fill(0x42);
  packet.set(TCP_FRAME.subarray(0, 54));
  post(0, packet, FS_LS | 0x0800_0000 | (1000 << 16));
  kick();
  assert.deepEqual(
    nic.sent.map((frame) => frame.length),
    [1054, 1054, 554],
  );
  assert.equal(nic.u32(TX_RING), FS_LS | packet.length, 'no MSS is left where errors would be');
  for (const [i, frame] of nic.sent.entries()) {
    card.receive(patched(frame, 0, ...MAC));
    assert.equal(nic.u32(RX_RING + 16 * i) & 0x3_e000, 0x2_0000, 'TCP, and no error');
  }
});

test('C+ mode: a VLAN tag is put in, and taken out', () => {
  const { nic, card, post, kick } = plusMode(0x40);
  post(0, frameTo(PEER), FS_LS, 0x2_0000 | 0x3412);
  kick();
  assert.deepEqual(nic.sent, [tagged(frameTo(PEER), 0x1234)]);
  card.receive(tagged(frameTo(MAC), 0x1234));
  assert.deepEqual(nic.bytes(BUFFERS, 100), frameTo(MAC));
  assert.equal(nic.u32(RX_RING + 4), 0x1_3412);
});

test('C+ mode: a received frame goes into a buffer, with its kind and length', () => {
  const { nic, card, in: read } = plusMode(0x20);
  for (const frame of [patched(UDP_FRAME, 0, ...MAC), patched(TCP_FRAME, 0, ...MAC, 1)]) card.receive(frame);
  card.receive(patched(patched(UDP_FRAME, 0, ...MAC), 40, 0xe6));
  card.receive(frameTo(BROADCAST, 100));
  const state = (i: number): number => nic.u32(RX_RING + 16 * i);
  assert.deepEqual([0, 1, 2, 3].map(state), [0x3201_0000 | 64, 0x3202_0000 | 76, 0x3201_4000 | 64, 0x3100_0000 | 104]);
  assert.deepEqual(nic.bytes(BUFFERS + 0x3000, 100), frameTo(BROADCAST, 100));
  assert.equal(nic.u32(BUFFERS + 0x3000 + 100), frameCheckSequence(frameTo(BROADCAST, 100)));
  assert.equal(read(ISR), ROK);
});

test('C+ mode: a frame longer than a buffer takes several', () => {
  const { nic, card } = plusMode(0, 64);
  const frame = frameTo(MAC, 150);
  card.receive(frame);
  assert.deepEqual(
    [0, 1, 2].map((i) => nic.u32(RX_RING + 16 * i) >>> 28),
    [2, 0, 1],
  );
  assert.deepEqual(
    Buffer.concat([0, 1, 2].map((i) => nic.bytes(BUFFERS + 0x1000 * i, 64))).subarray(0, 150),
    Buffer.from(frame),
  );
});

test('C+ mode: without buffers frames are refused until the driver has touched a register', () => {
  const { nic, card, in: read, out } = plusMode();
  let ready = 0;
  card.onReady = () => ready++;
  for (let i = 0; i < 8; i++) assert.equal(card.receive(frameTo(MAC, 60, i)), true);
  assert.equal(nic.u32(RX_RING + 16 * 7) >>> 28, 7, 'end of the ring');
  assert.deepEqual([card.canReceive, card.receive(frameTo(MAC))], [false, false]);
  assert.equal(read(ISR), ROK | RXOVW);
  out(ISR, 0xffff);
  assert.equal(ready, 0);
  nic.put32(RX_RING, OWN | 1600, 0, BUFFERS, 0);
  out(ISR, 0xffff);
  assert.equal(ready, 1);
  assert.equal(card.receive(frameTo(MAC)), true);
});

test('C+ mode: statistics go to memory', () => {
  const { nic, card, in: read, out, post, kick } = plusMode();
  post(0, frameTo(PEER), FS_LS);
  kick();
  for (const to of [MAC, BROADCAST, BROADCAST]) card.receive(frameTo(to));
  out(0x14, 0, 4);
  out(0x10, 0x7000 | 8, 4);
  assert.equal(read(0x10, 4), 0x7000);
  assert.deepEqual(
    [0, 8, 40, 48].map((at) => nic.u32(0x7000 + at)),
    [1, 3, 1, 2],
  );
});

test('C+ mode: rings outside memory and without an end are borne', () => {
  const { nic, card, in: read, out, kick } = plusMode();
  for (let i = 0; i < 64; i++) nic.put32(TX_RING + 16 * i, (OWN | 60) >>> 0, 0, 0x5000, 0);
  kick();
  assert.equal(read(ISR) & TER, TER);
  for (const [low, high] of [
    [0xffff_fff0, 0xffff_ffff],
    [0xff_fff8, 0],
    [0, 1],
  ]) {
    out(TSAD, low, 4);
    out(TSAD + 4, high, 4);
    out(RDSAR, low, 4);
    out(RDSAR + 4, high, 4);
    out(ISR, 0xffff);
    kick();
    assert.equal(card.receive(frameTo(MAC)), false);
    assert.equal(read(ISR) & SERR, SERR);
  }
});

test('accesses of any width see the same registers', () => {
  const { in: read, out } = bench();
  out(0x08, 0x4433_2211, 4);
  out(0x0d, 0x6655);
  assert.deepEqual([read(0x08), read(0x0a, 1), read(0x0b), read(0x0c, 4)], [0x2211, 0x33, 0x0044, 0x0066_5500]);
  assert.equal(read(0x0b, 4), 0x6655_0044);
  out(0x3b, 0x1234_5678, 4);
  assert.equal(read(IMR), 0x3456 & 0xe1ff);
});

test('a million random accesses, with frames and noise in memory, do no harm', () => {
  const nic = new NicBench(0x2_0000);
  const card = new Rtl8139(nic.host);
  enable(card.config);
  storm(
    nic,
    card,
    [[card, 256]],
    (random) => {
      card.write(CR, RE | TE, 1);
      card.write(CPCR, random(4), 2);
      card.write(RCR, random(0x2000), 4);
      card.write(TSAD + 4 * random(4), random(3) ? random(0x2_0000) : 0, 4);
      card.write(RDSAR + 4 * random(2), random(2) ? random(0x2_0000) : 0, 4);
      card.write([TSD, TPPOLL, TSD + 4][random(3)], random(2 ** 32), random(2) ? 1 : 4);
    },
    1_000_000,
  );
  const saved = card.save();
  card.restore(saved);
  assert.deepEqual(card.save(), saved);
});

test('saved in the middle of things, it goes on elsewhere', () => {
  const { nic, card, out } = cMode();
  card.receive(frameTo(MAC, 100, 1));
  const other = new NicBench();
  const copy = new Rtl8139(other.host);
  enable(copy.config);
  copy.restore(card.save());
  assert.equal(other.line.level, true);
  for (const c of [card, copy]) c.receive(frameTo(MAC, 200, 2));
  assert.deepEqual(other.bytes(RING + 108, 212), nic.bytes(RING + 108, 212));
  out(CR, RESET, 1);
  assert.equal(nic.line.level, false);
});
