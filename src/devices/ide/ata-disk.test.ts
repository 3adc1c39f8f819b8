import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as ata from './ata-registers.ts';
import { BUS_MASTER, numberedSectors, PRIMARY, TestIde } from './test-ide.ts';

const READY = ata.DRDY | ata.DSC;
const DATA = READY | ata.DRQ;
const FAILED = READY | ata.ERR;

function text(words: Uint16Array, from: number, count: number): string {
  return [...words.subarray(from, from + count)].map((word) => String.fromCharCode(word >> 8, word & 0xff)).join('');
}

function identify(rig: TestIde): Uint16Array {
  rig.command(ata.IDENTIFY_DEVICE);
  assert.equal(rig.status(), DATA);
  return new Uint16Array(rig.takeData(512).buffer);
}

test('IDENTIFY DEVICE tells what there is, and its bytes add up to nothing', () => {
  const rig = new TestIde();
  const words = identify(rig);
  assert.equal(rig.status(), READY);
  assert.equal(words[0], 0x40);
  assert.deepEqual([words[1], words[3], words[6]], [39, 16, 63]);
  assert.equal(words[60] + words[61] * 65536, 40_000);
  assert.equal(words[100] + words[101] * 65536, 40_000);
  assert.equal(text(words, 27, 20).trim(), 'VIVARIUM DISK');
  assert.match(text(words, 10, 10), /^VIV00000 +$/);
  assert.equal(words[49] & 0x300, 0x300);
  assert.equal(words[59], 0x110);
  const sum = [...new Uint8Array(words.buffer)].reduce((total, byte) => total + byte, 0);
  assert.equal(sum % 256, 0);
});

test('READ SECTORS: an interrupt and a sector at a time, and none after the last', () => {
  const rig = new TestIde();
  const [irq] = rig.irqs;
  rig.command(ata.READ_SECTORS, 100, 40);
  assert.equal(rig.status(), READY | ata.BSY);
  rig.wait();
  for (let sector = 100; sector < 140; sector++) {
    assert.ok(irq.level);
    assert.equal(rig.in(PRIMARY + ata.STATUS), DATA);
    assert.equal(irq.level, false);
    const bytes = rig.takeData(512);
    assert.deepEqual(bytes, numberedSectors(200).subarray(sector * 512, sector * 512 + 512));
    rig.wait();
  }
  assert.equal(irq.level, false);
  assert.equal(irq.edges, 40);
  assert.equal(rig.status(), READY);
});

test('the data register is 8, 16 and 32 bits wide', () => {
  const rig = new TestIde();
  rig.command(ata.READ_SECTORS, 0x123);
  rig.wait();
  assert.equal(rig.in(PRIMARY, 4), 0x123);
  assert.equal(rig.in(PRIMARY, 2), 0x123);
  assert.equal(rig.in(PRIMARY, 2), 0);
  assert.equal(rig.in(PRIMARY), 0x23);
  assert.equal(rig.in(PRIMARY), 0x01);
});

test('many reads or writes of the data register at once are as many one by one', () => {
  for (const size of [1, 2, 4] as const) {
    const [one, many] = [new TestIde(), new TestIde()];
    const both = [one, many] as const;
    const states = (): unknown[] => both.map((rig) => [rig.status(), rig.irqs[0].edges, rig.ide.save()]);
    for (const write of [false, true]) {
      for (const rig of both) {
        rig.command(ata.SET_MULTIPLE_MODE, 0, 2);
        rig.command(write ? ata.WRITE_MULTIPLE : ata.READ_MULTIPLE, 100, 7);
        rig.wait();
      }
      // Up to an interrupt, beyond one, from and to odd places, and beyond the end.
      for (const bytes of [1024, 1028, 20, 1000, 4096, 64].map((length) => length - (length % size))) {
        const data = Uint8Array.from({ length: bytes }, (_, i) => i * 7);
        if (write) {
          assert.ok(many.bus.writeMany(PRIMARY, size, data));
          const view = new DataView(data.buffer);
          for (let i = 0; i < bytes; i += size) {
            one.out(
              PRIMARY,
              size === 1 ? data[i] : size === 2 ? view.getUint16(i, true) : view.getUint32(i, true),
              size,
            );
          }
        } else {
          assert.ok(many.bus.readMany(PRIMARY, size, data));
          for (let i = 0; i < bytes; i += size) {
            const value = one.in(PRIMARY, size);
            for (let j = 0; j < size; j++) assert.equal(data[i + j], (value >>> (8 * j)) & 0xff);
          }
        }
        for (const rig of both) rig.wait();
        const [expected, actual] = states();
        assert.deepEqual(actual, expected);
      }
    }
    assert.deepEqual(many.disk.bytes, one.disk.bytes);
  }
});

