import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HPET_ID, Hpet } from './hpet.ts';
import { TestClock, TestLine } from './test-clock.ts';

const [ID, PERIOD, CONFIGURATION, STATUS, COUNTER] = [0x000, 0x004, 0x010, 0x020, 0x0f0];
const [ENABLE, LEGACY] = [1, 2];
const [LEVEL, INTERRUPTS, PERIODIC, VALUE_SET, NARROW] = [0x02, 0x04, 0x08, 0x40, 0x100];
const TICK_NS = 10;
const timer = (n: number): number => 0x100 + 0x20 * n;
const comparator = (n: number): number => timer(n) + 8;
const route = (pin: number): number => pin << 9;

function bench(clock = new TestClock()) {
  const [pit, rtc, line20, line21] = [new TestLine(), new TestLine(), new TestLine(), new TestLine()];
  const lines = new Map([
    [20, line20],
    [21, line21],
  ]);
  const device = new Hpet({ clock, pitLine: pit, rtcLine: rtc, lines });
  return {
    clock,
    pit,
    rtc,
    line20,
    line21,
    device,
    ticks: (count: number) => clock.advance(count * TICK_NS),
    get: (register: number) => device.read(register, 4),
    set: (register: number, value: number) => device.write(register, value, 4),
    /** Two accesses, the low half first, as the bus makes them of one of eight bytes. */
    get64: (register: number) => BigInt(device.read(register, 4)) | (BigInt(device.read(register + 4, 4)) << 32n),
    set64(register: number, value: bigint) {
      device.write(register, Number(value & 0xffff_ffffn), 4);
      device.write(register + 4, Number(value >> 32n), 4);
    },
  };
}

test('capabilities tell of three 64-bit timers and 10 ns', () => {
  const b = bench();
  assert.equal(b.get(ID), HPET_ID);
  assert.equal((HPET_ID >> 8) & 0x1f, 2);
  assert.equal(b.get(PERIOD), 10_000_000);
  for (let n = 0; n < 3; n++) assert.deepEqual([b.get(timer(n)), b.get(timer(n) + 4)], [0x30, 0x30_0000]);
  assert.equal(b.get(timer(3)), 0);
});

test('the counter counts while it is enabled, and can be set', () => {
  const b = bench();
  b.ticks(1000);
  assert.equal(b.get64(COUNTER), 0n);
  b.set(CONFIGURATION, ENABLE);
  b.ticks(1000);
  assert.equal(b.get64(COUNTER), 1000n);
  b.set(CONFIGURATION, 0);
  b.ticks(1000);
  assert.equal(b.get64(COUNTER), 1000n);
  b.set64(COUNTER, 0xffff_fff0n);
  b.set(CONFIGURATION, ENABLE);
  b.ticks(0x20);
  assert.equal(b.get64(COUNTER), 0x1_0000_0010n);
  b.set(CONFIGURATION, 0);
  b.set64(COUNTER, 0xffff_ffff_ffff_ffffn);
  b.set(CONFIGURATION, ENABLE);
  b.ticks(2);
  assert.equal(b.get64(COUNTER), 1n);
});

test('the halves of the counter belong together', () => {
  const b = bench();
  b.set64(COUNTER, 0x7_ffff_ffffn);
  b.set(CONFIGURATION, ENABLE);
  assert.equal(b.get(COUNTER), 0xffff_ffff);
  b.ticks(1);
  assert.equal(b.get(COUNTER + 4), 7, 'as it was with the low half');
  assert.equal(b.get(COUNTER + 4), 8);
});

test('a one-shot timer fires once, on the tick of its comparator', () => {
  const b = bench();
  b.set(timer(2), INTERRUPTS | route(20));
  b.set64(comparator(2), 5000n);
  b.set(CONFIGURATION, ENABLE);
  b.ticks(4999);
  assert.equal(b.line20.edges, 0);
  b.ticks(1);
  assert.equal(b.line20.edges, 1);
  b.clock.advance(200e9);
  assert.equal(b.line20.edges, 1);
});

test('a comparator that has been passed waits for the counter to come round: at 32 bits in 43 seconds', () => {
  const b = bench();
  b.set(CONFIGURATION, ENABLE);
  b.ticks(100);
  b.set(timer(0), INTERRUPTS | route(20));
  b.set64(comparator(0), 99n);
  b.set(timer(1), INTERRUPTS | NARROW | route(21));
  b.set(comparator(1), 99);
  b.clock.advance(42e9);
  assert.deepEqual([b.line20.edges, b.line21.edges], [0, 0]);
  b.clock.advance(2e9);
  assert.deepEqual([b.line20.edges, b.line21.edges], [0, 1]);
  b.clock.advance(43e9);
  assert.deepEqual([b.line20.edges, b.line21.edges], [0, 2]);
});

test("Linux's way to a periodic timer: VAL_SET, first match, then period", () => {
  const b = bench();
  b.set(CONFIGURATION, ENABLE | LEGACY);
  b.ticks(50);
  b.set(timer(0), INTERRUPTS | PERIODIC | VALUE_SET | NARROW);
  b.set(comparator(0), 1050);
  b.ticks(100);
  b.set(comparator(0), 1000);
  b.ticks(900); // at 1050
  assert.equal(b.pit.edges, 1);
  b.ticks(999);
  assert.equal(b.pit.edges, 1);
  b.ticks(1);
  assert.equal(b.pit.edges, 2);
  b.ticks(100_000);
  assert.equal(b.pit.edges, 102);
  assert.equal(b.get(comparator(0)), 103_050);
});

