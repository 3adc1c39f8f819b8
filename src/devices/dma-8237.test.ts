import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Dma8237 } from './dma-8237.ts';
import { TestMemory } from './test-memory.ts';

const [ADDRESS_2, COUNT_2, COMMAND, SINGLE_MASK, MODE, FLIP_FLOP, MASTER_CLEAR, ALL_MASKS] = [
  4, 5, 8, 10, 11, 12, 13, 15,
];
const PAGE_2 = 1;
const PAGE_5 = 0x0b;
const [VERIFY, TO_MEMORY, FROM_MEMORY, AUTO, DOWN] = [0x00, 0x04, 0x08, 0x10, 0x20];
const SINGLE = 0x40;

/** The first 128 KiB are RAM. */
function bench() {
  const memory = new TestMemory(0x2_0000);
  const ram = memory.bytes;
  const device = new Dma8237({ memory });
  const { first, second, pages } = device;
  return {
    ram,
    device,
    out: (port: number, value: number) => first.write(port, value, 1),
    in: (port: number) => first.read(port, 1),
    out2: (register: number, value: number) => second.write(register * 2, value, 1),
    page: (register: number, value: number) => pages.write(register, value, 1),
    /** Channel 2 as a driver sets it up. */
    program(mode: number, address: number, length: number) {
      first.write(SINGLE_MASK, 6, 1);
      first.write(FLIP_FLOP, 0, 1);
      first.write(MODE, SINGLE | mode | 2, 1);
      first.write(ADDRESS_2, address & 0xff, 1);
      first.write(ADDRESS_2, (address >> 8) & 0xff, 1);
      pages.write(PAGE_2, address >> 16, 1);
      first.write(COUNT_2, (length - 1) & 0xff, 1);
      first.write(COUNT_2, (length - 1) >> 8, 1);
      first.write(SINGLE_MASK, 2, 1);
    },
    word(port: number) {
      first.write(FLIP_FLOP, 0, 1);
      return first.read(port, 1) | (first.read(port, 1) << 8);
    },
  };
}

const pattern = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i + 1);

test('bytes of a device reach memory up to the terminal count, which masks the channel', () => {
  const b = bench();
  b.program(TO_MEMORY, 0x1_2345, 600);
  const channel = b.device.channel(2);
  assert.deepEqual(channel.toMemory(pattern(512)), { moved: 512, terminalCount: false });
  assert.equal(b.in(COMMAND), 0);
  assert.deepEqual(channel.toMemory(pattern(512)), { moved: 88, terminalCount: true });
  assert.deepEqual(b.ram.slice(0x1_2345, 0x1_2345 + 512), pattern(512));
  assert.deepEqual(b.ram.slice(0x1_2545, 0x1_2545 + 89), Uint8Array.of(...pattern(88), 0));
  assert.deepEqual([b.in(COMMAND), b.in(COMMAND)], [4, 0], 'reading the status clears it');
  assert.deepEqual(channel.toMemory(pattern(1)), { moved: 0, terminalCount: false });
  assert.equal(b.in(ALL_MASKS) & 15, 15);
});

test('a device is given the bytes of memory, and the registers show how far it got', () => {
  const b = bench();
  b.ram.set(pattern(256), 0x8000);
  b.program(FROM_MEMORY, 0x8000, 0x1000);
  const into = new Uint8Array(256);
  assert.deepEqual(b.device.channel(2).fromMemory(into), { moved: 256, terminalCount: false });
  assert.deepEqual(into, pattern(256));
  assert.equal(b.word(ADDRESS_2), 0x8100);
  assert.equal(b.word(COUNT_2), 0xeff);
});

test('a verifying channel counts and leaves memory alone', () => {
  const b = bench();
  b.program(VERIFY, 0x1000, 512);
  assert.deepEqual(b.device.channel(2).toMemory(pattern(512)), { moved: 512, terminalCount: true });
  assert.deepEqual(b.ram.slice(0x1000, 0x1200), new Uint8Array(512));
});