test('many accesses at once to other registers, or where no device is, are not taken', () => {
  const rig = new TestIde();
  const bytes = new Uint8Array(64);
  assert.equal(rig.bus.readMany(PRIMARY + ata.STATUS, 1, bytes), false);
  assert.equal(rig.bus.writeMany(PRIMARY + ata.COMMAND, 1, bytes), false);
  rig.out(PRIMARY + ata.DEVICE, ata.DEVICE_1);
  assert.equal(rig.bus.readMany(PRIMARY, 2, bytes), false);
});

test('READ MULTIPLE: as many sectors an interrupt as are set, the rest at the end', () => {
  const rig = new TestIde();
  rig.command(ata.SET_MULTIPLE_MODE, 0, 8);
  assert.equal(rig.status(), READY);
  const { edges } = rig.irqs[0];
  rig.command(ata.READ_MULTIPLE, 7, 20);
  rig.wait();
  for (const sectors of [8, 8, 4]) {
    assert.equal(rig.in(PRIMARY + ata.STATUS), DATA);
    rig.takeData(sectors * 512);
    rig.wait();
  }
  assert.equal(rig.status(), READY);
  assert.equal(rig.irqs[0].edges - edges, 3);
  for (const wrong of [3, 32]) {
    rig.command(ata.SET_MULTIPLE_MODE, 0, wrong);
    assert.equal(rig.status(), FAILED);
  }
  rig.command(ata.SET_MULTIPLE_MODE, 0, 0);
  rig.command(ata.READ_MULTIPLE, 0, 1);
  assert.deepEqual([rig.status(), rig.in(PRIMARY + ata.ERROR)], [FAILED, ata.ABRT]);
});

test('WRITE SECTORS and WRITE MULTIPLE bring data to the disk', () => {
  for (const [command, atOnce] of [
    [ata.WRITE_SECTORS, 1],
    [ata.WRITE_MULTIPLE, 16],
  ]) {
    const rig = new TestIde();
    const data = numberedSectors(1000).subarray(700 * 512, 740 * 512);
    rig.command(command, 5, 40);
    for (let sector = 0; sector < 40; sector += atOnce) {
      rig.wait();
      assert.equal(rig.in(PRIMARY + ata.STATUS), DATA);
      rig.giveData(data.subarray(sector * 512, Math.min(40, sector + atOnce) * 512));
    }
    assert.equal(rig.status(), READY | ata.BSY);
    rig.wait();
    assert.equal(rig.in(PRIMARY + ata.STATUS), READY);
    assert.deepEqual(rig.disk.bytes.subarray(5 * 512, 45 * 512), data);
    assert.equal(rig.disk.bytes[45 * 512], 45);
    assert.equal(rig.irqs[0].edges, Math.ceil(40 / atOnce));
  }
});

test('READ DMA: one request to the storage, scattered to where the table says', () => {
  const rig = new TestIde();
  rig.regions(0x1_0000, 1024, 0x2_0000, 512, 0x3_0002, 0x1_0000 - 1536);
  rig.command(ata.READ_DMA, 1000, 128);
  assert.equal(rig.status(), DATA);
  rig.startDma(true);
  assert.equal(rig.dmaStatus() & 1, 1);
  rig.wait();
  assert.equal(rig.dmaStatus() & 7, 4);
  assert.ok(rig.irqs[0].level);
  assert.equal(rig.in(PRIMARY + ata.STATUS), READY);
  assert.deepEqual(rig.disk.requests, [`read ${1000 * 512}+${128 * 512}`]);
  const { view } = rig.memory;
  assert.deepEqual(
    [view.getUint32(0x1_0000, true), view.getUint32(0x1_03fc, true), view.getUint32(0x2_0000, true)],
    [1000, 1001, 1002],
  );
  assert.deepEqual([view.getUint32(0x3_0002, true), view.getUint32(0x3_0002 + 125 * 512 - 4, true)], [1003, 1127]);
});

