import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as at from './registers.ts';
import { CDROM, DATA, TestAhci } from './test-ahci.ts';

const [IDENTIFY, IDENTIFY_PACKET, DIAGNOSTIC, DEVICE_RESET] = [0xec, 0xa1, 0x90, 0x08];
const [READ_DMA, READ_DMA_EXT, WRITE_DMA_EXT, READ_SECTORS_EXT, WRITE_SECTORS_EXT] = [0xc8, 0x25, 0x35, 0x24, 0x34];
const [FLUSH, READ_VERIFY_EXT, READ_LOG] = [0xe7, 0x42, 0x2f];
const [READ_10, READ_CAPACITY, INQUIRY, TEST_UNIT_READY, REQUEST_SENSE] = [0x28, 0x25, 0x12, 0x00, 0x03];

const started = (): TestAhci => new TestAhci().start();
const words = (bytes: Uint8Array): Uint16Array => new Uint16Array(bytes.slice().buffer);

test('IDENTIFY DEVICE tells of a serial disk with a queue of 32', () => {
  const t = started();
  t.run(IDENTIFY);
  assert.deepEqual([t.port(at.CI), t.port(at.TFD), t.interrupts()], [0, 0x50, at.INT_PIO_SETUP]);
  assert.equal(t.moved(), 512);
  const identity = words(t.data(512));
  assert.deepEqual([identity[75], identity[76] & 0x106, identity[93]], [31, 0x106, 0]);
  assert.equal(identity[100], 4000);
  assert.equal(
    t.data(512).reduce((sum, byte) => (sum + byte) & 0xff, 0),
    0,
  );
  const fis = t.received(0x20);
  assert.deepEqual([fis[0], fis[1], fis[2], fis[15], fis[16] | (fis[17] << 8)], [0x5f, 0x60, 0x58, 0x50, 512]);
});

test('IDENTIFY PACKET DEVICE tells of a serial CD-ROM drive, and IDENTIFY DEVICE is not for it', () => {
  const t = started();
  t.run(IDENTIFY_PACKET, { port: CDROM });
  const identity = words(t.data(512));
  assert.deepEqual([identity[0], identity[76] & 6, identity[93]], [0x85c0, 6, 0]);
  t.interrupts(CDROM);
  t.run(IDENTIFY, { port: CDROM });
  assert.equal(t.interrupts(CDROM), at.INT_D2H | at.INT_TASK_FILE);
  assert.deepEqual([t.port(at.TFD, CDROM) & 0x01, t.port(at.CI, CDROM)], [1, 1]);
});

test('DMA reads fill the regions in their order', () => {
  const t = started();
  t.run(READ_DMA_EXT, { lba: 100, count: 3, regions: [DATA + 0x2000, 512, DATA, 700, DATA + 0x1000, 4096] });
  assert.deepEqual([t.port(at.CI), t.port(at.TFD), t.interrupts()], [0, 0x50, at.INT_D2H]);
  assert.equal(t.moved(), 1536);
  assert.deepEqual(t.data(512, DATA + 0x2000), t.disk.bytes.slice(51_200, 51_712));
  assert.deepEqual(t.data(700), t.disk.bytes.slice(51_712, 52_412));
  assert.deepEqual(t.data(325, DATA + 0x1000), Uint8Array.of(...t.disk.bytes.slice(52_412, 52_736), 0));
  assert.deepEqual(t.received(0x40, 4), [0x34, 0x40, 0x50, 0]);
});

test('28-bit commands take the address that they have always had', () => {
  const t = started();
  t.run(READ_DMA, { lba: 3999, count: 1 });
  assert.equal(t.word(DATA), 3999);
});

test('a transfer of many megabytes reads piece by piece', () => {
  const t = started();
  t.run(READ_DMA_EXT, { lba: 0, count: 4000, regions: [DATA, 1 << 20, DATA + (1 << 20), 1 << 20] });
  assert.equal(t.moved(), 4000 * 512);
  assert.deepEqual(t.data(4000 * 512), t.disk.bytes);
});

