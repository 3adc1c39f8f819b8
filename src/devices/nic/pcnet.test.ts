import assert from 'node:assert/strict';
import { test } from 'node:test';
import { truncate } from '../../base/bits.ts';
import { frameCheckSequence } from './ethernet.ts';
import { Pcnet } from './pcnet.ts';
import { ALL_HOSTS, BROADCAST, enable, frameTo, MAC, NicBench, PEER, storm } from './test-nic.ts';

const [RDP, RAP, RESET, BDP] = [0x10, 0x12, 0x14, 0x16];
const [INIT, STRT, STOP, TDMD, IENA] = [1, 2, 4, 8, 0x40];
const [IDON, TINT, RINT, MERR] = [0x100, 0x200, 0x400, 0x800];
const [INTR, TXON, RXON, ERR] = [0x80, 0x10, 0x20, 0x8000];
const BLOCK = 0x1000;
const RX_RING = 0x2000;
const TX_RING = 0x3000;
const RX_BUFFERS = 0x1_0000;
const TX_BUFFERS = 0x2_0000;
const BUFFER_BYTES = 1536;
const OWN = 0x80;
const STP_ENP = 3;

function bench() {
  const nic = new NicBench();
  const card = new Pcnet(nic.host);
  enable(card.config);
  const read = (at: number, size: 1 | 2 | 4 = 2): number => truncate(card.read(at, size), size);
  const out = (at: number, value: number, size: 1 | 2 | 4 = 2): void => card.write(at, value, size);
  return {
    nic,
    card,
    in: read,
    out,
    csr(number: number, value?: number): number {
      out(RAP, number);
      if (value !== undefined) out(RDP, value);
      return read(RDP);
    },
    bcr(number: number, value?: number): number {
      out(RAP, number);
      if (value !== undefined) out(BDP, value);
      return read(BDP);
    },
  };
}

/** Started, with rings of eight in the given style. */
function running(style: number, mode = 0, filter = 0n) {
  const b = bench();
  const { nic, csr, bcr } = b;
  bcr(20, style);
  const wide = style !== 0;
  const bytes = wide ? 16 : 8;
  const block = new DataView(nic.memory.bytes.buffer, BLOCK, 28);
  block.setUint16(0, mode, true);
  nic.put(BLOCK + (wide ? 4 : 2), MAC);
  block.setBigUint64(wide ? 12 : 8, filter, true);
  if (wide) {
    block.setUint16(2, 0x3030, true);
    nic.put32(BLOCK + 20, RX_RING, TX_RING);
  } else {
    nic.put32(BLOCK + 16, RX_RING | 0x6000_0000, TX_RING | 0x6000_0000);
  }
  const write = (ring: number, index: number, flags: number, buffer: number, length: number): void => {
    const at = ring + index * bytes;
    if (wide) nic.put32(at, ...(style === 3 ? [0, 0, buffer] : [buffer, 0, 0]), 0);
    else nic.put32(at, buffer, 0);
    nic.put16(at + 4, 0xf000 | (0x1000 - length));
    nic.memory.bytes[at + (wide ? 7 : 3)] = flags;
  };
  const flags = (ring: number, index: number): number => nic.memory.bytes[ring + index * bytes + (wide ? 7 : 3)];
  const count = (index: number): number => nic.u16(RX_RING + index * bytes + { 0: 6, 1: 8, 2: 8, 3: 0 }[style]!);
  const empty = (index: number, length = BUFFER_BYTES): void =>
    write(RX_RING, index, OWN, RX_BUFFERS + index * 0x1000, length);
  for (let i = 0; i < 8; i++) empty(i);
  const post = (index: number, data: Uint8Array, marks = STP_ENP): void => {
    nic.put(TX_BUFFERS + index * 0x1000, data);
    write(TX_RING, index, OWN | marks, TX_BUFFERS + index * 0x1000, data.length);
  };
  csr(1, BLOCK);
  csr(2, 0);
  csr(0, INIT);
  assert.equal(csr(0), INIT | IDON | INTR);
  csr(0, STRT | IENA | IDON);
  return { ...b, post, empty, flags, count, kick: () => csr(0, TDMD | IENA) };
}

test('it is an Am79C970A with a link, and APROM as drivers look for it', () => {
  const { in: read, csr, bcr, card } = bench();
  assert.deepEqual([csr(88), csr(89)], [0x1003, 0x0262]);
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5].map((at) => read(at, 1)),
    [...MAC],
  );
  assert.deepEqual([...card.mac], [...MAC]);
  assert.equal(read(14), 0x5757);
  const sum = Array.from({ length: 12 }, (_, at) => read(at, 1)).reduce((a, b) => a + b, 0x57 * 2);
  assert.equal(read(12), sum);
  assert.equal(csr(0), STOP);
  assert.equal(bcr(4), 0x80c0);
  assert.equal(read(0, 4), 0x1200_5452);
});