test('the bus master may start before the command', () => {
  const rig = new TestIde();
  rig.regions(0x1_0000, 512);
  rig.startDma(true);
  rig.command(ata.READ_DMA, 77, 1);
  rig.wait();
  assert.equal(rig.memory.view.getUint32(0x1_0000, true), 77);
  assert.equal(rig.dmaStatus() & 7, 4);
});

test('48-bit addresses: by DMA and PIO, more sectors than 256', () => {
  const rig = new TestIde();
  rig.regions(0x1_0000, 0, 0x2_0000, 0, 0x3_0000, 0);
  rig.commandExt(ata.READ_DMA_EXT, 30_000, 384);
  rig.startDma(true);
  rig.wait();
  assert.equal(rig.memory.view.getUint32(0x3_fffc, true), 30_383);
  rig.commandExt(ata.READ_SECTORS_EXT, 39_999, 1);
  rig.wait();
  assert.equal(new Uint32Array(rig.takeData(512).buffer)[127], 39_999);
  rig.commandExt(ata.READ_SECTORS_EXT, 2 ** 40, 1);
  assert.deepEqual([rig.status(), rig.in(PRIMARY + ata.ERROR)], [FAILED, ata.IDNF]);
  rig.out(PRIMARY + 0x206, ata.HOB);
  assert.deepEqual(
    [3, 4, 5].map((register) => rig.in(PRIMARY + register)),
    [0, 0, 1],
    'what was written before',
  );
});

test('a transfer larger than a chunk arrives whole', () => {
  const rig = new TestIde();
  // Everything to the same place but the last 64 KiB.
  rig.regions(...Array.from({ length: 35 }, () => [0x1_0000, 0]).flat(), 0x2_0000, 0);
  rig.commandExt(ata.READ_DMA_EXT, 100, 36 * 128);
  rig.startDma(true);
  rig.wait();
  assert.equal(rig.dmaStatus() & 7, 4);
  assert.equal(rig.memory.view.getUint32(0x2_fffc, true), 100 + 36 * 128 - 1);
  assert.ok(rig.disk.requests.length <= 3);
});

test('WRITE DMA gathers from guest memory', () => {
  const rig = new TestIde();
  rig.memory.bytes.fill(0xaa, 0x1_0000, 0x1_0400);
  rig.memory.bytes.fill(0xbb, 0x2_0000, 0x2_0200);
  rig.regions(0x1_0000, 1024, 0x2_0000, 512);
  rig.command(ata.WRITE_DMA, 50, 3);
  rig.startDma(false);
  rig.wait();
  assert.equal(rig.in(PRIMARY + ata.STATUS), READY);
  assert.deepEqual(
    [...rig.disk.bytes.subarray(50 * 512, 53 * 512)],
    [...new Array(1024).fill(0xaa), ...new Array(512).fill(0xbb)],
  );
});