test('DMA writes reach the medium, and FLUSH CACHE the host', () => {
  const t = started();
  t.memory.bytes.fill(0xab, DATA, DATA + 2048);
  t.run(WRITE_DMA_EXT, { lba: 7, count: 2, isWrite: true, regions: [DATA, 24, DATA + 1024, 1000] });
  assert.deepEqual(t.disk.bytes.slice(7 * 512, 9 * 512), new Uint8Array(1024).fill(0xab));
  assert.equal(t.disk.bytes[9 * 512], 9);
  t.run(FLUSH);
  assert.deepEqual(t.disk.requests, ['write 3584+1024', 'flush']);
  assert.equal(t.port(at.CI), 0);
});

test('sectors go by PIO too', () => {
  const t = started();
  t.run(READ_SECTORS_EXT, { lba: 20, count: 20, regions: [DATA, 10_000, DATA + 0x4000, 10_000] });
  assert.deepEqual([t.port(at.CI), t.moved(), t.port(at.TFD)], [0, 10_240, 0x50]);
  assert.deepEqual(t.data(10_000), t.disk.bytes.slice(20 * 512, 20 * 512 + 10_000));
  assert.deepEqual(t.data(240, DATA + 0x4000), t.disk.bytes.slice(20 * 512 + 10_000, 40 * 512));
  t.interrupts();
  t.memory.bytes.fill(0xcd, DATA, DATA + 10_240);
  t.run(WRITE_SECTORS_EXT, { lba: 60, count: 20, isWrite: true });
  assert.equal(t.interrupts() & at.INT_D2H, at.INT_D2H);
  assert.deepEqual(t.disk.bytes.slice(60 * 512, 80 * 512), new Uint8Array(10_240).fill(0xcd));
  assert.equal(t.disk.bytes[80 * 512], 80);
});

test('slots are served in turn', () => {
  const t = started();
  for (let slot = 0; slot < 32; slot++) {
    t.place(READ_DMA_EXT, { slot, lba: slot * 2, count: 1, regions: [DATA + slot * 512, 512] });
  }
  t.issue(0xffff_ffff);
  t.wait();
  assert.equal(t.port(at.CI), 0);
  assert.deepEqual(
    t.disk.requests,
    Array.from({ length: 32 }, (_, slot) => `read ${slot * 1024}+512`),
  );
  for (let slot = 0; slot < 32; slot++) assert.equal(t.word(DATA + slot * 512), slot * 2);
});

test('an error of the medium halts the port with the failed slot still taken', () => {
  const t = started();
  t.disk.problem = 'io';
  t.place(READ_DMA_EXT, { slot: 5, lba: 9, count: 1 });
  t.place(FLUSH, { slot: 6 });
  t.issue(0x60);
  t.wait();
  assert.equal(t.interrupts(), at.INT_D2H | at.INT_TASK_FILE);
  assert.deepEqual([t.port(at.CI), (t.port(at.CMD) >> 8) & 31, t.port(at.TFD)], [0x60, 5, 0x4051]);
  t.disk.problem = undefined;
  t.restart();
  assert.equal(t.port(at.CI), 0);
  t.run(READ_DMA_EXT, { slot: 5, lba: 9, count: 1 });
  assert.deepEqual([t.port(at.CI), t.word(DATA)], [0, 9]);
});

test('addresses beyond the disk and unknown commands are errors', () => {
  const t = started();
  t.run(READ_DMA_EXT, { lba: 3999, count: 2 });
  assert.equal(t.port(at.TFD), 0x1051);
  t.restart();
  t.run(0xfe);
  assert.equal(t.port(at.TFD), 0x0451);
  t.restart();
  t.run(READ_VERIFY_EXT, { lba: 3999, count: 1 });
  assert.equal(t.port(at.TFD), 0x0050);
});

