import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RtcMc146818 } from './rtc-mc146818.ts';
import { TestClock, TestLine } from './test-clock.ts';

const START = Date.UTC(2024, 1, 28, 23, 59, 50);
const [A, B, C, D] = [0x0a, 0x0b, 0x0c, 0x0d];

function rtc() {
  const clock = new TestClock();
  const irq = new TestLine();
  const device = new RtcMc146818({ clock, irq, wallClockMs: () => START + clock.now() / 1e6 });
  const get = (index: number): number => {
    device.write(0, index);
    return device.read(1);
  };
  const set = (index: number, value: number): void => {
    device.write(0, index);
    device.write(1, value);
  };
  /** Year, month, day, hour, minute, second, as the registers have them, in hexadecimal. */
  const time = (): string => [0x32, 9, 8, 7, 4, 2, 0].map((i) => get(i).toString(16).padStart(2, '0')).join(' ');
  return { clock, irq, device, get, set, time };
}

test('the clock shows UTC in BCD and goes on over a leap day', () => {
  const { clock, get, time } = rtc();
  assert.equal(time(), '20 24 02 28 23 59 50');
  clock.advance(10e9);
  assert.equal(time(), '20 24 02 29 00 00 00');
  assert.equal(get(6), 5); // a Thursday
  assert.equal(get(D), 0x80);
});

test('binary and 12-hour formats apply to the time', () => {
  const { set, time } = rtc();
  set(B, 0x06);
  assert.equal(time(), '14 18 02 1c 17 3b 32');
  set(B, 0x00);
  assert.equal(time(), '20 24 02 28 91 59 50');
  set(B, 0x02);
  set(4, 0x00);
  set(B, 0x00);
  assert.equal(time(), '20 24 02 28 12 59 50');
});

test('the time is set under SET, and runs on from there', () => {
  const { clock, set, time } = rtc();
  clock.advance(0.25e9);
  set(B, 0x82);
  for (const [index, value] of [
    [0x32, 0x19],
    [9, 0x99],
    [8, 0x12],
    [7, 0x31],
    [4, 0x23],
    [2, 0x59],
    [0, 0x58],
  ]) {
    set(index, value);
  }
  clock.advance(5e9);
  assert.equal(time(), '19 99 12 31 23 59 58');
  set(B, 0x02);
  clock.advance(0.74e9);
  assert.equal(time(), '19 99 12 31 23 59 58');
  clock.advance(1.02e9);
  assert.equal(time(), '20 00 01 01 00 00 00');
});

test('after a reset of the divider the first update comes half a second later', () => {
  const { clock, set, time } = rtc();
  clock.advance(0.9e9);
  set(A, 0x76);
  clock.advance(3e9);
  set(0, 0x10);
  set(A, 0x26);
  clock.advance(0.49e9);
  assert.equal(time(), '20 24 02 28 23 59 10');
  clock.advance(0.02e9);
  assert.equal(time(), '20 24 02 28 23 59 11');
});

test('update-in-progress warns before each second', () => {
  const { clock, get } = rtc();
  clock.advance(0.9997e9);
  assert.equal(get(A), 0x26);
  clock.advance(0.0001e9);
  assert.equal(get(A), 0xa6);
  clock.advance(0.0003e9);
  assert.equal(get(A), 0x26);
});

test('update interrupts come every second, held until the flags are read', () => {
  const { clock, irq, get, set } = rtc();
  set(B, 0x12);
  clock.advance(0.99e9);
  assert.equal(irq.level, false);
  clock.advance(2.5e9);
  assert.equal(irq.level, true);
  assert.equal(irq.edges, 1);
  assert.equal(get(C) & 0xb0, 0x90);
  assert.equal(irq.level, false);
  assert.equal(get(C) & 0xf0, 0);
  clock.advance(1e9);
  assert.equal(irq.edges, 2);
});

test('the alarm goes off at its time, also with bytes that match everything', () => {
  const { clock, irq, get, set } = rtc();
  set(1, 0x05);
  set(3, 0x00);
  set(5, 0x00);
  set(B, 0x22);
  clock.advance(14.9e9);
  assert.equal(irq.level, false);
  clock.advance(0.2e9);
  assert.equal(irq.level, true);
  assert.equal(get(C), 0xf0); // the other flags come along without an interrupt of their own
  set(3, 0xff);
  set(5, 0xc0);
  clock.advance(59e9);
  assert.equal(irq.level, false);
  clock.advance(1e9);
  assert.equal(irq.level, true);
});

test('an alarm at an impossible time never goes off', () => {
  const { clock, irq, set } = rtc();
  set(1, 0x75);
  set(B, 0x22);
  assert.equal(clock.nextDeadlineNs(), Number.POSITIVE_INFINITY);
  clock.advance(200_000e9);
  assert.equal(irq.edges, 0);
});

test('periodic interrupts come at the selected rate', () => {
  const { clock, irq, get, set } = rtc();
  set(A, 0x26);
  set(B, 0x42);
  let count = 0;
  for (let ms = 0; ms < 1000; ms += 0.1) {
    clock.advance(0.1e6);
    if (irq.level) {
      assert.equal(get(C) & 0xc0, 0xc0);
      count++;
    }
  }
  assert.ok(Math.abs(count - 1024) <= 1, String(count));
});

test('a period that ends while the flags are read makes an edge of its own', () => {
  const clock = new TestClock();
  const irq = new TestLine();
  /** Time passes with every look at it. */
  const now = (): number => {
    clock.jump(0.3e6);
    return clock.now();
  };
  const device = new RtcMc146818({
    clock: { now, timer: (expired) => clock.timer(expired) },
    irq,
    wallClockMs: () => START,
  });
  for (const [index, value] of [[A, 0x26] as const, [B, 0x42] as const]) {
    device.write(0, index);
    device.write(1, value);
  }
  device.write(0, C);
  for (let reads = 0; reads < 100; reads++) {
    clock.advance(1e6);
    assert.ok(irq.level);
    const { edges } = irq;
    device.read(1);
    assert.equal(irq.edges, edges + (irq.level ? 1 : 0));
  }
});

test('flags are there to be polled without any interrupt enabled', () => {
  const { clock, get } = rtc();
  assert.equal(clock.nextDeadlineNs(), Number.POSITIVE_INFINITY);
  get(C);
  clock.advance(1.1e9);
  assert.equal(get(C), 0x50);
  assert.equal(get(C) & 0x10, 0);
});

test('CMOS RAM and the time outlive a reset, interrupts do not', () => {
  const { clock, irq, device, get, set } = rtc();
  device.setByte(0x15, 0x80);
  set(0x40, 0x77);
  set(0, 0x30);
  set(B, 0x12);
  clock.advance(2e9);
  device.reset();
  assert.equal(irq.level, false);
  assert.deepEqual([get(0x15), get(0x40), get(0), get(B)], [0x80, 0x77, 0x32, 0x02]);
  assert.equal(clock.nextDeadlineNs(), Number.POSITIVE_INFINITY);
});

test('the index port keeps seven bits and reads as ones', () => {
  const { device } = rtc();
  device.write(0, 0x8d);
  assert.equal(device.read(1), 0x80);
  assert.equal(device.read(0), 0xff);
});
