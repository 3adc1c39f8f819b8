import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as ata from './ata-registers.ts';
import { BUS_MASTER, TestIde } from './test-ide.ts';

const WAITS = ata.DRDY | ata.DSC | ata.DRQ;
const ACTIVE = 1;
const ERROR = 2;
const INTERRUPT = 4;

test('registers: reserved bits are zero, flags are cleared by ones, tables begin at multiples of 4', () => {
  const rig = new TestIde();
  rig.out(BUS_MASTER + 4, 0xffff_ffff, 4);
  assert.equal(rig.in(BUS_MASTER + 4, 4), 0xffff_fffc);
  rig.out(BUS_MASTER + 2, 0xff);
  assert.equal(rig.in(BUS_MASTER + 2), 0x60);
  rig.command(ata.IDENTIFY_DEVICE);
  assert.equal(rig.dmaStatus(), 0x60 | INTERRUPT);
  rig.out(BUS_MASTER + 2, 0x20);
  assert.equal(rig.dmaStatus(), 0x20 | INTERRUPT);
  rig.out(BUS_MASTER + 2, INTERRUPT);
  assert.equal(rig.dmaStatus(), 0);
  rig.out(BUS_MASTER, 0xf8);
  assert.equal(rig.in(BUS_MASTER, 4), 8);
});

test('a table longer than the transfer leaves the bus master active until it is stopped', () => {
  const rig = new TestIde();
  rig.regions(0x1_0000, 4096);
  rig.command(ata.READ_DMA, 5, 2);
  rig.startDma(true);
  rig.wait();
  assert.equal(rig.dmaStatus(), ACTIVE | INTERRUPT);
  rig.out(BUS_MASTER, 8);
  assert.equal(rig.dmaStatus(), INTERRUPT);
});

test('a table shorter than the transfer stops the bus master, and another table goes on', () => {
  const rig = new TestIde();
  rig.regions(0x1_0000, 1024);
  rig.command(ata.READ_DMA, 5, 3);
  rig.startDma(true);
  rig.wait();
  assert.equal(rig.dmaStatus(), 0);
  assert.equal(rig.status(), WAITS);
  rig.regions(0x2_0000, 512);
  rig.startDma(true);
  rig.wait();
  assert.equal(rig.dmaStatus(), INTERRUPT);
  assert.deepEqual(
    [0x1_0000, 0x1_0200, 0x2_0000].map((at) => rig.memory.view.getUint32(at, true)),
    [5, 6, 7],
  );
});

test('stopping it while the storage works leaves memory alone', () => {
  const rig = new TestIde();
  rig.regions(0x1_0000, 512);
  rig.command(ata.READ_DMA, 5, 1);
  rig.startDma(true);
  rig.out(BUS_MASTER, 0);
  rig.wait();
  assert.equal(rig.memory.view.getUint32(0x1_0000, true), 0);
  assert.equal(rig.status(), WAITS);
  assert.equal(rig.dmaStatus(), 0);
});

test('starting it anew while the storage works uses the new table', () => {
  const rig = new TestIde();
  rig.regions(0x1_0000, 512);
  rig.command(ata.READ_DMA, 5, 1);
  rig.startDma(true);
  rig.regions(0x2_0000, 512);
  rig.startDma(true);
  rig.wait();
  assert.deepEqual(
    [0x1_0000, 0x2_0000].map((at) => rig.memory.view.getUint32(at, true)),
    [0, 5],
  );
});

test('nothing moves until the function may be bus master', () => {
  const rig = new TestIde();
  rig.ide.config.write(4, 1, 2);
  rig.regions(0x1_0000, 512);
  rig.command(ata.READ_DMA, 5, 1);
  rig.startDma(true);
  rig.wait();
  assert.equal(rig.memory.view.getUint32(0x1_0000, true), 0);
  rig.ide.config.write(4, 5, 2);
  rig.wait();
  assert.equal(rig.memory.view.getUint32(0x1_0000, true), 5);
});

test('a table, or regions, outside memory stop it with an error, and the device can be reset', () => {
  const outside: readonly ((rig: TestIde) => void)[] = [
    (rig) => rig.startDma(true, 0, 0xffff_fff0),
    (rig) => {
      rig.regions(0x1_0000, 512, 0x8000_0000, 512);
      rig.startDma(true);
    },
    (rig) => {
      rig.regions((1 << 20) - 256, 1024);
      rig.startDma(false);
    },
  ];
  outside.forEach((start, index) => {
    const rig = new TestIde();
    rig.command(index === 2 ? ata.WRITE_DMA : ata.READ_DMA, 5, 2);
    start(rig);
    rig.wait();
    assert.equal(rig.dmaStatus(), ERROR);
    assert.equal(rig.status(), WAITS);
    rig.out(0x3f6, ata.SRST);
    rig.out(0x3f6, 0);
    rig.regions(0x1_0000, 512);
    rig.command(ata.READ_DMA, 5, 1);
    rig.startDma(true);
    rig.wait();
    assert.equal(rig.dmaStatus(), INTERRUPT);
  });
});

test('a table without end, of the smallest regions, is given up', () => {
  const rig = new TestIde();
  for (let at = 0x8_0000; at < 0x9_0000; at += 8) {
    rig.memory.view.setUint32(at, 0x1_0000, true);
    rig.memory.view.setUint32(at + 4, 2, true);
  }
  rig.commandExt(ata.READ_DMA_EXT, 0, 2048);
  rig.startDma(true, 0, 0x8_0000);
  rig.wait();
  assert.equal(rig.dmaStatus(), ERROR);
  assert.deepEqual(rig.disk.requests, []);
});