test('addresses by cylinder, head and sector follow the translation that is set', () => {
  const rig = new TestIde();
  const read = (cylinder: number, head: number, sector: number): number | undefined => {
    rig.command(ata.READ_SECTORS, sector | (cylinder << 8));
    rig.out(PRIMARY + ata.DEVICE, 0xa0 | head);
    rig.wait();
    rig.takeData(512);
    rig.out(PRIMARY + ata.SECTOR_COUNT, 1);
    rig.out(PRIMARY + ata.LBA_LOW, sector);
    rig.out(PRIMARY + ata.LBA_MID, cylinder & 0xff);
    rig.out(PRIMARY + ata.LBA_HIGH, cylinder >> 8);
    rig.out(PRIMARY + ata.COMMAND, ata.READ_SECTORS);
    rig.wait();
    if (rig.status() & ata.ERR) return undefined;
    return new Uint32Array(rig.takeData(512).buffer)[0];
  };
  assert.equal(read(1, 2, 3), (1 * 16 + 2) * 63 + 2);
  assert.equal(read(0, 0, 0), undefined);
  assert.equal(read(0, 0, 64), undefined);
  rig.out(PRIMARY + ata.DEVICE, 0xa3);
  rig.out(PRIMARY + ata.SECTOR_COUNT, 17);
  rig.out(PRIMARY + ata.COMMAND, ata.INITIALIZE_DEVICE_PARAMETERS);
  assert.equal(read(1, 2, 3), (1 * 4 + 2) * 17 + 2);
  assert.equal(read(0, 4, 1), undefined);
  const words = identify(rig);
  assert.deepEqual([...words.subarray(54, 57)], [588, 4, 17]);
});

test('sectors that are not there: IDNF, and nothing is asked of the storage', () => {
  const rig = new TestIde();
  for (const [lba, count] of [
    [40_000, 1],
    [39_999, 2],
    [0x0fff_ffff, 256],
  ]) {
    rig.command(ata.READ_SECTORS, lba, count);
    assert.deepEqual([rig.status(), rig.in(PRIMARY + ata.ERROR)], [FAILED, ata.IDNF]);
    rig.command(ata.READ_VERIFY, lba, count);
    assert.equal(rig.status(), FAILED);
  }
  rig.command(ata.READ_VERIFY, 39_999, 1);
  assert.equal(rig.status(), READY);
  assert.deepEqual(rig.disk.requests, []);
});

test('a failing read is an uncorrectable error with its address, by PIO and by DMA', () => {
  const rig = new TestIde();
  rig.disk.problem = 'io';
  rig.command(ata.READ_SECTORS, 0x345678 % 40_000, 4);
  rig.wait();
  assert.deepEqual([rig.status(), rig.in(PRIMARY + ata.ERROR)], [FAILED, ata.UNC]);
  assert.ok(rig.irqs[0].level);
  const lba = [3, 4, 5].map((register) => rig.in(PRIMARY + register));
  assert.equal(lba[0] | (lba[1] << 8) | (lba[2] << 16), 0x345678 % 40_000);
  rig.regions(0x1_0000, 2048);
  rig.command(ata.READ_DMA, 9, 4);
  rig.startDma(true);
  rig.wait();
  assert.deepEqual([rig.status(), rig.in(PRIMARY + ata.ERROR)], [FAILED, ata.UNC]);
  assert.equal(rig.dmaStatus() & 4, 4);
  assert.equal(rig.memory.view.getUint32(0x1_0000, true), 0);
});

test('a full host is a device fault, and a later write works again', () => {
  const rig = new TestIde();
  rig.disk.problem = 'full';
  rig.command(ata.WRITE_SECTORS, 9);
  rig.giveData(new Uint8Array(512).fill(0xee));
  rig.wait();
  assert.deepEqual([rig.status(), rig.in(PRIMARY + ata.ERROR)], [FAILED | ata.DF, ata.ABRT]);
  rig.command(ata.FLUSH_CACHE);
  rig.wait();
  assert.equal(rig.status(), FAILED | ata.DF);
  rig.disk.problem = undefined;
  rig.command(ata.WRITE_SECTORS, 9);
  rig.giveData(new Uint8Array(512).fill(0xee));
  rig.wait();
  assert.equal(rig.status(), READY);
  assert.equal(rig.disk.bytes[9 * 512], 0xee);
});

test('an image that cannot be written aborts writes and nothing else', () => {
  const rig = new TestIde();
  rig.disk.readOnly = true;
  for (const command of [ata.WRITE_SECTORS, ata.WRITE_DMA, ata.WRITE_MULTIPLE]) {
    rig.command(command, 9);
    assert.deepEqual([rig.status(), rig.in(PRIMARY + ata.ERROR)], [FAILED, ata.ABRT]);
  }
  rig.command(ata.READ_SECTORS, 9);
  rig.wait();
  assert.equal(rig.status(), DATA);
});

