import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as at from './registers.ts';
import { DATA, TestAhci } from './test-ahci.ts';

const [READ_DMA_EXT, READ_LOG, SET_FEATURES] = [0x25, 0x2f, 0xef];
const NCQ_ERRORS = 0x10;

const started = (): TestAhci => new TestAhci().start();

test('queued reads of all slots end with device bits', () => {
  const t = started();
  for (let slot = 0; slot < 32; slot++)
    t.placeQueued(slot, false, slot * 3, 2, { regions: [DATA + slot * 1024, 1024] });
  t.issueQueued(0xffff_ffff);
  assert.equal(t.port(at.CI), 0, 'all are taken at once');
  assert.equal(t.port(at.SACT), 0xffff_ffff);
  t.wait();
  assert.equal(t.port(at.SACT), 0);
  assert.deepEqual([t.port(at.TFD), t.interrupts()], [0x40, at.INT_SET_DEVICE_BITS]);
  assert.deepEqual(t.received(0x58, 4), [0xa1, 0x40, 0x40, 0]);
  for (let slot = 0; slot < 32; slot++) assert.equal(t.word(DATA + slot * 1024 + 512), slot * 3 + 1);
});

test('queued writes reach the medium in the order in which they were issued', () => {
  const t = started();
  t.memory.bytes.fill(0x11, DATA, DATA + 512);
  t.memory.bytes.fill(0x22, DATA + 512, DATA + 1024);
  t.placeQueued(9, true, 50, 1, { regions: [DATA, 512] });
  t.placeQueued(3, true, 50, 1, { regions: [DATA + 512, 512] });
  t.issueQueued(1 << 9);
  t.issueQueued(1 << 3);
  t.wait();
  assert.equal(t.disk.bytes[50 * 512], 0x22);
  assert.deepEqual([t.disk.bytes[51 * 512], t.port(at.SACT)], [51, 0]);
});

test('a large transfer goes piece by piece over regions of any length', () => {
  const t = started();
  const regions = [DATA + 7, 100_001, DATA + 200_000, 511, DATA + 300_000, 1_500_000];
  t.placeQueued(0, false, 10, 3000, { regions });
  t.issueQueued(1);
  t.wait();
  assert.equal(t.port(at.SACT), 0);
  const expected = t.disk.bytes.slice(5120);
  assert.deepEqual(t.data(100_001, DATA + 7), expected.slice(0, 100_001));
  assert.deepEqual(t.data(511, DATA + 200_000), expected.slice(100_001, 100_512));
  assert.deepEqual(t.data(1_435_488, DATA + 300_000), expected.slice(100_512, 1_536_000));
});

test('a count of zero is 65536 sectors, which this disk has not', () => {
  const t = started();
  t.placeQueued(0, false, 0, 0);
  t.issueQueued(1);
  t.wait();
  assert.equal(t.port(at.TFD), 0x1041);
});

test('forced unit access, or a write cache that is off, flush before the write ends', () => {
  const t = started();
  t.placeQueued(1, true, 5, 1, { device: 0xc0 });
  t.issueQueued(2);
  t.wait();
  assert.deepEqual(t.disk.requests.splice(0), ['write 2560+512', 'flush']);
  t.run(SET_FEATURES, { features: 0x82 });
  t.disk.requests.length = 0;
  t.placeQueued(1, true, 5, 1);
  t.issueQueued(2);
  t.wait();
  assert.deepEqual(t.disk.requests, ['write 2560+512', 'flush']);
  assert.equal(t.port(at.SACT), 0);
});

