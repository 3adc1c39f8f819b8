import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as at from './registers.ts';
import { CDROM, DISK, EMPTY, TestAhci } from './test-ahci.ts';

const [DISK_SIGNATURE, CDROM_SIGNATURE] = [0x0000_0101, 0xeb14_0101];
const [FLUSH, READ_DMA_EXT] = [0xe7, 0x25];

test('capabilities: six ports, 32 slots, queueing, 64-bit addresses, AHCI only', () => {
  const t = new TestAhci();
  const capabilities = t.get(at.CAP);
  assert.equal(capabilities & 0x1f, 5);
  assert.equal((capabilities >>> 8) & 0x1f, 31);
  for (const bit of [31, 30, 24, 18]) assert.equal((capabilities >>> bit) & 1, 1, `bit ${bit}`);
  assert.deepEqual([t.get(at.PI), t.get(at.VS), t.get(at.GHC)], [0x3f, 0x1_0301, at.GHC_AHCI]);
});

test('devices are there from power-on, with their signatures', () => {
  const t = new TestAhci();
  for (const [port, signature] of [
    [DISK, DISK_SIGNATURE],
    [CDROM, CDROM_SIGNATURE],
  ]) {
    assert.equal(t.port(at.SSTS, port), 0x123);
    assert.equal(t.port(at.SIG, port), signature);
    assert.equal(t.port(at.TFD, port) & 0x88, 0);
  }
  assert.deepEqual([t.port(at.SSTS, EMPTY), t.port(at.SIG, EMPTY), t.port(at.TFD, EMPTY)], [0, 0xffff_ffff, 0x7f]);
  assert.equal(t.get(0xf00), 0);
});

test('the signature is put into memory as soon as there is a place for it', () => {
  const t = new TestAhci().start();
  assert.deepEqual(t.received(0x40, 8), [0x34, 0, 0x50, 1, 1, 0, 0, 0]);
  assert.deepEqual(t.received(0x40, 8, CDROM), [0x34, 0, 0, 1, 1, 0x14, 0xeb, 0]);
});

test('COMRESET takes the link down and up, and the exchange shows until SERR is cleared', () => {
  const t = new TestAhci().start();
  t.setPort(at.CMD, 0);
  t.setPort(at.SCTL, 0x301);
  assert.deepEqual([t.port(at.SSTS), t.port(at.SIG), t.port(at.TFD)], [0, 0xffff_ffff, 0x7f]);
  t.setPort(at.SCTL, 0x300);
  assert.deepEqual([t.port(at.SSTS), t.port(at.SIG), t.port(at.TFD) & 0xff], [0x123, DISK_SIGNATURE, 0x50]);
  assert.equal(t.port(at.PXIS) & at.INT_OF_SERR, at.INT_OF_SERR);
  assert.equal(t.irq.level, true);
  t.setPort(at.PXIS, 0xffff_ffff);
  assert.equal(t.port(at.PXIS), at.INT_OF_SERR);
  t.setPort(at.SERR, 0xffff_ffff);
  t.set(at.IS, 1);
  assert.deepEqual([t.port(at.PXIS), t.irq.level], [0, false]);
});

test('a link that is turned off is offline, and comes back', () => {
  const t = new TestAhci().start();
  t.setPort(at.SCTL, 4);
  assert.equal(t.port(at.SSTS), 4);
  t.run(FLUSH);
  assert.equal(t.port(at.CI), 1, 'nobody takes commands');
  t.setPort(at.SCTL, 0);
  assert.equal(t.port(at.SSTS), 0x123);
});

test('software reset ends with the signature, and no answer to its first half', () => {
  const t = new TestAhci().start();
  t.memory.bytes.fill(0, 0x1_4000, 0x1_4100);
  t.run(0, { isControl: true, control: 4, clearsBusy: true });
  assert.deepEqual([t.port(at.CI), t.received(0x40, 1)], [0, [0]]);
  t.place(0, { slot: 1, isControl: true, control: 0 });
  t.issue(2);
  assert.equal(t.port(at.CI), 0);
  assert.deepEqual(t.received(0x40, 8), [0x34, 0, 0x50, 1, 1, 0, 0, 0]);
  assert.equal(t.port(at.TFD), 0x150);
});