test('regions that are too short stop the port with an overflow', () => {
  const t = started();
  for (const [command, isWrite] of [
    [READ_DMA_EXT, false],
    [WRITE_DMA_EXT, true],
    [READ_SECTORS_EXT, false],
    [WRITE_SECTORS_EXT, true],
    [IDENTIFY, false],
  ] as const) {
    for (const regions of [[], [DATA, 300]]) {
      t.run(command, { count: 1, isWrite, regions });
      assert.equal(t.interrupts() & ~at.INT_D2H, at.INT_OVERFLOW, command.toString(16));
      t.restart();
    }
  }
  t.run(FLUSH);
  assert.equal(t.port(at.CI), 0);
});

test('regions, tables and lists outside memory stop the port with a host bus error', () => {
  const t = started();
  const { sizeBytes } = t.memory;
  for (const address of [sizeBytes - 256, sizeBytes, 0xffff_ffff, 2 ** 40, 2 ** 52]) {
    for (const [command, isWrite] of [
      [READ_DMA_EXT, false],
      [WRITE_DMA_EXT, true],
      [READ_SECTORS_EXT, false],
      [WRITE_SECTORS_EXT, true],
    ] as const) {
      t.run(command, { count: 1, isWrite, regions: [address, 512] });
      assert.equal(t.interrupts() & ~(at.INT_D2H | at.INT_PIO_SETUP), at.INT_HOST_BUS);
      t.restart();
    }
  }
  t.place(READ_DMA_EXT, { count: 1 });
  t.memory.view.setUint32(0x1_0000 + 12, 0xffff_ffff, true);
  t.issue(1);
  assert.equal(t.interrupts(), at.INT_HOST_BUS);
  t.setPort(at.CMD, 0);
  t.setPort(at.CLBU, 0xffff_ffff);
  t.setPort(at.CMD, at.CMD_START);
  t.issue(1);
  assert.equal(t.interrupts(), at.INT_HOST_BUS);
  t.setPort(at.CMD, 0);
  t.setPort(at.CLBU, 0);
  t.setPort(at.FB, 0xffff_ff00);
  t.setPort(at.CMD, at.CMD_START | at.CMD_FIS_RECEIVE);
  t.run(FLUSH);
  assert.equal(t.interrupts() & at.INT_HOST_BUS, at.INT_HOST_BUS);
});

test('what is no FIS for a device stops the port', () => {
  const t = started();
  t.place(FLUSH);
  t.memory.bytes[0x2_0000] = 0x34;
  t.issue(1);
  assert.equal(t.interrupts(), at.INT_HOST_BUS);
});

test('DIAGNOSTIC and DEVICE RESET answer with the signature', () => {
  const t = started();
  t.run(DIAGNOSTIC);
  assert.deepEqual([t.port(at.CI), t.port(at.TFD), t.received(0x40, 8)[4]], [0, 0x150, 1]);
  t.run(DEVICE_RESET, { port: CDROM });
  assert.deepEqual([t.port(at.CI, CDROM), t.received(0x40, 7, CDROM).slice(4)], [0, [1, 0x14, 0xeb]]);
});

test('the log directory has the NCQ error log, and other logs are not there', () => {
  const t = started();
  t.run(READ_LOG, { count: 1 });
  const directory = words(t.data(512));
  assert.deepEqual([directory[0], directory[0x10], directory[0x11]], [1, 1, 0]);
  t.run(READ_LOG, { lba: 0x30, count: 1 });
  assert.equal(t.port(at.TFD), 0x0451);
});

test('packets move data by DMA', () => {
  const t = started();
  t.packet([TEST_UNIT_READY]);
  t.packet([READ_10, 0, 0, 0, 0, 10, 0, 0, 20], { regions: [DATA, 30_000, DATA + 0x8000, 20_000] });
  assert.deepEqual([t.port(at.CI, CDROM), t.port(at.TFD, CDROM) & 0xff], [0, 0x50 & 0x40]);
  assert.equal(t.moved(0, CDROM), 40_960);
  assert.deepEqual(t.data(30_000), t.disc.bytes.slice(20_480, 50_480));
  assert.deepEqual(t.data(10_960, DATA + 0x8000), t.disc.bytes.slice(50_480, 61_440));
});

