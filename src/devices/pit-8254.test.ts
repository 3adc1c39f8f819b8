import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PIT_HZ, Pit8254 } from './pit-8254.ts';
import { TestClock, TestLine } from './test-clock.ts';

const TICK_NS = 1e9 / PIT_HZ;
const [MODE_0, MODE_1, MODE_2, MODE_3, MODE_4, MODE_5] = [0, 1, 2, 3, 4, 5].map((mode) => mode << 1);

function pit() {
  const clock = new TestClock();
  const irq = new TestLine();
  const device = new Pit8254({ clock, irq });
  clock.advance(TICK_NS / 2); // in the middle of ticks
  return {
    clock,
    irq,
    device,
    ticks: (n: number) => clock.advance(n * TICK_NS),
    /** Counter `channel` in `mode`, low and high byte. */
    program: (channel: number, mode: number, count: number) => {
      device.write(3, (channel << 6) | 0x30 | mode);
      device.write(channel, count & 0xff);
      device.write(channel, count >> 8);
    },
    count: (channel: number) => {
      device.write(3, channel << 6);
      return device.read(channel) | (device.read(channel) << 8);
    },
    status: (channel: number) => {
      device.write(3, 0xe0 | (2 << channel));
      return device.read(channel);
    },
    gate2: (on: boolean) => device.portB.write(0, on ? 1 : 0, 1),
    out2: () => (device.portB.read(0, 1) & 0x20) !== 0,
  };
}

/** Output of counter 2 over the next ticks, one character each. */
function trace(p: ReturnType<typeof pit>, ticks: number): string {
  let text = '';
  for (let i = 0; i < ticks; i++) {
    p.ticks(1);
    text += p.out2() ? '^' : '_';
  }
  return text;
}

test('mode 0 ends low and stays high, and raises its interrupt once', () => {
  const p = pit();
  p.program(0, MODE_0, 1000);
  assert.equal(p.irq.level, false);
  p.ticks(1000);
  assert.equal(p.irq.level, false);
  p.ticks(1);
  assert.equal(p.irq.level, true);
  p.ticks(100_000);
  assert.equal(p.irq.edges, 1);
});

test('mode 2 interrupts at its rate and misses none', () => {
  const p = pit();
  p.program(0, MODE_2, 11932); // 100 Hz
  p.irq.edges = 0;
  p.clock.advance(1e9);
  assert.equal(p.irq.edges, 99);
  p.clock.advance(0.01e9);
  assert.equal(p.irq.edges, 100);
});

test('edges that passed unseen come as one, and the next is on time', () => {
  const p = pit();
  p.program(0, MODE_2, 2);
  p.irq.edges = 0;
  p.clock.jump(3600e9);
  assert.equal(p.irq.edges, 1);
  p.ticks(2);
  assert.equal(p.irq.edges, 2);
});

test('outputs have the wave forms of the data sheet', () => {
  const p = pit();
  p.gate2(true);
  p.program(2, MODE_0, 3);
  assert.equal(trace(p, 6), '___^^^');
  p.program(2, MODE_2, 3);
  assert.equal(trace(p, 10), '^^_^^_^^_^');
  p.program(2, MODE_3, 4);
  assert.equal(trace(p, 10), '^^__^^__^^');
  p.program(2, MODE_3, 5);
  assert.equal(trace(p, 11), '^^^__^^^__^');
  p.program(2, MODE_4, 3);
  assert.equal(trace(p, 8), '^^^_^^^^');
});

test('hardware triggered modes wait for a rising gate and start again at each', () => {
  const p = pit();
  p.program(2, MODE_1, 3);
  assert.equal(trace(p, 3), '^^^');
  p.gate2(true);
  assert.equal(trace(p, 2), '__');
  p.gate2(false);
  p.gate2(true);
  assert.equal(trace(p, 5), '___^^');
  p.gate2(false);
  p.program(2, MODE_5, 3);
  assert.equal(trace(p, 5), '^^^^^');
  p.gate2(true);
  assert.equal(trace(p, 6), '^^^_^^');
});