test('a channel serves only when it is unmasked, enabled and programmed for that direction', () => {
  const b = bench();
  const channel = b.device.channel(2);
  const refused = { moved: 0, terminalCount: false };
  assert.deepEqual(channel.toMemory(pattern(4)), refused);
  b.program(FROM_MEMORY, 0, 16);
  assert.deepEqual(channel.toMemory(pattern(4)), refused);
  b.program(TO_MEMORY, 0, 16);
  assert.deepEqual(channel.fromMemory(pattern(4)), refused);
  b.out(COMMAND, 4);
  assert.deepEqual(channel.toMemory(pattern(4)), refused);
  b.out(COMMAND, 0);
  assert.equal(channel.toMemory(pattern(4)).moved, 4);
  b.out(MASTER_CLEAR, 0);
  assert.deepEqual(channel.toMemory(pattern(4)), refused);
  b.out(ALL_MASKS, 0x0b);
  assert.equal(channel.toMemory(pattern(4)).moved, 4);
});

test('auto-initialization begins anew at the terminal count', () => {
  const b = bench();
  b.program(TO_MEMORY | AUTO, 0x100, 4);
  const channel = b.device.channel(2);
  assert.deepEqual(channel.toMemory(pattern(4)), { moved: 4, terminalCount: true });
  assert.deepEqual(channel.toMemory(Uint8Array.of(9)), { moved: 1, terminalCount: false });
  assert.deepEqual(b.ram.slice(0x100, 0x104), Uint8Array.of(9, 2, 3, 4));
});

test('addresses count down when asked to', () => {
  const b = bench();
  b.program(TO_MEMORY | DOWN, 0x103, 4);
  b.device.channel(2).toMemory(pattern(4));
  assert.deepEqual(b.ram.slice(0x100, 0x104), Uint8Array.of(4, 3, 2, 1));
});

test('addresses wrap within their 64 KiB', () => {
  const b = bench();
  b.program(TO_MEMORY, 0x1_fffe, 4);
  b.device.channel(2).toMemory(pattern(4));
  assert.deepEqual([...b.ram.slice(0x1_fffe), ...b.ram.slice(0x1_0000, 0x1_0002)], [1, 2, 3, 4]);
});

test('channels of the second controller move words', () => {
  const b = bench();
  b.out2(FLIP_FLOP, 0);
  b.out2(MODE, SINGLE | TO_MEMORY | 1);
  for (const value of [0x00, 0x90]) b.out2(2, value); // word 0x9000: byte 0x12000, whose bit 16 is the page's
  for (const value of [0x01, 0x00]) b.out2(3, value);
  b.page(PAGE_5, 0x01); // bit 0 is not used
  b.out2(SINGLE_MASK, 1);
  assert.deepEqual(b.device.channel(5).toMemory(pattern(8)), { moved: 4, terminalCount: true });
  assert.deepEqual(b.ram.slice(0x1_2000, 0x1_2005), Uint8Array.of(1, 2, 3, 4, 0));
});

test('memory that is not there reads as ones and swallows writes', () => {
  const b = bench();
  b.program(TO_MEMORY, 0xff_ff00, 0x1_0000);
  assert.deepEqual(b.device.channel(2).toMemory(pattern(512)), { moved: 512, terminalCount: false });
  b.program(FROM_MEMORY, 0xa_0000, 4);
  const into = new Uint8Array(4);
  assert.equal(b.device.channel(2).fromMemory(into).moved, 4);
  assert.deepEqual(into, Uint8Array.of(255, 255, 255, 255));
});

test('page registers that belong to no channel keep a byte', () => {
  const b = bench();
  b.page(0, 0x5a);
  b.page(4, 0xa5);
  assert.deepEqual([b.device.pages.read(0, 1), b.device.pages.read(4, 1)], [0x5a, 0xa5]);
});