test('commands wait while the device is in software reset, the port stopped, or the function no bus master', () => {
  const t = new TestAhci().start();
  t.run(0, { isControl: true, control: 4 });
  t.place(FLUSH, { slot: 3 });
  t.issue(8);
  t.wait();
  assert.equal(t.port(at.CI), 8);
  t.restart();
  assert.equal(t.port(at.CI), 0, 'stopping forgets what was issued');
  t.run(0, { isControl: true, control: 0 });
  t.ahci.config.write(4, 2, 2);
  t.run(FLUSH);
  assert.equal(t.port(at.CI), 1);
  t.ahci.config.write(4, 6, 2);
  t.wait();
  assert.equal(t.port(at.CI), 0);
  t.setPort(at.CMD, at.CMD_FIS_RECEIVE);
  t.issue(1);
  assert.equal(t.port(at.CI), 0);
});

test('interrupts are collected from ports, and pass while GHC and the function let them', () => {
  const t = new TestAhci().start();
  t.run(FLUSH);
  t.packet([0x00]);
  assert.deepEqual([t.get(at.IS), t.irq.level], [3, true]);
  t.set(at.GHC, at.GHC_AHCI);
  assert.equal(t.irq.level, false);
  t.set(at.GHC, at.GHC_AHCI | at.GHC_INTERRUPTS);
  assert.equal(t.irq.level, true);
  t.ahci.config.write(4, 0x406, 2);
  assert.equal(t.irq.level, false);
  t.ahci.config.write(4, 0x006, 2);
  t.set(at.IS, 3);
  assert.deepEqual([t.get(at.IS), t.irq.level], [3, true], 'ports still have something to tell');
  t.setPort(at.PXIS, 0xffff_ffff, DISK);
  t.setPort(at.PXIS, 0xffff_ffff, CDROM);
  assert.equal(t.irq.level, true, 'collected is collected');
  t.set(at.IS, 1);
  assert.equal(t.irq.level, true);
  t.set(at.IS, 2);
  assert.equal(t.irq.level, false);
});

test('an interrupt that the port does not enable is not collected until it is', () => {
  const t = new TestAhci().start();
  t.setPort(at.PXIE, 0);
  t.run(FLUSH);
  assert.deepEqual([t.port(at.PXIS), t.get(at.IS)], [at.INT_D2H, 0]);
  t.setPort(at.PXIE, at.INT_D2H);
  assert.deepEqual([t.get(at.IS), t.irq.level], [1, true]);
});

test('a reset of the adapter keeps the addresses of the drivers and nothing else', () => {
  const t = new TestAhci().start();
  t.place(READ_DMA_EXT, { count: 1 });
  t.issue(1);
  t.set(at.GHC, at.GHC_RESET | at.GHC_INTERRUPTS);
  assert.deepEqual([t.get(at.GHC), t.get(at.IS), t.irq.level], [at.GHC_AHCI, 0, false]);
  assert.deepEqual([t.port(at.CLB), t.port(at.FB), t.port(at.CMD)], [0x1_0000, 0x1_4000, 6]);
  assert.deepEqual([t.port(at.CI), t.port(at.PXIE), t.port(at.SSTS)], [0, 0, 0x123]);
  t.wait();
  assert.equal(t.port(at.SIG), DISK_SIGNATURE);
  t.start();
  t.run(READ_DMA_EXT, { lba: 5, count: 1 });
  assert.equal(t.word(0x8_0000), 5);
});

test('a command list override clears what the device holds busy', () => {
  const t = new TestAhci().start();
  t.run(0, { isControl: true, control: 4 });
  assert.equal(t.port(at.TFD) & 0x80, 0x80);
  t.setPort(at.CMD, at.CMD_FIS_RECEIVE);
  t.setPort(at.CMD, at.CMD_FIS_RECEIVE | at.CMD_OVERRIDE);
  assert.equal(t.port(at.TFD) & 0x88, 0);
  assert.equal(t.port(at.CMD) & at.CMD_OVERRIDE, 0);
});

test('a reset of the board in the middle of a transfer ends it for good', () => {
  const t = new TestAhci().start();
  t.place(READ_DMA_EXT, { count: 8 });
  t.placeQueued(4, false, 0, 8);
  t.issue(0x11);
  t.ahci.reset();
  t.ahci.config.write(4, 6, 2);
  t.wait();
  assert.equal(t.word(0x8_0000), 0);
  assert.deepEqual([t.port(at.CI), t.port(at.TFD), t.port(at.SSTS)], [0, 0x150, 0x123]);
});

test('registers are read in parts and written whole', () => {
  const t = new TestAhci();
  assert.equal(t.ahci.registers.read(at.PORTS + at.SIG + 1, 1), 1);
  assert.equal(t.ahci.registers.read(at.PORTS + at.PORT_BYTES + at.SIG + 2, 2), 0xeb14);
  t.ahci.registers.write(at.GHC, at.GHC_INTERRUPTS, 1);
  assert.equal(t.get(at.GHC), at.GHC_AHCI);
});
