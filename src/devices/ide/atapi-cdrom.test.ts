import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as ata from './ata-registers.ts';
import * as mmc from './mmc.ts';
import { SECONDARY, TestIde } from './test-ide.ts';

const FAILED = ata.DRDY | ata.ERR;

/** The sector's number that begins each 512 bytes. */
const firstWords = (bytes: Uint8Array): number[] =>
  Array.from({ length: bytes.length / 512 }, (_, i) =>
    new DataView(bytes.buffer, bytes.byteOffset).getUint32(i * 512, true),
  );

test('IDENTIFY PACKET DEVICE tells of a CD-ROM drive; IDENTIFY DEVICE is aborted with its signature', () => {
  const rig = new TestIde();
  rig.command(ata.IDENTIFY_DEVICE, 0, 1, SECONDARY);
  assert.equal(rig.status(SECONDARY), FAILED);
  assert.deepEqual(
    [4, 5].map((register) => rig.in(SECONDARY + register)),
    [0x14, 0xeb],
  );
  rig.command(ata.IDENTIFY_PACKET_DEVICE, 0, 1, SECONDARY);
  const words = new Uint16Array(rig.takeData(512, SECONDARY).buffer);
  assert.equal(words[0], 0x85c0);
  assert.equal(words[49] & 0x100, 0x100);
  assert.equal(rig.status(SECONDARY), ata.DRDY);
});

test('a packet: reasons and interrupts as the protocol has them', () => {
  const rig = new TestIde();
  const [, irq] = rig.irqs;
  rig.out(SECONDARY + ata.LBA_MID, 0);
  rig.out(SECONDARY + ata.LBA_HIGH, 0x80);
  rig.out(SECONDARY + ata.COMMAND, ata.PACKET);
  assert.deepEqual([rig.status(SECONDARY), rig.in(SECONDARY + 2), irq.edges], [ata.DRDY | ata.DRQ, 1, 0]);
  rig.giveData(Uint8Array.of(mmc.READ_CAPACITY, ...new Array(11).fill(0)), SECONDARY);
  assert.deepEqual([rig.status(SECONDARY), rig.in(SECONDARY + 2), irq.edges], [ata.DRDY | ata.DRQ, 2, 1]);
  assert.equal(rig.in(SECONDARY + ata.LBA_MID), 8);
  rig.in(SECONDARY + ata.STATUS);
  assert.deepEqual([...rig.takeData(8, SECONDARY)], [0, 0, 0x03, 0xe7, 0, 0, 8, 0]);
  assert.deepEqual([rig.status(SECONDARY), rig.in(SECONDARY + 2), irq.edges], [ata.DRDY, 3, 2]);
});

test('READ (10) and READ (12) by PIO, in portions of the byte count limit', () => {
  const rig = new TestIde();
  for (const limit of [2048, 0x8000, 0xfffe, 0xffff, 0, 514]) {
    const bytes = rig.packetReply([mmc.READ_10, 0, 0, 0, 0, 100, 0, 0, 5], limit);
    assert.deepEqual(
      firstWords(bytes),
      Array.from({ length: 20 }, (_, i) => 400 + i),
    );
  }
  const last = rig.packetReply([mmc.READ_12, 0, 0, 0, 0x03, 0xe7, 0, 0, 0, 1]);
  assert.deepEqual(firstWords(last), [3996, 3997, 3998, 3999]);
});

test('READ by DMA: one request to the storage', () => {
  const rig = new TestIde();
  rig.regions(0x1_0000, 0, 0x2_0000, 0);
  rig.startDma(true, 1);
  rig.packet([mmc.READ_10, 0, 0, 0, 0, 16, 0, 0, 64], { dma: true });
  assert.equal(rig.dmaStatus(1), 4);
  assert.equal(rig.status(SECONDARY), ata.DRDY);
  assert.deepEqual(rig.disc.requests, ['read 32768+131072']);
  assert.equal(rig.memory.view.getUint32(0x2_fffc, true), 64 + 255);
});

test('replies go by DMA too', () => {
  const rig = new TestIde();
  rig.regions(0x1_0000, 36);
  rig.startDma(true, 1);
  rig.packet([mmc.INQUIRY, 0, 0, 0, 36], { dma: true });
  assert.equal(rig.dmaStatus(1), 4);
  assert.equal(Buffer.from(rig.memory.bytes.subarray(0x1_0008, 0x1_0010)).toString(), 'VIVARIUM');
});