test('VAL_SET covers both halves of one write of eight bytes', () => {
  const b = bench();
  b.set64(COUNTER, 0x5_0000_0000n);
  b.set(timer(0), INTERRUPTS | PERIODIC | VALUE_SET | route(20));
  b.set64(comparator(0), 0x5_0000_0100n);
  b.set64(comparator(0), 0x100n);
  b.set(CONFIGURATION, ENABLE);
  b.ticks(0x1000);
  assert.equal(b.line20.edges, 16);
});

test('periods that passed unseen come as one, and the next is on time', () => {
  const b = bench();
  b.set(timer(0), INTERRUPTS | PERIODIC | VALUE_SET | route(20));
  b.set64(comparator(0), 1000n);
  b.set64(comparator(0), 1000n);
  b.set(CONFIGURATION, ENABLE);
  b.clock.jump(10_500 * TICK_NS);
  assert.equal(b.line20.edges, 1);
  b.ticks(499);
  assert.equal(b.line20.edges, 1);
  b.ticks(1);
  assert.equal(b.line20.edges, 2);
});

test('the shortest of periods does not stop the world', () => {
  const b = bench();
  b.set(timer(0), INTERRUPTS | PERIODIC | VALUE_SET | route(20));
  b.set64(comparator(0), 1n);
  b.set(CONFIGURATION, ENABLE);
  b.clock.advance(1e6);
  assert.ok(b.line20.edges >= 900 && b.line20.edges <= 1001, `${b.line20.edges}`);
  b.clock.jump(1e15);
  assert.ok(b.line20.edges <= 1002);
});

test('a level stays until its status is cleared', () => {
  const b = bench();
  b.set(timer(1), INTERRUPTS | LEVEL | route(21));
  b.set64(comparator(1), 10n);
  b.set(CONFIGURATION, ENABLE);
  b.ticks(10);
  assert.equal(b.line21.level, true);
  assert.equal(b.get(STATUS), 2);
  b.set(STATUS, 5);
  assert.equal(b.line21.level, true);
  b.set(STATUS, 2);
  assert.equal(b.line21.level, false);
  assert.equal(b.get(STATUS), 0);
});

test('a level is there without its interrupt being enabled, and follows its route', () => {
  const b = bench();
  b.set(timer(1), LEVEL | route(21));
  b.set64(comparator(1), 10n);
  b.set(CONFIGURATION, ENABLE);
  b.ticks(10);
  assert.deepEqual([b.get(STATUS), b.line21.level], [2, false]);
  b.set(timer(1), LEVEL | INTERRUPTS | route(21));
  assert.equal(b.line21.level, true);
  b.set(timer(1), LEVEL | INTERRUPTS | route(20));
  assert.deepEqual([b.line20.level, b.line21.level], [true, false]);
  b.set(CONFIGURATION, 0);
  assert.equal(b.line20.level, false);
});

test('a route that is not there is not taken', () => {
  const b = bench();
  b.set(timer(0), route(20));
  b.set(timer(0), route(5));
  assert.equal(b.get(timer(0)) & route(31), route(20));
});

test('legacy replacement takes the lines of PIT and clock, and gives them back', () => {
  const b = bench();
  b.device.pitInput.set(true);
  assert.equal(b.pit.level, true);
  b.set(CONFIGURATION, ENABLE | LEGACY);
  assert.equal(b.pit.level, false);
  b.device.pitInput.set(false);
  b.device.pitInput.set(true);
  b.device.rtcInput.set(true);
  assert.deepEqual([b.pit.level, b.rtc.level], [false, false]);
  b.set(timer(0), INTERRUPTS | route(20));
  b.set(timer(1), INTERRUPTS | LEVEL | route(21));
  b.set64(comparator(0), 100n);
  b.set64(comparator(1), 100n);
  b.ticks(100);
  assert.deepEqual([b.pit.edges, b.rtc.level], [2, true]);
  assert.deepEqual([b.line20.edges, b.line21.edges], [0, 0]);
  b.set(CONFIGURATION, ENABLE);
  assert.deepEqual([b.pit.level, b.rtc.level, b.line21.level], [true, true, true]);
  b.device.rtcInput.set(false);
  assert.equal(b.rtc.level, false);
});

test('timers go on after restoring, missing nothing', () => {
  const b = bench();
  b.set(timer(0), INTERRUPTS | PERIODIC | VALUE_SET | route(20));
  b.set64(comparator(0), 1000n);
  b.set64(comparator(0), 1000n);
  b.set(timer(1), INTERRUPTS | route(21));
  b.set64(comparator(1), 5500n);
  b.set(CONFIGURATION, ENABLE);
  b.ticks(5400);
  const other = bench(b.clock);
  other.device.restore(b.device.save());
  b.ticks(5000);
  assert.deepEqual([other.line20.edges, other.line21.edges], [5, 1]);
  assert.deepEqual(other.device.save(), b.device.save());
});

test('accesses of other widths read parts and write nothing', () => {
  const b = bench();
  assert.equal(b.device.read(1, 1), (HPET_ID >> 8) & 0xff);
  assert.equal(b.device.read(2, 2), 0x8086);
  assert.equal(b.device.read(2, 4), 0xffff_ffff);
  b.device.write(CONFIGURATION, 1, 1);
  b.device.write(CONFIGURATION, 1, 2);
  assert.equal(b.get(CONFIGURATION), 0);
});