test('a low gate pauses mode 0 and holds modes 2 and 3 high', () => {
  const p = pit();
  p.gate2(true);
  p.program(2, MODE_0, 10);
  p.ticks(5);
  p.gate2(false);
  const held = p.count(2);
  p.ticks(100);
  assert.equal(p.count(2), held);
  p.gate2(true);
  assert.equal(trace(p, 8), '_____^^^');
  p.program(2, MODE_3, 4);
  p.ticks(3);
  assert.equal(p.out2(), false);
  p.gate2(false);
  assert.equal(trace(p, 4), '^^^^');
});

test('a new count in modes 2 and 3 waits for the end of the cycle, or half cycle', () => {
  const p = pit();
  p.gate2(true);
  p.program(2, MODE_2, 4);
  p.ticks(2);
  p.device.write(2, 3);
  p.device.write(2, 0);
  assert.equal(p.status(2) & 0x40, 0x40);
  assert.equal(trace(p, 9), '^_^^_^^_^');
  p.program(2, MODE_3, 4);
  p.ticks(1);
  p.device.write(2, 6);
  p.device.write(2, 0);
  assert.equal(trace(p, 11), '^___^^^___^');
});

test('a latched count stands still until both bytes are read', () => {
  const p = pit();
  p.program(0, MODE_2, 0);
  p.ticks(0x235);
  p.device.write(3, 0x00);
  p.ticks(1000);
  p.device.write(3, 0x00);
  assert.equal(p.device.read(0), (0x10000 - 0x234) & 0xff);
  assert.equal(p.device.read(0), (0x10000 - 0x234) >> 8);
  assert.notEqual(p.count(0), 0x10000 - 0x234);
});

test('counts go down by one, by two in mode 3, in decimal if asked', () => {
  const p = pit();
  p.program(0, MODE_0, 100);
  p.ticks(11);
  assert.equal(p.count(0), 90);
  p.ticks(100);
  assert.equal(p.count(0), 0xfff6);
  p.program(0, MODE_3, 100);
  p.ticks(11);
  assert.equal(p.count(0), 80);
  p.program(0, MODE_2 | 1, 0x1000);
  p.ticks(2);
  assert.equal(p.count(0), 0x0999);
});

test('the read-back command latches status before count', () => {
  const p = pit();
  p.program(0, MODE_2, 500);
  p.ticks(1);
  p.device.write(3, 0xc2);
  assert.equal(p.device.read(0), 0x80 | 0x30 | MODE_2);
  assert.equal(p.device.read(0) | (p.device.read(0) << 8), 500);
  p.device.write(3, 0x30);
  assert.equal(p.status(0), 0x40 | 0x30);
});

test('single byte access reads and writes only that byte', () => {
  const p = pit();
  p.device.write(3, 0x10 | MODE_2);
  p.device.write(0, 200);
  p.ticks(1);
  assert.equal(p.device.read(0), 200);
  p.device.write(3, 0x20 | MODE_2);
  p.device.write(0, 2);
  p.ticks(1);
  assert.equal(p.device.read(0), 2);
  assert.equal(p.device.state.channels[0].count, 512);
});

test("Linux's TSC calibration by counter 2 sees 50 ms pass", () => {
  const p = pit();
  p.gate2(true);
  p.program(2, MODE_0, Math.floor(PIT_HZ / 20));
  const start = p.clock.now();
  let polls = 0;
  while (!p.out2()) {
    p.clock.advance(1000);
    polls++;
  }
  assert.ok(Math.abs(p.clock.now() - start - 50e6) < 3000);
  assert.ok(polls > 40_000);
});

test('the refresh bit of port 0x61 toggles', () => {
  const p = pit();
  const seen = new Set<number>();
  for (let i = 0; i < 40; i++) {
    seen.add(p.device.portB.read(0, 1) & 0x10);
    p.clock.advance(1000);
  }
  assert.equal(seen.size, 2);
});

test('a restored timer goes on with the same phase', () => {
  const p = pit();
  p.program(0, MODE_2, 1000);
  p.ticks(700);
  const saved = p.device.save();
  p.device.reset();
  p.irq.edges = 0;
  p.ticks(100);
  assert.equal(p.irq.edges, 0);
  p.device.restore(saved);
  p.irq.edges = 0;
  p.ticks(200);
  assert.equal(p.irq.edges, 0);
  p.ticks(2);
  assert.equal(p.irq.edges, 1);
});