test('what is wrong with a command is in the sense data, once', () => {
  const rig = new TestIde();
  for (const [packet, sense] of [
    [[mmc.READ_10, 0, 0, 0, 0x03, 0xe8, 0, 0, 1], mmc.ADDRESS_OUT_OF_RANGE],
    [[mmc.READ_10, 0, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff], mmc.ADDRESS_OUT_OF_RANGE],
    [[mmc.READ_12, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], mmc.ADDRESS_OUT_OF_RANGE],
    [[0x2a], mmc.INVALID_COMMAND],
    [[mmc.READ_TOC, 0, 5, 0, 0, 0, 0, 0, 20], mmc.INVALID_FIELD],
    [[mmc.READ_CD, 0, 0, 0, 0, 0, 0, 0, 1, 0xf8], mmc.INVALID_FIELD],
    [[mmc.MODE_SENSE_10, 0, 0xc1, 0, 0, 0, 0, 0, 20], mmc.SAVING_NOT_SUPPORTED],
  ] as [number[], number][]) {
    rig.packet(packet);
    assert.equal(rig.status(SECONDARY), FAILED);
    assert.equal(rig.in(SECONDARY + ata.ERROR) >> 4, sense >> 16);
    assert.equal(rig.sense(), sense);
    assert.equal(rig.sense(), 0);
  }
  rig.disc.problem = 'io';
  rig.packet([mmc.READ_10, 0, 0, 0, 0, 1, 0, 0, 1]);
  assert.equal(rig.sense(), mmc.UNRECOVERED_READ_ERROR);
});

test('the table of contents: a data track and the lead-out, in blocks and in minutes', () => {
  const rig = new TestIde();
  const toc = (...packet: number[]): number[] => [...rig.packetReply([mmc.READ_TOC, ...packet])];
  assert.deepEqual(
    toc(0, 0, 0, 0, 0, 0, 0, 20),
    [0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, 0, 0, 3, 0xe8],
  );
  assert.deepEqual(toc(2, 0, 0, 0, 0, 0xaa, 0, 12).slice(4), [0, 0x14, 0xaa, 0, 0, 0, 15, 25]);
  assert.deepEqual(toc(0, 1, 0, 0, 0, 0, 0, 12), [0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0]);
  assert.equal(toc(2, 2, 0, 0, 0, 0, 0, 255).length, 4 + 4 * 11);
});

test('GET CONFIGURATION: a CD, a DVD, no disc; all features or one', () => {
  const configuration = (rig: TestIde, requested: number, start: number): DataView =>
    new DataView(rig.packetReply([mmc.GET_CONFIGURATION, requested, 0, start, 0, 0, 0, 0, 255]).buffer);
  const rig = new TestIde();
  const all = configuration(rig, 0, 0);
  assert.equal(all.getUint16(6), 8);
  assert.equal(all.getUint32(0), all.byteLength - 4);
  const one = configuration(rig, 2, 3);
  assert.deepEqual([one.byteLength, one.getUint16(8)], [16, 3]);
  assert.equal(configuration(rig, 2, 0x77).byteLength, 8);
  rig.drive.change(undefined);
  assert.equal(configuration(rig, 1, 0).getUint16(6), 0);
  assert.deepEqual(mmc.configuration(2_000_000, 1, 0).slice(6, 8), [0, 0x10]);
});

test('MODE SENSE, disc information and mechanism status are as long as they say', () => {
  const rig = new TestIde();
  const pages = rig.packetReply([mmc.MODE_SENSE_10, 0, 0x3f, 0, 0, 0, 0, 1, 0]);
  assert.equal(pages.length, 8 + 8 + 16 + 20);
  assert.equal((pages[0] << 8) | pages[1], pages.length - 2);
  const capabilities = rig.packetReply([mmc.MODE_SENSE_10, 0, 0x2a, 0, 0, 0, 0, 0, 128]);
  assert.deepEqual([...capabilities.subarray(8, 10)], [0x2a, 18]);
  assert.equal(rig.packetReply([mmc.READ_DISC_INFORMATION, 0, 0, 0, 0, 0, 0, 0, 64]).length, 34);
  assert.equal(rig.packetReply([mmc.MECHANISM_STATUS, 0, 0, 0, 0, 0, 0, 0, 0, 8]).length, 8);
  assert.equal(rig.packetReply([mmc.INQUIRY, 0, 0, 0, 5]).length, 5, 'no more than there is room for');
});