test('FLUSH CACHE is a flush of the storage, and so is every write without the write cache', () => {
  const rig = new TestIde();
  rig.command(ata.FLUSH_CACHE_EXT);
  assert.equal(rig.status(), READY | ata.BSY);
  rig.wait();
  assert.equal(rig.status(), READY);
  rig.out(PRIMARY + ata.FEATURES, ata.DISABLE_WRITE_CACHE);
  rig.command(ata.SET_FEATURES);
  rig.wait();
  assert.equal(identify(rig)[85] & 0x20, 0);
  rig.command(ata.WRITE_SECTORS, 9);
  rig.giveData(new Uint8Array(512));
  rig.wait();
  assert.equal(rig.status(), READY);
  assert.deepEqual(rig.disk.requests, ['flush', 'flush', 'write 4608+512', 'flush']);
});

test('SET FEATURES takes the transfer modes that IDENTIFY announces, and shows them', () => {
  const rig = new TestIde();
  const set = (mode: number): number => {
    rig.out(PRIMARY + ata.FEATURES, ata.SET_TRANSFER_MODE);
    rig.command(ata.SET_FEATURES, 0, mode);
    return rig.status();
  };
  assert.equal(set(0x22), READY);
  assert.deepEqual([identify(rig)[63], identify(rig)[88]], [0x0407, 0x003f]);
  assert.equal(set(0x45), READY);
  assert.deepEqual([identify(rig)[63], identify(rig)[88]], [0x0007, 0x203f]);
  assert.equal(set(0x08), READY);
  for (const wrong of [0x23, 0x46, 0x10, 0x0d, 0x80]) assert.equal(set(wrong), FAILED);
});

test('unknown commands are aborted with an interrupt', () => {
  const rig = new TestIde();
  for (const command of [ata.NOP, ata.DEVICE_RESET, ata.PACKET, ata.IDENTIFY_PACKET_DEVICE, 0xb0, 0xff]) {
    const { edges } = rig.irqs[0];
    rig.command(command);
    assert.deepEqual([rig.status(), rig.in(PRIMARY + ata.ERROR)], [FAILED, ata.ABRT]);
    assert.equal(rig.irqs[0].edges, edges + 1);
    rig.in(PRIMARY + ata.STATUS);
  }
});

test('a command during a command is not heard', () => {
  const rig = new TestIde();
  rig.command(ata.READ_SECTORS, 3);
  rig.out(PRIMARY + ata.COMMAND, ata.IDENTIFY_DEVICE);
  rig.wait();
  rig.out(PRIMARY + ata.COMMAND, ata.IDENTIFY_DEVICE);
  assert.equal(new Uint32Array(rig.takeData(512).buffer)[0], 3);
});

test('a software reset ends what is under way, and its data never arrive', () => {
  const rig = new TestIde();
  rig.regions(0x1_0000, 512);
  rig.command(ata.READ_DMA, 77, 1);
  rig.startDma(true);
  rig.out(PRIMARY + 0x206, ata.SRST);
  assert.equal(rig.status(), ata.BSY);
  rig.out(PRIMARY + 0x206, 0);
  assert.equal(rig.status(), READY);
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((register) => rig.in(PRIMARY + register)),
    [1, 1, 1, 0, 0],
  );
  rig.wait();
  assert.equal(rig.memory.view.getUint32(0x1_0000, true), 0);
  assert.equal(rig.irqs[0].edges, 0);
});

test('a transfer that was saved half way goes on where it is restored', () => {
  const rig = new TestIde();
  rig.regions(0x1_0000, 0, 0x2_0000, 0);
  rig.command(ata.READ_DMA, 1000, 256);
  rig.startDma(true);
  const saved = [rig.ide.config.save(), rig.ide.save()];
  const other = new TestIde();
  other.memory.bytes.set(rig.memory.bytes);
  other.ide.config.restore(saved[0]);
  other.ide.restore(saved[1]);
  other.wait();
  assert.equal(other.in(BUS_MASTER + 2) & 7, 4);
  assert.equal(other.memory.view.getUint32(0x2_fffc, true), 1255);
  assert.ok(other.irqs[0].level);
});