test('a failure ends all queued commands, and the log tells which it was', () => {
  const t = new TestAhci();
  t.set(at.GHC, at.GHC_RESET); // as drivers begin
  t.start();
  t.disk.problem = 'io';
  t.placeQueued(7, false, 0x123, 4);
  t.placeQueued(8, false, 1, 1);
  t.issueQueued(0x180);
  t.wait();
  assert.equal(t.interrupts(), at.INT_SET_DEVICE_BITS | at.INT_TASK_FILE);
  assert.deepEqual([t.port(at.SACT), t.port(at.TFD)], [0x180, 0x4041]);
  t.disk.problem = undefined;
  t.restart();
  assert.equal(t.port(at.SACT), 0);
  t.run(READ_LOG, { lba: NCQ_ERRORS, count: 1 });
  const log = t.data(512);
  assert.deepEqual([...log.slice(0, 7)], [7, 0, 0x41, 0x40, 0x23, 0x01, 0]);
  assert.equal(
    log.reduce((sum, byte) => (sum + byte) & 0xff, 0),
    0,
  );
  t.placeQueued(7, false, 0x123, 4);
  t.issueQueued(0x80);
  t.wait();
  assert.deepEqual([t.port(at.SACT), t.word(DATA)], [0, 0x123]);
});

test('a full host and a write-protected image are errors of writes', () => {
  const t = started();
  t.disk.problem = 'full';
  t.placeQueued(0, true, 1, 1);
  t.issueQueued(1);
  t.wait();
  assert.equal(t.port(at.TFD), 0x0461);
  t.restart();
  t.disk.problem = undefined;
  t.disk.readOnly = true;
  t.issueQueued(1);
  t.wait();
  assert.equal(t.port(at.TFD), 0x0441);
});

test('a command that is not queued waits for the queue, and the queue for it', () => {
  const t = started();
  t.placeQueued(0, false, 1, 1);
  t.place(READ_DMA_EXT, { slot: 1, lba: 2, count: 1, regions: [DATA + 512, 512] });
  t.placeQueued(2, false, 3, 1, { regions: [DATA + 1024, 512] });
  t.setPort(at.SACT, 5);
  t.issue(7);
  assert.equal(t.port(at.CI), 6);
  t.wait();
  assert.deepEqual([t.port(at.CI), t.port(at.SACT)], [0, 0]);
  assert.deepEqual([t.word(DATA), t.word(DATA + 512), t.word(DATA + 1024)], [1, 2, 3]);
});

test('queued commands whose memory is too short, or not there, stop the port', () => {
  const t = started();
  for (const isWrite of [false, true]) {
    for (const regions of [[], [DATA, 511], [DATA, 1024]]) {
      t.placeQueued(0, isWrite, 0, 3, { regions });
      t.issueQueued(1);
      t.wait();
      assert.equal(t.interrupts(), at.INT_OVERFLOW);
      t.restart();
    }
    for (const address of [t.memory.sizeBytes - 10, 2 ** 40]) {
      t.placeQueued(0, isWrite, 0, 3, { regions: [address, 4096] });
      t.issueQueued(1);
      t.wait();
      assert.equal(t.interrupts(), at.INT_HOST_BUS);
      t.restart();
    }
  }
});

test('stopping the port forgets the queue', () => {
  const t = started();
  t.placeQueued(0, false, 1, 1);
  t.issueQueued(1);
  t.restart();
  t.wait();
  assert.deepEqual([t.word(DATA), t.port(at.SACT), t.interrupts()], [0, 0, 0]);
});

test('a saved queue ends in another machine as it would have here', () => {
  for (const isWrite of [false, true]) {
    for (const delayNs of [0, 15_000, 25_000]) {
      const t = started();
      t.memory.bytes.fill(0x5a, DATA, DATA + (2 << 20));
      t.placeQueued(0, isWrite, 0, 2000, { regions: [DATA, 1_024_000] });
      t.placeQueued(5, isWrite, 2000, 2000, { regions: [DATA + 1_024_000, 1_024_000] });
      t.issueQueued(0x21);
      t.clock.advance(delayNs);
      const other = new TestAhci({ clock: t.clock, disk: t.disk });
      other.memory.bytes.set(t.memory.bytes);
      other.ahci.config.restore(t.ahci.config.save());
      other.ahci.restore(t.ahci.save());
      other.wait();
      assert.equal(other.port(at.SACT), 0);
      assert.deepEqual(other.data(4000 * 512), t.disk.bytes);
      assert.equal(t.disk.bytes[600] === 0x5a, isWrite);
    }
  }
});