test('a new disc is told once, by sense and by event', () => {
  const rig = new TestIde();
  const event = (): number[] => [...rig.packetReply([mmc.GET_EVENT_STATUS_NOTIFICATION, 1, 0, 0, 0x10, 0, 0, 0, 8])];
  assert.deepEqual(event(), [0, 6, 4, 0x10, 0, 2, 0, 0]);
  rig.drive.change(undefined);
  assert.deepEqual(event(), [0, 6, 4, 0x10, 3, 0, 0, 0]);
  rig.packet([mmc.TEST_UNIT_READY]);
  assert.equal(rig.sense(), mmc.NO_MEDIUM_TRAY_CLOSED);
  rig.drive.change(rig.disc);
  assert.deepEqual(event(), [0, 6, 4, 0x10, 2, 2, 0, 0]);
  assert.deepEqual(event(), [0, 6, 4, 0x10, 0, 2, 0, 0]);
  rig.packet([mmc.TEST_UNIT_READY]);
  assert.equal(rig.sense(), mmc.MEDIUM_CHANGED);
  rig.packet([mmc.TEST_UNIT_READY]);
  assert.equal(rig.status(SECONDARY), ata.DRDY);
});

test('a disc taken out during a read ends the read', () => {
  const rig = new TestIde();
  rig.out(SECONDARY + ata.COMMAND, ata.PACKET);
  rig.giveData(Uint8Array.of(mmc.READ_10, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0), SECONDARY);
  assert.ok(rig.status(SECONDARY) & ata.BSY);
  rig.drive.change(undefined);
  assert.equal(rig.status(SECONDARY), FAILED);
  rig.wait();
  assert.equal(rig.status(SECONDARY), FAILED);
});

test('the guest opens and closes the tray, unless it has locked it', () => {
  const rig = new TestIde();
  const startStop = (bits: number): number => {
    rig.packet([mmc.START_STOP_UNIT, 0, 0, 0, bits]);
    return rig.status(SECONDARY);
  };
  rig.packet([mmc.PREVENT_ALLOW_MEDIUM_REMOVAL, 0, 0, 0, 1]);
  assert.equal(startStop(2), FAILED);
  assert.equal(rig.sense(), mmc.REMOVAL_PREVENTED);
  rig.packet([mmc.PREVENT_ALLOW_MEDIUM_REMOVAL, 0, 0, 0, 0]);
  assert.equal(startStop(2), ata.DRDY);
  rig.packet([mmc.READ_10, 0, 0, 0, 0, 1, 0, 0, 1]);
  assert.equal(rig.sense(), mmc.NO_MEDIUM_TRAY_OPEN);
  rig.ide.reset();
  rig.enable();
  rig.packet([mmc.TEST_UNIT_READY]);
  assert.equal(rig.sense(), mmc.NO_MEDIUM_TRAY_OPEN, 'a reset does not move it');
  assert.equal(startStop(3), ata.DRDY);
  rig.packet([mmc.TEST_UNIT_READY]);
  assert.equal(rig.sense(), mmc.MEDIUM_CHANGED);
  assert.equal(rig.packetReply([mmc.READ_10, 0, 0, 0, 0, 1, 0, 0, 1]).length, 2048);
});

test('DEVICE RESET is heard while the device is busy', () => {
  const rig = new TestIde();
  rig.out(SECONDARY + ata.COMMAND, ata.PACKET);
  rig.giveData(Uint8Array.of(mmc.READ_10, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0), SECONDARY);
  rig.out(SECONDARY + ata.COMMAND, ata.DEVICE_RESET);
  assert.deepEqual([rig.status(SECONDARY), rig.in(SECONDARY + ata.LBA_MID)], [0, 0x14]);
  rig.wait();
  assert.equal(rig.status(SECONDARY), 0);
});

test('discs of no whole block are no discs', () => {
  const rig = new TestIde();
  Object.defineProperty(rig.disc, 'sizeBytes', { value: 1536 });
  rig.packet([mmc.READ_CAPACITY]);
  assert.equal(rig.sense(), mmc.NO_MEDIUM_TRAY_CLOSED);
});