test('packets move data by PIO', () => {
  const t = started();
  t.packet([READ_CAPACITY], { features: 0 });
  const view = new DataView(t.data(8).buffer);
  assert.deepEqual([view.getUint32(0), view.getUint32(4)], [99, 2048]);
  assert.deepEqual([t.moved(0, CDROM), t.port(at.CI, CDROM)], [8, 0]);
  t.packet([READ_10, 0, 0, 0, 0, 3, 0, 0, 9], { features: 0 });
  assert.equal(t.moved(0, CDROM), 9 * 2048);
  assert.deepEqual(t.data(9 * 2048), t.disc.bytes.slice(3 * 2048, 12 * 2048));
});

test('a reply is as long as the packet wants it, and tells how long it was', () => {
  const t = started();
  t.packet([INQUIRY, 0, 0, 0, 96]);
  assert.equal(t.moved(0, CDROM), 36);
  assert.equal(t.data(1)[0], 5);
});

test('a packet that fails halts the port, and sense data say why', () => {
  const t = started();
  t.drive.change(undefined);
  t.packet([TEST_UNIT_READY]);
  assert.equal(t.interrupts(CDROM), at.INT_D2H | at.INT_TASK_FILE);
  assert.equal(t.port(at.TFD, CDROM) & 0xf001, 0x2001);
  t.restart(CDROM);
  t.packet([REQUEST_SENSE, 0, 0, 0, 18]);
  const sense = t.data(18);
  assert.deepEqual([sense[2] & 15, sense[12]], [2, 0x3a]);
});

test('a disc taken out in the middle of a read fails it', () => {
  const t = started();
  t.place(0xa0, { port: CDROM, features: 1, packet: [READ_10, 0, 0, 0, 0, 0, 0, 0, 4] });
  t.issue(1, CDROM);
  t.drive.change(undefined);
  t.wait();
  assert.equal(t.interrupts(CDROM) & at.INT_TASK_FILE, at.INT_TASK_FILE);
});

test('stopping the port in the middle of a transfer ends it', () => {
  const t = started();
  t.place(READ_DMA_EXT, { lba: 1, count: 1 });
  t.issue(1);
  assert.equal(t.port(at.TFD) & 0x80, 0x80);
  t.restart();
  assert.equal(t.port(at.TFD) & 0x88, 0);
  t.wait();
  assert.equal(t.word(DATA), 0);
  t.run(READ_DMA_EXT, { lba: 2, count: 1 });
  assert.equal(t.word(DATA), 2);
});

test('saved in the middle of a command, it ends in another machine as it would have here', () => {
  for (const [command, isWrite] of [
    [READ_DMA_EXT, false],
    [WRITE_DMA_EXT, true],
    [READ_SECTORS_EXT, false],
    [WRITE_SECTORS_EXT, true],
  ] as const) {
    for (const delayNs of [0, 5_000, 15_000, 25_000]) {
      const t = started();
      t.memory.bytes.fill(0x5a, DATA, DATA + 4000 * 512);
      t.place(command, { lba: 0, count: 4000, isWrite, regions: [DATA, 1 << 20, DATA + (1 << 20), 1 << 20] });
      t.issue(1);
      t.clock.advance(delayNs);
      const other = new TestAhci({ clock: t.clock, disk: t.disk });
      other.memory.bytes.set(t.memory.bytes);
      other.ahci.config.restore(t.ahci.config.save());
      other.ahci.restore(t.ahci.save());
      other.wait();
      assert.deepEqual([other.port(at.CI), other.moved()], [0, 4000 * 512]);
      assert.deepEqual(other.data(4000 * 512), t.disk.bytes);
      assert.equal(t.disk.bytes[600] === 0x5a, isWrite);
    }
  }
});
