import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AcpiPm, PM_TIMER_HZ, SLEEP_TYPE_S5 } from './acpi-pm.ts';
import { TestClock, TestLine } from './test-clock.ts';

function pm(timerBits: 24 | 32 = 24) {
  const clock = new TestClock();
  const sci = new TestLine();
  const counts = { powerOffs: 0 };
  const device = new AcpiPm({ clock, sci, timerBits, powerOff: () => counts.powerOffs++ });
  return { clock, sci, counts, device };
}

test('the timer counts at 3.579545 MHz and wraps at its width', () => {
  for (const bits of [24, 32] as const) {
    const { clock, device } = pm(bits);
    clock.advance(2e9 + 1);
    assert.equal(device.pmTimer.read(0, 4), 2 * PM_TIMER_HZ);
    clock.advance((2 ** bits / PM_TIMER_HZ) * 1e9);
    assert.equal(device.pmTimer.read(0, 4), 2 * PM_TIMER_HZ);
    assert.equal(device.pmTimer.read(1, 2), (2 * PM_TIMER_HZ) >>> 8);
  }
});

test('the timer status is set whenever the highest bit changes, with an interrupt if enabled', () => {
  const { clock, sci, device } = pm();
  const halfNs = (2 ** 23 / PM_TIMER_HZ) * 1e9;
  clock.advance(halfNs + 1000);
  assert.equal(device.event.read(0, 2), 1);
  device.event.write(0, 1, 2);
  assert.equal(device.event.read(0, 2), 0);
  device.event.write(2, 1, 2);
  assert.equal(sci.level, false);
  clock.advance(halfNs);
  assert.equal(sci.level, true);
  device.event.write(0, 0xffff, 2);
  assert.equal(sci.level, false);
  clock.advance(halfNs);
  assert.equal(sci.edges, 2);
});

test('the power button interrupts, and its status is cleared by writing a one', () => {
  const { sci, device } = pm();
  device.event.write(2, 0x0100, 2);
  device.pressPowerButton();
  assert.equal(sci.level, true);
  device.event.write(0, 0x00, 1);
  device.event.write(1, 0x01, 1);
  assert.equal(sci.level, false);
  assert.equal(device.event.read(0, 2), 0);
});

test('the power goes off for SLP_EN with the type of S5 only', () => {
  const { counts, device } = pm();
  device.control.write(0, (3 << 10) | 0x2000, 2);
  device.control.write(0, SLEEP_TYPE_S5 << 10, 2);
  assert.equal(counts.powerOffs, 0);
  assert.equal(device.control.read(0, 2), (SLEEP_TYPE_S5 << 10) | 1);
  device.control.write(1, 0x20 | (SLEEP_TYPE_S5 << 2), 1);
  assert.equal(counts.powerOffs, 1);
});

test('the machine is always in ACPI mode', () => {
  const { device } = pm();
  assert.equal(device.control.read(0, 2), 1);
  device.control.write(0, 0, 2);
  assert.equal(device.control.read(0, 1), 1);
});
