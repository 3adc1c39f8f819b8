import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Interconnect } from './apic-bus.ts';
import { Ioapic82093 } from './ioapic-82093.ts';

const [LEVEL, MASKED, LOGICAL] = [0x8000, 0x10000, 0x800];

function ioapic() {
  const sent: string[] = [];
  const control = { taken: true };
  const interconnect: Interconnect = {
    send(mode, vector, isLevel, destination, logical) {
      const where = `${logical ? 'logical ' : ''}${destination.toString(16)}`;
      sent.push(`${mode}:${vector.toString(16)}${isLevel ? ' level' : ''} to ${where}`);
      return control.taken;
    },
    broadcast() {},
    endOfInterrupt() {},
  };
  const device = new Ioapic82093({ interconnect });
  const get = (register: number): number => {
    device.write(0x00, register, 4);
    return device.read(0x10);
  };
  const set = (register: number, value: number): void => {
    device.write(0x00, register, 4);
    device.write(0x10, value, 4);
  };
  const entry = (pin: number, low: number, destination = 0): void => {
    set(0x11 + 2 * pin, destination << 24);
    set(0x10 + 2 * pin, low);
  };
  const take = (): string[] => sent.splice(0);
  return { device, control, get, set, entry, take };
}

test('ID, version and redirection entries read back, inputs are masked at first', () => {
  const { get, set, entry } = ioapic();
  assert.equal(get(1), 0x0017_0020);
  set(0, 0x0f00_0000);
  assert.equal(get(0), 0x0f00_0000);
  assert.equal(get(0x10), MASKED);
  assert.equal(get(0x3e), MASKED);
  entry(5, 0xffff_ffff, 0xab);
  assert.equal(get(0x1a), 0x0001_afff);
  assert.equal(get(0x1b), 0xab00_0000);
  assert.equal(get(0x40), 0);
});

test('an edge is sent once, one on a masked input never', () => {
  const { device, entry, take } = ioapic();
  const line = device.line(2);
  entry(2, 0x30, 3);
  line.set(true);
  line.set(true);
  assert.deepEqual(take(), ['0:30 to 3']);
  line.set(false);
  entry(2, 0x30 | MASKED, 3);
  line.set(true);
  entry(2, 0x30, 3);
  assert.deepEqual(take(), []);
  line.set(false);
  line.set(true);
  assert.deepEqual(take(), ['0:30 to 3']);
});

test('a level is sent again after its end of interrupt while it lasts', () => {
  const { device, get, entry, take } = ioapic();
  const line = device.line(9);
  entry(9, 0x39 | LEVEL | LOGICAL, 0xff);
  line.set(true);
  assert.deepEqual(take(), ['0:39 level to logical ffffffff']);
  assert.equal(get(0x22) & 0x4000, 0x4000);
  device.endOfInterrupt(0x38);
  assert.deepEqual(take(), []);
  device.write(0x40, 0x39, 4);
  assert.equal(take().length, 1);
  line.set(false);
  device.endOfInterrupt(0x39);
  assert.deepEqual(take(), []);
  assert.equal(get(0x22) & 0x4000, 0);
});

test('a masked level is sent when it is unmasked', () => {
  const { device, entry, take } = ioapic();
  entry(9, 0x39 | LEVEL | MASKED);
  device.line(9).set(true);
  assert.deepEqual(take(), []);
  entry(9, 0x39 | LEVEL);
  assert.equal(take().length, 1);
});

test('an entry that nobody took, or that is no plain interrupt, is not being served', () => {
  const { device, control, get, entry, take } = ioapic();
  control.taken = false;
  entry(9, 0x39 | LEVEL);
  device.line(9).set(true);
  assert.equal(get(0x22) & 0x4000, 0);
  control.taken = true;
  entry(10, 0x400 | LEVEL);
  device.line(10).set(true);
  assert.equal(get(0x24) & 0x4000, 0);
  assert.deepEqual(take(), ['0:39 level to 0', '4:0 level to 0']);
});

test("an entry made an edge for a moment is rid of remote IRR, which was Linux's way before the EOI register", () => {
  const { device, get, entry, take } = ioapic();
  entry(9, 0x39 | LEVEL);
  device.line(9).set(true);
  entry(9, 0x39 | MASKED);
  entry(9, 0x39 | LEVEL | MASKED);
  assert.equal(get(0x22) & 0x4000, 0);
  take();
  entry(9, 0x39 | LEVEL);
  assert.equal(take().length, 1);
});

test('a reset masks all inputs and keeps the levels of the lines', () => {
  const { device, get, entry, take } = ioapic();
  device.line(9).set(true);
  device.reset();
  assert.equal(get(0x22), MASKED);
  entry(9, 0x39 | LEVEL);
  assert.equal(take().length, 1);
});