test('a double word written to RDP makes it double-word I/O', () => {
  const { in: read, out, card } = bench();
  out(RDP, 0, 4);
  out(0x14, 88, 4);
  assert.deepEqual([read(0x14, 4), read(0x10, 4)], [88, 0x1003]);
  assert.equal(read(RDP, 2), 0);
  out(0x14, 20, 4);
  out(0x1c, 2, 4);
  assert.equal(read(0x1c, 4), 0x0302);
  read(0x18, 4);
  assert.equal(read(0x1c, 4), 0x0005, 'a reset by software leaves the mode, and clears RAP');
  card.reset();
  out(RAP, 88);
  assert.equal(read(RDP), 0x1003);
});

test('reading the reset register stops it', () => {
  const { in: read, csr } = running(2);
  read(RESET);
  assert.deepEqual([csr(0), csr(4)], [STOP, 0x0115]);
});

for (const style of [0, 1, 2, 3]) {
  test(`style ${style}: the initialization block is read`, () => {
    const { csr } = running(style, 0x0800, 0x8877_6655_4433_2211n);
    assert.deepEqual(
      [12, 13, 14].map((n) => csr(n)),
      [0x5452, 0x1200, 0x5634],
    );
    assert.deepEqual(
      [8, 9, 10, 11].map((n) => csr(n)),
      [0x2211, 0x4433, 0x6655, 0x8877],
    );
    assert.deepEqual(
      [csr(15), csr(24), csr(30), csr(76), csr(78), csr(6)],
      [0x0800, RX_RING, TX_RING, 0xfff8, 0xfff8, 0x3300],
    );
    assert.equal(csr(0), INIT | STRT | TXON | RXON | IENA);
  });

  test(`style ${style}: frames are sent, whole and in parts, around the ring`, () => {
    const { nic, post, kick, flags, csr } = running(style);
    const frame = frameTo(PEER, 300);
    post(0, frame);
    post(1, frame.subarray(0, 100), 2);
    post(2, frame.subarray(100, 200), 0);
    post(3, frame.subarray(200), 1);
    kick();
    assert.deepEqual(nic.sent, [frame, frame]);
    assert.deepEqual(
      [0, 1, 2, 3].map((i) => flags(TX_RING, i)),
      [3, 2, 0, 1],
    );
    assert.equal(csr(0) & (TINT | INTR), TINT | INTR);
    assert.equal(nic.line.level, true);
    csr(0, TINT | IENA);
    assert.equal(nic.line.level, false);
    for (let i = 4; i < 20; i++) {
      post(i % 8, frameTo(PEER, 60, i));
      kick();
      assert.deepEqual(nic.sent.at(-1), frameTo(PEER, 60, i));
    }
  });

  test(`style ${style}: a frame is received, with length and FCS`, () => {
    const { nic, card, flags, count, csr } = running(style);
    const frame = frameTo(MAC, 100);
    assert.equal(card.receive(frame), true);
    assert.deepEqual([flags(RX_RING, 0), count(0)], [STP_ENP, 104]);
    assert.deepEqual(nic.bytes(RX_BUFFERS, 100), frame);
    assert.equal(nic.u32(RX_BUFFERS + 100), frameCheckSequence(frame));
    assert.deepEqual([csr(0) & RINT, nic.line.level, csr(72)], [RINT, true, 7]);
  });

  test(`style ${style}: a long frame takes several buffers`, () => {
    const { nic, card, empty, flags, count } = running(style);
    for (let i = 0; i < 8; i++) empty(i, 128);
    card.receive(frameTo(MAC, 300));
    assert.deepEqual(
      [0, 1, 2, 3].map((i) => flags(RX_RING, i)),
      [2, 0, 1, OWN],
    );
    assert.equal(count(2), 304);
    const parts = [0, 1, 2].map((i) => nic.bytes(RX_BUFFERS + i * 0x1000, 128));
    assert.deepEqual(Buffer.concat(parts).subarray(0, 300), Buffer.from(frameTo(MAC, 300)));
  });
}

test('style 0: the highest byte of addresses is in CSR2', () => {
  const { nic, csr, out, bcr } = bench();
  bcr(20, 0);
  out(RAP, 2);
  csr(1, BLOCK);
  csr(2, 0xff00);
  csr(0, INIT);
  assert.equal(csr(0) & (MERR | ERR), MERR | ERR, 'the block is outside memory');
  assert.equal(nic.line.level, false);
});

