import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bus } from '../base/bus.ts';
import { PcTestdev, TESTDEV_LINES, TESTDEV_MEMORY_BYTES } from './pc-testdev.ts';
import { TestLine } from './test-clock.ts';

function testdev() {
  const irqs = Array.from({ length: TESTDEV_LINES }, () => new TestLine());
  const flushed: number[] = [];
  const device = new PcTestdev({ irqs, flushPage: (address) => flushed.push(address) });
  const ports = new Bus();
  ports.map(0xe0, 4, device.register);
  ports.map(0xe4, 4, device.flush);
  ports.map(0xe8, 4, device.registerBytes);
  ports.map(0x2000, TESTDEV_LINES, device.irqLines);
  return { irqs, flushed, device, ports };
}

test('the register echoes at both places and every width', () => {
  const { ports } = testdev();
  ports.write(0xe0, 0x8765_4321, 4);
  assert.equal(ports.read(0xe0, 4), 0x8765_4321);
  assert.equal(ports.read(0xe8, 4), 0x8765_4321);
  ports.write(0xe9, 0xaabb, 2);
  assert.equal(ports.read(0xe0, 4), 0x87aa_bb21);
  assert.equal(ports.read(0xe3, 1), 0x87);
});

test('interrupt lines follow bytes, and are told again after a restore', () => {
  const { irqs, ports, device } = testdev();
  ports.write(0x2000 + 14, 1, 1);
  ports.write(0x2000 + 23, 0xff, 1);
  assert.equal(irqs[14].level, true);
  assert.equal(irqs[23].level, true);
  const saved = device.save();
  device.reset();
  assert.equal(irqs[14].level, false);
  device.restore(saved);
  assert.equal(irqs[14].level, true);
  ports.write(0x2000 + 14, 0, 1);
  assert.equal(irqs[14].level, false);
});

test('a 32-bit write to the flush port names a page', () => {
  const { flushed, ports } = testdev();
  ports.write(0xe4, 0xfedc_ba98, 4);
  ports.write(0xe4, 1, 2);
  assert.deepEqual(flushed, [0xfedc_b000]);
});

test('the MMIO memory is memory', () => {
  const { device } = testdev();
  const mmio = new Bus();
  mmio.map(0xff00_0000, TESTDEV_MEMORY_BYTES, device.memory);
  mmio.write(0xff00_fffc, 0xcafe_babe, 4);
  assert.equal(mmio.read(0xff00_fffd, 2), 0xfeba);
});