test('style 0: so it is for buffers', () => {
  const { nic, csr, post, kick } = running(0);
  csr(0, STOP);
  csr(2, 0xff00);
  csr(0, STRT);
  post(0, frameTo(PEER));
  kick();
  assert.deepEqual([nic.sent.length, csr(0) & MERR], [0, MERR]);
});

test('a huge ring is sent in batches, with virtual time in between', () => {
  const { nic, csr, bcr } = bench();
  bcr(20, 2);
  csr(30, 0x8000);
  csr(31, 0x0003);
  csr(78, -1000);
  nic.put(TX_BUFFERS, frameTo(PEER, 60));
  for (let i = 0; i < 1000; i++) nic.put32(0x3_8000 + 16 * i, TX_BUFFERS, 0x8300_f000 | (0x1000 - 60), 0, 0);
  csr(0, STRT);
  assert.equal(nic.sent.length, 512);
  nic.clock.advance(4_000_000);
  assert.equal(nic.sent.length, 1000);
});

test('filters: own address, broadcast, the logical filter, everything', () => {
  const accepted = (mode: number, filter = 0n): boolean[] =>
    [MAC, PEER, BROADCAST, ALL_HOSTS].map((to) => {
      const { card, flags } = running(2, mode, filter);
      card.receive(frameTo(to));
      return flags(RX_RING, 0) !== OWN;
    });
  assert.deepEqual(accepted(0), [true, false, true, false]);
  assert.deepEqual(accepted(0x4000), [true, false, false, false]);
  assert.deepEqual(accepted(0x2000), [false, false, true, false]);
  assert.deepEqual(accepted(0, 1n << 54n), [true, false, true, true]);
  assert.deepEqual(accepted(0, ~(1n << 54n) & 0xffff_ffff_ffff_ffffn), [true, false, true, false]);
  assert.deepEqual(accepted(0x8000), [true, true, true, true]);
  assert.deepEqual(accepted(0x0001), [false, false, false, false]);
});

test('without buffers frames are refused until there is one', () => {
  const { nic, card, empty, csr } = running(2);
  let ready = 0;
  card.onReady = () => ready++;
  for (let i = 0; i < 8; i++) assert.equal(card.receive(frameTo(MAC, 60, i)), true);
  assert.deepEqual([card.canReceive, card.receive(frameTo(MAC))], [false, false]);
  csr(0, RINT | IENA);
  assert.equal(ready, 0);
  empty(0);
  csr(0, RINT | IENA);
  assert.equal(ready, 1);
  assert.equal(card.receive(frameTo(MAC)), true);
  assert.equal(card.receive(frameTo(MAC)), false);
  empty(1);
  nic.clock.advance(3_000_000);
  assert.equal(ready, 2, 'the ring is polled, too');
});

test('the transmit ring is polled until the driver shows that it uses TDMD', () => {
  const { nic, post, kick } = running(2);
  post(0, frameTo(PEER));
  nic.clock.advance(3_000_000);
  assert.equal(nic.sent.length, 1);
  kick();
  assert.equal(nic.clock.nextDeadlineNs(), Number.POSITIVE_INFINITY);
});

test('a frame without STP is skipped, one with a buffer outside memory is an error', () => {
  const { nic, post, kick, csr, flags } = running(2);
  post(0, frameTo(PEER), 1);
  post(1, frameTo(PEER, 100, 2));
  kick();
  assert.deepEqual(nic.sent, [frameTo(PEER, 100, 2)]);
  assert.equal(flags(TX_RING, 0), 1);
  post(2, frameTo(PEER, 100, 3), STP_ENP | 0x40);
  kick();
  assert.deepEqual([nic.sent.pop(), flags(TX_RING, 2)], [frameTo(PEER, 100, 3), STP_ENP]);
  post(3, frameTo(PEER));
  nic.put32(TX_RING + 48, 0xffff_ff00);
  kick();
  assert.equal(csr(0) & MERR, MERR);
  assert.equal(nic.sent.length, 1);
});

test('interrupts can be masked, and asked for only by the last descriptor', () => {
  const { nic, post, kick, csr } = running(2);
  csr(3, TINT);
  post(0, frameTo(PEER));
  kick();
  assert.equal(nic.line.level, false);
  csr(3, 0);
  assert.equal(nic.line.level, true);
  csr(0, TINT | IENA);
  csr(5, 0x4000);
  post(1, frameTo(PEER));
  kick();
  assert.equal(csr(0) & TINT, 0);
  post(2, frameTo(PEER), STP_ENP | 0x10);
  kick();
  assert.equal(csr(0) & TINT, TINT);
  csr(0, TINT | IENA);
  csr(4, 0x0995);
  assert.equal(nic.line.level, true, 'user interrupt');
  csr(4, 0x0955);
  assert.equal(nic.line.level, false);
});

test('stopped, it neither sends nor receives, and its registers can be written', () => {
  const { nic, card, post, csr } = running(2);
  csr(12, 0x1111);
  assert.equal(csr(12), 0x5452);
  csr(0, STOP);
  csr(12, 0x1111);
  assert.deepEqual([csr(12), csr(0)], [0x1111, STOP]);
  post(0, frameTo(PEER));
  csr(0, TDMD);
  nic.clock.advance(10_000_000);
  assert.equal(nic.sent.length, 0);
  assert.equal(card.receive(frameTo(MAC)), true);
  assert.equal(nic.u32(RX_RING + 4) >>> 31, 1);
});

test('rings can be given without an initialization block', () => {
  const { nic, csr, bcr } = bench();
  bcr(20, 2);
  csr(30, TX_RING);
  csr(78, 0xfffe);
  csr(0, STRT);
  for (let i = 0; i < 6; i++) {
    nic.put(TX_BUFFERS, frameTo(PEER, 60, i));
    nic.put32(TX_RING + 16 * (i % 2), TX_BUFFERS, 0x8300_f000 | (0x1000 - 60), 0, 0);
    csr(0, TDMD);
    assert.deepEqual(nic.sent[i], frameTo(PEER, 60, i));
  }
});

test('padding is put on and taken off; a frame with an FCS of its own loses it', () => {
  const { nic, card, post, kick, csr, count } = running(2, 0x0008);
  csr(4, 0x0d15);
  const short = frameTo(PEER, 20);
  short.set([0, 6], 12);
  post(0, Uint8Array.of(...short, 1, 2, 3, 4), STP_ENP);
  kick();
  assert.deepEqual([nic.sent[0].length, ...nic.sent[0].subarray(18, 22)], [60, ...short.subarray(18), 0, 0]);
  card.receive(Uint8Array.of(...MAC, ...short.subarray(6)));
  assert.equal(count(0), 20);
});

test('loopback brings what is sent back', () => {
  const { nic, post, kick, flags } = running(2, 0x0004);
  post(0, frameTo(MAC, 100));
  kick();
  assert.deepEqual([nic.sent.length, flags(RX_RING, 0)], [0, STP_ENP]);
  assert.deepEqual(nic.bytes(RX_BUFFERS, 100), frameTo(MAC, 100));
});

test('a million random accesses, with frames and noise in memory, do no harm', () => {
  const nic = new NicBench(0x2_0000);
  const card = new Pcnet(nic.host);
  enable(card.config);
  const write = (port: number, number: number, value: number): void => {
    card.write(RAP, number, 2);
    card.write(port, value, 2);
  };
  storm(
    nic,
    card,
    [[card, 32]],
    (random) => {
      if (random(200) === 0) card.reset();
      if (random(20) === 0) {
        write(RDP, 0, STOP);
        write(BDP, 20, random(5));
        write(RDP, 1, random(0x1_0000));
        write(RDP, 2, random(3) ? 0 : random(0x1_0000));
        write(RDP, 0, INIT);
        write(RDP, 15, random(4) << 13);
        for (const number of [24, 30]) write(RDP, number, random(0x1_0000));
        for (const number of [25, 31]) write(RDP, number, random(3) ? 0 : random(0x1_0000));
        for (const number of [76, 78]) write(RDP, number, random(2) ? random(0x1_0000) : -random(16));
      }
      write(RDP, 0, random(4) ? STRT | IENA | TDMD : random(0x1_0000));
      write(RDP, [3, 4, 5][random(3)], random(0x1_0000));
    },
    1_000_000,
  );
  const saved = card.save();
  card.restore(saved);
  assert.deepEqual(card.save(), saved);
});

test('saved in the middle of things, it goes on elsewhere', () => {
  const { nic, card } = running(2);
  card.receive(frameTo(MAC, 100));
  const other = new NicBench();
  other.memory.bytes.set(nic.memory.bytes);
  const copy = new Pcnet(other.host);
  enable(copy.config);
  copy.restore(card.save());
  assert.equal(other.line.level, true);
  copy.receive(frameTo(MAC, 200));
  assert.deepEqual(other.bytes(RX_BUFFERS + 0x1000, 200), frameTo(MAC, 200));
});
